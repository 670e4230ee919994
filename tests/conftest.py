"""What every test may ask for: a database of its own, cloned from a migrated template on one real PostgreSQL."""

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.engine import create_engine
from rollcall.store.schema import migrate

TEMPLATE = "rollcall_template"

# How long an example takes is the machine's affair and what else runs on it: it says nothing of what is tested.
settings.register_profile("rollcall", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rollcall")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of a server on which databases may be made: ``ROLLCALL_TEST_DSN``, else an embedded one."""
    given = os.environ.get("ROLLCALL_TEST_DSN")
    if given:
        yield given
        return
    with _folder_for_postgres() as folder, EmbeddedPostgres(folder) as server:
        yield server.dsn()


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for the data of a server of the test's own."""
    with _folder_for_postgres() as folder:
        yield folder


@pytest.fixture
def own_postgres(postgres_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, empty, which it may stop."""
    with EmbeddedPostgres(postgres_folder) as server:
        yield server


@contextmanager
def _folder_for_postgres() -> Iterator[Path]:
    # It is not one of pytest's: as root the server runs as another user, and every pytest that starts shuts the
    # folder above its own to other users. And a unix socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="rollcall-", ignore_cleanup_errors=True) as name:
        yield Path(name, "pg")


def _at(dsn: str, database: str) -> str:
    return make_url(dsn).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(postgres: str) -> Iterator[str]:
    """The name of a database with the schema at head; every test's database is a copy of it."""
    name = f"{TEMPLATE}_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(DatabaseSettings(dsn=SecretStr(_at(postgres, name))))
    yield name
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_database(postgres: str) -> Iterator[DatabaseSettings]:
    """A database without any table."""
    yield from _database(postgres, "template0")


@pytest.fixture
def database(postgres: str, template: str) -> Iterator[DatabaseSettings]:
    """A database of the test's own, with the schema at head."""
    yield from _database(postgres, template)


@pytest.fixture(scope="module")
def shared_database(postgres: str, template: str) -> Iterator[DatabaseSettings]:
    """A database that the tests of one module share, for what is slow to come about."""
    yield from _database(postgres, template)


@pytest.fixture
async def engine(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """An engine on the test's database."""
    engine = create_engine(database, application_name="test")
    yield engine
    await engine.dispose()


def _database(postgres: str, template: str) -> Iterator[DatabaseSettings]:
    name = f"test_{secrets.token_hex(6)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(template))
        connection.execute(create)
    yield DatabaseSettings(dsn=SecretStr(_at(postgres, name)))
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
