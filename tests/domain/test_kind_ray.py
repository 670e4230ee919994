"""RayCluster, RayJob, RayService and RayCronJob, in the shapes KubeRay writes: sticky words, counts left out at 0."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}


def cluster_spec(*, workers=2, **more):
    """A head and one group of workers."""
    group = {"groupName": "gpu", "replicas": workers, "minReplicas": 0, "maxReplicas": 8, "template": template(gpus=2)}
    return {"headGroupSpec": {"template": template(gpus=0)}, "workerGroupSpecs": [group], **more}


def cluster(status=None, *, spec=None, **more):
    return obj("RayCluster", cluster_spec() if spec is None else spec, status, **more)


def counts(ready, available=2, *conditions, state=None, head=True):
    """A cluster's status as KubeRay 1.3 and later writes it; what is 0 is left out."""
    found = {"desiredWorkerReplicas": 2, "availableWorkerReplicas": available, "readyWorkerReplicas": ready}
    head_ready = condition("HeadPodReady", "True" if head else "False", "HeadPodRunningAndReady" if head else "Unready")
    return {
        "observedGeneration": 1,
        "conditions": [head_ready, *conditions],
        **{key: value for key, value in found.items() if value},
        **({"state": state} if state else {}),
    }


def pods(*states, **more):
    """The head first, then workers."""
    roles = ["head", *["worker"] * (len(states) - 1)]
    return [
        pod(f"w-{role}-{number}", state, labels={"ray.io/node-type": role}, **more)
        for number, (role, state) in enumerate(zip(roles, states, strict=True))
    ]


PROVISIONED = condition("RayClusterProvisioned", "True", "AllPodRunningAndReadyFirstTime")
NO_QUOTA = condition("ReplicaFailure", "True", "FailedCreateWorkerPod", "exceeded quota: team-a")
SUSPENDED = {"state": "suspended", "conditions": [condition("RayClusterSuspended", "True", "RayClusterSuspended")]}
SUSPENDING = counts(2, 2, condition("RayClusterSuspending", "True", "RayClusterSuspending"))
ODD = {"headGroupSpec": {}, "workerGroupSpecs": [{"replicas": "two"}]}
ALL = ("ready", "ready", "ready")

