"""What the domain's tests observe: objects in the shapes their controllers write, read and derived."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rollcall.domain.derivation import Derivation, derive
from rollcall.domain.facts import DomainSettings, Meta, NodeFacts, ObjectFacts, PodFacts, WorkloadView
from rollcall.domain.kinds import catalogue
from rollcall.domain.node_reading import read_node
from rollcall.domain.reading import read_object, read_pod
from rollcall.domain.records import Remembered, RememberedPod

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CREATED = NOW - timedelta(hours=1)
SETTINGS = DomainSettings()

API_VERSIONS: dict[str, str] = {}
"""The first of each kind in the catalogue, so that a new kind joins the properties by itself."""
for _entry in catalogue.watched_entries():
    API_VERSIONS.setdefault(_entry.key.kind, "/".join(filter(None, (_entry.key.group, _entry.versions[0]))))


def at(instant: datetime) -> str:
    """An instant as the API server writes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def template(*, gpus: int = 1, image: str = "trainer:1", **spec: Any) -> dict[str, Any]:
    """A PodTemplateSpec with one container; GPUs are limits only, as people write them."""
    return {
        "spec": {
            "containers": [{"name": "main", "image": image, "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}],
            **spec,
        }
    }


def condition(condition_type: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, Any]:
    """A condition with only the fields that are given."""
    found = {"type": condition_type, "status": status, "lastTransitionTime": at(NOW - timedelta(minutes=10))}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def obj(
    kind: str,
    spec: Mapping[str, Any],
    status: Mapping[str, Any] | None = None,
    *,
    name: str = "w",
    uid: str = "11111111-0000-4000-8000-000000000001",
    api_version: str | None = None,
    created_at: datetime = CREATED,
    deleting: bool = False,
    **metadata: Any,
) -> ObjectFacts:
    """An object as the API server would serve it, read."""
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "runai-team-a",
        "uid": uid,
        "resourceVersion": "100",
        "generation": 1,
        "creationTimestamp": at(created_at),
    }
    if deleting:
        meta["deletionTimestamp"] = at(NOW)
    body = {
        "apiVersion": api_version or API_VERSIONS.get(kind, "example.com/v1"),
        "kind": kind,
        "metadata": meta | metadata,
        "spec": dict(spec),
        "status": dict(status or {}),
    }
    found = read_object(body)
    assert found is not None
    return found


def pod(
    name: str = "w-0",
    state: str = "ready",
    *,
    owner: ObjectFacts | None = None,
    role: str | None = None,
    node: str = "gpu-1",
    started_at: datetime = CREATED,
    restart_policy: str = "Always",
    spec: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> PodFacts:
    """A pod in one of the states of :data:`STATUSES`, as the kubelet and the scheduler would write it."""
    status = {"startTime": at(started_at), **STATUSES[state]}
    bound = state not in ("unscheduled", "no_condition", "gated", "preempting")
    if not bound:
        del status["startTime"]
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "runai-team-a",
            "uid": f"pod-{name}",
            "resourceVersion": "200",
            "creationTimestamp": at(started_at),
        },
        "spec": {
            "restartPolicy": restart_policy,
            "containers": [
                {"name": "main", "image": "trainer:1", "resources": {"requests": {"nvidia.com/gpu": "1", "cpu": "2"}}}
            ],
        },
        "status": status,
    }
    if bound:
        body["spec"]["nodeName"] = node
    if state == "gated":
        body["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    if state == "releasing":
        body["metadata"]["deletionTimestamp"] = at(NOW)
    if role is not None:
        body["metadata"]["labels"] = {"training.kubeflow.org/replica-type": role}
    if owner is not None:
        body["metadata"]["ownerReferences"] = [
            {
                "apiVersion": "batch/v1",
                "kind": owner.meta.kind,
                "name": owner.meta.name,
                "uid": owner.meta.uid,
                "controller": True,
            }
        ]
    body["metadata"] |= metadata
    body["spec"] |= dict(spec or {})
    found = read_pod(body)
    assert found is not None
    return found


def _container(state: Mapping[str, Any], *, ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "main", "ready": ready, "restartCount": restarts, "state": state, **more}]}


def _waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return _container({"waiting": {"reason": reason, "message": message}}, **more)


