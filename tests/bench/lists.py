"""What ``kubectl get -A`` costs the server: lists of the aggregated API by chunks, as a Table and as JSON."""

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from bench.figures import Figure, Outcome, quantile
from bench.filled_database import CLUSTER, fill_live
from bench.workshop import Workshop
from support.api_process import ApiProcess
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer

from rollcall_cluster.certificates import Authority
from rollcall_demo.programs import free_ports

MILLIS, MIB = 1000.0, 2.0**20
FORMS: Mapping[str, tuple[str, str]] = {
    "Table": ("application/json;as=Table;v=v1;g=meta.k8s.io", "rows"),
    "JSON": ("application/json", "items"),
}
PATH = "/apis/rollcall.dev/v1/workloads"
TOKEN = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many workloads, by how many at once, how often the whole."""

    live: int = 20_000
    chunk: int = 500
    lists: int = 5


async def measure(workshop: Workshop, sizes: Sizes) -> Outcome:
    """Fill a database, then list everything as kubectl does, and once in one piece."""
    database = workshop.database()
    workshop.say(f"lists: writing {sizes.live} live workloads")
    await fill_live(database, sizes.live, pods_each=0)
    folder = workshop.folder / "lists"
    folder.mkdir(exist_ok=True)
    authority = Authority(folder, "ca")
    certificate, key = authority.issue_server("serving")
    (port,) = free_ports(1)
    figures: list[Figure] = []
    with ReviewingServer.in_a_thread() as kube:
        kube.let_in(TOKEN, "bench", CLUSTER_WIDE)
        with ApiProcess(
            folder,
            database,
            kubeconfig=kube.kubeconfig(folder, "own"),
            cluster__id=CLUSTER,
            api__aggregated__enabled=True,
            api__aggregated__port=port,
            api__aggregated__certificate_file=certificate,
            api__aggregated__key_file=key,
        ) as api:
            process = psutil.Process(api.program.pid)
            caller = _caller(port, authority.certificate)
            for form in FORMS:
                for chunk in (sizes.chunk, 0):
                    workshop.say(f"lists: {form}, {f'chunks of {chunk}' if chunk else 'in one piece'}")
                    figures += _lists(form, chunk, sizes, caller, process)
            caller.close()
    return Outcome(
        benchmark="lists",
        title="kubectl get -A at the server: lists of the aggregated API over TLS on one kept connection",
        figures=tuple(figures),
        sizes=asdict(sizes),
        notes=("A chunk is one request of kubectl's; the client reads each answer and looks at its metadata.",),
        stands_on={"PostgreSQL": workshop.postgres_version()},
    )


def _lists(
    form: str, chunk: int, sizes: Sizes, caller: http.client.HTTPSConnection, process: psutil.Process
) -> list[Figure]:
    of = f"{form}, {f'chunks of {chunk}' if chunk else 'in one piece'}"
    _whole(form, chunk, sizes.live, caller)
    before, wholes, chunks, size, most = process.cpu_times(), [], [], 0, 0.0
    for _ in range(sizes.lists):
        began = time.perf_counter()
        taken, size = _whole(form, chunk, sizes.live, caller)
        wholes.append((time.perf_counter() - began) * MILLIS)
        chunks += taken
        most = max(most, process.memory_info().rss / MIB)
    after = process.cpu_times()
    cpu = (after.user + after.system - before.user - before.system) / sizes.lists
    return [
        Figure(of, "request p50", quantile(chunks, 0.5), "ms"),
        Figure(of, "request p99", quantile(chunks, 0.99), "ms"),
        Figure(of, "list p50", quantile(wholes, 0.5), "ms"),
        Figure(of, "list p99", quantile(wholes, 0.99), "ms"),
        Figure(of, "CPU a list", cpu * MILLIS, "ms"),
        Figure(of, "memory", most, "MiB"),
        Figure(of, "answer", size / MIB, "MiB"),
    ]


def _whole(form: str, chunk: int, wanted: int, caller: http.client.HTTPSConnection) -> tuple[list[float], int]:
    """The milliseconds of each request of one list, and its bytes in all; every workload must be there once."""
    accept, key = FORMS[form]
    taken: list[float] = []
    found: list[str] = []
    size, token = 0, ""
    while True:
        query = f"?limit={chunk}" + (f"&continue={quote(token, safe='')}" if token else "") if chunk else ""
        began = time.perf_counter()
        caller.request("GET", PATH + query, headers={"Accept": accept, "Authorization": f"Bearer {TOKEN}"})
        answer = caller.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - began) * MILLIS)
        if answer.status != http.HTTPStatus.OK:
            raise AssertionError(f"{form}: {answer.status} {body[:200]!r}")
        size += len(body)
        listed: Any = json.loads(body)
        found += [(one["object"] if form == "Table" else one)["metadata"]["uid"] for one in listed[key]]
        token = listed["metadata"].get("continue", "")
        if not token:
            break
    if not len(found) == len(set(found)) == wanted:
        raise AssertionError(f"{form}: {len(set(found))} workloads in {len(found)} items, not {wanted}")
    return taken, size


def _caller(port: int, authority: Path) -> http.client.HTTPSConnection:
    trusting = ssl.create_default_context(cafile=str(authority))
    return http.client.HTTPSConnection("localhost", port, timeout=300, context=trusting)
