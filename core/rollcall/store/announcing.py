"""Changes of workloads, counted and announced: by the writer's transaction, to whoever listens on the database.

A batch takes as many versions of its cluster's counter as it speaks of workloads, under the cluster's lock, so that the
order of versions is the order of commits. What PostgreSQL tells the listeners at the commit is which workloads were
spoken of and up to which version: who wants to know more reads the rows.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.errors import StoreUnavailable
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import connect_arguments, database_url

CHANNEL = "rollcall_changes"
FIRST_VERSION = 1
"""Of a cluster that nothing was counted for yet."""

_MOST_BYTES = 6000
"""Of the uids in one announcement; PostgreSQL takes 8 000 bytes for the whole."""

_ANNOUNCE = text(f"""
    WITH counted AS (
        INSERT INTO cluster_versions AS v (cluster_id, version) VALUES (:cluster_id, {FIRST_VERSION} + :changes)
        ON CONFLICT (cluster_id) DO UPDATE SET version = v.version + :changes
        RETURNING version - :changes AS before
    )
    SELECT before, pg_notify('{CHANNEL}', json_build_object(
        'cluster', CAST(:cluster_id AS text), 'version', before + part.changes, 'uids', part.uids)::text)
    FROM counted, jsonb_to_recordset(CAST(:parts AS jsonb)) AS part(changes bigint, uids text)
""")  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class Announcement:
    """Workloads that a transaction spoke of, and the version of the last of them; ``None``: look for yourself."""

    version: int
    uids: tuple[str, ...] | None


async def announce(connection: AsyncConnection, cluster_id: str, uids: Iterable[str]) -> Mapping[str, int]:
    """Count and announce what a transaction under the cluster's lock is about to change; the version of each."""
    spoken_of = list(dict.fromkeys(uids))
    if not spoken_of:
        return {}
    given = {"cluster_id": cluster_id, "changes": len(spoken_of), "parts": json.dumps(_parts(spoken_of))}
    before = int((await connection.execute(_ANNOUNCE, given)).first()[0])  # type: ignore[index]
    return {uid: before + place for place, uid in enumerate(spoken_of, start=1)}


def _parts(uids: list[str]) -> list[dict[str, int | str]]:
    """The uids in parts that are short enough, each with how many there are up to its end."""
    parts: list[dict[str, int | str]] = []
    joined = ""
    for place, uid in enumerate(uids, start=1):
        if len(uid.encode("utf-8", "replace")) > _MOST_BYTES or not uid or "," in uid or "\x00" in uid:
            # No uid of a real API server. An empty list stands for what cannot be said.
            return [{"changes": len(uids), "uids": ""}]
        longer = f"{joined},{uid}" if joined else uid
        if len(longer.encode("utf-8", "replace")) > _MOST_BYTES:
            parts.append({"changes": place - 1, "uids": joined})
            longer = uid
        joined = longer
    return [*parts, {"changes": len(uids), "uids": joined}]


class Listener:
    """A connection that hears the announcements of one cluster."""

    def __init__(self, connection: "psycopg.AsyncConnection[tuple[str]]", cluster_id: str) -> None:
        self._connection = connection
        self._cluster_id = cluster_id

    async def heard(self, seconds: float) -> list[Announcement]:
        """What is announced next, in the order of the commits; nothing where that takes longer.

        Raises:
            StoreUnavailable: the connection is gone.
        """
        try:
            notes = [note async for note in self._connection.notifies(timeout=seconds, stop_after=1)]
        except psycopg.Error as error:
            raise StoreUnavailable("The database ended the connection that hears of changes.") from error
        return [found for note in notes if (found := self._read(note.payload)) is not None]

    def _read(self, payload: str) -> Announcement | None:
        # Whoever may connect to the database may notify: what makes no sense is not ours.
        try:
            given = json.loads(payload)
            if given["cluster"] != self._cluster_id:
                return None
            return Announcement(int(given["version"]), tuple(given["uids"].split(",")) if given["uids"] else None)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@asynccontextmanager
async def listening(settings: DatabaseSettings, cluster_id: str, application_name: str) -> AsyncIterator[Listener]:
    """A connection of its own that hears, from now on, of every change to a cluster's workloads.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    address = database_url(settings).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await psycopg.AsyncConnection.connect(
            address,
            autocommit=True,
            **connect_arguments(settings, application_name),  # type: ignore[arg-type]
        )
        await connection.execute(f"LISTEN {CHANNEL}")
    except psycopg.Error as error:
        raise StoreUnavailable("The database cannot be reached to hear of changes.") from error
    async with connection:
        yield Listener(connection, cluster_id)
