"""The hot pages of pods keep to their indexes, whatever history holds: PostgreSQL is asked how it reads them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.plans import plan_of
from support.workload_builders import START, a_pod, a_workload, uid_of

from rollcall.domain.records import PodRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.fields import PodField
from rollcall.store.pages import Scope, count_statement
from rollcall.store.pods import PodQuery, pod_page_statement
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.retention import make_partitions
from rollcall.store.writes import write_batch
from rollcall_api.filters import read_filters

pytestmark = pytest.mark.anyio

ROWS = 4000
MONTHS = 3
WORKLOADS = 20
PAGE = 51
"""The rows of a page of 50: one more tells whether more follow."""


def numbered(number: int, name: str) -> PodRecord:
    """Nine of ten in one big namespace, the others in many small ones; a hundred nodes, four pools, a third ended."""
    return a_pod(
        f"{name}-{number}",
        workload=f"w{number % WORKLOADS}",
        namespace="big" if number % 10 else f"small-{number % 200}",
        node_name=None if number % 50 == 7 else f"node-{number % 100}",
        node_pool=None if number % 50 == 7 else "rare" if number % 200 == 8 else f"pool-{number % 3}",
        created_at=START + timedelta(minutes=number % 3000),
        ended_at=None if number % 3 else START + timedelta(minutes=number % 3001),
    )


@pytest.fixture(scope="module")
async def filled(shared_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A few thousand pods, as many deleted in each of three months, and PostgreSQL knows their statistics."""
    engine = create_engine(shared_database, application_name="test")
    async with engine.begin() as connection:
        await make_partitions(connection, now=START)
        workloads = tuple(a_workload(f"w{number}", namespace="big") for number in range(WORKLOADS))
        await write_batch(connection, "c1", Batch(workloads=workloads), observed_at=START)
        for month in range(MONTHS + 1):
            records = tuple(numbered(number, f"m{month}") for number in range(ROWS))
            at = START + timedelta(days=31 * (month - 1))
            gone = tuple(
                Gone(uid=record.uid, observed_version=99, at=at + timedelta(minutes=place), seen=DeletionSeen.EXACT)
                for place, record in enumerate(records)
            )
            await write_batch(connection, "c1", Batch(pods=records, gone_pods=gone if month else ()), observed_at=START)
    async with engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE"))
    yield engine
    await engine.dispose()


def asking(terms: str, **query: Any) -> PodQuery:
    """A page of a filter."""
    return PodQuery(terms=read_filters(terms.split(","), PodField), **query)


BIG, SMALL = (Scope(namespaces=frozenset({name})) for name in ("big", "small-10"))
HOT: dict[str, tuple[dict[str, Any], str]] = {
    "the default": ({}, "_created_at_uid_idx"),
    "a big namespace": ({"scope": BIG}, "_created_at_uid_idx"),
    "a small namespace": ({"scope": SMALL}, "_namespace_created_at_uid_idx"),
    "of a workload": ({"workload_uid": uid_of("w7")}, "_workload_uid_created_at_uid_idx"),
    "of a workload in scope": ({"workload_uid": uid_of("w7"), "scope": BIG}, "_workload_uid_created_at_uid_idx"),
    "by what no pod has": ({"sort": PodField.REVISION_ID}, "_uid_idx"),
}
"""Hot in both directions, of the live and the deleted."""

HOT_FILTERS = {
    f"workloadId=={uid_of('w7')}": "_workload_uid_created_at_uid_idx",
    "nodeName==node-8": "_node_name_created_at_uid_idx",
    "currentNodepool==rare": "_node_pool_created_at_uid_idx",
    "currentNodepool==pool-1": "_created_at_uid_idx",
    "createdAt>=2026-01-02T10:00,createdAt<=2026-01-02T12:00": "_created_at_uid_idx",
    "nodeName==node-8,createdAt>=2026-01-02": "_created_at_uid_idx",
    "clusterId==c1": "_created_at_uid_idx",
}

