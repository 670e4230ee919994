"""What the API reads: a page, one workload, a count; one statement each, with the view's freshness in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.fields import COMPUTED, Field, PodField, field_value, pending_seconds, running_seconds
from rollcall.store.filters import Term, search_condition, term_condition
from rollcall.store.records import StoredWorkload
from rollcall.store.rows import workload_of

STATEMENTS_KEPT = 128
"""Statements that are kept put together: those of so many callers who look at the same pages again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The namespaces a caller may see, in these clusters; ``None`` is all of them."""

    namespaces: frozenset[str] | None = None
    clusters: frozenset[str] | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which workloads: those in the scope that every term and every searched word matches."""

    deleted: bool = False
    scope: Scope = EVERYTHING
    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
        """Where they are."""
        return tables.deleted_workloads if self.deleted else tables.workloads

    @property
    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """What the table's rows must meet."""
        terms = (term_condition(term, self.table) for term in self.terms)
        return (visible(self.table, self.scope), *terms, search_condition(self.words, self.table), *self.narrowing)

    @property
    def narrowing(self) -> Sequence[ColumnElement[bool]]:
        """What a selection of another sort demands on top."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery(Selection):
    """Which of them, in which order."""

    offset: int = 0
    limit: int = 50
    sort: Field | PodField = Field.CREATED_AT
    descending: bool = False


Query = TypeVar("Query", bound=PageQuery)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, whether more rows follow, and the oldest watch behind the view."""

    workloads: tuple[StoredWorkload, ...]
    has_more: bool
    observed_at: datetime | None


async def workload_page(connection: AsyncConnection, query: PageQuery) -> Page:
    """One page, in one statement."""
    statement = _page_of_any_place(of_any_place(query))
    rows = (await connection.execute(statement, place_of(query))).mappings().all()
    # The freshness comes as a row of its own, so that an empty page has it too.
    observed_at = rows[0]["observed_at"] if rows else None
    found = [row for row in rows if row["uid"] is not None]
    return Page(
        workloads=tuple(workload_of(row) for row in found[: query.limit]),
        has_more=len(found) > query.limit,
        observed_at=observed_at,
    )


def page_statement(query: PageQuery) -> Select[Any]:
    """The statement behind a page; one row more than the limit tells whether more follow."""
    return _page_of_any_place(of_any_place(query)).params(place_of(query))


def of_any_place(query: Query) -> Query:
    """The query but for offset and limit: what a kept statement is known by."""
    return replace(query, offset=0, limit=0)


def place_of(query: PageQuery) -> dict[str, int]:
    """Offset and limit, as the parameters that the statements of pages have for them."""
    return {"skipped": query.offset, "wanted": query.limit + 1}


@lru_cache(maxsize=STATEMENTS_KEPT)
def _page_of_any_place(query: PageQuery) -> Select[Any]:
    """The statement but for :func:`place_of`.

    Kept, because putting a statement together takes as long as half of what PostgreSQL does with it, and a caller who
    goes through pages, or looks again, sends the same one each time.
    """
    page = page_rows(query, workload_columns(query.table))
    return with_freshness(page, query.scope.clusters).order_by(*page_order(query, page))


def page_rows(query: PageQuery, columns: Sequence[ColumnElement[Any]]) -> Subquery:
    """These columns of the rows of a page, to be sorted by :func:`page_order`, at :func:`place_of`."""
    table = query.table
    key = _sort_column(query.sort, table)
    identity = list(table.primary_key.columns)
    # First the place of each row, from as little of it as will do, then the rows of the page alone: sorting or
    # skipping whole rows is most of what a deep or an unindexed page would cost. The page is sorted once more on its
    # way out, so its key goes along. (Numbering the rows would make PostgreSQL sort all of them: under a window it
    # does not stop at the limit.)
    places = (
        select(*identity, *([] if key is None else [key.label("sort_key")]))
        .where(*query.conditions)
        .order_by(*_order(query, key, table))
        .offset(bindparam("skipped", type_=Integer))
        .limit(bindparam("wanted", type_=Integer))
        .subquery("places")
    )
    sort_key = places.c.get("sort_key")
    return (
        select(*columns, *([] if sort_key is None else [sort_key]))
        .join(places, and_(*(column == places.c[column.name] for column in identity)))
        .subquery("page")
    )


def page_order(query: PageQuery, page: Subquery) -> list[ColumnElement[Any]]:
    """The order of the rows of a page."""
    return _order(query, page.c.get("sort_key"), page)


async def workload_by_id(
    connection: AsyncConnection, uid: str, scope: Scope
) -> tuple[StoredWorkload | None, datetime | None]:
    """The workload with that uid, live or deleted, and the view's freshness; one statement."""
    row = (await connection.execute(workload_statement(uid, scope))).mappings().first()
    if row is None:
        return None, None
    return (None if row["uid"] is None else workload_of(row)), row["observed_at"]


def workload_statement(uid: str, scope: Scope) -> Select[Any]:
    """The statement behind one workload; where it is live and deleted, the live one is it."""
    live, deleted = (
        select(*workload_columns(table)).where(table.c.uid == uid, visible(table, scope))
        for table in (tables.workloads, tables.deleted_workloads)
    )
    found = union_all(live, deleted).subquery("found")
    # By the cluster too: where clusters were restored from one backup, several have the uid.
    order = (found.c.deleted_at.desc().nulls_first(), found.c.cluster_id)
    return with_freshness(found, scope.clusters).order_by(*order).limit(1)


