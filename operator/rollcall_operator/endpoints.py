"""``/livez``, ``/readyz`` and ``/metrics`` of the operator, on a port of their own."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rollcall.errors import SettingsError
from rollcall_operator.cluster_state import ClusterState
from rollcall_operator.life import WatchLife
from rollcall_operator.measures import Measures


@dataclass(frozen=True, slots=True)
class Probes:
    """What the endpoints ask."""

    state: ClusterState
    life: WatchLife
    measures: Measures
    unready_because: Callable[[], str | None]
    """Why the operator is not ready, ``None`` where it is."""
    stage: Callable[[], str]
    """What it does where it is ready: ``ok`` where it writes."""
    database_ok: Callable[[], bool]
    """Whether the database answered when it was asked last."""


async def serve(probes: Probes, *, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve until the runner is cleaned up; returns it and the port.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    application = web.Application()
    application.router.add_get("/livez", _livez)
    application.router.add_get("/readyz", _readyz(probes))
    application.router.add_get("/metrics", _metrics(probes))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        sentence = f"cannot listen on {host}:{port}: {os.strerror(error.errno) if error.errno else error}"
        raise SettingsError(f"ROLLCALL_OPERATOR__HOST and __PORT: {sentence}.") from error
    return runner, int(runner.addresses[0][1])


async def _livez(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readyz(probes: Probes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def readyz(_request: web.Request) -> web.StreamResponse:
        because = probes.unready_because()
        return web.Response(text=f"{because or probes.stage()}\n", status=200 if because is None else 503)

    return readyz


def _metrics(probes: Probes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def metrics(_request: web.Request) -> web.StreamResponse:
        measures, state = probes.measures, probes.state
        measures.watch_age.clear()
        for key, age in probes.life.ages().items():
            measures.watch_age.labels(key.group, key.kind).set(age)
        measures.database_up.set(probes.database_ok())
        measures.queue_depth.set(state.waiting)
        measures.unresolved.set(len(state.unresolved))
        for sort, number in state.size.items():
            measures.objects.labels(sort).set(number)
        for reason, number in state.ignored_pods().items():
            measures.ignored_pods.labels(reason).set(number)
        measures.weigh(state.holdings, state.is_shown)
        body = generate_latest(measures.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics
