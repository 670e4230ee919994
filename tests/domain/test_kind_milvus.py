"""Milvus: four words of its operator and two conditions."""

import pytest
from support.observed import condition, latched, obj, observe, pod

from rollcall.domain.records import Category, Phase, RequestedPods

GPU = {"limits": {"nvidia.com/gpu": "1"}}


def milvus(found=None, *, replicas=1, mode="standalone", components=None, **more):
    spec = {"mode": mode, "components": {"image": "milvus:2", "standalone": {"replicas": replicas}}}
    spec["components"] |= components or {}
    return obj("Milvus", spec, found, **more)


def status(word, *conditions, observed=1):
    return {"status": word, "observedGeneration": observed, "conditions": list(conditions)}


HEALTHY = status("Healthy", condition("MilvusReady", "True", "ReasonMilvusHealthy"))
UNHEALTHY = status("Unhealthy", condition("MilvusReady", "False", "MilvusComponentNotHealthy", "proxy is not ready"))
PENDING = status("Pending", condition("EtcdReady", "False", "EtcdNotReady"))
UPDATING = status("Healthy", condition("MilvusUpdated", "False", "MilvusUpgradingImage", "to 2.6"))
STOPPED = status("Stopped", condition("MilvusReady", "False", "MilvusStopped"))

CASES = [
    ("deleted", Phase.DELETING, milvus(status("Deleting"), deleting=True), (), True),
    ("status empty", Phase.CREATING, milvus(), (), False),
    ("pending", Phase.INITIALIZING, milvus(PENDING), (), False),
    ("pending for a node", Phase.PENDING, milvus(PENDING), ("unscheduled",), False),
    ("starting", Phase.INITIALIZING, milvus(UNHEALTHY), ("creating",), False),
    ("starting, its word alone", Phase.INITIALIZING, milvus(UNHEALTHY), (), False),
    ("running", Phase.RUNNING, milvus(HEALTHY), ("ready", "ready"), False),
    ("running, its word alone", Phase.RUNNING, milvus(HEALTHY), (), False),
    ("updating", Phase.UPDATING, milvus(UPDATING), ("ready",), True),
    ("new spec not observed", Phase.UPDATING, milvus(HEALTHY, generation=2), ("ready",), True),
    ("unhealthy", Phase.DEGRADED, milvus(UNHEALTHY), ("ready", "not_ready"), True),
    ("unhealthy, its word alone", Phase.DEGRADED, milvus(UNHEALTHY), (), True),
    ("a pod is lost", Phase.DEGRADED, milvus(HEALTHY), ("ready", "crash"), True),
    ("cannot pull", Phase.FAILED, milvus(PENDING), ("image",), False),
    ("stopping", Phase.STOPPING, milvus(HEALTHY, replicas=0), ("releasing",), True),
    ("stopping, its word alone", Phase.STOPPING, milvus(HEALTHY, replicas=0), (), True),
    ("stopped", Phase.STOPPED, milvus(STOPPED, replicas=0), (), True),
    ("stopped by its word", Phase.STOPPED, milvus(STOPPED), (), True),
    ("absurd", Phase.CREATING, milvus({"status": ["Healthy"]}, replicas="one"), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_milvus(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.completed_at is None


def test_what_the_record_says():
    components = {"proxy": {"replicas": 2}, "queryNode": {"replicas": 3, "resources": GPU}, "mixCoord": {}}
    found = observe(
        milvus(HEALTHY, mode="cluster", components=components),
        pod("w-0", labels={"app.kubernetes.io/component": "querynode"}),
    )
    record = found.workload
    assert (record.type, record.category, record.k8s_phase) == ("Milvus", Category.DEPLOY, "Healthy")
    assert record.requested_pods == RequestedPods(number=6)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 3_000_000
    assert record.images == ("milvus:2",)
    assert [row.role for row in found.pods] == ["querynode"]


def test_an_autoscaled_component_has_no_number():
    record = observe(milvus(HEALTHY, replicas=-1)).workload
    assert record.phase is Phase.RUNNING
    assert record.requested_pods == RequestedPods(number=None)
