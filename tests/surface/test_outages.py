"""A database that is away, is not what it should be or does not answer is a 503 of every operation, and is got over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import SecretStr
from support.api_process import ApiProcess
from support.filled_view import PROJECTS, fill
from support.prometheus import PrometheusServer
from support.rows import eventually
from support.surface import OPERATIONS
from support.wire import send

from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate
from rollcall.store.tables import metadata

TIMEOUT_SECONDS = 0.5
READING = tuple(found for found in OPERATIONS if found.is_scoped)


@contextmanager
def running(folder: Path, database: DatabaseSettings, prometheus: PrometheusServer) -> Iterator[ApiProcess]:
    """An API that waits for nothing long, on a filled database; it answers everything before and after."""
    fill(database)
    settings = {
        "database__statement_timeout_seconds": TIMEOUT_SECONDS,
        # So that it is the statement that ends, not the wait for a lock.
        "database__lock_timeout_seconds": 60,
        "prometheus__url": prometheus.url,
    }
    with ApiProcess(folder, database, **settings) as api:
        # More than once: beside other tests a good statement may take longer than it is given here.
        eventually(lambda: statuses(api), lambda found: set(found.values()) == {200})
        yield api
        eventually(lambda: statuses(api), lambda found: set(found.values()) == {200})
        assert "Traceback" not in api.log()


def statuses(api: ApiProcess) -> dict[str, int]:
    return {str(found): send(api, f"GET {found.target(PROJECTS[0].ids())}").status for found in READING}


def assert_away(api: ApiProcess) -> None:
    """Every operation says so, in the contract's words, soon, and when to ask again."""
    for operation in READING:
        since = time.monotonic()
        reply = send(api, f"GET {operation.target(PROJECTS[0].ids())}")
        assert (str(operation), reply.status) == (str(operation), 503)
        assert time.monotonic() - since < 8
        assert reply.error()
        assert int(reply.headers["retry-after"]) > 0
        assert b"postgresql://" not in reply.body
    assert send(api, "GET /readyz").status == 503
    assert send(api, "GET /livez").status == 200


def test_a_database_that_is_away(own_postgres: EmbeddedPostgres, prometheus: PrometheusServer, tmp_path: Path) -> None:
    database = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()))
    migrate(database)
    with running(tmp_path, database, prometheus) as api:
        own_postgres.stop()
        assert_away(api)
        own_postgres.start()


def test_tables_that_are_not_there(database: DatabaseSettings, prometheus: PrometheusServer, tmp_path: Path) -> None:
    with (
        running(tmp_path, database, prometheus) as api,
        psycopg.connect(database.dsn.get_secret_value(), autocommit=True) as connection,
    ):
        connection.execute("ALTER SCHEMA public RENAME TO elsewhere")
        assert_away(api)
        connection.execute("ALTER SCHEMA elsewhere RENAME TO public")


def test_tables_that_are_locked(database: DatabaseSettings, prometheus: PrometheusServer, tmp_path: Path) -> None:
    with (
        running(tmp_path, database, prometheus) as api,
        psycopg.connect(database.dsn.get_secret_value()) as connection,
    ):
        tables = map(sql.Identifier, sorted([*metadata.tables, "rollcall_schema"]))
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)))
        assert_away(api)
        connection.rollback()
