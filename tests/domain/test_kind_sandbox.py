"""Sandbox: a mode that suspends, conditions that linger, a pod that ends, a time that passes."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.records import Category, Phase, Remembered, RequestedPods

SUSPEND = {"operatingMode": "Suspended"}


def sandbox(found=None, *, spec=None, **more):
    return obj("Sandbox", {"podTemplate": template()} | (spec or {}), found, **more)


def status(*conditions):
    return {"conditions": list(conditions)}


def ready(word, reason="", message=""):
    return condition("Ready", word, reason, message)


READY = status(ready("True", "DependenciesReady"))
NOT_READY = status(ready("False", "DependenciesNotReady", "Pod is not ready"))
LEAVING = status(condition("Suspended", "False", "PodTerminating"), ready("False", "SandboxSuspended"))
SUSPENDED = status(condition("Suspended", "True", "PodTerminated"), ready("False", "SandboxSuspended"))
LINGERING = status(condition("Suspended", "True", "PodTerminated"), ready("True", "DependenciesReady"))
LINGERING_BROKEN = status(condition("Suspended", "True", "PodTerminated"), ready("False", "DependenciesNotReady"))
POD_FAILED = status(condition("Finished", "True", "PodFailed", "Pod failed"), ready("False", "DependenciesNotReady"))
POD_DONE = status(condition("Finished", "True", "PodSucceeded"), ready("False", "DependenciesNotReady"))
LEAVING_FAILED = status(condition("Finished", "True", "PodFailed"), *LEAVING["conditions"])
EXPIRED = status(ready("False", "SandboxExpired", "Sandbox has expired"))

CASES = [
    ("deleted", Phase.DELETING, sandbox(READY, deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, sandbox(), (), False),
    ("no condition yet", Phase.CREATING, sandbox({"conditions": []}), (), False),
    ("unscheduled", Phase.PENDING, sandbox(NOT_READY), ("unscheduled",), False),
    ("starting", Phase.INITIALIZING, sandbox(NOT_READY), ("creating",), False),
    ("starting, conditions alone", Phase.INITIALIZING, sandbox(NOT_READY), (), False),
    ("running", Phase.RUNNING, sandbox(READY), ("ready",), False),
    ("running, conditions alone", Phase.RUNNING, sandbox(READY), (), False),
    ("restarts", Phase.INITIALIZING, sandbox(NOT_READY), ("restarting",), True),
    ("cannot pull", Phase.FAILED, sandbox(NOT_READY), ("image",), False),
    ("its pod failed", Phase.FAILED, sandbox(POD_FAILED), ("failed",), True),
    ("its pod failed, conditions alone", Phase.FAILED, sandbox(POD_FAILED), (), True),
    ("its pod is done", Phase.COMPLETED, sandbox(POD_DONE), ("succeeded",), True),
    ("suspending", Phase.STOPPING, sandbox(READY, spec=SUSPEND), ("ready",), True),
    ("suspending, conditions alone", Phase.STOPPING, sandbox(LEAVING, spec=SUSPEND), (), True),
    ("suspending, its pod failed by it", Phase.STOPPING, sandbox(LEAVING_FAILED, spec=SUSPEND), ("releasing",), True),
    ("suspended", Phase.STOPPED, sandbox(SUSPENDED, spec=SUSPEND), (), True),
    ("suspended, its pod failed by it", Phase.STOPPED, sandbox(POD_FAILED, spec=SUSPEND), (), True),
    ("suspended from the start", Phase.STOPPED, sandbox(spec=SUSPEND), (), False),
    ("suspended the old way", Phase.STOPPED, sandbox(NOT_READY, spec={"replicas": 0}), (), True),
    ("resumed, not followed yet", Phase.RESUMING, sandbox(SUSPENDED), (), False),
    ("resumed, its condition lingers", Phase.RUNNING, sandbox(LINGERING), ("ready",), False),
    ("resumed and starting, its condition lingers", Phase.INITIALIZING, sandbox(LINGERING_BROKEN), ("creating",), 0),
    ("expired", Phase.STOPPED, sandbox(EXPIRED), (), True),
    ("absurd mode", Phase.RUNNING, sandbox(READY, spec={"operatingMode": 7, "replicas": "no"}), ("ready",), False),
    ("absurd status", Phase.CREATING, sandbox({"conditions": "bad"}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_sandbox(wanted, top, states, ran):
    record = observe(top, *(pod("w-0", state) for state in states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.completed_at is None, "it may be suspended and resumed after any end"


def test_what_the_record_says():
    record = observe(sandbox(READY), pod()).workload
    assert (record.type, record.category, record.k8s_phase) == ("Sandbox", Category.BUILD, "Ready")
    assert record.requested_pods == RequestedPods(number=1)


def test_a_finished_sandbox_runs_again():
    failed = observe(sandbox(POD_FAILED), remembered=latched()).workload
    again = observe(sandbox(READY), pod(), remembered=Remembered.of(failed)).workload
    assert (failed.phase, again.phase) == (Phase.FAILED, Phase.RUNNING)
