"""LeaderWorkerSet: groups of a leader and its workers. Its status counts groups and has no observedGeneration."""

from rollcall.domain.facts import KindKey, ObjectFacts, PodFacts
from rollcall.domain.fields import MOST_PODS, elements_at, is_absurd, mapping_at, text_at, true_condition, whole_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import replicas_wanted, scaled_to_nothing, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals

_GROUP = "spec.leaderWorkerTemplate"
_WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
_LEADER, _WORKER = "leader", "worker"
_WORDS = ("UpdateInProgress", "Available", "Progressing")


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    wanted, size = replicas_wanted(obj), _size(obj)
    existing, ready = whole_at(status, "replicas") or 0, whole_at(status, "readyReplicas") or 0
    updated = whole_at(status, "updatedReplicas") or 0
    found = true_condition(status, *_WORDS)
    surplus = growing = required = None
    if wanted is not None and size is not None:
        required = min(wanted * size, MOST_PODS)
        if true_condition(status, "UpdateInProgress") is not None:
            surplus = f"{updated} of {wanted} groups updated"
        elif existing > wanted:
            surplus = f"{existing} groups where {wanted} are wanted"
        elif min(updated, ready) < wanted:
            growing = f"{ready} of {wanted} groups ready"
    return Signals(
        raw_phase=None if found is None else str(found["type"]),
        stop=scaled_to_nothing(wanted).sentence,
        unobserved=unobserved(obj, writes_generation=False),
        required=required,
        due=_due(obj, required, pods),
        existing=existing * (size or 1),
        ready=ready * (size or 1),
        surplus=surplus,
        growing=growing,
        unreadable="spec.replicas or the size of a group is no count" if required is None else None,
    )


def _size(obj: ObjectFacts) -> int | None:
    """How many pods a group has, its leader among them."""
    if is_absurd(obj.spec, "leaderWorkerTemplate.size"):
        return None
    size = whole_at(obj.spec, "leaderWorkerTemplate.size")
    return 1 if size is None else size


def _due(obj: ObjectFacts, required: int | None, pods: tuple[JudgedPod, ...]) -> int | None:
    """With the startup policy LeaderReady workers are made once their leader is ready."""
    wanted, size = replicas_wanted(obj), _size(obj)
    if required is None or wanted is None or size is None or text_at(obj.spec, "startupPolicy") != "LeaderReady":
        return required
    leaders = sum(1 for pod in pods if pod.role == _LEADER and pod.is_ready)
    return min(required, wanted + leaders * max(0, size - 1))


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    template = mapping_at(obj.spec, "leaderWorkerTemplate")
    worker = mapping_at(template, "workerTemplate")
    leader = mapping_at(template, "leaderTemplate")
    if not elements_at(leader, "spec.containers"):
        leader = worker
    wanted, size = replicas_wanted(obj), _size(obj)
    workers = None if wanted is None or size is None else min(wanted * max(0, size - 1), MOST_PODS)
    found = (FoundRole(_LEADER, leader, wanted), FoundRole(_WORKER, worker, workers))
    return tuple(role for role in found if elements_at(role.template, "spec.containers"))


def _role_of(pod: PodFacts, _roles: tuple[FoundRole, ...]) -> str | None:
    index = pod.meta.labels.get(_WORKER_INDEX)
    if index is None:
        return None
    return _LEADER if index == "0" else _WORKER


ENTRIES = (
    KindEntry(
        key=KindKey(group="leaderworkerset.x-k8s.io", kind="LeaderWorkerSet"),
        versions=("v1",),
        plural="leaderworkersets",
        words=Words(
            runs="all pods of all groups are ready",
            fails="a pod cannot start for longer than its grace and none is ready; it says no failure itself",
            stops="`spec.replicas: 0`",
            asks="`spec.replicas` groups of `spec.leaderWorkerTemplate.size`",
            notes="workers are due once their leader is ready where the startup policy says so",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=(
            Role(name=_LEADER, template=f"{_GROUP}.leaderTemplate"),
            Role(name=_WORKER, template=f"{_GROUP}.workerTemplate"),
        ),
        find_roles=_roles,
        role_of=_role_of,
        pods_per_replica=_size,
        name_label="leaderworkerset.sigs.k8s.io/name",
        priority_paths=(
            f"{_GROUP}.leaderTemplate.spec.priorityClassName",
            f"{_GROUP}.workerTemplate.spec.priorityClassName",
        ),
        recovers=True,
    ),
)
