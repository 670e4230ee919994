"""What the API reads: a page, one workload, a count; one statement each, with the view's freshness in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.records import StoredWorkload
from rollcall.store.rows import workload_of


class SortKey(StrEnum):
    """What a page can be sorted by: the contract's names."""

    TYPE = "type"
    NAME = "name"
    CLUSTER_ID = "clusterId"
    PROJECT_ID = "projectId"
    PROJECT_NAME = "projectName"
    DEPARTMENT_ID = "departmentId"
    DEPARTMENT_NAME = "departmentName"
    CREATED_AT = "createdAt"
    DELETED_AT = "deletedAt"
    SUBMITTED_BY = "submittedBy"
    PHASE = "phase"
    COMPLETED_AT = "completedAt"
    NODE_POOL = "nodepool"
    ALLOCATED_GPU = "allocatedGPU"
    DISTRIBUTED_FRAMEWORK = "distributedFramework"
    IDLE_GPUS = "idleGpus"
    IDLE_ALLOCATED_GPUS = "idleAllocatedGpus"
    PHASE_UPDATED_AT = "phaseUpdatedAt"
    CATEGORY = "category"
    PRIORITY = "priority"
    TOTAL_PENDING_TIME_SECONDS = "totalPendingTimeSeconds"
    TOTAL_RUNNING_TIME_SECONDS = "totalRunningTimeSeconds"
    PRIORITY_CLASS_NAME = "priorityClassName"
    GUARANTEED_RUNTIME_ENDS_AT = "guaranteedRuntimeEndsAt"
    AI_APPLICATION_ID = "aiApplicationId"
    AI_APPLICATION_NAME = "aiApplicationName"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The namespaces a caller may see; ``None`` is all of them."""

    namespaces: frozenset[str] | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which page; ``where`` are further conditions on the table's columns."""

    deleted: bool = False
    offset: int = 0
    limit: int = 50
    sort: SortKey = SortKey.CREATED_AT
    descending: bool = False
    scope: Scope = EVERYTHING
    where: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, whether more rows follow, and the oldest watch behind the view."""

    workloads: tuple[StoredWorkload, ...]
    has_more: bool
    observed_at: datetime | None


async def workload_page(connection: AsyncConnection, query: PageQuery) -> Page:
    """One page, in one statement."""
    rows = (await connection.execute(page_statement(query))).mappings().all()
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
    table = tables.deleted_workloads if query.deleted else tables.workloads
    key = _sort_column(query.sort, table)
    identity = list(table.primary_key.columns)
    # First the place of each row, from as little of it as will do, then the rows of the page alone: sorting or
    # skipping whole rows is most of what a deep or an unindexed page would cost. The page is sorted once more on its
    # way out, so its key goes along. (Numbering the rows would make PostgreSQL sort all of them: under a window it
    # does not stop at the limit.)
    places = (
        select(*identity, *([] if key is None else [key.label("sort_key")]))
        .where(visible(table, query.scope), *query.where)
        .order_by(*_order(query, key, table.c.uid))
        .offset(query.offset)
        .limit(query.limit + 1)
        .subquery("places")
    )
    sort_key = places.c.get("sort_key")
    page = (
        select(*_columns(table), *([] if sort_key is None else [sort_key]))
        .join(places, and_(*(column == places.c[column.name] for column in identity)))
        .subquery("page")
    )
    return with_freshness(page).order_by(*_order(query, page.c.get("sort_key"), page.c.uid))


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
        select(*_columns(table)).where(table.c.uid == uid, visible(table, scope))
        for table in (tables.workloads, tables.deleted_workloads)
    )
    found = union_all(live, deleted).subquery("found")
    return with_freshness(found).order_by(found.c.deleted_at.desc().nulls_first()).limit(1)


async def workload_count(
    connection: AsyncConnection, *, deleted: bool, scope: Scope, where: Sequence[ColumnElement[bool]] = ()
) -> tuple[int, datetime | None]:
    """How many there are, exactly, and the view's freshness; one statement."""
    table = tables.deleted_workloads if deleted else tables.workloads
    count = select(func.count()).select_from(table).where(visible(table, scope), *where).scalar_subquery()
    row = (await connection.execute(select(count, _freshness()))).one()
    return int(row[0]), row[1]


async def freshness(connection: AsyncConnection) -> datetime | None:
    """The instant of the oldest watch of all clusters; ``None`` before any cluster was read."""
    observed_at: datetime | None = (await connection.execute(select(_freshness()))).scalar_one()
    return observed_at


