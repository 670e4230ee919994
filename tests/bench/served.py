"""Objects as an API server serves them, ``managedFields`` and all: Jobs with their pods, from creation to deletion."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from rollcall.domain.facts import KindKey
from rollcall_operator.cluster_state import POD, EventType
from rollcall_operator.surroundings import NAMESPACE, NODE

NAMESPACE_NAME = "runai-team-a"
JOB = KindKey(group="batch", kind="Job")

Json = dict[str, Any]

_CREATED, _STARTED, _ENDED = "2026-03-01T12:00:00Z", "2026-03-01T12:00:05Z", "2026-03-01T12:10:00Z"

_LEAVES = (
    "app", "image", "imagePullPolicy", "name", "resources", "limits", "requests", "terminationMessagePath",
    "volumeMounts", "env", "dnsPolicy", "restartPolicy", "schedulerName", "tolerations",
)  # fmt: skip
_MANAGED_FIELDS = [
    {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": _CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            f"f:{part}": {f'k:{{"name":"{leaf}"}}': {".": {}, f"f:{leaf}": {}} for leaf in _LEAVES}
            for part in ("metadata", "spec", "status")
        },
    }
    for manager in ("kube-controller-manager", "kubelet")
]
"""About half of a served pod, as measured on real ones."""


@dataclass(frozen=True, slots=True)
class Change:
    """One watch event: the kind, what happened, the object, and the workload it belongs to."""

    key: KindKey
    event: EventType
    obj: Json
    workload: str


@dataclass(slots=True)
class Versions:
    """resourceVersions, as one etcd counts them."""

    last: int = 1000

    def next(self) -> str:
        """The next one."""
        self.last += 1
        return str(self.last)


@dataclass(slots=True)
class JobLife:
    """A Job and its pods: the changes a watcher sees, in order."""

    number: int
    pods: int
    versions: Versions
    name: str = field(init=False)
    uid: str = field(init=False)

    def __post_init__(self) -> None:
        """Name it."""
        self.name = f"train-{self.number}"
        self.uid = str(uuid5(NAMESPACE_OID, self.name))

    def changes(self) -> Iterator[Change]:
        """Every change from the Job's creation to its deletion; four of the Job and six of each pod."""
        numbers = range(self.pods)
        yield self._job({})
        for state in (_UNSCHEDULED, _BOUND, _CREATING, _RUNNING):
            for number in numbers:
                yield self.pod(number, state)
        yield self._job({"startTime": _STARTED, "active": self.pods, "ready": self.pods})
        for number in numbers:
            yield self.pod(number, _SUCCEEDED)
        complete = {"type": "Complete", "status": "True", "lastTransitionTime": _ENDED}
        done = {"startTime": _STARTED, "completionTime": _ENDED, "succeeded": self.pods, "conditions": [complete]}
        yield self._job(done)
        for number in numbers:
            yield self.pod(number, _SUCCEEDED, event=EventType.DELETED)
        yield self._job(done, event=EventType.DELETED)

    def _job(self, status: Json, *, event: EventType = EventType.SEEN) -> Change:
        spec = {
            "parallelism": self.pods,
            "completions": self.pods,
            "backoffLimit": 6,
            "template": {"metadata": {"labels": {"job-name": self.name}}, "spec": _POD_SPEC},
        }
        metadata = {"name": self.name, "uid": self.uid, **self._metadata()}
        obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec, "status": status}
        return Change(JOB, event, obj, self.uid)

    def pod(self, number: int, state: Json, *, event: EventType = EventType.SEEN) -> Change:
        """One of its pods in a state of its life."""
        name = f"{self.name}-{number}"
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata = {
            "name": name,
            "uid": str(uuid5(NAMESPACE_OID, f"pod-{name}")),
            "generateName": f"{self.name}-",
            "labels": {"batch.kubernetes.io/job-name": self.name, "job-name": self.name, "app": "train"},
            "ownerReferences": [owner],
            **self._metadata(),
        }
        spec = dict(_POD_SPEC)
        if state is not _UNSCHEDULED:
            spec["nodeName"] = f"gpu-{number % 8}"
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": state}
        return Change(POD, event, obj, self.uid)

    def _metadata(self) -> Json:
        return {
            "namespace": NAMESPACE_NAME,
            "resourceVersion": self.versions.next(),
            "generation": 1,
            "creationTimestamp": _CREATED,
            "managedFields": _MANAGED_FIELDS,
        }


