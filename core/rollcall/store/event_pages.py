"""What happened to one workload: pages of its Kubernetes events and of its history, one statement each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, Text, cast, func, literal, null, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.domain.events import InvolvedObject, KubernetesEvent
from rollcall.domain.records import Phase
from rollcall.store import tables
from rollcall.store.pages import Scope, freshness_column, visible

_PHASES = [phase.value for phase in Phase]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which part of what happened to a workload, by the instant at which it happened."""

    workload_uid: str
    scope: Scope
    offset: int = 0
    limit: int = 50
    descending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChange:
    """A phase that a workload took on."""

    at: datetime
    phase: Phase
    message: str | None


Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage(Generic[Entry]):
    """A page of one workload's entries, and whether more follow."""

    cluster_id: str
    entries: tuple[Entry, ...]
    has_more: bool
    observed_at: datetime | None


async def workload_events(connection: AsyncConnection, query: EventQuery) -> EventPage[KubernetesEvent] | None:
    """A page of the workload's Kubernetes events; ``None`` where no such workload is in scope, live or deleted."""
    return await _page(connection, query, events_statement(query), _event_of)


async def workload_history(
    connection: AsyncConnection, query: EventQuery
) -> EventPage[KubernetesEvent | PhaseChange] | None:
    """A page of the workload's changes of phase and its events; ``None`` where no such workload is in scope."""
    return await _page(connection, query, history_statement(query), _entry_of)


def events_statement(query: EventQuery) -> Select[Any]:
    """The statement behind a page of events: no row where there is no such workload, one without an event at least."""
    found, events = _found(query), tables.events
    page = (
        select(events)
        .where(events.c.cluster_id == found.c.cluster_id, events.c.workload_uid == found.c.uid)
        .order_by(*(key.desc() if query.descending else key.asc() for key in (events.c.at, events.c.uid)))
        .offset(query.offset)
        .limit(query.limit + 1)
        .lateral("page")
    )
    keys = (page.c.at, page.c.uid)
    return _beside_workload(query, found, page).order_by(
        *(key.desc() if query.descending else key.asc() for key in keys)
    )


def history_statement(query: EventQuery) -> Select[Any]:
    """The same of a page of history. Of changes at one instant the later in a life is the newer."""
    found, events, changes = _found(query), tables.events, tables.phase_changes
    # Each side by its own index, as much of it as the page can need at all.
    most = query.offset + query.limit + 1
    no_phase = (_none(Text).label("phase"), _none(Text).label("phase_message"), literal(0).label("rank"))
    happened = (
        select(*events.c, *no_phase)
        .where(events.c.cluster_id == found.c.cluster_id, events.c.workload_uid == found.c.uid)
        .order_by(events.c.at.desc(), events.c.uid.desc())
        .limit(most)
        .lateral("happened")
    )
    shared = {"at": changes.c.at, "cluster_id": changes.c.cluster_id, "workload_uid": changes.c.uid}
    rank = func.coalesce(func.array_position(cast(_PHASES, ARRAY(Text)), changes.c.phase), 0).label("rank")
    changed = (
        select(
            *(shared.get(column.name, cast(null(), column.type)).label(column.name) for column in events.c),
            changes.c.phase,
            changes.c.phase_message,
            rank,
        )
        .where(changes.c.cluster_id == found.c.cluster_id, changes.c.uid == found.c.uid)
        .order_by(changes.c.at.desc(), rank.desc())
        .limit(most)
        .lateral("changed")
    )
    sides = (select(*side.c).select_from(found.join(side, true())) for side in (happened, changed))
    entries = union_all(*sides).subquery("entries")
    keys = (entries.c.at.desc(), entries.c.rank.desc(), entries.c.uid.desc())
    page = select(entries).order_by(*keys).offset(query.offset).limit(query.limit + 1).subquery("page")
    return _beside_workload(query, found, page).order_by(page.c.at.desc(), page.c.rank.desc(), page.c.uid.desc())


def _none(kind: type[Text]) -> Any:
    return cast(null(), kind)


def _found(query: EventQuery) -> Any:
    live, deleted = (
        select(table.c.cluster_id, table.c.uid).where(table.c.uid == query.workload_uid, visible(table, query.scope))
        for table in (tables.workloads, tables.deleted_workloads)
    )
    return union_all(live, deleted).limit(1).cte("found")


def _beside_workload(query: EventQuery, found: Any, page: Any) -> Select[Any]:
    observed_at = freshness_column(query.scope.clusters)
    return select(found.c.cluster_id.label("of_cluster"), observed_at.label("observed_at"), *page.c).select_from(
        found.outerjoin(page, true())
    )


async def _page(
    connection: AsyncConnection, query: EventQuery, statement: Select[Any], read: Callable[[Mapping[str, Any]], Entry]
) -> EventPage[Entry] | None:
    rows = (await connection.execute(statement)).mappings().all()
    if not rows:
        return None
    there = [row for row in rows if row["at"] is not None]
    return EventPage(
        cluster_id=rows[0]["of_cluster"],
        entries=tuple(read(row) for row in there[: query.limit]),
        has_more=len(there) > query.limit,
        observed_at=rows[0]["observed_at"],
    )


def _entry_of(row: Mapping[str, Any]) -> KubernetesEvent | PhaseChange:
    if row["phase"] is None:
        return _event_of(row)
    return PhaseChange(at=row["at"], phase=Phase(row["phase"]), message=row["phase_message"])


def _event_of(row: Mapping[str, Any]) -> KubernetesEvent:
    return KubernetesEvent(
        uid=row["uid"],
        created_at=row["created_at"],
        at=row["at"],
        count=row["count"],
        type=row["type"],
        reason=row["reason"],
        message=row["message"],
        source=row["source"],
        involved=InvolvedObject(
            uid=row["involved_uid"],
            kind=row["involved_kind"],
            namespace=row["involved_namespace"],
            name=row["involved_name"],
        ),
    )
