"""Event objects as both API groups write them, and as nobody should."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.events import MESSAGE_BYTES, InvolvedObject, KubernetesEvent, read_event

CREATED = "2026-03-01T12:00:00Z"
LATER = "2026-03-01T12:30:00Z"

INVOLVED = {"kind": "Pod", "namespace": "lab", "name": "train-0", "uid": "u-1", "apiVersion": "v1"}


def an_event(**fields: Any) -> dict[str, Any]:
    """An Event as the kubelet writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "train-0.17", "namespace": "lab", "uid": "e-1", "creationTimestamp": CREATED},
        "involvedObject": INVOLVED,
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off restarting failed container",
        "source": {"component": "kubelet", "host": "gpu-1"},
        "reportingComponent": "kubelet",
        "firstTimestamp": CREATED,
        "lastTimestamp": LATER,
        "count": 7,
        **fields,
    }


def test_an_event_that_was_counted_in_place() -> None:
    assert read_event(an_event()) == KubernetesEvent(
        uid="e-1",
        created_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        count=7,
        type="Warning",
        reason="BackOff",
        message="Back-off restarting failed container",
        source="kubelet",
        involved=InvolvedObject(uid="u-1", kind="Pod", namespace="lab", name="train-0"),
    )


NEW = {"source": {}, "reportingComponent": "default-scheduler", "firstTimestamp": None, "lastTimestamp": None}


@pytest.mark.parametrize(
    ("fields", "at", "count", "source"),
    [
        pytest.param(
            {**NEW, "count": None, "eventTime": "2026-03-01T12:00:00.5Z"},
            datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC),
            1,
            "default-scheduler",
            id="of the new API",
        ),
        pytest.param(
            {**NEW, "eventTime": CREATED, "series": {"count": 4, "lastObservedTime": LATER}},
            datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
            4,
            "default-scheduler",
            id="of the new API, again",
        ),
        pytest.param(
            {"source": None, "reportingComponent": "", "firstTimestamp": "", "lastTimestamp": 3, "count": -1},
            datetime(2026, 3, 1, 12, tzinfo=UTC),
            1,
            None,
            id="with nothing but its creation",
        ),
    ],
)
def test_instants_counts_and_sources_of_both_apis(
    fields: dict[str, Any], at: datetime, count: int, source: str | None
) -> None:
    event = read_event(an_event(**fields))
    assert event is not None
    assert (event.at, event.count, event.source) == (at, count, source)


@pytest.mark.parametrize("kind", ["Normal", None, "", "Error", 3])
def test_what_is_no_warning_is_normal(kind: Any) -> None:
    event = read_event(an_event(type=kind))
    assert event is not None
    assert event.type == "Normal"


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"name": "e", "creationTimestamp": CREATED}},
        {"involvedObject": {**INVOLVED, "uid": ""}},
        {"involvedObject": "pod"},
        {"metadata": {"uid": "e-1"}, "firstTimestamp": None},
    ],
)
def test_what_is_about_nothing_or_at_no_instant_is_none(fields: dict[str, Any]) -> None:
    assert read_event(an_event(**fields)) is None


def test_a_message_is_short_and_can_be_stored() -> None:
    for text in ("x" * 100_000, "\U0001f4a5" * 5_000, "a\x00b\ud800c"):
        event = read_event(an_event(message=text, reason=text))
        assert event is not None
        assert len(event.message.encode()) <= MESSAGE_BYTES
        assert "\x00" not in event.message + (event.reason or "")
    event = read_event(an_event(message="m" * MESSAGE_BYTES))
    assert event is not None
    assert event.message == "m" * MESSAGE_BYTES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(an_event())), JSON, max_size=6))
def test_any_json_is_read_or_left(fields: dict[str, Any]) -> None:
    event = read_event(an_event(**fields))
    if event is not None:
        assert json.dumps([event.message, event.reason, event.source])
        assert event.count >= 1
