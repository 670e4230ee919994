"""ScheduledWorkflow of Kubeflow Pipelines: like a CronJob, its runs are Workflows; without a trigger it runs once.

Its controller leaves ``spec.enabled`` out where it is false, so only a plain true enables it.
"""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, conditions_of, elements_at, instant_at, mapping_at, text_at, true_condition
from rollcall.domain.kinds import workflow
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.kinds.lifecycle import NO_STOP, Stop
from rollcall.domain.kinds.schedules import Schedule, signals_of_schedule
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_RUN = KindKey(group="argoproj.io", kind="Workflow")
_WORDS = ("Error", "Succeeded", "Running", "Disabled", "Enabled")
_ENDED_WELL = frozenset({"Succeeded", "Skipped", "Omitted"})


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    over = true_condition(status, "Succeeded")
    error = true_condition(status, "Error")
    found = true_condition(status, *_WORDS)
    active = elements_at(status, "workflowHistory.active")
    said = signals_of_schedule(
        Schedule(
            run=_RUN,
            signals_of_run=workflow.signals,
            stop=_stop(obj),
            active=bool(active),
            ran=instant_at(status, "trigger.lastTriggeredTime") is not None,
            next_run=_next_run(obj),
            last_run=_last_run(obj),
            failed=None if error is None else Verdict(message=text_at(error, "message") or "error", holds=False),
            raw_phase=None if found is None else str(found["type"]),
        ),
        children,
        pods,
    )
    if over is not None and not active and said.follow is None and not any(pod.is_active for pod in pods):
        # It says so once its only run is over, whatever came of it.
        return Signals(
            raw_phase="Succeeded",
            completed=Verdict(message=_last_run(obj), at=instant_at(over, "lastTransitionTime")),
        )
    return said


def _stop(obj: ObjectFacts) -> Stop:
    if not obj.spec and not any(conditions_of(obj.status)):
        return NO_STOP
    return NO_STOP if at(obj.spec, "enabled") is True else Stop("disabled by spec.enabled")


def _next_run(obj: ObjectFacts) -> str | None:
    due = text_at(obj.status, "trigger.nextTriggeredTime")
    if due is not None:
        return f"the next one at {due}"
    cron = text_at(mapping_at(obj.spec, "trigger.cronSchedule"), "cron")
    return f"the next one by schedule {cron}" if cron else None


def _last_run(obj: ObjectFacts) -> str | None:
    """How the run that ended last went; the newest stands first."""
    completed = elements_at(obj.status, "workflowHistory.completed")
    if not completed:
        return None
    phase, message = text_at(completed[0], "phase"), text_at(completed[0], "message")
    if phase in _ENDED_WELL:
        return "last run succeeded"
    if phase is None:
        return None
    return f"last run failed: {message}" if message else "last run failed"


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubeflow.org", kind="ScheduledWorkflow"),
        versions=("v1beta1", "v1alpha1"),
        plural="scheduledworkflows",
        words=Words(
            runs='its newest living Workflow is; and between two runs, "idle"',
            fails="condition Error, until it is gone",
            stops="`spec.enabled` is not true",
            asks="what its pods are",
            notes="without a trigger it runs once and is then Completed",
        ),
        category=Category.TRAIN,
        signals=_signals,
        recovers=True,
    ),
)
