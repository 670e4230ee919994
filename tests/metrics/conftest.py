"""The API over HTTP, with and without a real Prometheus, and a workload whose life is known to the minute."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.measured import Asking, Writing, at
from support.prometheus import PrometheusServer, running_prometheus
from support.workload_builders import START, a_pod, a_request, a_workload, uid_of

from rollcall.domain.records import Limits, PodRecord, PodState, ResourceRequest, Resources
from rollcall.prometheus_settings import PrometheusSettings
from rollcall.settings import DatabaseSettings, Settings
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_api.app import create_app
from rollcall_api.records import Records
from rollcall_api.rights import NobodyAsked

CLUSTER = uid_of("cluster")


numbers = count()


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
        ended_at=at(30),
    )
    lasting = a_pod(requested=request, allocated=request.requests)
    pods = (lasting, ended)
    gone = [
        Gone(uid=uid_of(name), observed_version=99, at=at(60), seen=DeletionSeen.EXACT)
        for name in ("train", "train-0", "train-1")
    ]
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, Batch(workloads=(a_workload(),), pods=pods), observed_at=START)
        await write_batch(
            connection, CLUSTER, Batch(gone_workloads=(gone[0],), gone_pods=tuple(gone[1:])), observed_at=START
        )
        await touch_cluster(connection, cluster_id=CLUSTER, name="test", watches_observed_at=START)
    return uid_of("train")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """The server that the module's tests share, each with a namespace of its own."""
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test's series are in."""
    return f"ns-{next(numbers)}"


@pytest.fixture
async def api(database: DatabaseSettings, engine: AsyncEngine) -> AsyncIterator[Asking]:
    """Clients of APIs that ask a Prometheus."""
    async with AsyncExitStack() as stack:
        made: list[httpx.AsyncClient] = []

        def asking(url: str, **settings: Any) -> httpx.AsyncClient:
            given = PrometheusSettings(url=url, **settings)
            records = Records(engine, tenant_id=1)
            app = create_app(Settings(database=database, prometheus=given), records, NobodyAsked())
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            made.append(httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60))
            stack.push_async_callback(made[-1].aclose)
            return made[-1]

        yield asking


@pytest.fixture
def write(engine: AsyncEngine, namespace: str) -> Writing:
    """Write the workload ``train`` with these pods; those of ``gone`` go at that minute."""

    async def write(*pods: PodRecord, gone: dict[str, float] | None = None) -> None:
        closed = tuple(
            Gone(uid=uid_of(name), observed_version=99, at=at(minute), seen=DeletionSeen.EXACT)
            for name, minute in (gone or {}).items()
        )
        workload = a_workload(namespace=namespace)
        async with engine.begin() as connection:
            await write_batch(connection, "c1", Batch(workloads=(workload,), pods=pods), observed_at=START)
            await write_batch(connection, "c1", Batch(gone_pods=closed), observed_at=START)

    return write
