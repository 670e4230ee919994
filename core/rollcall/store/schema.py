"""The schema's revision: bringing it to head, and refusing to run on one that does not serve this release.

A schema says itself which releases it serves: those whose head is in `served_schemas`. So the release before goes on
serving while, and after, the next one has migrated; it can be rolled back to.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

import rollcall
from rollcall.errors import SchemaNotHead
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import connect_arguments, database_url, store_errors

_MIGRATIONS = Path(rollcall.__file__).parent / "migrations"
_SERVED = "SELECT revision FROM served_schemas"
_UNDEFINED_TABLE = "42P01"
_LOCK = "SELECT pg_advisory_lock(hashtextextended('rollcall:migrate', 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('rollcall:migrate', 0))"

SERVES_FROM = "0008"
"""The oldest revision whose release still runs on the schema of head.

A migration that takes away, or demands, what that release reads or writes moves it to its own: such a release cannot be
rolled back. Releases before 0008 do not ask and refuse.
"""

MIGRATION_WAIT_SECONDS = 120
"""Longest wait for another process that migrates; and longest time of one statement of a migration."""


def head_revision() -> str:
    """The revision that this release's migrations end in."""
    head = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if head is None:
        raise SchemaNotHead("This installation holds no migrations: the wheel is broken.")
    return head


def migrate(settings: DatabaseSettings) -> str:
    """Bring the schema to head, whoever else tries to at the same time; returns the revision it is at.

    A newer schema that serves this release is left as it is.

    Each migration is one transaction, so that a failed one leaves the schema as it was. Table locks are waited for
    briefly: a migration that cannot have one fails rather than queue in front of everyone's reads.

    Raises:
        SchemaNotHead: a newer release has migrated it, to one that does not serve this release.
        StoreError: the database refused, or cannot be reached.
    """
    patient = settings.model_copy(update={"statement_timeout_seconds": float(MIGRATION_WAIT_SECONDS)})
    with store_errors():
        engine = create_engine(
            database_url(patient),
            connect_args=connect_arguments(patient, "rollcall-migrate"),
            poolclass=NullPool,
        )
        with engine.connect() as connection:
            # The lock of the session, not of a transaction: each migration has its own.
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text(_LOCK))
            connection.execute(text(f"SET lock_timeout = {int(settings.lock_timeout_seconds * 1000)}"))
            connection.commit()
            try:
                found = _revision(connection)
                if found is None or found in _known():
                    found = _upgrade(connection)
                elif head_revision() not in connection.execute(text(_SERVED)).scalars().all():
                    raise _newer(found)
            finally:
                connection.rollback()
                connection.execute(text(_UNLOCK))
                connection.commit()
        engine.dispose()
    return found


def _upgrade(connection: Connection) -> str:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(text("DELETE FROM served_schemas"))
    served = [{"revision": revision} for revision in _known() if revision >= SERVES_FROM]
    connection.execute(text("INSERT INTO served_schemas (revision) VALUES (:revision)"), served)
    connection.commit()
    return head_revision()


async def check_schema(connection: AsyncConnection) -> None:
    """Refuse a schema that does not serve this release.

    Raises:
        SchemaNotHead: a sentence with the command that mends it.
    """
    head = head_revision()
    try:
        found = (await connection.execute(text("SELECT version_num FROM rollcall_schema"))).scalar_one_or_none()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE:
            raise
        found = None
    if found == head:
        return
    if found is None:
        raise SchemaNotHead("The database has no schema of Rollcall yet; `rollcall migrate` makes it.")
    if found in _known():
        raise SchemaNotHead(f"The schema is at {found}, this release needs {head}; `rollcall migrate` mends it.")
    if head not in (await connection.execute(text(_SERVED))).scalars().all():
        raise _newer(found)


def _revision(connection: Connection) -> str | None:
    there = connection.execute(text("SELECT to_regclass('rollcall_schema')")).scalar_one()
    if there is None:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM rollcall_schema")).scalar_one_or_none()
    return found


def _known() -> tuple[str, ...]:
    return tuple(revision.revision for revision in ScriptDirectory(str(_MIGRATIONS)).walk_revisions())


def _newer(found: str) -> SchemaNotHead:
    return SchemaNotHead(
        f"The schema is at {found}, which is newer than this release ({head_revision()}) and does not serve it:"
        " install the release that ran `rollcall migrate`."
    )
