"""Bad input from end to end: one record each, the best phase that can be had, the problem in its message."""

import pytest
from support.observed import API_VERSIONS, CREATED, NOW, SETTINGS, condition, obj, observe, pod, template

from rollcall.domain.derivation import derive
from rollcall.domain.facts import WorkloadView
from rollcall.domain.messages import MESSAGE_BYTES
from rollcall.domain.reading import read_object, read_pod
from rollcall.domain.records import Phase, Remembered
from rollcall.store.pod_rows import pod_row
from rollcall.store.rows import workload_row

KINDS = tuple(kind for kind in API_VERSIONS if kind != "Pod")
SERVING = {
    "observedGeneration": 1,
    "replicas": 2,
    "updatedReplicas": 2,
    "availableReplicas": 2,
    "readyReplicas": 2,
}
RAN = {"startTime": "2026-03-01T11:00:00Z", "active": 1, "ready": 1}


def read(kind, **body):
    """An object exactly as given, without the builder's care."""
    metadata = {"uid": "u", "name": "w", "namespace": "runai-team-a", "creationTimestamp": "2026-03-01T11:00:00Z"}
    found = read_object(
        {"apiVersion": API_VERSIONS.get(kind, "example.com/v1"), "kind": kind, "metadata": metadata} | body
    )
    assert found is not None
    return found


def derived(top, *pods, **view):
    """The record, which can be written whatever it was made of."""
    found = observe(top, *pods, **view)
    row = workload_row(found.workload, observed_at=NOW)
    assert repr(row).encode("utf-8", "strict")
    assert all(repr(pod_row(one)).encode("utf-8", "strict") for one in found.pods)
    assert len((found.workload.phase_message or "").encode()) <= MESSAGE_BYTES
    return found.workload


@pytest.mark.parametrize("kind", [*KINDS, "Thing"])
@pytest.mark.parametrize(
    "body", [{}, {"spec": None, "status": None}, {"spec": [], "status": "x"}, {"spec": {}, "status": {}}]
)
def test_null_spec_and_status(kind, body):
    alone = derived(read(kind, **body))
    assert alone.phase in (Phase.CREATING, Phase.PENDING, Phase.UNKNOWN)
    assert alone.phase_message
    assert derived(read(kind, **body), pod()).phase is Phase.RUNNING, "the pods know better"


ABSURD = [-1, "three", 2**40, 1.5, True, [1], {"a": 1}, float("nan")]


@pytest.mark.parametrize("absurd", ABSURD, ids=[str(value) for value in ABSURD])
@pytest.mark.parametrize(
    ("kind", "spec", "status"),
    [
        ("Deployment", lambda n: {"replicas": n, "template": template()}, SERVING),
        ("StatefulSet", lambda n: {"replicas": n, "template": template()}, SERVING),
        ("ReplicaSet", lambda n: {"replicas": n, "template": template()}, SERVING),
        ("Job", lambda n: {"parallelism": n, "template": template()}, RAN),
        ("Job", lambda n: {"completions": n, "template": template()}, RAN),
        (
            "PyTorchJob",
            lambda n: {"pytorchReplicaSpecs": {"Worker": {"replicas": n, "template": template()}}},
            {"replicaStatuses": {"Worker": {"active": 2}}, "conditions": [condition("Created")]},
        ),
    ],
    ids=["Deployment", "StatefulSet", "ReplicaSet", "Job parallelism", "Job completions", "PyTorchJob"],
)
def test_absurd_numbers_of_replicas(kind, spec, status, absurd):
    alone = derived(obj(kind, spec(absurd), status))
    assert alone.phase is Phase.UNKNOWN
    assert "is no count" in (alone.phase_message or "")
    assert alone.workload_requested is None
    with_pods = derived(obj(kind, spec(absurd), status), pod("w-0"), pod("w-1"))
    assert with_pods.phase is Phase.RUNNING
    assert "is no count" in (with_pods.phase_message or "")
    assert with_pods.allocated.gpu_micros == 2_000_000


def test_the_largest_number_of_replicas_is_still_exact():
    record = derived(obj("Deployment", {"replicas": 2**31 - 1, "template": template(gpus=8)}))
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == (2**31 - 1) * 8_000_000


@pytest.mark.parametrize("quantity", ["two", "", "1gb", "-1", None, [], True])
def test_quantities_that_do_not_parse(quantity):
    resources = {"requests": {"nvidia.com/gpu": quantity, "cpu": "1"}}
    spec = {"containers": [{"name": "main", "resources": resources}]}
    whole = obj("Deployment", {"replicas": 1, "template": {"spec": spec}}, SERVING | {"replicas": 1})
    record = derived(whole, pod(spec=spec))
    assert record.phase is Phase.RUNNING
    assert (record.allocated.gpu_micros, record.allocated.cpu_millis) == (0, 1000)
    assert "nvidia.com/gpu" in (record.phase_message or "")
    assert "is no quantity" in (record.phase_message or "")
    bare = derived(None, pod(spec=spec))
    assert bare.phase is Phase.RUNNING
    assert "is no quantity" in (bare.phase_message or "")


def test_a_thousand_conditions_are_read_and_named_and_not_published():
    many = [{"type": f"C{number}", "status": "True"} for number in range(999)]
    status = {"startTime": "2026-03-01T11:00:00Z", "conditions": [*many, condition("Complete")]}
    record = derived(obj("Job", {"template": template()}, status))
    assert record.phase is Phase.COMPLETED, "the one that counts is the last"
    assert "1000 conditions" in (record.phase_message or "")
    assert len(record.conditions) < 150


