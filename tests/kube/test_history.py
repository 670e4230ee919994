"""The history: what a selection sees of changes, in which order, and when nothing can be told any more."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from support.workload_builders import START, a_workload

from rollcall.domain.records import Phase
from rollcall.store.objects import Attribute, ObjectFacts, ObjectSelection, Requirement, facts_of
from rollcall.store.records import DeletionSeen, StoredWorkload
from rollcall_api.kube.history import EventType, History, TraceLostError
from rollcall_api.kube.statuses import StatusError

EVERYTHING = ObjectSelection(cluster_id="c")
PENDING = replace(EVERYTHING, requirements=(Requirement(Attribute.PHASE, frozenset({"Pending"})),))


def a_row(
    name: str, version: int, phase: Phase = Phase.PENDING, *, gone: bool = False, uid: str = ""
) -> StoredWorkload:
    record = a_workload(name, phase=phase)
    return StoredWorkload(
        record=replace(record, uid=uid or record.uid),
        cluster_id="c",
        phase_updated_at=START,
        k8s_phase_updated_at=START,
        updated_at=START,
        deleted_at=START + timedelta(minutes=1) if gone else None,
        deletion_seen=DeletionSeen.EXACT if gone else None,
        pending_seconds=0,
        running_seconds=0,
        changed_version=version,
    )


def live(*rows: StoredWorkload) -> Mapping[str, ObjectFacts]:
    return {row.record.uid: facts_of(row) for row in rows}


def take(history: History, upto: int, *rows: StoredWorkload) -> None:
    history.take(upto, [row.record.uid for row in rows], rows)


def seen(history: History, after: int, selection: ObjectSelection = EVERYTHING) -> list[tuple[int, str, EventType]]:
    found = [(one.version, one.stored.record.name, one.seen_by(selection)) for one in history.after(after)]
    return [(version, name, kind) for version, name, kind in found if kind is not None]


def test_changes_stand_in_the_order_of_versions_and_each_once() -> None:
    history = History(5, live(a_row("b", 3)))
    take(history, 8, a_row("b", 8, Phase.RUNNING), a_row("a", 7))
    take(history, 8, a_row("b", 8, Phase.RUNNING))
    take(history, 9, a_row("a", 9, gone=True))
    assert seen(history, 5) == [(7, "a", EventType.ADDED), (8, "b", EventType.MODIFIED), (9, "a", EventType.DELETED)]
    assert seen(history, 7) == seen(history, 5)[1:]
    assert seen(history, 9) == []
    assert seen(history, 5, PENDING) == [
        (7, "a", EventType.ADDED),
        (8, "b", EventType.DELETED),
        (9, "a", EventType.DELETED),
    ]


def test_what_is_newer_than_what_was_spoken_of_waits_for_its_turn() -> None:
    history = History(5, {})
    take(history, 6, a_row("a", 9))
    assert seen(history, 5) == []
    take(history, 9, a_row("a", 9))
    assert seen(history, 5) == [(9, "a", EventType.ADDED)]


def test_a_name_that_comes_again_is_changed_and_not_gone() -> None:
    history = History(5, live(a_row("a", 3, uid="old")))
    take(history, 6, a_row("a", 6, uid="new"))
    take(history, 7, a_row("a", 7, uid="old", gone=True))
    assert seen(history, 5) == [(6, "a", EventType.MODIFIED)]


@pytest.mark.parametrize("version", [0, 4])
def test_what_is_older_than_the_history_is_gone(version: int) -> None:
    with pytest.raises(StatusError) as refused:
        History(5, {}).after(version)
    assert (refused.value.body["code"], refused.value.body["reason"]) == (410, "Expired")


def test_so_many_changes_are_kept_and_so_many_handed_out() -> None:
    history = History(0, {}, most=10)
    for version in range(1, 31):
        take(history, version, a_row(f"n-{version:02}", version))
    with pytest.raises(StatusError):
        history.after(19)
    assert [change.version for change in history.after(20)] == list(range(21, 31))
    assert [change.version for change in history.after(20, most=3)] == [21, 22, 23]


def test_what_is_gone_without_a_trace_ends_the_history() -> None:
    row = a_row("a", 3)
    history = History(5, live(row))
    assert history.differing({}) == [row.record.uid]
    with pytest.raises(TraceLostError):
        history.take(6, [row.record.uid], [])
