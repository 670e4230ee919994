"""Watches on a real database: outages, lost announcements, slow readers, two replicas, the end of the process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from support.kube_serving import until
from support.workload_builders import a_workload, uid_of

from rollcall.domain.records import Phase
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.engine import create_engine
from rollcall.store.objects import ObjectSelection
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.schema import migrate
from rollcall.store.writes import write_batch
from rollcall_api.kube import following as following_module
from rollcall_api.kube import watching as watching_module
from rollcall_api.kube.following import Following
from rollcall_api.kube.forms import Form, Included, Rendering
from rollcall_api.kube.options import ListOptions
from rollcall_api.kube.reading import ObjectReader
from rollcall_api.kube.statuses import StatusError
from rollcall_api.kube.watching import Watch
from rollcall_api.records import Records

pytestmark = pytest.mark.anyio

CLUSTER = "watched"
OPTIONS = ListOptions(
    selection=ObjectSelection(cluster_id=CLUSTER),
    included=Included.METADATA,
    limit=0,
    token="",
    version=None,
    match="",
    watch=True,
    bookmarks=False,
    initial_events=None,
    timeout_seconds=600,
)


async def write(database: DatabaseSettings, *records: Any, gone: tuple[str, ...] = ()) -> None:
    """A batch, as the operator writes it."""
    engine = create_engine(database, application_name="writer")
    now = datetime.now(UTC)
    ends = tuple(Gone(uid=uid_of(name), observed_version=1000, at=now, seen=DeletionSeen.EXACT) for name in gone)
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, Batch(workloads=records, gone_workloads=ends), observed_at=now)
    await engine.dispose()


@dataclass
class Replica:
    """What one process of the API follows the database by."""

    reader: ObjectReader
    following: Following
    task: "asyncio.Task[None]"

    def watch(self, **options: Any) -> Watch:
        return Watch(self.following, self.reader, replace(OPTIONS, **options), Rendering(Form.METADATA))

    async def version(self) -> int:
        return (await self.following.began()).version


@asynccontextmanager
async def a_replica(database: DatabaseSettings, *, quiet_seconds: float = 5.0) -> AsyncIterator[Replica]:
    engine = create_engine(database, application_name="replica")
    reader = ObjectReader(Records(engine, tenant_id=0), CLUSTER)
    following = Following(reader, database, quiet_seconds=quiet_seconds)
    task = asyncio.create_task(following.run())
    try:
        yield Replica(reader, following, task)
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.dispose()


class Seen:
    """What a watch has told of, read on in the background."""

    def __init__(self, watch: Watch) -> None:
        self.events: list[dict[str, Any]] = []
        self._watch = watch

    async def run(self) -> None:
        await self._watch.begin()
        async for event in self._watch.events():
            self.events.append(event)

    async def told(self) -> list[tuple[str, str]]:
        return [
            (one["type"], one["object"]["metadata"].get("name", "").removesuffix(".job.batch")) for one in self.events
        ]


@asynccontextmanager
async def seeing(watch: Watch) -> AsyncIterator[Seen]:
    seen = Seen(watch)
    task = asyncio.create_task(seen.run())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kill_listeners(database: DatabaseSettings) -> int:
    """End every connection that hears of changes; how many."""
    engine = create_engine(database, application_name="killer")
    async with engine.begin() as connection:
        found = await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'rollcall-api-watch' AND datname = current_database()"
            )
        )
        killed = len(found.all())
    await engine.dispose()
    return killed


async def test_a_connection_that_is_killed_loses_no_change(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens for a while.
    monkeypatch.setattr(following_module, "_RETRY_SECONDS", (2.0, 2.0))
    await write(database, a_workload("stays"), a_workload("goes"), a_workload("changes"))
    async with a_replica(database) as replica:
        version = await replica.version()
        async with seeing(replica.watch(version=version)) as seen:
            await write(database, a_workload("first"))
            await until(seen.told, lambda told: told == [("ADDED", "first")])
            assert await kill_listeners(database) == 1
            await write(database, a_workload("second"), gone=("goes",))
            await write(database, replace(a_workload("changes"), phase=Phase.RUNNING, observed_version=11))
            await write(database, replace(a_workload("changes"), phase=Phase.COMPLETED, observed_version=12))
            await write(database, a_workload("third"))
            wanted = {("ADDED", "second"), ("DELETED", "goes"), ("MODIFIED", "changes"), ("ADDED", "third")}
            await until(seen.told, lambda told: set(told[1:]) == wanted)
            # What comes afterwards comes once, and nothing of before once more.
            await write(database, a_workload("last"))
            told = await until(seen.told, lambda told: told[-1] == ("ADDED", "last"))
            assert set(told) == {("ADDED", "first"), *wanted, ("ADDED", "last")}
            versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in seen.events]
            assert versions == sorted(set(versions))


async def test_a_server_that_is_away_for_seconds_is_waited_out(own_postgres: EmbeddedPostgres) -> None:
    database = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()))
    await asyncio.to_thread(migrate, database)
    await write(database, a_workload("before"))
    async with a_replica(database) as replica, seeing(replica.watch(version=await replica.version())) as seen:
        await write(database, a_workload("first"))
        await until(seen.told, lambda told: told == [("ADDED", "first")])
        await asyncio.to_thread(own_postgres.stop)
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(own_postgres.dsn(), connect_timeout=5)
        await asyncio.sleep(3)  # the outage itself, longer than the first attempts
        assert await seen.told() == [("ADDED", "first")]
        await asyncio.to_thread(own_postgres.start)
        await write(database, a_workload("second"), gone=("before",))
        wanted = {("ADDED", "second"), ("DELETED", "before")}
        told = await until(seen.told, lambda told: set(told[1:]) == wanted)
        assert len(told) == 3


async def test_what_is_not_announced_is_found_by_looking(database: DatabaseSettings) -> None:
    await write(database, a_workload("before"))
    async with (
        a_replica(database, quiet_seconds=0.2) as replica,
        seeing(replica.watch(version=await replica.version())) as seen,
    ):
        await write(database, a_workload("first"))
        await until(seen.told, lambda told: told == [("ADDED", "first")])
        # As behind a pooler: the announcement goes to nobody.
        engine = create_engine(database, application_name="killer")
        async with engine.begin() as connection:
            await connection.execute(text("CREATE SCHEMA aside"))
            await connection.execute(
                text("CREATE FUNCTION aside.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'")
            )
        await engine.dispose()
        dsn = database.dsn.get_secret_value()
        silent = database.model_copy(
            update={
                "dsn": SecretStr(dsn + ("&" if "?" in dsn else "?") + "options=-csearch_path%3Daside,public,pg_catalog")
            }
        )
        await write(silent, a_workload("second"), gone=("before",))
        told = await until(seen.told, lambda told: len(told) == 3)
        assert set(told[1:]) == {("ADDED", "second"), ("DELETED", "before")}


@pytest.mark.parametrize("loses", ["the counter goes back", "rows go without a trace"])
async def test_what_cannot_be_told_ends_in_a_410(database: DatabaseSettings, loses: str) -> None:
    """As after a backup was restored."""
    await write(database, a_workload("stays"), a_workload("goes"))
    await write(database, replace(a_workload("stays"), phase=Phase.RUNNING, observed_version=11))
    async with a_replica(database, quiet_seconds=0.2) as replica:
        version = await replica.version()
        async with seeing(replica.watch(version=version)) as seen:
            engine = create_engine(database, application_name="restorer")
            async with engine.begin() as connection:
                await connection.execute(text("DELETE FROM workloads WHERE name = 'goes'"))
                back = "version - 1" if loses == "the counter goes back" else "version + 1"
                await connection.execute(text(f"UPDATE cluster_versions SET version = {back}"))  # noqa: S608
            await engine.dispose()
            (event,) = await until(lambda: as_list(seen), bool)
            assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        # Whoever lists anew watches on from there.
        async with seeing(replica.watch(version=await replica.version())) as again:
            await write(database, a_workload("later"))
            await until(again.told, lambda told: told == [("ADDED", "later")])


async def as_list(seen: Seen) -> list[dict[str, Any]]:
    return seen.events


async def test_a_client_that_goes_to_another_replica_misses_nothing(database: DatabaseSettings) -> None:
    await write(database, a_workload("before"))
    async with a_replica(database) as one, a_replica(database) as other:
        version = await one.version()
        await other.version()
        told: list[tuple[str, str]] = []
        for turn in range(6):
            replica = (one, other)[turn % 2]
            async with seeing(replica.watch(version=version)) as seen:
                # The replica may not have heard yet of what the other has told.
                await write(database, a_workload(f"n-{turn}"))
                await until(seen.told, bool)
                told += await seen.told()
                version = int(seen.events[-1]["object"]["metadata"]["resourceVersion"])
        assert told == [("ADDED", f"n-{turn}") for turn in range(6)]


async def test_a_version_that_another_replica_knows_is_waited_for(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(database, a_workload("before"))
    async with a_replica(database) as replica:
        known = await replica.version()
        watch = replica.watch(version=known + 2)
        begins = asyncio.create_task(watch.begin())
        await write(database, a_workload("first"))
        await until(replica.version, lambda version: version == known + 1)
        assert not begins.done(), "one of two is not enough"
        await write(database, a_workload("second"))
        await begins
        monkeypatch.setattr(watching_module, "_CATCHING_UP_SECONDS", 0.5)
        with pytest.raises(StatusError) as refused:
            await replica.watch(version=known + 1000).begin()
        assert (refused.value.body["code"], refused.value.body["reason"]) == (504, "Timeout")
        assert refused.value.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_slow_reader_gets_each_change_and_holds_few(database: DatabaseSettings) -> None:
    await write(database, a_workload("before"))
    async with a_replica(database) as replica:
        watch = replica.watch(version=await replica.version())
        await watch.begin()
        events = watch.events()
        await write(database, a_workload("n-000"))
        first = await anext(events)
        told = [first["object"]["metadata"]["name"]]
        for number in range(1, 400):
            # What is written while the reader is busy with an event is not to be jumped over.
            if number % 40 == 1:
                await write(database, *(a_workload(f"n-{each:03}") for each in range(number, min(number + 40, 400))))
                most = min(400, number + 40)
                await until(replica.version, lambda version, most=most: version >= 2 + most)
            told.append((await anext(events))["object"]["metadata"]["name"])
        assert sorted(told) == [f"n-{number:03}.job.batch" for number in range(400)]
        await events.aclose()


async def test_a_reader_that_is_too_slow_is_told_to_list_anew(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(database, a_workload("before"))
    async with a_replica(database) as replica:
        history = await replica.following.began()
        monkeypatch.setattr(history, "_most", 10)
        watch = replica.watch(version=history.version)
        await watch.begin()
        events = watch.events()
        await write(database, a_workload("first"))
        assert (await anext(events))["type"] == "ADDED"
        await write(database, *(a_workload(f"n-{number}") for number in range(30)))
        await until(replica.version, lambda version: version == 33)
        found = [event["type"] async for event in events]
        assert found == ["ERROR"]


async def test_watches_end_in_order_when_the_process_does(database: DatabaseSettings) -> None:
    await write(database, a_workload("before"))
    async with a_replica(database) as replica:
        watch = replica.watch(version=await replica.version(), bookmarks=True)
        await watch.begin()
        reading = asyncio.create_task(_all(watch))
        await asyncio.sleep(0)
        replica.following.end()
        (last,) = await asyncio.wait_for(reading, 10)
        assert last["type"] == "BOOKMARK"
        assert json.dumps(last)
        assert last["object"]["metadata"]["resourceVersion"] == str(await replica.version())


async def _all(watch: Watch) -> list[dict[str, Any]]:
    return [event async for event in watch.events()]


async def test_a_database_that_was_never_there_is_said_and_not_waited_for(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching_module, "_CATCHING_UP_SECONDS", 0.5)
    nowhere = database.model_copy(update={"dsn": SecretStr("postgresql://127.0.0.1:1/none")})
    async with a_replica(nowhere) as replica:
        with pytest.raises(StatusError) as refused:
            await replica.watch().begin()
        assert refused.value.body["code"] == 503


@pytest.mark.parametrize("initial", [True, None])
async def test_changes_that_come_while_what_is_there_is_told_are_told_once(
    database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch, *, initial: bool | None
) -> None:
    monkeypatch.setattr("rollcall_api.kube.listing.PAGE", 2)
    await write(database, *(a_workload(f"n-{number}") for number in range(6)))
    async with a_replica(database) as replica:
        await replica.version()
        watch = replica.watch(initial_events=initial, match="NotOlderThan" if initial else "", version=None)
        await watch.begin()
        events = watch.events()
        told = [await anext(events)]
        await write(
            database,
            a_workload("a-new"),
            replace(a_workload("n-0"), phase=Phase.RUNNING, observed_version=11),
            replace(a_workload("n-5"), phase=Phase.RUNNING, observed_version=11),
            gone=("n-1", "n-4"),
        )
        told += [await anext(events) for _ in range(7)]
        found = [(one["type"], one["object"]["metadata"]["name"][:3]) for one in told]
        there = [("ADDED", name) for name in ("n-0", "n-1", "n-2", "n-3", "n-5")]
        assert found[:5] == there
        assert sorted(found[5:]) == [("ADDED", "a-n"), ("DELETED", "n-1"), ("MODIFIED", "n-0")]
        await events.aclose()
