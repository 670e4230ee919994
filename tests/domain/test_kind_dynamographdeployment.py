"""DynamoGraphDeployment: a state that is successful and no end, components counted in both notations."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.records import Category, Phase, RequestedPods


def graph(found=None, *, replicas=2, spec=None, **more):
    """Two components: a frontend, and workers that ask for GPUs."""
    services = {"Frontend": {"replicas": 1}, "Worker": {"replicas": replicas, "resources": {"limits": {"gpu": "1"}}}}
    return obj("DynamoGraphDeployment", {"services": services} | (spec or {}), found, **more)


def counts(**more):
    return {"componentKind": "Deployment"} | more


def status(state, ready=None, reason="", frontend=None, worker=None, **more):
    found = {"state": state} | more
    if ready is not None:
        found["conditions"] = [condition("Ready", ready, reason)]
    services = {name: one for name, one in (("Frontend", frontend), ("Worker", worker)) if one is not None}
    return found | ({"services": services} if services else {})


ONE, TWO = counts(replicas=1, availableReplicas=1), counts(replicas=2, availableReplicas=2)
SHORT, NONE = counts(replicas=2, availableReplicas=1), counts(replicas=0, availableReplicas=0)
GROVE_TWO = counts(componentKind="PodClique", replicas=2, readyReplicas=2)
READY = status("successful", "True", "all_resources_are_ready", ONE, TWO)
GROVE_READY = status("successful", "True", "all_resources_are_ready", ONE, GROVE_TWO)
PENDING = status("pending", "False", "some_resources_are_not_ready")
NOT_READY = status("pending", "False", "pods_not_ready", ONE, SHORT)
NO_ROOM = status("pending", "False", "insufficient_capacity")
UPDATING = status("pending", "False", "updating", ONE, TWO)
ROLLING = status("successful", "True", "", ONE, TWO, rollingUpdate={"phase": "InProgress"})
FAILED = status("failed", "False", "failed_to_reconcile")
ALL = ("ready", "ready", "ready")

CASES = [
    ("deleted", Phase.DELETING, graph(READY, deleting=True), ALL, True),
    ("status empty", Phase.CREATING, graph(), (), False),
    ("no state yet", Phase.CREATING, graph(status("")), (), False),
    ("generation not observed", Phase.CREATING, graph(status("", observedGeneration=1), generation=2), (), False),
    ("no pod yet", Phase.CREATING, graph(status("pending", "False", "", NONE, NONE)), (), False),
    ("initializing", Phase.INITIALIZING, graph(status("initializing")), (), False),
    ("pending", Phase.INITIALIZING, graph(PENDING), (), False),
    ("no room, its word alone", Phase.PENDING, graph(NO_ROOM), (), False),
    ("waits for a GPU", Phase.PENDING, graph(NOT_READY), ("ready", "ready", "unscheduled"), False),
    ("a pod is missing", Phase.PENDING, graph(NOT_READY), ("ready", "ready"), False),
    ("starting", Phase.INITIALIZING, graph(NOT_READY), ("ready", "ready", "creating"), False),
    ("starting, counts alone", Phase.INITIALIZING, graph(NOT_READY), (), False),
    ("running", Phase.RUNNING, graph(READY), ALL, False),
    ("running, counts alone", Phase.RUNNING, graph(READY), (), False),
    ("running, counts of Grove", Phase.RUNNING, graph(GROVE_READY), (), False),
    ("running, its word alone", Phase.RUNNING, graph(status("successful", "True")), (), False),
    ("updating", Phase.UPDATING, graph(UPDATING), ("ready", "ready", "creating"), True),
    ("rolling", Phase.UPDATING, graph(ROLLING), ALL, True),
    ("new spec not observed", Phase.UPDATING, graph(READY | {"observedGeneration": 1}, generation=2), ALL, True),
    ("a worker is lost", Phase.DEGRADED, graph(NOT_READY), ("ready", "ready", "crash"), True),
    ("a worker is lost, counts alone", Phase.DEGRADED, graph(NOT_READY), (), True),
    ("all restart", Phase.INITIALIZING, graph(PENDING), ("restarting",) * 3, True),
    ("failed", Phase.FAILED, graph(FAILED), (), False),
    ("cannot pull", Phase.FAILED, graph(PENDING), ("image",) * 3, False),
    ("back from a failure", Phase.RUNNING, graph(READY), ALL, True),
    ("absurd replicas", Phase.UNKNOWN, graph(READY, replicas="two"), (), False),
    ("absurd status", Phase.RUNNING, graph({"state": 1, "services": {"Worker": "two"}}), ALL, False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_dynamo_graph_deployment(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.completed_at is None


def test_what_the_older_notation_asks_for():
    worker = {
        "replicas": 2,
        "multinode": {"nodeCount": 2},
        "resources": {"limits": {"gpu": "4", "cpu": "8", "custom": {"rdma/ib": "1"}}},
        "extraPodSpec": {"mainContainer": {"image": "vllm:1"}, "nodeSelector": {"kai.scheduler/node-pool": "a100"}},
    }
    top = graph(READY, spec={"services": {"VllmWorker": worker, "Frontend": {}}, "priorityClassName": "high"})
    record = observe(top).workload
    assert record.requested_pods == RequestedPods(number=5)
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.gpu_micros, asked.cpu_millis) == (16_000_000, 32_000)
    assert dict(asked.extended) == {"rdma/ib": 4}
    assert (record.images, record.requested_node_pools) == (("vllm:1",), ("a100",))
    assert (record.priority_class_name, record.category) == ("high", Category.DEPLOY)


def test_what_the_newer_notation_asks_for():
    components = [{"name": "Worker", "replicas": 3, "podTemplate": template(gpus=2)}, {"name": "Frontend"}, 7]
    found = {"state": "successful", "components": {"Worker": counts(replicas=3, readyReplicas=3)}}
    label = {"nvidia.com/dynamo-component": "Worker"}
    top = obj("DynamoGraphDeployment", {"components": components}, found)
    seen = observe(top, *(pod(f"w-{number}", labels=label) for number in range(4)))
    record = seen.workload
    assert record.requested_pods == RequestedPods(number=4)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 6_000_000
    assert (record.phase, record.k8s_phase) == (Phase.RUNNING, "successful")
    assert {row.role for row in seen.pods} == {"worker"}