CLUSTERS = [
    ("deleted", Phase.DELETING, cluster(counts(2), deleting=True), ALL, True),
    ("status empty", Phase.CREATING, cluster(), (), False),
    ("no pod yet", Phase.CREATING, cluster(counts(0, 0, head=False)), (), False),
    ("a worker waits", Phase.PENDING, cluster(counts(1)), ("ready", "ready", "unscheduled"), False),
    ("held by gates", Phase.PENDING, cluster(counts(0, head=False)), ("gated",) * 3, False),
    ("starting", Phase.INITIALIZING, cluster(counts(0)), ("ready", "creating", "creating"), False),
    ("starting, counts alone", Phase.INITIALIZING, cluster(counts(0)), (), False),
    ("workers pending count as available", Phase.INITIALIZING, cluster(counts(1, 2)), (), False),
    ("running", Phase.RUNNING, cluster(counts(2, 2, PROVISIONED, state="ready")), ALL, False),
    ("running, counts alone", Phase.RUNNING, cluster(counts(2, 2, PROVISIONED, state="ready")), (), False),
    (
        "running, KubeRay before conditions",
        Phase.RUNNING,
        cluster({"state": "ready", "availableWorkerReplicas": 2}),
        (),
        False,
    ),
    ("generation lags for ever", Phase.RUNNING, cluster(counts(2, 2, state="ready"), generation=7), ALL, True),
    (
        "ready is sticky, workers are gone",
        Phase.DEGRADED,
        cluster(counts(0, 0, PROVISIONED, state="ready")),
        (),
        True,
    ),
    ("a worker crashes", Phase.DEGRADED, cluster(counts(1, state="ready")), ("ready", "ready", "crash"), True),
    ("the head is down", Phase.DEGRADED, cluster(counts(2, head=False, state="ready")), (), True),
    ("the head restarts", Phase.DEGRADED, cluster(counts(2, state="ready")), ("restarting", "ready", "ready"), True),
    ("all restart", Phase.INITIALIZING, cluster(counts(0, state="ready")), ("restarting",) * 3, True),
    ("no quota for workers", Phase.DEGRADED, cluster(counts(0, 0, NO_QUOTA)), ("ready",), False),
    ("no quota for the head", Phase.FAILED, cluster(counts(0, 0, NO_QUOTA, head=False)), (), False),
    ("cannot pull", Phase.FAILED, cluster(counts(0, head=False)), ("image",) * 3, False),
    ("scaling down", Phase.UPDATING, cluster(counts(3, 3, state="ready")), ("ready",) * 4, True),
    ("suspending", Phase.STOPPING, cluster(SUSPENDING, spec=cluster_spec(suspend=True)), ("releasing",), True),
    ("suspending, counts alone", Phase.STOPPING, cluster(counts(2), spec=cluster_spec(suspend=True)), (), True),
    ("suspended", Phase.STOPPED, cluster(SUSPENDED, spec=cluster_spec(suspend=True)), (), True),
    ("suspended, never any status", Phase.STOPPED, cluster(spec=cluster_spec(suspend=True)), (), False),
    ("held by Kueue", Phase.PENDING, cluster(SUSPENDED, spec=cluster_spec(suspend=True), **QUEUED), (), False),
    ("resuming", Phase.RESUMING, cluster(SUSPENDED), (), False),
    ("resumed while suspending", Phase.RESUMING, cluster(SUSPENDING), ("releasing",), False),
    ("a head alone", Phase.RUNNING, cluster(counts(0, 0), spec=cluster_spec(workers=0)), ("ready",), False),
    ("absurd group", Phase.UNKNOWN, cluster(counts(0, 0), spec=ODD), (), False),
    ("absurd group, pods decide", Phase.RUNNING, cluster(counts(0, 0), spec=ODD), ("ready", "ready"), False),
    ("absurd status", Phase.CREATING, cluster({"state": ["ready"], "conditions": "none"}), (), False),
]


def phase_of(top, states, *, ran, children=()):
    record = observe(top, *pods(*states) if states else (), remembered=latched() if ran else None, children=children)
    return record.workload.phase


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CLUSTERS], ids=[case[0] for case in CLUSTERS]
)
def test_ray_cluster(wanted, top, states, ran):
    assert phase_of(top, states, ran=ran) is wanted


def test_a_broken_cluster_recovers():
    failed = observe(cluster(counts(0, 0, NO_QUOTA, head=False))).workload
    back = observe(cluster(counts(2)), *pods(*ALL), remembered=Remembered.of(failed)).workload
    assert (failed.phase, failed.completed_at, back.phase) == (Phase.FAILED, None, Phase.RUNNING)


def test_a_scale_up_is_updating_and_a_lost_worker_is_not():
    ran = observe(cluster(counts(1, 1), spec=cluster_spec(workers=1)), *pods("ready", "ready")).workload
    growing = observe(cluster(counts(1)), *pods("ready", "ready", "creating"), remembered=Remembered.of(ran)).workload
    up = observe(cluster(counts(2)), *pods(*ALL), remembered=Remembered.of(growing)).workload
    lost = observe(cluster(counts(1, 1)), *pods("ready", "ready"), remembered=Remembered.of(up)).workload
    phases = [found.phase for found in (ran, growing, up, lost)]
    assert phases == [Phase.RUNNING, Phase.UPDATING, Phase.RUNNING, Phase.DEGRADED]


