"""What the operator writes of its cluster beside workloads: projects, node pools and nodes.

Each call brings the rows to what it is given, whatever was there; a row that is as it should be is left alone, so that
``updated_at`` is when it changed.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Table, Text, all_, and_, delete, func, literal, null, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.domain.facts import NodeFacts
from rollcall.store import tables

_MOST_INT64 = 2**63 - 1
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectNamespace:
    """A namespace that is a project's."""

    namespace: str
    project_id: str
    department_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePool:
    """A node pool, as far as its nodes tell."""

    name: str
    nodes: int
    gpu_micros: int
    label: str | None
    """The node label that names it; ``None`` where its nodes have none."""
    created_at: datetime
    """When its first node was made."""


async def write_projects(connection: AsyncConnection, cluster_id: str, projects: Iterable[ProjectNamespace]) -> None:
    """Note each project's namespace; those that are none any more stay, for history is asked for them."""
    rows = [{"cluster_id": cluster_id, "project_name": one.project_id, **asdict(one)} for one in projects]
    table = tables.projects
    await connection.execute(
        update(table)
        .where(
            table.c.cluster_id == cluster_id,
            table.c.gone_at.is_(None),
            table.c.namespace != _all_of(row["namespace"] for row in rows),
        )
        .values(gone_at=func.now(), updated_at=func.now())
    )
    await _upsert(connection, table, rows, cleared="gone_at")
    departments = sorted({row["department_id"] for row in rows})
    if departments:
        await connection.execute(
            insert(tables.departments).on_conflict_do_nothing(),
            [{"cluster_id": cluster_id, "department_id": one, "department_name": one} for one in departments],
        )


async def write_node_pools(connection: AsyncConnection, cluster_id: str, pools: Iterable[NodePool]) -> None:
    """Bring the cluster's node pools to these."""
    rows = [{"cluster_id": cluster_id, **asdict(pool)} for pool in pools]
    table = tables.node_pools
    gone = delete(table).where(table.c.cluster_id == cluster_id, table.c.name != _all_of(row["name"] for row in rows))
    await connection.execute(gone)
    await _upsert(connection, table, rows, earliest="created_at")


async def write_nodes(
    connection: AsyncConnection, cluster_id: str, changed: Iterable[NodeFacts], *, present: Collection[str]
) -> None:
    """Write the nodes that have changed, and drop those whose uids are not ``present``."""
    table = tables.nodes
    gone = delete(table).where(table.c.cluster_id == cluster_id, table.c.uid != _all_of(present))
    await connection.execute(gone)
    await _upsert(connection, table, [{"cluster_id": cluster_id, **_node_row(node)} for node in changed])


def _all_of(words: Iterable[str]) -> ColumnElement[Any]:
    return all_(literal(sorted(words), ARRAY(Text)))


def _node_row(node: NodeFacts) -> dict[str, Any]:
    memory = (node.gpu_memory_bytes or 0) * node.gpu_count
    return {
        "uid": node.meta.uid,
        "name": node.meta.name,
        "node_pool": node.node_pool,
        "status": node.status.value,
        "gpu_type": node.gpu_product,
        "gpu_count": node.gpu_count,
        "gpu_micros": node.gpu_micros,
        "gpu_memory_bytes": min(memory, _MOST_INT64),
        "cpu_millis": node.allocatable.cpu_millis,
        "memory_bytes": node.allocatable.memory_bytes,
        "created_at": node.meta.created_at or _LONG_AGO,
        "details": {
            "conditions": [
                {"type": one.type, "status": one.status, "reason": one.reason, "message": one.message}
                for one in node.conditions
            ],
            "taints": [asdict(taint) for taint in node.taints],
        },
        "resource_version": node.meta.resource_version,
    }


async def _upsert(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[dict[str, Any]],
    *,
    cleared: str | None = None,
    earliest: str | None = None,
) -> None:
    """Write rows that differ.

    ``cleared`` is a column that is null on a row that is there, ``earliest`` one that keeps its least value.
    """
    if not rows:
        return
    statement = insert(table)
    keys = [column.name for column in table.primary_key.columns]
    values: dict[str, Any] = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    compared = {name: value for name, value in values.items() if name not in (_VERSION, earliest)}
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in compared.items()))
    if earliest is not None:
        values[earliest] = func.least(table.c[earliest], statement.excluded[earliest])
    if cleared is not None:
        differs = or_(differs, table.c[cleared].is_not(None))
        values[cleared] = null()
    if _VERSION in values:
        differs = and_(differs, table.c[_VERSION] <= statement.excluded[_VERSION])
    values["updated_at"] = func.now()
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values, where=differs), rows)


_VERSION = "resource_version"
