"""Notebook: the state of its container, its ready replica and the annotation that stops it."""

import pytest
from support.observed import latched, obj, observe, pod, template

from rollcall.domain.records import Category, Phase, RequestedPods

STOP = {"annotations": {"kubeflow-resource-stopped": "2026-03-01T11:30:00Z"}}
HELD = {"annotations": {"kubeflow-resource-stopped": ""}}
RUNS = {"running": {"startedAt": "2026-03-01T11:00:30Z"}}


def notebook(found=None, **more):
    return obj("Notebook", {"template": template()}, found, **more)


def status(state=None, ready=0, conditions=()):
    """As the controller writes it: all three keys, at once."""
    return {"conditions": list(conditions), "containerState": state or {}, "readyReplicas": ready}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def ended(code, reason):
    return {"terminated": {"exitCode": code, "reason": reason}}


OLD = [{"type": "Running", "lastProbeTime": "2026-03-01T11:00:30Z"}, {"type": "Waiting", "reason": "PodInitializing"}]
UNSCHEDULED = [
    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/4 nodes are available"}
]

CASES = [
    ("deleted", Phase.DELETING, notebook(status(RUNS, 1), deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, notebook(), (), False),
    ("no pod yet", Phase.CREATING, notebook(status()), (), False),
    ("unscheduled", Phase.PENDING, notebook(status()), ("unscheduled",), False),
    ("unscheduled, its condition alone", Phase.PENDING, notebook(status(conditions=UNSCHEDULED)), (), False),
    ("pulling", Phase.INITIALIZING, notebook(status(waiting("ContainerCreating"))), ("creating",), False),
    ("pulling, state alone", Phase.INITIALIZING, notebook(status(waiting("ContainerCreating"))), (), False),
    ("started, not ready", Phase.INITIALIZING, notebook(status(RUNS)), (), False),
    ("running", Phase.RUNNING, notebook(status(RUNS, 1)), ("ready",), False),
    ("running, state alone", Phase.RUNNING, notebook(status(RUNS, 1)), (), False),
    ("running, conditions without status", Phase.RUNNING, notebook(status(RUNS, 1, OLD)), (), False),
    ("status behind its pod", Phase.RUNNING, notebook(status()), ("ready",), False),
    ("kernel ended well", Phase.INITIALIZING, notebook(status(ended(0, "Completed"))), (), False),
    ("kernel ended badly", Phase.INITIALIZING, notebook(status(ended(1, "Error"))), (), True),
    ("kernel restarts", Phase.INITIALIZING, notebook(status(ended(1, "Error"))), ("restarting",), True),
    ("out of memory, state alone", Phase.FAILED, notebook(status(ended(137, "OOMKilled"))), (), True),
    ("image, state alone", Phase.FAILED, notebook(status(waiting("ImagePullBackOff", "no such image"))), (), False),
    ("image, its pod known", Phase.FAILED, notebook(status(waiting("ImagePullBackOff"))), ("image",), False),
    ("crash loop", Phase.FAILED, notebook(status(waiting("CrashLoopBackOff"))), ("crash",), True),
    ("ready again", Phase.RUNNING, notebook(status(RUNS, 1)), ("ready",), True),
    ("stopping", Phase.STOPPING, notebook(status(RUNS, 1), **STOP), ("releasing",), True),
    ("stopping, state alone", Phase.STOPPING, notebook(status(RUNS, 1), **STOP), (), True),
    ("stopped, or culled", Phase.STOPPED, notebook(status(), **STOP), (), True),
    ("stopped by a bare annotation", Phase.STOPPED, notebook(status(), **HELD), (), False),
    ("stopped before it was seen", Phase.STOPPED, notebook(**STOP), (), False),
    ("absurd counts", Phase.CREATING, notebook({"readyReplicas": "one", "containerState": [1]}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_notebook(wanted, top, states, ran):
    found = observe(top, *(pod("w-0", state) for state in states), remembered=latched() if ran else None)
    assert found.workload.phase is wanted, found.workload.phase_message


def test_what_the_record_says():
    record = observe(notebook(status(RUNS, 1)), pod()).workload
    assert (record.type, record.category, record.k8s_phase) == ("Notebook", Category.BUILD, "Running")
    assert (record.priority_class_name, record.preemptible) == ("build", False)
    assert record.requested_pods == RequestedPods(number=1)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 1_000_000


def test_a_stopped_notebook_says_by_what():
    record = observe(notebook(status(), **STOP)).workload
    assert "kubeflow-resource-stopped" in (record.phase_message or "")
