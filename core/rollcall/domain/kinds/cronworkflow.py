"""CronWorkflow of Argo: its phase is that of its newest living Workflow, and "idle" between two runs."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, elements_at, instant_at, sentence_of, text_at, true_condition
from rollcall.domain.kinds import workflow
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.kinds.lifecycle import Stop, suspension
from rollcall.domain.kinds.schedules import Schedule, signals_of_schedule
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_RUN = KindKey(group="argoproj.io", kind="Workflow")


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    error = true_condition(obj.status, "SpecError", "SubmissionError")
    stop = suspension(obj, "suspend")
    if stop.sentence is None and text_at(obj.status, "phase") == "Stopped":
        stop = Stop("stopped by its own stop strategy")
    crons = _crons(obj)
    return signals_of_schedule(
        Schedule(
            run=_RUN,
            signals_of_run=workflow.signals,
            stop=stop,
            active=bool(elements_at(obj.status, "active")),
            ran=instant_at(obj.status, "lastScheduledTime") is not None,
            next_run=f"the next one by schedule {crons}" if crons else None,
            failed=None if error is None else Verdict(message=sentence_of(error) or str(error["type"])),
            raw_phase=text_at(obj.status, "phase"),
        ),
        children,
        pods,
    )


def _crons(obj: ObjectFacts) -> str:
    """One schedule in older versions, several in newer ones."""
    several = at(obj.spec, "schedules")
    words = [text_at(obj.spec, "schedule"), *(several if isinstance(several, list) else ())]
    return ", ".join(word for word in words if isinstance(word, str) and word)


ENTRIES = (
    KindEntry(
        key=KindKey(group="argoproj.io", kind="CronWorkflow"),
        versions=("v1alpha1",),
        plural="cronworkflows",
        words=Words(
            runs='its newest living Workflow is; and between two runs, "idle"',
            fails="condition SpecError or SubmissionError, until it is gone",
            stops="`spec.suspend`; its own stop strategy",
            asks="what its pods are",
        ),
        category=Category.TRAIN,
        signals=_signals,
        priority_paths=("spec.workflowSpec.podPriorityClassName",),
        recovers=True,
    ),
)
