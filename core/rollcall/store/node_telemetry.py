"""How many nodes there are, what they have and what workloads hold of it, by what one likes: exact sums over the rows.

What workloads hold is what their pods do; pods that are on no record, such as a DaemonSet's, are in no sum.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.domain.facts import NodeStatus
from rollcall.store import tables
from rollcall.store.pages import EVERYTHING, Scope, among, with_freshness
from rollcall.store.telemetry import GroupSum, Telemetry

_MICROS = 1_000_000
_MILLIS = 1_000


class NodeMeasure(StrEnum):
    """What is summed up: the contract's node telemetry types, as far as nothing need be measured for them."""

    READY_GPU_NODES = "READY_GPU_NODES"
    READY_GPUS = "READY_GPUS"
    TOTAL_GPU_NODES = "TOTAL_GPU_NODES"
    TOTAL_GPUS = "TOTAL_GPUS"
    FREE_GPUS = "FREE_GPUS"
    """Of ready nodes, what no workload holds."""
    FULLY_FREE_GPU_NODES = "FULLY_FREE_GPU_NODES"
    """Ready nodes with GPUs, of which no workload holds any."""
    ALLOCATED_GPUS = "ALLOCATED_GPUS"
    TOTAL_GPU_MEMORY_BYTES = "TOTAL_GPU_MEMORY_BYTES"
    TOTAL_CPU_CORES = "TOTAL_CPU_CORES"
    ALLOCATED_CPU_CORES = "ALLOCATED_CPU_CORES"
    TOTAL_CPU_MEMORY_BYTES = "TOTAL_CPU_MEMORY_BYTES"
    ALLOCATED_CPU_MEMORY_BYTES = "ALLOCATED_CPU_MEMORY_BYTES"

    @property
    def per_unit(self) -> int:
        """How many of a sum's units make one of the contract's."""
        if self.value.endswith("_GPUS"):
            return _MICROS
        return _MILLIS if self.value.endswith("_CORES") else 1


class NodeGroupKey(StrEnum):
    """What the sums are split by: the contract's names."""

    CLUSTER_ID = "ClusterId"
    NODE_POOL = "Nodepool"
    NODE = "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTelemetryQuery:
    """What is summed, split by what, over which nodes."""

    measure: NodeMeasure
    group_by: tuple[NodeGroupKey, ...] = ()
    cluster_id: str | None = None
    node_pool: str | None = None
    scope: Scope = EVERYTHING


async def node_telemetry(connection: AsyncConnection, query: NodeTelemetryQuery) -> Telemetry:
    """The sums, in one statement."""
    rows = (await connection.execute(node_telemetry_statement(query))).mappings().all()
    keys = range(len(query.group_by))
    return Telemetry(
        groups=tuple(
            GroupSum(
                values=tuple(row[f"value_{place}"] for place in keys),
                names=tuple(row[f"name_{place}"] for place in keys),
                sums=(int(row["sum_0"]),),
            )
            for row in rows
            if row["sum_0"] is not None
        ),
        at=rows[0]["at"],
        observed_at=rows[0]["observed_at"],
    )


def node_telemetry_statement(query: NodeTelemetryQuery) -> Select[Any]:
    """The statement behind the sums. Without a group it sums up to one row, also where nothing is."""
    nodes = tables.nodes
    held = _held()
    conditions = [among(nodes.c.cluster_id, query.scope.clusters)]
    if query.cluster_id is not None:
        conditions.append(nodes.c.cluster_id == query.cluster_id)
    if query.node_pool is not None:
        conditions.append(nodes.c.node_pool == query.node_pool)
    columns: list[ColumnElement[Any]] = []
    groups: list[ColumnElement[Any]] = []
    for place, key in enumerate(query.group_by):
        value, name = _value_and_name(key)
        groups.append(value)
        columns += [value.label(f"value_{place}"), name.label(f"name_{place}")]
    columns.append(_sum(query.measure, held).label("sum_0"))
    of_node = and_(held.c.cluster_id == nodes.c.cluster_id, held.c.node_name == nodes.c.name)
    # Where no pod matters the join is not read: a sum over all pods takes longer than all the rest.
    source: FromClause = nodes.outerjoin(held, of_node) if query.measure in _BY_PODS else nodes
    found = select(*columns).select_from(source).where(*conditions).group_by(*groups).subquery("sums")
    order = [found.c[f"value_{place}"] for place in range(len(groups))]
    return with_freshness(found, query.scope.clusters).add_columns(func.now().label("at")).order_by(*order)


