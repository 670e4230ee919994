"""Pages: a total order for every sort key, nulls last, each row once, nothing outside the caller's scope."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support.workload_builders import START, a_project, a_request, a_workload, uid_of

from rollcall.domain.records import Category, Phase, WorkloadRecord
from rollcall.store.fields import Field
from rollcall.store.memory import touch_cluster
from rollcall.store.pages import (
    EVERYTHING,
    PageQuery,
    Scope,
    Selection,
    freshest,
    known_namespaces,
    workload_by_id,
    workload_count,
    workload_page,
)
from rollcall.store.places import write_projects
from rollcall.store.records import Batch, DeletionSeen, Gone, StoredWorkload
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

NAMES = ("a", "B", "b", "é", "z-1", "z", "ab", "\U0001f600")
PHASES = tuple(Phase)


def varied(number: int, name: str = "w") -> WorkloadRecord:
    """A workload that ties with others in everything but its uid, and lacks what may be lacking."""
    return a_workload(
        NAMES[number % 8],
        uid=uid_of(f"{name}{number}"),
        type=("Job", "Deployment")[number % 2],
        category=tuple(Category)[number % 3],
        namespace=f"runai-team-{'abc'[number % 3]}",
        project_id=f"team-{'abc'[number % 3]}",
        project_name=f"team-{'abc'[number % 3]}",
        department_id=f"dept-{number % 2}",
        created_at=START + timedelta(seconds=number % 7),
        completed_at=None if number % 3 else START + timedelta(minutes=number % 5),
        phase=PHASES[number % len(PHASES)],
        priority=None if number % 4 else number % 3,
        submitted_by=None if number % 3 else f"user-{number % 2}",
        distributed_framework="PyTorch" if number % 5 == 0 else None,
        current_node_pools=() if number % 2 else (f"pool-{number % 3}", "another"),
        allocated=a_request(number % 4).requests,
        priority_class_name=("train", "inference")[number % 2],
    )


async def fill(engine: AsyncEngine, live: int = 40, deleted: int = 40) -> None:
    """Live and deleted rows of two clusters."""
    for half, cluster_id in enumerate(("c2", "c1")):
        kept = tuple(varied(number) for number in range(live) if number % 2 == half)
        dropped = tuple(varied(number, "gone") for number in range(deleted) if number % 2 == half)
        gone = tuple(
            Gone(
                uid=record.uid,
                observed_version=99,
                at=START + timedelta(hours=1, seconds=place % 3),
                seen=DeletionSeen.EXACT,
            )
            for place, record in enumerate(dropped)
        )
        async with engine.begin() as connection:
            batch = Batch(workloads=kept + dropped, gone_workloads=gone)
            await write_batch(connection, cluster_id, batch, observed_at=START + timedelta(minutes=1))


def created(row: StoredWorkload) -> tuple[datetime, str]:
    """What decides between equals."""
    return row.record.created_at, row.record.uid


async def everything(connection: AsyncConnection, **query: Any) -> list[StoredWorkload]:
    """All the pages of a query, seven rows each, walked by ``has_more``."""
    found: list[StoredWorkload] = []
    while True:
        page = await workload_page(connection, PageQuery(offset=len(found), limit=7, **query))
        assert len(page.workloads) == 7 or not page.has_more
        found += page.workloads
        if not page.has_more:
            return found


KEYS: dict[Field, Callable[[StoredWorkload], Any]] = {
    Field.TYPE: lambda row: row.record.type,
    Field.NAME: lambda row: row.record.name,
    Field.CLUSTER_ID: lambda row: row.cluster_id,
    Field.PROJECT_ID: lambda row: row.record.project_id,
    Field.PROJECT_NAME: lambda row: row.record.project_name,
    Field.DEPARTMENT_ID: lambda row: row.record.department_id,
    Field.DEPARTMENT_NAME: lambda row: row.record.department_name,
    Field.CREATED_AT: lambda row: row.record.created_at,
    Field.DELETED_AT: lambda row: row.deleted_at,
    Field.SUBMITTED_BY: lambda row: row.record.submitted_by,
    Field.PHASE: lambda row: PHASES.index(row.record.phase),
    Field.COMPLETED_AT: lambda row: row.record.completed_at,
    Field.NODE_POOL: lambda row: next(iter(row.record.current_node_pools), None),
    Field.ALLOCATED_GPU: lambda row: row.record.allocated.gpu_micros,
    Field.DISTRIBUTED_FRAMEWORK: lambda row: row.record.distributed_framework,
    Field.PHASE_UPDATED_AT: lambda row: row.phase_updated_at,
    Field.CATEGORY: lambda row: row.record.category.value,
    Field.PRIORITY: lambda row: row.record.priority,
    Field.PRIORITY_CLASS_NAME: lambda row: row.record.priority_class_name,
    # They grow, but not within one transaction.
    Field.TOTAL_PENDING_TIME_SECONDS: lambda row: row.pending_seconds,
    Field.TOTAL_RUNNING_TIME_SECONDS: lambda row: row.running_seconds,
}
"""What each key sorts by; the others sort by nothing that a workload of ours has, so by the uid."""


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("deleted", [False, True])
async def test_every_key_orders_totally_and_pages_hold_each_row_once(
    engine: AsyncEngine, *, deleted: bool, descending: bool
) -> None:
    await fill(engine)
    async with engine.begin() as connection:
        for key in Field:
            rows = await everything(connection, sort=key, deleted=deleted, descending=descending)
            assert len({row.record.uid for row in rows}) == len(rows) == 40, key
            value = KEYS.get(key, lambda _: None)
            there = [row for row in rows if value(row) is not None]
            lacking = [row for row in rows if value(row) is None]
            wanted = [
                *sorted(there, key=lambda row: (value(row), *created(row)), reverse=descending),
                *sorted(lacking, key=created, reverse=descending),
            ]
            assert [row.record.uid for row in rows] == [row.record.uid for row in wanted], key


async def test_every_sort_key_has_ties_and_some_have_nulls(engine: AsyncEngine) -> None:
    """Else the test above would prove less than it says."""
    await fill(engine)
    async with engine.begin() as connection:
        rows = await everything(connection)
    nullable = {key for key, value in KEYS.items() if {value(row) is None for row in rows} == {True, False}}
    assert nullable == {
        Field.SUBMITTED_BY,
        Field.COMPLETED_AT,
        Field.NODE_POOL,
        Field.DISTRIBUTED_FRAMEWORK,
        Field.PRIORITY,
    }
    assert all(len({value(row) for row in rows}) < len(rows) for value in KEYS.values())


async def test_live_and_deleted_are_apart(engine: AsyncEngine) -> None:
    await fill(engine, live=5, deleted=3)
    async with engine.connect() as connection:
        live = await everything(connection)
        deleted = await everything(connection, deleted=True)
        counts = [(await workload_count(connection, Selection(deleted=side)))[0] for side in (False, True)]
    assert {row.record.uid for row in live} == {uid_of(f"w{number}") for number in range(5)}
    assert {row.record.uid for row in deleted} == {uid_of(f"gone{number}") for number in range(3)}
    assert all(row.deleted_at is None and row.deletion_seen is None for row in live)
    assert all(row.deleted_at is not None and row.deletion_seen is DeletionSeen.EXACT for row in deleted)
    assert counts == [5, 3]


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    "namespaces",
    [
        frozenset(),
        frozenset({"runai-team-a"}),
        frozenset({"runai-team-a", "runai-team-c"}),
        frozenset({"runai-team-a", "no such", "o'brien", "%", "runai-team-%"}),
    ],
)
async def test_pages_counts_and_single_answers_agree_on_the_scope(
    engine: AsyncEngine, namespaces: frozenset[str], *, deleted: bool
) -> None:
    await fill(engine)
    scope = Scope(namespaces=namespaces)
    async with engine.connect() as connection:
        rows = await everything(connection)
        if deleted:
            rows = await everything(connection, deleted=True)
        wanted = {row.record.uid for row in rows if row.record.namespace in namespaces}
        seen = {row.record.uid for row in await everything(connection, deleted=deleted, scope=scope)}
        count, _ = await workload_count(connection, Selection(deleted=deleted, scope=scope))
        single = {row.record.uid for row in rows if (await workload_by_id(connection, row.record.uid, scope))[0]}
    assert seen == wanted == single
    assert count == len(wanted)
    assert bool(wanted) is bool(namespaces)


async def test_a_page_past_the_end_is_empty_and_no_more_follow(engine: AsyncEngine) -> None:
    await fill(engine, live=5, deleted=0)
    async with engine.connect() as connection:
        past = await workload_page(connection, PageQuery(offset=5))
        last = await workload_page(connection, PageQuery(offset=2, limit=3))
        before = await workload_page(connection, PageQuery(offset=2, limit=2))
    assert (past.workloads, past.has_more) == ((), False)
    assert (len(last.workloads), last.has_more) == (3, False)
    assert (len(before.workloads), before.has_more) == (2, True)


async def test_the_freshness_is_the_oldest_watchs_and_comes_even_with_nothing(engine: AsyncEngine) -> None:
    nobody = Scope(namespaces=frozenset())
    async with engine.begin() as connection:
        assert (await workload_page(connection, PageQuery())).observed_at is None
        assert await freshest(connection, None) is None
        for cluster_id, after in (("c1", 30), ("c2", 20), ("c1", 10)):
            await touch_cluster(
                connection,
                cluster_id=cluster_id,
                name=cluster_id,
                watches_observed_at=START + timedelta(seconds=after),
            )
        oldest = START + timedelta(seconds=20)
        assert (await workload_page(connection, PageQuery())).observed_at == oldest
        assert (await workload_page(connection, PageQuery(deleted=True, scope=nobody))).observed_at == oldest
        assert await workload_by_id(connection, "no such", EVERYTHING) == (None, oldest)
        assert await workload_count(connection, Selection(scope=nobody)) == (0, oldest)
        # One cluster that is away does not make all that is seen of the others old.
        assert await freshest(connection, None) == START + timedelta(seconds=30)
        for_one = Selection(scope=Scope(clusters=frozenset({"c1"})))
        assert await workload_count(connection, for_one) == (0, START + timedelta(seconds=30))


async def test_the_namespaces_that_were_ever_projects_are_known(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await write_projects(connection, "c1", [a_project("runai-b", "b", "d"), a_project("runai-a", "a", "d")])
        await write_projects(connection, "c2", [a_project("runai-a", "a2", "d2")])
        await write_projects(connection, "c1", [a_project("runai-b", "renamed", "d")])
        await write_projects(connection, "c3", [a_project("runai-c", "c", "d")])
        assert await known_namespaces(connection, None) == ("runai-a", "runai-b", "runai-c")
        assert await known_namespaces(connection, frozenset({"c1", "c2"})) == ("runai-a", "runai-b")
        assert await known_namespaces(connection, frozenset({"c3"})) == ("runai-c",)
