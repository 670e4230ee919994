"""TrainJob: conditions of its own, all else by its JobSet, its counts of Jobs or its pods."""

import pytest
from support.observed import CREATED, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

ROLE = "jobset.sigs.k8s.io/replicatedjob-name"
SET = "33333333-0000-4000-8000-000000000001"
RESUMED = [condition("Suspended", "False", "Resumed", "TrainJob is resumed")]
SUSPENDED = [condition("Suspended", "True", "Suspended", "TrainJob is suspended")]
COMPLETE = [*RESUMED, condition("Complete", "True", "AllJobsCompleted")]
FAILED = [*RESUMED, condition("Failed", "True", "FailedJobs", "jobset failed due to one or more job failures")]
LATE = [*RESUMED, condition("Failed", "True", "DeadlineExceeded", "TrainJob exceeded its activeDeadlineSeconds")]
NO_RUNTIME = [condition("Failed", "True", "TrainingRuntimeNotSupported", "Referenced TrainingRuntime not supported")]
QUEUED = {"kueue.x-k8s.io/queue-name": "team-a"}


def count(name, *, ready=0, succeeded=0, failed=0, active=0):
    return {"name": name, "ready": ready, "succeeded": succeeded, "failed": failed, "active": active, "suspended": 0}


def status(conditions=(), *jobs, **more):
    return {"conditions": list(conditions), "jobsStatus": list(jobs)} | more


def train(found=None, *, suspend=None, nodes=2, runtime="torch-distributed", initializer=None, **more):
    spec = {"runtimeRef": {"kind": "ClusterTrainingRuntime", "name": runtime}}
    spec |= {"trainer": {"numNodes": nodes}} if nodes is not None else {}
    spec |= {"initializer": initializer} if initializer else {}
    return obj("TrainJob", spec | ({} if suspend is None else {"suspend": suspend}), found, uid="train", **more)


def job_set(found=None, *, suspend=None, initializer=False):
    node = {"parallelism": 2, "completions": 2, "template": template(gpus=4, priorityClassName="high")}
    roles = [{"name": "node", "replicas": 1, "template": {"spec": node}}]
    if initializer:
        first = {"parallelism": 1, "completions": 1, "template": template(gpus=0)}
        roles.insert(0, {"name": "dataset-initializer", "template": {"spec": first}})
        roles[1]["dependsOn"] = [{"name": "dataset-initializer", "status": "Complete"}]
    spec = {"replicatedJobs": roles} | ({} if suspend is None else {"suspend": suspend})
    owner = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "name": "w", "uid": "train"}
    return obj("JobSet", spec, found, uid=SET, ownerReferences=[{**owner, "controller": True}])


def set_status(*jobs, conditions=()):
    return {"restarts": 0, "replicatedJobsStatus": list(jobs), "conditions": list(conditions)}


def pods(*states, role="node"):
    job = [{"apiVersion": "batch/v1", "kind": "Job", "name": f"w-{role}-0", "uid": f"job-{role}", "controller": True}]
    return [pod(f"w-{role}-0-{n}", state, labels={ROLE: role}, ownerReferences=job) for n, state in enumerate(states)]


ACTIVE = set_status(count("node", active=1))
READY = set_status(count("node", ready=1, active=1))
FIRST = set_status(count("dataset-initializer", ready=1, active=1), count("node"))
UP = status(RESUMED, count("node", ready=1, active=1))
MADE = status(RESUMED, count("node", active=1))
DATASET = {"dataset": {"storageUri": "hf://a/b"}}