_BY_PODS = frozenset(
    {
        NodeMeasure.FREE_GPUS,
        NodeMeasure.FULLY_FREE_GPU_NODES,
        NodeMeasure.ALLOCATED_GPUS,
        NodeMeasure.ALLOCATED_CPU_CORES,
        NodeMeasure.ALLOCATED_CPU_MEMORY_BYTES,
    }
)


def _held() -> FromClause:
    """What pods hold on each node."""
    pods = tables.pods
    sums = [
        func.sum(pods.c[name]).label(name)
        for name in ("allocated_gpu_micros", "allocated_cpu_millis", "allocated_memory_bytes")
    ]
    grouped = select(pods.c.cluster_id, pods.c.node_name, *sums).where(pods.c.node_name.is_not(None))
    return grouped.group_by(pods.c.cluster_id, pods.c.node_name).subquery("held")


def _value_and_name(key: NodeGroupKey) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What a key splits by and what it is called."""
    nodes, clusters = tables.nodes, tables.clusters
    match key:
        case NodeGroupKey.CLUSTER_ID:
            called = select(clusters.c.name).where(clusters.c.cluster_id == nodes.c.cluster_id).scalar_subquery()
            return nodes.c.cluster_id, func.coalesce(called, nodes.c.cluster_id)
        case NodeGroupKey.NODE_POOL:
            return nodes.c.node_pool, nodes.c.node_pool
        case NodeGroupKey.NODE:
            return nodes.c.uid, func.max(nodes.c.name)


def _sum(measure: NodeMeasure, held: FromClause) -> ColumnElement[Any]:
    nodes = tables.nodes
    has_gpus, ready = nodes.c.gpu_micros > 0, nodes.c.status == NodeStatus.READY
    held_gpus = func.coalesce(held.c.allocated_gpu_micros, 0)
    return {
        NodeMeasure.READY_GPU_NODES: func.count().filter(has_gpus, ready),
        NodeMeasure.TOTAL_GPU_NODES: func.count().filter(has_gpus),
        NodeMeasure.FULLY_FREE_GPU_NODES: func.count().filter(has_gpus, ready, held_gpus == 0),
        NodeMeasure.READY_GPUS: _total(nodes.c.gpu_micros, ready),
        NodeMeasure.FREE_GPUS: _total(func.greatest(nodes.c.gpu_micros - held_gpus, 0), ready),
        NodeMeasure.TOTAL_GPUS: _total(nodes.c.gpu_micros),
        NodeMeasure.ALLOCATED_GPUS: _total(held.c.allocated_gpu_micros),
        NodeMeasure.TOTAL_GPU_MEMORY_BYTES: _total(nodes.c.gpu_memory_bytes),
        NodeMeasure.TOTAL_CPU_CORES: _total(nodes.c.cpu_millis),
        NodeMeasure.ALLOCATED_CPU_CORES: _total(held.c.allocated_cpu_millis),
        NodeMeasure.TOTAL_CPU_MEMORY_BYTES: _total(nodes.c.memory_bytes),
        NodeMeasure.ALLOCATED_CPU_MEMORY_BYTES: _total(held.c.allocated_memory_bytes),
    }[measure]


def _total(amount: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    total = func.sum(amount)
    return func.coalesce(total.filter(*conditions) if conditions else total, 0)
