"""Workflow, CronWorkflow, PipelineRun and TaskRun: pods come one after another, and their number is unknown."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod

from rollcall.domain.reading import read_pod
from rollcall.domain.records import Phase, Remembered, RequestedPods

QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}
ENDED = at(NOW - timedelta(minutes=6))


def pods(*states, **more):
    return [half_done(f"w-{n}") if s == "half" else step(f"w-{n}", s, **more) for n, s in enumerate(states)]


def step(name, state, **more):
    return pod(name, state, restart_policy="Never", **more)


def half_done(name):
    """Its first container is done, the second works: not ready, as the kubelet sees it."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "uid": f"pod-{name}", "creationTimestamp": at(CREATED)},
        "spec": {
            "nodeName": "gpu-1",
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "a"}, {"name": "wait", "image": "b"}],
        },
        "status": {
            "phase": "Running",
            "startTime": at(CREATED),
            "conditions": [condition("PodScheduled"), condition("Ready", "False", "ContainersNotReady")],
            "containerStatuses": [
                {"name": "main", "ready": False, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"name": "wait", "ready": True, "state": {"running": {"startedAt": at(CREATED)}}},
            ],
        },
    }
    found = read_pod(body)
    assert found is not None
    return found


def flow(phase=None, *conditions, spec=None, **more):
    status = more.pop("status", {})
    if phase is not None:
        status = {"phase": phase, "startedAt": at(CREATED), "finishedAt": None, **status}
    if conditions:
        status = {**status, "conditions": list(conditions)}
    return obj("Workflow", {"entrypoint": "main", **(spec or {})}, status, **more)


RUNS, RESTS = condition("PodRunning", "True"), condition("PodRunning", "False")
HELD = {"message": "Waiting for argo/Mutex/gpu lock. Lock status: 0/1"}
PAUSED = {
    "nodes": {
        "w": {"type": "Steps", "phase": "Running"},
        "w-1": {"type": "Pod", "phase": "Succeeded"},
        "w-2": {"type": "Suspend", "phase": "Running"},
    }
}
BUSY = {"nodes": {**PAUSED["nodes"], "w-3": {"type": "Pod", "phase": "Running"}}}

