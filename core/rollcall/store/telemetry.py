"""How many workloads there are and how many GPUs they hold, by what one likes: exact sums over the live rows.

One statement an answer. A workload in several node pools counts in each; its GPUs are where its pods run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, and_, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TableValuedAlias

from rollcall.domain.records import Phase
from rollcall.store import tables
from rollcall.store.pages import EVERYTHING, Scope, visible, with_freshness


class Measure(StrEnum):
    """What is summed up: the contract's telemetry types."""

    WORKLOADS_COUNT = "WORKLOADS_COUNT"
    GPU_ALLOCATION = "GPU_ALLOCATION"
    """In micros."""
    PENDING_TIME_DISTRIBUTION = "PENDING_TIME_DISTRIBUTION"
    """Pending workloads by how long they have been so: a sum for each of :data:`PENDING_BUCKETS`."""

    @property
    def sums(self) -> int:
        """How many sums each group has."""
        return len(PENDING_BUCKETS) if self is Measure.PENDING_TIME_DISTRIBUTION else 1


class GroupKey(StrEnum):
    """What the sums are split by: the contract's names."""

    CLUSTER_ID = "ClusterId"
    DEPARTMENT_ID = "DepartmentId"
    PROJECT_ID = "ProjectId"
    TYPE = "Type"
    CURRENT_NODE_POOLS = "CurrentNodepools"
    PHASE = "Phase"
    CATEGORY = "Category"


PENDING_BUCKETS = ((0, 60), (60, 300), (300, 1800), (1800, None))
"""Seconds in Pending: from, that included, and up to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryQuery:
    """What is summed, split by what, over which live workloads; ``phases`` left empty are all of them."""

    measure: Measure
    group_by: tuple[GroupKey, ...] = ()
    cluster_id: str | None = None
    node_pool: str | None = None
    department_id: str | None = None
    phases: frozenset[Phase] = frozenset()
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSum:
    """One group: for each key of the query its value and display name, and the sums, one or one a bucket."""

    values: tuple[str, ...]
    names: tuple[str, ...]
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """The groups in the order of their values, as of an instant, and the oldest watch behind the view."""

    groups: tuple[GroupSum, ...]
    at: datetime
    observed_at: datetime | None


async def workload_telemetry(connection: AsyncConnection, query: TelemetryQuery) -> Telemetry:
    """The sums, in one statement."""
    rows = (await connection.execute(telemetry_statement(query))).mappings().all()
    keys, sums = range(len(query.group_by)), range(query.measure.sums)
    return Telemetry(
        groups=tuple(
            GroupSum(
                values=tuple(row[f"value_{place}"] for place in keys),
                names=tuple(row[f"name_{place}"] for place in keys),
                sums=tuple(int(row[f"sum_{place}"]) for place in sums),
            )
            for row in rows
            if row["sum_0"] is not None
        ),
        at=rows[0]["at"],
        observed_at=rows[0]["observed_at"],
    )


def telemetry_statement(query: TelemetryQuery) -> Select[Any]:
    """The statement behind the sums. Without a group it sums up to one row, also where nothing is."""
    table = tables.workloads
    # Only where the pool matters is a workload taken apart by its pools; one in no pool is left out then.
    pools = _pools() if _is_by_pool(query) else None
    conditions = [visible(table, query.scope)]
    if query.cluster_id is not None:
        conditions.append(table.c.cluster_id == query.cluster_id)
    if query.department_id is not None:
        conditions.append(table.c.department_id == query.department_id)
    if query.phases:
        conditions.append(table.c.phase == func.any(sorted(query.phases)))
    if query.measure is Measure.PENDING_TIME_DISTRIBUTION:
        conditions.append(table.c.phase == Phase.PENDING.value)
    if pools is not None and query.node_pool is not None:
        conditions.append(pools.c.pool == query.node_pool)
    keys = [_value_and_name(key, pools) for key in query.group_by]
    columns: list[ColumnElement[Any]] = []
    for place, (value, name) in enumerate(keys):
        columns += [value.label(f"value_{place}"), name.label(f"name_{place}")]
    columns += [found.label(f"sum_{place}") for place, found in enumerate(_sums(query.measure, pools))]
    rows = select(*columns).select_from(table if pools is None else table.join(pools, literal(value=True)))
    found = rows.where(*conditions).group_by(*(value for value, _ in keys)).subquery("sums")
    order = [found.c[f"value_{place}"] for place in range(len(keys))]
    return with_freshness(found, query.scope.clusters).add_columns(func.now().label("at")).order_by(*order)


def _is_by_pool(query: TelemetryQuery) -> bool:
    return query.node_pool is not None or GroupKey.CURRENT_NODE_POOLS in query.group_by


def _pools() -> TableValuedAlias:
    """A row for each pool of a workload and the pool's place among them."""
    pools = func.unnest(tables.workloads.c.node_pools)
    return pools.table_valued(
        Column("pool", tables.workloads.c.name.type), with_ordinality="place", name="pools"
    ).render_derived()


