"""PyTorchJob: conditions that are absent, sticky or early, refined by pods."""

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.kinds.kubeflow import training_job
from rollcall.domain.records import Phase, Remembered, RequestedPods

CREATED_ONLY = [condition("Created", "True", "PyTorchJobCreated")]
RUNNING = [*CREATED_ONLY, condition("Running", "True", "PyTorchJobRunning")]
RESTARTING = [*CREATED_ONLY, condition("Restarting", "True", "PyTorchJobRestarting", "worker 1 restarts")]
FAILED = [
    *CREATED_ONLY,
    condition("Running", "False"),
    condition("Failed", "True", "PyTorchJobFailed", "worker 1 failed"),
]
SUCCEEDED = [*CREATED_ONLY, condition("Running", "False"), condition("Succeeded", "True", "PyTorchJobSucceeded")]
SUSPENDED = [*CREATED_ONLY, condition("Suspended", "True", "PyTorchJobSuspended")]


def status(conditions, *, master=None, worker=None, **more):
    replicas = {name: value for name, value in (("Master", master), ("Worker", worker)) if value is not None}
    return {"conditions": conditions, "replicaStatuses": replicas, "startTime": at(CREATED), **more}


def job(found=None, *, workers=3, suspend=None, elastic=None, run_policy=None, **more):
    roles = {"Master": {"template": template()}, "Worker": {"replicas": workers, "template": template(gpus=2)}}
    policy = dict(run_policy or {}) | ({} if suspend is None else {"suspend": suspend})
    spec = {"pytorchReplicaSpecs": roles, "runPolicy": policy} | ({"elasticPolicy": elastic} if elastic else {})
    return obj("PyTorchJob", spec, found, **more)


def pods(*states):
    roles = ("master", *("worker",) * (len(states) - 1))
    return [pod(f"w-{role}-{n}", state, role=role) for n, (role, state) in enumerate(zip(roles, states, strict=True))]


QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}
ONE_EACH = {"master": {"active": 1}, "worker": {"active": 3}}
AT_LEAST = {"minReplicas": 1, "maxReplicas": 4}

