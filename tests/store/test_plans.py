"""The hot pages keep to their indexes: PostgreSQL is asked how it reads thousands of rows, and how many it touched."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.plans import plan_of
from support.workload_builders import START, a_workload, uid_of

from rollcall.domain.records import Phase, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.fields import Field
from rollcall.store.pages import (
    EVERYTHING,
    PageQuery,
    Scope,
    Selection,
    count_statement,
    page_statement,
    workload_statement,
)
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.retention import make_partitions
from rollcall.store.writes import write_batch
from rollcall_api.filters import read_filters

pytestmark = pytest.mark.anyio

ROWS = 4000
MONTHS = 3
COMMON_PHASES = (Phase.RUNNING, Phase.PENDING, Phase.COMPLETED)
RARE = 200
"""One in so many rows has the rare phase, type, project or submitter."""


def numbered(number: int, name: str) -> WorkloadRecord:
    """Nine of ten in one big namespace, the others in many small ones; few fail, and most is alike."""
    rare = number % RARE == 7
    return a_workload(
        f"{name.upper()}-{number}",
        uid=uid_of(f"{name}-{number}"),
        namespace="big" if number % 10 else f"small-{number % 200}",
        created_at=START + timedelta(minutes=number % 3000),
        phase=Phase.FAILED if rare else COMMON_PHASES[number % 3],
        type="PyTorchJob" if rare else "Job",
        project_id="rare" if rare else "team-a",
        project_name="Rare" if rare else "Team A",
        submitted_by=None if number % 2 else "rare@example.com" if number % RARE == 8 else "ada@example.com",
    )


@pytest.fixture(scope="module")
async def filled(shared_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A few thousand live rows, as many deleted in each of three months, and PostgreSQL knows their statistics."""
    engine = create_engine(shared_database, application_name="test")
    async with engine.begin() as connection:
        await make_partitions(connection, now=START)
        for month in range(MONTHS + 1):
            records = tuple(numbered(number, f"m{month}") for number in range(ROWS))
            at = START + timedelta(days=31 * (month - 1))
            gone = tuple(
                Gone(
                    uid=record.uid,
                    observed_version=99,
                    at=at + timedelta(minutes=place),
                    seen=DeletionSeen.EXACT,
                )
                for place, record in enumerate(records)
            )
            batch = Batch(workloads=records, gone_workloads=gone if month else ())
            await write_batch(connection, "c1", batch, observed_at=START)
    async with engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE"))
    yield engine
    await engine.dispose()


PAGE = 51
"""The rows of a page of 50: one more tells whether more follow."""

CREATED = ("_created_at_uid_idx", "_created_at_uid_cluster_id_deleted_idx")
DELETED = "_deleted_at_created_at_uid_cluster_idx"
"""PostgreSQL names the partitions' indexes itself: after all of their columns, and an expression by its function."""

HOT: dict[str, tuple[PageQuery, str | tuple[str, ...]]] = {
    "the default": (PageQuery(), "workloads_created_at_uid_idx"),
    "the newest": (PageQuery(descending=True), "workloads_created_at_uid_idx"),
    "by name": (PageQuery(sort=Field.NAME), "workloads_name_created_at_uid_idx"),
    "by name, backwards": (PageQuery(sort=Field.NAME, descending=True), "workloads_name_created_at_uid_idx"),
    "by phase": (PageQuery(sort=Field.PHASE), "workloads_phase_order_created_at_uid_idx"),
    "by phase, backwards": (PageQuery(sort=Field.PHASE, descending=True), "workloads_phase_order_created_at_uid_idx"),
    "by what no workload has": (PageQuery(sort=Field.IDLE_GPUS), "workloads_created_at_uid_idx"),
    "a big namespace": (
        PageQuery(scope=Scope(namespaces=frozenset({"big"}))),
        "workloads_namespace_created_at_uid_idx",
    ),
    "a small namespace, the newest": (
        PageQuery(scope=Scope(namespaces=frozenset({"small-10"})), descending=True),
        "workloads_namespace_created_at_uid_idx",
    ),
    "deleted": (PageQuery(deleted=True), CREATED),
    "deleted, the newest": (PageQuery(deleted=True, descending=True), CREATED),
    "by the deletion": (PageQuery(deleted=True, sort=Field.DELETED_AT), DELETED),
    "the latest deletion": (
        PageQuery(deleted=True, sort=Field.DELETED_AT, descending=True),
        DELETED,
    ),
    "deleted in a big namespace": (
        PageQuery(deleted=True, scope=Scope(namespaces=frozenset({"big"}))),
        "_namespace_created_at_uid_idx",
    ),
}


def asking(text: str, **query: Any) -> PageQuery:
    """A page of a filter."""
    return PageQuery(terms=read_filters(text.split(",")), **query)


