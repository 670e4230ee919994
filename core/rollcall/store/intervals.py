"""What a workload's pods asked for and held over time: one statement for its pods, exact sums at instants.

A pod is there from its creation until its object is gone. It counts, for what it asks and holds, until it has ended:
a pod that is over but not yet deleted is there and counts for nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Table, case, cast, func, null, select, true, union_all
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.pages import Scope, freshness_column, visible

_ENDED_PHASES = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInterval:
    """One pod's life and amounts. An end of ``None`` has not come yet, a start of ``None`` never did."""

    namespace: str
    name: str
    created_at: datetime
    bound_at: datetime | None
    running_at: datetime | None
    counts_until: datetime | None
    gone_at: datetime | None
    requested_gpu_memory_bytes: int
    requested_cpu_millis: int
    requested_memory_bytes: int
    cpu_limit_millis: int | None
    memory_limit_bytes: int | None
    held_gpu_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPods:
    """A workload's pods in an interval."""

    cluster_id: str
    pods: tuple[PodInterval, ...]
    observed_at: datetime | None


async def workload_pods(
    connection: AsyncConnection, uid: str, scope: Scope, *, start: datetime, end: datetime
) -> WorkloadPods | None:
    """The pods that the workload had between the instants, live or deleted; ``None`` where it is not in scope."""
    return await _read(connection, pods_statement(uid, scope, start=start, end=end))


async def workload_pod(connection: AsyncConnection, workload_uid: str, uid: str, scope: Scope) -> WorkloadPods | None:
    """One pod of the workload, live or deleted, whenever it was; ``None`` where it or the workload is not in scope."""
    found = await _read(connection, pod_statement(workload_uid, uid, scope))
    return found if found is not None and found.pods else None


async def _read(connection: AsyncConnection, statement: Select[Any]) -> WorkloadPods | None:
    rows = (await connection.execute(statement)).mappings().all()
    if not rows:
        return None
    first = rows[0]
    names = PodInterval.__dataclass_fields__
    pods = tuple(PodInterval(**{name: row[name] for name in names}) for row in rows if row["name"] is not None)
    return WorkloadPods(cluster_id=first["of_cluster"], pods=pods, observed_at=first["observed_at"])


def pods_statement(uid: str, scope: Scope, *, start: datetime, end: datetime) -> Select[Any]:
    """The statement behind it: no row where there is no such workload, one without a pod where it had none."""

    def in_time(table: Table) -> list[ColumnElement[bool]]:
        gone_later = [table.c.deleted_at > start] if "deleted_at" in table.columns else []
        return [table.c.created_at <= end, *gone_later]

    return _statement(uid, scope, in_time)


def pod_statement(workload_uid: str, uid: str, scope: Scope) -> Select[Any]:
    """The same for one pod, whenever it was."""
    return _statement(workload_uid, scope, lambda table: [table.c.uid == uid])


def _statement(uid: str, scope: Scope, which: Callable[[Table], list[ColumnElement[bool]]]) -> Select[Any]:
    live, deleted = (
        select(table.c.cluster_id, table.c.uid, _deleted_at(table).label("deleted_at")).where(
            table.c.uid == uid, visible(table, scope)
        )
        for table in (tables.workloads, tables.deleted_workloads)
    )
    both = union_all(live, deleted).subquery("both")
    # Where it is live and deleted, the live one is it.
    found = select(both).order_by(both.c.deleted_at.desc().nulls_first(), both.c.cluster_id).limit(1).subquery("found")
    there, gone = (
        select(*_columns(table)).where(
            table.c.cluster_id == found.c.cluster_id, table.c.workload_uid == found.c.uid, *which(table)
        )
        for table in (tables.pods, tables.deleted_pods)
    )
    pods = union_all(there, gone).lateral("pods")
    observed_at = freshness_column(scope.clusters)
    return select(found.c.cluster_id.label("of_cluster"), observed_at.label("observed_at"), *pods.c).select_from(
        found.outerjoin(pods, true())
    )


