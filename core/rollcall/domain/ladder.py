"""One ladder for all kinds: the first rule that fires makes the phase.

The rules stand in `RULES` in their order and carry the numbers of docs/how-the-view-is-derived.md. Each is a function
from a `Situation` to an `Outcome` or ``None``; none of them knows a kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollcall.domain import messages
from rollcall.domain.pod_table import Severity
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Phase
from rollcall.domain.signals import Signals
from rollcall.domain.situation import Context, Situation

CREATION_PATIENCE = timedelta(minutes=2)
"""How long a workload may have no pod before its message says so."""

_BEYOND_CREATION = frozenset({Phase.PENDING, Phase.INITIALIZING, Phase.RUNNING, Phase.UPDATING, Phase.DEGRADED})
"""Phases of rules 8 and later other than Creating: whoever was in one has been observed."""


ABOVE_RUNNING = frozenset({"1", "2", "3", "4", "5", "6", "7", "8", "16"})
"""Rules that fire whatever the pods are: they do not close the latch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Which rule fired and what it says."""

    phase: Phase
    rule: str
    message: str | None = None
    revisit_at: datetime | None = None


def decide(signals: Signals, pods: tuple[JudgedPod, ...], context: Context) -> tuple[Outcome, Situation]:
    """The outcome of the first rule that fires; rule 16 always does."""
    situation = Situation(signals, pods, context)
    for rule in RULES:
        outcome = rule(situation)
        if outcome is not None:
            return outcome, situation
    return _unknown(situation), situation


def _deleting(situation: Situation) -> Outcome | None:
    """1: the object's deletion was asked for."""
    context = situation.context
    if not context.deleting:
        return None
    held = f"held by finalizers {', '.join(sorted(context.finalizers))}" if context.finalizers else None
    return Outcome(phase=Phase.DELETING, rule="1", message=messages.join(held))


def _failed(situation: Situation) -> Outcome | None:
    """2: the framework says it failed, or said so once and for all."""
    context = situation.context
    verdict = situation.signals.failed
    if verdict is None:
        if context.ended is not Phase.FAILED:
            return None
        return Outcome(phase=Phase.FAILED, rule="2", message=context.last_message)
    message = messages.join(verdict.message, messages.of_pods(situation.pods, at_most=Severity.INFRA))
    if context.last_phase is Phase.FAILED and message is not None and context.last_message is not None:
        # The pods that explained the failure are cleaned up after it; what they said stays.
        message = context.last_message if context.last_message.startswith(message) else message
    return Outcome(phase=Phase.FAILED, rule="2", message=message)


def _completed(situation: Situation) -> Outcome | None:
    """3: the framework says it is done, or said so once and for all."""
    verdict = situation.signals.completed
    if verdict is not None:
        return Outcome(phase=Phase.COMPLETED, rule="3", message=messages.join(verdict.message))
    if situation.context.ended is Phase.COMPLETED:
        return Outcome(phase=Phase.COMPLETED, rule="3", message=situation.context.last_message)
    return None


def _ended_by_stop(situation: Situation) -> Outcome | None:
    """5, ahead of its turn: stopped for good by its own word, whatever lives on, as with the other two ends."""
    verdict = situation.signals.stopped
    if verdict is not None:
        return Outcome(phase=Phase.STOPPED, rule="5", message=messages.join(verdict.message))
    if situation.context.ended is Phase.STOPPED:
        return Outcome(phase=Phase.STOPPED, rule="5", message=situation.context.last_message)
    return None


def _stopping(situation: Situation) -> Outcome | None:
    """4: a stop is asked and pods live on."""
    stop = situation.signals.stop
    if stop is None or situation.live == 0:
        return None
    remaining = "1 pod remains" if situation.live == 1 else f"{situation.live} pods remain"
    return Outcome(phase=Phase.STOPPING, rule="4", message=messages.join(stop, remaining))


def _stopped(situation: Situation) -> Outcome | None:
    """5: a stop is asked and no pod lives; held by a queue it is Pending."""
    stop = situation.signals.stop
    if stop is None:
        return None
    phase = Phase.PENDING if situation.signals.queued else Phase.STOPPED
    return Outcome(phase=phase, rule="5", message=messages.join(stop))


