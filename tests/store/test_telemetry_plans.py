"""Telemetry reads each live row once at most, none that is deleted, and pods only where a workload is in two pools."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_pod, a_workload

from rollcall.domain.records import Resources
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.pages import Scope
from rollcall.store.records import Batch
from rollcall.store.telemetry import GroupKey, Measure, TelemetryQuery, telemetry_statement
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

ROWS = 2000
EVERY = 100
"""One workload of so many is in two pools."""


@pytest.fixture(scope="module")
async def filled(shared_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Workloads of four pods each in two hundred namespaces, and PostgreSQL knows their statistics."""
    engine = create_engine(shared_database, application_name="test")
    pools = [("a", "b") if number % EVERY == 0 else ("a",) for number in range(ROWS)]
    workloads = tuple(
        a_workload(
            f"w{number}",
            namespace=f"ns-{number % 200}",
            current_node_pools=pools[number],
            allocated=Resources(gpu_micros=4_000_000),
        )
        for number in range(ROWS)
    )
    pods = tuple(
        a_pod(f"w{number}-{place}", workload=f"w{number}", node_pool=pools[number][place % len(pools[number])])
        for number in range(ROWS)
        for place in range(4)
    )
    async with engine.begin() as connection:
        await write_batch(connection, "c1", Batch(workloads=workloads, pods=pods), observed_at=START)
    async with engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE"))
    yield engine
    await engine.dispose()


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


async def touched_by(engine: AsyncEngine, query: TelemetryQuery) -> Counter[str]:
    """How many rows of each table were read, thrown away or not."""
    compiled = telemetry_statement(query).compile(dialect=engine.dialect)
    async with engine.connect() as connection:
        asked = "EXPLAIN (ANALYZE, FORMAT JSON) " + compiled.string
        found = (await connection.exec_driver_sql(asked, compiled.params)).scalar_one()
    touched: Counter[str] = Counter()
    for node in nodes_of(found[0]["Plan"]):
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        touched[node.get("Relation Name", "")] += int(rows * node["Actual Loops"])
    del touched[""]
    return +touched


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize("grouping", [(), (GroupKey.PROJECT_ID, GroupKey.PHASE), (GroupKey.CLUSTER_ID,)], ids=str)
async def test_each_live_row_is_read_once_and_nothing_else(
    filled: AsyncEngine, measure: Measure, grouping: tuple[GroupKey, ...]
) -> None:
    touched = await touched_by(filled, TelemetryQuery(measure=measure, group_by=grouping))
    assert touched == {"workloads": ROWS}


@pytest.mark.parametrize("pool", [None, "b"])
async def test_only_the_pods_of_workloads_in_two_pools_are_read(filled: AsyncEngine, pool: str | None) -> None:
    query = TelemetryQuery(measure=Measure.GPU_ALLOCATION, group_by=(GroupKey.CURRENT_NODE_POOLS,), node_pool=pool)
    pods_of_those = ROWS // EVERY * 4
    assert await touched_by(filled, query) == {"workloads": ROWS, "pods": pods_of_those * (2 if pool is None else 1)}


async def test_counting_by_pools_reads_no_pod(filled: AsyncEngine) -> None:
    query = TelemetryQuery(measure=Measure.WORKLOADS_COUNT, group_by=(GroupKey.CURRENT_NODE_POOLS,))
    assert await touched_by(filled, query) == {"workloads": ROWS}


@pytest.mark.parametrize("namespaces", [{"ns-7"}, {"ns-7", "ns-8", "ns-9"}], ids=len)
async def test_a_few_namespaces_cost_their_own_rows(filled: AsyncEngine, namespaces: set[str]) -> None:
    scope = Scope(namespaces=frozenset(namespaces))
    query = TelemetryQuery(measure=Measure.GPU_ALLOCATION, group_by=(GroupKey.PROJECT_ID,), scope=scope)
    assert await touched_by(filled, query) == {"workloads": ROWS // 200 * len(namespaces)}


async def test_no_statement_is_compiled(filled: AsyncEngine) -> None:
    async with filled.connect() as connection:
        assert (await connection.execute(text("SHOW jit"))).scalar_one() == "off"
