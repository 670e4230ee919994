"""Telemetry: exact sums over the live rows, the same as a plain reading of them, in statements that touch no more."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations, product
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support.workload_builders import START, a_pod, a_workload, uid_of

from rollcall.domain.records import Category, Phase, PodRecord, Resources, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.pages import EVERYTHING, Scope
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.tables import metadata
from rollcall.store.telemetry import (
    PENDING_BUCKETS,
    GroupKey,
    GroupSum,
    Measure,
    Telemetry,
    TelemetryQuery,
    workload_telemetry,
)
from rollcall.store.writes import write_batch

Answer = TypeVar("Answer")
CLUSTERS = ("c1", "c2")
POOLS = ("big", "small", "é")
PHASES = (Phase.PENDING, Phase.RUNNING, Phase.COMPLETED)
GROUPINGS = [(), *((key,) for key in GroupKey), *permutations(GroupKey, 2)]


@dataclass(frozen=True)
class Row:
    """A live workload of some cluster and its pods."""

    cluster_id: str
    workload: WorkloadRecord
    pods: tuple[PodRecord, ...] = ()

    def in_pool(self, pool: str) -> int:
        """The GPUs that its pods hold there; those on no known pool count in the first."""
        first = self.workload.current_node_pools[0]
        return sum(pod.allocated.gpu_micros for pod in self.pods if (pod.node_pool or first) == pool)


def a_row(number: int, cluster_id: str, pods: list[tuple[str | None, int]], **changes: Any) -> Row:
    name = f"w{number}"
    workload = a_workload(
        name,
        current_node_pools=tuple(sorted({pool for pool, _ in pods if pool is not None})),
        allocated=Resources(gpu_micros=sum(gpus for _, gpus in pods)),
        **changes,
    )
    return Row(
        cluster_id,
        workload,
        tuple(
            a_pod(f"{name}-{place}", workload=name, node_pool=pool, allocated=Resources(gpu_micros=gpus))
            for place, (pool, gpus) in enumerate(pods)
        ),
    )


def rows() -> st.SearchStrategy[list[Row]]:
    one = st.fixed_dictionaries(
        {
            "cluster_id": st.sampled_from(CLUSTERS),
            "pods": st.lists(
                st.tuples(st.sampled_from((*POOLS, None)), st.sampled_from((0, 1, 333_333, 1_000_000, 2**53 + 1))),
                max_size=4,
            ),
            "phase": st.sampled_from(PHASES),
            "type": st.sampled_from(("Job", "Deployment")),
            "category": st.sampled_from(Category),
            "namespace": st.sampled_from(("ns-a", "ns-b", "ns-c")),
            "project_id": st.sampled_from(("p1", "p2")),
            "project_name": st.sampled_from(("one", "two")),
            "department_id": st.sampled_from(("d1", "d2")),
            "department_name": st.sampled_from(("D", "d")),
            "created_at": st.sampled_from((5, 100, 1000, 9000)).map(
                lambda age: datetime.now(UTC) - timedelta(seconds=age)
            ),
        }
    )
    return st.lists(one, max_size=7).map(
        lambda all_of_it: [a_row(number, **each) for number, each in enumerate(all_of_it)]
    )


class Store:
    """A database of this module's own, and the loop that its connections live in."""

    def __init__(self, database: DatabaseSettings) -> None:
        self.runner = asyncio.Runner()
        self.engine = create_engine(database, application_name="test")

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(work)

    async def fill(self, rows: list[Row]) -> None:
        """These rows live; one more of each cluster is deleted, with all its GPUs."""
        async with self.engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
            for cluster_id in CLUSTERS:
                await write_rows(connection, cluster_id, [row for row in rows if row.cluster_id == cluster_id])
                gone = a_row(99, cluster_id, [("big", 7), ("small", 7)])
                await write_rows(connection, cluster_id, [gone])
                deletion = Gone(
                    uid=gone.workload.uid, observed_version=99, at=datetime.now(UTC), seen=DeletionSeen.EXACT
                )
                await write_batch(
                    connection, cluster_id, Batch(gone_workloads=(deletion,)), observed_at=datetime.now(UTC)
                )
                await touch_cluster(
                    connection, cluster_id=cluster_id, name=f"name of {cluster_id}", watches_observed_at=START
                )

    async def ask(self, *queries: TelemetryQuery) -> list[Telemetry]:
        async with self.engine.connect() as connection:
            return [await workload_telemetry(connection, query) for query in queries]


