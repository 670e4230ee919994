"""The conditions that are published: the object's own, verbatim, then ours with stable types."""

from collections.abc import Sequence

from rollcall.domain import messages, queues
from rollcall.domain.facts import ObjectFacts, QueueFacts, QueueStanding
from rollcall.domain.fields import elements_at, instant_at, text_at
from rollcall.domain.pod_table import IMAGE_REASONS, Severity, pod_condition
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Condition, Phase, PodState

OWN_TYPES = ("PodGroupScheduled", "PodsScheduled", "PodsReady", "Degraded", "Failed", "ImageError", "Unschedulable")
"""The types that are appended; an object's own condition of such a type is kept beside them."""

MOST_CONDITIONS = 100
"""How many of an object's conditions are copied; a controller with more has lost count."""


def upstream(obj: ObjectFacts) -> tuple[Condition, ...]:
    """The object's conditions as they stand; one without a type is known by its status (Volcano)."""
    copied: list[Condition] = []
    for condition in elements_at(obj.status, "conditions"):
        status = text_at(condition, "status") or "Unknown"
        condition_type = text_at(condition, "type") or text_at(condition, "status")
        if condition_type is None:
            continue
        copied.append(
            Condition(
                type=messages.cap(condition_type),
                status=messages.cap(status),
                reason=_capped(text_at(condition, "reason")),
                message=_capped(text_at(condition, "message")),
                last_transition_at=instant_at(condition, "lastTransitionTime"),
            )
        )
        if len(copied) == MOST_CONDITIONS:
            break
    return tuple(copied)


def own(
    phase: Phase, message: str | None, pods: Sequence[JudgedPod], queued: Sequence[QueueFacts] = ()
) -> tuple[Condition, ...]:
    """Our conditions: the two about pods where any lives, that about its PodGroups, the others where they are true."""
    found: list[Condition] = []
    living = [pod for pod in pods if pod.is_active]
    group = _group_scheduled(living, queued)
    if group is not None:
        found.append(group)
    if living:
        found.append(_scheduled(living))
        found.append(_ready(living))
    if phase is Phase.DEGRADED:
        found.append(Condition(type="Degraded", status="True", reason="PodsNotReady", message=message))
    if phase is Phase.FAILED:
        found.append(Condition(type="Failed", status="True", reason=_worst_reason(pods), message=message))
    image = [pod for pod in living if pod.state is PodState.FATAL and pod.reason in IMAGE_REASONS]
    if image:
        found.append(
            Condition(type="ImageError", status="True", reason=image[0].reason, message=messages.of_pods(image))
        )
    unschedulable = [pod for pod in living if pod.state is PodState.UNSCHEDULED and pod.reason == "Unschedulable"]
    if unschedulable:
        found.append(
            Condition(
                type="Unschedulable",
                status="True",
                reason="Unschedulable",
                message=messages.of_pods(unschedulable),
            )
        )
    return tuple(found)


def _group_scheduled(living: list[JudgedPod], queued: Sequence[QueueFacts]) -> Condition | None:
    """Of all its PodGroups together; a sticky condition of theirs does not count once no pod waits."""
    groups = [one for one in queued if one.meta.key != queues.KUEUE_WORKLOAD and one.standing is not QueueStanding.OVER]
    waits = any(pod.is_waiting for pod in living)
    if not groups or (not living and all(one.standing is QueueStanding.LET for one in groups)):
        return None
    if living and not waits:
        return Condition(type="PodGroupScheduled", status="True", reason="Scheduled")
    words = queues.words(groups)
    return Condition(
        type="PodGroupScheduled",
        status="False",
        reason=next((word.reason for word in words if word.reason), "Waiting"),
        message=queues.sentence(groups),
        last_transition_at=max((word.at for word in words if word.at is not None), default=None),
    )


def _scheduled(living: list[JudgedPod]) -> Condition:
    waiting = [pod for pod in living if pod.is_waiting]
    if not waiting:
        instants = [
            condition.last_transition_at
            for pod in living
            if (condition := pod_condition(pod.facts, "PodScheduled")) is not None
            and condition.last_transition_at is not None
        ]
        return Condition(
            type="PodsScheduled",
            status="True",
            reason="AllScheduled",
            last_transition_at=max(instants, default=None),
        )
    reason = "SchedulingGated" if all(pod.state is PodState.GATED for pod in waiting) else "Unscheduled"
    return Condition(type="PodsScheduled", status="False", reason=reason, message=messages.of_pods(waiting))


def _ready(living: list[JudgedPod]) -> Condition:
    unready = [pod for pod in living if not pod.is_ready]
    if not unready:
        instants = [
            condition.last_transition_at
            for pod in living
            if (condition := pod_condition(pod.facts, "Ready")) is not None and condition.last_transition_at is not None
        ]
        return Condition(
            type="PodsReady", status="True", reason="AllReady", last_transition_at=max(instants, default=None)
        )
    return Condition(
        type="PodsReady",
        status="False",
        reason="PodsNotReady",
        message=messages.join(f"{len(living) - len(unready)} of {len(living)} pods ready", messages.of_pods(unready)),
    )


def _worst_reason(pods: Sequence[JudgedPod]) -> str | None:
    speaking = [pod for pod in pods if pod.reason is not None and pod.severity <= Severity.INFRA]
    worst = min(speaking, key=lambda pod: (pod.severity, pod.role_rank, pod.facts.meta.name), default=None)
    return None if worst is None else worst.reason


def _capped(text: str | None) -> str | None:
    return None if text is None else messages.cap(text)