WORKFLOWS = [
    ("deleted", Phase.DELETING, flow("Running", RUNS, deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, flow(), (), False),
    ("pending", Phase.PENDING, flow("Pending"), (), False),
    ("pending for others", Phase.PENDING, flow("Pending", status=HELD), (), False),
    ("running without a pod", Phase.INITIALIZING, flow("Running", RESTS), (), False),
    ("running, condition alone", Phase.RUNNING, flow("Running", RUNS), (), False),
    ("running, nothing said", Phase.RUNNING, flow("Running"), (), False),
    ("first step waits", Phase.PENDING, flow("Running", RESTS), ("unscheduled",), False),
    ("first step starts", Phase.INITIALIZING, flow("Running", RESTS), ("creating",), False),
    ("first step runs", Phase.RUNNING, flow("Running", RUNS), ("ready",), False),
    ("one step runs, another waits", Phase.RUNNING, flow("Running", RUNS), ("ready", "unscheduled"), True),
    ("one step runs, another starts", Phase.RUNNING, flow("Running", RUNS), ("ready", "creating"), True),
    ("second step waits", Phase.PENDING, flow("Running", RESTS), ("succeeded", "unscheduled"), True),
    ("second step starts", Phase.INITIALIZING, flow("Running", RESTS), ("succeeded", "creating"), True),
    ("between two steps", Phase.RUNNING, flow("Running", RESTS), ("succeeded",), True),
    ("between two steps, held", Phase.RUNNING, flow("Running", RESTS, status=HELD), ("succeeded",), True),
    ("a step is ending", Phase.RUNNING, flow("Running", RUNS), ("half",), True),
    ("a failed step is retried", Phase.INITIALIZING, flow("Running", RESTS), ("failed", "creating"), True),
    ("a step has failed, others run", Phase.RUNNING, flow("Running", RUNS), ("failed", "ready"), True),
    ("a step cannot pull, another runs", Phase.DEGRADED, flow("Running", RUNS), ("image", "ready"), True),
    ("the only step cannot pull", Phase.FAILED, flow("Running", RESTS), ("image",), True),
    (
        "failed",
        Phase.FAILED,
        flow("Failed", status={"finishedAt": ENDED, "message": "child failed"}),
        ("failed",),
        True,
    ),
    ("error", Phase.FAILED, flow("Error", status={"finishedAt": ENDED}), (), False),
    ("succeeded", Phase.COMPLETED, flow("Succeeded", status={"finishedAt": ENDED}), ("succeeded",), True),
    ("succeeded though suspended", Phase.COMPLETED, flow("Succeeded", spec={"suspend": True}), (), True),
    ("suspending", Phase.STOPPING, flow("Running", RUNS, spec={"suspend": True}), ("ready",), True),
    ("suspending, condition alone", Phase.STOPPING, flow("Running", RUNS, spec={"suspend": True}), (), True),
    ("suspended", Phase.STOPPED, flow("Running", RESTS, spec={"suspend": True}), ("succeeded",), True),
    ("created suspended", Phase.STOPPED, flow(spec={"suspend": True}), (), False),
    ("held by Kueue", Phase.PENDING, flow(spec={"suspend": True}, **QUEUED), (), False),
    ("paused at a step", Phase.STOPPED, flow("Running", RESTS, status=PAUSED), ("succeeded",), True),
    ("paused at one step of two", Phase.RUNNING, flow("Running", RUNS, status=BUSY), ("ready",), True),
    ("shutting down", Phase.STOPPING, flow("Running", RUNS, spec={"shutdown": "Terminate"}), ("ready",), True),
    ("a word nobody knows", Phase.UNKNOWN, flow("Pondering"), (), False),
    ("absurd", Phase.CREATING, flow(status={"phase": 1, "nodes": [1], "conditions": {}}), (), False),
    (
        "absurd nodes",
        Phase.RUNNING,
        flow("Running", status={"nodes": {"a": 1, "b": {"type": [], "phase": {}}}}),
        (),
        True,
    ),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in WORKFLOWS], ids=[case[0] for case in WORKFLOWS]
)
def test_workflow(wanted, top, states, ran):
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_step_that_waits_is_no_restart():
    record = observe(flow("Running", RESTS), *pods("succeeded", "unscheduled"), remembered=latched()).workload
    assert "restarting" not in (record.phase_message or "")
    assert "Insufficient" in (record.phase_message or "")


def test_a_retry_leaves_the_end_before():
    failed = observe(flow("Failed", status={"finishedAt": ENDED, "message": "boom"})).workload
    retried = flow("Running", RUNS, status={"startedAt": at(NOW - timedelta(minutes=1))})
    again = observe(retried, *pods("ready"), remembered=Remembered.of(failed)).workload
    assert (failed.completed_at, again.phase) == (NOW - timedelta(minutes=6), Phase.RUNNING)


def test_an_end_outlives_its_status():
    done = observe(flow("Succeeded", status={"finishedAt": ENDED})).workload
    later = observe(flow(), remembered=Remembered.of(done)).workload
    assert (later.phase, later.completed_at) == (Phase.COMPLETED, done.completed_at)


def test_what_a_workflow_says():
    top = flow("Running", RUNS, spec={"podPriorityClassName": "high", "parallelism": 4})
    record = observe(top, *pods("ready", "ready")).workload
    assert (record.priority_class_name, record.requested_pods) == ("high", RequestedPods(max=4))
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2_000_000


CRON_UID, RUN_UID = "55555555-0000-4000-8000-000000000001", "55555555-0000-4000-8000-000000000002"


def cron(status=None, *conditions, **spec):
    found = {**(status or {}), **({"conditions": list(conditions)} if conditions else {})}
    return obj("CronWorkflow", {"schedule": "@daily", "workflowSpec": {}, **spec}, found, uid=CRON_UID)


def run(phase, *conditions, **status):
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "name": "w", "uid": CRON_UID}
    found = flow(phase, *conditions, status=status, uid=RUN_UID, ownerReferences=[{**owner, "controller": True}])
    return (found,)