async def workload_count(connection: AsyncConnection, selection: Selection) -> tuple[int, datetime | None]:
    """How many there are, exactly, and the view's freshness; one statement."""
    row = (await connection.execute(count_statement(selection))).one()
    return int(row[0]), row[1]


def count_statement(selection: Selection) -> Select[Any]:
    """The statement behind a count: of the same rows as the pages."""
    count = select(func.count()).select_from(selection.table).where(*selection.conditions).scalar_subquery()
    return select(count, freshness_column(selection.scope.clusters))


async def freshest(connection: AsyncConnection, clusters: frozenset[str] | None) -> datetime | None:
    """The instant of the oldest watch of that of these clusters which is seen best; ``None`` before any was read."""
    column = tables.clusters.c.observed_at
    statement = select(func.max(column)).where(among(tables.clusters.c.cluster_id, clusters))
    observed_at: datetime | None = (await connection.execute(statement)).scalar_one()
    return observed_at


async def known_namespaces(connection: AsyncConnection, clusters: frozenset[str] | None) -> tuple[str, ...]:
    """Every namespace that was ever a project's in these clusters: those a caller's rights are asked for."""
    table = tables.projects
    statement = select(table.c.namespace).where(among(table.c.cluster_id, clusters))
    return tuple((await connection.execute(statement.distinct().order_by(table.c.namespace))).scalars())


def freshness_column(clusters: frozenset[str] | None) -> Any:
    """The instant of the oldest watch of these clusters, as a column."""
    return _freshness(clusters).scalar_subquery()


def with_freshness(rows: Any, clusters: frozenset[str] | None) -> Select[Any]:
    """``rows`` beside the view's freshness, which is there even where they are none."""
    fresh = _freshness(clusters).subquery("fresh")
    return select(fresh.c.observed_at, *rows.c).select_from(fresh.outerjoin(rows, true()))


def _freshness(clusters: frozenset[str] | None) -> Select[Any]:
    table = tables.clusters
    return select(func.min(table.c.observed_at).label("observed_at")).where(among(table.c.cluster_id, clusters))


def visible(rows: FromClause, scope: Scope) -> ColumnElement[bool]:
    """The rows of the namespaces that the caller may see."""
    return and_(among(rows.c.cluster_id, scope.clusters), among(rows.c.namespace, scope.namespaces))


def among(column: ColumnElement[str], values: frozenset[str] | None) -> ColumnElement[bool]:
    """The rows with one of these values; ``None`` is all of them."""
    if values is None:
        return true()
    if len(values) == 1:
        # An equality, and not a list of one: only then does the index by namespace yield the rows in order.
        return column == next(iter(values))
    return column == func.any(sorted(values))


_FOR_WRITING = frozenset(
    {"pending_time", "running_time", "last_phase", "last_phase_message", "last_version", "open_phase", "gone_version"}
)
"""Columns that the writing statements compute with; what a reader wants of them is in others."""


def workload_columns(table: Table) -> list[ColumnElement[Any]]:
    """What is read of a row that becomes a :class:`StoredWorkload`."""
    kept = [column for column in table.columns if column.name not in _FOR_WRITING]
    deletion: list[ColumnElement[Any]] = []
    if "deleted_at" not in table.columns:
        deletion = [
            cast(null(), tables.deleted_workloads.c.deleted_at.type).label("deleted_at"),
            cast(null(), tables.deleted_workloads.c.deletion_seen.type).label("deletion_seen"),
        ]
    return [
        *kept,
        *deletion,
        pending_seconds(table).label("pending_seconds"),
        running_seconds(table).label("running_seconds"),
    ]


def _order(query: PageQuery, key: ColumnElement[Any] | None, rows: FromClause) -> list[ColumnElement[Any]]:
    """The sort key, nulls last in both directions, then the creation and the uid, so that the order is total.

    By the creation too, because then the indexes that filters read, which end in it, serve the sorts as well.
    """
    keys = (rows.c.created_at, rows.c.uid)
    ordered: list[ColumnElement[Any]] = [column.desc() if query.descending else column.asc() for column in keys]
    if key is None:
        return ordered
    first = key.desc() if query.descending else key.asc()
    nullable = query.sort not in COMPUTED and getattr(key, "nullable", True)
    # Where no null can be, saying where nulls go would only keep the index from being read backwards.
    return [first.nulls_last() if nullable else first, *ordered]


def _sort_column(sort: Field | PodField, table: Table) -> ColumnElement[Any] | None:
    """What a page is sorted by before the creation; ``None`` for it itself, and for fields that no row has."""
    key = field_value(sort, table)
    if key is None or sort is Field.CREATED_AT:
        return None
    if sort is Field.ALLOCATED_GPU and table is tables.deleted_workloads:
        return None  # what is gone holds none
    # Not a parameter: an index on the first pool has it in its text.
    return key[literal_column("1", Integer)] if sort is Field.NODE_POOL else key