def _columns(table: Table) -> list[ColumnElement[Any]]:
    columns, gone_at = table.c, _deleted_at(table)
    has_ended = columns.k8s_phase.in_(_ENDED_PHASES)
    # What ran without a word of when did so from the start: its containers' last starts are all that is kept.
    started_at = func.least(columns.ready_at, _first_start(columns.details))
    ran = columns.k8s_phase.in_(("Running", "Succeeded"))
    running_at = func.coalesce(started_at, case((ran, func.coalesce(columns.bound_at, columns.created_at))))
    kept = columns.details["allocatedWhileBound"]
    held = case(
        (kept.is_not(None), func.coalesce(cast(kept["gpu_micros"].astext, BigInteger), 0)),
        # Rows of an earlier release: what a pod that ended had held was not kept, and is most often the request.
        (has_ended, columns.requested_gpu_micros),
        else_=columns.allocated_gpu_micros,
    )
    limits = columns.details["requested"]["limits"]
    return [
        columns.namespace,
        columns.name,
        columns.created_at,
        columns.bound_at,
        running_at.label("running_at"),
        case((has_ended, func.coalesce(columns.ended_at, gone_at)), else_=gone_at).label("counts_until"),
        gone_at.label("gone_at"),
        columns.requested_gpu_memory_bytes,
        columns.requested_cpu_millis,
        columns.requested_memory_bytes,
        cast(limits["cpu_millis"].astext, BigInteger).label("cpu_limit_millis"),
        cast(limits["memory_bytes"].astext, BigInteger).label("memory_limit_bytes"),
        held.label("held_gpu_micros"),
    ]


def _deleted_at(table: Table) -> ColumnElement[Any]:
    column = tables.deleted_pods.c.deleted_at
    return table.c.deleted_at if "deleted_at" in table.columns else cast(null(), column.type)


def _first_start(details: ColumnElement[Any]) -> ColumnElement[Any]:
    """The first of the containers' starts: the third word of each entry."""
    starts = func.jsonb_array_elements_text(
        func.jsonb_path_query_array(details, cast("$.containers[*][2]", JSONPATH))
    ).table_valued("value")
    return select(func.min(cast(starts.c.value, tables.pods.c.ready_at.type))).select_from(starts).scalar_subquery()


def pods_at(pods: Sequence[PodInterval], instants: Sequence[datetime]) -> list[int]:
    """How many pods are there at each of the ascending instants."""
    return _summed(pods, instants, lambda pod: (pod.created_at, pod.gone_at, 1))


def running_pods_at(pods: Sequence[PodInterval], instants: Sequence[datetime]) -> list[int]:
    """How many of them run."""
    return _summed(pods, instants, lambda pod: (pod.running_at, pod.counts_until, 1))


def requested_at(
    pods: Sequence[PodInterval], instants: Sequence[datetime], amount: Callable[[PodInterval], int]
) -> list[int]:
    """What they ask for together."""
    return _summed(pods, instants, lambda pod: (pod.created_at, pod.counts_until, amount(pod)))


def held_gpus_at(pods: Sequence[PodInterval], instants: Sequence[datetime]) -> list[int]:
    """The GPU micros that they hold together."""
    return _summed(pods, instants, lambda pod: (pod.bound_at, pod.counts_until, pod.held_gpu_micros))


def _summed(
    pods: Sequence[PodInterval],
    instants: Sequence[datetime],
    part: Callable[[PodInterval], tuple[datetime | None, datetime | None, int]],
) -> list[int]:
    """The sum of the amounts whose interval holds the instant: the start is inside, the end is not."""
    changes: list[tuple[datetime, int]] = []
    for pod in pods:
        start, end, amount = part(pod)
        if start is None or (end is not None and end <= start):
            continue
        changes.append((start, amount))
        if end is not None:
            changes.append((end, -amount))
    changes.sort()
    sums: list[int] = []
    total = place = 0
    for instant in instants:
        while place < len(changes) and changes[place][0] <= instant:
            total += changes[place][1]
            place += 1
        sums.append(total)
    return sums