def _resuming(situation: Situation) -> Outcome | None:
    """6: no stop is asked any more, the framework has yet to follow."""
    resuming = situation.signals.resuming
    if resuming is None:
        return None
    return Outcome(phase=Phase.RESUMING, rule="6", message=messages.join(resuming))


def _unobserved(situation: Situation) -> Outcome | None:
    """7: its controller has not seen it yet."""
    unobserved = situation.signals.unobserved
    if unobserved is None or situation.pods or situation.latched or situation.signals.existing or situation.ready:
        return None
    if situation.context.last_phase in _BEYOND_CREATION:
        return None
    return Outcome(phase=Phase.CREATING, rule="7", message=messages.join(unobserved))


def _unreadable(situation: Situation) -> Outcome | None:
    """16, ahead of its turn: rules 8 to 15 have nothing to go by."""
    if situation.pods or situation.signals.unreadable is None:
        return None
    return _unknown(situation)


def _creating(situation: Situation) -> Outcome | None:
    """8: no pod is known nor reported."""
    signals, context = situation.signals, situation.context
    if situation.latched or situation.pods or signals.waiting is not None:
        return None
    if signals.existing or signals.ready or signals.says_ready:
        return None
    if signals.existing is None and signals.ready is None and signals.says_ready is not None:
        return None
    due = signals.due if signals.due is not None else signals.required
    if due == 0:
        return None
    patient_until = None if context.created_at is None else context.created_at + CREATION_PATIENCE
    if patient_until is not None and context.now < patient_until:
        message = signals.holdup or "no pod has been created yet"
        return Outcome(phase=Phase.CREATING, rule="8", message=messages.join(message), revisit_at=patient_until)
    message = signals.holdup or "no pod has been created for more than 2 minutes"
    return Outcome(phase=Phase.CREATING, rule="8", message=messages.join(message))


def _serves_in_part(situation: Situation) -> Outcome | None:
    """12, ahead of its turn: the framework says that a part failed while something serves, latched or not."""
    degraded = situation.signals.degraded
    if degraded is None or situation.ready == 0:
        return None
    return Outcome(
        phase=Phase.DEGRADED,
        rule="12",
        message=messages.join(degraded, situation.counts(), messages.of_pods(situation.pods)),
    )


def _pending(situation: Situation) -> Outcome | None:
    """9: a due pod is missing, gated or not scheduled."""
    signals = situation.signals
    if situation.latched:
        return None
    if signals.waiting is not None and not situation.active:
        return Outcome(phase=Phase.PENDING, rule="9", message=messages.join(signals.message, signals.waiting))
    if not situation.pods:
        return None
    due = signals.due if signals.due is not None else situation.required
    if due is None or situation.scheduled >= due:
        return None
    said = _said_of_waiting(situation)
    missing = None
    if situation.scheduled + situation.waiting < due:
        missing = f"{situation.scheduled + situation.waiting} of {due} pods created"
    return Outcome(
        phase=Phase.PENDING, rule="9", message=messages.join(signals.message, *said, missing, signals.holdup)
    )


def _said_of_waiting(situation: Situation) -> tuple[str | None, ...]:
    """Pods that cannot start lead; then the queue or the scheduler, which knows more than each pod, else the pods."""
    held = situation.signals.held
    if held is None:
        return (messages.of_pods(situation.pods, at_most=Severity.GATED),)
    return messages.of_pods(situation.pods, at_most=Severity.INFRA), held


def _fatal(situation: Situation) -> Outcome | None:
    """10: a container cannot run, for longer than the grace period, and no pod is ready."""
    if situation.fatal == 0 or situation.ready > 0:
        return None
    return Outcome(
        phase=Phase.FAILED,
        rule="10",
        message=messages.join(situation.signals.message, messages.of_pods(situation.pods, at_most=Severity.INFRA)),
    )


def _updating(situation: Situation) -> Outcome | None:
    """11: a rollout or a resize goes on while something serves."""
    signals = situation.signals
    if situation.ready == 0 or situation.fatal > 0 or signals.not_ready is not None:
        return None
    why = signals.surplus
    if why is None and situation.latched:
        # Without any status there is no word of a rollout: then the pods alone speak.
        why = None if situation.context.blank else signals.unobserved
        why = why or signals.behind or _coming_up(situation)
    if why is None:
        return None
    return Outcome(phase=Phase.UPDATING, rule="11", message=messages.join(why, situation.counts()))


