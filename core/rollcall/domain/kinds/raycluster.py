"""RayCluster: its words ``ready`` and RayClusterProvisioned are never taken back, so counts and pods decide."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, sentence_of, text_at, true_condition, whole_at
from rollcall.domain.kinds import ray
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_SUSPENDED = ("RayClusterSuspended", "RayClusterSuspending")
_FAILURES = ("ReplicaFailure", "RayClusterReplicaFailure")


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    required = ray.cluster_pods(obj.spec)
    counted = ray.counted(status)
    stop = suspension(obj, "suspend")
    suspended = true_condition(status, *_SUSPENDED) is not None or text_at(status, "state") == "suspended"
    failure = true_condition(status, *_FAILURES)
    said = None if failure is None else sentence_of(failure) or "ReplicaFailure"
    head_serves = _head_serves(obj, pods)
    available, desired = whole_at(status, "availableWorkerReplicas"), None if required is None else required - 1
    surplus = None
    if available is not None and desired is not None and available > desired:
        surplus = f"{available} workers where {desired} are wanted"
    return Signals(
        raw_phase=_raw_phase(obj),
        failed=None if said is None or head_serves else Verdict(message=said),
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if suspended and not stop.sentence else None,
        # KubeRay does not write the status where nothing but observedGeneration would change: it may lag for ever.
        unobserved=unobserved(obj, writes_generation=False),
        required=required,
        existing=0 if suspended else counted.existing,
        ready=counted.ready,
        not_ready=None if pods else _head_not_ready(obj),
        degraded=said if head_serves else None,
        surplus=surplus,
        holdup=said,
        unreadable="the numbers of a worker group are no counts" if required is None else None,
    )


def _head_serves(obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> bool:
    heads = [pod for pod in pods if pod.role == ray.HEAD]
    return any(pod.is_ready for pod in heads) if heads else ray.head_is_ready(obj.status)


def _head_not_ready(obj: ObjectFacts) -> str | None:
    head = condition_of(obj.status, "HeadPodReady")
    if head is None or head.get("status") == "True":
        return None
    return sentence_of(head) or "its head is not ready"


def _raw_phase(obj: ObjectFacts) -> str | None:
    state = text_at(obj.status, "state")
    if state is not None:
        return state
    found = true_condition(obj.status, *_SUSPENDED, *_FAILURES, "RayClusterProvisioned")
    return None if found is None else str(found["type"])


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return ray.cluster_roles(obj.spec)


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return ray.cluster_requested_pods(obj.spec, ray.cluster_pods(obj.spec))


def _urls(obj: ObjectFacts) -> tuple[str, ...]:
    return ray.dashboard(obj.status, obj.meta.namespace)


ENTRIES = (
    KindEntry(
        key=KindKey(group="ray.io", kind="RayCluster"),
        versions=("v1", "v1alpha1"),
        plural="rayclusters",
        words=Words(
            runs="head and workers are ready: pods, or ready workers and condition HeadPodReady",
            fails="condition ReplicaFailure with a head that does not serve; while it serves that is Degraded",
            stops="`spec.suspend`",
            asks="1 head, and per group `replicas` within its bounds times `numOfHosts`; 0 of a suspended group",
            notes="its words ready and Provisioned are never taken back, so they are not believed",
        ),
        category=Category.TRAIN,
        signals=_signals,
        additional_fields=(("framework", "Ray"),),
        roles=(
            Role(name=ray.HEAD, template="spec.headGroupSpec.template"),
            Role(name=ray.WORKER, template="spec.workerGroupSpecs"),
        ),
        find_roles=_roles,
        role_labels=ray.ROLE_LABELS,
        requested_pods=_requested_pods,
        priority_labels=ray.PRIORITY_LABELS,
        find_urls=_urls,
        priority_paths=("spec.headGroupSpec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