BOTH_WAYS = HOT | {
    terms: ({"terms": read_filters([terms], PodField)}, index)
    for terms, index in HOT_FILTERS.items()
    if "," not in terms
}
ALL = {
    f"{name}{', deleted' if deleted else ''}{', the newest' if descending else ''}": (
        PodQuery(deleted=deleted, descending=descending, **query),
        index,
    )
    for name, (query, index) in BOTH_WAYS.items()
    for deleted in (False, True)
    for descending in (False, True)
}
ALL |= {
    f"{terms}{', deleted' if deleted else ''}": (asking(terms, deleted=deleted), index)
    for terms, index in HOT_FILTERS.items()
    if "," in terms
    for deleted in (False, True)
}
ALL |= {
    "by the deletion": (PodQuery(deleted=True, sort=PodField.DELETED_AT), "_deleted_at_uid_idx"),
    "the latest deletion": (
        PodQuery(deleted=True, sort=PodField.DELETED_AT, descending=True),
        "_deleted_at_uid_idx",
    ),
    "by the end": (PodQuery(sort=PodField.COMPLETED_AT), "_ended_at_uid_idx"),
    "by the end, deleted": (PodQuery(deleted=True, sort=PodField.COMPLETED_AT), "_ended_at_uid_idx"),
    "the latest end, deleted": (
        PodQuery(deleted=True, sort=PodField.COMPLETED_AT, descending=True),
        "_ended_at_uid_idx",
    ),
    "in one minute's deletions": (asking("deletedAt==2026-01-02T00:10", deleted=True), "_deleted_at_uid_idx"),
    "in one minute's ends": (asking("completedAt==2026-01-01T00:09"), "_ended_at_uid_idx"),
    "completed": (PodQuery(completed=True), "_uid_idx"),
    "not completed": (PodQuery(completed=False), "_created_at_uid_idx"),
    "completed, deleted": (PodQuery(completed=True, deleted=True), "_created_at_uid_idx"),
    "not completed, deleted": (PodQuery(completed=False, deleted=True), ""),
}


@pytest.mark.parametrize("name", ALL)
async def test_a_hot_page_is_read_by_its_index(filled: AsyncEngine, name: str) -> None:
    query, index = ALL[name]
    plan = await plan_of(filled, pod_page_statement(query), of="pods")
    assert plan.read_whole == set()
    if index:
        assert any(found.endswith(index) for found in plan.indexes if "workloads" not in found), plan.indexes
    # The page's rows and, of each month, a few that another month's came before; some filters pass over others.
    assert plan.touched <= (MONTHS + 1) * 10 * PAGE


@pytest.mark.parametrize("sort", [PodField.CLUSTER_ID, PodField.WORKLOAD_ID, PodField.NODE_NAME])
@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
async def test_a_sort_by_a_word_reads_its_index_from_the_start(
    filled: AsyncEngine, sort: PodField, *, deleted: bool
) -> None:
    plan = await plan_of(filled, pod_page_statement(PodQuery(sort=sort, deleted=deleted)), of="pods")
    assert plan.read_whole == set()
    assert plan.touched <= (MONTHS + 1) * 4 * PAGE


async def test_an_order_without_an_index_keeps_only_the_page(filled: AsyncEngine) -> None:
    """The checks above can fail: nulls last is no index's order read backwards."""
    plan = await plan_of(filled, pod_page_statement(PodQuery(sort=PodField.NODE_NAME, descending=True)), of="pods")
    assert plan.read_whole == {"pods"}
    sorts = [node for node in plan.nodes if node["Node Type"] == "Sort"]
    assert "top-N heapsort" in {node["Sort Method"] for node in sorts}


@pytest.mark.parametrize("query", [PodQuery(), PodQuery(completed=False), PodQuery(words=("no", "such"))])
async def test_live_pages_never_read_what_is_gone(filled: AsyncEngine, query: PodQuery) -> None:
    plan = await plan_of(filled, pod_page_statement(query), of="pods")
    assert not any("deleted_pods" in node.get("Relation Name", "") for node in plan.nodes)
    assert plan.touched <= ROWS + PAGE


@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
async def test_a_workloads_pods_are_counted_by_index(filled: AsyncEngine, *, deleted: bool) -> None:
    terms = read_filters([f"workloadId=={uid_of('w7')}"], PodField)
    plan = await plan_of(filled, count_statement(PodQuery(terms=terms, deleted=deleted)), of="pods")
    assert plan.read_whole == set()
    assert plan.touched <= (MONTHS if deleted else 1) * ROWS // WORKLOADS
