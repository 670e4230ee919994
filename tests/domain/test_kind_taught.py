"""Kinds taught by data: what a description comes to, what of it is refused, and that nothing ever raises."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import built_in
from rollcall.domain.kinds.descriptions import Lesson, Refusal
from rollcall.domain.kinds.taught import read_lesson
from rollcall.domain.records import Category, Phase, PhaseSource, Remembered

BATCH = {
    "group": "train.example.com",
    "kind": "TrainingRun",
    "plural": "trainingruns",
    "versions": ["v1", "v1beta1"],
    "category": "Train",
    "type": "TrainingRun",
    "framework": "PyTorch",
    "roles": [
        {"name": "leader", "template": "spec.leader.template"},
        {"name": "worker", "template": "spec.worker.template", "replicas": "spec.worker.replicas"},
    ],
    "roleLabels": ["train.example.com/role"],
    "pods": {"required": "spec.minAvailable", "min": "spec.minAvailable", "max": "spec.worker.most"},
    "priority": {"paths": ["spec.priorityClassName"], "labels": ["train.example.com/priority"], "default": "high"},
    "completedAt": "status.finishedAt",
    "stop": [{"path": "spec.suspend"}, {"path": "spec.state", "is": ["Paused", "Halted"]}],
    "status": {
        "word": ["status.jobState"],
        "counts": {"ready": "status.readyWorkers", "existing": "status.workers"},
        "completed": ["Done", {"condition": "Complete"}],
        "failed": [{"condition": "Failed", "reason": ["BackoffLimitExceeded", "DeadlineExceeded"]}, "Failed"],
        "failedForNow": [{"condition": "Failed"}],
        "cancelled": "Cancelled",
        "stopping": "Suspending",
        "stopped": "Suspended",
        "resuming": "Resuming",
        "waiting": ["Queued"],
        "notReady": [{"word": "Starting"}, {"path": "status.restarting", "is": True}],
        "ready": [{"condition": "Ready", "status": "True"}, "Running"],
        "degraded": [{"word": "Running", "path": "status.brokenWorkers", "is": [1, 2, 3]}],
        "updating": ["Rolling"],
    },
}
SERVICE = {
    "group": "serve.example.com",
    "kind": "Endpoint",
    "category": "Deploy",
    "roles": [{"podSpec": "spec.podSpec", "replicas": "spec.replicas", "default": 2}],
    "status": {"ready": [{"condition": "Ready"}], "failed": [{"condition": "Ready", "status": False, "reason": "Bad"}]},
}
CONVENTIONAL = {"group": "lab.example.com", "kind": "Session", "category": "Build", "stop": {"path": "spec.off"}}


def taught(*descriptions):
    lessons = [read_lesson(description, "here") for description in descriptions]
    assert all(isinstance(lesson, Lesson) for lesson in lessons), lessons
    return built_in().with_entries(lesson.entry for lesson in lessons if isinstance(lesson, Lesson))


CATALOGUE = taught(BATCH, SERVICE, CONVENTIONAL)
WORKERS = {"worker": {"replicas": 2, "template": template(gpus=4)}}


def run(status=None, *, spec=None, **more):
    body = {**WORKERS, "leader": {"template": template(gpus=0)}} if spec is None else spec
    return obj("TrainingRun", body, status, api_version="train.example.com/v1", **more)


def endpoint(status=None, **more):
    spec = {"replicas": 1, "podSpec": template()["spec"]}
    return obj("Endpoint", spec, status, api_version="serve.example.com/v1", **more)


def session(status=None, spec=None, **more):
    return obj("Session", spec or {}, status, api_version="lab.example.com/v1", **more)


def says(word, **more):
    return {"jobState": word, **more}


def conditions(*found):
    return {"conditions": list(found)}


QUEUED = {"kueue.x-k8s.io/queue-name": "team-a"}
THREE = ("ready", "ready", "ready")

CASES = [
    ("no status", Phase.CREATING, run(), (), False),
    ("a generation behind", Phase.CREATING, run({"observedGeneration": 1, **says("x")}, generation=2), (), False),
    ("queued", Phase.PENDING, run(says("Queued")), (), False),
    ("starting", Phase.INITIALIZING, run(says("Starting")), (), False),
    ("starting, in another spelling", Phase.INITIALIZING, run(says("STARTING")), (), False),
    ("starting again", Phase.DEGRADED, run(says("Starting")), THREE, True),
    ("running by its word", Phase.RUNNING, run(says("Running")), (), False),
    ("running by its condition", Phase.RUNNING, run(conditions(condition("Ready"))), (), False),
    ("the condition denied", Phase.INITIALIZING, run(conditions(condition("Ready", "False", "Slow"))), (), False),
    ("running, a pod is missing", Phase.PENDING, run(says("Running")), ("ready", "ready"), False),
    ("running, all pods", Phase.RUNNING, run(says("Running")), THREE, False),
    ("running, lost a pod", Phase.DEGRADED, run(says("Running")), ("ready", "ready"), True),
    ("done pods satisfy", Phase.RUNNING, run(says("Running")), ("ready", "succeeded", "succeeded"), False),
    ("two conditions of one rule", Phase.DEGRADED, run(says("Running", brokenWorkers=1)), (), False),
    ("one of two is not enough", Phase.RUNNING, run(says("Running", brokenWorkers=0)), (), False),
    ("a truth is no number", Phase.RUNNING, run(says("Running", brokenWorkers=True)), (), False),
    ("a value", Phase.INITIALIZING, run(says("Running", restarting=True)), (), False),
    ("counts alone, short", Phase.INITIALIZING, run({"readyWorkers": 2, "workers": 3}), (), False),
    ("counts alone, full", Phase.RUNNING, run({"readyWorkers": 3, "workers": 3}), (), False),
    ("the least do", Phase.RUNNING, run(says("Running"), spec={**WORKERS, "minAvailable": 1}), ("ready",), False),
    ("rolling", Phase.UPDATING, run(says("Rolling")), THREE, False),
    ("done", Phase.COMPLETED, run(says("Done")), (), False),
    ("complete", Phase.COMPLETED, run(conditions(condition("Complete"))), (), False),
    ("complete is False", Phase.UNKNOWN, run(conditions(condition("Complete", "False"))), (), False),
    ("failed", Phase.FAILED, run(says("Failed")), THREE, False),
    ("failed for a reason", Phase.FAILED, run(conditions(condition("Failed", reason="DeadlineExceeded"))), (), False),
    ("failed and done", Phase.FAILED, run(says("Done", **conditions(condition("Failed")))), (), False),
    ("cancelled", Phase.STOPPED, run(says("Cancelled")), THREE, False),
    ("suspended by the spec", Phase.STOPPED, run(says("Running"), spec={"suspend": True}), (), False),
    ("suspended by a word of the spec", Phase.STOPPED, run(says("Running"), spec={"state": "Paused"}), (), False),
    ("another word of the spec", Phase.RUNNING, run(says("Running"), spec={"state": "On"}), (), False),
    ("suspended, pods live", Phase.STOPPING, run(says("Running"), spec={"suspend": True}), ("ready",), False),
    ("held by a queue", Phase.PENDING, run(says("Suspended"), spec={"suspend": True}, labels=QUEUED), (), False),
    ("stopped by its own word", Phase.STOPPED, run(says("Suspended")), (), False),
    ("stopping by its own word", Phase.STOPPING, run(says("Suspending")), (), False),
    ("resuming", Phase.RESUMING, run(says("Resuming")), (), False),
    ("a word that was not taught", Phase.UNKNOWN, run(says("Frobnicating")), (), False),
    ("a word that was not taught, pods decide", Phase.RUNNING, run(says("Frobnicating")), THREE, False),
    ("deleting", Phase.DELETING, run(says("Running"), deleting=True), THREE, False),
    ("an absurd count", Phase.UNKNOWN, run({"readyWorkers": "three"}), (), False),
    ("an absurd word", Phase.UNKNOWN, run({"jobState": ["Running"]}), (), False),
    ("a service that serves", Phase.RUNNING, endpoint(conditions(condition("Ready"))), (), False),
    ("a service that does not", Phase.DEGRADED, endpoint(conditions(condition("Ready", "False"))), ("ready",), True),
    ("a service that fails", Phase.FAILED, endpoint(conditions(condition("Ready", "False", "Bad"))), (), False),
    ("by convention", Phase.RUNNING, session({"phase": "Ready"}), (), False),
    ("by convention, stopped as taught", Phase.STOPPED, session({"phase": "Ready"}, {"off": True}), (), False),
    ("by convention, queued", Phase.PENDING, session({"phase": "Ready"}, {"off": True}, labels=QUEUED), (), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_taught_kind(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None, catalogue=CATALOGUE).workload
    assert record.phase is wanted, record.phase_message
    by_convention = record.kind == "Session"
    assert record.phase_source is (PhaseSource.GENERIC if by_convention else PhaseSource.KIND)


def test_what_else_a_record_has_of_a_description():
    spec = {**WORKERS, "priorityClassName": "urgent", "minAvailable": 2, "worker": {**WORKERS["worker"], "most": 8}}
    record = observe(run(says("Done", finishedAt="2026-03-01T11:30:00Z"), spec=spec), catalogue=CATALOGUE).workload
    assert (record.type, record.category, record.distributed_framework) == ("TrainingRun", Category.TRAIN, "PyTorch")
    assert record.k8s_phase == "Done"
    assert record.priority_class_name == "urgent"
    assert record.completed_at is not None
    assert record.completed_at.isoformat() == "2026-03-01T11:30:00+00:00"
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 8_000_000
    assert record.requested_pods is not None
    assert (record.requested_pods.number, record.requested_pods.min, record.requested_pods.max) == (2, 2, 8)
    by_default = observe(run(says("Running")), catalogue=CATALOGUE).workload
    assert by_default.priority_class_name == "high"
    assert observe(endpoint(), catalogue=CATALOGUE).workload.priority_class_name == "inference"


def test_an_end_is_latched_and_what_is_taken_back_is_not():
    failed = observe(run(says("Failed")), catalogue=CATALOGUE).workload
    for_now = observe(run(conditions(condition("Failed", reason="Evicted"))), catalogue=CATALOGUE).workload
    again = run(says("Running"))
    assert (failed.completed_at is not None, for_now.completed_at) == (True, None)
    after = [
        observe(again, remembered=Remembered.of(before), catalogue=CATALOGUE).workload.phase
        for before in (failed, for_now)
    ]
    assert after == [Phase.FAILED, Phase.RUNNING]


def test_a_taught_kind_is_the_top_of_what_it_owns_and_hidden_below_another():
    assert CATALOGUE.is_catalogued(KindKey(group="train.example.com", kind="TrainingRun"))
    assert not built_in().is_catalogued(KindKey(group="train.example.com", kind="TrainingRun"))
    entry = CATALOGUE.entry_for(KindKey(group="train.example.com", kind="TrainingRun"))
    assert entry is not None
    assert (entry.recovers, entry.watched) == (False, True)
    service = CATALOGUE.entry_for(KindKey(group="serve.example.com", kind="Endpoint"))
    assert service is not None
    assert service.recovers


def test_an_ignored_kind_is_neither_watched_nor_a_workload():
    catalogue = taught({"group": "a.example.com", "kind": "Agent", "ignored": True})
    key = KindKey(group="a.example.com", kind="Agent")
    assert catalogue.is_ignored(key)
    assert not catalogue.is_catalogued(key)
    assert key not in {entry.key for entry in catalogue.watched_entries()}


def with_field(path, value):
    found = copy.deepcopy(BATCH)
    inner = found
    *steps, last = path.split(".")
    for step in steps:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[last] = value
    return found


REFUSED = [
    ("no mapping", ["x"], "is no mapping"),
    ("nothing", None, "is no mapping"),
    ("empty", {}, "names no group"),
    ("a kind of Kubernetes", {"group": "apps", "kind": "DaemonSet"}, "only custom resources"),
    ("the core group", {"group": "core", "kind": "Secret"}, "only custom resources"),
    ("no group at all", {"group": "", "kind": "Secret"}, "is no text"),
    ("a group of Kubernetes", {"group": "rbac.authorization.k8s.io", "kind": "Role"}, "only custom resources"),
    ("no kind's name", {"group": "a.b", "kind": "thing"}, "no name of a kind"),
    ("a number for a group", {"group": 1, "kind": "Thing"}, "group of the description is no text"),
    ("a misspelt field", with_field("catgory", "Train"), "'catgory'"),
    ("an unknown category", with_field("category", "Fun"), "none of Build, Deploy, Train"),
    ("an unknown framework", with_field("framework", "Ray"), "none of JAX"),
    ("a type that is none", with_field("type", "my type"), "type of the description"),
    ("a version that is none", with_field("versions", ["1"]), "versions of the description"),
    ("a role without a template", with_field("roles", [{"name": "a"}]), "template and podSpec"),
    ("a role with both", with_field("roles", [{"template": "spec.a", "podSpec": "spec.b"}]), "template and podSpec"),
    ("a path to metadata", with_field("roles.0.template", "metadata.x"), "a path such as"),
    ("an expression for a path", with_field("completedAt", ".status.x // 1"), "a path such as"),
    ("a misspelt field of a role", with_field("roles.0.replica", "spec.a"), "roles[0] of the description"),
    ("a stop without a path", with_field("stop", [{"is": True}]), "has no path"),
    ("a stop that compares with a mapping", with_field("stop", [{"path": "spec.a", "is": {}}]), "plain value"),
    ("a word that is not known", with_field("status.succeeded", ["x"]), "'succeeded'"),
    ("a rule without anything", with_field("status.ready", [{}]), "neither word, condition nor path"),
    ("a rule with a misspelt field", with_field("status.ready", [{"conditon": "Ready"}]), "'conditon'"),
    ("a path without a value", with_field("status.ready", [{"path": "status.a"}]), "no value to compare"),
    ("a status of no condition", with_field("status.ready", [{"condition": "A", "status": "Yes"}]), "none of True"),
    ("a status without meaning", with_field("status", {"word": "status.phase"}), "gives no meaning"),
    ("a truth that is none", with_field("recovers", "yes"), "neither true nor false"),
    ("a default that is no count", with_field("roles.0.default", -1), "is no count"),
    ("too long a list", with_field("roleLabels", ["a"] * 101), "more than 100"),
]


@pytest.mark.parametrize(("description", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_not_understood_is_refused_in_a_sentence(description, why):
    found = read_lesson(description, "key a of ConfigMap b")
    assert isinstance(found, Refusal)
    assert why in found.why
    assert found.source == "key a of ConfigMap b"
    assert found.why.endswith(".")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["spec.a", "True"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def descriptions(draw):
    """The full description with junk in some places of it."""
    found = copy.deepcopy(BATCH)
    for _ in range(draw(st.integers(1, 3))):
        inner = found
        while isinstance(inner, dict | list) and inner:
            places = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            place = draw(st.sampled_from(places))
            if not isinstance(inner[place], dict | list) or draw(st.booleans()):
                inner[place] = draw(JUNK)
                break
            inner = inner[place]
    return found


@settings(max_examples=300)
@given(st.one_of(JUNK, descriptions()), JUNK, JUNK)
def test_any_description_teaches_or_is_refused_and_what_it_teaches_is_total(description, spec, status):
    lesson = read_lesson(description, "here")
    if isinstance(lesson, Refusal):
        assert lesson.why
        return
    entry = lesson.entry
    assert "{" in lesson.body
    top = obj(entry.key.kind, {}, {}, api_version=f"{entry.key.group}/v1")
    catalogue = built_in().with_entries([entry])
    for body in ({}, {"a": spec, "worker": spec, "suspend": spec}):
        one = obj(entry.key.kind, body, {"conditions": status, "jobState": spec}, api_version=f"{entry.key.group}/v1")
        assert observe(one, catalogue=catalogue).workload.phase in Phase
        assert observe(one, pod(), catalogue=catalogue).workload.phase in Phase
    assert observe(top, catalogue=catalogue).workload.phase in Phase
