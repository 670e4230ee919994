"""What the operator reads at its start: the open rows, and what objects cannot tell again."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.domain.records import Phase, Remembered, RememberedPod, RequestedPods
from rollcall.store import tables
from rollcall.store.records import OpenWorkload
from rollcall.store.rows import request_of


async def load_remembered(connection: AsyncConnection, cluster_id: str) -> dict[str, Remembered]:
    """What is remembered of every live workload, by uid."""
    table = tables.workloads
    columns = (
        table.c.uid,
        table.c.phase,
        table.c.running_since,
        table.c.completed_at,
        table.c.phase_message,
        table.c.node_pools,
        table.c.details["workloadRequested"].label("workload_requested"),
        table.c.details["requestedPods"].label("requested_pods"),
        table.c.observed_version,
    )
    rows = await connection.execute(select(*columns).where(table.c.cluster_id == cluster_id))
    return {
        row.uid: Remembered(
            phase=Phase(row.phase),
            running_since=row.running_since,
            completed_at=row.completed_at,
            phase_message=row.phase_message,
            current_node_pools=tuple(row.node_pools),
            workload_requested=request_of(row.workload_requested),
            requested_pods=None if row.requested_pods is None else RequestedPods(**row.requested_pods),
            observed_version=row.observed_version,
        )
        for row in rows
    }


async def load_remembered_pods(connection: AsyncConnection, cluster_id: str) -> dict[str, dict[str, RememberedPod]]:
    """What is remembered of every pod that is there: workload uid to pod uid to memory."""
    table = tables.pods
    columns = (
        table.c.workload_uid,
        table.c.uid,
        table.c.bound_at,
        table.c.ready_at,
        table.c.ended_at,
        table.c.fatal_since,
        table.c.node_pool,
    )
    found: dict[str, dict[str, RememberedPod]] = defaultdict(dict)
    for row in await connection.execute(select(*columns).where(table.c.cluster_id == cluster_id)):
        found[row.workload_uid][row.uid] = RememberedPod(
            bound_at=row.bound_at,
            ready_at=row.ready_at,
            ended_at=row.ended_at,
            fatal_since=row.fatal_since,
            node_pool=row.node_pool,
        )
    return dict(found)


async def open_workloads(connection: AsyncConnection, cluster_id: str) -> dict[str, OpenWorkload]:
    """Every live row, by uid: what the sweep compares with the cluster's lists."""
    table = tables.workloads
    columns = (
        table.c.uid,
        table.c.api_group,
        table.c.kind,
        table.c.namespace,
        table.c.name,
        table.c.observed_version,
    )
    rows = await connection.execute(select(*columns).where(table.c.cluster_id == cluster_id))
    return {
        row.uid: OpenWorkload(
            uid=row.uid,
            api_group=row.api_group,
            kind=row.kind,
            namespace=row.namespace,
            name=row.name,
            observed_version=row.observed_version,
        )
        for row in rows
    }


async def open_pods(connection: AsyncConnection, cluster_id: str) -> dict[str, str]:
    """Every pod that is there: its uid to its workload's."""
    table = tables.pods
    rows = await connection.execute(select(table.c.uid, table.c.workload_uid).where(table.c.cluster_id == cluster_id))
    return {row.uid: row.workload_uid for row in rows}


async def touch_cluster(
    connection: AsyncConnection,
    *,
    cluster_id: str,
    name: str,
    watches_observed_at: datetime,
    created_at: datetime | None = None,
    kubernetes_version: str | None = None,
) -> None:
    """Note when the oldest watch of the cluster last showed life, and what is known of the cluster itself."""
    known = {"created_at": created_at, "kubernetes_version": kubernetes_version}
    values = {"name": name, "observed_at": watches_observed_at, **{key: one for key, one in known.items() if one}}
    statement = insert(tables.clusters).values(cluster_id=cluster_id, **values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["cluster_id"],
            set_={
                **{key: statement.excluded[key] for key in values},
                "observed_at": func.greatest(tables.clusters.c.observed_at, statement.excluded.observed_at),
                "updated_at": func.now(),
            },
        )
    )