def test_what_a_cluster_asks_for():
    spec = cluster_spec(enableInTreeAutoscaling=True)
    spec["workerGroupSpecs"].append({"groupName": "hosts", "minReplicas": 1, "numOfHosts": 2, "template": template()})
    spec["workerGroupSpecs"].append({"groupName": "off", "replicas": 3, "suspend": True, "template": template()})
    record = observe(cluster(counts(2), spec=spec), *pods(*ALL)).workload
    assert record.requested_pods == RequestedPods(number=5, min=3)
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.gpu_micros, asked.cpu_millis, asked.memory_bytes) == (6_000_000, 500, 512 * 2**20)
    assert (record.distributed_framework, record.additional_fields) == (None, (("framework", "Ray"),))
    assert (record.category, record.priority_class_name) == ("Train", "train")


def test_the_head_is_told_of_first():
    told = observe(cluster(counts(0, head=False)), *pods("config", "image", "config")).workload.phase_message
    assert (told or "").startswith("2 pods: container main: CreateContainerConfigError")


def job(deployment=None, ray=None, *, spec=None, **more):
    status = {"jobDeploymentStatus": deployment, "jobStatus": ray, "startTime": at(CREATED), **more.pop("status", {})}
    asked = {"rayClusterSpec": cluster_spec(), "submissionMode": "HTTPMode"} if spec is None else spec
    return obj("RayJob", asked, {k: v for k, v in status.items() if v is not None} if deployment else {}, **more)


OVER = {"endTime": at(NOW - timedelta(minutes=3))}
SUBMISSION = {**OVER, "reason": "SubmissionFailed", "message": "the submitter failed"}
DEADLINE = {**OVER, "reason": "DeadlineExceeded"}
RETRIES = {"rayClusterSpec": cluster_spec(), "submissionMode": "HTTPMode", "backoffLimit": 2}
OWN_CLUSTER = {"rayClusterStatus": counts(2, state="ready")}
SUSPEND = {"rayClusterSpec": cluster_spec(), "suspend": True}
SUBMITTED = {"rayClusterSpec": cluster_spec()}
SELECTED = {"clusterSelector": {"ray.io/cluster": "shared"}}