async def write_rows(connection: AsyncConnection, cluster_id: str, rows: list[Row]) -> None:
    batch = Batch(workloads=tuple(row.workload for row in rows), pods=tuple(pod for row in rows for pod in row.pods))
    await write_batch(connection, cluster_id, batch, observed_at=datetime.now(UTC))


@pytest.fixture(scope="module")
def store(shared_database: DatabaseSettings) -> Iterator[Store]:
    store = Store(shared_database)
    yield store
    store.run(store.engine.dispose())
    store.runner.close()


VALUES = {
    GroupKey.CLUSTER_ID: lambda row: (row.cluster_id, f"name of {row.cluster_id}"),
    GroupKey.DEPARTMENT_ID: lambda row: (row.workload.department_id, row.workload.department_name),
    GroupKey.PROJECT_ID: lambda row: (row.workload.project_id, row.workload.project_name),
    GroupKey.TYPE: lambda row: (row.workload.type, row.workload.type),
    GroupKey.PHASE: lambda row: (row.workload.phase.value,) * 2,
    GroupKey.CATEGORY: lambda row: (row.workload.category.value,) * 2,
}


def expected(rows: list[Row], query: TelemetryQuery, at: datetime) -> tuple[GroupSum, ...]:
    """What the sums must be, by a plain reading of the rows."""
    by_pool = query.node_pool is not None or GroupKey.CURRENT_NODE_POOLS in query.group_by
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * query.measure.sums)
    names: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    if not query.group_by:
        sums[()], names[()] = [0] * query.measure.sums, [()]
    for row in rows:
        one = row.workload
        wanted = (
            (query.scope.namespaces is None or one.namespace in query.scope.namespaces)
            and query.cluster_id in (None, row.cluster_id)
            and query.department_id in (None, one.department_id)
            and (not query.phases or one.phase in query.phases)
            and (query.measure is not Measure.PENDING_TIME_DISTRIBUTION or one.phase is Phase.PENDING)
        )
        for pool in one.current_node_pools if by_pool else (None,):
            if not wanted or (query.node_pool is not None and pool != query.node_pool):
                continue
            pairs = [(pool, pool) if key is GroupKey.CURRENT_NODE_POOLS else VALUES[key](row) for key in query.group_by]
            group = tuple(value for value, _ in pairs)
            names[group].append(tuple(name for _, name in pairs))
            match query.measure:
                case Measure.WORKLOADS_COUNT:
                    sums[group][0] += 1
                case Measure.GPU_ALLOCATION:
                    sums[group][0] += one.allocated.gpu_micros if pool is None else row.in_pool(pool)
                case Measure.PENDING_TIME_DISTRIBUTION:
                    sums[group][bucket_of((at - one.created_at).total_seconds())] += 1
    # Of several names of an id the last one in order, each key by itself.
    return tuple(
        GroupSum(
            values=group,
            names=tuple(max(found) for found in zip(*names[group], strict=True)),
            sums=tuple(sums[group]),
        )
        for group in sorted(sums)
    )


def bucket_of(seconds: float) -> int:
    return next(place for place, (_, most) in enumerate(PENDING_BUCKETS) if most is None or seconds < most)


FEW = settings(max_examples=12)


