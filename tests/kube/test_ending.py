"""The end of one of two replicas, over real TLS: its watches end in order, and go on at the other."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.kube_serving import CLUSTER, FRONT_PROXY, USER, WORKLOADS, Hands, Served, running
from support.workload_builders import a_workload

from rollcall.settings import DatabaseSettings
from rollcall.store.records import Batch
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

TOLD = {"X-Remote-User": USER}


async def write(engine: AsyncEngine, name: str) -> None:
    async with engine.begin() as connection:
        batch = Batch(workloads=(a_workload(name),))
        await write_batch(connection, CLUSTER, batch, observed_at=datetime.now(UTC))


def client_of(served: Served) -> aiohttp.ClientSession:
    """A client of its own, that outlives the listener."""
    connector = aiohttp.TCPConnector(ssl=served.trusting(served.front.issue_client(FRONT_PROXY)))
    return aiohttp.ClientSession(f"https://localhost:{served.port}", connector=connector, headers=TOLD)


async def test_watches_end_in_order_and_go_on_elsewhere(
    database: DatabaseSettings, engine: AsyncEngine, tmp_path: Path
) -> None:
    await write(engine, "before")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    async with AsyncExitStack() as stack, running(database, tmp_path / "other", Hands()) as other:
        one = await stack.enter_async_context(running(database, tmp_path / "one", Hands()))
        async with client_of(one) as at_one, client_of(other) as at_other:
            async with at_one.get(WORKLOADS) as listed:
                version = (await listed.json())["metadata"]["resourceVersion"]
            query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
            async with at_one.get(WORKLOADS, params=query) as watching:
                await write(engine, "first")
                first = json.loads(await watching.content.readline())
                assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "first.job.batch")
                ending = asyncio.create_task(stack.aclose())
                # To its proper end: a connection that was cut off would be an error here.
                rest = [json.loads(line) async for line in watching.content]
                await ending
            assert [event["type"] for event in rest] == ["BOOKMARK"]
            with pytest.raises(aiohttp.ClientConnectionError):
                await at_one.get(WORKLOADS)
            await write(engine, "second")
            seen_at = {**query, "resourceVersion": rest[-1]["object"]["metadata"]["resourceVersion"]}
            async with at_other.get(WORKLOADS, params={**seen_at, "timeoutSeconds": "30"}) as watching:
                second: dict[str, Any] = json.loads(await watching.content.readline())
            assert (second["type"], second["object"]["metadata"]["name"]) == ("ADDED", "second.job.batch")
