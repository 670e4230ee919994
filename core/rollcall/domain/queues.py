"""What queues and schedulers say of a workload: Kueue's Workloads and the PodGroups of KAI and of Volcano.

They are no workloads: each stands for one, or for some of its pods, and says why it may not run yet. They become
signals beside those of the kind's entry, so that the ladder stays the one that makes phases: a suspension that a queue
asked for is a wait and no stop, unless the queue itself was told to let go of the workload.

Their conditions are sticky in their own ways. Kueue keeps Evicted until quota is reserved anew; Volcano leaves
Unschedulable True and adds Scheduled later; KAI writes nothing once any pod of a group has a node, and older releases
never take a condition back. So what a PodGroup says is told only while pods wait.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollcall.domain import messages
from rollcall.domain.facts import KindKey, Meta, ObjectFacts, QueueFacts, QueueStanding, QueueWord
from rollcall.domain.fields import whole_at
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import PhaseReason, SchedulingMessage
from rollcall.domain.signals import Signals

KUEUE_WORKLOAD = KindKey(group="kueue.x-k8s.io", kind="Workload")
KAI_POD_GROUP = KindKey(group="scheduling.run.ai", kind="PodGroup")
VOLCANO_POD_GROUP = KindKey(group="scheduling.volcano.sh", kind="PodGroup")

QUEUE_KINDS: Mapping[KindKey, str] = {
    KUEUE_WORKLOAD: "workloads",
    KAI_POD_GROUP: "podgroups",
    VOLCANO_POD_GROUP: "podgroups",
}
"""The kinds with their plurals; each is watched only where the cluster serves it."""

KAI_GROUP_ANNOTATION = "pod-group-name"
VOLCANO_GROUP_NAMES = ("scheduling.volcano.sh/group-name", "scheduling.k8s.io/group-name")
"""Annotations, or labels, by which a pod names its PodGroup."""

GroupName = tuple[KindKey, str | None, str]
"""(kind, namespace, name) of a PodGroup."""


def group_names(meta: Meta) -> tuple[GroupName, ...]:
    """The PodGroups that an object or a pod names as its own."""
    names: list[GroupName] = []
    kai = meta.annotations.get(KAI_GROUP_ANNOTATION)
    if kai:
        names.append((KAI_POD_GROUP, meta.namespace, kai))
    for key in VOLCANO_GROUP_NAMES:
        volcano = meta.annotations.get(key) or meta.labels.get(key)
        if volcano:
            names.append((VOLCANO_POD_GROUP, meta.namespace, volcano))
            break
    return tuple(names)


def concerning(queues: Iterable[QueueFacts], metas: Iterable[Meta]) -> tuple[QueueFacts, ...]:
    """Those of ``queues`` that stand for one of these objects and pods."""
    known = tuple(metas)
    uids = {meta.uid for meta in known}
    names = {name for meta in known for name in group_names(meta)}
    return tuple(
        one
        for one in queues
        if not uids.isdisjoint(one.about) or (one.meta.key, one.meta.namespace, one.meta.name) in names
    )


def heard(
    signals: Signals, obj: ObjectFacts | None, pods: tuple[JudgedPod, ...], queues: tuple[QueueFacts, ...]
) -> Signals:
    """The signals of an object once its queues were heard as well."""
    if not queues or signals.follow is not None:
        return signals
    if signals.stop is not None:
        return signals if obj is None else _heard_stop(signals, obj, queues)
    held = sentence(queues)
    if held is None:
        return signals
    return replace(signals, held=held, waiting=held if _waits_unseen(signals, pods) else signals.waiting)


def _heard_stop(signals: Signals, obj: ObjectFacts, queues: tuple[QueueFacts, ...]) -> Signals:
    """A stop of an object that a queue holds is the queue's, unless it was scaled to nothing, which no queue does."""
    own = tuple(one for one in queues if one.meta.key == KUEUE_WORKLOAD and obj.meta.uid in one.about)
    standings = {one.standing for one in own}
    if whole_at(obj.spec, "replicas") == 0 or not standings - {QueueStanding.OVER}:
        return signals
    if QueueStanding.LET in standings:
        queue = next((one.queue for one in own if one.standing is QueueStanding.LET), None)
        return replace(signals, stop=f"admitted {_by(queue)}, about to start", queued=True)
    return replace(signals, stop=sentence(own), queued=QueueStanding.HELD in standings)


def _waits_unseen(signals: Signals, pods: tuple[JudgedPod, ...]) -> bool:
    """Whether nothing of it is to be seen yet, so that its wait is all there is to tell."""
    if signals.waiting is not None or signals.idle is not None or signals.required == 0:
        return False
    return not (any(pod.is_active for pod in pods) or signals.existing or signals.ready or signals.says_ready)


def words(queues: Iterable[QueueFacts]) -> tuple[QueueWord, ...]:
    """What is said of why the workload waits; nothing where a queue has let it through as a whole."""
    known = tuple(queues)
    standings = {one.standing for one in known if one.meta.key == KUEUE_WORKLOAD}
    # A held slice beside an admitted one is a resize that waits, a deactivated one is history.
    silent = QueueStanding.OFF if standings & {QueueStanding.HELD, QueueStanding.LET} else None
    return tuple(word for one in known if one.standing is not silent for word in one.words)


def sentence(queues: Iterable[QueueFacts]) -> str | None:
    """The same as one sentence, each thing said once with the number of its sayers."""
    number: dict[str, int] = {}
    for word in words(queues):
        number[word.sentence] = number.get(word.sentence, 0) + 1
    return messages.join(*(text if times == 1 else f"{times} times: {text}" for text, times in number.items()))


def phase_reason(queues: Iterable[QueueFacts]) -> PhaseReason | None:
    """The first reason that the contract has a word for."""
    return next((word.phase_reason for word in words(queues) if word.phase_reason is not None), None)


def scheduling_messages(queues: Iterable[QueueFacts], node_pools: tuple[str, ...]) -> tuple[SchedulingMessage, ...]:
    """What the contract shows of why it is pending, per node pool; only its two reasons can be told there.

    A queue that knows no node pools speaks for the first that the workload asks for.
    """
    found = (
        SchedulingMessage(
            node_pool=word.node_pool or (node_pools[0] if node_pools else "default"),
            phase_reason=word.phase_reason,
            reason=word.reason or word.phase_reason.value,
            org_type=word.org_type,
            user_message=word.message,
        )
        for word in words(queues)
        if word.phase_reason is not None
    )
    return tuple(dict.fromkeys(found))[:MOST_MESSAGES]


MOST_MESSAGES = 20


def _by(queue: str | None) -> str:
    return f"by queue {queue}" if queue else "by its queue"
