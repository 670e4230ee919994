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
READIED = READY["conditions"]
TURNING = [condition("Reconciling")]
BEHIND = {"observedGeneration": 1, **READY}
SUSPENDED = {"conditions": [condition("Suspended")]}
UNREADY = {"conditions": [condition("Ready", "False", "Deploying", "two of three")]}
UNREADIED = UNREADY["conditions"]

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
    ("being deleted", Phase.DELETING, thing(READY, deleting=True), ("ready",), False),
    (
        "a generation behind, never seen to run",
        Phase.CREATING,
        thing({"observedGeneration": 1}, generation=2),
        (),
        False,
    ),
    ("a generation behind, running", Phase.UPDATING, thing(BEHIND, generation=2), ("ready",), True),
    ("a generation ahead is no matter", Phase.RUNNING, thing({"observedGeneration": 7, **READY}), (), False),
    ("ready unknown", Phase.INITIALIZING, thing({"conditions": [condition("Ready", "Unknown")]}), (), False),
    ("not stalled", Phase.RUNNING, thing({"conditions": [condition("Stalled", "False"), *READIED]}), (), False),
    ("stalled and ready", Phase.FAILED, thing({"conditions": [condition("Stalled"), *READIED]}), ("ready",), False),
    ("reconciling and unready", Phase.INITIALIZING, thing({"conditions": [*TURNING, *UNREADIED]}), (), False),
    (
        "reconciling no more",
        Phase.RUNNING,
        thing({"conditions": [condition("Reconciling", "False"), *READIED]}),
        (),
        False,
    ),
    ("available stands for ready", Phase.RUNNING, thing({"conditions": [condition("Available")]}), (), False),
    ("conditions before the word", Phase.INITIALIZING, thing({"phase": "Running", **UNREADY}), (), False),
    ("phase before state", Phase.RUNNING, thing({"phase": "Running", "state": "Failed"}), (), False),
    ("the word in any spelling", Phase.INITIALIZING, thing({"phase": "Not Ready"}), (), False),
    ("in progress", Phase.INITIALIZING, thing({"phase": "IN_PROGRESS"}), (), False),
    ("degraded by its word", Phase.DEGRADED, thing({"phase": "Degraded"}), (), False),
    (
        "degraded, pods decide whether something serves",
        Phase.INITIALIZING,
        thing({"phase": "Degraded"}),
        ("creating",),
        False,
    ),
    ("degraded, something serves", Phase.DEGRADED, thing({"phase": "Degraded"}), ("ready",), False),
    ("updating by its word", Phase.UPDATING, thing({"phase": "Upgrading"}), (), False),
    ("updating, nothing serves", Phase.INITIALIZING, thing({"phase": "Upgrading"}), ("creating",), False),
    ("stopped by its word, pods live", Phase.STOPPING, thing({"phase": "Stopped"}), ("ready",), False),
    ("aborted", Phase.STOPPED, thing({"phase": "Aborted"}), (), False),
    ("cancelled", Phase.STOPPED, thing({"phase": "Cancelled"}), ("ready",), False),
    ("resuming by its word", Phase.RESUMING, thing({"phase": "Resuming"}), (), False),
    ("resumed, not followed yet", Phase.RESUMING, thing(SUSPENDED, spec={"suspend": False}), (), False),
    ("suspended by a condition", Phase.STOPPED, thing(SUSPENDED), (), False),
    ("suspended by its word, held by Kueue", Phase.PENDING, thing({"phase": "Suspended"}, labels=QUEUED), (), False),
    (
        "failed beats completed",
        Phase.FAILED,
        thing({"conditions": [condition("Failed"), condition("Complete")]}),
        (),
        False,
    ),
    (
        "a condition that is False is none",
        Phase.RUNNING,
        thing({"conditions": [condition("Failed", "False"), *READIED]}),
        (),
        False,
    ),
    ("over, its pods gone", Phase.COMPLETED, thing({"phase": "Succeeded"}), (), True),
    ("pods cannot start", Phase.FAILED, thing({"phase": "Running"}), ("crash",), False),
    (
        "fewer ready than wanted, pods decide",
        Phase.DEGRADED,
        thing({"readyReplicas": 2}, spec={"replicas": 2}),
        ("ready",),
        True,
    ),
    ("a nonsense count", Phase.UNKNOWN, thing({"phase": "Running"}, spec={"replicas": "many"}), (), False),
    ("the word is no word", Phase.UNKNOWN, thing({"phase": {"a": 1}, "state": ["x"]}), (), False),
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
