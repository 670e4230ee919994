"""The database away, slow, locked or full: one word for "try again", and no restart of ours when it is back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from support.rows import eventually
from support.workload_builders import START, a_workload, uid_of

from rollcall.errors import SettingsError, StoreError, StoreUnavailable
from rollcall.settings import DatabaseSettings
from rollcall.store.command import migrate_patiently
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.engine import create_engine, store_errors
from rollcall.store.pages import PageQuery, workload_page
from rollcall.store.records import Batch
from rollcall.store.schema import head_revision, migrate
from rollcall.store.writes import LOCK_CLUSTER, write_batch

pytestmark = pytest.mark.anyio


async def write(engine: AsyncEngine, name: str) -> None:
    """One workload in a transaction of its own, as the operator writes."""
    with store_errors():
        async with engine.begin() as connection:
            await write_batch(connection, "c1", Batch(workloads=(a_workload(name),)), observed_at=START)


async def names(engine: AsyncEngine) -> set[str]:
    """The live workloads, as the API reads."""
    with store_errors():
        async with engine.connect() as connection:
            return {row.record.name for row in (await workload_page(connection, PageQuery())).workloads}


async def test_a_statement_that_takes_too_long_is_an_outage_and_the_connection_lives(
    database: DatabaseSettings,
) -> None:
    engine = create_engine(
        # What is written afterwards, on the same connection, has as long: a busy machine may need it.
        database.model_copy(update={"statement_timeout_seconds": 2, "pool_size": 1}),
        application_name="test",
    )
    with pytest.raises(StoreUnavailable), store_errors():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))
    await write(engine, "after")
    assert await names(engine) == {"after"}
    await engine.dispose()


async def test_a_writer_waits_for_another_of_its_cluster_only_so_long(
    database: DatabaseSettings, engine: AsyncEngine
) -> None:
    hasty = create_engine(database.model_copy(update={"lock_timeout_seconds": 0.2}), application_name="test")
    async with engine.begin() as other:
        await other.execute(LOCK_CLUSTER, {"cluster_id": "c1"})
        with pytest.raises(StoreUnavailable):
            await write(hasty, "blocked")
    await write(hasty, "free")
    assert await names(hasty) == {"free"}
    await hasty.dispose()


async def test_a_pool_that_is_empty_is_an_outage(database: DatabaseSettings) -> None:
    settings = database.model_copy(update={"pool_size": 1, "connect_timeout_seconds": 3})
    engine = create_engine(settings, application_name="test")
    async with engine.connect():
        with pytest.raises(StoreUnavailable, match="busy"):
            await names(engine)
    assert await names(engine) == set()
    await engine.dispose()


async def test_a_connection_that_was_ended_is_an_outage_and_the_next_one_works(
    database: DatabaseSettings, engine: AsyncEngine
) -> None:
    async def be_cut_off() -> None:
        with store_errors():
            async with engine.begin() as connection:
                mine = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                with psycopg.connect(database.dsn.get_secret_value()) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 10000)", [mine])
                await connection.execute(text("SELECT 1"))

    await write(engine, "before")
    with pytest.raises(StoreUnavailable):
        await be_cut_off()
    assert await names(engine) == {"before"}


async def test_what_the_database_refuses_is_no_outage(engine: AsyncEngine) -> None:
    """Trying a wrong statement again for ever would hide it."""
    with pytest.raises(StoreError, match="SQLSTATE 42P01") as caught, store_errors():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT * FROM no_such_table"))
    assert not isinstance(caught.value, StoreUnavailable)


@pytest.mark.parametrize("dsn", ["postgresql://127.0.0.1:1/none", "postgresql:///none?host=/no/such/folder"])
async def test_nobody_there_is_an_outage(dsn: str) -> None:
    settings = DatabaseSettings(dsn=SecretStr(dsn), connect_timeout_seconds=2)
    engine = create_engine(settings, application_name="test")
    with pytest.raises(StoreUnavailable):
        await names(engine)
    with pytest.raises(StoreUnavailable):
        migrate(settings)
    await engine.dispose()


def test_a_migration_waits_for_a_database_that_is_starting(own_postgres: EmbeddedPostgres) -> None:
    settings = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()), connect_timeout_seconds=2, migrate_wait_seconds=60)
    own_postgres.stop()
    with ThreadPoolExecutor() as thread, capture_logs() as logged:
        migrating = thread.submit(migrate_patiently, settings)
        eventually(lambda: [line["event"] for line in logged], bool)
        own_postgres.start()
        assert migrating.result(timeout=60) == head_revision()
    assert [line["event"] for line in logged] == ["database_waited_for"]


def test_a_migration_waits_no_longer_than_it_is_told() -> None:
    nobody = DatabaseSettings(dsn=SecretStr("postgresql://127.0.0.1:1/none"), migrate_wait_seconds=0)
    with pytest.raises(StoreUnavailable):
        migrate_patiently(nobody)


@pytest.mark.parametrize("dsn", ["mysql://u:hunter2@h/n", "no url: hunter2", "postgresql://u:hunter2@h:port/n"])
def test_a_dsn_that_is_none_is_a_setting_and_is_not_repeated(dsn: str) -> None:
    with pytest.raises(SettingsError) as caught:
        create_engine(DatabaseSettings(dsn=SecretStr(dsn)), application_name="test")
    assert "hunter2" not in str(caught.value)
    assert "ROLLCALL_DATABASE__DSN" in str(caught.value)


async def test_the_engine_recovers_when_the_database_is_back(own_postgres: EmbeddedPostgres) -> None:
    settings = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()))
    migrate(settings)
    engine = create_engine(settings, application_name="test")
    for name in ("one", "two"):
        await write(engine, name)
    # Several idle connections, all of which the stop will cut.
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(names, engine)

    own_postgres.stop()
    own_postgres.start()
    # At the first try: what an outage that nobody saw broke in the pool is noticed before it is used.
    assert await names(engine) == {"one", "two"}

    own_postgres.stop()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await write(engine, "three")
        with pytest.raises(StoreUnavailable):
            await names(engine)

    own_postgres.start()
    await write(engine, "four")
    assert await names(engine) == {"one", "two", "four"}
    await engine.dispose()


async def test_a_transaction_cut_by_the_stop_leaves_nothing(own_postgres: EmbeddedPostgres) -> None:
    settings = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()))
    migrate(settings)
    engine = create_engine(settings, application_name="test")
    await write(engine, "kept")

    async def be_cut_off() -> None:
        batch = Batch(workloads=(a_workload("kept", observed_version=11, phase_message="half"), a_workload("new")))
        with store_errors():
            async with engine.begin() as connection:
                await write_batch(connection, "c1", batch, observed_at=START)
                own_postgres.stop()

    with pytest.raises(StoreUnavailable):
        await be_cut_off()
    own_postgres.start()
    async with engine.connect() as connection:
        found = (await workload_page(connection, PageQuery())).workloads
        changes = (await connection.execute(text("SELECT uid FROM phase_changes"))).scalars().all()
    assert [(row.record.name, row.record.phase_message) for row in found] == [("kept", "waiting for a node")]
    assert changes == [uid_of("kept")]
    await engine.dispose()


def test_the_embedded_server_keeps_its_data_and_stops_when_told(postgres_folder: Path) -> None:
    with EmbeddedPostgres(postgres_folder) as server:
        dsn = server.dsn()
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        assert make_url(dsn).database == "postgres"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn, connect_timeout=2)
    server.stop()
    server.start()
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    server.stop()
