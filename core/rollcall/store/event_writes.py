"""Writing Kubernetes events: one statement a batch, whatever its size; an older look at an event loses, in SQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.domain.events import KubernetesEvent
from rollcall.store.writes import json_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedEvent:
    """An event and the workload that it is on; ``None``: whoever wrote the involved object's row knows it."""

    event: KubernetesEvent
    workload_uid: str | None


WRITE_EVENTS = text("""
    WITH incoming AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
            uid text, workload_uid text, created_at timestamptz, at timestamptz, count integer, type text, reason text,
            message text, source text, involved_uid text, involved_kind text, involved_namespace text,
            involved_name text
        )
    ), owned AS (
        SELECT i.*, coalesce(i.workload_uid, p.workload_uid, w.uid, gone_pod.workload_uid, gone.uid) AS owner
        FROM incoming i
        LEFT JOIN pods p ON i.workload_uid IS NULL AND p.cluster_id = :cluster_id AND p.uid = i.involved_uid
        LEFT JOIN workloads w ON i.workload_uid IS NULL AND w.cluster_id = :cluster_id AND w.uid = i.involved_uid
        LEFT JOIN LATERAL (
            SELECT d.workload_uid FROM deleted_pods d
            WHERE i.workload_uid IS NULL AND d.cluster_id = :cluster_id AND d.uid = i.involved_uid LIMIT 1
        ) gone_pod ON true
        LEFT JOIN LATERAL (
            SELECT d.uid FROM deleted_workloads d
            WHERE i.workload_uid IS NULL AND d.cluster_id = :cluster_id AND d.uid = i.involved_uid LIMIT 1
        ) gone ON true
    ), written AS (
        INSERT INTO events AS e (
            cluster_id, uid, workload_uid, created_at, at, count, type, reason, message, source,
            involved_uid, involved_kind, involved_namespace, involved_name
        )
        SELECT :cluster_id, uid, owner, created_at, least(at, CAST(:observed_at AS timestamptz)), count, type, reason,
            message, source, involved_uid, involved_kind, involved_namespace, involved_name
        FROM owned WHERE owner IS NOT NULL
        ORDER BY uid
        ON CONFLICT (cluster_id, uid, created_at) DO UPDATE SET
            at = excluded.at, count = excluded.count, message = excluded.message, type = excluded.type,
            reason = excluded.reason, source = excluded.source
        WHERE (e.at, e.count) <= (excluded.at, excluded.count)
    )
    SELECT count(*) FROM owned WHERE owner IS NOT NULL
""")


async def write_events(
    connection: AsyncConnection, cluster_id: str, events: Iterable[OwnedEvent], *, observed_at: datetime
) -> int:
    """Write events; returns how many are on a workload, and leaves the others out. The caller owns the transaction.

    A uid may stand among them once. Nothing happens after ``observed_at``, the instant of this look: an event that says
    otherwise is of a clock that is ahead.
    """
    rows = [
        {
            "uid": event.uid,
            "workload_uid": owned.workload_uid,
            "created_at": event.created_at.isoformat(),
            "at": event.at.isoformat(),
            "count": event.count,
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "source": event.source,
            "involved_uid": event.involved.uid,
            "involved_kind": event.involved.kind,
            "involved_namespace": event.involved.namespace,
            "involved_name": event.involved.name,
        }
        for owned in events
        for event in (owned.event,)
    ]
    if not rows:
        return 0
    values = {"cluster_id": cluster_id, "observed_at": observed_at, "rows": json_rows(rows)}
    return int((await connection.execute(WRITE_EVENTS, values)).scalar_one())
