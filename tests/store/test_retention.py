"""History by the month: partitions made ahead, months dropped whole, nothing refused in between."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support.workload_builders import a_pod, a_workload, an_event, uid_of

from rollcall.domain.records import Phase
from rollcall.errors import StoreUnavailable
from rollcall.settings import DatabaseSettings
from rollcall.store import retention
from rollcall.store.engine import create_engine, store_errors
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall.store.pages import PageQuery, workload_page
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.retention import drop_expired, drop_expired_events, make_partitions
from rollcall.store.tables import metadata
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

NOVEMBER = datetime(2025, 11, 20, 12, tzinfo=UTC)
TABLES = ("deleted_pods", "deleted_workloads", "phase_changes")
"""A partition a month."""


def month(number: int) -> datetime:
    """The first instant of a month, counted from January 2026."""
    return datetime(2026 + (number - 1) // 12, (number - 1) % 12 + 1, 1, tzinfo=UTC)


async def partitions(connection: AsyncConnection, table: str) -> dict[str, str]:
    """The partitions of a table and their bounds."""
    rows = await connection.execute(
        text(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST(:parent AS regclass)"
        ),
        {"parent": table},
    )
    return {row.relname: row.bounds for row in rows}


async def where_is(connection: AsyncConnection, table: str) -> list[str]:
    """The partitions that hold the rows of a table."""
    name = literal_column("CAST(CAST(tableoid AS regclass) AS text)")
    rows = await connection.execute(select(name).distinct().select_from(metadata.tables[table]))
    return sorted(rows.scalars())


async def end(
    connection: AsyncConnection, name: str, *, at: datetime, created_at: datetime | None = None, of: str = "c1"
) -> None:
    """Write a workload with its pod and close both at an instant."""
    record = a_workload(name, created_at=created_at or at - timedelta(hours=1), phase=Phase.RUNNING)
    gone = Gone(uid=record.uid, observed_version=99, at=at, seen=DeletionSeen.EXACT)
    gone_pod = Gone(uid=uid_of(f"{name}-0"), observed_version=99, at=at, seen=DeletionSeen.EXACT)
    batch = Batch(
        workloads=(record,),
        pods=(a_pod(f"{name}-0", workload=name),),
        gone_workloads=(gone,),
        gone_pods=(gone_pod,),
    )
    await write_batch(connection, of, batch, observed_at=at)


async def test_this_month_and_the_next_two_are_made_over_the_end_of_a_year(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        made = await make_partitions(connection, now=NOVEMBER)
        months = {f"{table}_{part}" for table in TABLES for part in ("2025_11", "2025_12", "2026_01")}
        assert set(made) == months | {"events_2025_11_20", "events_2025_11_21", "events_2025_11_22"}
        for table in TABLES:
            found = await partitions(connection, table)
            assert found[f"{table}_2025_12"] == (
                "FOR VALUES FROM ('2025-12-01 00:00:00+00') TO ('2026-01-01 00:00:00+00')"
            )
            assert found[f"{table}_default"] == "DEFAULT"
        assert await make_partitions(connection, now=NOVEMBER) == ()
        later = await make_partitions(connection, now=datetime(2025, 12, 1, tzinfo=UTC))
        days = {"events_2025_12_01", "events_2025_12_02", "events_2025_12_03"}
        assert set(later) == {f"{table}_2026_02" for table in TABLES} | days


async def test_history_goes_into_its_month(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await make_partitions(connection, now=month(1))
        await end(connection, "first", at=month(1), created_at=month(1))
        await end(connection, "last", at=month(2) - timedelta(microseconds=1))
        assert await where_is(connection, "deleted_workloads") == ["deleted_workloads_2026_01"]
        assert await where_is(connection, "deleted_pods") == ["deleted_pods_2026_01"]
        assert await where_is(connection, "phase_changes") == ["phase_changes_2026_01"]
        await end(connection, "next", at=month(2), created_at=month(2))
        assert await where_is(connection, "deleted_workloads") == [
            "deleted_workloads_2026_01",
            "deleted_workloads_2026_02",
        ]


async def test_what_has_no_month_is_not_refused_and_read_all_the_same(engine: AsyncEngine) -> None:
    """No partition was ever made, or the operator slept for a year."""
    async with engine.begin() as connection:
        await end(connection, "early", at=month(-5))
        await make_partitions(connection, now=month(1))
        await end(connection, "late", at=month(20))
        assert await where_is(connection, "deleted_workloads") == ["deleted_workloads_default"]
        page = await workload_page(connection, PageQuery(deleted=True))
    assert {row.record.name for row in page.workloads} == {"early", "late"}


async def test_a_month_that_has_begun_in_the_default_partition_stays_there(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await end(connection, "early", at=month(1) + timedelta(days=1))
        made = await make_partitions(connection, now=month(1))
        months = {f"{table}_{part}" for table in TABLES for part in ("2026_02", "2026_03")}
        assert {name for name in made if not name.startswith("events_")} == months
        await end(connection, "next", at=month(1) + timedelta(days=2))
        await end(connection, "february", at=month(2) + timedelta(days=2))
        assert await where_is(connection, "deleted_workloads") == [
            "deleted_workloads_2026_02",
            "deleted_workloads_default",
        ]


async def test_whole_months_are_dropped_and_the_month_of_the_limit_stays(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for number in (1, 4):
            await make_partitions(connection, now=month(number))
        for number in range(1, 7):
            await end(connection, f"w{number}", at=month(number) + timedelta(days=10))
        before = month(3) + timedelta(days=20)
        dropped = await drop_expired(connection, "c1", before=before)
        assert set(dropped) == {f"{table}_{part}" for table in TABLES for part in ("2026_01", "2026_02")}
        page = await workload_page(connection, PageQuery(deleted=True))
        assert {row.record.name for row in page.workloads} == {"w3", "w4", "w5", "w6"}
        for table in ("deleted_pods", "phase_changes"):
            rows = await connection.execute(select(func.count()).select_from(metadata.tables[table]))
            assert rows.scalar_one() == 4, table
        assert await drop_expired(connection, "c1", before=before) == ()
        assert set(await drop_expired(connection, "c1", before=month(4))) == {f"{table}_2026_03" for table in TABLES}


async def test_old_rows_of_the_default_partition_go_one_by_one(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await end(connection, "old", at=month(1))
        await end(connection, "young", at=month(2))
        assert await drop_expired(connection, "c1", before=month(1) + timedelta(days=15)) == ()
        page = await workload_page(connection, PageQuery(deleted=True))
        pods = (await connection.execute(text("SELECT name FROM deleted_pods"))).scalars().all()
        changes = (await connection.execute(text("SELECT uid FROM phase_changes"))).scalars().all()
    assert [row.record.name for row in page.workloads] == ["young"]
    assert pods == ["young-0"]
    assert changes == [uid_of("young")]


async def test_what_lives_is_never_dropped_only_its_oldest_changes_of_phase(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await make_partitions(connection, now=month(1))
        record = a_workload("old", created_at=month(1), phase=Phase.PENDING)
        await write_batch(connection, "c1", Batch(workloads=(record,)), observed_at=month(1))
        running = a_workload("old", created_at=month(1), phase=Phase.RUNNING, observed_version=11)
        await write_batch(connection, "c1", Batch(workloads=(running,)), observed_at=month(2))
        await drop_expired(connection, "c1", before=month(2))
        page = await workload_page(connection, PageQuery())
        changes = (await connection.execute(text("SELECT phase FROM phase_changes"))).scalars().all()
    assert [row.record.name for row in page.workloads] == ["old"]
    assert page.workloads[0].pending_seconds == 31 * 24 * 3600
    assert changes == ["Running"]


@pytest.mark.parametrize("at_once", [10_000, 2])
async def test_each_cluster_keeps_its_history_for_its_own_time(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", at_once)
    old = month(1) + timedelta(days=10)

    async def left(connection: AsyncConnection, table: str) -> set[tuple[str, int]]:
        statement = text(f"SELECT cluster_id, count(*) FROM {table} GROUP BY cluster_id")  # noqa: S608 - our own names
        return {(row[0], row[1]) for row in await connection.execute(statement)}

    async with engine.begin() as connection:
        await make_partitions(connection, now=month(1))
        await end(connection, "before any partition", at=month(0), of="c2")
        for name in ("a", "b", "c", "d", "e"):
            await end(connection, name, at=old)
            await end(connection, name, at=old, of="c2")
        await end(connection, "before any partition", at=month(0))
        assert await drop_expired(connection, "c1", before=month(2)) == (), "c2's history is in there too"
        for table in TABLES:
            assert await left(connection, table) == {("c2", 6)}, table
        assert set(await drop_expired(connection, "c2", before=month(2))) == {f"{table}_2026_01" for table in TABLES}
        for table in TABLES:
            assert await left(connection, table) == set(), table


async def test_old_tombstones_go_too(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for name, at in (("old", month(1)), ("young", month(3))):
            gone = Gone(uid=uid_of(name), observed_version=1, at=at, seen=DeletionSeen.EXACT)
            await write_batch(connection, "c1", Batch(gone_workloads=(gone,)), observed_at=at)
        await drop_expired(connection, "c1", before=month(2))
        assert (await connection.execute(text("SELECT uid FROM tombstones"))).scalars().all() == [uid_of("young")]


async def test_days_of_events_are_dropped_whole_but_for_what_still_happens(engine: AsyncEngine) -> None:
    day = timedelta(days=1)
    happened = {
        "old": (month(1), month(1)),
        "still": (month(1), month(1) + 9 * day),
        "next day": (month(1) + day, month(1) + day),
        "young": (month(1) + 2 * day, month(1) + 2 * day),
        "before any partition": (month(0), month(0)),
        "from before, still": (month(0), month(1) + 9 * day),
    }
    async with engine.begin() as connection:
        await make_partitions(connection, now=month(1))
        events = [
            OwnedEvent(event=an_event(name, created_at=created_at, at=at), workload_uid="w")
            for name, (created_at, at) in happened.items()
        ]
        assert await write_events(connection, "c1", events, observed_at=month(3)) == len(events)
        assert await where_is(connection, "events") == [
            "events_2026_01_01",
            "events_2026_01_02",
            "events_2026_01_03",
            "events_default",
        ]
        assert await drop_expired_events(connection, "c1", before=month(1)) == ()
        assert await drop_expired_events(connection, "c1", before=month(1) + 2 * day) == ("events_2026_01_02",)
        left = (await connection.execute(text("SELECT uid FROM events"))).scalars().all()
        assert set(left) == {uid_of(name) for name in ("still", "young", "from before, still")}
        dropped = await drop_expired_events(connection, "c1", before=month(2))
        assert dropped == ("events_2026_01_01", "events_2026_01_03")
        assert (await connection.execute(text("SELECT count(*) FROM events"))).scalar_one() == 0


async def test_retention_gives_way_to_readers(database: DatabaseSettings, engine: AsyncEngine) -> None:
    """A drop that cannot have its lock fails soon, rather than hold up everyone who asks after it."""
    hasty = create_engine(database.model_copy(update={"lock_timeout_seconds": 0.2}), application_name="test")
    async with engine.begin() as connection:
        await make_partitions(connection, now=month(1))
        await end(connection, "w", at=month(1))
    async with engine.connect() as reader:
        await workload_page(reader, PageQuery(deleted=True))
        with pytest.raises(StoreUnavailable), store_errors():
            async with hasty.begin() as connection:
                await drop_expired(connection, "c1", before=month(5))
        assert len((await workload_page(reader, PageQuery(deleted=True))).workloads) == 1
    async with hasty.begin() as connection:
        assert "deleted_workloads_2026_01" in await drop_expired(connection, "c1", before=month(5))
    await hasty.dispose()