async def known_namespaces(connection: AsyncConnection) -> tuple[str, ...]:
    """Every namespace that was ever a project's: those a caller's rights are asked for."""
    statement = select(tables.projects.c.namespace).distinct().order_by(tables.projects.c.namespace)
    return tuple((await connection.execute(statement)).scalars())


def _freshness() -> Any:
    return select(func.min(tables.clusters.c.observed_at)).scalar_subquery()


def with_freshness(rows: Any) -> Select[Any]:
    """``rows`` beside the view's freshness, which is there even where they are none."""
    fresh = select(func.min(tables.clusters.c.observed_at).label("observed_at")).subquery("fresh")
    return select(fresh.c.observed_at, *rows.c).select_from(fresh.outerjoin(rows, true()))


def visible(table: Table, scope: Scope) -> ColumnElement[bool]:
    """The rows of the namespaces that the caller may see."""
    if scope.namespaces is None:
        return true()
    if len(scope.namespaces) == 1:
        # An equality, and not a list of one: only then does the index by namespace yield the rows in order.
        return table.c.namespace == next(iter(scope.namespaces))
    return table.c.namespace == func.any(sorted(scope.namespaces))


_FOR_WRITING = frozenset(
    {"pending_time", "running_time", "last_phase", "last_phase_message", "last_version", "open_phase", "gone_version"}
)
"""Columns that the writing statements compute with; what a reader wants of them is in others."""


def _columns(table: Table) -> list[ColumnElement[Any]]:
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
        _seconds(table, "Pending", "pending_time").label("pending_seconds"),
        _seconds(table, "Running", "running_time").label("running_seconds"),
    ]


def _seconds(table: Table, phase: str, total: str) -> ColumnElement[int]:
    """The whole seconds in a phase: the stays that ended, and on a live row the present one."""
    spent: ColumnElement[Any] = table.c[total]
    if "deleted_at" not in table.columns:
        present = func.greatest(func.now() - table.c.phase_updated_at, func.make_interval())
        spent = spent + case((table.c.phase == phase, present), else_=func.make_interval())
    return cast(func.floor(func.extract("epoch", spent)), BigInteger)


def _order(query: PageQuery, key: ColumnElement[Any] | None, uid: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """The sort key, nulls last in both directions, then the uid, so that the order is total."""
    last = uid.desc() if query.descending else uid.asc()
    if key is None:
        return [last]
    ordered = key.desc() if query.descending else key.asc()
    nullable = getattr(key, "nullable", True)
    # Where no null can be, saying where nulls go would only keep the index from being read backwards.
    return [ordered.nulls_last() if nullable else ordered, last]


def _sort_column(sort: SortKey, table: Table) -> ColumnElement[Any] | None:
    """What a sort key reads; ``None`` for fields that no workload of ours has, which leave the order to the uid."""
    match sort:
        case SortKey.CREATED_AT:
            return table.c.created_at
        case SortKey.DELETED_AT:
            return table.c.deleted_at if "deleted_at" in table.columns else None
        case SortKey.COMPLETED_AT:
            return table.c.completed_at
        case SortKey.PHASE:
            return table.c.phase_order
        case SortKey.NODE_POOL:
            return table.c.node_pools[1]
        case SortKey.ALLOCATED_GPU:
            return table.c.allocated_gpu_micros
        case SortKey.TOTAL_PENDING_TIME_SECONDS:
            return _seconds(table, "Pending", "pending_time")
        case SortKey.TOTAL_RUNNING_TIME_SECONDS:
            return _seconds(table, "Running", "running_time")
        case _:
            name = _PLAIN_COLUMNS.get(sort)
            return None if name is None else table.c[name]


_PLAIN_COLUMNS = {
    SortKey.TYPE: "type",
    SortKey.NAME: "name",
    SortKey.CLUSTER_ID: "cluster_id",
    SortKey.PROJECT_ID: "project_id",
    SortKey.PROJECT_NAME: "project_name",
    SortKey.DEPARTMENT_ID: "department_id",
    SortKey.DEPARTMENT_NAME: "department_name",
    SortKey.SUBMITTED_BY: "submitted_by",
    SortKey.DISTRIBUTED_FRAMEWORK: "distributed_framework",
    SortKey.PHASE_UPDATED_AT: "phase_updated_at",
    SortKey.CATEGORY: "category",
    SortKey.PRIORITY: "priority",
    SortKey.PRIORITY_CLASS_NAME: "priority_class_name",
}
