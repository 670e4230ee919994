"""The schema: migrated once whoever comes at once, what the tables say it is, and refused when it is not head."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine as create_plain_engine
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_workload

from rollcall.domain.records import Phase
from rollcall.errors import SchemaNotHead, StoreUnavailable
from rollcall.settings import DatabaseSettings
from rollcall.store import schema
from rollcall.store.engine import create_engine, database_url
from rollcall.store.records import Batch
from rollcall.store.rows import workload_row
from rollcall.store.schema import check_schema, head_revision, migrate
from rollcall.store.tables import metadata
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

NEXT = '''"""Made up by a test."""
from alembic import op

revision = "next"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE made_up (id int)")
    op.execute("ALTER TABLE workloads ADD COLUMN made_up int")
    {more}
'''


def a_later_release(folder: Path, more: str = "") -> Path:
    """This release's migrations and one more, as a folder."""
    migrations = Path(schema.__file__).parents[1] / "migrations"
    shutil.copytree(migrations, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "next.py").write_text(NEXT.format(head=head_revision(), more=more or "pass"))
    return folder


def query(database: DatabaseSettings, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.dsn.get_secret_value()) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


async def checked(database: DatabaseSettings) -> str:
    """What refusing this schema says; nothing where it is taken."""
    engine = create_engine(database, application_name="test")
    try:
        async with engine.connect() as connection:
            await check_schema(connection)
    except SchemaNotHead as error:
        return str(error)
    finally:
        await engine.dispose()
    return ""


async def test_migrating_twice_changes_nothing(empty_database: DatabaseSettings) -> None:
    assert migrate(empty_database) == head_revision()
    with psycopg.connect(empty_database.dsn.get_secret_value()) as connection:
        connection.execute("INSERT INTO clusters (cluster_id, name) VALUES ('c1', 'one')")
    before = catalogue(empty_database)
    assert migrate(empty_database) == head_revision()
    assert catalogue(empty_database) == before
    assert query(empty_database, "SELECT name FROM clusters") == [("one",)]
    assert await checked(empty_database) == ""


def migrate_at_once(database: DatabaseSettings, processes: int) -> list[tuple[int, str]]:
    """The exit codes and words of so many `rollcall migrate` at the same time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
    environment["ROLLCALL_DATABASE__DSN"] = database.dsn.get_secret_value()
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "rollcall", "migrate"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        said = [process.communicate(timeout=120)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    return [(process.returncode, words) for process, words in zip(started, said, strict=True)]


async def test_four_processes_migrate_one_empty_database_at_once(empty_database: DatabaseSettings) -> None:
    ended = migrate_at_once(empty_database, 4)
    assert [code for code, _ in ended] == [0] * 4, ended
    assert {words.splitlines()[-1] for _, words in ended} == {f"The schema is at {head_revision()}."}
    assert await checked(empty_database) == ""


def catalogue(database: DatabaseSettings) -> dict[str, list[tuple[Any, ...]]]:
    """What PostgreSQL itself says of the columns, indexes, partitioned tables and comments."""
    questions = {
        "columns": """
            SELECT table_name, column_name, data_type, udt_name, collation_name, is_nullable, column_default
            FROM information_schema.columns WHERE table_schema = 'public'
        """,
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "partitioned": "SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table",
        "comments": """
            SELECT c.relname, coalesce(a.attname, ''), d.description
            FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
            WHERE c.relnamespace = 'public'::regnamespace
        """,
    }
    found = {name: query(database, question) for name, question in questions.items()}
    # The version table is Alembic's; partitions are the migrations' and retention's.
    return {
        name: sorted(row for row in rows if row[0] != "rollcall_schema" and not row[0].endswith("_default"))
        for name, rows in found.items()
    }


def test_the_migrations_make_what_the_tables_say(database: DatabaseSettings, postgres: str) -> None:
    declared = f"{database.dsn.get_secret_value().rpartition('/')[2].partition('?')[0]}_declared"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(declared)))
        try:
            url = database_url(database).set(database=declared)
            engine = create_plain_engine(url)
            metadata.create_all(engine)
            engine.dispose()
            wanted = catalogue(
                DatabaseSettings(dsn=url.set(drivername="postgresql").render_as_string(hide_password=False))
            )
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(declared)))
    found = catalogue(database)
    assert found["columns"]
    assert found == wanted


def test_alembic_would_write_no_further_migration(database: DatabaseSettings) -> None:
    engine = create_plain_engine(database_url(database))
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parents[1] / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)
        connection.execute(text("ALTER TABLE workloads DROP COLUMN images"))
        context = MigrationContext.configure(connection)
        assert [change[0] for change in compare_metadata(context, metadata) if change[0] == "add_column"]
        connection.rollback()
    engine.dispose()


async def test_an_empty_database_is_refused_with_the_command(empty_database: DatabaseSettings) -> None:
    assert "`rollcall migrate`" in await checked(empty_database)


async def test_a_schema_behind_is_refused_with_the_command_which_mends_it(
    database: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = head_revision()
    monkeypatch.setattr("rollcall.store.schema._MIGRATIONS", a_later_release(tmp_path / "migrations"))
    said = await checked(database)
    assert before in said
    assert "next" in said
    assert "`rollcall migrate`" in said
    assert migrate(database) == "next"
    assert await checked(database) == ""


async def test_a_schema_ahead_serves_the_release_before(
    database: DatabaseSettings, engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("rollcall.store.schema._MIGRATIONS", a_later_release(tmp_path / "migrations"))
        assert migrate(database) == "next"
    assert await checked(database) == ""
    async with engine.begin() as connection:
        await write_batch(connection, "c1", Batch(workloads=(a_workload(),)), observed_at=START)
    assert migrate(database) == "next", "a release that is rolled back to leaves the schema as it is"


async def test_a_schema_ahead_that_does_not_serve_this_release_is_refused_by_both(
    database: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("rollcall.store.schema._MIGRATIONS", a_later_release(tmp_path / "migrations"))
        later.setattr("rollcall.store.schema.SERVES_FROM", "next")
        migrate(database)
    said = await checked(database)
    assert "next" in said
    assert "newer than this release" in said
    with pytest.raises(SchemaNotHead, match="newer than this release"):
        migrate(database)
    assert query(database, "SELECT version_num FROM rollcall_schema") == [("next",)]


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    database: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = catalogue(database)
    with monkeypatch.context() as later:
        folder = a_later_release(tmp_path / "migrations", more='op.execute("SELECT 1 / 0")')
        later.setattr("rollcall.store.schema._MIGRATIONS", folder)
        with pytest.raises(Exception, match="SQLSTATE 22012"):
            migrate(database)
    assert catalogue(database) == before
    assert await checked(database) == ""


async def test_a_migration_does_not_queue_in_front_of_readers(
    database: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a table lock holds up everyone behind it: it gives up soon instead."""
    monkeypatch.setattr("rollcall.store.schema._MIGRATIONS", a_later_release(tmp_path / "migrations"))
    hasty = database.model_copy(update={"lock_timeout_seconds": 0.2})
    with psycopg.connect(database.dsn.get_secret_value()) as reader:
        reader.execute("SELECT count(*) FROM workloads")
        with pytest.raises(StoreUnavailable):
            migrate(hasty)
        reader.rollback()
    assert query(database, "SELECT to_regclass('made_up')") == [(None,)]
    assert migrate(hasty) == "next"


