"""Guarded writes: a batch is a handful of statements, whatever its size; every older observation loses, in SQL.

One writer transaction per cluster at a time (an advisory lock), so that closing and upserting cannot interleave;
two operators are then merely wasteful. The statements tell what they did by ``RETURNING``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Integer, SmallInteger, Table, TextClause, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.records import Batch, Gone, WriteResult
from rollcall.store.rows import PHASE_ORDER, pod_row, workload_row

_SQL_TYPES = (
    (ARRAY, "text[]"),
    (BigInteger, "bigint"),
    (SmallInteger, "smallint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (DateTime, "timestamptz"),
    (JSONB, "jsonb"),
)
_COMPUTED = frozenset(
    {
        "cluster_id",
        "updated_at",
        "phase_updated_at",
        "k8s_phase_updated_at",
        "last_phase",
        "last_phase_message",
        "pending_time",
        "running_time",
        "deleted_at",
        "deletion_seen",
    }
)
"""Columns that no record brings along: the statement knows them."""


def _brought(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in _COMPUTED]


def _recordset(columns: Iterable[str], table: Table, *extra: str) -> str:
    def sql_type(name: str) -> str:
        kind = table.columns[name].type
        return next((sql for python_type, sql in _SQL_TYPES if isinstance(kind, python_type)), "text")

    return ", ".join([*(f"{name} {sql_type(name)}" for name in columns), *extra])


_WORKLOAD = _brought(tables.workloads)
_POD = _brought(tables.pods)
_LIVE_COLUMNS = [column.name for column in tables.workloads.columns]
_POD_COLUMNS = [column.name for column in tables.pods.columns]


def _upsert_workloads() -> TextClause:
    """Insert or update workloads; note each change of phase; open again what a sweep closed too early."""
    names = ", ".join(_WORKLOAD)
    incoming = _recordset(_WORKLOAD, tables.workloads, "phase_at timestamptz", "first_phase_at timestamptz")
    assigned = ",\n            ".join(f"{name} = excluded.{name}" for name in _WORKLOAD if name != "uid")
    changed = "w.phase IS DISTINCT FROM excluded.phase"
    since = "greatest(w.phase_updated_at, excluded.phase_updated_at)"
    return text(f"""
        WITH incoming AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({incoming})
        ), before AS (
            SELECT uid, phase FROM workloads WHERE cluster_id = :cluster_id AND uid IN (SELECT uid FROM incoming)
        ), reopened AS (
            DELETE FROM deleted_workloads d USING incoming i
            WHERE d.cluster_id = :cluster_id AND d.uid = i.uid
                AND d.deletion_seen = 'late' AND d.observed_version < i.observed_version
            RETURNING d.uid, d.pending_time, d.running_time
        ), closed AS (
            SELECT d.uid FROM deleted_workloads d JOIN incoming i ON d.uid = i.uid
            WHERE d.cluster_id = :cluster_id
                AND NOT (d.deletion_seen = 'late' AND d.observed_version < i.observed_version)
            UNION ALL
            SELECT t.uid FROM tombstones t JOIN incoming i ON t.uid = i.uid WHERE t.cluster_id = :cluster_id
        ), written AS (
            INSERT INTO workloads AS w (
                cluster_id, {names}, updated_at, phase_updated_at, k8s_phase_updated_at,
                last_phase, last_phase_message, pending_time, running_time
            )
            SELECT
                :cluster_id, {", ".join(f"i.{name}" for name in _WORKLOAD)}, :observed_at,
                CASE WHEN b.uid IS NULL THEN i.first_phase_at ELSE i.phase_at END,
                CASE WHEN b.uid IS NULL THEN i.first_phase_at ELSE CAST(:observed_at AS timestamptz) END,
                nullif(i.phase, 'Deleting'), CASE WHEN i.phase <> 'Deleting' THEN i.phase_message END,
                coalesce(r.pending_time, interval '0'), coalesce(r.running_time, interval '0')
            FROM incoming i LEFT JOIN before b USING (uid) LEFT JOIN reopened r USING (uid)
            WHERE i.uid NOT IN (SELECT uid FROM closed)
            ORDER BY i.uid
            ON CONFLICT (cluster_id, uid) DO UPDATE SET
            {assigned},
            updated_at = excluded.updated_at,
            phase_updated_at = CASE WHEN {changed} THEN {since} ELSE w.phase_updated_at END,
            k8s_phase_updated_at = CASE WHEN w.k8s_phase IS DISTINCT FROM excluded.k8s_phase
                THEN excluded.k8s_phase_updated_at ELSE w.k8s_phase_updated_at END,
            last_phase = coalesce(excluded.last_phase, w.last_phase),
            last_phase_message = CASE WHEN excluded.phase = 'Deleting'
                THEN w.last_phase_message ELSE excluded.last_phase_message END,
            pending_time = w.pending_time + CASE WHEN w.phase = 'Pending' AND {changed}
                THEN {since} - w.phase_updated_at ELSE interval '0' END,
            running_time = w.running_time + CASE WHEN w.phase = 'Running' AND {changed}
                THEN {since} - w.phase_updated_at ELSE interval '0' END
            WHERE w.observed_version <= excluded.observed_version
            RETURNING w.uid, w.phase, w.phase_message, w.phase_updated_at
        ), noted AS (
            INSERT INTO phase_changes (cluster_id, uid, at, phase, phase_message)
            SELECT :cluster_id, w.uid, w.phase_updated_at, w.phase, w.phase_message
            FROM written w LEFT JOIN before b USING (uid) WHERE b.phase IS DISTINCT FROM w.phase
        )
        SELECT count(*) FROM written
    """)  # noqa: S608 - column names of our own tables


def _upsert_pods() -> TextClause:
    """Insert or update pods; a pod known to be gone stays gone."""
    names = ", ".join(_POD)
    assigned = ", ".join(f"{name} = excluded.{name}" for name in _POD if name != "uid")
    return text(f"""
        WITH incoming AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({_recordset(_POD, tables.pods)})
        ), reopened AS (
            DELETE FROM deleted_pods d USING incoming i
            WHERE d.cluster_id = :cluster_id AND d.uid = i.uid
                AND d.deletion_seen = 'late' AND d.resource_version < i.resource_version
        ), closed AS (
            SELECT d.uid FROM deleted_pods d JOIN incoming i ON d.uid = i.uid
            WHERE d.cluster_id = :cluster_id
                AND NOT (d.deletion_seen = 'late' AND d.resource_version < i.resource_version)
            UNION ALL
            SELECT t.uid FROM tombstones t JOIN incoming i ON t.uid = i.uid WHERE t.cluster_id = :cluster_id
        ), written AS (
            INSERT INTO pods AS p (cluster_id, {names}, updated_at)
            SELECT :cluster_id, {names}, :observed_at FROM incoming
            WHERE uid NOT IN (SELECT uid FROM closed) ORDER BY uid
            ON CONFLICT (cluster_id, uid) DO UPDATE SET {assigned}, updated_at = excluded.updated_at
            WHERE p.resource_version <= excluded.resource_version
            RETURNING p.uid
        )
        SELECT count(*) FROM written
    """)  # noqa: S608 - column names of our own tables


def _close_workloads() -> TextClause:
    """Move what is gone to the deleted side, its last phase kept, nothing running and nothing allocated."""
    moved = [name for name in _LIVE_COLUMNS if name not in _CLOSED_BY_RULE]
    return text(f"""
        WITH gone AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS r(uid text, observed_version bigint, at timestamptz, seen text)
        ), moved AS (
            DELETE FROM workloads w USING gone g
            WHERE w.cluster_id = :cluster_id AND w.uid = g.uid
                AND (g.seen = 'exact' OR w.observed_version <= g.observed_version)
            RETURNING w.*, g.at AS gone_at, g.seen AS gone_seen, g.observed_version AS gone_version
        ), buried AS (
            INSERT INTO tombstones (cluster_id, uid, at)
            SELECT :cluster_id, g.uid, g.at FROM gone g
            WHERE g.seen = 'exact' AND g.uid NOT IN (SELECT uid FROM moved)
                AND NOT EXISTS (
                    SELECT FROM deleted_workloads d WHERE d.cluster_id = :cluster_id AND d.uid = g.uid
                )
            ON CONFLICT DO NOTHING
        ), confirmed AS (
            UPDATE deleted_workloads d SET deletion_seen = 'exact' FROM gone g
            WHERE g.seen = 'exact' AND d.cluster_id = :cluster_id AND d.uid = g.uid AND d.deletion_seen = 'late'
        ), kept AS (
            INSERT INTO deleted_workloads ({", ".join(moved)}, phase, phase_order, phase_message, running_pods,
                ready_pods, allocated_gpu_micros, details, observed_version, pending_time, running_time,
                updated_at, deleted_at, deletion_seen)
            SELECT {", ".join(moved)}, coalesce(last_phase, phase),
                (CAST(:phase_orders AS jsonb) ->> coalesce(last_phase, phase))::smallint,
                CASE WHEN last_phase IS NULL THEN phase_message ELSE last_phase_message END, 0,
                0, 0, details - 'allocated' - 'podsRequested', greatest(observed_version, gone_version),
                pending_time + CASE WHEN phase = 'Pending'
                    THEN greatest(gone_at - phase_updated_at, interval '0') ELSE interval '0' END,
                running_time + CASE WHEN phase = 'Running'
                    THEN greatest(gone_at - phase_updated_at, interval '0') ELSE interval '0' END,
                :observed_at, gone_at, gone_seen
            FROM moved RETURNING uid
        )
        SELECT count(*) FROM kept
    """)  # noqa: S608 - column names of our own tables


def _close_pods() -> TextClause:
    """Move pods that are gone to the deleted side; a pod that vanished ended then, if it had not before."""
    moved = [name for name in _POD_COLUMNS if name not in {"ended_at", "resource_version", "updated_at"}]
    return text(f"""
        WITH gone AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS r(uid text, observed_version bigint, at timestamptz, seen text)
        ), moved AS (
            DELETE FROM pods p USING gone g
            WHERE p.cluster_id = :cluster_id AND p.uid = g.uid
                AND (g.seen = 'exact' OR p.resource_version <= g.observed_version)
            RETURNING p.*, g.at AS gone_at, g.seen AS gone_seen, g.observed_version AS gone_version
        ), buried AS (
            INSERT INTO tombstones (cluster_id, uid, at)
            SELECT :cluster_id, g.uid, g.at FROM gone g
            WHERE g.seen = 'exact' AND g.uid NOT IN (SELECT uid FROM moved)
                AND NOT EXISTS (SELECT FROM deleted_pods d WHERE d.cluster_id = :cluster_id AND d.uid = g.uid)
            ON CONFLICT DO NOTHING
        ), confirmed AS (
            UPDATE deleted_pods d SET deletion_seen = 'exact' FROM gone g
            WHERE g.seen = 'exact' AND d.cluster_id = :cluster_id AND d.uid = g.uid AND d.deletion_seen = 'late'
        ), kept AS (
            INSERT INTO deleted_pods ({", ".join(moved)}, ended_at, resource_version, updated_at,
                deleted_at, deletion_seen)
            SELECT {", ".join(moved)}, coalesce(ended_at, gone_at), greatest(resource_version, gone_version),
                :observed_at, gone_at, gone_seen
            FROM moved RETURNING uid
        )
        SELECT count(*) FROM kept
    """)  # noqa: S608 - column names of our own tables


_CLOSED_BY_RULE = frozenset(
    {
        "phase",
        "phase_order",
        "phase_message",
        "running_pods",
        "ready_pods",
        "allocated_gpu_micros",
        "details",
        "observed_version",
        "pending_time",
        "running_time",
        "updated_at",
    }
)
_PHASE_ORDERS = json.dumps({phase.value: place for phase, place in PHASE_ORDER.items()})
UPSERT_WORKLOADS = _upsert_workloads()
UPSERT_PODS = _upsert_pods()
CLOSE_WORKLOADS = _close_workloads()
CLOSE_PODS = _close_pods()
LOCK_CLUSTER = text("SELECT pg_advisory_xact_lock(hashtextextended('rollcall:' || :cluster_id, 0))")


async def write_batch(
    connection: AsyncConnection, cluster_id: str, batch: Batch, *, observed_at: datetime
) -> WriteResult:
    """Write one batch; the caller owns the transaction. ``observed_at`` is the instant of what is written.

    A uid may stand in a batch once. Records older than their row, and records of what is known to be gone, are
    refused without an error.
    """
    context = {"cluster_id": cluster_id, "observed_at": observed_at}
    await connection.execute(LOCK_CLUSTER, {"cluster_id": cluster_id})
    rows = [workload_row(record, observed_at=observed_at) for record in batch.workloads]
    workloads = await _count(connection, UPSERT_WORKLOADS, rows, context)
    pods = await _count(connection, UPSERT_PODS, [pod_row(record) for record in batch.pods], context)
    gone = [_gone_row(one) for one in batch.gone_workloads]
    closed = await _count(connection, CLOSE_WORKLOADS, gone, {**context, "phase_orders": _PHASE_ORDERS})
    pods_closed = await _count(connection, CLOSE_PODS, [_gone_row(one) for one in batch.gone_pods], context)
    return WriteResult(
        workloads_written=workloads,
        workloads_refused=len(batch.workloads) - workloads,
        pods_written=pods,
        workloads_closed=closed,
        pods_closed=pods_closed,
    )


async def _count(
    connection: AsyncConnection, statement: TextClause, rows: Sequence[Mapping[str, Any]], context: Mapping[str, Any]
) -> int:
    if not rows:
        return 0
    result = await connection.execute(statement, {**context, "rows": _json(rows)})
    return int(result.scalar_one())


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON that PostgreSQL takes: it refuses NUL and lone surrogates, wherever they came from."""
    written = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return written.replace("\\u0000", "\\ufffd").encode("utf-8", "replace").decode("utf-8")


def _gone_row(gone: Gone) -> dict[str, Any]:
    return {
        "uid": gone.uid,
        "observed_version": gone.observed_version,
        "at": gone.at.isoformat(),
        "seen": gone.seen.value,
    }
