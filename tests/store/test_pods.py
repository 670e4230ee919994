"""Pods: the database finds, orders and counts what a plain reading of the same rows does."""

import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support.plain_filters import SECONDS, TEXTS, holds, terms, values_for
from support.workload_builders import START, a_pod, a_workload, uid_of

from rollcall.domain.constraints import Constraints, NodeExpression, NodeTerm, Toleration
from rollcall.domain.records import PodRecord, PodState, Resources
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.fields import FieldKind, PodField
from rollcall.store.filters import COMPARING, Operator, Term
from rollcall.store.pages import Scope
from rollcall.store.pods import PodQuery, pod_count, pod_page
from rollcall.store.records import Batch, DeletionSeen, Gone, StoredPod
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

ROWS = 120
CLUSTERS = ("c1", "c2")
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


def drawn(chance: random.Random, number: int, side: str) -> PodRecord:
    """A pod with any of these in any field."""

    def at() -> datetime:
        microseconds = chance.choice((0, 0, 1, 500_000, 999_999))
        return START + timedelta(seconds=chance.choice(SECONDS), microseconds=microseconds)

    return a_pod(
        chance.choice(TEXTS),
        uid=uid_of(f"{side}{number}"),
        workload=chance.choice(("a", "b", "lost")),
        namespace=chance.choice(("a", "b", "A")),
        role=chance.choice((None, "worker")),
        node_name=chance.choice((None, chance.choice(TEXTS))),
        node_pool=chance.choice((None, chance.choice(TEXTS))),
        k8s_phase=chance.choice(PHASES),
        created_at=at(),
        ended_at=chance.choice((None, at())),
    )


