"""MPIJob of the MPI operator (v2beta1, the launcher is a Job's pod) and of the training operator (v1)."""

import pytest
from support.observed import CREATED, at, condition, latched, obj, observe, pod, template

from rollcall.domain.kinds.catalogue import is_catalogued
from rollcall.domain.ownership import OwnerWalk
from rollcall.domain.records import Phase, Remembered, RequestedPods

CREATED_ONLY = [condition("Created", "True", "MPIJobCreated", "MPIJob runai-team-a/w is created.")]
RUNNING = [*CREATED_ONLY, condition("Running", "True", "MPIJobRunning")]
FAILED = [
    *CREATED_ONLY,
    condition("Running", "False"),
    condition("Failed", "True", "BackoffLimitExceeded/", "too many"),
]
EVICTED = [*CREATED_ONLY, condition("Failed", "True", "MPIJobEvicted", "1/2 workers are evicted")]
SUCCEEDED = [*CREATED_ONLY, condition("Running", "False"), condition("Succeeded", "True", "MPIJobSucceeded")]
SUSPENDED = [
    *CREATED_ONLY,
    condition("Suspended", "True", "MPIJobSuspended"),
    condition("Running", "False", "MPIJobSuspended"),
]
RESUMED = [*CREATED_ONLY, condition("Suspended", "False", "MPIJobResumed"), condition("Running", "True")]
BOTH = {"Launcher": {"active": 1}, "Worker": {"active": 2}}
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}
LATE = {"launcherCreationPolicy": "WaitForWorkersReady"}
V1 = {"api_version": "kubeflow.org/v1"}


def status(conditions, replicas=None, **more):
    return {"conditions": conditions, "replicaStatuses": replicas or {}, "startTime": at(CREATED), **more}


def job(found=None, *, suspend=None, workers=2, spec=None, **more):
    replicas = {
        "Launcher": {"replicas": 1, "template": template(gpus=0)},
        "Worker": {"replicas": workers, "template": template(gpus=8, priorityClassName="high")},
    }
    asked = {"slotsPerWorker": 8, "mpiReplicaSpecs": replicas, "runPolicy": {"cleanPodPolicy": "Running"}}
    if suspend is not None:
        asked["runPolicy"]["suspend"] = suspend
    return obj("MPIJob", asked | (spec or {}), found, **more)


def pods(launcher, *workers):
    label = "training.kubeflow.org/job-role"
    first = [pod("w-launcher-x7k2p", launcher, labels={label: "launcher"}, restart_policy="Never")] if launcher else []
    return [*first, *(pod(f"w-worker-{n}", state, labels={label: "worker"}) for n, state in enumerate(workers))]