JOBS = [
    ("deleted", Phase.DELETING, job("Running", "RUNNING", deleting=True), ALL, True),
    ("status empty", Phase.CREATING, job(), (), False),
    ("only leftovers of a retry", Phase.CREATING, obj("RayJob", RETRIES, {"failed": 1}), (), False),
    ("cluster waits", Phase.PENDING, job("Initializing"), ("ready", "unscheduled", "unscheduled"), False),
    ("cluster starts", Phase.INITIALIZING, job("Initializing"), ("ready", "creating", "creating"), False),
    ("cluster starts, nothing known", Phase.INITIALIZING, job("Initializing"), (), False),
    ("cluster ready, nothing submitted", Phase.INITIALIZING, job("Initializing"), ALL, False),
    ("submitted", Phase.INITIALIZING, job("Running"), ALL, False),
    ("job pending", Phase.INITIALIZING, job("Running", "PENDING"), ALL, False),
    ("running", Phase.RUNNING, job("Running", "RUNNING"), ALL, False),
    ("running, word alone", Phase.RUNNING, job("Running", "RUNNING"), (), False),
    ("running, counts alone", Phase.RUNNING, job("Running", "RUNNING", status=OWN_CLUSTER), (), False),
    (
        "a worker lost, counts alone",
        Phase.DEGRADED,
        job("Running", "RUNNING", status={"rayClusterStatus": counts(1, state="ready")}),
        (),
        True,
    ),
    ("a worker lost", Phase.DEGRADED, job("Running", "RUNNING"), ("ready", "ready", "crash"), True),
    ("waits for its user", Phase.RUNNING, job("Waiting"), ALL, False),
    ("waits for its user, word alone", Phase.RUNNING, job("Waiting"), (), False),
    ("succeeded, submitter still there", Phase.COMPLETED, job("Running", "SUCCEEDED"), ALL, True),
    ("complete", Phase.COMPLETED, job("Complete", "SUCCEEDED", status=OVER), (), True),
    ("complete, cluster kept", Phase.COMPLETED, job("Complete", "SUCCEEDED", status=OVER), ALL, True),
    ("complete without a word of Ray", Phase.COMPLETED, job("Complete", status=OVER), (), True),
    ("complete though suspended", Phase.COMPLETED, job("Complete", "SUCCEEDED", spec=SUSPEND, status=OVER), (), True),
    ("failed", Phase.FAILED, job("Failed", "FAILED", status=OVER), (), True),
    ("failed, Ray's word behind", Phase.FAILED, job("Failed", "RUNNING", status=DEADLINE), ALL, True),
    ("could not be submitted", Phase.FAILED, job("Failed", status=SUBMISSION), (), False),
    ("not valid", Phase.FAILED, job("ValidationFailed", status={"startTime": None}), (), False),
    ("complete and failed", Phase.FAILED, job("Complete", "FAILED", status=OVER), (), True),
    ("job failed, KubeRay behind", Phase.FAILED, job("Running", "FAILED"), ALL, True),
    ("job failed, a retry is due", Phase.INITIALIZING, job("Running", "FAILED", spec=RETRIES), ALL, True),
    ("retrying", Phase.INITIALIZING, job("Retrying", "FAILED", spec=RETRIES), ("releasing",), True),
    ("retrying, nothing known", Phase.INITIALIZING, job("Retrying", "FAILED", spec=RETRIES), (), True),
    ("stopped in Ray", Phase.STOPPED, job("Complete", "STOPPED", status=OVER), (), True),
    ("stopped in Ray, cluster kept", Phase.STOPPED, job("Running", "STOPPED"), ALL, True),
    ("suspending", Phase.STOPPING, job("Suspending", "RUNNING", spec=SUSPEND), ("releasing",), True),
    ("suspending, pods gone", Phase.STOPPING, job("Suspending", "RUNNING", spec=SUSPEND), (), True),
    ("suspending, flag taken back", Phase.STOPPING, job("Suspending", "RUNNING"), ("releasing",), True),
    ("suspended", Phase.STOPPED, job("Suspended", spec=SUSPEND), (), True),
    ("held by Kueue", Phase.PENDING, job("Suspended", spec=SUSPEND, **QUEUED), (), False),
    ("resuming", Phase.RESUMING, job("Suspended"), (), False),
    ("submitter not due yet", Phase.INITIALIZING, job("Initializing", spec=SUBMITTED), ALL, False),
    ("submitter missing", Phase.PENDING, job("Running", "RUNNING", spec=SUBMITTED), ALL, False),
    ("submitter there", Phase.RUNNING, job("Running", "RUNNING", spec=SUBMITTED), (*ALL, "ready"), False),
    ("submitter done", Phase.RUNNING, job("Running", "RUNNING", spec=SUBMITTED), (*ALL, "succeeded"), False),
    ("on another's cluster", Phase.RUNNING, job("Running", "RUNNING", spec=SELECTED), ("ready",), False),
    (
        "on another's cluster, no pod of its own",
        Phase.RUNNING,
        job("Running", "RUNNING", spec={**SELECTED, "submissionMode": "HTTPMode"}),
        (),
        False,
    ),
    ("cannot pull", Phase.FAILED, job("Initializing"), ("image",) * 3, False),
    ("a word nobody knows", Phase.UNKNOWN, job("Pondering"), (), False),
    ("absurd group", Phase.UNKNOWN, job("Initializing", spec={"rayClusterSpec": ODD}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in JOBS], ids=[case[0] for case in JOBS]
)
def test_ray_job(wanted, top, states, ran):
    assert phase_of(top, states, ran=ran) is wanted


def test_when_a_ray_job_ended_and_how():
    done = observe(job("Complete", "SUCCEEDED", status=OVER)).workload
    stopped = observe(job("Complete", "STOPPED", status=OVER)).workload
    failed = observe(job("Failed", "RUNNING", status=SUBMISSION)).workload
    assert {done.completed_at, stopped.completed_at, failed.completed_at} == {NOW - timedelta(minutes=3)}
    assert failed.phase_message == "SubmissionFailed: the submitter failed"
    assert (done.k8s_phase, failed.k8s_phase) == ("Complete", "Failed")


@pytest.mark.parametrize("word", ["SUCCEEDED", "STOPPED", "FAILED"])
def test_an_end_outlives_its_status(word):
    ended = observe(job("Complete", word, status=OVER)).workload
    later = observe(obj("RayJob", RETRIES), remembered=Remembered.of(ended)).workload
    assert (later.phase, later.completed_at) == (ended.phase, ended.completed_at)


def test_a_new_start_leaves_an_old_end():
    ended = observe(job("Failed", "FAILED", status=OVER)).workload
    again = job("Running", "RUNNING", status={"startTime": at(NOW - timedelta(minutes=1))})
    assert observe(again, *pods(*ALL), remembered=Remembered.of(ended)).workload.phase is Phase.RUNNING


def test_a_retry_is_a_new_incarnation():
    ran = observe(job("Running", "RUNNING", spec=RETRIES), *pods(*ALL)).workload
    retried = observe(job("Retrying", "FAILED", spec=RETRIES), *pods("releasing"), remembered=Remembered.of(ran))
    assert ran.running_since is not None
    assert retried.workload.running_since is None
    assert "0 of 3 attempts failed" in (retried.workload.phase_message or "")


@pytest.mark.parametrize(
    ("spec", "number", "cpu_millis", "memory_mib"),
    [
        ({"rayClusterSpec": cluster_spec()}, 4, 500, 200),
        ({"rayClusterSpec": cluster_spec(), "submissionMode": "HTTPMode"}, 3, 0, 0),
        ({"rayClusterSpec": cluster_spec(), "submissionMode": "InteractiveMode"}, 3, 0, 0),
        ({"rayClusterSpec": cluster_spec(), "submissionMode": "SidecarMode"}, 3, 500, 200),
        (SELECTED, 1, 500, 200),
    ],
)
def test_what_a_ray_job_asks_for(spec, number, cpu_millis, memory_mib):
    record = observe(job("Initializing", spec=spec)).workload
    assert record.requested_pods == RequestedPods(number=number)
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.cpu_millis, asked.memory_bytes) == (cpu_millis, memory_mib * 2**20)
    assert asked.gpu_micros == (0 if spec is SELECTED else 4_000_000)


