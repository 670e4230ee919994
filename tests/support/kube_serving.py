"""The aggregated API in the test's own process, on a real database, beside an API server that answers reviews."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any

import aiohttp
import httpx
from support.kubeconfig_access import access_by
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer

from rollcall.settings import ApiSettings, ClusterSettings, DatabaseSettings, Settings
from rollcall.store.engine import create_engine
from rollcall_api.command import listen
from rollcall_api.health import RequestMeasures
from rollcall_api.kube.server import serving
from rollcall_api.kube.tls import Certificates
from rollcall_api.records import Records
from rollcall_cluster.certificates import Authority

CLUSTER = "served"
WORKLOADS = "/apis/rollcall.dev/v1/workloads"
USER = "carl"
FRONT_PROXY = "front-proxy-client"

Pair = tuple[Path, Path]


def config_of(*authorities: Authority, names: tuple[str, ...] = (FRONT_PROXY,)) -> dict[str, str]:
    """The ConfigMap's data that takes the word of these."""
    return {
        "requestheader-client-ca-file": "".join(one.certificate.read_text() for one in authorities),
        "requestheader-allowed-names": json.dumps(names),
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }


async def until(ask: Callable[[], Any], wanted: Callable[[Any], bool], *, seconds: float = 60) -> Any:
    """What an awaitable comes to, as soon as it is as wanted; fails with the last one."""
    end = monotonic() + seconds
    while not wanted(found := await ask()):
        assert monotonic() < end, f"after {seconds} s still: {found}"
        await asyncio.sleep(0.02)
    return found


@dataclass
class Served:
    """One listener, and what its clients need."""

    port: int
    kube: ReviewingServer
    server_authority: Authority
    serving_pair: Pair
    front: Authority
    folder: Path
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    def trusting(self, client: Pair | None = None) -> ssl.SSLContext:
        """A client's context, with a certificate where one is given."""
        context = ssl.create_default_context(cafile=str(self.server_authority.certificate))
        if client is not None:
            context.load_cert_chain(*client)
        return context

    def session(self, client: Pair | None = None) -> aiohttp.ClientSession:
        """A session of a client; it keeps its connections."""
        made = aiohttp.ClientSession(
            f"https://localhost:{self.port}", connector=aiohttp.TCPConnector(ssl=self.trusting(client))
        )
        self.sessions.append(made)
        return made

    async def asked(
        self, client: Pair | None, headers: Mapping[str, str] | list[tuple[str, str]], path: str = WORKLOADS
    ) -> int | str:
        """The status of a request on a new connection; ``refused`` where the connection came to nothing."""
        async with httpx.AsyncClient(verify=self.trusting(client), timeout=60) as one:
            try:
                return (await one.get(f"https://localhost:{self.port}{path}", headers=headers)).status_code
            except httpx.TransportError:
                return "refused"


@dataclass
class Hands:
    """A clock that a test sets."""

    offset: float = 0.0

    def __call__(self) -> float:
        return time() + self.offset


@asynccontextmanager
async def running(database: DatabaseSettings, folder: Path, clock: Hands) -> AsyncIterator[Served]:
    """The listener while the block runs; one user may see everything."""
    for name in ("server", "front"):
        (folder / name).mkdir()
    server_authority, front = Authority(folder / "server", "ca"), Authority(folder / "front", "front")
    pair = server_authority.issue_server("serving")
    async with ReviewingServer.running() as kube:
        kube.rights.add((USER, CLUSTER_WIDE))
        kube.request_headers = config_of(front)
        with listen("127.0.0.1", 0, "TEST") as listener:
            given = Served(listener.getsockname()[1], kube, server_authority, pair, front, folder)
            async with beside(database, kube, folder, listener, Certificates(*pair, clock=clock)):
                yield given
                for session in given.sessions:
                    await session.close()


@asynccontextmanager
async def beside(
    database: DatabaseSettings, kube: ReviewingServer, folder: Path, listener: socket.socket, certificates: Certificates
) -> AsyncIterator[None]:
    """What serves on a listening socket."""
    settings = Settings(
        database=database, cluster=ClusterSettings(id=CLUSTER), api=ApiSettings(review_cache_seconds=0.001)
    )
    access = access_by(kube.kubeconfig(folder, "own"))
    engine = create_engine(database, application_name="test")
    records = Records(engine, tenant_id=0)
    try:
        async with serving(settings, records, access, RequestMeasures(), listener, certificates):
            yield
    finally:
        await engine.dispose()
