"""History by the month, events by the day: partitions made ahead, and dropped when their time is over.

Clusters that share a database share its partitions, and each is kept for as long as its own operator says: what holds
rows of another cluster as well loses those of this one row by row, and is dropped by whoever is the last.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store.tables import MONTHLY, events

_MONTHS_AHEAD = 2
_DAYS_AHEAD = 2
_KEYS = {"deleted_workloads": "deleted_at", "deleted_pods": "deleted_at", "phase_changes": "at", "events": "created_at"}


async def make_partitions(connection: AsyncConnection, *, now: datetime) -> tuple[str, ...]:
    """Make the partitions of this month and the next two, of events those of this day and the next two.

    Returns the names of the new ones. A month or a day that already has rows in the default partition stays there:
    nothing is ever refused, only dropped later row by row.
    """
    made: list[str] = []
    for table in MONTHLY:
        for ahead in range(_MONTHS_AHEAD + 1):
            start, end = _month(now, ahead), _month(now, ahead + 1)
            made += await _make(connection, table.name, f"{start:%Y_%m}", start, end)
    for ahead in range(_DAYS_AHEAD + 1):
        start, end = _day(now, ahead), _day(now, ahead + 1)
        made += await _make(connection, events.name, f"{start:%Y_%m_%d}", start, end)
    return tuple(made)


_ROWS_AT_ONCE = 10_000
"""Deleted by one statement, which has to end in the time that statements have."""


async def drop_expired(connection: AsyncConnection, cluster_id: str, *, before: datetime) -> tuple[str, ...]:
    """Drop a cluster's months that end before ``before``, and older rows of the default partitions.

    Returns the partitions that went as a whole. Events are kept for another time: :func:`drop_expired_events`.
    """
    dropped: list[str] = []
    for table in MONTHLY:
        for name in await _partitions(connection, table.name):
            end = _end_of(table.name, name)
            if end is not None and end <= before:
                dropped += await _drop(connection, name, cluster_id)
        await _delete(connection, f"{table.name}_default", cluster_id, _KEYS[table.name], before)
    await _delete(connection, "tombstones", cluster_id, "at", before)
    return tuple(dropped)


async def drop_expired_events(connection: AsyncConnection, cluster_id: str, *, before: datetime) -> tuple[str, ...]:
    """Drop a cluster's events that happened last before ``before``; returns the days that went as a whole.

    An Event object lives for as long as the same keeps happening, in the partition of the day that it was made on: a
    day that still has such events loses the others one by one.
    """
    dropped: list[str] = []
    for name in await _partitions(connection, events.name):
        end = _end_of(events.name, name)
        if end is not None and end > before:
            continue
        still = text(f"SELECT EXISTS (SELECT FROM {name} WHERE at >= :before)")  # noqa: S608 - our own names
        if end is None or (await connection.execute(still, {"before": before})).scalar_one():
            await _delete(connection, name, cluster_id, "at", before)
        else:
            dropped += await _drop(connection, name, cluster_id)
    return tuple(dropped)


async def _drop(connection: AsyncConnection, partition: str, cluster_id: str) -> list[str]:
    """Drop a partition where it holds rows of no other cluster, else delete this one's; returns what was dropped."""
    # Not `<>`: either side is found by the key's index.
    others = " OR ".join(f"EXISTS (SELECT FROM {partition} WHERE cluster_id {side} :own)" for side in "<>")
    if (await connection.execute(text(f"SELECT {others}"), {"own": cluster_id})).scalar_one():
        await _delete(connection, partition, cluster_id)
        return []
    await connection.execute(text(f"DROP TABLE {partition}"))
    return [partition]


async def _delete(
    connection: AsyncConnection, table: str, cluster_id: str, key: str | None = None, before: datetime | None = None
) -> None:
    """Delete a cluster's rows: all of them, or those whose key is before an instant."""
    old = "" if key is None else f" AND {key} < :before"
    some = f"SELECT ctid FROM {table} WHERE cluster_id = :own{old} LIMIT {_ROWS_AT_ONCE}"  # noqa: S608 - our own names
    statement = text(f"DELETE FROM {table} WHERE ctid = ANY (ARRAY ({some}))")  # noqa: S608 - same
    given = {"own": cluster_id} if key is None else {"own": cluster_id, "before": before}
    while (await connection.execute(statement, given)).rowcount == _ROWS_AT_ONCE:
        pass


def _month(now: datetime, ahead: int) -> datetime:
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _day(now: datetime, ahead: int) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=ahead)


def _end_of(table: str, partition: str) -> datetime | None:
    """Where a partition ends; ``None`` for the default one."""
    numbers = partition.removeprefix(f"{table}_").split("_")
    if not all(number.isdigit() for number in numbers):
        return None
    match [int(number) for number in numbers]:
        case [year, month]:
            return _month(datetime(year, month, 1, tzinfo=UTC), 1)
        case [year, month, day]:
            return _day(datetime(year, month, day, tzinfo=UTC), 1)
    return None


async def _make(connection: AsyncConnection, table: str, part: str, start: datetime, end: datetime) -> list[str]:
    name = f"{table}_{part}"
    if await _exists(connection, name) or await _default_has(connection, table, start, end):
        return []
    await connection.execute(
        text(
            f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    )
    return [name]


async def _partitions(connection: AsyncConnection, table: str) -> list[str]:
    found = await connection.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = CAST(:parent AS regclass) ORDER BY c.relname"
        ),
        {"parent": table},
    )
    return list(found.scalars())


async def _exists(connection: AsyncConnection, name: str) -> bool:
    return (await connection.execute(text("SELECT to_regclass(:name)"), {"name": name})).scalar_one() is not None


async def _default_has(connection: AsyncConnection, table: str, start: datetime, end: datetime) -> bool:
    key = _KEYS[table]
    statement = f"SELECT EXISTS (SELECT FROM {table}_default WHERE {key} >= :start AND {key} < :end)"  # noqa: S608
    return bool((await connection.execute(text(statement), {"start": start, "end": end})).scalar_one())
