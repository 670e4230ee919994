"""``python -m rollcall_demo.exporter``: plays dcgm-exporter and cAdvisor for the simulated pods of a cluster.

It reads pods and nodes through the API server like any client, at every scrape, and says of each series that it is
simulated. Of pods on nodes that are not simulated it says nothing.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollcall.cluster_access import PAGE, Access, find_access, get_json
from rollcall.errors import ClusterError, RollcallError
from rollcall_demo.usage import Container, Devices, cpu_seconds, gpu_amounts, memory_bytes, running_containers

_SIMULATED = "Simulated by rollcall demo: made up, nothing is measured."
_GPU_LABELS = ("gpu", "UUID", "device", "modelName", "Hostname", "container", "namespace", "pod")
_CONTAINER_LABELS = ("container", "namespace", "pod")


class Measurements(Collector):
    """The series of the containers at an instant."""

    def __init__(self, containers: Iterable[Container], now: datetime) -> None:
        self._containers = list(containers)
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Every series, and one that says what they are."""
        yield GaugeMetricFamily("rollcall_demo_simulated", _SIMULATED, value=1)
        families: dict[str, GaugeMetricFamily] = {}
        cores = CounterMetricFamily("container_cpu_usage_seconds", _SIMULATED, labels=_CONTAINER_LABELS)
        memory = GaugeMetricFamily("container_memory_working_set_bytes", _SIMULATED, labels=_CONTAINER_LABELS)
        for one in self._containers:
            whose = (one.name, one.namespace, one.pod)
            cores.add_metric(whose, cpu_seconds(one, self._now))
            memory.add_metric(whose, memory_bytes(one, self._now))
            for device in one.devices:
                uuid = f"GPU-simulated-{device.node}-{device.index}"
                labels = (str(device.index), uuid, f"nvidia{device.index}", device.model, device.node, *whose)
                for name, value in gpu_amounts(one, device, self._now).items():
                    family = families.setdefault(name, GaugeMetricFamily(name, _SIMULATED, labels=_GPU_LABELS))
                    family.add_metric(labels, value)
        yield from (*families.values(), cores, memory)


class Exporter:
    """``/metrics``, made anew at each request."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._devices = Devices()

    async def answer(self, _request: web.Request) -> web.Response:
        """The series; 503 where the cluster cannot be read, so that the scrape fails and nothing is told."""
        try:
            async with self._access.session() as session:
                pods, nodes = [await self._all(session, f"/api/v1/{plural}") for plural in ("pods", "nodes")]
        except ClusterError as error:
            return web.Response(status=503, text=f"{error}\n")
        registry = CollectorRegistry()
        registry.register(Measurements(running_containers(pods, nodes, self._devices), datetime.now(UTC)))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _all(self, session: Any, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        params = {"limit": str(PAGE)}
        while True:
            page = await get_json(session, self._access.server, path, params=params)
            found += page.get("items") or []
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return found
            params = {"limit": str(PAGE), "continue": str(following)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; 1 with a sentence where there is no cluster."""
    parser = argparse.ArgumentParser(prog="python -m rollcall_demo.exporter", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True, help="where to listen, on loopback")
    parser.add_argument("--context", help="context of the kubeconfig")
    words = parser.parse_args(arguments)
    try:
        exporter = Exporter(find_access(words.context))
    except RollcallError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        return error.exit_code
    app = web.Application()
    app.router.add_get("/metrics", exporter.answer)
    web.run_app(app, host="127.0.0.1", port=words.port, access_log=None, print=None, loop=asyncio.new_event_loop())
    return 0


if __name__ == "__main__":
    sys.exit(main())