_SCHEDULED = {
    "type": "PodScheduled",
    "status": "True",
    "lastTransitionTime": at(CREATED),
}
_UNREADY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers not ready"}
_STARTING = {"phase": "Pending", "conditions": [_SCHEDULED, _UNREADY]}
_ALIVE = {"phase": "Running", "conditions": [_SCHEDULED, _UNREADY]}
_RUNNING = {"running": {"startedAt": at(CREATED + timedelta(seconds=20))}}


def _ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    ended = {"exitCode": code, "reason": reason, "finishedAt": at(NOW - timedelta(minutes=5))}
    return {"terminated": ended | ({"message": message} if message else {})}


STATUSES: dict[str, dict[str, Any]] = {
    "ready": {
        "phase": "Running",
        "conditions": [
            _SCHEDULED,
            {"type": "Ready", "status": "True", "lastTransitionTime": at(CREATED + timedelta(minutes=1))},
        ],
        **_container(_RUNNING, ready=True),
    },
    "not_ready": {**_ALIVE, **_container(_RUNNING)},
    "gated": {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
    },
    "unscheduled": {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/4 nodes are available: 4 Insufficient nvidia.com/gpu.",
            }
        ],
    },
    "no_condition": {"phase": "Pending"},
    "preempting": {
        "phase": "Pending",
        "nominatedNodeName": "gpu-7",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}],
    },
    "creating": {**_STARTING, **_waiting("ContainerCreating")},
    "pulling": {**_STARTING, **_waiting("ErrImagePull", "rpc error: not found")},
    "image": {**_STARTING, **_waiting("ImagePullBackOff", 'Back-off pulling image "trainer:1"')},
    "invalid_image": {**_STARTING, **_waiting("InvalidImageName", "couldn't parse image name")},
    "config": {**_STARTING, **_waiting("CreateContainerConfigError", 'secret "token" not found')},
    "crash": {**_ALIVE, **_waiting("CrashLoopBackOff", restarts=5, lastState=_ended(1))},
    "oom_loop": {**_ALIVE, **_waiting("CrashLoopBackOff", restarts=5, lastState=_ended(137, "OOMKilled"))},
    "restarting": {**_ALIVE, **_container(_ended(1), restarts=1)},
    "looping": {**_ALIVE, **_container(_ended(1), restarts=4)},
    "done_restarting": {**_ALIVE, **_container(_ended(0, "Completed"))},
    "lagging": {**_ALIVE, **_container(_ended(137, "OOMKilled"))},
    "succeeded": {"phase": "Succeeded", **_container(_ended(0, "Completed"))},
    "failed": {"phase": "Failed", **_container(_ended(2))},
    "evicted": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
    "rejected": {"phase": "Failed", "reason": "OutOfnvidia.com/gpu", "message": "Pod was rejected"},
    "disrupted": {
        "phase": "Failed",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
        **_container(_ended(143)),
    },
    "releasing": {"phase": "Running", "conditions": [_SCHEDULED, {"type": "Ready", "status": "True"}]},
    "lost": {"phase": "Unknown", "conditions": [_SCHEDULED]},
}


def node(name: str = "gpu-1", *, ready: bool = True, pool: str | None = None) -> NodeFacts:
    """A node, ready or not."""
    found = read_node(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "uid": f"node-{name}",
                "labels": {"kai.scheduler/node-pool": pool} if pool else {},
            },
            "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}]},
        },
        SETTINGS,
    )
    assert found is not None
    return found


def latched(**more: Any) -> Remembered:
    """The memory of a workload that was seen running."""
    return Remembered(running_since=CREATED + timedelta(minutes=2), **more)


def observe(
    top: ObjectFacts | None = None,
    *pods: PodFacts,
    remembered: Remembered | None = None,
    remembered_pods: Mapping[str, RememberedPod] | None = None,
    children: tuple[ObjectFacts, ...] = (),
    nodes: tuple[NodeFacts, ...] = (),
    reference: Meta | None = None,
    now: datetime = NOW,
    **view: Any,
) -> Derivation:
    """Derive what is given; without a top object and a reference the first pod is a bare pod."""
    return derive(
        WorkloadView(
            top=top,
            top_is_pod=top is None and reference is None,
            top_reference=reference,
            children=children,
            pods=pods,
            nodes={found.meta.name: found for found in nodes},
            **view,
        ),
        now=now,
        remembered=remembered or Remembered(),
        remembered_pods=remembered_pods or {},
        settings=SETTINGS,
    )
