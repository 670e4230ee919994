"""InferenceService: serverless and raw, a stop that reads like a failure, models that cannot be loaded."""

import pytest
from support.observed import condition, latched, obj, observe, pod

from rollcall.domain.records import Category, Phase, RequestedPods

STOP = {"annotations": {"serving.kserve.io/stop": "true"}}
NO_STOP = {"annotations": {"serving.kserve.io/stop": "no"}}
GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}


def service(found=None, *, predictor=None, components=None, **more):
    one = {"model": {"modelFormat": {"name": "huggingface"}, **GPU}} | (predictor or {})
    return obj("InferenceService", {"predictor": one} | (components or {}), found, **more)


def status(ready, *, reason="", predictor=None, stopped=None, model=None, revision=None, observed=1):
    """Raw mode: three conditions; serverless adds more, none of which decides anything else."""
    conditions = [condition("Ready", ready, reason)]
    if predictor is not None:
        conditions.append(condition("PredictorReady", predictor))
    if stopped is not None:
        conditions.append(condition("Stopped", stopped))
    found = {"observedGeneration": observed, "conditions": conditions}
    if model is not None:
        found["modelStatus"] = model
    if revision is not None:
        found["components"] = {"predictor": {"latestReadyRevision": revision}}
    return found


def model(transition, active="", **failure):
    states = {"activeModelState": active, "targetModelState": "FailedToLoad"} if active else {"activeModelState": ""}
    return {"transitionStatus": transition, "states": states} | ({"lastFailureInfo": failure} if failure else {})


READY = status("True", predictor="True", stopped="False", model=model("UpToDate", "Loaded"))
STARTING = status("False", reason="MinimumReplicasUnavailable", predictor="False", model=model("InProgress"))
NO_REASON = status("False", model=model("InProgress"))
UNKNOWN = status("Unknown", predictor="Unknown")
ROLLING = status("Unknown", reason="OutOfDate", predictor="Unknown", revision="w-predictor-00001")
STOPPED = status("False", reason="Stopped", predictor="False", stopped="True")
REVISION_FAILED = status("False", reason="RevisionFailed", predictor="False", model=model("InProgress"))
INGRESS = status("False", reason="IngressNotReconciled", predictor="True")
BLOCKED = status("False", model=model("BlockedByFailedLoad", reason="ModelLoadFailed", message="no weights"))
INVALID = status("False", model=model("InvalidSpec", reason="NoSupportingRuntime"))
OLD_SERVES = status("True", predictor="True", model=model("BlockedByFailedLoad", "Loaded", message="no weights"))
TWO = {"minReplicas": 2}

CASES = [
    ("deleted", Phase.DELETING, service(READY, deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, service(), (), False),
    ("raw mode says nothing while it starts", Phase.INITIALIZING, service(), ("creating",), False),
    ("raw mode says nothing while it waits", Phase.PENDING, service(), ("unscheduled",), False),
    ("raw mode stays ready while its new pod crashes", Phase.DEGRADED, service(READY), ("ready", "crash"), True),
    ("generation not observed", Phase.CREATING, service({"observedGeneration": 1}, generation=2), (), False),
    ("no pod yet", Phase.CREATING, service({"observedGeneration": 1}), (), False),
    ("waits for a GPU", Phase.PENDING, service(STARTING), ("unscheduled",), False),
    ("waits for a GPU past the deadline", Phase.PENDING, service(REVISION_FAILED), ("unscheduled",), False),
    ("starting", Phase.INITIALIZING, service(STARTING), ("creating",), False),
    ("starting, conditions alone", Phase.INITIALIZING, service(STARTING), (), False),
    ("starting without a reason", Phase.INITIALIZING, service(NO_REASON), (), False),
    ("unknown", Phase.INITIALIZING, service(UNKNOWN), (), False),
    ("its pod is ready, its route not", Phase.INITIALIZING, service(UNKNOWN), ("ready",), False),
    ("running", Phase.RUNNING, service(READY), ("ready",), False),
    ("running, conditions alone", Phase.RUNNING, service(READY), (), False),
    ("scaled to zero", Phase.RUNNING, service(READY, predictor={"minReplicas": 0}), (), True),
    ("rolls", Phase.UPDATING, service(ROLLING), ("ready", "creating"), True),
    ("rolls, conditions alone", Phase.UPDATING, service(ROLLING), (), False),
    ("new spec not observed", Phase.UPDATING, service(READY, generation=2), ("ready",), True),
    ("one of two is lost", Phase.DEGRADED, service(READY, predictor=TWO), ("ready", "crash"), True),
    ("no route, its predictor ready", Phase.DEGRADED, service(INGRESS), ("ready",), True),
    ("no route, conditions alone", Phase.DEGRADED, service(INGRESS), (), False),
    ("the new model is blocked, the old serves", Phase.DEGRADED, service(OLD_SERVES), ("ready",), True),
    ("not ready any more", Phase.DEGRADED, service(STARTING, predictor=TWO), ("ready", "restarting"), True),
    ("the model is blocked", Phase.FAILED, service(BLOCKED), ("not_ready",), False),
    ("the model's spec is invalid", Phase.FAILED, service(INVALID), (), False),
    ("its revision failed, while in progress", Phase.FAILED, service(REVISION_FAILED), (), False),
    ("cannot pull", Phase.FAILED, service(STARTING), ("image",), False),
    ("all restart", Phase.INITIALIZING, service(STARTING), ("restarting",), True),
    ("stopping", Phase.STOPPING, service(READY, **STOP), ("releasing",), True),
    ("stopping, conditions alone", Phase.STOPPING, service(READY, **STOP), (), True),
    ("stopped: not ready, and no failure", Phase.STOPPED, service(STOPPED, **STOP), (), True),
    ("stopped while its model was blocked", Phase.STOPPED, service(BLOCKED, **STOP), (), True),
    ("no stop at all", Phase.RUNNING, service(READY, **NO_STOP), ("ready",), True),
    ("resuming", Phase.RESUMING, service(STOPPED), (), False),
    ("absurd replicas", Phase.UNKNOWN, service(READY, predictor={"minReplicas": "two"}), (), False),
    ("absurd status", Phase.CREATING, service({"observedGeneration": 1, "modelStatus": "bad"}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_inference_service(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_blocked_model_says_why():
    assert "no weights" in (observe(service(BLOCKED)).workload.phase_message or "")


def test_what_the_record_says():
    components = {"transformer": {"minReplicas": 2, "containers": [{"name": "t", "image": "t:1"}]}}
    top = service(READY, predictor={"minReplicas": 1, "maxReplicas": 4}, components=components)
    record = observe(top).workload
    assert (record.type, record.category, record.k8s_phase) == ("InferenceService", Category.DEPLOY, "Ready")
    assert record.requested_pods == RequestedPods(number=3, min=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 1_000_000
    assert record.priority_class_name == "inference"


def test_several_nodes_are_a_head_and_its_workers():
    worker = {"pipelineParallelSize": 3, "containers": [{"name": "w", **GPU}]}
    top = service(READY, predictor={"maxReplicas": 2, "workerSpec": worker})
    found = observe(top, pod("w-0", labels={"component": "predictor"}), pod("w-1"))
    assert found.workload.requested_pods == RequestedPods(number=3, min=3, max=6)
    assert found.workload.workload_requested is not None
    assert found.workload.workload_requested.requests.gpu_micros == 3_000_000
    assert found.workload.phase is Phase.PENDING, "the third pod is missing"
    assert [row.role for row in found.pods] == ["predictor", None]
