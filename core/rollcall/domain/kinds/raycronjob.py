"""RayCronJob: its phase is that of its newest living RayJob, and "idle" between two runs."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import instant_at, mapping_at, text_at
from rollcall.domain.kinds import ray, rayjob
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import suspension
from rollcall.domain.kinds.schedules import Schedule, signals_of_schedule
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_RUN = KindKey(group="ray.io", kind="RayJob")


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    word, cron = text_at(obj.status, "scheduleStatus"), text_at(obj.spec, "schedule")
    invalid = word is not None and word.lower() == "validationfailed"
    return signals_of_schedule(
        Schedule(
            run=_RUN,
            signals_of_run=rayjob.signals,
            stop=suspension(obj, "suspend"),
            ran=instant_at(obj.status, "lastScheduleTime") is not None,
            next_run=f"the next one by schedule {cron}" if cron else None,
            failed=Verdict(message="its schedule or its job template is not valid") if invalid else None,
            raw_phase=word,
        ),
        children,
        pods,
    )


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return rayjob.roles_of(mapping_at(obj.spec, "jobTemplate"))


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return rayjob.requested_pods_of(mapping_at(obj.spec, "jobTemplate"))


ENTRIES = (
    KindEntry(
        key=KindKey(group="ray.io", kind="RayCronJob"),
        versions=("v1",),
        plural="raycronjobs",
        words=Words(
            runs='its newest living RayJob is; and between two runs, "idle"',
            fails="its newest living RayJob is, or its own spec is not valid",
            stops="`spec.suspend`, once no run goes on",
            asks="as the RayJob of `spec.jobTemplate`",
        ),
        category=Category.TRAIN,
        signals=_signals,
        additional_fields=(("framework", "Ray"),),
        roles=(
            Role(name=ray.HEAD, template="spec.jobTemplate.rayClusterSpec.headGroupSpec.template"),
            Role(name=ray.WORKER, template="spec.jobTemplate.rayClusterSpec.workerGroupSpecs"),
            Role(name=ray.SUBMITTER, template="spec.jobTemplate.submitterPodTemplate"),
        ),
        find_roles=_roles,
        role_labels=ray.ROLE_LABELS,
        requested_pods=_requested_pods,
        priority_labels=ray.PRIORITY_LABELS,
        priority_paths=("spec.jobTemplate.rayClusterSpec.headGroupSpec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