async def test_closed_rows_of_the_first_schema_open_again(empty_database: DatabaseSettings) -> None:
    """0002: what was closed before it has the version that guarded it, and takes in what comes after."""
    migrate_to(empty_database, "0001")
    row = workload_row(a_workload(phase=Phase.RUNNING, observed_version=20), observed_at=START) | {
        "cluster_id": "c1",
        "updated_at": START.isoformat(),
        "phase_updated_at": START.isoformat(),
        "k8s_phase_updated_at": START.isoformat(),
        "last_phase": "Running",
        "pending_time": "0",
        "running_time": "60",
        "deleted_at": (START + timedelta(seconds=60)).isoformat(),
        "deletion_seen": "late",
    }
    with psycopg.connect(empty_database.dsn.get_secret_value()) as connection:
        connection.execute(
            "INSERT INTO deleted_workloads SELECT * FROM jsonb_populate_record(NULL::deleted_workloads, %s)",
            [Jsonb(row)],
        )
        connection.execute("INSERT INTO tombstones VALUES ('c1', 'gone', now())")
    migrate(empty_database)
    assert query(empty_database, "SELECT seen, gone_version FROM tombstones") == [("exact", 0)]
    assert query(empty_database, "SELECT gone_version, open_phase FROM deleted_workloads") == [(20, "Running")]
    engine = create_engine(empty_database, application_name="test")
    async with engine.begin() as connection:
        batch = Batch(workloads=(a_workload(phase=Phase.RUNNING, observed_version=21),))
        await write_batch(connection, "c1", batch, observed_at=START + timedelta(seconds=90))
    await engine.dispose()
    assert query(empty_database, "SELECT extract(epoch FROM running_time)::int FROM workloads") == [(0,)]
    assert query(empty_database, "SELECT * FROM deleted_workloads") == []


def migrate_to(database: DatabaseSettings, revision: str) -> None:
    engine = create_plain_engine(database_url(database))
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parents[1] / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


async def test_every_connection_is_bounded_and_in_utc(database: DatabaseSettings) -> None:
    settings = database.model_copy(update={"statement_timeout_seconds": 7.5, "lock_timeout_seconds": 0.5})
    engine = create_engine(settings, application_name="rollcall-test")
    async with engine.connect() as connection:
        found = {
            name: (await connection.execute(text(f"SHOW {name}"))).scalar_one()
            for name in ("statement_timeout", "lock_timeout", "timezone", "application_name")
        }
    await engine.dispose()
    assert found == {
        "statement_timeout": "7500ms",
        "lock_timeout": "500ms",
        "timezone": "UTC",
        "application_name": "rollcall-test",
    }