ODD = {
    "lone surrogates": {"a\ud800": "b\udfff", "project": "\ud800"},
    "NUL": {"a\x00": "b\x00", "project": "p\x00"},
    "no strings": {1: 2, "project": ["x"], "b": None},
    "endless": {"x" * 100_000: "y" * 100_000, "project": "z" * 100_000},
    "right to left and beyond the plane": {"\u202e": "\U0001f600", "project": "עברית"},
}


@pytest.mark.parametrize("labels", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", ["Deployment", "Thing"])
def test_odd_names_in_labels(kind, labels):
    top = obj(
        kind, {"replicas": 1, "template": template()}, SERVING | {"replicas": 1}, labels=labels, annotations=labels
    )
    record = derived(top, pod(labels=labels, annotations=labels))
    assert record.phase is Phase.RUNNING
    assert record.project_id
    assert len(record.project_id) <= 1024


@pytest.mark.parametrize("text", ["\ud800", "\x00", "x" * 100_000, "\U0001f600" * 50_000])
def test_odd_text_in_every_field_that_is_published(text):
    spec = {
        "nodeName": text,
        "priorityClassName": text,
        "schedulerName": text,
        "nodeSelector": {"kai.scheduler/node-pool": text},
        "containers": [
            {"name": text, "image": text, "command": [text], "args": [text], "resources": {"requests": {text: "1"}}}
        ],
    }
    waiting = {"waiting": {"reason": text, "message": text}}
    status = {
        "phase": text,
        "reason": text,
        "message": text,
        "conditions": [{"type": text, "status": text, "reason": text, "message": text}],
        "containerStatuses": [{"name": text, "state": waiting}],
    }
    metadata = {"uid": "p", "name": text, "namespace": text, "labels": {"project": text}, "annotations": {"user": text}}
    one = read_pod({"apiVersion": text, "kind": text, "metadata": metadata, "spec": spec, "status": status})
    top = read("Thing", spec={"template": {"spec": spec, "metadata": metadata}}, status={**status, "state": text})
    assert one is not None
    derived(top, one)
    derived(top)
    derived(None, one)


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "soon", "", 7, {}])
@pytest.mark.parametrize("state", ["ready", "image", "unscheduled", "releasing"])
def test_absurd_instants_anywhere(instant, state):
    one = pod(state=state, creationTimestamp=instant)
    waiting = read_pod(
        {
            "metadata": {"uid": "p", "name": "p", "creationTimestamp": instant},
            "spec": {"nodeName": "gpu-1", "containers": [{"name": "main"}]},
            "status": {
                "phase": "Pending",
                "startTime": instant,
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": instant}],
                "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ErrImagePull"}}}],
            },
        }
    )
    assert waiting is not None
    conditions = [condition("Ready") | {"lastTransitionTime": instant}]
    for kind in (*KINDS, "Thing"):
        metadata = {"creationTimestamp": instant, "deletionTimestamp": None}
        status = {"conditions": conditions, "startTime": instant, "completionTime": instant}
        top = obj(kind, {"template": template()}, {**status, "lastScheduleTime": instant}, **metadata)
        for pods in ((), (one,), (waiting,)):
            record = derived(top, *pods)
            assert record.created_at.tzinfo is not None
    assert derived(None, waiting).created_at <= NOW.replace(year=9999)


@pytest.mark.parametrize("kind", ["Thing", "", "Unknown"])
def test_an_owner_of_an_unknown_kind_is_a_workload_by_its_pods(kind):
    owner = read(kind, metadata={"uid": "o", "name": "owner", "namespace": "ns"}).meta
    running = derived(None, pod("w-0", owner=None), reference=owner)
    assert (running.phase, running.uid, running.name) == (Phase.RUNNING, "o", "owner")
    pending = derived(None, pod("w-0", "unscheduled"), reference=owner)
    assert pending.phase is Phase.PENDING
    assert "Insufficient" in (pending.phase_message or "")
    nobody = derived(None, reference=owner)
    assert nobody.phase is Phase.UNKNOWN
    assert "could not be read" in (nobody.phase_message or "")


def test_the_odd_metadata_of_an_object_and_of_its_pods_is_named():
    one = read_pod({"metadata": {"uid": "p", "creationTimestamp": "x"}, "spec": {}, "status": {}})
    assert one is not None
    top = read("Deployment", metadata={"uid": "u", "name": "w", "creationTimestamp": "yesterday"})
    record = derived(top, one)
    assert "its creationTimestamp is no instant" in record.problems
    assert "pod : it has no name" in record.problems
    assert all(problem in (record.phase_message or "") for problem in record.problems)


def test_a_flood_of_problems_is_bounded():
    pods = [
        read_pod({"metadata": {"uid": f"p{number}", "name": f"p{number}", "creationTimestamp": "x" * 5000}})
        for number in range(500)
    ]
    record = derived(obj("Deployment", {"template": template()}), *[one for one in pods if one is not None])
    assert len(record.problems) <= 20
    assert len(pods) == 500


def test_one_record_for_each_of_the_same_pod_given_twice_and_none_raised():
    """A pod cannot be there twice; a caller that says so still gets its answer."""
    one = pod()
    record = derive(
        WorkloadView(top=obj("Deployment", {"replicas": 1, "template": template()}), pods=(one, one)),
        now=NOW,
        remembered=Remembered(running_since=CREATED),
        remembered_pods={},
        settings=SETTINGS,
    ).workload
    assert record.phase in Phase