def _value_and_name(key: GroupKey, pools: TableValuedAlias | None) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What a key splits by and what it is called; where rows call one id differently, the last name in order."""
    table = tables.workloads
    match key:
        case GroupKey.CLUSTER_ID:
            clusters = tables.clusters
            called = select(clusters.c.name).where(clusters.c.cluster_id == table.c.cluster_id).scalar_subquery()
            return table.c.cluster_id, func.coalesce(called, table.c.cluster_id)
        case GroupKey.DEPARTMENT_ID:
            return table.c.department_id, func.max(table.c.department_name)
        case GroupKey.PROJECT_ID:
            return table.c.project_id, func.max(table.c.project_name)
        case GroupKey.CURRENT_NODE_POOLS if pools is not None:
            return pools.c.pool, pools.c.pool
        case _:
            column = table.c[key.lower()]
            return column, column


def _sums(measure: Measure, pools: TableValuedAlias | None) -> Sequence[ColumnElement[Any]]:
    match measure:
        case Measure.WORKLOADS_COUNT:
            return [func.count()]
        case Measure.GPU_ALLOCATION:
            return [func.coalesce(func.sum(_gpus(pools)), 0)]
        case Measure.PENDING_TIME_DISTRIBUTION:
            return [func.count().filter(_waits(*bucket)) for bucket in PENDING_BUCKETS]


def _waits(least: int, most: int | None) -> ColumnElement[bool]:
    """Whether the present stay in a phase is that long; one that a clock ahead put into the future has just begun."""
    since = tables.workloads.c.phase_updated_at
    bounds: list[ColumnElement[bool]] = []
    if least:
        bounds.append(since <= func.now() - timedelta(seconds=least))
    if most is not None:
        bounds.append(since > func.now() - timedelta(seconds=most))
    return and_(*bounds)


def _gpus(pools: TableValuedAlias | None) -> ColumnElement[int]:
    """The GPUs a workload holds in a pool, or altogether.

    In its only pool it holds all it holds. Of several each has what its pods there hold, and the first also what runs
    on nodes of no known pool, so that the pools always add up to the workload.
    """
    table = tables.workloads
    held = table.c.allocated_gpu_micros
    if pools is None:
        return held
    own, pools_of_it = tables.pods.c.node_pool, table.c.node_pools
    elsewhere = _held_by_pods(and_(own == func.any(pools_of_it), own != pools_of_it[1]))
    return case(
        (func.cardinality(table.c.node_pools) == 1, held),
        (held == 0, held),
        (pools.c.place == 1, func.greatest(held - elsewhere, 0)),
        else_=_held_by_pods(own == pools.c.pool),
    )


def _held_by_pods(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """What those of a workload's pods hold. As a subquery it is asked by index, for the few workloads that need it."""
    table, pods = tables.workloads, tables.pods
    own = and_(pods.c.cluster_id == table.c.cluster_id, pods.c.workload_uid == table.c.uid, condition)
    return func.coalesce(select(func.sum(pods.c.allocated_gpu_micros)).where(own).scalar_subquery(), 0)
