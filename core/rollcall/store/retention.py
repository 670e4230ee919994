"""History by the month: partitions made ahead, and dropped when their time is over."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store.tables import PARTITIONED

_MONTHS_AHEAD = 2
_KEYS = {"deleted_workloads": "deleted_at", "deleted_pods": "deleted_at", "phase_changes": "at"}


async def make_partitions(connection: AsyncConnection, *, now: datetime) -> tuple[str, ...]:
    """Make the partitions of this month and the next two; returns the names of the new ones.

    A month that already has rows in the default partition stays there: nothing is ever refused, only dropped later
    row by row.
    """
    made: list[str] = []
    for table in PARTITIONED:
        for ahead in range(_MONTHS_AHEAD + 1):
            start, end = _month(now, ahead), _month(now, ahead + 1)
            name = f"{table.name}_{start:%Y_%m}"
            if await _exists(connection, name) or await _default_has(connection, table.name, start, end):
                continue
            await connection.execute(
                text(
                    f"CREATE TABLE {name} PARTITION OF {table.name}"
                    f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
                )
            )
            made.append(name)
    return tuple(made)


async def drop_expired(connection: AsyncConnection, *, before: datetime) -> tuple[str, ...]:
    """Drop the partitions that end before ``before``, and older rows of the default ones; returns what was dropped."""
    dropped: list[str] = []
    for table in PARTITIONED:
        partitions = await connection.execute(
            text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = CAST(:parent AS regclass) ORDER BY c.relname"
            ),
            {"parent": table.name},
        )
        for name in partitions.scalars():
            end = _end_of(table.name, name)
            if end is not None and end <= before:
                await connection.execute(text(f"DROP TABLE {name}"))
                dropped.append(name)
        await connection.execute(
            text(f"DELETE FROM {table.name}_default WHERE {_KEYS[table.name]} < :before"),  # noqa: S608 - our own names
            {"before": before},
        )
    await connection.execute(text("DELETE FROM tombstones WHERE at < :before"), {"before": before})
    return tuple(dropped)


def _month(now: datetime, ahead: int) -> datetime:
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _end_of(table: str, partition: str) -> datetime | None:
    year, _, month = partition.removeprefix(f"{table}_").partition("_")
    if not (year.isdigit() and month.isdigit()):
        return None
    return _month(datetime(int(year), int(month), 1, tzinfo=UTC), 1)


async def _exists(connection: AsyncConnection, name: str) -> bool:
    return (await connection.execute(text("SELECT to_regclass(:name)"), {"name": name})).scalar_one() is not None


async def _default_has(connection: AsyncConnection, table: str, start: datetime, end: datetime) -> bool:
    key = _KEYS[table]
    statement = f"SELECT EXISTS (SELECT FROM {table}_default WHERE {key} >= :start AND {key} < :end)"  # noqa: S608
    return bool((await connection.execute(text(statement), {"start": start, "end": end})).scalar_one())
