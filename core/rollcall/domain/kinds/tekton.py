"""What PipelineRun and TaskRun share: one condition, Succeeded, whose reasons are open-ended; its status decides."""

from datetime import datetime

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import condition_of, instant_at, sentence_of, text_at
from rollcall.domain.kinds.lifecycle import NO_STOP, NOT_OBSERVED, Stop, held_by_queue
from rollcall.domain.kinds.steps import Steps, steps_of
from rollcall.domain.pods import JudgedPod
from rollcall.domain.signals import NEXT_INCARNATION, Signals, Verdict

_CANCELLED = frozenset(
    {"Cancelled", "CancelledRunningFinally", "StoppedRunningFinally", "PipelineRunCancelled", "TaskRunCancelled"}
)
"""Reasons of an end that somebody asked for; also the words of ``spec.status`` that ask for it."""

_PENDING = "PipelineRunPending"

Ends = tuple[Verdict | None, Verdict | None, Verdict | None]


def signals_of_run(obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> Signals:
    """The signals of a run of Tekton."""
    succeeded = condition_of(obj.status, "Succeeded")
    failed, completed, stopped = _ends(obj)
    said = None if succeeded is None else sentence_of(succeeded)
    reason = None if succeeded is None else text_at(succeeded, "reason")
    stop, stopping = _stop(obj)
    steps = steps_of(pods, started_at=instant_at(obj.status, "startTime"))
    if reason != "Running" and pods and not any(pod.is_active for pod in pods):
        # What ran is over and the next pod is held up, by a quota or until a retry.
        steps = Steps(required=1, incarnation_at=NEXT_INCARNATION)
    return Signals(
        raw_phase=reason or (None if succeeded is None else text_at(succeeded, "status")),
        failed=failed,
        completed=completed,
        stopped=stopped,
        stop=stop.sentence,
        queued=stop.queued,
        unobserved=NOT_OBSERVED if succeeded is None else None,
        required=steps.required,
        existing=1 if stopping and succeeded is not None else None,
        says_ready=reason == "Running" if succeeded is not None else None,
        idle=steps.idle,
        # The reason names what holds a run up before its first pod, such as a quota.
        holdup=said,
        incarnation_at=steps.incarnation_at,
    )


def _ends(obj: ObjectFacts) -> Ends:
    """(failed, completed, stopped)."""
    succeeded = condition_of(obj.status, "Succeeded")
    if succeeded is None:
        return None, None, None
    said, at = sentence_of(succeeded), _ended_at(obj)
    if succeeded.get("status") == "True":
        return None, Verdict(message=said, at=at), None
    if succeeded.get("status") == "False":
        verdict = Verdict(message=said, at=at)
        return (None, None, verdict) if text_at(succeeded, "reason") in _CANCELLED else (verdict, None, None)
    return None, None, None


def _ended_at(obj: ObjectFacts) -> datetime | None:
    succeeded = condition_of(obj.status, "Succeeded")
    return instant_at(succeeded, "lastTransitionTime") if succeeded is not None else None


def _stop(obj: ObjectFacts) -> tuple[Stop, bool]:
    """(the stop that ``spec.status`` asks for, whether it ends a run that is under way)."""
    asked = text_at(obj.spec, "status")
    if asked == _PENDING:
        return held_by_queue(obj) or Stop(f"held by spec.status {asked}"), False
    if asked in _CANCELLED:
        return Stop(f"asked for by spec.status {asked}"), True
    return NO_STOP, False