def service(status=None, *, spec=None, **more):
    return obj("RayService", {"rayClusterConfig": cluster_spec()} if spec is None else spec, status, **more)


def serving(status, reason, *conditions, **more):
    ready = condition("Ready", status, reason, "" if status == "True" else "not yet")
    return {"conditions": [ready, *conditions], "observedGeneration": 1, **more}


UP = serving("True", "NonZeroServeEndpoints", serviceStatus="Running")
STARTING = serving("False", "Initializing")
NOBODY = serving("False", "ZeroServeEndpoints")
UPGRADE = condition("UpgradeInProgress", "True", "BothActivePendingClustersExist")
BROKEN = {"activeServiceStatus": {"applicationStatuses": {"llm": {"status": "DEPLOY_FAILED", "message": "boom"}}}}
BY_USER = {"rayClusterConfig": cluster_spec(), "suspend": True}
BY_KUEUE = {"rayClusterConfig": cluster_spec(suspend=True)}
WAS_SUSPENDED = {"conditions": [condition("Suspended", "True", "Suspended")]}

SERVICES = [
    ("deleted", Phase.DELETING, service(UP, deleting=True), ALL, True),
    ("status empty", Phase.CREATING, service(), (), False),
    ("no pod yet", Phase.CREATING, service(STARTING), (), False),
    ("cluster waits", Phase.PENDING, service(STARTING), ("ready", "unscheduled", "unscheduled"), False),
    ("cluster starts", Phase.INITIALIZING, service(STARTING), ("ready", "creating", "creating"), False),
    ("pods ready, nothing served", Phase.INITIALIZING, service(STARTING), ALL, False),
    ("no endpoint yet", Phase.INITIALIZING, service(NOBODY), ALL, False),
    ("no endpoint any more", Phase.DEGRADED, service(NOBODY), ALL, True),
    ("running", Phase.RUNNING, service(UP), ALL, False),
    ("running, word alone", Phase.RUNNING, service(UP), (), False),
    ("running, KubeRay before conditions", Phase.RUNNING, service({"serviceStatus": "Running"}), (), False),
    ("not running, before conditions", Phase.INITIALIZING, service({"serviceStatus": ""}), ALL, False),
    ("generation lags for ever", Phase.RUNNING, service(UP, generation=9), ALL, True),
    ("upgrade", Phase.UPDATING, service(serving("True", "X", UPGRADE)), (*ALL, "creating"), True),
    ("upgrade, word alone", Phase.UPDATING, service(serving("True", "X", UPGRADE)), (), False),
    ("an application is broken", Phase.DEGRADED, service({**UP, **BROKEN}), ALL, False),
    ("an application never came up", Phase.INITIALIZING, service({**STARTING, **BROKEN}), ALL, False),
    ("a worker is lost", Phase.DEGRADED, service(UP), ("ready", "ready", "crash"), True),
    ("too long without serving", Phase.FAILED, service(serving("False", "InitializingTimeout")), ALL, False),
    ("not valid", Phase.FAILED, service(serving("False", "ValidationFailed")), (), False),
    ("cannot pull", Phase.FAILED, service(STARTING), ("image",) * 3, False),
    ("suspending", Phase.STOPPING, service(UP, spec=BY_USER), ("releasing",), True),
    ("suspending, word alone", Phase.STOPPING, service(UP, spec=BY_USER), (), True),
    ("suspended", Phase.STOPPED, service(WAS_SUSPENDED, spec=BY_USER), (), True),
    ("suspended by its cluster's field", Phase.STOPPED, service(WAS_SUSPENDED, spec=BY_KUEUE), (), True),
    ("held by Kueue", Phase.PENDING, service(WAS_SUSPENDED, spec=BY_KUEUE, **QUEUED), (), False),
    ("resuming", Phase.RESUMING, service(WAS_SUSPENDED), (), False),
    ("absurd group", Phase.UNKNOWN, service(STARTING, spec={"rayClusterConfig": ODD}), (), False),
    (
        "absurd applications",
        Phase.RUNNING,
        service({**UP, "activeServiceStatus": {"applicationStatuses": {"a": {"status": ["UNHEALTHY"]}, "b": 1}}}),
        ALL,
        False,
    ),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in SERVICES], ids=[case[0] for case in SERVICES]
)
def test_ray_service(wanted, top, states, ran):
    assert phase_of(top, states, ran=ran) is wanted