HOT_FILTERS: dict[str, tuple[PageQuery, str | tuple[str, ...]]] = {
    f"{text}{', deleted' if deleted else ''}{', the newest' if descending else ''}": (
        asking(text.format(month=1 if deleted else 0), deleted=deleted, descending=descending),
        index,
    )
    for text, index in {
        "type==PyTorchJob": "_type_created_at_uid_idx",
        "projectId==rare": "_project_id_created_at_uid_idx",
        "projectName==Rare": "_project_name_created_at_uid_idx",
        "submittedBy==rare@example.com": ("_submitted_by_created_at_uid_idx", "_submitted_by_created_at_uid_idx1"),
        "createdAt>=2026-01-02T10:00,createdAt<=2026-01-02T12:00": CREATED,
        "createdAt==2026-01-02T10:00": CREATED,
        "type==Job,projectId==team-a": CREATED,
        "phase==Running,createdAt>=2026-01-02": CREATED,
        "name==M{month}-1234": "_name_created_at_uid_idx",
        "name=^m{month}-123": ("_lower_name_uid_idx", "_lower_uid_idx"),
    }.items()
    for deleted in (False, True)
    for descending in (False, True)
}
HOT_FILTERS |= {
    "phase==Failed": (asking("phase==Failed"), "workloads_phase_order_created_at_uid_idx"),
    "phase=^fail": (asking("phase=^fail"), "workloads_phase_order_created_at_uid_idx"),
    "phase==Failed, deleted": (asking("phase==Failed", deleted=True), "_phase_order_created_at_uid_idx"),
    "phase=$ing, deleted": (asking("phase=$ing", deleted=True), CREATED),
    "phase=$ing": (asking("phase=$ing"), "workloads_created_at_uid_idx"),
    "in one day's deletions": (asking("deletedAt==2026-01-02T00:10", deleted=True), DELETED),
}


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_page_reads_its_index_and_little_more_than_itself(filled: AsyncEngine, name: str) -> None:
    query, index = HOT[name]
    plan = await plan_of(filled, page_statement(query))
    assert plan.read_whole == set()
    assert any(found.endswith(index) for found in plan.indexes), plan.indexes
    # Its place and itself, and for each partition the row that lost the merge.
    assert plan.touched <= 2 * PAGE + MONTHS + 1
    assert plan.sorted_rows <= PAGE


@pytest.mark.parametrize("name", HOT_FILTERS)
async def test_a_hot_filter_reads_an_index_and_little_else(filled: AsyncEngine, name: str) -> None:
    query, index = HOT_FILTERS[name]
    plan = await plan_of(filled, page_statement(query))
    assert plan.read_whole == set()
    assert any(found.endswith(index) for found in plan.indexes), plan.indexes
    # A page and its places, and in between as many as one page of every third row takes.
    assert plan.touched <= 5 * PAGE + MONTHS + 1, plan.indexes


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("text", ["phase==Failed", "type==PyTorchJob", "submittedBy==rare@example.com", "name=^m0-12"])
async def test_a_count_of_few_reads_few(filled: AsyncEngine, text: str, *, deleted: bool) -> None:
    selection = Selection(deleted=deleted, terms=read_filters([text]))
    plan = await plan_of(filled, count_statement(selection))
    assert plan.read_whole == set()
    assert plan.touched <= (MONTHS if deleted else 1) * ROWS // 30


@pytest.mark.parametrize(
    "query",
    [
        PageQuery(words=("no", "such")),
        asking("name=@no such"),
        asking("nodepool=@no such"),
        asking("name!@a,name!@b,name=$no such"),
    ],
)
async def test_what_no_index_finds_is_looked_for_in_the_live_rows_once(filled: AsyncEngine, query: PageQuery) -> None:
    plan = await plan_of(filled, page_statement(query))
    assert plan.touched == ROWS
    assert not any("deleted" in node.get("Relation Name", "") for node in plan.nodes)


@pytest.mark.parametrize("query", [PageQuery(offset=1000), PageQuery(offset=1000, deleted=True)])
async def test_a_deep_page_passes_over_the_index_alone(filled: AsyncEngine, query: PageQuery) -> None:
    plan = await plan_of(filled, page_statement(query))
    assert plan.read_whole == set()
    assert plan.touched <= 1000 + 2 * PAGE + MONTHS + 1
    assert plan.sorted_rows <= PAGE


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", list(Field))
async def test_any_sort_of_the_deleted_reads_an_index_and_little_else(
    filled: AsyncEngine, sort: Field, *, descending: bool
) -> None:
    plan = await plan_of(filled, page_statement(PageQuery(deleted=True, sort=sort, descending=descending)))
    assert plan.read_whole == set()
    assert plan.touched <= 2 * PAGE + MONTHS + 1, plan.indexes
    assert plan.sorted_rows <= 2 * PAGE


async def test_a_few_small_namespaces_cost_their_own_rows(filled: AsyncEngine) -> None:
    namespaces = frozenset({"small-10", "small-30", "small-50"})
    plan = await plan_of(filled, page_statement(PageQuery(scope=Scope(namespaces=namespaces))))
    assert plan.read_whole == set()
    assert plan.sorted_rows <= 3 * ROWS // 200


async def test_a_sort_without_an_index_keeps_only_the_page(filled: AsyncEngine) -> None:
    """The checks above can fail: this one reads the table, but sorts and carries no more than it must."""
    plan = await plan_of(filled, page_statement(PageQuery(sort=Field.PRIORITY)))
    assert plan.read_whole == {"workloads"}
    sorts = [node for node in plan.nodes if node["Node Type"] == "Sort"]
    assert "top-N heapsort" in {node["Sort Method"] for node in sorts}


@pytest.mark.parametrize("name", ["m0-1", "m2-1", "no such"])
async def test_one_workload_is_found_by_index_on_both_sides(filled: AsyncEngine, name: str) -> None:
    plan = await plan_of(filled, workload_statement(uid_of(name), EVERYTHING))
    assert plan.read_whole == set()
    assert plan.touched <= 1