def _coming_up(situation: Situation) -> str | None:
    """A scale-up is still coming up: all that is not ready has never been ready since."""
    # The object's own words first: they are the same before and after the resize is remembered.
    growing = situation.signals.growing or ("scaling up" if situation.context.resized else None)
    if growing is None or situation.context.resized is False or situation.complete:
        return None
    for pod in situation.pods:
        if pod.is_active and not pod.is_ready and pod.has_been_ready:
            return None
    return growing


def _degraded(situation: Situation) -> Outcome | None:
    """12: it ran, something serves, and something is missing or broken."""
    signals = situation.signals
    if not situation.latched:
        return None
    short = situation.ready > 0 and (not situation.complete or situation.fatal > 0)
    if not short and signals.not_ready is None:
        return None
    return Outcome(
        phase=Phase.DEGRADED,
        rule="12",
        message=messages.join(signals.message, signals.not_ready, situation.counts(), messages.of_pods(situation.pods)),
    )


def _restarting(situation: Situation) -> Outcome | None:
    """13: it ran, and nothing serves at present."""
    if not situation.latched or situation.complete:
        return None
    phase = Phase.PENDING if situation.waiting else Phase.INITIALIZING
    held = situation.signals.held if situation.waiting else None
    said = (messages.of_pods(situation.pods),) if held is None else _said_of_waiting(situation)
    return Outcome(
        phase=phase,
        rule="13",
        message=messages.join(situation.signals.message, "restarting", situation.counts(), *said),
    )


def _initializing(situation: Situation) -> Outcome | None:
    """14: all is scheduled, not all is ready."""
    signals = situation.signals
    if situation.complete and signals.not_ready is None and signals.degraded is None:
        return None
    return Outcome(
        phase=Phase.INITIALIZING,
        rule="14",
        message=messages.join(
            signals.message,
            signals.not_ready or signals.degraded,
            situation.counts(),
            messages.of_pods(situation.pods),
        ),
    )


def _running(situation: Situation) -> Outcome | None:
    """15: all that is required is ready."""
    if not situation.complete:
        return None
    signals = situation.signals
    blank = signals.unobserved if situation.context.blank else None
    return Outcome(phase=Phase.RUNNING, rule="15", message=messages.join(signals.message, signals.idle, blank))


def _unknown(situation: Situation) -> Outcome:
    """16: nothing can be decided."""
    text = situation.signals.unreadable or "nothing is known of it"
    return Outcome(phase=Phase.UNKNOWN, rule="16", message=messages.join(situation.signals.message, text))


RULE_SENTENCES = {
    "1": "its deletion was asked for",
    "2": "the framework says it failed",
    "3": "the framework says it is done",
    "4": "a stop is asked and pods live on",
    "5": "a stop is asked and no pod lives, or a stop ended it for good",
    "6": "resumed, and the framework has yet to follow",
    "7": "its controller has not seen it yet",
    "8": "no pod is known nor reported",
    "9": "it waits: a due pod is missing, gated or not scheduled",
    "10": "a container cannot run for longer than the grace period, and no pod is ready",
    "11": "a rollout or a resize goes on while something serves",
    "12": "something serves and something is missing or broken",
    "13": "it ran, and nothing serves at present",
    "14": "all is scheduled, not all is ready",
    "15": "all that is required is ready",
    "16": "nothing can be decided",
}
"""Each rule in a sentence, for ``rollcall explain --why``."""

Rule = Callable[[Situation], Outcome | None]

RULES: tuple[Rule, ...] = (
    _deleting,
    _failed,
    _completed,
    _ended_by_stop,
    _stopping,
    _stopped,
    _resuming,
    _unobserved,
    _unreadable,
    _creating,
    _serves_in_part,
    _pending,
    _fatal,
    _updating,
    _degraded,
    _restarting,
    _initializing,
    _running,
)
"""The rules in the order in which they are asked."""