def test_what_the_record_says_of_a_service():
    record = observe(service({**UP, **BROKEN}), *pods(*ALL)).workload
    assert (record.type, record.category, record.k8s_phase) == ("RayService", "Deploy", "Running")
    assert "application llm is DEPLOY_FAILED" in (record.phase_message or "")
    failed = observe(service(serving("False", "InitializingTimeout"))).workload
    back = observe(service(UP), *pods(*ALL), remembered=Remembered.of(failed)).workload
    assert (failed.completed_at, back.phase) == (None, Phase.RUNNING)


CRON_UID, RUN_UID, CLUSTER_UID = (f"33333333-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


def owned(kind, name, uid):
    return [{"apiVersion": "ray.io/v1", "kind": kind, "name": name, "uid": uid, "controller": True}]


def cron(status=None, *, suspend=None):
    spec = {"schedule": "@daily", "jobTemplate": {"rayClusterSpec": cluster_spec(), "submissionMode": "HTTPMode"}}
    return obj("RayCronJob", spec | ({} if suspend is None else {"suspend": suspend}), status, uid=CRON_UID)


def run(deployment, ray, **more):
    return job(
        deployment,
        ray,
        name="w-1",
        uid=RUN_UID,
        created_at=NOW - timedelta(minutes=20),
        ownerReferences=owned("RayCronJob", "w", CRON_UID),
        **more,
    )


CLUSTER = cluster(
    counts(2), name="w-1-c", uid=CLUSTER_UID, ownerReferences=owned("RayJob", "w-1", RUN_UID), created_at=CREATED
)
SCHEDULED = {"lastScheduleTime": at(NOW - timedelta(minutes=20))}

CRONS = [
    ("never ran, status empty", Phase.PENDING, cron(), (), (), "the next one by schedule @daily"),
    ("suspended", Phase.STOPPED, cron(SCHEDULED, suspend=True), (), (), "suspend"),
    (
        "a run waits",
        Phase.PENDING,
        cron(SCHEDULED),
        (run("Initializing", None), CLUSTER),
        ("unscheduled",) * 3,
        "Insuf",
    ),
    ("a run starts", Phase.INITIALIZING, cron(SCHEDULED), (run("Initializing", None),), (), "submitted"),
    ("a run is on", Phase.RUNNING, cron(SCHEDULED), (run("Running", "RUNNING"), CLUSTER), ALL, None),
    ("a run goes on", Phase.RUNNING, cron(SCHEDULED, suspend=True), (run("Running", "RUNNING"),), (), "suspended"),
    ("a run by its pods alone", Phase.RUNNING, cron(SCHEDULED), (), ALL, None),
    ("idle after success", Phase.RUNNING, cron(SCHEDULED), (run("Complete", "SUCCEEDED"), CLUSTER), ALL, "succeeded"),
    (
        "idle after failure",
        Phase.RUNNING,
        cron(SCHEDULED),
        (run("Failed", None, status=SUBMISSION),),
        (),
        "failed: Sub",
    ),
    ("idle after a stop", Phase.RUNNING, cron(SCHEDULED), (run("Complete", "STOPPED"),), (), "stopped"),
    ("idle, run gone", Phase.RUNNING, cron(SCHEDULED), (), (), "idle"),
    ("not valid", Phase.FAILED, cron({"scheduleStatus": "validationFailed"}), (), (), "not valid"),
]


@pytest.mark.parametrize(
    ("wanted", "top", "children", "states", "said"), [case[1:] for case in CRONS], ids=[case[0] for case in CRONS]
)
def test_ray_cron_job(wanted, top, children, states, said):
    owner = owned("RayCluster", "w-1-c", CLUSTER_UID)
    known = pods(*states, ownerReferences=owner) if states else []
    record = observe(top, *known, children=children).workload
    assert record.phase is wanted, record.phase_message
    assert record.phase_message is None if said is None else said in (record.phase_message or "")


def test_what_a_ray_cron_job_asks_for():
    record = observe(cron()).workload
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 4_000_000


def test_the_label_names_the_priority_class():
    labels = {"ray.io/priority-class-name": "very-high"}
    spec = cluster_spec()
    spec["headGroupSpec"] = {"template": template(priorityClassName="low")}
    assert observe(cluster(spec=spec)).workload.priority_class_name == "low"
    assert observe(cluster(spec=spec, labels=labels)).workload.priority_class_name == "very-high"
    assert observe(job("Initializing", labels=labels)).workload.priority_class_name == "very-high"


MOST = 2**31 - 1


def test_numbers_of_pods_stay_counts():
    spec = cluster_spec(enableInTreeAutoscaling=True)
    spec["workerGroupSpecs"][0] |= {"replicas": MOST, "minReplicas": MOST, "maxReplicas": MOST - 1, "numOfHosts": MOST}
    for top in (cluster(spec=spec), job("Initializing", spec={"rayClusterSpec": spec})):
        assert observe(top).workload.requested_pods == RequestedPods(number=MOST, min=MOST, max=MOST)
