"""Deletions: moving rows to the deleted side, and back while something else about them is written.

A deletion and the observations before it may arrive in any order, from two operators. So that they end in the same
rows, whatever a batch speaks of is opened first if it is closed (its deletion comes back as a :class:`Gone`), then
written like any live row, then closed again by all that is known of its deletion. All within one transaction, under
the cluster's lock: nobody sees a row in between.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.records import DeletionSeen, Gone
from rollcall.store.rows import PHASE_ORDER


def _names(*columns: str) -> str:
    return ", ".join(columns)


def _reopen_workloads() -> TextClause:
    """Move closed workloads back among the live, as they were but for what closing took away."""
    ruled = {
        "phase": "open_phase",
        "phase_order": _order_of("open_phase"),
        "phase_message": "CASE WHEN open_phase <> 'Deleting' OR last_phase IS NULL THEN phase_message END",
        "pending_time": f"pending_time - {_present_stay('open_phase', 'Pending', 'deleted_at')}",
        "running_time": f"running_time - {_present_stay('open_phase', 'Running', 'deleted_at')}",
    }
    columns = [column.name for column in tables.workloads.columns]
    values = _names(*(ruled.get(name, name) for name in columns))
    return text(f"""
        WITH dug AS (
            DELETE FROM tombstones
            WHERE cluster_id = :cluster_id AND uid = ANY(CAST(:uids AS text[]))
            RETURNING uid, at, seen, gone_version
        ), taken AS (
            DELETE FROM deleted_workloads
            WHERE cluster_id = :cluster_id AND uid = ANY(CAST(:uids AS text[]))
            RETURNING *
        ), opened AS (
            INSERT INTO workloads ({_names(*columns)}) SELECT {values} FROM taken
            ON CONFLICT DO NOTHING
        )
        SELECT uid, deleted_at AS at, deletion_seen AS seen, gone_version, true AS had_row FROM taken
        UNION ALL SELECT uid, at, seen, gone_version, false FROM dug
    """)  # noqa: S608 - column names of our own tables


def _reopen_pods() -> TextClause:
    """Move closed pods back among those that are there."""
    # A pod that ended because it went has not ended while it is there.
    ruled = {"ended_at": "nullif(ended_at, deleted_at)"}
    columns = [column.name for column in tables.pods.columns]
    values = _names(*(ruled.get(name, name) for name in columns))
    return text(f"""
        WITH dug AS (
            DELETE FROM tombstones
            WHERE cluster_id = :cluster_id AND uid = ANY(CAST(:uids AS text[]))
            RETURNING uid, at, seen, gone_version
        ), taken AS (
            DELETE FROM deleted_pods
            WHERE cluster_id = :cluster_id AND uid = ANY(CAST(:uids AS text[]))
            RETURNING *
        ), opened AS (
            INSERT INTO pods ({_names(*columns)}) SELECT {values} FROM taken
            ON CONFLICT DO NOTHING
        )
        SELECT uid, deleted_at AS at, deletion_seen AS seen, gone_version, true AS had_row FROM taken
        UNION ALL SELECT uid, at, seen, gone_version, false FROM dug
    """)  # noqa: S608 - column names of our own tables


def _close_workloads() -> TextClause:
    """Move what is gone to the deleted side, its last phase kept, nothing running and nothing allocated."""
    ruled = {
        "phase": "coalesce(last_phase, phase)",
        "phase_order": _order_of("coalesce(last_phase, phase)"),
        "phase_message": "CASE WHEN last_phase IS NULL THEN phase_message ELSE last_phase_message END",
        "running_pods": "0",
        "ready_pods": "0",
        "allocated_gpu_micros": "0",
        "details": "details - 'allocated' - 'podsRequested'",
        "pending_time": f"pending_time + {_present_stay('phase', 'Pending', 'gone_at')}",
        "running_time": f"running_time + {_present_stay('phase', 'Running', 'gone_at')}",
        "updated_at": ":observed_at",
        "deleted_at": "gone_at",
        "deletion_seen": "seen",
        "open_phase": "phase",
        "changed_version": "closed_version",
    }
    return _close(tables.workloads.name, tables.deleted_workloads.name, "observed_version", ruled)


def _close_pods() -> TextClause:
    """Move pods that are gone to the deleted side; a pod that vanished ended then, if it had not before."""
    ruled = {
        "ended_at": "coalesce(ended_at, gone_at)",
        "updated_at": ":observed_at",
        "deleted_at": "gone_at",
        "deletion_seen": "seen",
    }
    return _close(tables.pods.name, tables.deleted_pods.name, "resource_version", ruled)


def _close(live: str, deleted: str, version: str, ruled: Mapping[str, str]) -> TextClause:
    columns = [column.name for column in tables.metadata.tables[deleted].columns]
    values = _names(*(ruled.get(name, name) for name in columns))
    return text(f"""
        WITH gone AS (
            SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS r(uid text, gone_version bigint, gone_at timestamptz, seen text, closed_version bigint)
        ), moved AS (
            DELETE FROM {live} l USING gone g
            WHERE l.cluster_id = :cluster_id AND l.uid = g.uid
                AND (g.seen = 'exact' OR l.{version} <= g.gone_version)
            RETURNING l.*, g.gone_version, g.gone_at, g.seen, g.closed_version
        ), buried AS (
            INSERT INTO tombstones (cluster_id, uid, at, seen, gone_version)
            SELECT :cluster_id, uid, gone_at, seen, gone_version FROM gone
            WHERE uid NOT IN (SELECT uid FROM {live} WHERE cluster_id = :cluster_id AND uid IN (SELECT uid FROM gone))
            ON CONFLICT DO NOTHING
        ), kept AS (
            INSERT INTO {deleted} ({_names(*columns)}) SELECT {values} FROM moved RETURNING uid
        )
        SELECT uid FROM kept
    """)  # noqa: S608 - names of our own tables and columns


def _order_of(phase: str) -> str:
    return f"(CAST('{_PHASE_ORDERS}' AS jsonb) ->> {phase})::smallint"


def _present_stay(phase: str, wanted: str, until: str) -> str:
    return (
        f"CASE WHEN {phase} = '{wanted}' THEN greatest({until} - phase_updated_at, interval '0') ELSE interval '0' END"
    )


_PHASE_ORDERS = json.dumps({phase.value: place for phase, place in PHASE_ORDER.items()}).replace(":", r"\:")
REOPEN_WORKLOADS = _reopen_workloads()
REOPEN_PODS = _reopen_pods()
CLOSE_WORKLOADS = _close_workloads()
CLOSE_PODS = _close_pods()


def merged(one: Gone, other: Gone) -> Gone:
    """What two reports of one object's deletion come to: seen as an event beats late; of two late ones the newer."""
    exact = [gone for gone in (one, other) if gone.seen is DeletionSeen.EXACT]
    if exact:
        first = min(exact, key=lambda gone: gone.at)
        return replace(first, observed_version=max(one.observed_version, other.observed_version))
    return max(one, other, key=lambda gone: (gone.observed_version, -gone.at.timestamp()))


