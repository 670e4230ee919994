"""The readers are total: any JSON reads without raising, and everything that comes out can be said and stored."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.observed import SETTINGS

from rollcall.domain.node_reading import read_node
from rollcall.domain.reading import (
    MOST_CONDITIONS,
    MOST_LABELS,
    MOST_TEXT,
    clean_text,
    read_conditions,
    read_instant,
    read_meta,
    read_namespace,
    read_object,
    read_pod,
)

QUICK = settings(max_examples=300)

# Lone surrogates and NUL too: JSON can write them, UTF-8 and PostgreSQL cannot.
TEXT = st.text(st.characters(), max_size=6) | st.sampled_from(
    ["\x00", "\ud800", "a\udfffb", "2026-03-01T11:00:00Z", "1"]
)
KEYS = (
    st.sampled_from(
        [
            "metadata",
            "spec",
            "status",
            "uid",
            "name",
            "namespace",
            "labels",
            "annotations",
            "ownerReferences",
            "kind",
            "apiVersion",
            "controller",
            "containers",
            "initContainers",
            "containerStatuses",
            "resources",
            "requests",
            "limits",
            "cpu",
            "memory",
            "nvidia.com/gpu",
            "overhead",
            "conditions",
            "type",
            "reason",
            "message",
            "lastTransitionTime",
            "state",
            "waiting",
            "terminated",
            "running",
            "lastState",
            "exitCode",
            "restartCount",
            "ready",
            "env",
            "value",
            "image",
            "command",
            "args",
            "nodeName",
            "schedulingGates",
            "nodeSelector",
            "affinity",
            "nodeAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "nodeSelectorTerms",
            "matchExpressions",
            "key",
            "operator",
            "values",
            "kai.scheduler/node-pool",
            "kai.scheduler/node-pools",
            "gpu-fraction",
            "finalizers",
            "generation",
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "startTime",
            "phase",
            "allocatable",
            "priority",
            "template",
        ]
    )
    | TEXT
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=40
)


def texts_in(value):
    """Every string in facts, however deep."""
    if isinstance(value, Enum):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts_in(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts_in(getattr(value, field.name))


def instants_in(value):
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from instants_in(inner)
    elif is_dataclass(value):
        for field in fields(value):
            yield from instants_in(getattr(value, field.name))


def read_by_all(obj):
    return [
        read_meta(obj),
        read_object(obj),
        read_pod(obj, SETTINGS),
        read_node(obj, SETTINGS),
        read_namespace(obj, SETTINGS),
    ]


@QUICK
@given(JSON)
@example([])
@example("text")
@example(None)
@example({"metadata": []})
def test_garbage_is_read_without_raising(obj):
    read_by_all(obj)


@QUICK
@given(st.dictionaries(KEYS, JSON, max_size=4), st.dictionaries(KEYS, JSON, max_size=6), TEXT)
@example({"spec": {"containers": [{"resources": {"requests": {"a/\ud800": "1"}}}]}}, {}, "u")
@example({"spec": {"nodeSelector": {"kai.scheduler/node-pool": "\ud800"}}}, {}, "u")
@example({"spec": {"\ud800": {"\x00": 1}}, "apiVersion": "\ud800/v1"}, {}, "u")
def test_what_was_read_of_anything_can_be_said_and_stored(obj, metadata, uid):
    found = read_by_all(obj | {"metadata": metadata | {"uid": uid or "u"}})
    assert None not in found
    for facts in found:
        for text in texts_in(facts):
            assert "\x00" not in text
            text.encode("utf-8")
        assert all(instant.tzinfo is not None for instant in instants_in(facts))


def test_without_a_uid_there_is_nothing_to_keep():
    for uid in (None, "", 7, []):
        assert read_by_all({"metadata": {"uid": uid, "name": "w"}}) == [None] * 5


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({}, "it has no name"),
        ({"name": 7}, "it has no name"),
        ({"name": "w", "creationTimestamp": "yesterday"}, "its creationTimestamp is no instant"),
        ({"name": "w", "creationTimestamp": 1}, "its creationTimestamp is no instant"),
    ],
)
def test_what_is_odd_is_named(metadata, problem):
    found = read_meta({"metadata": {"uid": "u"} | metadata})
    assert found is not None
    assert found.problems == (problem,)


def test_deletion_asked_for_at_an_unreadable_instant_is_still_asked_for():
    found = read_meta({"metadata": {"uid": "u", "name": "w", "deletionTimestamp": "soon"}})
    assert found is not None
    assert found.deletion_at is not None


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a?b"),
        ("é\U0001f600", "é\U0001f600"),
        ("", ""),
        (None, None),
        (7, None),
        (b"x", None),
        ("x" * MOST_TEXT, "x" * MOST_TEXT),
        ("x" * (MOST_TEXT + 1), "x" * (MOST_TEXT - 1) + "…"),
    ],
)
def test_text_is_made_safe_and_cut(text, cleaned):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00.123456Z", datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T14:00:00+02:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)),  # YAML reads them as such
        ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None),  # Go's zero time
        ("9999-12-31T23:59:59-14:00", None),
        ("9999-12-31T23:59:59Z", None),  # a grace period after it would have no date
        ("2026-13-01T12:00:00Z", None),
        ("", None),
        (1772366400, None),
    ],
)
def test_instants(value, instant):
    assert read_instant(value) == instant


def test_environment_values_and_managed_fields_are_not_kept():
    secret = "hunter2"
    container = {"name": "main", "env": [{"name": "TOKEN", "value": secret}], "image": "x"}
    obj = {
        "metadata": {
            "uid": "u",
            "name": "w",
            "managedFields": [{"x": secret}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"x": secret})},
        },
        "spec": {"template": {"spec": {"containers": [container]}}, "containers": [container]},
    }
    for found in read_by_all(obj):
        assert secret not in repr(found)
    facts = read_object(obj)
    assert facts is not None
    assert facts.spec["template"]["spec"]["containers"][0]["env"] == [{"name": "TOKEN"}]


def test_there_is_a_bound_to_everything_that_is_kept():
    many = {f"label-{number}": "x" * 5000 for number in range(1000)}
    conditions = [{"type": f"C{number}", "status": "True"} for number in range(5000)]
    obj = {
        "metadata": {"uid": "u", "name": "w", "labels": many, "finalizers": list(many)},
        "status": {"conditions": conditions},
    }
    found = read_object(obj)
    assert found is not None
    assert len(found.meta.labels) == len(found.meta.finalizers) == MOST_LABELS
    assert max(map(len, found.meta.labels.values())) == MOST_TEXT
    assert len(found.status["conditions"]) == len(read_conditions(obj["status"])) == MOST_CONDITIONS
    assert found.status["conditions"][-1] == conditions[-1], "the newest are at the end"
    assert found.meta.problems == ("it has 5000 conditions",)


def test_an_absurdly_deep_object_is_cut():
    deep = {}
    for _ in range(500):
        deep = {"deeper": deep}
    found = read_object({"metadata": {"uid": "u", "name": "w"}, "spec": deep})
    assert found is not None
    assert len(json.dumps(found.spec)) < 2000


def test_the_owners_that_lack_a_uid_a_kind_or_a_name_are_left_out():
    references = [
        {"uid": "1", "kind": "Job", "name": "a", "apiVersion": "batch/v1", "controller": True},
        {"uid": "2", "kind": "Job"},
        {"uid": "", "kind": "Job", "name": "a"},
        {"uid": "4", "kind": "Job", "name": "d", "controller": "true"},
        "nonsense",
        None,
    ]
    found = read_meta({"metadata": {"uid": "u", "name": "w", "ownerReferences": references}})
    assert found is not None
    assert [(owner.uid, owner.controller) for owner in found.owners] == [("1", True), ("4", False)]


@pytest.mark.parametrize(
    ("value", "version"), [("12", 12), (12, 0), ("x", 0), ("-1", 0), ("1" * 30, 0), ("\uff11", 0), (None, 0), ("", 0)]
)
def test_a_resource_version_is_an_integer_or_nothing(value, version):
    found = read_meta({"metadata": {"uid": "u", "name": "w", "resourceVersion": value}})
    assert found is not None
    assert found.resource_version == version


def test_a_node_without_a_ready_condition_is_not_ready():
    node = {"metadata": {"uid": "n", "name": "n"}, "status": {"allocatable": {"nvidia.com/gpu": "8", "cpu": "x"}}}
    found = read_node(node, SETTINGS)
    assert found is not None
    assert (found.ready, found.allocatable.gpu_micros, found.allocatable.cpu_millis) == (False, 8_000_000, 0)


def test_reading_a_large_pod_stays_quick():
    """A hundred thousand of them are read at a start: this bound is very generous, and quadratic is far above it."""
    containers = [
        {"name": f"c{number}", "image": "x", "resources": {"requests": {"cpu": "1"}}} for number in range(2000)
    ]
    statuses = [{"name": f"c{number}", "ready": True, "state": {"running": {}}} for number in range(2000)]
    pod = {
        "metadata": {"uid": "p", "name": "p"},
        "spec": {"containers": containers},
        "status": {"containerStatuses": statuses},
    }
    started = datetime.now(UTC)
    assert read_pod(pod) is not None
    assert datetime.now(UTC) - started < timedelta(seconds=2)
