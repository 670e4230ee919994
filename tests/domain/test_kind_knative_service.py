"""Service of Knative: its three conditions, revisions that roll, and zero pods that are as good as any."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds import catalogue
from rollcall.domain.records import Category, Phase, RequestedPods

OLD, NEW = "w-00001", "w-00002"


def service(found=None, *, least=None, most=None, **more):
    annotations = {
        f"autoscaling.knative.dev/{name}": value
        for name, value in (("min-scale", least), ("max-scale", most))
        if value is not None
    }
    spec = {"template": {"metadata": {"annotations": annotations}, **template()}}
    return obj("Service", spec, found, api_version="serving.knative.dev/v1", **more)


def status(configurations, routes, ready, *, reason="", message="", last_ready=None, observed=1):
    found = {
        "observedGeneration": observed,
        "latestCreatedRevisionName": NEW,
        "conditions": [
            condition("ConfigurationsReady", configurations),
            condition("Ready", ready, reason, message),
            condition("RoutesReady", routes),
        ],
    }
    return found | ({"latestReadyRevisionName": last_ready} if last_ready else {})


READY = status("True", "True", "True", last_ready=NEW)
DEPLOYING = status("Unknown", "Unknown", "Unknown", reason="RevisionMissing")
ROLLING = status("Unknown", "True", "Unknown", reason="OutOfDate", last_ready=OLD)
REVISION_FAILED = status("False", "True", "False", reason="RevisionFailed", message="w-00002 failed", last_ready=OLD)
FIRST_FAILED = status("False", "Unknown", "False", reason="RevisionFailed", message="image cannot be had")
NO_ROUTE = status("True", "False", "False", reason="IngressNotConfigured", last_ready=NEW)
UNSCHEDULABLE = status("False", "Unknown", "False", reason="RevisionFailed", message="ProgressDeadlineExceeded")

CASES = [
    ("deleted", Phase.DELETING, service(READY, deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, service(), (), False),
    ("generation not observed", Phase.CREATING, service({"observedGeneration": 1}, generation=2), (), False),
    ("no condition yet", Phase.CREATING, service({"observedGeneration": 1}), (), False),
    ("deploying", Phase.INITIALIZING, service(DEPLOYING), ("creating",), False),
    ("deploying, conditions alone", Phase.INITIALIZING, service(DEPLOYING), (), False),
    ("deploying, its pod is ready before its route", Phase.INITIALIZING, service(DEPLOYING), ("ready",), False),
    ("waits for a GPU", Phase.PENDING, service(DEPLOYING), ("unscheduled",), False),
    ("waits for a GPU past the deadline", Phase.PENDING, service(UNSCHEDULABLE), ("unscheduled",), False),
    ("one of two due", Phase.PENDING, service(DEPLOYING, least="2"), ("ready",), False),
    ("running", Phase.RUNNING, service(READY), ("ready",), False),
    ("running, conditions alone", Phase.RUNNING, service(READY), (), False),
    ("scaled to zero", Phase.RUNNING, service(READY, least="0"), (), True),
    ("scaled to zero, the last pod going", Phase.RUNNING, service(READY), ("releasing",), True),
    ("comes up from zero", Phase.RUNNING, service(READY), ("creating",), True),
    ("too few", Phase.DEGRADED, service(READY, least="2"), ("ready", "crash"), True),
    ("rolls", Phase.UPDATING, service(ROLLING), ("ready", "creating"), True),
    ("rolls, first sight", Phase.UPDATING, service(ROLLING), ("ready", "creating"), False),
    ("rolls, conditions alone", Phase.UPDATING, service(ROLLING), (), False),
    ("new spec not observed", Phase.UPDATING, service(READY, generation=2), ("ready",), True),
    ("the old revision serves", Phase.DEGRADED, service(REVISION_FAILED), ("ready", "crash"), True),
    ("the old revision serves, first sight", Phase.DEGRADED, service(REVISION_FAILED), ("ready", "crash"), False),
    ("the old revision serves, conditions alone", Phase.DEGRADED, service(REVISION_FAILED), (), False),
    ("the first revision failed", Phase.FAILED, service(FIRST_FAILED), (), False),
    ("the first revision failed, its pod known", Phase.FAILED, service(FIRST_FAILED), ("image",), False),
    ("no route", Phase.FAILED, service(NO_ROUTE), ("ready",), True),
    ("cannot pull", Phase.FAILED, service(DEPLOYING), ("image",), False),
    ("crashes", Phase.FAILED, service(READY), ("crash",), True),
    ("absurd scale", Phase.RUNNING, service(READY, least="-1", most="many"), ("ready",), False),
    ("absurd conditions", Phase.CREATING, service({"observedGeneration": 1, "conditions": [None, 1, {}]}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_knative_service(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_zero_pods_say_so():
    record = observe(service(READY, least="0"), remembered=latched()).workload
    assert record.phase_message == "scaled to zero"


def test_what_the_record_says():
    record = observe(service(READY, least="2", most="5"), pod("w-0"), pod("w-1")).workload
    assert (record.type, record.category, record.k8s_phase) == ("Service", Category.DEPLOY, "Ready")
    assert record.requested_pods == RequestedPods(number=2, min=2, max=5)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2_000_000
    assert record.priority_class_name == "inference"


def test_a_service_of_the_core_group_is_another_kind():
    assert catalogue.is_catalogued(KindKey(group="serving.knative.dev", kind="Service"))
    assert not catalogue.is_catalogued(KindKey(group="", kind="Service"))


def test_a_failure_is_taken_back():
    record = observe(service(FIRST_FAILED)).workload
    assert record.completed_at is None
    assert observe(service(READY), pod()).workload.phase is Phase.RUNNING
