"""AmlJob and SPOTRequest: kinds of the catalogue whose status is read by convention while their pods decide."""

import pytest
from support.observed import condition, latched, obj, observe, pod

from rollcall.domain.records import Phase, PhaseSource, RequestedPods

KINDS = {"AmlJob": "amlarc.azureml.com/v1alpha1", "SPOTRequest": "egx.nvidia.io/v1"}
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}


def thing(kind, status=None, *, nodes=2, suspend=None, **more):
    spec = {"job": {"options": {"envs": {"AZUREML_NODE_COUNT": nodes}}}} if kind == "AmlJob" else {}
    return obj(kind, spec | ({} if suspend is None else {"suspend": suspend}), status, api_version=KINDS[kind], **more)


def pods(*states):
    return [pod(f"w-{n}", state) for n, state in enumerate(states)]


TWO = ("ready", "ready")

CASES = [
    ("status empty", Phase.CREATING, {}, (), False),
    ("pending by its word", Phase.PENDING, {"status": {"phase": "Pending"}}, (), False),
    ("a pod waits", Phase.PENDING, {"status": {"phase": "Running"}}, ("ready", "unscheduled"), False),
    ("starting", Phase.INITIALIZING, {"status": {"phase": "Creating"}}, ("creating", "creating"), False),
    ("starting by its word", Phase.INITIALIZING, {"status": {"state": "Creating"}}, (), False),
    ("running", Phase.RUNNING, {"status": {"phase": "Running"}}, TWO, False),
    ("running by its word", Phase.RUNNING, {"status": {"phase": "Running"}}, (), False),
    ("running without a status", Phase.RUNNING, {}, TWO, False),
    ("running by a condition", Phase.RUNNING, {"status": {"conditions": [condition("Ready")]}}, (), False),
    ("a pod is lost", Phase.DEGRADED, {"status": {"phase": "Running"}}, ("ready", "crash"), True),
    ("nothing left", Phase.INITIALIZING, {"status": {"phase": "Running"}}, ("creating", "creating"), True),
    ("cannot pull", Phase.FAILED, {}, ("image", "image"), False),
    ("failed by its word", Phase.FAILED, {"status": {"phase": "Failed"}}, (), True),
    ("failed by a condition", Phase.FAILED, {"status": {"conditions": [condition("Failed")]}}, (), True),
    ("completed", Phase.COMPLETED, {"status": {"phase": "Succeeded"}}, ("succeeded", "succeeded"), True),
    ("suspending", Phase.STOPPING, {"status": {"phase": "Running"}, "suspend": True}, ("releasing",), True),
    ("suspended", Phase.STOPPED, {"status": {"phase": "Suspended"}, "suspend": True}, (), True),
    ("held by Kueue", Phase.PENDING, {"status": {"phase": "Suspended"}, "suspend": True, **QUEUED}, (), False),
    ("a word that means nothing known", Phase.UNKNOWN, {"status": {"phase": "Dancing"}}, (), False),
    ("deleted", Phase.DELETING, {"deleting": True}, TWO, True),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("wanted", "asked", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_phase(kind, wanted, asked, states, ran):
    record = observe(thing(kind, **asked), *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert (record.type, record.phase_source) == (kind, PhaseSource.GENERIC)


@pytest.mark.parametrize(
    ("nodes", "number"),
    [("2", 2), (2, 2), ("two", None), ("-1", None), ("9" * 30, None), ("9999999999", None), (None, None), (True, None)],
)
def test_the_nodes_of_an_aml_job(nodes, number):
    assert observe(thing("AmlJob", nodes=nodes)).workload.requested_pods == RequestedPods(number=number)


def test_an_aml_job_needs_its_nodes():
    running = {"phase": "Running"}
    assert observe(thing("AmlJob", running), *pods("ready")).workload.phase is Phase.PENDING
    assert observe(thing("AmlJob", running), *pods("ready", "ready", "creating")).workload.phase is Phase.INITIALIZING
    assert (
        observe(thing("AmlJob", running), *pods("ready", "succeeded"), remembered=latched()).workload.phase
        is Phase.RUNNING
    )


def test_the_priority_of_a_spot_request():
    classes = {kind: observe(thing(kind), *pods("ready")).workload.priority_class_name for kind in KINDS}
    assert classes == {"AmlJob": "train", "SPOTRequest": "inference"}
