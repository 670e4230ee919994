"""LLMInferenceService: conditions that roll up, presets that do not combine, workloads of several nodes."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.records import Category, Phase, RequestedPods

STOP = {"annotations": {"serving.kserve.io/stop": "true"}}


def pod_spec(gpus=1):
    return template(gpus=gpus)["spec"]


def service(found=None, *, spec=None, **more):
    return obj("LLMInferenceService", {"replicas": 2, "template": pod_spec()} | (spec or {}), found, **more)


def status(ready, reason="", message="", *more, observed=1):
    conditions = [condition("Ready", ready, reason, message), *more]
    return {"observedGeneration": observed, "conditions": conditions}


PRESETS = condition("PresetsCombined", "False", "ConfigNotFound", "config llama not found")
GROUP = condition("GroupDegraded", "True", "MembersMissing", "1 member without a backend")

READY = status("True")
STARTING = status("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
UNKNOWN = status("Unknown")
STOPPED = status("False", "Stopped", "Service is stopped")
NO_PRESETS = status("False", "ConfigNotFound", "config llama not found", PRESETS)
RECONCILE = status("False", "ReconcileMainWorkloadError", "forbidden")
TWO = ("ready", "ready")

CASES = [
    ("deleted", Phase.DELETING, service(READY, deleting=True), TWO, True),
    ("status empty", Phase.CREATING, service(), (), False),
    ("generation not observed", Phase.CREATING, service({"observedGeneration": 1}, generation=2), (), False),
    ("no condition yet", Phase.CREATING, service({"observedGeneration": 1}), (), False),
    ("waits for a GPU", Phase.PENDING, service(STARTING), ("ready", "unscheduled"), False),
    ("starting", Phase.INITIALIZING, service(STARTING), ("ready", "creating"), False),
    ("starting, conditions alone", Phase.INITIALIZING, service(STARTING), (), False),
    ("unknown", Phase.INITIALIZING, service(UNKNOWN), (), False),
    ("its pods are ready, its router not", Phase.INITIALIZING, service(status("False", "HTTPRouteNotReady")), TWO, 0),
    ("running", Phase.RUNNING, service(READY), TWO, False),
    ("running, conditions alone", Phase.RUNNING, service(READY), (), False),
    ("a group with a broken member", Phase.RUNNING, service(status("True", "", "", GROUP)), TWO, True),
    ("new spec not observed", Phase.UPDATING, service(STARTING, generation=2), TWO, True),
    ("a pod is lost", Phase.DEGRADED, service(STARTING), ("ready", "crash"), True),
    ("its router is lost", Phase.DEGRADED, service(status("False", "GatewayNotReady")), TWO, True),
    ("cannot pull", Phase.FAILED, service(STARTING), ("image", "image"), False),
    ("presets missing", Phase.FAILED, service(NO_PRESETS), (), False),
    ("cannot be reconciled", Phase.FAILED, service(RECONCILE), (), False),
    ("cannot be reconciled, its pods serve", Phase.DEGRADED, service(RECONCILE), TWO, True),
    ("stopping", Phase.STOPPING, service(READY, **STOP), ("releasing",), True),
    ("stopping, conditions alone", Phase.STOPPING, service(READY, **STOP), (), True),
    ("stopped: not ready, and no failure", Phase.STOPPED, service(STOPPED, **STOP), (), True),
    ("resuming", Phase.RESUMING, service(STOPPED), (), False),
    ("absurd status", Phase.CREATING, service({"observedGeneration": 1, "conditions": {"type": "Ready"}}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_llm_inference_service(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.completed_at is None


@pytest.mark.parametrize(
    ("name", "spec", "pods", "gpus"),
    [
        ("one node", {}, 2, 2),
        ("prefill", {"prefill": {"replicas": 3, "template": pod_spec(2)}}, 5, 8),
        ("nodes by pipeline", {"worker": pod_spec(4), "parallelism": {"pipeline": 2}}, 4, 2 + 8),
        ("nodes by data", {"worker": pod_spec(4), "parallelism": {"data": 8, "dataLocal": 2}}, 8, 2 + 24),
        ("scheduler", {"router": {"scheduler": {"template": pod_spec(0)}}}, 3, 2),
        ("scaling", {"replicas": None, "scaling": {"minReplicas": 1, "maxReplicas": 3}}, 1, 1),
        ("nodes unknown", {"worker": pod_spec(4)}, None, None),
    ],
)
def test_its_workloads(name, spec, pods, gpus):
    record = observe(service(READY, spec=spec)).workload
    assert record.requested_pods is not None
    assert record.requested_pods.number == pods, name
    asked = record.workload_requested
    assert (None if asked is None else asked.requests.gpu_micros) == (None if gpus is None else gpus * 1_000_000)


def test_what_the_record_says():
    label = {"app.kubernetes.io/component": "llminferenceservice-workload"}
    found = observe(service(READY), pod("w-0", labels=label), pod("w-1", labels=label))
    record = found.workload
    assert (record.type, record.category, record.k8s_phase) == ("LLMInferenceService", Category.DEPLOY, "Ready")
    assert record.requested_pods == RequestedPods(number=2)
    assert [row.role for row in found.pods] == ["llminferenceservice-workload"] * 2
