"""Kinds without an entry, read by convention; and the catalogue itself."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds import catalogue
from rollcall.domain.records import Phase, PhaseSource, Remembered


def thing(status=None, *, spec=None, **more):
    return obj("Thing", spec or {}, status, **more)


READY = {"conditions": [condition("Ready")]}
QUEUED = {"kueue.x-k8s.io/queue-name": "team-a"}
UNREADY = {"conditions": [condition("Ready", "False", "Deploying", "two of three")]}

CASES = [
    ("status empty", Phase.CREATING, thing(), (), False),
    ("not observed", Phase.CREATING, thing({"observedGeneration": 1, "phase": "x"}, generation=2), (), False),
    ("ready", Phase.RUNNING, thing(READY), (), False),
    ("not ready", Phase.INITIALIZING, thing(UNREADY), (), False),
    ("no longer ready", Phase.DEGRADED, thing(UNREADY), (), True),
    (
        "reconciling",
        Phase.INITIALIZING,
        thing({"conditions": [condition("Reconciling"), condition("Ready")]}),
        (),
        False,
    ),
    ("stalled", Phase.FAILED, thing({"conditions": [condition("Stalled", "True", "Broken")]}), (), False),
    ("failed condition", Phase.FAILED, thing({"conditions": [condition("Failed")]}), (), False),
    ("succeeded condition", Phase.COMPLETED, thing({"conditions": [condition("Succeeded")]}), (), False),
    ("phase running", Phase.RUNNING, thing({"phase": "Running"}), (), False),
    ("state RUNNING", Phase.RUNNING, thing({"state": "RUNNING"}), (), False),
    ("phase pending", Phase.PENDING, thing({"phase": "Pending"}), (), False),
    ("phase creating", Phase.INITIALIZING, thing({"phase": "Creating"}), (), False),
    ("phase completed", Phase.COMPLETED, thing({"phase": "Completed"}), (), False),
    ("phase failed", Phase.FAILED, thing({"phase": "Failed", "message": "boom"}), (), False),
    ("state error", Phase.FAILED, thing({"state": "Error"}), (), False),
    ("phase suspended", Phase.STOPPED, thing({"phase": "Suspended"}), (), False),
    ("phase stopping", Phase.STOPPING, thing({"phase": "Stopping"}), (), False),
    ("spec suspended", Phase.STOPPED, thing({"phase": "Running"}, spec={"suspend": True}), (), False),
    ("held by Kueue", Phase.PENDING, thing({"phase": "Suspended"}, spec={"suspend": True}, labels=QUEUED), (), False),
    ("word unknown", Phase.UNKNOWN, thing({"phase": "Frobnicating"}), (), False),
    ("word unknown, pods decide", Phase.RUNNING, thing({"phase": "Frobnicating"}), ("ready",), False),
    ("ready by its word, pods decide", Phase.PENDING, thing(READY), ("unscheduled",), False),
    ("counts", Phase.INITIALIZING, thing({"readyReplicas": 1, **READY}, spec={"replicas": 2}), (), False),
    ("counts full", Phase.RUNNING, thing({"readyReplicas": 2}, spec={"replicas": 2}), (), False),
    ("volcano's conditions without type", Phase.UNKNOWN, thing({"conditions": [{"status": "Running"}]}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_unknown_kind(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.phase_source is PhaseSource.GENERIC


def test_its_raw_word_and_its_template_are_kept():
    record = observe(thing({"phase": "Frobnicating"}, spec={"replicas": 2, "template": template(gpus=4)})).workload
    assert record.k8s_phase == "Frobnicating"
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 8_000_000
    assert "Frobnicating" not in (record.phase_message or "")
    assert record.phase_message


def test_conditions_without_type_are_known_by_their_status():
    record = observe(thing({"conditions": [{"status": "Running"}]})).workload
    assert record.conditions[0].type == "Running"


def test_an_error_is_taken_back_and_a_failure_is_not():
    error = observe(thing({"state": "Error"})).workload
    failed = observe(thing({"phase": "Failed"})).workload
    assert observe(thing({"state": "Running"}), remembered=Remembered.of(error)).workload.phase is Phase.RUNNING
    assert observe(thing({"phase": "Running"}), remembered=Remembered.of(failed)).workload.phase is Phase.FAILED


def test_the_catalogue_finds_every_file_by_itself():
    kinds = {(entry.key.group, entry.key.kind) for entry in catalogue.all_entries()}
    assert kinds >= {
        ("", "Pod"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("kubeflow.org", "PyTorchJob"),
    }
    assert not catalogue.is_catalogued(KindKey(group="apps", kind="DaemonSet"))
    assert catalogue.is_ignored(KindKey(group="apps", kind="DaemonSet"))
    assert not catalogue.is_catalogued(KindKey(group="example.com", kind="Job"))
    assert all(entry.plural and entry.versions for entry in catalogue.watched_entries())
