"""Kubernetes events in the store: written once each, found by their workload, read page by page beside its phases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_pod, a_workload, an_event, uid_of

from rollcall.domain.events import KubernetesEvent
from rollcall.domain.records import Phase
from rollcall.store.event_pages import (
    EventPage,
    EventQuery,
    PhaseChange,
    events_statement,
    history_statement,
    workload_events,
    workload_history,
)
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall.store.memory import touch_cluster
from rollcall.store.pages import EVERYTHING, Scope
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.retention import make_partitions
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

CLUSTER = "c1"
MINUTE = timedelta(minutes=1)
LATER = START + timedelta(days=1)


async def put(engine: AsyncEngine, *events: KubernetesEvent, workload: str | None = "train") -> int:
    owner = None if workload is None else uid_of(workload)
    async with engine.begin() as connection:
        owned = [OwnedEvent(event=event, workload_uid=owner) for event in events]
        return await write_events(connection, CLUSTER, owned, observed_at=LATER)


async def batch(engine: AsyncEngine, written: Batch, *, at: datetime = START) -> None:
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, written, observed_at=at)


def asking(name: str = "train", **query: Any) -> EventQuery:
    return EventQuery(workload_uid=uid_of(name), **{"scope": EVERYTHING, **query})


async def events_of(engine: AsyncEngine, query: EventQuery) -> EventPage[KubernetesEvent] | None:
    async with engine.connect() as connection:
        return await workload_events(connection, query)


async def messages(engine: AsyncEngine, name: str = "train") -> list[str]:
    found = await events_of(engine, asking(name))
    assert found is not None
    return [event.message for event in found.entries]


async def test_an_event_comes_back_as_it_was_written(engine: AsyncEngine) -> None:
    await batch(engine, Batch(workloads=(a_workload(),)))
    whole = an_event("whole", at=START + MINUTE, count=3, type="Warning")
    bare = an_event("bare", reason=None, source=None, message="")
    odd = an_event("odd", message="a\x00b\ud800 \U0001f4a5 '")
    assert await put(engine, whole, bare, odd) == 3
    found = await events_of(engine, asking())
    assert found is not None
    assert (found.cluster_id, found.has_more) == (CLUSTER, False)
    assert found.entries[0] == whole
    assert set(found.entries[1:]) == {bare, replace(odd, message="a\ufffdb? \U0001f4a5 '")}


async def test_the_same_event_again_grows_and_an_older_look_loses(engine: AsyncEngine) -> None:
    await batch(engine, Batch(workloads=(a_workload(),)))
    first = an_event(message="once")
    again = replace(first, at=START + MINUTE, count=2, message="twice")
    for event in (again, first, again):
        await put(engine, event)
    found = await events_of(engine, asking())
    assert found is not None
    assert found.entries == (again,)


async def test_an_event_of_a_clock_that_is_ahead_is_of_now(engine: AsyncEngine) -> None:
    await batch(engine, Batch(workloads=(a_workload(),)))
    await put(engine, an_event(at=datetime(2999, 1, 1, tzinfo=UTC)))
    found = await events_of(engine, asking())
    assert found is not None
    assert found.entries[0].at == LATER


async def test_rows_tell_whose_an_object_was(engine: AsyncEngine) -> None:
    """Of what is there and of what is gone; what no row knows is nobody's, and left out."""
    gone = Gone(uid=uid_of("old"), observed_version=99, at=START, seen=DeletionSeen.EXACT)
    gone_pod = replace(gone, uid=uid_of("old-0"))
    records = (a_workload(), a_workload("old"))
    pods = (a_pod(), a_pod("old-0", workload="old"))
    await batch(engine, Batch(workloads=records, pods=pods, gone_workloads=(gone,), gone_pods=(gone_pod,)))
    about = {"train-0": "of a pod", "train": "of a top", "old-0": "of a gone pod", "old": "of a gone top", "x": "no"}
    events = [an_event(message, pod=name, message=message) for name, message in about.items()]
    assert await put(engine, *events, workload=None) == 4
    assert set(await messages(engine)) == {"of a pod", "of a top"}
    assert set(await messages(engine, "old")) == {"of a gone pod", "of a gone top"}