def surroundings() -> Iterator[Change]:
    """The namespace and the nodes that the Jobs live on."""
    named = {"name": NAMESPACE_NAME, "uid": "n1", "labels": {"runai/queue": "team-a"}}
    yield Change(NAMESPACE, EventType.SEEN, {"apiVersion": "v1", "kind": "Namespace", "metadata": named}, "")
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"nvidia.com/gpu": "8"}}
    for number in range(8):
        metadata = {"name": f"gpu-{number}", "uid": f"node-{number}", "labels": {"kai.scheduler/node-pool": "a100"}}
        yield Change(
            NODE, EventType.SEEN, {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": ready}, ""
        )


_RESOURCES = {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}
_POD_SPEC: Json = {
    "containers": [
        {
            "name": "main",
            "image": "registry.example/team-a/trainer:2026-02-11",
            "command": ["python", "-m", "train"],
            "args": ["--epochs", "20", "--config", "/etc/train/config.yaml"],
            "env": [{"name": f"SETTING_{number}", "value": "some value"} for number in range(8)],
            "resources": {"requests": _RESOURCES, "limits": _RESOURCES},
            "volumeMounts": [
                {"name": name, "mountPath": f"/mnt/{name}"} for name in ("data", "scratch", "kube-api-access-x7b2k")
            ],
            "terminationMessagePath": "/dev/termination-log",
            "imagePullPolicy": "IfNotPresent",
        }
    ],
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "kube-api-access-x7b2k", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ],
    "restartPolicy": "Never",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "default",
    "schedulerName": "default-scheduler",
    "priority": 50,
    "priorityClassName": "train",
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}


def _conditions(**statuses: str) -> list[Json]:
    return [
        {"type": name, "status": status, "lastProbeTime": None, "lastTransitionTime": _STARTED}
        for name, status in statuses.items()
    ]


def _container(state: Mapping[str, Any], *, ready: bool = False) -> list[Json]:
    image = "registry.example/team-a/trainer:2026-02-11"
    return [{"name": "main", "image": image, "imageID": "", "ready": ready, "restartCount": 0, "state": dict(state)}]


_UNSCHEDULED: Json = {"phase": "Pending", "qosClass": "Guaranteed"}
_BOUND: Json = {"phase": "Pending", "qosClass": "Guaranteed", "conditions": _conditions(PodScheduled="True")}
_CREATING: Json = {
    "phase": "Pending",
    "qosClass": "Guaranteed",
    "startTime": _STARTED,
    "hostIP": "10.0.0.1",
    "conditions": _conditions(PodScheduled="True", Initialized="True", Ready="False", ContainersReady="False"),
    "containerStatuses": _container({"waiting": {"reason": "ContainerCreating"}}),
}
_RUNNING: Json = {
    **_CREATING,
    "phase": "Running",
    "podIP": "10.244.1.7",
    "conditions": _conditions(PodScheduled="True", Initialized="True", Ready="True", ContainersReady="True"),
    "containerStatuses": _container({"running": {"startedAt": _STARTED}}, ready=True),
}
_SUCCEEDED: Json = {
    **_RUNNING,
    "phase": "Succeeded",
    "conditions": _conditions(PodScheduled="True", Initialized="True", Ready="False", ContainersReady="False"),
    "containerStatuses": _container(
        {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": _STARTED, "finishedAt": _ENDED}}
    ),
}
RUNNING = _RUNNING
"""The state of a pod that runs and is ready."""