@pytest.fixture(scope="module")
async def filled(shared_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Live and deleted pods of two clusters, drawn by chance, but always the same; one workload lives, one is gone."""
    chance = random.Random(20_260_102)  # noqa: S311 - no secret
    engine = create_engine(shared_database, application_name="test")
    async with engine.begin() as connection:
        for cluster_id in CLUSTERS:
            live, dead = (
                tuple(drawn(chance, number, f"{cluster_id} {side}") for number in range(ROWS // 2))
                for side in ("live", "dead")
            )
            later = tuple(
                Gone(uid=one.uid, observed_version=99, at=one.created_at + timedelta(days=1), seen=DeletionSeen.EXACT)
                for one in dead
            )
            owners = (a_workload("a"), a_workload("b", project_id="team-b", project_name="Team B"))
            await write_batch(connection, cluster_id, Batch(workloads=owners, pods=live + dead), observed_at=START)
            gone = Gone(uid=uid_of("b"), observed_version=99, at=START + timedelta(days=2), seen=DeletionSeen.EXACT)
            closing = Batch(gone_workloads=(gone,), gone_pods=later)
            await write_batch(connection, cluster_id, closing, observed_at=START + timedelta(days=40))
    yield engine
    await engine.dispose()


READINGS: dict[PodField, Callable[[StoredPod], Any]] = {
    PodField.CLUSTER_ID: lambda row: row.cluster_id,
    PodField.WORKLOAD_ID: lambda row: row.record.workload_uid,
    PodField.REVISION_ID: lambda _: None,
    PodField.NODE_NAME: lambda row: row.record.node_name,
    PodField.CURRENT_NODE_POOL: lambda row: row.record.node_pool,
    PodField.CREATED_AT: lambda row: row.record.created_at,
    PodField.COMPLETED_AT: lambda row: row.record.ended_at,
    PodField.DELETED_AT: lambda row: row.deleted_at,
}
"""What a field is in the contract's object, in Python's types."""


def is_found(row: StoredPod, words: list[str]) -> bool:
    """A plain reading of a search."""
    record = row.record
    texts = (record.name, record.namespace, record.role, record.node_name, record.node_pool, record.k8s_phase)
    return all(any(word.encode().lower() in (each or "").encode().lower() for each in texts) for word in words)


async def all_of(connection: AsyncConnection, query: PodQuery) -> list[StoredPod]:
    """Every row of a selection."""
    page = await pod_page(connection, query)
    assert not page.has_more
    return list(page.pods)


@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
@pytest.mark.parametrize("field", list(PodField))
async def test_every_operator_of_every_field_finds_what_a_plain_reading_finds(
    filled: AsyncEngine, field: PodField, *, deleted: bool
) -> None:
    read = READINGS[field]
    operators = list(Operator) if field.kind is FieldKind.TEXT else COMPARING
    found_by: dict[Operator, set[int]] = {}
    async with filled.begin() as connection:
        rows = await all_of(connection, PodQuery(deleted=deleted, limit=500))
        assert len(rows) == ROWS
        there = {read(row) for row in rows} - {None}
        for operator in operators:
            for value in values_for(field, sorted(there)):
                query = PodQuery(deleted=deleted, terms=(Term(field=field, operator=operator, value=value),))
                table = query.table
                seen = set((await connection.execute(select(table.c.uid).where(*query.conditions))).scalars())
                wanted = {row.record.uid for row in rows if holds(read(row), operator, value)}
                assert seen == wanted, (operator, value)
                found_by.setdefault(operator, set()).add(len(wanted))
    if there:
        assert all(found_by[operator] - {0} for operator in operators), "an operator that finds nothing proves little"
    else:
        assert found_by.pop(Operator.UNEQUAL) == {ROWS}
        assert found_by.pop(Operator.LACKS, {ROWS}) == {ROWS}
        assert set().union(*found_by.values()) == {0}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    terms=st.lists(terms(PodField), max_size=3),
    words=st.lists(st.sampled_from(["a", "TRAIN", "100%", "_", "running", "WORK", "É", "no-such"]), max_size=2),
    namespaces=st.none() | st.frozensets(st.sampled_from("abA"), max_size=2),
    workload=st.none() | st.sampled_from(["a", "b", "lost", "none"]),
    completed=st.none() | st.booleans(),
    deleted=st.booleans(),
)
async def test_all_that_narrows_does_so_for_page_and_count_alike(
    filled: AsyncEngine,
    terms: list[Term],
    words: list[str],
    namespaces: frozenset[str] | None,
    workload: str | None,
    *,
    completed: bool | None,
    deleted: bool,
) -> None:
    query = PodQuery(
        deleted=deleted,
        scope=Scope(namespaces=namespaces),
        terms=tuple(terms),
        words=tuple(words),
        workload_uid=None if workload is None else uid_of(workload),
        completed=completed,
        limit=500,
    )
    async with filled.begin() as connection:
        rows = await all_of(connection, PodQuery(deleted=deleted, limit=500))
        seen = await all_of(connection, query)
        count, _ = await pod_count(connection, query)
    wanted = [
        row
        for row in rows
        if (namespaces is None or row.record.namespace in namespaces)
        and (workload is None or row.record.workload_uid == uid_of(workload))
        and (completed is None or (row.record.ended_at is not None) is completed)
        and all(holds(READINGS[PodField(term.field)](row), term.operator, term.value) for term in terms)
        and is_found(row, words)
    ]
    assert seen == wanted
    assert count == len(wanted)


def created(row: StoredPod) -> tuple[datetime, str]:
    """What decides between equals."""
    return row.record.created_at, row.record.uid


@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
@pytest.mark.parametrize("descending", [False, True], ids=["asc", "desc"])
@pytest.mark.parametrize("sort", list(PodField))
async def test_every_order_is_total_with_nulls_last(
    filled: AsyncEngine, sort: PodField, *, descending: bool, deleted: bool
) -> None:
    async with filled.begin() as connection:
        rows = await all_of(connection, PodQuery(deleted=deleted, limit=500))
        seen: list[StoredPod] = []
        more = True
        while more:
            query = PodQuery(deleted=deleted, sort=sort, descending=descending, limit=50, offset=len(seen))
            page = await pod_page(connection, query)
            seen += page.pods
            more = page.has_more
    read = READINGS[sort]
    valued = sorted(
        (row for row in rows if read(row) is not None),
        key=lambda row: (read(row), *created(row)),
        reverse=descending,
    )
    rest = sorted((row for row in rows if read(row) is None), key=created, reverse=descending)
    assert seen == valued + rest


@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
async def test_a_pod_has_its_workloads_names_whether_that_lives_or_not(filled: AsyncEngine, *, deleted: bool) -> None:
    async with filled.begin() as connection:
        rows = await all_of(connection, PodQuery(deleted=deleted, limit=500))
    named = {(row.record.workload_uid, row.workload_name, row.project_id, row.project_name) for row in rows}
    assert named == {
        (uid_of("a"), "a", "team-a", "team-a"),
        (uid_of("b"), "b", "team-b", "Team B"),
        (uid_of("lost"), None, None, None),
    }


@pytest.mark.parametrize(
    ("name", "namespaces", "known"),
    [
        ("a", None, True),
        ("b", None, True),
        ("lost", None, False),
        ("a", {"runai-team-a"}, True),
        ("b", {"runai-team-a"}, True),
        ("a", {"b"}, False),
        ("b", set(), False),
    ],
)
async def test_a_workload_is_known_within_the_scope_alone(
    filled: AsyncEngine, name: str, namespaces: set[str] | None, *, known: bool
) -> None:
    scope = Scope(namespaces=None if namespaces is None else frozenset(namespaces))
    async with filled.begin() as connection:
        page = await pod_page(connection, PodQuery(workload_uid=uid_of(name), scope=scope))
    assert page.workload_is_known is known


FULL = a_pod(
    ip="10.0.0.1",
    requested_node_pools=("big", "small"),
    constraints=Constraints(
        tolerations=(Toleration(key="gpu", operator="Exists", effect="NoExecute", seconds=300), Toleration()),
        required=(NodeTerm(expressions=(NodeExpression(key="zone", operator="In", values=("a", "b")),)),),
        preferred=(NodeTerm(weight=7, expressions=(NodeExpression(key="gpu", operator="Exists"),)),),
    ),
    allocated_while_bound=Resources(gpu_micros=1),
)


@pytest.mark.parametrize("record", [a_pod(), FULL], ids=["bare", "full"])
async def test_a_record_comes_back_as_it_was_written(engine: AsyncEngine, record: PodRecord) -> None:
    async with engine.begin() as connection:
        await write_batch(connection, "c1", Batch(pods=(record,)), observed_at=START)
        assert [row.record for row in await all_of(connection, PodQuery())] == [record]
        gone = Gone(uid=record.uid, observed_version=99, at=START + timedelta(days=1), seen=DeletionSeen.EXACT)
        await write_batch(connection, "c1", Batch(gone_pods=(gone,)), observed_at=START)
        (row,) = await all_of(connection, PodQuery(deleted=True))
    assert row.deleted_at == row.record.ended_at == START + timedelta(days=1)
    assert row.record.allocated == Resources()
    assert row.record.constraints == record.constraints


async def test_the_phases_instant_changes_with_the_phase_alone(engine: AsyncEngine) -> None:
    """A container that starts again does not make its pod run since then."""
    seen = []
    changes = [("Pending", 0), ("Running", 10), ("Running", 500), ("Failed", 600), ("Failed", 700)]
    async with engine.begin() as connection:
        for version, (phase, seconds) in enumerate(changes, start=20):
            at = START + timedelta(seconds=seconds)
            record = a_pod(k8s_phase=phase, k8s_phase_at=at, resource_version=version)
            await write_batch(connection, "c1", Batch(pods=(record,)), observed_at=START)
            (row,) = await all_of(connection, PodQuery())
            seen.append((row.record.k8s_phase_at - START).total_seconds())
    assert seen == [0, 10, 10, 600, 600]


@pytest.mark.parametrize(
    ("phase", "wanted"), [("Pending", 0), ("Running", 5), ("Succeeded", 9), ("Failed", 9), ("Unknown", 0)]
)
async def test_a_row_of_the_release_before_says_what_it_can_and_is_mended_when_written(
    engine: AsyncEngine, phase: str, wanted: int
) -> None:
    record = a_pod(
        k8s_phase=phase,
        state=PodState.UNKNOWN,
        ready_at=START + timedelta(seconds=5),
        ended_at=START + timedelta(seconds=9),
        k8s_phase_at=START + timedelta(seconds=7),
    )
    async with engine.begin() as connection:
        await write_batch(connection, "c1", Batch(pods=(record,)), observed_at=START)
        await connection.execute(text("UPDATE pods SET k8s_phase_updated_at = NULL, details = details - 'ip'"))
        (row,) = await all_of(connection, PodQuery())
        assert row.record.k8s_phase_at == START + timedelta(seconds=wanted)
        await write_batch(connection, "c1", Batch(pods=(record,)), observed_at=START)
        (row,) = await all_of(connection, PodQuery())
        assert row.record.k8s_phase_at == START + timedelta(seconds=7)
