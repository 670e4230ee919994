"""The API over HTTP on the test's own database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, uid_of

from rollcall.settings import DatabaseSettings, Settings
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch
from rollcall.store.writes import write_batch
from rollcall_api.app import create_app
from rollcall_api.records import Records
from rollcall_api.rights import NobodyAsked

CLUSTER = uid_of("cluster")
Writer = Callable[..., Awaitable[None]]


@pytest.fixture
async def client(database: DatabaseSettings, engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API without authentication."""
    app = create_app(Settings(database=database), Records(engine, tenant_id=1), NobodyAsked())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
def write(engine: AsyncEngine) -> Writer:
    """Write a batch into the test's database, observed some seconds after the start of the test's time."""

    async def write(batch: Batch, *, after: float = 0, observed_at: datetime | None = None) -> None:
        async with engine.begin() as connection:
            await write_batch(connection, CLUSTER, batch, observed_at=START + timedelta(seconds=after))
            at = observed_at or START
            await touch_cluster(connection, cluster_id=CLUSTER, name="test", watches_observed_at=at)

    return write
