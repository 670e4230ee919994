"""SparkApplication and ScheduledSparkApplication: the driver first, executors after it, requests from fragments."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, latched, obj, observe, pod

from rollcall.domain.kinds import spark
from rollcall.domain.records import Phase, Remembered, RequestedPods

QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}


def spec_of(*, instances=2, **more):
    executor = {"cores": 2, "memory": "4g", "gpu": {"name": "nvidia.com/gpu", "quantity": 1}}
    if instances is not None:
        executor["instances"] = instances
    return {
        "type": "Scala",
        "image": "spark:3",
        "driver": {"cores": 1, "memory": "512m"},
        "executor": executor,
        **more,
    }


def app(state=None, *, spec=None, error=None, executors=(), name="w", **more):
    status = more.pop("status", {})
    if state is not None:
        word = {"state": state} | ({"errorMessage": error} if error else {})
        states = {f"{name}-exec-{number}": word for number, word in enumerate(executors)}
        status = {
            "applicationState": word,
            "driverInfo": {"podName": f"{name}-driver"},
            "lastSubmissionAttemptTime": at(CREATED),
            "terminationTime": None,
            **({"executorState": states} if states else {}),
            **status,
        }
    return obj("SparkApplication", spec_of() if spec is None else spec, status, name=name, **more)


def pods(*states, **more):
    roles = ["driver", *["executor"] * (len(states) - 1)]
    return [
        pod(f"w-{role}-{n}", state, labels={"spark-role": role}, restart_policy="Never", **more)
        for n, (role, state) in enumerate(zip(roles, states, strict=True))
    ]


ALL = ("ready", "ready", "ready")
OVER = {"terminationTime": at(NOW - timedelta(minutes=4))}
SUSPEND = spec_of(suspend=True)
ALWAYS = spec_of(restartPolicy={"type": "Always"})
RETRIES = spec_of(restartPolicy={"type": "OnFailure", "onSubmissionFailureRetries": 1})
DYNAMIC = spec_of(dynamicAllocation={"enabled": True, "minExecutors": 1, "maxExecutors": 5})
CONF = spec_of(
    instances=None,
    sparkConf={"spark.dynamicAllocation.enabled": "true", "spark.dynamicAllocation.minExecutors": "1"},
)
STREAMING = spec_of(
    instances=None,
    sparkConf={
        "spark.streaming.dynamicAllocation.enabled": "true",
        "spark.streaming.dynamicAllocation.minExecutors": "2",
        "spark.streaming.dynamicAllocation.maxExecutors": "6",
    },
)
ABSURD = spec_of(instances="two")

CASES = [
    ("deleted", Phase.DELETING, app("RUNNING", deleting=True), ALL, True),
    ("status empty", Phase.CREATING, app(), (), False),
    ("new", Phase.CREATING, app("", status={"lastSubmissionAttemptTime": None}), (), False),
    ("submitted, no driver yet", Phase.CREATING, app("SUBMITTED"), (), False),
    ("driver waits", Phase.PENDING, app("SUBMITTED"), ("unscheduled",), False),
    ("driver held by a gate", Phase.PENDING, app("SUBMITTED"), ("gated",), False),
    ("driver starts", Phase.INITIALIZING, app("SUBMITTED"), ("creating",), False),
    ("driver runs, executors to come", Phase.PENDING, app("RUNNING"), ("ready",), False),
    ("executors wait", Phase.PENDING, app("RUNNING"), ("ready", "ready", "unscheduled"), False),
    ("executors start", Phase.INITIALIZING, app("RUNNING"), ("ready", "ready", "creating"), False),
    ("executors start, states alone", Phase.INITIALIZING, app("RUNNING", executors=["RUNNING", "PENDING"]), (), False),
    ("running", Phase.RUNNING, app("RUNNING"), ALL, False),
    ("running, word behind", Phase.RUNNING, app("SUBMITTED"), ALL, False),
    ("running, states alone", Phase.RUNNING, app("RUNNING", executors=["RUNNING", "RUNNING", "FAILED"]), (), False),
    ("an executor lost", Phase.DEGRADED, app("RUNNING"), ("ready", "ready", "failed"), True),
    ("an executor lost, states alone", Phase.DEGRADED, app("RUNNING", executors=["RUNNING", "FAILED"]), (), True),
    ("an executor has succeeded", Phase.RUNNING, app("RUNNING"), ("ready", "ready", "succeeded"), True),
    ("dynamic with its least", Phase.RUNNING, app("RUNNING", spec=DYNAMIC), ("ready", "ready"), False),
    ("dynamic with more", Phase.RUNNING, app("RUNNING", spec=DYNAMIC), ("ready",) * 5, True),
    ("dynamic by conf", Phase.RUNNING, app("RUNNING", spec=CONF), ("ready", "ready"), False),
    ("dynamic streaming below its least", Phase.PENDING, app("RUNNING", spec=STREAMING), ("ready", "ready"), False),
    ("succeeding, pods over", Phase.RUNNING, app("SUCCEEDING"), ("succeeded",), True),
    ("succeeding, nothing known", Phase.RUNNING, app("SUCCEEDING"), (), True),
    ("failing", Phase.DEGRADED, app("FAILING", error="driver failed"), ("failed", "ready"), True),
    ("failing, nothing left", Phase.DEGRADED, app("FAILING"), (), True),
    ("failing, first sight", Phase.DEGRADED, app("FAILING"), (), False),
    ("failing before it ran", Phase.INITIALIZING, app("FAILING"), ("failed",), False),
    ("failed", Phase.FAILED, app("FAILED", error="driver failed", status=OVER), (), True),
    ("completed", Phase.COMPLETED, app("COMPLETED", status=OVER), ("succeeded",), True),
    ("completed though suspended", Phase.COMPLETED, app("COMPLETED", spec=SUSPEND, status=OVER), (), True),
    ("not submitted, no retry", Phase.FAILED, app("SUBMISSION_FAILED", error="no image"), (), False),
    ("not submitted, retry due", Phase.INITIALIZING, app("SUBMISSION_FAILED", spec=RETRIES), (), False),
    (
        "not submitted, retries used up",
        Phase.FAILED,
        app("SUBMISSION_FAILED", spec=RETRIES, status={"submissionAttempts": 2}),
        (),
        False,
    ),
    ("not submitted, for ever again", Phase.INITIALIZING, app("SUBMISSION_FAILED", spec=ALWAYS), (), False),
    ("rerun due", Phase.INITIALIZING, app("PENDING_RERUN"), ("releasing",), True),
    ("rerun due, pods gone", Phase.INITIALIZING, app("PENDING_RERUN"), (), True),
    ("spec changed", Phase.INITIALIZING, app("INVALIDATING"), ALL, True),
    ("suspending", Phase.STOPPING, app("SUSPENDING", spec=SUSPEND), ("releasing",), True),
    ("suspending, nothing known", Phase.STOPPING, app("SUSPENDING", spec=SUSPEND), (), True),
    ("suspend asked, still running", Phase.STOPPING, app("RUNNING", spec=SUSPEND, executors=["RUNNING"]), (), True),
    ("suspended", Phase.STOPPED, app("SUSPENDED", spec=SUSPEND), (), True),
    ("created suspended", Phase.STOPPED, app(spec=SUSPEND), (), False),
    ("held by Kueue", Phase.PENDING, app("SUSPENDED", spec=SUSPEND, **QUEUED), (), False),
    ("flag taken back", Phase.RESUMING, app("SUSPENDED"), (), False),
    ("resuming", Phase.RESUMING, app("RESUMING"), (), False),
    ("driver cannot pull", Phase.FAILED, app("SUBMITTED"), ("image",), False),
    ("state unknown", Phase.UNKNOWN, app("UNKNOWN"), (), True),
    ("a word nobody knows", Phase.UNKNOWN, app("PONDERING"), (), False),
    ("absurd number, pods decide", Phase.RUNNING, app("RUNNING", spec=ABSURD), ("ready", "ready"), False),
    ("absurd number, nothing known", Phase.UNKNOWN, app("SUBMITTED", spec=ABSURD), (), False),
    ("absurd status", Phase.CREATING, app(status={"applicationState": "RUNNING", "executorState": []}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_spark_application(wanted, top, states, ran):
    known = pods(*states) if states else ()
    record = observe(top, *known, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_rerun_leaves_the_end_before():
    done = observe(app("COMPLETED", status=OVER), *pods("succeeded")).workload
    due = observe(app("INVALIDATING"), remembered=Remembered.of(done)).workload
    resubmitted = app("RUNNING", status={"lastSubmissionAttemptTime": at(NOW - timedelta(minutes=1))})
    again = observe(resubmitted, *pods(*ALL), remembered=Remembered.of(done)).workload
    assert (done.phase, done.completed_at) == (Phase.COMPLETED, NOW - timedelta(minutes=4))
    assert (due.phase, due.completed_at, again.phase) == (Phase.INITIALIZING, None, Phase.RUNNING)


def test_an_end_outlives_its_status():
    done = observe(app("FAILED", error="boom", status=OVER)).workload
    later = observe(app(), remembered=Remembered.of(done)).workload
    assert (later.phase, later.completed_at, later.phase_message) == (Phase.FAILED, done.completed_at, "boom")


def test_the_driver_speaks_first():
    record = observe(app("RUNNING"), *pods("image", "image", "config")).workload
    assert "config" in (record.phase_message or "").lower()
    assert [row.role for row in observe(app("RUNNING"), *pods(*ALL)).pods] == ["driver", "executor", "executor"]


def test_what_the_record_says():
    record = observe(app("RUNNING", spec=spec_of(batchSchedulerOptions={"priorityClassName": "high"}))).workload
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    asked, limits = record.workload_requested.requests, record.workload_requested.limits
    assert (asked.gpu_micros, asked.cpu_millis) == (2_000_000, 5000)
    # 512 + 384 for the driver; 4096 + 409 for each executor.
    assert asked.memory_bytes == (896 + 2 * 4505) * 2**20
    assert (limits.memory_bytes, limits.cpu_millis) == (asked.memory_bytes, None)
    assert (record.priority_class_name, record.images, record.k8s_phase) == ("high", ("spark:3",), "RUNNING")
    assert (record.distributed_framework, record.additional_fields) == (None, (("framework", "Spark"),))


@pytest.mark.parametrize(
    ("more", "memory_mib"),
    [
        ({}, 1408),
        ({"memory": "2g"}, 2432),
        ({"memory": "8g"}, 9011),
        ({"memory": "8G"}, 9011),
        ({"memory": "8gb"}, 9011),
        ({"memory": "2048"}, 2432),
        ({"memory": "1048576k"}, 1408),
        ({"memory": "1g", "memoryOverhead": "1g"}, 2048),
        ({"memory": "lots"}, 1408),
        ({"memory": 5}, 1408),
    ],
)
def test_the_memory_of_an_executor(more, memory_mib):
    roles = spark.find_roles({"driver": {"cores": 1}, "executor": more})
    assert roles[1].template["spec"]["containers"][0]["resources"]["limits"]["memory"] == f"{memory_mib}Mi"


@pytest.mark.parametrize(
    ("spec", "memory_mib"),
    [
        ({"type": "Python"}, 11468),
        ({"memoryOverheadFactor": "0.2"}, 9830),
        ({"memoryOverheadFactor": "1"}, 16384),
        ({"memoryOverheadFactor": "none"}, 9011),
        ({"sparkConf": {"spark.executor.memoryOverhead": "3g"}}, 11264),
        ({"sparkConf": {"spark.executor.memory": "1g"}}, 9011),
    ],
)
def test_the_overhead_of_an_executor(spec, memory_mib):
    roles = spark.find_roles({"driver": {}, "executor": {"memory": "8g"}, **spec})
    assert roles[1].template["spec"]["containers"][0]["resources"]["requests"]["memory"] == f"{memory_mib}Mi"


def test_a_template_keeps_what_spark_does_not_overwrite():
    executor = {
        "coreRequest": "500m",
        "coreLimit": "2",
        "annotations": {"gpu-fraction": "0.5"},
        "sidecars": [{"name": "logs", "resources": {"requests": {"cpu": "100m"}}}],
        "template": {
            "spec": {"containers": [{"name": "x", "resources": {"limits": {"cpu": "9", "rdma/hca": "1"}}}]},
        },
    }
    record = observe(app("RUNNING", spec={"driver": {}, "executor": executor})).workload
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.cpu_millis, asked.gpu_micros, asked.extended) == (1600, 500_000, (("rdma/hca", 1),))


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (spec_of(instances=None), RequestedPods(number=2)),
        (DYNAMIC, RequestedPods(number=3, min=2, max=6)),
        (CONF, RequestedPods(number=2, min=2)),
        (STREAMING, RequestedPods(number=3, min=3, max=7)),
        (spec_of(instances=None, sparkConf={"spark.executor.instances": "4"}), RequestedPods(number=5)),
        (ABSURD, RequestedPods()),
    ],
)
def test_the_pods_asked_for(spec, wanted):
    assert observe(app("SUBMITTED", spec=spec)).workload.requested_pods == wanted


CRON_UID, RUN_UID = "44444444-0000-4000-8000-000000000001", "44444444-0000-4000-8000-000000000002"


def owned(kind, name, uid, group="sparkoperator.k8s.io/v1beta2"):
    return [{"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": True}]


def cron(status=None, **more):
    spec = {"schedule": "@hourly", "template": spec_of(), **more}
    return obj("ScheduledSparkApplication", spec, status, uid=CRON_UID)


def run(state, **more):
    return app(
        state,
        uid=RUN_UID,
        name="w-1",
        created_at=NOW - timedelta(minutes=30),
        ownerReferences=owned("ScheduledSparkApplication", "w", CRON_UID),
        **more,
    )


def run_pods(*states):
    """The driver belongs to the application, the executors to the driver."""
    driver = pods(states[0], ownerReferences=owned("SparkApplication", "w-1", RUN_UID))[0]
    below = owned("Pod", driver.meta.name, driver.meta.uid, "v1")
    return [driver, *pods(*states, ownerReferences=below)[1:]]


RAN = {"scheduleState": "Scheduled", "lastRun": at(CREATED), "lastRunName": "w-1"}

CRONS = [
    ("never ran, status empty", Phase.PENDING, cron(), (), (), "schedule @hourly"),
    ("never ran", Phase.PENDING, cron({"scheduleState": "Scheduled", "lastRun": None}), (), (), "no run yet"),
    ("suspended", Phase.STOPPED, cron(RAN, suspend=True), (), (), "suspend"),
    ("a run waits", Phase.PENDING, cron(RAN), (run("SUBMITTED"),), ("unscheduled",), "Insufficient"),
    ("a run is on", Phase.RUNNING, cron(RAN), (run("RUNNING"),), ALL, None),
    ("a run goes on", Phase.RUNNING, cron(RAN, suspend=True), (run("RUNNING"),), ALL, "its run goes on"),
    ("a run lacks an executor", Phase.PENDING, cron(RAN), (run("RUNNING"),), ("ready", "ready"), "2 of 3"),
    ("idle after success", Phase.RUNNING, cron(RAN), (run("COMPLETED"),), ("succeeded",), "last run succeeded"),
    ("idle after failure", Phase.RUNNING, cron(RAN), (run("FAILED", error="boom"),), (), "last run failed: boom"),
    ("idle, run gone", Phase.RUNNING, cron({**RAN, "pastFailedRunNames": ["w-1"]}), (), (), "last run failed"),
    ("idle, run gone well", Phase.RUNNING, cron({**RAN, "pastSuccessfulRunNames": ["w-1"]}), (), (), "succeeded"),
    ("not valid", Phase.FAILED, cron({"scheduleState": "FailedValidation", "reason": "bad cron"}), (), (), "bad cron"),
]


@pytest.mark.parametrize(
    ("wanted", "top", "children", "states", "said"), [case[1:] for case in CRONS], ids=[case[0] for case in CRONS]
)
def test_scheduled_spark_application(wanted, top, children, states, said):
    known = run_pods(*states) if states else []
    record = observe(top, *known, children=children).workload
    assert record.phase is wanted, record.phase_message
    assert record.phase_message is None if said is None else said in (record.phase_message or "")


def test_what_a_schedule_asks_for():
    record = observe(cron()).workload
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2_000_000
