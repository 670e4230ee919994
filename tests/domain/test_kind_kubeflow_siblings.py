"""XGBoostJob, JAXJob and PaddleJob: the conditions they share, each with its own roles."""

import pytest
from support.observed import CREATED, at, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, RequestedPods

SPECS = {"XGBoostJob": "xgbReplicaSpecs", "JAXJob": "jaxReplicaSpecs", "PaddleJob": "paddleReplicaSpecs"}
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}


def conditions(kind, *types):
    return [condition("Created", "True", f"{kind}Created"), *(condition(one, "True", f"{kind}{one}") for one in types)]


def job(kind, types=None, *, suspend=None, workers=2, counts=None, elastic=None, **more):
    roles = {"Worker": {"replicas": workers, "template": template(gpus=2)}}
    if kind != "JAXJob":
        roles["Master"] = {"replicas": 1, "template": template(gpus=1)}
    spec = {SPECS[kind]: roles, "runPolicy": {} if suspend is None else {"suspend": suspend}}
    status = {"conditions": conditions(kind, *types), "startTime": at(CREATED)} if types is not None else {}
    if counts is not None:
        status["replicaStatuses"] = counts
    return obj(kind, spec | ({"elasticPolicy": elastic} if elastic else {}), status, **more)


def pods(kind, *states):
    names = ["worker"] * len(states) if kind == "JAXJob" else ["master", *["worker"] * (len(states) - 1)]
    return [pod(f"w-{role}-{n}", state, role=role) for n, (role, state) in enumerate(zip(names, states, strict=True))]


def all_of(kind, state):
    return (state,) * (2 if kind == "JAXJob" else 3)


CASES = [
    ("status empty", Phase.CREATING, {}, None, False),
    ("created", Phase.CREATING, {"types": ()}, None, False),
    ("waiting", Phase.PENDING, {"types": ()}, "unscheduled", False),
    ("starting", Phase.INITIALIZING, {"types": ("Running",)}, "creating", False),
    ("running", Phase.RUNNING, {"types": ("Running",)}, "ready", False),
    ("restarts before it ran", Phase.INITIALIZING, {"types": ("Restarting",)}, "creating", False),
    ("nothing left after it ran", Phase.INITIALIZING, {"types": ("Running",)}, "restarting", True),
    ("restarts after it ran", Phase.DEGRADED, {"types": ("Restarting",)}, "ready", True),
    ("cannot start", Phase.FAILED, {"types": ()}, "config", False),
    ("failed", Phase.FAILED, {"types": ("Failed",)}, None, True),
    ("failed beats succeeded", Phase.FAILED, {"types": ("Succeeded", "Failed")}, None, True),
    ("succeeded", Phase.COMPLETED, {"types": ("Succeeded",)}, "succeeded", True),
    ("suspending", Phase.STOPPING, {"types": ("Running",), "suspend": True}, "releasing", True),
    ("suspended", Phase.STOPPED, {"types": ("Suspended",), "suspend": True}, None, True),
    ("held by Kueue", Phase.PENDING, {"types": ("Suspended",), "suspend": True, **QUEUED}, None, False),
    ("resuming", Phase.RESUMING, {"types": ("Suspended",)}, None, False),
    ("absurd", Phase.UNKNOWN, {"types": (), "workers": -1}, None, False),
    ("deleted", Phase.DELETING, {"types": ("Running",), "deleting": True}, "ready", True),
]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    ("wanted", "asked", "state", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_phase(kind, wanted, asked, state, ran):
    found = pods(kind, *all_of(kind, state)) if state else []
    record = observe(job(kind, **asked), *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


@pytest.mark.parametrize("kind", SPECS)
def test_a_lost_worker_degrades_what_ran_and_holds_up_what_did_not(kind):
    found = pods(kind, "ready", *all_of(kind, "unscheduled")[1:])
    assert observe(job(kind, ("Running",)), *found, remembered=latched()).workload.phase is Phase.DEGRADED
    assert observe(job(kind, ("Running",)), *found).workload.phase is Phase.PENDING


@pytest.mark.parametrize("kind", SPECS)
def test_counts_stand_in_for_pods(kind):
    counts = {"Worker": {"active": 2}} | ({} if kind == "JAXJob" else {"Master": {"active": 1}})
    assert observe(job(kind, ("Running",), counts=counts)).workload.phase is Phase.RUNNING
    assert observe(job(kind, ("Running",), counts={"Worker": {"active": 1}})).workload.phase is Phase.INITIALIZING


@pytest.mark.parametrize(
    ("kind", "framework", "pods_asked", "gpus"),
    [("XGBoostJob", "XGBoost", 3, 5), ("JAXJob", "JAX", 2, 4), ("PaddleJob", None, 3, 5)],
)
def test_what_the_record_says(kind, framework, pods_asked, gpus):
    record = observe(job(kind, ("Running",))).workload
    assert (record.type, record.distributed_framework) == (kind, framework)
    assert record.requested_pods == RequestedPods(number=pods_asked)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == gpus * 1_000_000


def test_an_elastic_paddle_job_runs_with_its_least():
    top = job("PaddleJob", ("Running",), workers=4, elastic={"minReplicas": 2, "maxReplicas": 8})
    record = observe(top, *pods("PaddleJob", "ready", "ready", "ready")).workload
    assert (record.phase, record.requested_pods) == (Phase.RUNNING, RequestedPods(number=5, min=2, max=8))
