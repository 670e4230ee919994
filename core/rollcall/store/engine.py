"""Connections to PostgreSQL, and the one place where the driver's exceptions become ours."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InvalidatePoolError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rollcall.errors import DataRefused, SettingsError, StoreError, StoreUnavailable
from rollcall.settings import DatabaseSettings

_PASSING = frozenset(
    {
        "08",  # the connection broke
        "53",  # out of connections, memory or disk
        "57",  # shut down, or a statement that ran out of time
        "55",  # a lock that was not had in time
        "40",  # a deadlock or serialisation failure
    }
)
"""Classes of SQLSTATE after which the same statement may succeed."""

_LIMIT_EXCEEDED = "54"
"""The class of SQLSTATE of what is too large for any row or index."""


def database_url(settings: DatabaseSettings) -> URL:
    """The DSN for SQLAlchemy's psycopg dialect.

    Raises:
        SettingsError: it is no PostgreSQL URL. The DSN itself is never repeated: it may hold a password.
    """
    try:
        url = make_url(settings.dsn.get_secret_value())
    except (ArgumentError, ValueError):
        raise SettingsError("ROLLCALL_DATABASE__DSN is no URL of the form postgresql://user@host:5432/name.") from None
    if url.drivername.partition("+")[0] not in {"postgresql", "postgres"}:
        raise SettingsError(f"ROLLCALL_DATABASE__DSN names {url.drivername}; Rollcall keeps its records in PostgreSQL.")
    return url.set(drivername="postgresql+psycopg")


def connect_arguments(settings: DatabaseSettings, application_name: str) -> dict[str, str | int]:
    """What every connection is opened with: UTC, bounded statements, bounded waits.

    And no compiling: PostgreSQL goes by what it fears a statement costs, and ours end before their code would be made.
    """
    options = (
        f"-c timezone=UTC -c jit=off -c statement_timeout={int(settings.statement_timeout_seconds * 1000)}"
        f" -c lock_timeout={int(settings.lock_timeout_seconds * 1000)}"
    )
    return {
        "options": options,
        "application_name": application_name,
        "connect_timeout": settings.connect_timeout_seconds,
        # A database that vanished without a word is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


def create_engine(settings: DatabaseSettings, *, application_name: str) -> AsyncEngine:
    """An engine with a bounded pool. Nothing is connected yet."""
    engine = create_async_engine(
        database_url(settings),
        connect_args=connect_arguments(settings, application_name),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.connect_timeout_seconds,
        pool_recycle=1800,
        # Every row of a page has a document: read by the standard library they are a tenth of the page.
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, *_: object) -> None:
    """Take no connection from the pool that the server has closed: its end of file waits to be read.

    An idle connection has nothing to read. Asking the server, as a ping does, would be a round trip for every
    statement, and one that falls silent is noticed no sooner by it.

    Raises:
        InvalidatePoolError: none of the pool's connections is used again; SQLAlchemy opens new ones.
    """
    waiting = select.poll()
    waiting.register(connection.driver_connection.pgconn.socket, select.POLLIN)
    if waiting.poll(0):
        raise InvalidatePoolError("The server has closed the connection.")


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate what SQLAlchemy and the driver raise.

    Raises:
        StoreUnavailable: the database is away, shutting down, or gave no answer in time: trying again may help.
        DataRefused: it would refuse the same data again.
        StoreError: anything else it refused, as what it lacks a right or a table for.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreUnavailable("All connections to the database are busy.") from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state is None or state[:2] in _PASSING:
            passing = isinstance(error, OperationalError) or error.connection_invalidated or state is not None
            if passing:
                raise StoreUnavailable("The database cannot be reached or did not answer in time.") from error
        is_of_the_data = isinstance(error, DataError | IntegrityError) or str(state)[:2] == _LIMIT_EXCEEDED
        refused = DataRefused if is_of_the_data else StoreError
        raise refused(f"The database refused a statement (SQLSTATE {state}).") from error
    except SQLAlchemyError as error:
        raise StoreError(f"The database layer failed: {type(error).__name__}.") from error
    except (ConnectionError, TimeoutError) as error:
        raise StoreUnavailable("The database cannot be reached.") from error