CASES = [
    ("deleted", Phase.DELETING, train(UP, deleting=True), job_set(READY), pods("ready", "ready"), True),
    ("status empty", Phase.CREATING, train(), None, [], False),
    ("no JobSet yet", Phase.CREATING, train(status(RESUMED)), None, [], False),
    ("JobSet not observed", Phase.CREATING, train(status(RESUMED)), job_set(), [], False),
    ("a node waits", Phase.PENDING, train(MADE), job_set(ACTIVE), pods("ready", "unscheduled"), False),
    ("a node waits, no JobSet known", Phase.PENDING, train(MADE), None, pods("ready", "unscheduled"), False),
    ("a node is missing, no JobSet known", Phase.PENDING, train(MADE), None, pods("ready"), False),
    ("starting", Phase.INITIALIZING, train(MADE), job_set(ACTIVE), pods("creating", "ready"), False),
    ("starting, counts alone", Phase.INITIALIZING, train(MADE), None, [], False),
    ("starting, the JobSet's counts", Phase.INITIALIZING, train(status(RESUMED)), job_set(ACTIVE), [], False),
    (
        "initialisers run",
        Phase.INITIALIZING,
        train(MADE),
        job_set(FIRST, initializer=True),
        pods("ready", role="dataset-initializer"),
        False,
    ),
    (
        "initialisers run, no JobSet known",
        Phase.INITIALIZING,
        train(MADE, initializer=DATASET),
        None,
        pods("ready", role="dataset-initializer"),
        False,
    ),
    (
        "initialisers run, counts alone",
        Phase.INITIALIZING,
        train(status(RESUMED, count("dataset-initializer", ready=1, active=1), count("node"))),
        None,
        [],
        False,
    ),
    (
        "initialisers wait",
        Phase.PENDING,
        train(MADE),
        job_set(set_status(), initializer=True),
        pods("unscheduled", role="dataset-initializer"),
        False,
    ),
    ("running", Phase.RUNNING, train(UP), job_set(READY), pods("ready", "ready"), False),
    ("running, counts alone", Phase.RUNNING, train(UP), None, [], False),
    ("running, the JobSet's counts", Phase.RUNNING, train(status(RESUMED)), job_set(READY), [], False),
    (
        "running, the number of nodes in the runtime",
        Phase.RUNNING,
        train(UP, nodes=None),
        None,
        pods("ready", "ready"),
        False,
    ),
    (
        "initialised, running, counts alone",
        Phase.RUNNING,
        train(status(RESUMED, count("dataset-initializer", succeeded=1), count("node", ready=1, active=1))),
        None,
        [],
        False,
    ),
    ("a node is done", Phase.RUNNING, train(UP), job_set(READY), pods("ready", "succeeded"), True),
    ("a node is lost", Phase.DEGRADED, train(UP), job_set(READY), pods("ready", "crash"), True),
    ("nothing left", Phase.INITIALIZING, train(MADE), job_set(ACTIVE), pods("creating", "creating"), True),
    ("cannot pull", Phase.FAILED, train(MADE), job_set(ACTIVE), pods("image", "image"), False),
    ("failed", Phase.FAILED, train(status(FAILED)), None, [], True),
    (
        "the JobSet failed, not said yet",
        Phase.FAILED,
        train(UP),
        job_set(set_status(conditions=[condition("Failed")])),
        [],
        True,
    ),
    ("past its deadline", Phase.FAILED, train(status(LATE)), job_set(suspend=True), [], True),
    ("no such runtime", Phase.FAILED, train(status(NO_RUNTIME)), None, [], False),
    ("complete", Phase.COMPLETED, train(status(COMPLETE)), job_set(READY), pods("succeeded", "succeeded"), True),
    ("suspending", Phase.STOPPING, train(UP, suspend=True), job_set(READY, suspend=True), pods("releasing"), True),
    ("suspended", Phase.STOPPED, train(status(SUSPENDED), suspend=True), job_set(suspend=True), [], True),
    (
        "held by Kueue",
        Phase.PENDING,
        train(status(SUSPENDED), suspend=True, labels=QUEUED),
        job_set(suspend=True),
        [],
        False,
    ),
    ("resuming", Phase.RESUMING, train(status(SUSPENDED), suspend=False), job_set(suspend=True), [], False),
    (
        "resumed, the JobSet has yet to follow",
        Phase.RESUMING,
        train(status(RESUMED), suspend=False),
        job_set(suspend=True),
        [],
        False,
    ),
    ("absurd nodes", Phase.UNKNOWN, train(status(RESUMED), nodes="two"), None, [], False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "below", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_train_job(wanted, top, below, found, ran):
    children = () if below is None else (below,)
    record = observe(top, *found, children=children, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_runtime_that_comes_later_takes_the_failure_back():
    failed = observe(train(status(NO_RUNTIME))).workload
    assert (failed.phase, failed.completed_at) == (Phase.FAILED, None)
    back = observe(train(UP), children=(job_set(READY),), remembered=Remembered.of(failed)).workload
    assert back.phase is Phase.RUNNING
    ended = observe(train(status(FAILED))).workload
    assert ended.completed_at is not None
    assert observe(train(UP), remembered=Remembered.of(ended)).workload.phase is Phase.FAILED


def test_what_the_record_says_comes_from_the_job_set():
    record = observe(train(UP), children=(job_set(READY),)).workload
    assert (record.type, record.distributed_framework) == ("TrainJob", "PyTorch")
    assert record.requested_pods == RequestedPods(number=2)
    assert record.priority_class_name == "high"
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 8_000_000
    assert record.images == ("trainer:1",)


def test_before_there_is_a_job_set_the_nodes_are_counted():
    assert observe(train(initializer=DATASET)).workload.requested_pods == RequestedPods(number=3)
    assert observe(train(nodes=None)).workload.requested_pods == RequestedPods()


@pytest.mark.parametrize(
    ("runtime", "labels", "framework"),
    [
        ("torch-distributed", {}, "PyTorch"),
        ("torchtune-llama3.2-1b", {}, "PyTorch"),
        ("deepspeed-distributed", {}, "MPI"),
        ("mlx-distributed", {}, "MPI"),
        ("jax-distributed", {}, "JAX"),
        ("xgboost-distributed", {}, "XGBoost"),
        ("our-own", {}, None),
        ("torch", {}, None),
        ("our-own", {"trainer.kubeflow.org/framework": "jax"}, "JAX"),
        ("torch-distributed", {"trainer.kubeflow.org/framework": "flux"}, None),
    ],
)
def test_the_framework(runtime, labels, framework):
    assert observe(train(UP, runtime=runtime, labels=labels)).workload.distributed_framework == framework


def test_progress_leads_the_message():
    record = observe(
        train(UP | {"trainerStatus": {"progressPercentage": 40, "lastUpdatedTime": str(CREATED)}})
    ).workload
    assert record.phase_message == "40 % done"