RAN = {"lastScheduledTime": at(NOW - timedelta(hours=2)), "phase": "Active"}
ACTIVE = {**RAN, "active": [{"kind": "Workflow", "name": "w-1", "uid": RUN_UID}]}
SPEC_ERROR = condition("SpecError", "True", "", "cron schedule is malformed")
CRONS = [
    ("never ran, status empty", Phase.PENDING, cron(), (), (), "schedule @daily"),
    (
        "several schedules",
        Phase.PENDING,
        cron(schedule=None, schedules=["@daily", "@hourly"]),
        (),
        (),
        "@daily, @hourly",
    ),
    ("a run waits", Phase.PENDING, cron(ACTIVE), run("Running", RESTS), ("unscheduled",), "Insufficient"),
    ("a run is on", Phase.RUNNING, cron(ACTIVE), run("Running", RUNS), ("ready",), None),
    ("a run not known", Phase.RUNNING, cron(ACTIVE), (), (), None),
    ("a run goes on", Phase.RUNNING, cron(ACTIVE, suspend=True), run("Running", RUNS), ("ready",), "its run goes on"),
    ("suspended", Phase.STOPPED, cron(RAN, suspend=True), (), (), "suspend"),
    ("stopped by its strategy", Phase.STOPPED, cron({**RAN, "phase": "Stopped"}), (), (), "strategy"),
    ("idle after success", Phase.RUNNING, cron(RAN), run("Succeeded"), ("succeeded",), "last run succeeded"),
    ("idle after failure", Phase.RUNNING, cron(RAN), run("Failed", message="boom"), (), "last run failed: boom"),
    ("idle, run gone", Phase.RUNNING, cron(RAN), (), (), "idle"),
    ("not valid", Phase.FAILED, cron(None, SPEC_ERROR), (), (), "malformed"),
    ("not valid any more", Phase.FAILED, cron(ACTIVE, SPEC_ERROR), run("Running", RUNS), ("ready",), "its run goes on"),
    ("valid again", Phase.RUNNING, cron(RAN, condition("SpecError", "False")), (), (), "idle"),
]


