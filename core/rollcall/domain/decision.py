"""From signals and pods to the phase and its latches: running since when, ended for good or not."""

from dataclasses import dataclass, replace
from datetime import datetime

from rollcall.domain import ladder, messages, queues
from rollcall.domain.facts import ObjectFacts, QueueFacts
from rollcall.domain.fields import instant
from rollcall.domain.ownership import uids_below
from rollcall.domain.pod_table import pod_condition
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Phase, PodRecord, Remembered
from rollcall.domain.roles import Asked, object_at
from rollcall.domain.signals import Signals, Verdict
from rollcall.domain.situation import Context, Situation
from rollcall.domain.subject import Subject

_ENDED = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.STOPPED})
"""Phases that are ends where ``completed_at`` stands beside them; Stopped is one only by the kind's own verdict."""
_UNLATCHING = frozenset({Phase.STOPPING, Phase.STOPPED, Phase.RESUMING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of the ladder and what it means for memory."""

    outcome: ladder.Outcome
    running_since: datetime | None
    is_final: bool
    """Whether the end is one that is latched."""
    is_over: bool
    """Whether it ended, by now on its way out or not."""
    queued: tuple[QueueFacts, ...]
    """What stands in queues for it; of an object that follows a child only what stands for that child."""


def decide(
    subject: Subject,
    signals: Signals,
    judged: tuple[JudgedPod, ...],
    *,
    asked: Asked,
    now: datetime,
    remembered: Remembered,
    children: tuple[ObjectFacts, ...] = (),
    queued: tuple[QueueFacts, ...] = (),
) -> Decision:
    """Ask the ladder, about the child where the object follows one, and apply the latches to its answer."""
    followed, pods, recovers = signals, judged, subject.entry.recovers
    running_since = remembered.running_since
    if signals.follow is not None:
        child = signals.follow.meta
        below, pods = _below(child.uid, children, judged)
        followed = subject.entry_of(child).signals(signals.follow, below, pods)
        metas = (child, *(one.meta for one in below), *(pod.facts.meta for pod in pods))
        queued = queues.concerning(queued, metas)
        followed = queues.heard(followed, signals.follow, pods, queued)
        # The latch of the run before is not this run's.
        if running_since is not None and child.created_at is not None and running_since < child.created_at:
            running_since = None
    if running_since is not None and signals.incarnation_at is not None and running_since < signals.incarnation_at:
        running_since = None
    context = Context(
        now=now,
        created_at=(signals.follow.meta if signals.follow is not None else subject.meta).created_at,
        deleting=subject.meta.deletion_at is not None,
        blank=subject.obj is not None and not subject.obj.status,
        finalizers=subject.meta.finalizers,
        recovers=recovers,
        running_since=running_since,
        last_phase=remembered.phase,
        last_message=remembered.phase_message,
        ended=_latched_end(subject, signals, remembered),
        resized=_is_resized(asked, remembered),
    )
    outcome, situation = ladder.decide(followed, pods, context)
    if signals.follow is not None and signals.message is not None:
        outcome = replace(outcome, message=messages.join(signals.message, outcome.message))
    verdict = _verdict(signals, outcome)
    by_stop = outcome.rule == "5" and (verdict is not None or context.ended is Phase.STOPPED)
    is_over = (outcome.rule in ("2", "3") or by_stop) and not recovers
    is_final = is_over and (verdict is None or verdict.holds)
    return Decision(
        outcome=outcome,
        running_since=_running_since(outcome, situation, pods, running_since, now),
        is_final=is_final,
        is_over=is_over or (outcome.phase is Phase.DELETING and remembered.completed_at is not None),
        queued=queued,
    )


def _below(
    uid: str, children: tuple[ObjectFacts, ...], judged: tuple[JudgedPod, ...]
) -> tuple[tuple[ObjectFacts, ...], tuple[JudgedPod, ...]]:
    """The objects and the pods below one child, at any depth."""
    found = uids_below(uid, [*(child.meta for child in children), *(pod.facts.meta for pod in judged)])
    return (
        tuple(child for child in children if child.meta.uid in found and child.meta.uid != uid),
        tuple(pod for pod in judged if pod.facts.meta.uid in found),
    )


def _verdict(signals: Signals, outcome: ladder.Outcome) -> Verdict | None:
    """The word of the object that the rule took for its end."""
    return {"2": signals.failed, "3": signals.completed, "5": signals.stopped}.get(outcome.rule)


def _latched_end(subject: Subject, signals: Signals, remembered: Remembered) -> Phase | None:
    """The terminal phase that was reached for good: only a batch kind's, and only one with an instant."""
    if subject.entry.recovers or subject.obj is None or remembered.completed_at is None:
        return None
    if signals.incarnation_at is not None and remembered.completed_at < signals.incarnation_at:
        return None
    return remembered.phase if remembered.phase in _ENDED else None


def _is_resized(asked: Asked, remembered: Remembered) -> bool | None:
    if remembered.phase is Phase.UPDATING:
        return True
    before, after = remembered.requested_pods, asked.requested_pods
    if before is None or after is None or before.number is None or after.number is None:
        return None
    return before.number < after.number


def _running_since(
    outcome: ladder.Outcome,
    situation: Situation,
    pods: tuple[JudgedPod, ...],
    running_since: datetime | None,
    now: datetime,
) -> datetime | None:
    """The latch after this derivation: open again once a stop is asked, closed by the Running rule."""
    if outcome.phase in _UNLATCHING or outcome.rule == "5":
        return None
    if running_since is not None or outcome.rule in ladder.ABOVE_RUNNING or not situation.runs:
        return running_since
    readied = [
        condition.last_transition_at
        for pod in pods
        if pod.is_ready
        and (condition := pod_condition(pod.facts, "Ready")) is not None
        and condition.last_transition_at is not None
    ]
    return min(max(readied, default=now), now)


def completed_at(
    subject: Subject,
    decided: Decision,
    signals: Signals,
    rows: tuple[PodRecord, ...],
    *,
    now: datetime,
    remembered: Remembered,
) -> datetime | None:
    """When it ended for good: as the object says, as was remembered, as its pods say, or now."""
    if decided.outcome.phase is Phase.DELETING:
        return remembered.completed_at
    if not decided.is_over or decided.outcome.phase not in _ENDED:
        return None
    if not decided.is_final and (decided.outcome.phase is Phase.FAILED or subject.entry.watched):
        # The object of a watched kind may yet be read and know better than its pods: no latch before that.
        return None
    if subject.obj is not None and subject.entry.completed_at is not None:
        said = instant(object_at(subject.obj, subject.entry.completed_at))
        if said is not None:
            return said
    verdict = _verdict(signals, decided.outcome)
    if verdict is not None and verdict.at is not None:
        return verdict.at
    return remembered.completed_at or max((row.ended_at for row in rows if row.ended_at is not None), default=now)