async def test_pages_are_in_a_total_order_both_ways(engine: AsyncEngine) -> None:
    await batch(engine, Batch(workloads=(a_workload(), a_workload("other"))))
    events = [an_event(f"e-{number}", at=START + (number // 3) * MINUTE) for number in range(10)]
    await put(engine, *events)
    await put(engine, an_event("other"), workload="other")
    ordered = sorted(events, key=lambda event: (event.at, event.uid))
    for descending in (True, False):
        wanted = ordered[::-1] if descending else ordered
        read: list[KubernetesEvent] = []
        for offset in range(0, 12, 4):
            page = await events_of(engine, asking(offset=offset, limit=4, descending=descending))
            assert page is not None
            assert page.has_more == (offset + 4 < len(events))
            read += page.entries
        assert read == wanted
    beyond = await events_of(engine, asking(offset=2**31 - 1, limit=500))
    assert beyond is not None
    assert (beyond.entries, beyond.has_more) == ((), False)


@pytest.mark.parametrize("read", [workload_events, workload_history], ids=["events", "history"])
async def test_whoever_may_not_see_the_workload_is_told_nothing(engine: AsyncEngine, read: Any) -> None:
    await batch(engine, Batch(workloads=(a_workload(),)))
    await put(engine, an_event())
    async with engine.connect() as connection:
        for scope, is_there in (
            (EVERYTHING, True),
            (Scope(namespaces=frozenset({"runai-team-a", "b"})), True),
            (Scope(namespaces=frozenset({"b"})), False),
        ):
            assert (await read(connection, asking(scope=scope)) is not None) == is_there
        assert await read(connection, asking("nobody")) is None


async def test_history_is_phases_and_events_together_the_newest_first(engine: AsyncEngine) -> None:
    await batch(engine, Batch(workloads=(a_workload(),)))
    await put(engine, an_event("scheduled", at=START + MINUTE), an_event("started", at=START + 3 * MINUTE))
    running = a_workload(phase=Phase.RUNNING, phase_message=None, observed_version=11)
    await batch(engine, Batch(workloads=(running,)), at=START + 2 * MINUTE)
    # At one instant with the phase before: the later in a life is the newer.
    completed = replace(running, phase=Phase.COMPLETED, observed_version=12, completed_at=START + 2 * MINUTE)
    gone = Gone(uid=running.uid, observed_version=99, at=START + 5 * MINUTE, seen=DeletionSeen.EXACT)
    await batch(engine, Batch(workloads=(completed,), gone_workloads=(gone,)), at=START + 4 * MINUTE)
    async with engine.begin() as connection:
        await touch_cluster(connection, cluster_id=CLUSTER, name="n", watches_observed_at=LATER)
    wanted = ["Started container started", Phase.COMPLETED, Phase.RUNNING, "Started container scheduled", Phase.PENDING]
    said: list[Any] = []
    async with engine.connect() as connection:
        for offset in range(len(wanted)):
            page = await workload_history(connection, asking(offset=offset, limit=1))
            assert page is not None
            assert page.has_more == (offset < len(wanted) - 1)
            assert page.observed_at == LATER
            said += [one.phase if isinstance(one, PhaseChange) else one.message for one in page.entries]
        beyond = await workload_history(connection, asking(offset=9))
    assert said == wanted
    assert beyond is not None
    assert beyond.entries == ()


WORKLOADS = 300
EACH = 30


async def test_pages_read_no_more_than_their_own(engine: AsyncEngine) -> None:
    """By the index, over every day: of the thousands of others not a row."""
    days = [START + timedelta(days=number) for number in range(4)]
    names = [f"w-{number}" for number in range(WORKLOADS)]
    records = tuple(a_workload(name) for name in names)
    await batch(engine, Batch(workloads=records))
    async with engine.begin() as connection:
        for day in days:
            await make_partitions(connection, now=day)
        owned = [
            OwnedEvent(
                event=an_event(f"{name}-{number}", created_at=day, at=day + number * MINUTE, pod=name),
                workload_uid=uid_of(name),
            )
            for name in names
            for number in range(EACH)
            for day in (days[number % len(days)],)
        ]
        await write_events(connection, CLUSTER, owned, observed_at=days[-1] + LATER.resolution)
        for number in range(1, 20):
            phase = Phase.RUNNING if number % 2 else Phase.PENDING
            changed = tuple(replace(record, phase=phase, observed_version=20 + number) for record in records)
            await write_batch(connection, CLUSTER, Batch(workloads=changed), observed_at=START + number * MINUTE)
    async with engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE"))
    for statement, most in (
        (events_statement(asking("w-7", limit=10)), 11 + len(days)),
        (events_statement(asking("w-7", limit=10, descending=False)), 11 + len(days)),
        (history_statement(asking("w-7", limit=10)), 2 * (11 + len(days))),
    ):
        found = await plan(engine, statement)
        reads = [node for node in found if "Relation Name" in node and touched(node)]
        history = [one for one in reads if one["Relation Name"].startswith(("events", "phase_changes"))]
        assert history
        assert {one["Node Type"] for one in history} <= {"Index Scan", "Index Only Scan"}
        assert sum(touched(one) for one in history) <= most
        assert "Seq Scan" not in {one["Node Type"] for one in reads if "workloads" in one["Relation Name"]}


async def plan(engine: AsyncEngine, statement: Select[Any]) -> list[dict[str, Any]]:
    """The nodes of how PostgreSQL answered."""
    compiled = statement.compile(dialect=engine.dialect)
    async with engine.connect() as connection:
        asked = "EXPLAIN (ANALYZE, FORMAT JSON) " + compiled.string
        found = (await connection.exec_driver_sql(asked, compiled.params)).scalar_one()
    nodes, waiting = [], [found[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", ())
    return nodes


def touched(node: dict[str, Any]) -> int:
    """The rows that it read at all."""
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
