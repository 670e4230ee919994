"""ScheduledSparkApplication: its phase is that of its newest living SparkApplication, and "idle" between two runs."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, instant_at, mapping_at, text_at
from rollcall.domain.kinds import spark, sparkapplication
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.lifecycle import suspension
from rollcall.domain.kinds.schedules import Schedule, signals_of_schedule
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_RUN = KindKey(group="sparkoperator.k8s.io", kind="SparkApplication")


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    word, cron = text_at(obj.status, "scheduleState"), text_at(obj.spec, "schedule")
    invalid = word == "FailedValidation"
    return signals_of_schedule(
        Schedule(
            run=_RUN,
            signals_of_run=sparkapplication.signals,
            stop=suspension(obj, "suspend"),
            ran=instant_at(obj.status, "lastRun") is not None,
            next_run=f"the next one by schedule {cron}" if cron else None,
            last_run=_last_run(obj),
            failed=Verdict(message=text_at(obj.status, "reason") or "its schedule is not valid") if invalid else None,
            raw_phase=word,
        ),
        children,
        pods,
    )


def _last_run(obj: ObjectFacts) -> str | None:
    name = text_at(obj.status, "lastRunName")
    for field, clause in (
        ("pastSuccessfulRunNames", "last run succeeded"),
        ("pastFailedRunNames", "last run failed"),
    ):
        names = at(obj.status, field)
        if name is not None and isinstance(names, list) and name in names:
            return clause
    return None


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return spark.find_roles(mapping_at(obj.spec, "template"))


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return spark.requested_pods(mapping_at(obj.spec, "template"))


ENTRIES = (
    KindEntry(
        key=KindKey(group="sparkoperator.k8s.io", kind="ScheduledSparkApplication"),
        versions=("v1beta2",),
        plural="scheduledsparkapplications",
        words=Words(
            runs='its newest living SparkApplication is; and between two runs, "idle"',
            fails="its schedule is not valid",
            stops="`spec.suspend`, once no run goes on",
            asks="as the SparkApplication of `spec.template`",
        ),
        category=Category.TRAIN,
        signals=_signals,
        additional_fields=(("framework", "Spark"),),
        roles=spark.roles("spec.template"),
        find_roles=_roles,
        role_labels=spark.ROLE_LABELS,
        requested_pods=_requested_pods,
        priority_paths=(
            "spec.template.driver.priorityClassName",
            "spec.template.batchSchedulerOptions.priorityClassName",
        ),
        recovers=True,
    ),
)
