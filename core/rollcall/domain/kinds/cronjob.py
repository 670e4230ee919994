"""CronJob: its phase is that of its newest living run, and "idle" between two runs."""

from datetime import datetime

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import elements_at, instant_at, mapping_at, text_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.job import finished, job_requested_pods, parallel_pods
from rollcall.domain.kinds.lifecycle import suspension
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    stop = suspension(obj, "suspend")
    runs = sorted(
        (child for child in children if child.meta.kind == "Job" and child.meta.api_group == "batch"), key=_age
    )
    living = [run for run in runs if finished(run) == (None, None) and run.meta.deletion_at is None]
    ended = {run.meta.uid for run in runs} - {run.meta.uid for run in living}
    suspended = "suspended, its run goes on" if stop.sentence else None
    if living:
        return Signals(raw_phase="Active", follow=living[-1], message=suspended)
    active = [ref for ref in elements_at(obj.status, "active") if text_at(ref, "uid") not in ended]
    if active or any(pod.is_active and not _belongs_to(pod, ended) for pod in pods):
        # The run is not known as an object: what its pods or the list of active runs say has to do.
        return Signals(raw_phase="Active", says_ready=True, message=suspended)
    if stop.sentence:
        return Signals(raw_phase="Suspended", stop=stop.sentence)
    if not runs and instant_at(obj.status, "lastScheduleTime") is None:
        schedule = text_at(obj.spec, "schedule")
        next_run = f"no run yet, the next one by schedule {schedule}" if schedule else "no run yet"
        return Signals(waiting=next_run)
    return Signals(idle=f"idle{_last_run(obj, runs)}")


def _age(run: ObjectFacts) -> tuple[float, str]:
    created = run.meta.created_at
    return (created.timestamp() if created is not None else 0.0, run.meta.uid)


def _belongs_to(pod: JudgedPod, uids: set[str]) -> bool:
    return any(owner.uid in uids for owner in pod.facts.meta.owners)


def _last_run(obj: ObjectFacts, runs: list[ObjectFacts]) -> str:
    """How the last run went: by the newest run that is known, else by the two instants of the status."""
    scheduled = instant_at(obj.status, "lastScheduleTime")
    succeeded = instant_at(obj.status, "lastSuccessfulTime")
    if runs:
        failed, completed = finished(runs[-1])
        if failed is not None:
            return f"; last run failed{_said(failed.message)}"
        if completed is not None:
            return "; last run succeeded"
    if scheduled is None:
        return ""
    return "; last run succeeded" if _succeeded(scheduled, succeeded) else "; last run did not succeed"


def _succeeded(scheduled: datetime, succeeded: datetime | None) -> bool:
    return succeeded is not None and succeeded >= scheduled


def _said(message: str | None) -> str:
    return f": {message}" if message else ""


def _replicas(obj: ObjectFacts) -> int | None:
    return parallel_pods(mapping_at(obj.spec, "jobTemplate.spec"))


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    job = mapping_at(obj.spec, "jobTemplate")
    return job_requested_pods(mapping_at(job, "spec"), mapping_at(job, "metadata.annotations"))


ENTRIES = (
    KindEntry(
        key=KindKey(group="batch", kind="CronJob"),
        versions=("v1",),
        plural="cronjobs",
        words=Words(
            runs='its newest living Job is; and between two runs, "idle"',
            fails="its newest living Job is",
            stops="`spec.suspend`, once no run goes on",
            asks="as the Job of `spec.jobTemplate`",
            notes="Pending before the first run",
        ),
        category=Category.TRAIN,
        signals=_signals,
        roles=(Role(template="spec.jobTemplate.spec.template", count=_replicas),),
        requested_pods=_requested_pods,
        priority_paths=("spec.jobTemplate.spec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
