"""Tensorboard: a log of conditions that tells nothing of now, a ready replica that does."""

import pytest
from support.observed import latched, obj, observe, pod

from rollcall.domain.records import Category, Phase, RequestedPods


def tensorboard(found=None, **more):
    return obj("Tensorboard", {"logspath": "pvc://logs/run-1"}, found, **more)


def status(*words, ready=None):
    """As the controller writes it: each change of its Deployment's first condition, and no count where it is 0."""
    log = [{"deploymentState": word, "lastProbeTime": "2026-03-01T11:00:30Z"} for word in words]
    return {"conditions": log} | ({} if ready is None else {"readyReplicas": ready})


CASES = [
    ("deleted", Phase.DELETING, tensorboard(status("Available", ready=1), deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, tensorboard(), (), False),
    ("no pod yet", Phase.CREATING, tensorboard(status("Progressing")), (), False),
    ("Available is not believed: it is False", Phase.CREATING, tensorboard(status("Available")), (), False),
    ("no quota for its pod", Phase.CREATING, tensorboard(status("Progressing", "ReplicaFailure")), (), False),
    ("unscheduled", Phase.PENDING, tensorboard(status("Available")), ("unscheduled",), False),
    ("pulling", Phase.INITIALIZING, tensorboard(status("Available")), ("creating",), False),
    ("running", Phase.RUNNING, tensorboard(status("Available", ready=1)), ("ready",), False),
    ("running, count alone", Phase.RUNNING, tensorboard(status("Available", ready=1)), (), False),
    ("status behind its pod", Phase.RUNNING, tensorboard(), ("ready",), False),
    ("no longer ready", Phase.INITIALIZING, tensorboard(status("Available")), ("not_ready",), True),
    ("waits for a node again", Phase.PENDING, tensorboard(status("Available")), ("unscheduled",), True),
    ("image", Phase.FAILED, tensorboard(status("Available")), ("image",), False),
    ("crash loop", Phase.FAILED, tensorboard(status("Available")), ("crash",), True),
    ("ready again", Phase.RUNNING, tensorboard(status("Available", ready=1)), ("ready",), True),
    ("absurd", Phase.CREATING, tensorboard({"conditions": {"deploymentState": 1}, "readyReplicas": "one"}), (), False),
    ("absurd in a list", Phase.CREATING, tensorboard({"conditions": [1, {"deploymentState": []}]}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_tensorboard(wanted, top, states, ran):
    found = observe(top, *(pod("w-0", state) for state in states), remembered=latched() if ran else None)
    assert found.workload.phase is wanted, found.workload.phase_message


def test_what_the_record_says():
    record = observe(tensorboard(status("Progressing", "Available", ready=1)), pod()).workload
    assert (record.type, record.category, record.k8s_phase) == ("Tensorboard", Category.BUILD, "Available")
    assert record.requested_pods == RequestedPods(number=1)
    assert record.distributed_framework is None


def test_a_quota_in_the_way_is_named():
    assert "may not create" in (observe(tensorboard(status("ReplicaFailure"))).workload.phase_message or "")
