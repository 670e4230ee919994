"""Experiment and Trial of Katib: conditions, counts of trials, the pods of trials and of the suggestion service."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

EXPERIMENT, TRIAL = "katib.kubeflow.org/experiment", "katib.kubeflow.org/trial"
SUGGESTION = "katib.kubeflow.org/suggestion"
CREATED_ONLY = [condition("Created", "True", "ExperimentCreated", "Experiment is created")]
RUNNING = [*CREATED_ONLY, condition("Running", "True", "ExperimentRunning", "Experiment is running")]
NOT_RUNNING = condition("Running", "False", "ExperimentRunning", "Experiment is running")
SUCCEEDED = [*CREATED_ONLY, NOT_RUNNING, condition("Succeeded", "True", "ExperimentMaxTrialsReached", "all done")]
FAILED = [*CREATED_ONLY, NOT_RUNNING, condition("Failed", "True", "ExperimentFailed", "too many failed trials")]
RESTARTING = [*CREATED_ONLY, NOT_RUNNING, condition("Restarting", "True", "ExperimentRestarting", "more trials")]


def status(conditions, **counts):
    return {"startTime": at(CREATED), "conditions": conditions, **counts}


def training(kind="PyTorchJob"):
    if kind == "Job":
        spec = {"template": template(gpus=1)}
        return {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}
    roles = {"Master": {"template": template(gpus=1)}, "Worker": {"replicas": 2, "template": template(gpus=2)}}
    return {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": {"pytorchReplicaSpecs": roles}}


def experiment(found=None, *, body=None, parallel=2, **more):
    spec = {"maxTrialCount": 12, "trialTemplate": {"trialSpec": body or training()}}
    spec |= {} if parallel is None else {"parallelTrialCount": parallel}
    return obj("Experiment", spec, found, **more)


def trials(*states):
    return [pod(f"w-{n}-master-0", state, labels={EXPERIMENT: "w", TRIAL: f"w-{n}"}) for n, state in enumerate(states)]


def suggestion(state):
    return [pod("w-random-5d8f", state, labels={EXPERIMENT: "w", SUGGESTION: "w"})]


ONE = status(RUNNING, trials=3, trialsRunning=1, trialsSucceeded=2)

CASES = [
    ("deleted", Phase.DELETING, experiment(ONE, deleting=True), trials("ready"), True),
    ("status empty", Phase.CREATING, experiment(), [], False),
    ("created", Phase.CREATING, experiment(status(CREATED_ONLY)), [], False),
    ("no trial yet", Phase.CREATING, experiment(status(RUNNING)), [], False),
    (
        "its suggestion service waits",
        Phase.INITIALIZING,
        experiment(status(CREATED_ONLY)),
        suggestion("creating"),
        False,
    ),
    (
        "its suggestion service serves, no trial yet",
        Phase.INITIALIZING,
        experiment(status(RUNNING)),
        suggestion("ready"),
        False,
    ),
    (
        "the first trial waits",
        Phase.PENDING,
        experiment(status(RUNNING, trialsPending=1)),
        [*suggestion("ready"), *trials("unscheduled")],
        False,
    ),
    ("all trials wait", Phase.PENDING, experiment(status(RUNNING)), trials("unscheduled", "gated"), False),
    ("the first trial starts", Phase.INITIALIZING, experiment(ONE), [*suggestion("ready"), *trials("creating")], False),
    (
        "trials pending, counts alone",
        Phase.INITIALIZING,
        experiment(status(RUNNING, trials=1, trialsPending=1)),
        [],
        False,
    ),
    ("running", Phase.RUNNING, experiment(ONE), [*suggestion("ready"), *trials("ready")], False),
    (
        "running without a suggestion service",
        Phase.RUNNING,
        experiment(ONE),
        [*suggestion("creating"), *trials("ready")],
        False,
    ),
    ("one trial waits", Phase.RUNNING, experiment(ONE), trials("ready", "unscheduled"), True),
    ("running, counts alone", Phase.RUNNING, experiment(ONE), [], False),
    (
        "between two trials",
        Phase.RUNNING,
        experiment(status(RUNNING, trials=2, trialsSucceeded=2)),
        trials("succeeded", "succeeded"),
        True,
    ),
    (
        "between two trials, with its service",
        Phase.RUNNING,
        experiment(status(RUNNING, trials=2, trialsFailed=2)),
        suggestion("ready"),
        False,
    ),
    (
        "between two trials, counts alone",
        Phase.RUNNING,
        experiment(status(RUNNING, trials=2, trialsSucceeded=2)),
        [],
        False,
    ),
    ("a trial cannot start", Phase.DEGRADED, experiment(ONE), trials("ready", "crash"), True),
    ("the next trial starts", Phase.INITIALIZING, experiment(ONE), trials("succeeded", "creating"), True),
    ("no trial can start", Phase.FAILED, experiment(ONE), trials("image", "image"), False),
    (
        "restarting",
        Phase.INITIALIZING,
        experiment(status(RESTARTING, trials=12, trialsSucceeded=12)),
        trials("creating"),
        False,
    ),
    ("failed", Phase.FAILED, experiment(status(FAILED)), suggestion("ready"), True),
    ("failed and succeeded", Phase.FAILED, experiment(status([*SUCCEEDED, *FAILED])), [], True),
    ("succeeded", Phase.COMPLETED, experiment(status(SUCCEEDED, trials=12, trialsSucceeded=12)), [], True),
    ("succeeded, its service goes on", Phase.COMPLETED, experiment(status(SUCCEEDED)), suggestion("ready"), True),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_experiment(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_more_trials_take_an_end_back():
    done = observe(experiment(status(SUCCEEDED, completionTime=at(NOW - timedelta(minutes=30))))).workload
    assert done.completed_at == NOW - timedelta(minutes=30)
    assert observe(experiment(ONE), remembered=Remembered.of(done)).workload.phase is Phase.COMPLETED
    again = observe(
        experiment(status([*RESTARTING[:1], *RESTARTING[2:], *RUNNING[1:]], trialsRunning=1)),
        remembered=Remembered.of(done),
    ).workload
    assert (again.phase, again.completed_at) == (Phase.RUNNING, None)


def test_what_an_experiment_asks_for():
    record = observe(experiment(ONE), *trials("ready")).workload
    assert (record.type, record.distributed_framework) == ("Experiment", "PyTorch")
    assert record.requested_pods == RequestedPods(number=6, parallelism=2, completions=12)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 10_000_000
    plain = observe(experiment(ONE, body=training("Job"), parallel=None)).workload
    assert plain.distributed_framework is None
    assert plain.requested_pods == RequestedPods(number=3, parallelism=3, completions=12)


@pytest.mark.parametrize("body", ["none", {"kind": "Job"}, {"apiVersion": "x.io/v1", "kind": "Thing"}, 3])
def test_a_trial_that_cannot_be_read(body):
    record = observe(experiment(ONE, body=body)).workload
    assert (record.phase, record.workload_requested) == (Phase.RUNNING, None)


def test_an_absurd_number_of_trials():
    record = observe(experiment(ONE, parallel="many")).workload
    assert record.workload_requested is None
    assert record.requested_pods == RequestedPods(completions=12)


def trial(*types, **more):
    conditions = [condition("Created", "True", "TrialCreated"), *types]
    return obj("Trial", {"runSpec": training()}, {"conditions": conditions} if types else {}, **more)


IS_RUNNING, WAS_RUNNING = condition("Running", "True", "TrialRunning"), condition("Running", "False", "TrialRunning")
KILLED = condition("Killed", "True", "TrialKilled", "no longer needed")

TRIAL_CASES = [
    ("status empty", Phase.CREATING, trial(), [], False),
    ("running", Phase.RUNNING, trial(IS_RUNNING), trials("ready", "ready", "ready"), False),
    ("running, conditions alone", Phase.RUNNING, trial(IS_RUNNING), [], False),
    ("waiting", Phase.PENDING, trial(IS_RUNNING), trials("ready", "ready", "unscheduled"), False),
    ("starting", Phase.INITIALIZING, trial(IS_RUNNING), trials("ready", "creating", "creating"), False),
    ("a pod lost", Phase.DEGRADED, trial(IS_RUNNING), trials("ready", "ready", "crash"), True),
    ("failed", Phase.FAILED, trial(WAS_RUNNING, condition("Failed", "True", "TrialFailed")), [], True),
    (
        "no metrics",
        Phase.FAILED,
        trial(WAS_RUNNING, condition("MetricsUnavailable", "True", "MetricsUnavailable")),
        [],
        True,
    ),
    ("succeeded", Phase.COMPLETED, trial(WAS_RUNNING, condition("Succeeded", "True", "TrialSucceeded")), [], True),
    (
        "stopped early",
        Phase.COMPLETED,
        trial(WAS_RUNNING, condition("EarlyStopped", "True", "TrialEarlyStopped")),
        [],
        True,
    ),
    ("killed", Phase.STOPPED, trial(WAS_RUNNING, KILLED), [], True),
    ("deleted", Phase.DELETING, trial(IS_RUNNING, deleting=True), [], True),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in TRIAL_CASES], ids=[case[0] for case in TRIAL_CASES]
)
def test_trial(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
