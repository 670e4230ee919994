"""TFJob: a chief, parameter servers that never end, workers and an evaluator."""

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

CREATED_ONLY = [condition("Created", "True", "TFJobCreated")]
RUNNING = [*CREATED_ONLY, condition("Running", "True", "TFJobRunning")]
RESTARTING = [*CREATED_ONLY, condition("Restarting", "True", "TFJobRestarting", "1 PS replica(s) restarting")]
FAILED = [*CREATED_ONLY, condition("Running", "False"), condition("Failed", "True", "TFJobFailed", "PS 0 failed")]
SUCCEEDED = [*CREATED_ONLY, condition("Running", "False"), condition("Succeeded", "True", "TFJobSucceeded")]
SUSPENDED = [*CREATED_ONLY, condition("Suspended", "True", "TFJobSuspended")]
RESUMED = [*CREATED_ONLY, condition("Suspended", "False", "TFJobResumed"), condition("Running")]
ACTIVE = {"Chief": {"active": 1}, "PS": {"active": 2}, "Worker": {"active": 2}}
QUEUED = {"kueue.x-k8s.io/queue-name": "team-a"}


def status(conditions, replicas=None, **more):
    return {"conditions": conditions, "replicaStatuses": replicas or {}, "startTime": at(CREATED), **more}


def job(found=None, *, suspend=None, roles=None, **more):
    specs = roles or {
        "Chief": {"template": template(gpus=1)},
        "PS": {"replicas": 2, "template": template(gpus=0)},
        "Worker": {"replicas": 2, "template": template(gpus=4)},
    }
    policy = {} if suspend is None else {"suspend": suspend}
    return obj("TFJob", {"tfReplicaSpecs": specs, "runPolicy": policy}, found, **more)


def pods(chief, ps, worker):
    roles = [("chief", (chief,)), ("ps", ps), ("worker", worker)]
    return [pod(f"w-{role}-{n}", state, role=role) for role, states in roles for n, state in enumerate(states) if state]


TWO = ("ready", "ready")

CASES = [
    ("deleted", Phase.DELETING, job(status(RUNNING), deleting=True), pods("ready", TWO, TWO), True),
    ("status empty", Phase.CREATING, job(), [], False),
    ("created, no pod yet", Phase.CREATING, job(status(CREATED_ONLY)), [], False),
    ("a worker waits", Phase.PENDING, job(status(RUNNING)), pods("ready", TWO, ("ready", "unscheduled")), False),
    (
        "gated by a queue",
        Phase.PENDING,
        job(status(CREATED_ONLY)),
        pods("gated", ("gated",) * 2, ("gated",) * 2),
        False,
    ),
    (
        "a parameter server starts",
        Phase.INITIALIZING,
        job(status(RUNNING)),
        pods("ready", ("creating",) * 2, TWO),
        False,
    ),
    ("active, not running, counts alone", Phase.INITIALIZING, job(status(CREATED_ONLY, ACTIVE)), [], False),
    ("running", Phase.RUNNING, job(status(RUNNING)), pods("ready", TWO, TWO), False),
    ("running, counts alone", Phase.RUNNING, job(status(RUNNING, ACTIVE)), [], False),
    ("a worker is done", Phase.RUNNING, job(status(RUNNING)), pods("ready", TWO, ("ready", "succeeded")), True),
    (
        "a worker is done, counts alone",
        Phase.RUNNING,
        job(status(RUNNING, ACTIVE | {"Worker": {"active": 1, "succeeded": 1}})),
        [],
        True,
    ),
    ("a parameter server crashes", Phase.DEGRADED, job(status(RUNNING)), pods("ready", ("ready", "crash"), TWO), True),
    ("evicted and made again", Phase.DEGRADED, job(status(RUNNING)), pods("ready", TWO, ("evicted", "creating")), True),
    ("restarts after it ran", Phase.DEGRADED, job(status(RESTARTING)), pods("ready", ("ready", "creating"), TWO), True),
    (
        "restarts before it ran",
        Phase.INITIALIZING,
        job(status(RESTARTING)),
        pods("ready", ("ready", "creating"), TWO),
        False,
    ),
    (
        "nothing left",
        Phase.INITIALIZING,
        job(status(RUNNING)),
        pods("creating", ("creating",) * 2, ("creating",) * 2),
        True,
    ),
    ("cannot pull", Phase.FAILED, job(status(CREATED_ONLY)), pods("image", ("image",) * 2, ("image",) * 2), False),
    ("failed", Phase.FAILED, job(status(FAILED)), pods("releasing", ("failed", "releasing"), ()), True),
    ("failed and succeeded", Phase.FAILED, job(status([*SUCCEEDED, *FAILED])), [], True),
    ("the chief is done, the servers live", Phase.COMPLETED, job(status(SUCCEEDED)), pods("succeeded", TWO, TWO), True),
    ("succeeded, pods gone", Phase.COMPLETED, job(status(SUCCEEDED)), [], False),
    ("suspending", Phase.STOPPING, job(status(RUNNING), suspend=True), pods("releasing", TWO, TWO), True),
    ("suspended", Phase.STOPPED, job(status(SUSPENDED), suspend=True), [], True),
    ("created suspended", Phase.STOPPED, job(suspend=True), [], False),
    ("held by Kueue", Phase.PENDING, job(status(SUSPENDED), suspend=True, labels=QUEUED), [], False),
    ("held by Kueue's old annotation", Phase.PENDING, job(suspend=True, annotations=QUEUED), [], False),
    ("resuming", Phase.RESUMING, job(status(SUSPENDED), suspend=False), [], False),
    ("resumed", Phase.RUNNING, job(status(RESUMED), suspend=False), pods("ready", TWO, TWO), False),
    (
        "absurd replicas",
        Phase.UNKNOWN,
        job(status(CREATED_ONLY), roles={"PS": {"replicas": "two", "template": {}}}),
        [],
        False,
    ),
    ("no role at all", Phase.UNKNOWN, job(status(CREATED_ONLY), roles={"Judge": {"replicas": 2}}), [], False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_tf_job(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_what_the_record_says():
    found = observe(job(status(RUNNING)), *pods("ready", TWO, TWO))
    record = found.workload
    assert (record.type, record.distributed_framework, record.k8s_phase) == ("TFJob", "TF", "Running")
    assert record.requested_pods == RequestedPods(number=5)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 9_000_000
    assert [row.role for row in found.pods] == ["chief", "ps", "ps", "worker", "worker"]


def test_the_end_stays_when_its_pods_and_conditions_go():
    done = observe(job(status(SUCCEEDED, completionTime=at(NOW)))).workload
    again = observe(job(status(RUNNING, ACTIVE)), remembered=Remembered.of(done)).workload
    assert (again.phase, again.completed_at) == (Phase.COMPLETED, NOW)
