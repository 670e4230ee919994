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

from rollcall.domain.records import PhaseSource
from rollcall.store import tables
from rollcall.store.announcing import announce
from rollcall.store.closing import CLOSE_PODS, CLOSE_WORKLOADS, REOPEN_PODS, REOPEN_WORKLOADS, Closings
from rollcall.store.pod_rows import pod_row
from rollcall.store.records import Batch, WriteResult
from rollcall.store.rows import workload_row

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
        "last_version",
        "pending_time",
        "running_time",
        "deleted_at",
        "deletion_seen",
        "changed_version",
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


def _differs(table: str, columns: Iterable[str], version: str) -> str:
    """Whether what is written differs from the row in more than its version."""
    said = [name for name in columns if name not in ("uid", version)]
    kept, new = (", ".join(f"{side}.{name}" for name in said) for side in (table, "excluded"))
    return f"({kept}) IS DISTINCT FROM ({new})"


def _upsert_workloads() -> TextClause:
    """Insert or update workloads; note each change of phase, and when anything changed at all."""
    names = ", ".join(_WORKLOAD)
    extra = ("phase_at timestamptz", "first_phase_at timestamptz", "changed_version bigint")
    incoming = _recordset(_WORKLOAD, tables.workloads, *extra)
    assigned = ",\n            ".join(f"{name} = excluded.{name}" for name in _WORKLOAD if name != "uid")
    differs = _differs("w", _WORKLOAD, "observed_version")
    changed = "w.phase IS DISTINCT FROM excluded.phase"
    since = "greatest(w.phase_updated_at, excluded.phase_updated_at)"
    return text(f"""
        WITH incoming AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({incoming})
        ), before AS (
            SELECT uid, phase FROM workloads WHERE cluster_id = :cluster_id AND uid IN (SELECT uid FROM incoming)
        ), written AS (
            INSERT INTO workloads AS w (
                cluster_id, {names}, updated_at, phase_updated_at, k8s_phase_updated_at,
                last_phase, last_phase_message, last_version, pending_time, running_time, changed_version
            )
            SELECT
                :cluster_id, {", ".join(f"i.{name}" for name in _WORKLOAD)}, :observed_at,
                CASE WHEN b.uid IS NULL THEN i.first_phase_at ELSE i.phase_at END,
                CASE WHEN b.uid IS NULL THEN i.first_phase_at ELSE CAST(:observed_at AS timestamptz) END,
                nullif(i.phase, 'Deleting'), CASE WHEN i.phase <> 'Deleting' THEN i.phase_message END,
                CASE WHEN i.phase <> 'Deleting' THEN i.observed_version END, interval '0', interval '0',
                i.changed_version
            FROM incoming i LEFT JOIN before b USING (uid)
            ORDER BY i.uid
            ON CONFLICT (cluster_id, uid) DO UPDATE SET
            {assigned},
            updated_at = CASE WHEN {differs} THEN excluded.updated_at ELSE w.updated_at END,
            changed_version = CASE WHEN {differs} THEN excluded.changed_version ELSE w.changed_version END,
            phase_updated_at = CASE WHEN {changed} THEN {since} ELSE w.phase_updated_at END,
            k8s_phase_updated_at = CASE WHEN w.k8s_phase IS DISTINCT FROM excluded.k8s_phase
                THEN excluded.k8s_phase_updated_at ELSE w.k8s_phase_updated_at END,
            last_phase = coalesce(excluded.last_phase, w.last_phase),
            last_phase_message = CASE WHEN excluded.phase = 'Deleting'
                THEN w.last_phase_message ELSE excluded.last_phase_message END,
            last_version = coalesce(excluded.last_version, w.last_version),
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
    """Insert or update pods."""
    names = ", ".join(_POD)
    assigned = ", ".join(f"{name} = excluded.{name}" for name in _POD if name != "uid")
    return text(f"""
        WITH incoming AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS r({_recordset(_POD, tables.pods, "k8s_phase_at timestamptz")})
        ), written AS (
            INSERT INTO pods AS p (cluster_id, {names}, updated_at, k8s_phase_updated_at)
            SELECT :cluster_id, {names}, :observed_at, k8s_phase_at FROM incoming ORDER BY uid
            ON CONFLICT (cluster_id, uid) DO UPDATE SET {assigned},
            updated_at = CASE WHEN {_differs("p", _POD, "resource_version")}
                THEN excluded.updated_at ELSE p.updated_at END,
            k8s_phase_updated_at = CASE WHEN p.k8s_phase IS DISTINCT FROM excluded.k8s_phase
                OR p.k8s_phase_updated_at IS NULL
                THEN excluded.k8s_phase_updated_at ELSE p.k8s_phase_updated_at END
            WHERE p.resource_version <= excluded.resource_version
            RETURNING p.uid
        )
        SELECT count(*) FROM written
    """)  # noqa: S608 - column names of our own tables


def _complete_last_phases() -> TextClause:
    """Take from refused observations the phase before a deletion was asked for, where only the asking was seen."""
    return text("""
        WITH incoming AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS r(uid text, phase text, phase_message text, observed_version bigint)
        )
        UPDATE workloads w
        SET last_phase = i.phase, last_phase_message = i.phase_message, last_version = i.observed_version
        FROM incoming i
        WHERE w.cluster_id = :cluster_id AND w.uid = i.uid AND w.phase = 'Deleting' AND i.phase <> 'Deleting'
            AND i.observed_version < w.observed_version
            AND (w.last_version IS NULL OR w.last_version < i.observed_version)
    """)


UPSERT_WORKLOADS = _upsert_workloads()
UPSERT_PODS = _upsert_pods()
COMPLETE_LAST_PHASES = _complete_last_phases()
LOCK_CLUSTER = text("SELECT pg_advisory_xact_lock(hashtextextended('rollcall:' || :cluster_id, 0))")


async def write_batch(
    connection: AsyncConnection, cluster_id: str, batch: Batch, *, observed_at: datetime
) -> WriteResult:
    """Write one batch; the caller owns the transaction. ``observed_at`` is the instant of what is written.

    A uid may stand in a batch once. Records older than their row are refused without an error. What is known to be
    gone stays gone, but a record of it that is newer than its row, or finds none, is what its row will tell - unless
    the object was seen to go and the record is by its pods alone.
    """
    context = {"cluster_id": cluster_id, "observed_at": observed_at}
    await connection.execute(LOCK_CLUSTER, {"cluster_id": cluster_id})
    spoken_of = (*(record.uid for record in batch.workloads), *(gone.uid for gone in batch.gone_workloads))
    versions = await announce(connection, cluster_id, spoken_of)
    gone, gone_pods = Closings(batch.gone_workloads), Closings(batch.gone_pods)
    await gone.reopen(connection, REOPEN_WORKLOADS, cluster_id, (record.uid for record in batch.workloads))
    await gone_pods.reopen(connection, REOPEN_PODS, cluster_id, (record.uid for record in batch.pods))
    rows = [
        {
            **workload_row(record, observed_at=gone.instant(record.uid, record.observed_version, observed_at)),
            "changed_version": versions[record.uid],
        }
        for record in batch.workloads
        # Pods that outlive their workload's object know less of it than its closed row.
        if not (record.phase_source is PhaseSource.PODS and gone.was_seen_to_go(record.uid))
    ]
    workloads = await _count(connection, UPSERT_WORKLOADS, rows, context)
    if workloads < len(rows):
        await connection.execute(COMPLETE_LAST_PHASES, {"cluster_id": cluster_id, "rows": json_rows(rows)})
    pods = await _count(connection, UPSERT_PODS, [pod_row(record) for record in batch.pods], context)
    return WriteResult(
        workloads_written=workloads,
        workloads_refused=len(batch.workloads) - workloads,
        pods_written=pods,
        workloads_closed=await gone.close(connection, CLOSE_WORKLOADS, context, versions),
        pods_closed=await gone_pods.close(connection, CLOSE_PODS, context, {}),
    )


async def _count(
    connection: AsyncConnection, statement: TextClause, rows: Sequence[Mapping[str, Any]], context: Mapping[str, Any]
) -> int:
    if not rows:
        return 0
    result = await connection.execute(statement, {**context, "rows": json_rows(rows)})
    return int(result.scalar_one())


def json_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON that PostgreSQL takes: it refuses NUL and lone surrogates, wherever they came from."""
    written = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return written.replace("\\u0000", "\\ufffd").encode("utf-8", "replace").decode("utf-8")