@pytest.mark.parametrize(
    ("wanted", "top", "children", "states", "said"), [case[1:] for case in CRONS], ids=[case[0] for case in CRONS]
)
def test_cron_workflow(wanted, top, children, states, said):
    owner = [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w-1", "uid": RUN_UID}]
    record = observe(top, *pods(*states, ownerReferences=owner), children=children).workload
    assert record.phase is wanted, record.phase_message
    assert record.phase_message is None if said is None else said in (record.phase_message or "")


def tekton(kind, status=None, reason="", message="", *, spec=None, **more):
    found = {} if status is None else {"conditions": [condition("Succeeded", status, reason, message)]}
    if status is not None:
        found["startTime"] = at(CREATED)
    if status in ("True", "False"):
        found["completionTime"] = ENDED
    return obj(kind, spec or {}, found, **more)


CANCEL = {"status": "Cancelled"}
RUNS_OF_BOTH = [
    ("deleted", Phase.DELETING, ("Unknown", "Running"), {"deleting": True}, ("ready",), True),
    ("status empty", Phase.CREATING, (), {}, (), False),
    ("started, no pod", Phase.INITIALIZING, ("Unknown", "Started"), {}, (), False),
    ("waits for a node", Phase.PENDING, ("Unknown", "Pending"), {}, ("unscheduled",), False),
    ("starts", Phase.INITIALIZING, ("Unknown", "Pending"), {}, ("creating",), False),
    ("runs", Phase.RUNNING, ("Unknown", "Running"), {}, ("ready",), False),
    ("runs, word alone", Phase.RUNNING, ("Unknown", "Running"), {}, (), False),
    ("first step done, second at work", Phase.RUNNING, ("Unknown", "Running"), {}, ("half",), True),
    ("between two tasks", Phase.RUNNING, ("Unknown", "Running"), {}, ("succeeded",), True),
    ("next task waits", Phase.PENDING, ("Unknown", "Running"), {}, ("succeeded", "unscheduled"), True),
    ("cannot pull", Phase.FAILED, ("Unknown", "Running"), {}, ("image",), False),
    ("one of two cannot pull", Phase.DEGRADED, ("Unknown", "Running"), {}, ("ready", "image"), True),
    ("succeeded", Phase.COMPLETED, ("True", "Succeeded"), {}, ("succeeded",), True),
    ("succeeded with skipped tasks", Phase.COMPLETED, ("True", "Completed"), {}, (), True),
    ("failed", Phase.FAILED, ("False", "Failed", "step-train failed"), {}, ("failed",), True),
    ("timed out", Phase.FAILED, ("False", "PipelineRunTimeout"), {}, (), True),
    ("failed for a reason nobody knows", Phase.FAILED, ("False", "Whatever"), {}, (), True),
    ("cancelled", Phase.STOPPED, ("False", "Cancelled"), {"spec": CANCEL}, ("failed",), True),
    ("task cancelled", Phase.STOPPED, ("False", "TaskRunCancelled"), {}, (), True),
    ("stopped, its finally ran", Phase.STOPPED, ("False", "StoppedRunningFinally"), {}, (), True),
    (
        "cancelled by its user, still running",
        Phase.STOPPING,
        ("Unknown", "Running"),
        {"spec": CANCEL},
        ("ready",),
        True,
    ),
    ("cancelled by its user, word alone", Phase.STOPPING, ("Unknown", "Running"), {"spec": CANCEL}, (), True),
    ("created pending", Phase.STOPPED, (), {"spec": {"status": "PipelineRunPending"}}, (), False),
    (
        "pending",
        Phase.STOPPED,
        ("Unknown", "PipelineRunPending"),
        {"spec": {"status": "PipelineRunPending"}},
        (),
        False,
    ),
    ("held by Kueue", Phase.PENDING, (), {"spec": {"status": "PipelineRunPending"}, **QUEUED}, (), False),
    ("absurd", Phase.INITIALIZING, (1, 2, 3), {}, (), False),
]


@pytest.mark.parametrize("kind", ["PipelineRun", "TaskRun"])
@pytest.mark.parametrize(
    ("wanted", "word", "more", "states", "ran"), [case[1:] for case in RUNS_OF_BOTH], ids=[c[0] for c in RUNS_OF_BOTH]
)
def test_tekton(kind, wanted, word, more, states, ran):
    top = tekton(kind, *word, **more)
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


@pytest.mark.parametrize("word", ["True", "False"])
def test_when_a_run_of_tekton_ended(word):
    for reason in ("Whatever", "Cancelled"):
        ended = observe(tekton("PipelineRun", word, reason)).workload
        later = observe(tekton("PipelineRun"), remembered=Remembered.of(ended)).workload
        assert ended.completed_at == NOW - timedelta(minutes=6)
        assert (later.phase, later.completed_at) == (ended.phase, ended.completed_at)


GPU = {"limits": {"nvidia.com/gpu": "1", "cpu": "2"}}


@pytest.mark.parametrize(
    ("spec", "gpus", "cpus"),
    [
        ({"taskSpec": {"steps": [{"name": "a", "computeResources": GPU}, {"name": "b"}]}}, 1, 2),
        ({"taskSpec": {"steps": [{"name": "a", "resources": GPU}], "sidecars": [{"resources": GPU}]}}, 2, 4),
        ({"taskSpec": {"stepTemplate": {"computeResources": GPU}, "steps": [{"name": "a"}, {"name": "b"}]}}, 2, 4),
        ({"computeResources": GPU, "taskSpec": {"steps": [{"computeResources": GPU}, {}]}}, 1, 2),
    ],
)
def test_what_a_task_asks_for(spec, gpus, cpus):
    record = observe(tekton("TaskRun", "Unknown", "Pending", spec=spec)).workload
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.gpu_micros, asked.cpu_millis) == (gpus * 1_000_000, cpus * 1000)
    assert record.requested_pods == RequestedPods(number=1)


def test_a_task_elsewhere_is_known_by_its_pod():
    top = tekton("TaskRun", "Unknown", "Running", spec={"taskRef": {"name": "train"}})
    assert observe(top).workload.workload_requested is None
    record = observe(top, *pods("ready")).workload
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 1_000_000


def test_what_holds_up_the_next_pod_is_said():
    top = tekton("TaskRun", "Unknown", "ExceededResourceQuota", "exceeded quota: team-a")
    first, next_one = observe(top).workload, observe(top, *pods("evicted"), remembered=latched()).workload
    assert (first.phase, next_one.phase) == (Phase.INITIALIZING, Phase.PENDING)
    assert "exceeded quota: team-a" in (next_one.phase_message or "")
    assert (next_one.k8s_phase, next_one.category) == ("ExceededResourceQuota", "Train")
