"""Bytes on disk for each live and deleted workload, with all that belongs to it, tables and indexes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
from bench.figures import Figure, Outcome
from bench.filled_database import BATCH, numbered, pods_of
from bench.workshop import Workshop
from support.workload_builders import an_event, uid_of

from rollcall.domain.records import Phase, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.retention import make_partitions
from rollcall.store.writes import write_batch

PHASES = (Phase.PENDING, Phase.INITIALIZING, Phase.RUNNING)
"""What each workload goes through: a row of history each."""

TABLES = ("workloads", "pods", "deleted_workloads", "deleted_pods", "phase_changes", "events")

_SIZE = """
    SELECT coalesce(sum(pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)), 0),
        coalesce(sum(pg_indexes_size(c.oid)), 0)
    FROM pg_class c
    WHERE c.relkind = 'r' AND (c.oid = %(table)s::regclass
        OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many are written."""

    live: int = 10_000
    deleted: int = 10_000
    pods_each: int = 4
    events_each: int = 2


async def measure(workshop: Workshop, sizes: Sizes) -> Outcome:
    """Write lives by the operator's own statements, and weigh each table for each of its rows."""
    database = workshop.database()
    engine = create_engine(database, application_name="bench")
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await make_partitions(connection, now=now)
    whole = sizes.live + sizes.deleted
    starts = (*range(0, sizes.live, BATCH), *range(sizes.live, whole, BATCH))
    for start, end in zip(starts, (*starts[1:], whole), strict=True):
        records = [numbered(place, now=now) for place in range(start, end)]
        pods = tuple(pod for place, one in enumerate(records, start) for pod in pods_of(one, place, sizes.pods_each))
        for step, phase in enumerate(PHASES, 1):
            changed = tuple(replace(record, phase=phase, observed_version=step) for record in records)
            batch = Batch(workloads=changed, pods=pods if step == 1 else ())
            async with engine.begin() as connection:
                await write_batch(connection, "c1", batch, observed_at=now + timedelta(seconds=step))
        async with engine.begin() as connection:
            await write_events(connection, "c1", _events(records, sizes.events_each, now), observed_at=now)
        if start >= sizes.live:
            async with engine.begin() as connection:
                await write_batch(connection, "c1", _ends(records, sizes, now), observed_at=now)
        if end // BATCH % 10 == 0:
            workshop.say(f"disk: {end:,} of {whole:,} workloads")
    await engine.dispose()
    return _outcome(workshop, sizes, _weighed(database))


def _events(records: list[WorkloadRecord], each: int, now: datetime) -> list[OwnedEvent]:
    names = ((record, f"{record.name}-event-{number}") for record in records for number in range(each))
    return [OwnedEvent(event=an_event(name, created_at=now, at=now), workload_uid=record.uid) for record, name in names]


def _ends(records: list[WorkloadRecord], sizes: Sizes, now: datetime) -> Batch:
    def gone(uid: str) -> Gone:
        return Gone(uid=uid, observed_version=99, at=now, seen=DeletionSeen.EXACT)

    return Batch(
        gone_workloads=tuple(gone(record.uid) for record in records),
        gone_pods=tuple(gone(uid_of(f"{one.name}-{pod}")) for one in records for pod in range(sizes.pods_each)),
    )


def _weighed(database: DatabaseSettings) -> Mapping[str, tuple[int, int, int]]:
    """Of each table its rows, its bytes and those of its indexes; rebuilt, so that no dead row counts."""
    found: dict[str, tuple[int, int, int]] = {}
    with psycopg.connect(database.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("VACUUM FULL ANALYZE")
        for table in TABLES:
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)  # type: ignore[arg-type]  # noqa: S608 - our own names
            heap, indexes = connection.execute(_SIZE, {"table": table}).fetchone() or (0, 0)
            found[table] = (int(rows), int(heap), int(indexes))
    return found


def _outcome(workshop: Workshop, sizes: Sizes, weighed: Mapping[str, tuple[int, int, int]]) -> Outcome:
    expected = {
        "workloads": sizes.live,
        "pods": sizes.live * sizes.pods_each,
        "deleted_workloads": sizes.deleted,
        "deleted_pods": sizes.deleted * sizes.pods_each,
        "phase_changes": (sizes.live + sizes.deleted) * len(PHASES),
        "events": (sizes.live + sizes.deleted) * sizes.events_each,
    }
    written = {table: rows for table, (rows, _, _) in weighed.items()}
    if written != expected:
        raise AssertionError(f"{written} were written, not {expected}")
    figures: list[Figure] = []
    for table, (rows, heap, indexes) in weighed.items():
        figures += [
            Figure(table, "rows", rows, ""),
            Figure(table, "table", heap / rows, "bytes/row"),
            Figure(table, "indexes", indexes / rows, "bytes/row"),
            Figure(table, "both", (heap + indexes) / rows, "bytes/row"),
        ]
    return Outcome(
        benchmark="disk",
        title="Disk: bytes for each row, with its indexes",
        figures=tuple(figures),
        sizes={
            "live": sizes.live,
            "deleted": sizes.deleted,
            "pods_each": sizes.pods_each,
            "events_each": sizes.events_each,
        },
        notes=("After VACUUM FULL: a table that is written all the time is larger, by its dead rows.",),
        stands_on={"PostgreSQL": workshop.postgres_version()},
    )