class Closings:
    """The deletions that a batch's transaction knows of: those it brings and those of the rows it opened."""

    def __init__(self, brought: Iterable[Gone]) -> None:
        self._all: dict[str, Gone] = {}
        for gone in brought:
            self._note(gone)
        self._brought = frozenset(self._all)
        self._were_closed: set[str] = set()

    async def reopen(
        self, connection: AsyncConnection, statement: TextClause, cluster_id: str, uids: Iterable[str]
    ) -> None:
        """Open whatever of these and of the brought ones is closed."""
        asked = sorted({*uids, *self._all})
        if not asked:
            return
        for row in await connection.execute(statement, {"cluster_id": cluster_id, "uids": asked}):
            known = Gone(uid=row.uid, observed_version=row.gone_version, at=row.at, seen=DeletionSeen(row.seen))
            self._note(known)
            if row.had_row:
                self._were_closed.add(row.uid)

    def _note(self, gone: Gone) -> None:
        known = self._all.get(gone.uid)
        self._all[gone.uid] = gone if known is None else merged(known, gone)

    def instant(self, uid: str, version: int, observed_at: datetime) -> datetime:
        """When an observation is counted from: what tells of a thing that is gone tells of before it went."""
        gone = self._all.get(uid)
        if gone is None or (gone.seen is DeletionSeen.LATE and gone.observed_version < version):
            return observed_at
        return min(observed_at, gone.at)

    def was_seen_to_go(self, uid: str) -> bool:
        """Whether its row was closed before this batch by a deletion that was seen as an event."""
        return uid in self._were_closed and self._all[uid].seen is DeletionSeen.EXACT

    async def close(
        self,
        connection: AsyncConnection,
        statement: TextClause,
        context: Mapping[str, Any],
        versions: Mapping[str, int],
    ) -> int:
        """Close by all that is known; returns how many were open before that the batch itself closed.

        ``versions`` are those that closed rows have changed in, where their table counts them.
        """
        if not self._all:
            return 0
        rows = [
            {
                "uid": gone.uid,
                "gone_version": gone.observed_version,
                "gone_at": gone.at.isoformat(),
                "seen": gone.seen.value,
                "closed_version": versions.get(gone.uid),
            }
            for gone in self._all.values()
        ]
        closed = (await connection.execute(statement, {**context, "rows": json.dumps(rows)})).scalars()
        return sum(uid in self._brought and uid not in self._were_closed for uid in closed)
