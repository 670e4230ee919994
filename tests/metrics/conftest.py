"""The API over HTTP, and a workload whose life is known to the minute."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_pod, a_request, a_workload, uid_of

from rollcall.domain.records import Limits, PodState, ResourceRequest, Resources
from rollcall.settings import DatabaseSettings, Settings
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_api.app import create_app
from rollcall_api.records import Records
from rollcall_api.rights import NobodyAsked

CLUSTER = uid_of("cluster")


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
async def client(database: DatabaseSettings, engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API without authentication and without a Prometheus."""
    app = create_app(Settings(database=database), Records(engine, tenant_id=1), NobodyAsked())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
async def train(engine: AsyncEngine) -> str:
    """The id of a workload with one pod from minute 0 to 60, deleted with it, and another that ended at minute 30."""
    request = ResourceRequest(
        requests=Resources(gpu_micros=500_000, gpu_memory_bytes=3, cpu_millis=1_250, memory_bytes=2**30),
        limits=Limits(cpu_millis=2_000, memory_bytes=2**31),
    )
    ended = a_pod(
        "train-1",
        k8s_phase="Succeeded",
        state=PodState.SUCCEEDED,
        allocated=Resources(),
        allocated_while_bound=a_request().requests,
        ended_at=_at(30),
    )
    lasting = a_pod(requested=request, allocated=request.requests)
    pods = (lasting, ended)
    gone = [
        Gone(uid=uid_of(name), observed_version=99, at=_at(60), seen=DeletionSeen.EXACT)
        for name in ("train", "train-0", "train-1")
    ]
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, Batch(workloads=(a_workload(),), pods=pods), observed_at=START)
        await write_batch(
            connection, CLUSTER, Batch(gone_workloads=(gone[0],), gone_pods=tuple(gone[1:])), observed_at=START
        )
        await touch_cluster(connection, cluster_id=CLUSTER, name="test", watches_observed_at=START)
    return uid_of("train")
