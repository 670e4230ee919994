"""SeldonDeployment: three words of its operator, refined by Deployments' counts and pods."""

import pytest
from support.observed import latched, obj, observe, pod, template

from rollcall.domain.records import Category, Phase, RequestedPods


def spec(*, replicas=None, predictor=None, component=None):
    one = {"spec": template()["spec"]} | ({} if component is None else {"replicas": component})
    predictors = [{"name": "main", "componentSpecs": [one]} | ({} if predictor is None else {"replicas": predictor})]
    return {"predictors": predictors} | ({} if replicas is None else {"replicas": replicas})


def seldon(found=None, *, replicas=2, **more):
    return obj("SeldonDeployment", spec(replicas=replicas), found, **more)


def status(state, replicas=None, available=None, **more):
    found = {"state": state} | more
    if replicas is not None:
        one = {"replicas": replicas} | ({"availableReplicas": available} if available else {})
        found["deploymentStatus"] = {"w-main-0-model": one}
    return found


TWO = ("ready", "ready")
CREATING, AVAILABLE = status("Creating", 2, 1), status("Available", 2, 2)
FAILED = status("Failed", description="admission webhook denied the request")

CASES = [
    ("deleted", Phase.DELETING, seldon(AVAILABLE, deleting=True), TWO, True),
    ("status empty", Phase.CREATING, seldon(), (), False),
    ("no Deployment yet", Phase.INITIALIZING, seldon(status("Creating")), (), False),
    ("no pod yet", Phase.CREATING, seldon(status("Creating", 0)), (), False),
    ("one unscheduled", Phase.PENDING, seldon(CREATING), ("ready", "unscheduled"), False),
    ("starting", Phase.INITIALIZING, seldon(CREATING), ("ready", "creating"), False),
    ("starting, counts alone", Phase.INITIALIZING, seldon(CREATING), (), False),
    ("all there, services to come", Phase.INITIALIZING, seldon(status("Creating", 2, 2)), (), False),
    ("running", Phase.RUNNING, seldon(AVAILABLE), TWO, False),
    ("running, counts alone", Phase.RUNNING, seldon(AVAILABLE), (), False),
    ("running, its word alone", Phase.RUNNING, seldon(status("Available")), (), False),
    ("one lost", Phase.DEGRADED, seldon(CREATING), ("ready", "crash"), True),
    ("one lost, counts alone", Phase.DEGRADED, seldon(CREATING), (), True),
    ("all restart", Phase.INITIALIZING, seldon(status("Creating", 2)), ("restarting", "restarting"), True),
    ("failed", Phase.FAILED, seldon(FAILED), (), False),
    ("cannot pull", Phase.FAILED, seldon(CREATING), ("image", "image"), False),
    ("scaling to nothing", Phase.STOPPING, seldon(status("Available", 1, 1), replicas=0), (), True),
    ("scaled to nothing", Phase.STOPPED, seldon(status("Available", 0), replicas=0), (), True),
    ("absurd replicas", Phase.UNKNOWN, seldon(AVAILABLE, replicas="two"), (), False),
    ("absurd status", Phase.RUNNING, seldon({"state": 7, "deploymentStatus": {"a": 1, "b": []}}), TWO, False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_seldon_deployment(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.completed_at is None


@pytest.mark.parametrize(
    ("name", "asked", "number"),
    [
        ("default", spec(), 1),
        ("of all", spec(replicas=2), 2),
        ("of the predictor", spec(replicas=2, predictor=3), 3),
        ("of the component", spec(replicas=2, predictor=3, component=4), 4),
        ("a prepackaged server", {"predictors": [{"name": "a", "graph": {}, "replicas": 2}]}, 2),
        ("none at all", {"predictors": []}, None),
    ],
)
def test_its_replicas(name, asked, number):
    record = observe(obj("SeldonDeployment", asked, AVAILABLE)).workload
    assert record.requested_pods is not None
    assert record.requested_pods.number == number, name


def test_what_the_record_says():
    top = seldon(FAILED)
    record = observe(top).workload
    assert (record.type, record.category, record.k8s_phase) == ("SeldonDeployment", Category.DEPLOY, "Failed")
    assert record.requested_pods == RequestedPods(number=2)
    assert "denied" in (record.phase_message or "")
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2_000_000
