"""Pages and counts of pods: one statement each, by the same rules as those of workloads (`rollcall.store.pages`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, cast, literal, null, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.fields import Field, PodField
from rollcall.store.pages import (
    STATEMENTS_KEPT,
    PageQuery,
    Scope,
    count_statement,
    of_any_place,
    page_order,
    page_rows,
    place_of,
    visible,
    with_freshness,
)
from rollcall.store.pod_rows import pod_of
from rollcall.store.records import StoredPod


@dataclass(frozen=True, slots=True, kw_only=True)
class PodQuery(PageQuery):
    """Which pods, in which order; a count asks no more of it than which."""

    sort: Field | PodField = PodField.CREATED_AT
    workload_uid: str | None = None
    """The pods of this workload alone."""
    completed: bool | None = None
    """Only those that have ended, or only those that have not; a pod that is gone has ended."""

    @property
    def table(self) -> Table:
        """Where they are."""
        return tables.deleted_pods if self.deleted else tables.pods

    @property
    def narrowing(self) -> Sequence[ColumnElement[bool]]:
        """The workload, and whether they have ended."""
        found: list[ColumnElement[bool]] = []
        if self.workload_uid is not None:
            found.append(self.table.c.workload_uid == self.workload_uid)
        if self.completed is not None:
            ended_at = self.table.c.ended_at
            found.append(ended_at.is_not(None) if self.completed else ended_at.is_(None))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPage:
    """A page, whether more rows follow, and the oldest watch behind the view."""

    pods: tuple[StoredPod, ...]
    has_more: bool
    observed_at: datetime | None
    workload_is_known: bool
    """Whether the workload that was asked for is in scope, where one was."""


async def pod_page(connection: AsyncConnection, query: PodQuery) -> PodPage:
    """One page, in one statement."""
    statement = _page_of_any_place(of_any_place(query))
    rows = (await connection.execute(statement, place_of(query))).mappings().all()
    found = [row for row in rows if row["uid"] is not None]
    return PodPage(
        pods=tuple(pod_of(row) for row in found[: query.limit]),
        has_more=len(found) > query.limit,
        observed_at=rows[0]["observed_at"],
        workload_is_known=rows[0]["workload_is_known"],
    )


async def pod_count(connection: AsyncConnection, query: PodQuery) -> tuple[int, datetime | None]:
    """How many there are, exactly, and the view's freshness; one statement."""
    row = (await connection.execute(count_statement(query))).one()
    return int(row[0]), row[1]


def pod_page_statement(query: PodQuery) -> Select[Any]:
    """The statement behind a page; one row more than the limit tells whether more follow."""
    return _page_of_any_place(of_any_place(query)).params(place_of(query))


@lru_cache(maxsize=STATEMENTS_KEPT)
def _page_of_any_place(query: PodQuery) -> Select[Any]:
    page = page_rows(query, _columns(query.table))
    owner = _owners(page.c.cluster_id, page.c.workload_uid)
    rows = select(*page.c, *owner.c).select_from(page.outerjoin(owner, true())).subquery("page")
    known = literal(value=True) if query.workload_uid is None else _is_known(query.workload_uid, query.scope)
    return (
        with_freshness(rows, query.scope.clusters)
        .add_columns(known.label("workload_is_known"))
        .order_by(*page_order(query, rows))
    )


def _owners(cluster_id: ColumnElement[Any], uid: ColumnElement[Any]) -> Any:
    """What the rows of pods do not repeat of their workload, live or deleted."""
    names = {
        "name": "of_workload",
        "project_id": "of_project_id",
        "project_name": "of_project_name",
        "priority_class_name": "of_priority_class_name",
    }
    found = (
        select(*(table.c[name].label(label) for name, label in names.items())).where(
            table.c.cluster_id == cluster_id, table.c.uid == uid
        )
        for table in (tables.workloads, tables.deleted_workloads)
    )
    # The live table is read first and most often enough; where a workload is in both, either tells of it.
    return union_all(*found).limit(1).lateral("owner")


def _is_known(uid: str, scope: Scope) -> ColumnElement[bool]:
    live, deleted = (
        select(literal(1)).where(table.c.uid == uid, visible(table, scope)).exists()
        for table in (tables.workloads, tables.deleted_workloads)
    )
    return live | deleted


def _columns(table: Table) -> list[ColumnElement[Any]]:
    kept = [column for column in table.columns if column.name not in ("gone_version", "deletion_seen")]
    if "deleted_at" in table.columns:
        return [*kept]
    return [*kept, cast(null(), tables.deleted_pods.c.deleted_at.type).label("deleted_at")]