CASES = [
    ("deleted", Phase.DELETING, job(status(RUNNING, BOTH), deleting=True), pods("ready", "ready", "ready"), True),
    ("status empty", Phase.CREATING, job(), [], False),
    ("created, no pod yet", Phase.CREATING, job(status(CREATED_ONLY)), [], False),
    ("launcher to come", Phase.PENDING, job(status(CREATED_ONLY)), pods(None, "ready", "ready"), False),
    ("a worker waits", Phase.PENDING, job(status(CREATED_ONLY)), pods("ready", "ready", "unscheduled"), False),
    (
        "launcher waits for the workers",
        Phase.INITIALIZING,
        job(status(CREATED_ONLY), spec=LATE),
        pods(None, "ready", "creating"),
        False,
    ),
    (
        "workers ready, late launcher missing",
        Phase.PENDING,
        job(status(CREATED_ONLY), spec=LATE),
        pods(None, "ready", "ready"),
        False,
    ),
    ("late launcher runs", Phase.RUNNING, job(status(RUNNING), spec=LATE), pods("ready", "ready", "ready"), False),
    ("workers start", Phase.INITIALIZING, job(status(CREATED_ONLY)), pods("ready", "creating", "creating"), False),
    (
        "launcher retried before the workers are up",
        Phase.PENDING,
        job(status(CREATED_ONLY)),
        pods("failed", "creating", "ready"),
        False,
    ),
    (
        "launcher made again",
        Phase.INITIALIZING,
        job(status(CREATED_ONLY)),
        [
            *pods("failed", "ready", "ready"),
            pod("w-launcher-2", "creating", labels={"training.kubeflow.org/job-role": "launcher"}),
        ],
        False,
    ),
    ("one active, counts alone", Phase.INITIALIZING, job(status(CREATED_ONLY, {"Worker": {"active": 1}})), [], False),
    ("running", Phase.RUNNING, job(status(RUNNING, BOTH)), pods("ready", "ready", "ready"), False),
    ("running, counts alone", Phase.RUNNING, job(status(RUNNING, BOTH)), [], False),
    (
        "launcher done, not said yet",
        Phase.RUNNING,
        job(status(RUNNING, BOTH)),
        pods("succeeded", "ready", "ready"),
        True,
    ),
    ("a worker is lost", Phase.DEGRADED, job(status(RUNNING, BOTH)), pods("ready", "ready", "crash"), True),
    (
        "a worker is lost, counts alone",
        Phase.DEGRADED,
        job(status(RUNNING, BOTH | {"Worker": {"active": 1}})),
        [],
        True,
    ),
    ("all restart", Phase.INITIALIZING, job(status(RUNNING)), pods("creating", "creating", "creating"), True),
    ("cannot pull", Phase.FAILED, job(status(CREATED_ONLY)), pods("image", "image", "image"), False),
    ("failed", Phase.FAILED, job(status(FAILED)), pods("failed"), True),
    ("evicted", Phase.FAILED, job(status(EVICTED)), pods("ready", "evicted", "ready"), True),
    ("succeeded, workers cleaned up", Phase.COMPLETED, job(status(SUCCEEDED)), pods("succeeded"), True),
    ("succeeded, workers left", Phase.COMPLETED, job(status(SUCCEEDED)), pods("succeeded", "ready", "ready"), True),
    ("suspending", Phase.STOPPING, job(status(RUNNING), suspend=True), pods("releasing", "ready"), True),
    ("suspended", Phase.STOPPED, job(status(SUSPENDED), suspend=True), [], True),
    ("held by Kueue", Phase.PENDING, job(status(SUSPENDED), suspend=True, **QUEUED), [], False),
    ("resuming", Phase.RESUMING, job(status(SUSPENDED), suspend=False), [], False),
    ("resumed", Phase.RUNNING, job(status(RESUMED), suspend=False), pods("ready", "ready", "ready"), False),
    ("absurd workers", Phase.UNKNOWN, job(status(CREATED_ONLY), workers=[2]), [], False),
    ("training operator, running", Phase.RUNNING, job(status(RUNNING, BOTH), **V1), [], False),
    ("training operator, evicted", Phase.FAILED, job(status(EVICTED), **V1), [], True),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_mpi_job(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_an_eviction_ends_a_job_of_the_mpi_operator_alone():
    """The training operator takes the failure back and starts the job again."""
    for more, after in (({}, Phase.FAILED), (V1, Phase.RUNNING)):
        evicted = observe(job(status(EVICTED), **more)).workload
        assert (evicted.completed_at is None) == (after is Phase.RUNNING)
        again = observe(job(status(RUNNING, BOTH), **more), remembered=Remembered.of(evicted)).workload
        assert again.phase is after


def test_what_the_record_says():
    found = observe(job(status(RUNNING)), *pods("ready", "ready", "ready"))
    record = found.workload
    assert (record.type, record.distributed_framework, record.k8s_phase) == ("MPIJob", "MPI", "Running")
    assert record.requested_pods == RequestedPods(number=3)
    assert record.priority_class_name == "high"
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 16_000_000
    assert [row.role for row in found.pods] == ["launcher", "worker", "worker"]


def test_the_training_operators_master_is_the_launcher():
    labels = {"training.kubeflow.org/replica-type": "launcher", "training.kubeflow.org/job-role": "master"}
    assert observe(job(status(RUNNING), **V1), pod(labels=labels)).pods[0].role == "launcher"


def test_the_launchers_job_is_no_workload_of_its_own():
    top = job(status(RUNNING), uid="mpi").meta
    owner = {"apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob", "name": "w", "uid": "mpi", "controller": True}
    launcher = obj("Job", {"template": template()}, uid="launcher", ownerReferences=[owner]).meta
    walk = OwnerWalk(launcher, is_catalogued)
    assert walk.next_owner() is not None
    walk.found(top)
    assert walk.top() is top