@FEW
@given(
    rows=rows(),
    cluster_id=st.sampled_from((None, *CLUSTERS, "no such")),
    node_pool=st.sampled_from((None, None, *POOLS, "no such")),
    department_id=st.sampled_from((None, "d1", "no such")),
    phases=st.frozensets(st.sampled_from(PHASES)),
    namespaces=st.none() | st.frozensets(st.sampled_from(("ns-a", "ns-b", "o'brien"))),
)
def test_every_sum_is_that_of_a_plain_reading(
    store: Store, rows: list[Row], namespaces: frozenset[str] | None, **filters: Any
) -> None:
    store.run(store.fill(rows))
    queries = [
        TelemetryQuery(measure=measure, group_by=grouping, scope=Scope(namespaces=namespaces), **filters)
        for measure, grouping in product(Measure, GROUPINGS)
    ]
    for query, found in zip(queries, store.run(store.ask(*queries)), strict=True):
        assert found.groups == expected(rows, query, found.at), query
        assert found.observed_at == START


@FEW
@given(rows=rows())
def test_the_groups_add_up_to_what_is_not_grouped(store: Store, rows: list[Row]) -> None:
    """By pools it is what is in any; there a workload counts once in each, and its GPUs once altogether."""
    store.run(store.fill(rows))
    placed = [row.workload for row in rows if row.workload.current_node_pools]
    by_pools = {
        Measure.WORKLOADS_COUNT: sum(len(one.current_node_pools) for one in placed),
        Measure.GPU_ALLOCATION: sum(one.allocated.gpu_micros for one in placed),
        Measure.PENDING_TIME_DISTRIBUTION: sum(
            len(one.current_node_pools) for one in placed if one.phase is Phase.PENDING
        ),
    }
    queries = [TelemetryQuery(measure=measure, group_by=grouping) for measure, grouping in product(Measure, GROUPINGS)]
    answers = store.run(store.ask(*queries))
    totals = {query.measure: total(found) for query, found in zip(queries, answers, strict=True) if not query.group_by}
    assert totals[Measure.WORKLOADS_COUNT] == len(rows)
    for query, found in zip(queries, answers, strict=True):
        wanted = by_pools if GroupKey.CURRENT_NODE_POOLS in query.group_by else totals
        assert total(found) == wanted[query.measure], query


def total(found: Telemetry) -> int:
    return sum(sum(group.sums) for group in found.groups)


@pytest.mark.anyio
async def test_a_bucket_includes_its_lower_edge(engine: AsyncEngine) -> None:
    edges = (-30, 0, 59.999999, 60, 299.999999, 300, 1799.999999, 1800, 10**7)
    async with engine.begin() as connection:
        for place, seconds in enumerate(edges):
            await write_rows(connection, "c1", [a_row(place, "c1", [])])
            await connection.execute(
                text("UPDATE workloads SET phase_updated_at = now() - CAST(:age AS interval) WHERE uid = :uid"),
                {"age": timedelta(seconds=seconds), "uid": uid_of(f"w{place}")},
            )
        query = TelemetryQuery(measure=Measure.PENDING_TIME_DISTRIBUTION)
        found = await workload_telemetry(connection, query)
    assert [group.sums for group in found.groups] == [(3, 2, 2, 2)]


@pytest.mark.anyio
async def test_where_rows_are_out_of_step_no_pool_holds_less_than_nothing(engine: AsyncEngine) -> None:
    row = a_row(0, "c1", [("big", 5), ("small", 5)])
    stale = replace(row, workload=replace(row.workload, allocated=Resources(gpu_micros=3)))
    query = TelemetryQuery(measure=Measure.GPU_ALLOCATION, group_by=(GroupKey.CURRENT_NODE_POOLS,))
    async with engine.begin() as connection:
        await write_rows(connection, "c1", [stale])
        found = await workload_telemetry(connection, query)
    assert {group.values: group.sums for group in found.groups} == {("big",): (0,), ("small",): (5,)}


@pytest.mark.anyio
async def test_an_id_without_a_name_is_its_own_name(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await write_rows(connection, "c1", [a_row(0, "c1", [])])
        query = TelemetryQuery(measure=Measure.WORKLOADS_COUNT, group_by=(GroupKey.CLUSTER_ID,), scope=EVERYTHING)
        found = await workload_telemetry(connection, query)
    assert [(group.values, group.names) for group in found.groups] == [(("c1",), ("c1",))]
    assert found.observed_at is None
