"""DaskCluster and DaskJob: words set once, one Deployment for each worker."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods


def cluster_spec(workers=2):
    return {
        "scheduler": {"spec": template(gpus=0)["spec"], "service": {}},
        "worker": {"replicas": workers, "spec": template(gpus=1)["spec"]},
    }


def cluster(phase=None, *, workers=2, **more):
    return obj("DaskCluster", cluster_spec(workers), {} if phase is None else {"phase": phase}, **more)


def deployments(*ready):
    """One of the scheduler and one for each worker, ready or not."""
    return tuple(
        obj(
            "Deployment",
            {"replicas": 1, "template": template()},
            {"replicas": 1, "availableReplicas": 1} if is_ready else {"replicas": 1},
            name=f"w-{n}",
            uid=f"66666666-0000-4000-8000-00000000000{n}",
            labels={"dask.org/component": "worker" if n else "scheduler"},
        )
        for n, is_ready in enumerate(ready)
    )


def pods(*states, roles=("scheduler",)):
    named = [*roles, *["worker"] * (len(states) - len(roles))]
    return [
        pod(f"w-{role}-{n}", state, labels={"dask.org/component": role})
        for n, (role, state) in enumerate(zip(named, states, strict=False))
    ]


READY = ("ready", "ready", "ready")

CLUSTERS = [
    ("deleted", Phase.DELETING, cluster("Running", deleting=True), (), READY, True),
    ("status empty", Phase.CREATING, cluster(), (), (), False),
    ("created", Phase.CREATING, cluster("Created"), (), (), False),
    ("pending, nothing known", Phase.INITIALIZING, cluster("Pending"), (), (), False),
    ("a worker waits", Phase.PENDING, cluster("Running"), (), ("ready", "ready", "unscheduled"), False),
    ("a worker is missing", Phase.PENDING, cluster("Running"), (), ("ready", "ready"), False),
    ("starts", Phase.INITIALIZING, cluster("Pending"), (), ("ready", "creating", "creating"), False),
    ("starts, Deployments alone", Phase.INITIALIZING, cluster("Running"), deployments(1, 0, 0), (), False),
    ("running", Phase.RUNNING, cluster("Running"), (), READY, False),
    ("running, word alone", Phase.RUNNING, cluster("Running"), (), (), False),
    ("running, Deployments alone", Phase.RUNNING, cluster("Running"), deployments(1, 1, 1), (), False),
    ("pods before the word", Phase.RUNNING, cluster("Created"), (), READY, False),
    ("scaled down by an autoscaler", Phase.RUNNING, cluster("Running"), deployments(1, 1), READY[:2], True),
    ("scaled up by an autoscaler", Phase.PENDING, cluster("Running"), deployments(1, 1, 1, 0), READY, False),
    ("word kept, a worker is lost", Phase.DEGRADED, cluster("Running"), (), ("ready", "ready", "crash"), True),
    ("a Deployment is lost", Phase.DEGRADED, cluster("Running"), deployments(1, 1, 0), (), True),
    (
        "only the scheduler's Deployment is known",
        Phase.PENDING,
        cluster("Running"),
        deployments(1),
        ("ready",),
        False,
    ),
    ("all restart", Phase.INITIALIZING, cluster("Running"), (), ("restarting",) * 3, True),
    ("cannot pull", Phase.FAILED, cluster("Running"), (), ("image",) * 3, False),
    ("error", Phase.FAILED, cluster("Error"), (), (), False),
    ("absurd workers", Phase.UNKNOWN, cluster("Running", workers="two"), (), (), False),
    ("absurd workers, pods decide", Phase.RUNNING, cluster("Running", workers="two"), (), READY, False),
    ("absurd word", Phase.CREATING, obj("DaskCluster", cluster_spec(), {"phase": ["Running"]}), (), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "children", "states", "ran"), [case[1:] for case in CLUSTERS], ids=[case[0] for case in CLUSTERS]
)
def test_dask_cluster(wanted, top, children, states, ran):
    known = pods(*states) if states else ()
    record = observe(top, *known, children=children, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_what_a_cluster_asks_for():
    record = observe(cluster("Running"), *pods(*READY)).workload
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2_000_000
    assert (record.category, record.distributed_framework) == ("Build", None)
    assert record.additional_fields == (("framework", "Dask"),)
    failed = observe(cluster("Error")).workload
    assert failed.completed_at is None


def job(word=None, *, workers=2, **more):
    spec = {"job": {"spec": template(gpus=0)["spec"]}, "cluster": {"spec": cluster_spec(workers)}}
    status = {} if word is None else {"jobStatus": word, "startTime": at(CREATED), **more.pop("status", {})}
    return obj("DaskJob", spec, status, **more)


OVER = {"endTime": at(NOW - timedelta(minutes=7))}
ALL = ("ready",) * 4

JOBS = [
    ("deleted", Phase.DELETING, job("Running", deleting=True), ALL, True),
    ("status empty", Phase.CREATING, job(), (), False),
    ("created", Phase.CREATING, job("JobCreated"), (), False),
    ("cluster created, nothing known", Phase.INITIALIZING, job("ClusterCreated"), (), False),
    ("waits", Phase.PENDING, job("ClusterCreated"), ("creating", "ready", "unscheduled", "unscheduled"), False),
    ("starts", Phase.INITIALIZING, job("ClusterCreated"), ("creating", "ready", "ready", "creating"), False),
    ("running", Phase.RUNNING, job("Running"), ALL, False),
    ("running, word alone", Phase.RUNNING, job("Running"), (), False),
    ("pods before the word", Phase.RUNNING, job("ClusterCreated"), ALL, False),
    ("a worker is lost", Phase.DEGRADED, job("Running"), ("ready", "ready", "ready", "crash"), True),
    ("runner done, word behind", Phase.RUNNING, job("Running"), ("succeeded", "ready", "ready", "ready"), True),
    ("successful", Phase.COMPLETED, job("Successful", status=OVER), ("succeeded",), True),
    ("successful, cluster going", Phase.COMPLETED, job("Successful", status=OVER), ("succeeded", "releasing"), True),
    ("failed", Phase.FAILED, job("Failed", status=OVER), ("failed",), True),
    ("cannot pull", Phase.FAILED, job("ClusterCreated"), ("image",) * 4, False),
    ("a word nobody knows", Phase.UNKNOWN, job("Pondering"), (), False),
    ("absurd workers", Phase.UNKNOWN, job("ClusterCreated", workers=-1), (), False),
    ("absurd workers, pods decide", Phase.RUNNING, job("Running", workers=-1), ("ready",), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in JOBS], ids=[case[0] for case in JOBS]
)
def test_dask_job(wanted, top, states, ran):
    known = pods(*states, roles=("job-runner", "scheduler")) if states else ()
    record = observe(top, *known, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_when_a_job_ended():
    done = observe(job("Successful", status=OVER)).workload
    later = observe(job(), remembered=Remembered.of(done)).workload
    assert done.completed_at == NOW - timedelta(minutes=7)
    assert (later.phase, later.completed_at) == (Phase.COMPLETED, done.completed_at)


def test_what_a_job_asks_for():
    found = observe(job("Running"), *pods(*ALL, roles=("job-runner", "scheduler")))
    assert found.workload.requested_pods == RequestedPods(number=4)
    assert [row.role for row in found.pods] == ["job-runner", "scheduler", "worker", "worker"]
    assert found.workload.workload_requested is not None
    assert found.workload.workload_requested.requests.gpu_micros == 2_000_000