CASES = [
    ("deleted", Phase.DELETING, job(status(RUNNING), deleting=True), ("ready",) * 4, True),
    ("status empty", Phase.CREATING, job(), (), False),
    ("no conditions", Phase.CREATING, job({"replicaStatuses": {}}), (), False),
    ("created, no pod yet", Phase.CREATING, job(status(CREATED_ONLY)), (), False),
    (
        "gang waits for its last worker",
        Phase.PENDING,
        job(status(RUNNING)),
        ("ready", "ready", "ready", "unscheduled"),
        False,
    ),
    ("running by the master alone", Phase.PENDING, job(status(RUNNING)), ("ready",), False),
    ("running by the master, counts alone", Phase.INITIALIZING, job(status(RUNNING, master={"active": 1})), (), False),
    ("starting", Phase.INITIALIZING, job(status(RUNNING)), ("ready", "ready", "creating", "creating"), False),
    ("active is not running yet, counts alone", Phase.INITIALIZING, job(status(CREATED_ONLY, **ONE_EACH)), (), False),
    ("running", Phase.RUNNING, job(status(RUNNING)), ("ready",) * 4, False),
    ("running, counts alone", Phase.RUNNING, job(status(RUNNING, **ONE_EACH)), (), False),
    ("pods ready before the condition", Phase.RUNNING, job(status(CREATED_ONLY)), ("ready",) * 4, False),
    ("a worker has succeeded", Phase.RUNNING, job(status(RUNNING)), ("ready", "ready", "ready", "succeeded"), True),
    ("elastic with its least", Phase.RUNNING, job(status(RUNNING), elastic=AT_LEAST), ("ready", "ready"), False),
    ("a worker is lost", Phase.DEGRADED, job(status(RUNNING)), ("ready", "ready", "ready", "crash"), True),
    ("a worker is gone", Phase.DEGRADED, job(status(RUNNING)), ("ready", "ready", "ready"), True),
    ("restarts after it ran", Phase.DEGRADED, job(status(RESTARTING)), ("ready", "ready", "ready", "creating"), True),
    (
        "restarts before it ran",
        Phase.INITIALIZING,
        job(status(RESTARTING)),
        ("ready", "ready", "ready", "creating"),
        False,
    ),
    ("restarted", Phase.RUNNING, job(status([*RESTARTING, *RUNNING])), ("ready",) * 4, True),
    ("cannot pull", Phase.FAILED, job(status(CREATED_ONLY)), ("image",) * 4, False),
    ("failed", Phase.FAILED, job(status(FAILED)), ("failed", "ready"), True),
    ("failed and succeeded", Phase.FAILED, job(status([*SUCCEEDED, *FAILED])), (), True),
    ("succeeded", Phase.COMPLETED, job(status(SUCCEEDED)), (), True),
    ("succeeded, workers left running", Phase.COMPLETED, job(status(SUCCEEDED)), ("succeeded", "ready"), True),
    ("suspending", Phase.STOPPING, job(status(RUNNING), suspend=True), ("releasing",), True),
    ("suspended", Phase.STOPPED, job(status(SUSPENDED), suspend=True), (), True),
    ("held by Kueue", Phase.PENDING, job(status(SUSPENDED), suspend=True, **QUEUED), (), False),
    ("resuming", Phase.RESUMING, job(status(SUSPENDED), suspend=False), (), False),
    ("no replica at all", Phase.UNKNOWN, obj("PyTorchJob", {}, status(CREATED_ONLY)), (), False),
    ("absurd replicas", Phase.UNKNOWN, job(status(CREATED_ONLY), workers="many"), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_pytorch_job(wanted, top, states, ran):
    record = observe(top, *pods(*states) if states else (), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_what_the_record_says():
    top = job(status(RUNNING), run_policy={"schedulingPolicy": {"priorityClass": "very-high"}}, elastic=AT_LEAST)
    found = observe(top, *pods("ready", "ready", "ready", "ready"))
    record = found.workload
    assert (record.distributed_framework, record.k8s_phase) == ("PyTorch", "Running")
    assert record.requested_pods == RequestedPods(number=4, min=1, max=4)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 7_000_000
    assert (record.priority_class_name, record.priority, record.preemptible) == ("very-high", 150, False)
    assert [row.role for row in found.pods] == ["master", "worker", "worker", "worker"]


def test_the_masters_trouble_is_told_before_a_workers():
    record = observe(job(status(CREATED_ONLY)), *pods("crash", "crash")).workload
    states = [pod("a-worker", "config", role="worker"), pod("z-master", "config", role="master")]
    told = observe(job(status(CREATED_ONLY)), *states).workload.phase_message or ""
    assert "2 pods" in (record.phase_message or "")
    assert "2 pods: container main: CreateContainerConfigError" in told


def test_the_end_is_taken_from_the_completion_time():
    done = observe(job(status(SUCCEEDED, completionTime=at(CREATED)))).workload
    assert done.completed_at == CREATED
    again = observe(job(status(RUNNING, **ONE_EACH)), remembered=Remembered.of(done)).workload
    assert (again.phase, again.completed_at) == (Phase.COMPLETED, CREATED)
    assert again.completed_at != NOW


def test_another_kind_of_that_shape_is_data():
    entry = training_job(
        "XGBoostJob",
        plural="xgboostjobs",
        replica_specs="xgbReplicaSpecs",
        roles=("Master", "Worker"),
        framework="XGBoost",
    )
    top = obj("XGBoostJob", {"xgbReplicaSpecs": {"Worker": {"replicas": 2, "template": template()}}}, status(RUNNING))
    assert entry.signals(top, (), ()).required == 2
