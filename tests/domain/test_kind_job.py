"""Job and CronJob."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

STARTED = {"startTime": at(CREATED)}
COMPLETE = {
    **STARTED,
    "succeeded": 2,
    "completionTime": at(NOW - timedelta(minutes=3)),
    "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
}
FAILED = {**STARTED, "failed": 4, "conditions": [condition("Failed", "True", "BackoffLimitExceeded", "too many")]}


def job(status=None, *, parallelism=2, completions=2, suspend=None, **more):
    asked = {"parallelism": parallelism, "completions": completions, "suspend": suspend}
    spec = {"template": template()} | {key: value for key, value in asked.items() if value is not None}
    return obj("Job", spec, status, **more)


def active(number, ready=None, **more):
    return {**STARTED, "active": number, **({} if ready is None else {"ready": ready}), **more}


def pods(*states, **more):
    return [pod(f"w-{number}", state, restart_policy="Never", **more) for number, state in enumerate(states)]


SUSPENDED = {"conditions": [condition("Suspended", "True", "JobSuspended")]}
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}

CASES = [
    ("deleted", Phase.DELETING, job(active(2, 2), deleting=True), ("ready",), False),
    ("status empty", Phase.CREATING, job(), (), False),
    ("no pod yet", Phase.CREATING, job({**STARTED, "active": 0}), (), False),
    ("unscheduled", Phase.PENDING, job(active(2, 0)), ("ready", "unscheduled"), False),
    ("one missing", Phase.PENDING, job(active(1, 1)), ("ready",), False),
    ("starting", Phase.INITIALIZING, job(active(2, 0)), ("creating", "not_ready"), False),
    ("starting, counts alone", Phase.INITIALIZING, job(active(2, 1)), (), False),
    ("no ready count, counts alone", Phase.INITIALIZING, job(active(2)), (), False),
    ("running", Phase.RUNNING, job(active(2, 2)), ("ready", "ready"), False),
    ("running, counts alone", Phase.RUNNING, job(active(2, 2)), (), False),
    ("indexes done, fewer needed", Phase.RUNNING, job(active(1, 1, succeeded=1)), ("ready", "succeeded"), True),
    ("indexes done, counts alone", Phase.RUNNING, job(active(1, 1, succeeded=1)), (), True),
    ("success not counted yet", Phase.RUNNING, job(active(1, 1)), ("ready", "succeeded"), True),
    ("all succeeded, not said yet", Phase.RUNNING, job(active(0)), ("succeeded", "succeeded"), True),
    ("work queue drains", Phase.RUNNING, job(active(1, 1), completions=None), ("ready", "succeeded"), True),
    ("retry within the limit", Phase.DEGRADED, job(active(2, 1, failed=1)), ("ready", "failed", "creating"), True),
    ("evicted and recreated", Phase.PENDING, job(active(1, 0, failed=1)), ("evicted", "unscheduled"), True),
    ("cannot pull", Phase.FAILED, job(active(2, 0)), ("image", "image"), False),
    ("failed", Phase.FAILED, job(FAILED), ("failed",), True),
    (
        "failure target",
        Phase.FAILED,
        job({**STARTED, "conditions": [condition("FailureTarget")]}),
        ("releasing",),
        True,
    ),
    ("complete", Phase.COMPLETED, job(COMPLETE), ("succeeded", "succeeded"), True),
    ("complete, pods gone", Phase.COMPLETED, job(COMPLETE), (), False),
    ("success criteria met", Phase.COMPLETED, job({"conditions": [condition("SuccessCriteriaMet")]}), ("ready",), True),
    ("complete though suspended", Phase.COMPLETED, job(COMPLETE, suspend=True), (), False),
    ("suspending", Phase.STOPPING, job(active(2, 2), suspend=True), ("ready", "releasing"), True),
    ("suspending, counts alone", Phase.STOPPING, job(active(2, 2), suspend=True), (), True),
    ("suspended, condition late", Phase.STOPPED, job(STARTED, suspend=True), (), True),
    ("suspended", Phase.STOPPED, job(SUSPENDED, suspend=True), (), True),
    ("created suspended", Phase.STOPPED, job(suspend=True), (), False),
    ("held by Kueue", Phase.PENDING, job(SUSPENDED, suspend=True, **QUEUED), (), False),
    ("resuming", Phase.RESUMING, job(SUSPENDED, suspend=False), (), False),
    (
        "resumed",
        Phase.RUNNING,
        job(active(2, 2, conditions=[condition("Suspended", "False", "JobResumed")])),
        (),
        False,
    ),
    ("no parallelism", Phase.STOPPED, job(STARTED, parallelism=0), (), False),
    ("absurd parallelism", Phase.UNKNOWN, job(STARTED, parallelism=-3), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_job(wanted, top, states, ran):
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_when_a_job_ended():
    assert observe(job(COMPLETE)).workload.completed_at == NOW - timedelta(minutes=3)
    assert observe(job(FAILED)).workload.completed_at == NOW - timedelta(minutes=10)


def test_a_finished_job_stays_finished_when_its_pods_and_conditions_vanish():
    done = observe(job(COMPLETE), *pods("succeeded", "succeeded")).workload
    later = observe(job(active(0)), remembered=Remembered.of(done)).workload
    assert (later.phase, later.completed_at) == (Phase.COMPLETED, done.completed_at)


def test_a_fatal_failure_of_a_job_is_not_its_end():
    failed = observe(job(active(2, 0)), *pods("image", "image")).workload
    assert (failed.phase, failed.phase_rule, failed.completed_at) == (Phase.FAILED, "10", None)
    back = observe(job(active(2, 2)), *pods("ready", "ready"), remembered=Remembered.of(failed)).workload
    assert back.phase is Phase.RUNNING


def test_the_grace_is_waited_for():
    young = {"started_at": NOW - timedelta(seconds=30)}
    waiting = observe(job(active(1, 0), parallelism=1), *pods("image", **young))
    assert waiting.workload.phase is Phase.INITIALIZING
    assert waiting.revisit_at == NOW + timedelta(seconds=90)
    assert waiting.pods[0].fatal_since == NOW - timedelta(seconds=30)


def test_what_a_job_asks_for():
    record = observe(
        job(active(2, 2), parallelism=8, completions=3, annotations={"kai.scheduler/batch-min-member": "2"})
    )
    assert record.workload.requested_pods == RequestedPods(number=3, min=2, parallelism=8, completions=3)
    assert record.workload.workload_requested is not None
    assert record.workload.workload_requested.requests.gpu_micros == 3_000_000


CHILD = "22222222-0000-4000-8000-000000000001"


def cron(status=None, *, suspend=None, annotations=None, **more):
    job_template = {"metadata": {"annotations": annotations}, "spec": {"parallelism": 2, "template": template()}}
    spec = {"schedule": "*/5 * * * *", "jobTemplate": job_template}
    return obj("CronJob", spec | ({} if suspend is None else {"suspend": suspend}), status, **more)


def run(status, *, number=1, minutes=20, **more):
    created = NOW - timedelta(minutes=minutes)
    return job(status, name=f"w-{number}", uid=CHILD[:-1] + str(number), created_at=created, **more)


SCHEDULED = {"lastScheduleTime": at(NOW - timedelta(minutes=20))}
ACTIVE = {**SCHEDULED, "active": [{"kind": "Job", "name": "w-1", "uid": CHILD}]}
DONE_WELL = {**SCHEDULED, "lastSuccessfulTime": at(NOW - timedelta(minutes=1))}

CRON_CASES = [
    ("never ran, status empty", Phase.PENDING, cron(), (), (), "*/5 * * * *"),
    ("suspended", Phase.STOPPED, cron(SCHEDULED, suspend=True), (), (), "suspend"),
    ("run not known", Phase.RUNNING, cron(ACTIVE), (), (), None),
    ("run pending", Phase.PENDING, cron(ACTIVE), (run(active(2, 0)),), ("unscheduled", "unscheduled"), "Insufficient"),
    ("run running", Phase.RUNNING, cron(ACTIVE), (run(active(2, 2)),), ("ready", "ready"), None),
    ("run cannot pull", Phase.FAILED, cron(ACTIVE), (run(active(2, 0)),), ("image", "image"), "ImagePullBackOff"),
    (
        "run goes on while suspended",
        Phase.RUNNING,
        cron(ACTIVE, suspend=True),
        (run(active(2, 2)),),
        ("ready",) * 2,
        "suspended",
    ),
    ("a live run that the status does not list", Phase.RUNNING, cron(SCHEDULED), (run(active(2, 2)),), (), None),
    ("idle after success", Phase.RUNNING, cron(DONE_WELL), (), (), "last run succeeded"),
    ("idle after failure", Phase.RUNNING, cron(SCHEDULED), (run(FAILED),), (), "last run failed: BackoffLimitExceeded"),
    ("idle, no success since", Phase.RUNNING, cron(SCHEDULED), (), (), "did not succeed"),
    ("deleted", Phase.DELETING, cron(ACTIVE, deleting=True), (run(active(2, 2)),), ("ready", "ready"), None),
    ("run just created", Phase.CREATING, cron(ACTIVE), (run({}),), (), "not observed"),
    ("run starting", Phase.INITIALIZING, cron(ACTIVE), (run(active(2, 1)),), ("ready", "creating"), "1 of 2"),
    ("run suspended by hand", Phase.STOPPED, cron(ACTIVE), (run(SUSPENDED, suspend=True),), (), "suspend"),
    ("run being suspended", Phase.STOPPING, cron(ACTIVE), (run(active(1), suspend=True),), ("releasing",), "1 pod"),
    ("run resuming", Phase.RESUMING, cron(ACTIVE), (run(SUSPENDED, suspend=False),), (), "resumed"),
    ("run being deleted", Phase.RUNNING, cron(DONE_WELL), (run(active(1), deleting=True),), (), "idle"),
    ("absurd status", Phase.PENDING, cron({"active": 3, "lastScheduleTime": []}), (), (), "no run yet"),
    ("list of runs lags", Phase.RUNNING, cron(ACTIVE), (run(COMPLETE),), ("succeeded", "succeeded"), "idle"),
]


@pytest.mark.parametrize(
    ("wanted", "top", "children", "states", "said"),
    [case[1:] for case in CRON_CASES],
    ids=[case[0] for case in CRON_CASES],
)
def test_cron_job(wanted, top, children, states, said):
    owned = pods(*states, owner=children[0]) if children else []
    record = observe(top, *owned, children=children).workload
    assert record.phase is wanted, record.phase_message
    assert record.phase_message is None if said is None else said in (record.phase_message or "")


def test_each_run_has_a_latch_of_its_own():
    old, new = run(active(2, 2)), run(active(2, 1), number=2, minutes=1)
    first = observe(cron(ACTIVE), *pods("ready", "ready", owner=old), children=(old,)).workload
    second = observe(cron(ACTIVE), *pods("ready", owner=new), children=(new,), remembered=Remembered.of(first)).workload
    assert first.phase is Phase.RUNNING
    assert second.phase is Phase.PENDING


def test_the_newest_run_decides_whatever_the_order_of_children():
    old, new = run(active(2, 2)), run(active(2, 0), number=2, minutes=1)
    owned = [*pods("ready", "ready", owner=old), pod("z", "unscheduled", owner=new)]
    phases = {observe(cron(ACTIVE), *owned, children=order).workload.phase for order in ((old, new), (new, old))}
    assert phases == {Phase.PENDING}


def test_a_run_that_lost_a_pod_is_degraded():
    job_run = run(active(2, 2), minutes=90)
    ran = observe(cron(ACTIVE), *pods("ready", "ready", owner=job_run), children=(job_run,)).workload
    lost = pods("ready", "failed", owner=job_run)
    later = observe(cron(ACTIVE), *lost, children=(job_run,), remembered=Remembered.of(ran)).workload
    assert (ran.phase, later.phase) == (Phase.RUNNING, Phase.DEGRADED)


def test_what_a_cron_job_asks_for_by_its_template():
    least = {"kai.scheduler/batch-min-member": "1", "kueue.x-k8s.io/job-min-parallelism": 2}
    assert observe(cron(annotations=least)).workload.requested_pods == RequestedPods(number=2, min=1, parallelism=2)
    absurd = {"kai.scheduler/batch-min-member": 1}
    assert observe(cron(annotations=absurd)).workload.requested_pods == RequestedPods(number=2, parallelism=2)


def test_what_a_cron_job_asks_for():
    record = observe(cron()).workload
    assert record.requested_pods == RequestedPods(number=2, parallelism=2)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2_000_000
