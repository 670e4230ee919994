"""What was used, from a real Prometheus with known series: the workload's own pods, and only while they were there."""

import asyncio
import os
import signal
from datetime import datetime
from typing import Any

import httpx
import pytest
from aiohttp import web
from support.measured import Asking, Writing, at, every_half_minute
from support.prometheus import PrometheusServer, running_prometheus
from support.workload_builders import START, a_pod, a_request, uid_of

from rollcall_api import prometheus as prometheus_module
from rollcall_api.metric_models import MeasuredPart
from rollcall_api.metric_queries import MetricType
from rollcall_api.models import Error

pytestmark = pytest.mark.anyio

USED = (
    MetricType.GPU_UTILIZATION,
    MetricType.GPU_MEMORY_USAGE_BYTES,
    MetricType.CPU_USAGE_CORES,
    MetricType.CPU_MEMORY_USAGE_BYTES,
)
EMPTY: dict[str, dict[int, str]] = {kind.value: {} for kind in USED}
MIB = 1048576
UTILIZATION, FRAMEBUFFER = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED"
CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"


async def ask(client: httpx.AsyncClient, *types: str, samples: int = 4) -> httpx.Response:
    params = {
        "metricType": ",".join(types or USED),
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-01T01:00:00Z",
        "numberOfSamples": str(samples),
    }
    return await client.get(f"/api/v1/workloads/{uid_of('train')}/metrics", params=params)


def values_of(answer: httpx.Response) -> dict[str, dict[int, str]]:
    """The values of each type by their minute."""
    found: dict[str, dict[int, str]] = {}
    for one in answer.json()["measurements"]:
        instants = {datetime.fromisoformat(sample["timestamp"]): sample["value"] for sample in one["values"]}
        found[one["type"]] = {int((instant - START).total_seconds() / 60): value for instant, value in instants.items()}
    return found


async def test_every_type_is_what_its_series_say(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(
        a_pod("a", namespace=namespace, allocated=a_request(3).requests),
        a_pod("b", namespace=namespace, allocated=a_request(1).requests),
    )
    for pod, utilization in (("a", 80), ("b", 40)):
        labels = {"namespace": namespace, "pod": pod}
        server.write(UTILIZATION, {**labels, "gpu": "0"}, every_half_minute(utilization))
        server.write(UTILIZATION, {**labels, "gpu": "1"}, every_half_minute(utilization + 10))
        server.write(FRAMEBUFFER, {**labels, "gpu": "0"}, every_half_minute(1000))
        server.write(FRAMEBUFFER, {**labels, "gpu": "1"}, every_half_minute(24))
        for container, share in (("main", 1.0), ("side", 0.5), ("", 9.0), ("POD", 9.0)):
            inside = {**labels, "container": container}
            server.write(CPU, inside, every_half_minute(lambda minute, share=share: (minute + 10) * 60 * share))
            server.write(MEMORY, inside, every_half_minute(2**20 * share))
    answer = await ask(api(server.url))
    assert answer.status_code == 200, answer.text
    found = values_of(answer)
    # A rate is a quotient of floats.
    assert {place: float(value) for place, value in found.pop("CPU_USAGE_CORES").items()} == {
        place: pytest.approx(3) for place in (15, 30, 45, 60)
    }
    assert found == {
        "GPU_UTILIZATION": dict.fromkeys((15, 30, 45, 60), "75"),  # three GPUs at 85, one at 45
        "GPU_MEMORY_USAGE_BYTES": dict.fromkeys((15, 30, 45, 60), str(2048 * MIB)),
        "CPU_MEMORY_USAGE_BYTES": dict.fromkeys((15, 30, 45, 60), str(3 * 2**20)),
    }


async def test_a_name_counts_only_while_a_pod_of_the_workload_bears_it(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    pods = (a_pod("w-0", namespace=namespace, created_at=at(10)), a_pod("w-1", namespace=namespace, created_at=at(40)))
    await write(*pods, gone={"w-0": 20})
    # Before, between and after, the names are those of somebody else's pods.
    for pod in ("w-0", "w-1"):
        labels = {"namespace": namespace, "pod": pod, "container": "main"}
        server.write(MEMORY, labels, every_half_minute(lambda minute: 1000 + minute))
    answer = await ask(api(server.url), "CPU_MEMORY_USAGE_BYTES", samples=12)
    wanted = {10: "1010", 15: "1015", **{minute: str(1000 + minute) for minute in (40, 45, 50, 55, 60)}}
    assert values_of(answer)["CPU_MEMORY_USAGE_BYTES"] == wanted


async def test_names_that_are_alike_are_not_the_same(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a.b", namespace=namespace), a_pod("c", namespace=namespace))
    for where, pod, amount in (
        (namespace, "a.b", 1),
        (namespace, "c", 2),
        (namespace, "axb", 100),
        (namespace, "a.bc", 100),
        (f"{namespace}x", "a.b", 100),
    ):
        server.write(MEMORY, {"namespace": where, "pod": pod, "container": "main"}, every_half_minute(amount))
    answer = await ask(api(server.url), "CPU_MEMORY_USAGE_BYTES", samples=1)
    assert values_of(answer) == {"CPU_MEMORY_USAGE_BYTES": {60: "3"}}


@pytest.mark.parametrize("name", ['"} or vector(1) #', "a|.*", "\\", 'x\\"y', "é\n", "$pods", "(", "[a-z"])
async def test_no_name_reaches_beyond_its_own_matcher(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, name: str
) -> None:
    await write(a_pod(name, namespace=namespace))
    server.write(MEMORY, {"namespace": namespace, "pod": name, "container": "main"}, every_half_minute(7))
    server.write(MEMORY, {"namespace": namespace, "pod": "other", "container": "main"}, every_half_minute(100))
    answer = await ask(api(server.url), "CPU_MEMORY_USAGE_BYTES", samples=1)
    assert answer.status_code == 200, answer.text
    assert values_of(answer) == {"CPU_MEMORY_USAGE_BYTES": {60: "7"}}


async def test_labels_that_prometheus_renamed_are_read_too(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    labels = {"namespace": "gpu-operator", "pod": "exporter-x", "exported_namespace": namespace, "exported_pod": "a"}
    server.write(UTILIZATION, labels, every_half_minute(33.5))
    server.write(FRAMEBUFFER, labels, every_half_minute(2))
    answer = await ask(api(server.url), "GPU_UTILIZATION", "GPU_MEMORY_USAGE_BYTES", samples=1)
    assert values_of(answer) == {"GPU_UTILIZATION": {60: "33.5"}, "GPU_MEMORY_USAGE_BYTES": {60: str(2 * MIB)}}


@pytest.mark.parametrize("prefix", ["", "exported_"])
async def test_a_shared_gpu_is_measured_under_the_pod_that_holds_it(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, prefix: str
) -> None:
    await write(a_pod("half", namespace=namespace))
    group, reserving = f"group-of-{namespace}", f"gpu-reservation-{namespace}"
    holder = {"namespace": "runai-reservation", "pod": reserving}
    device = {f"{prefix}{key}": value for key, value in holder.items()} | {"gpu": "0"}
    server.write(UTILIZATION, device, every_half_minute(60))
    server.write(FRAMEBUFFER, device, every_half_minute(3000))
    for labels in (holder, {"namespace": namespace, "pod": "half"}, {"namespace": f"{namespace}-b", "pod": "other"}):
        server.write("kube_pod_labels", {**labels, "label_runai_gpu_group": group}, every_half_minute(1))
    answer = await ask(api(server.url), "GPU_UTILIZATION", "GPU_MEMORY_USAGE_BYTES", samples=1)
    assert answer.status_code == 200, answer.text
    assert values_of(answer) == {"GPU_UTILIZATION": {60: "60"}, "GPU_MEMORY_USAGE_BYTES": {60: str(1500 * MIB)}}


async def test_a_query_of_the_settings_is_asked_in_place_of_the_default(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    for cluster_id, amount in (("c1", 2), ("c2", 100)):
        labels = {"namespace": namespace, "pod": "a", "cluster_id": cluster_id}
        server.write("cores_used", labels, every_half_minute(lambda minute, each=amount: minute * 60 * each))
    query = 'sum by (namespace, pod) (rate(cores_used{$pods,cluster_id="$cluster_id"}[$window]))'
    answer = await ask(api(server.url, cpu_query=query, rate_window_seconds=90), "CPU_USAGE_CORES", samples=1)
    assert {kind: list(map(float, found.values())) for kind, found in values_of(answer).items()} == {
        "CPU_USAGE_CORES": [pytest.approx(2)]
    }


async def test_what_was_not_measured_has_no_values(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    gaps = [(at(15), 1.0), (at(30), float("nan")), (at(45), float("inf")), (at(60), 1e-9)]
    server.write(MEMORY, {"namespace": namespace, "pod": "a", "container": "main"}, gaps)
    answer = await ask(api(server.url))
    assert answer.status_code == 200
    assert values_of(answer) == {**EMPTY, "CPU_MEMORY_USAGE_BYTES": {15: "1", 60: "0.000000001"}}


async def test_nothing_is_asked_where_there_was_no_pod(api: Asking, write: Writing) -> None:
    await write()
    answer = await ask(api("http://127.0.0.1:1"))
    assert (answer.status_code, values_of(answer)) == (200, EMPTY)


async def test_half_of_the_types_may_be_unanswerable(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    server.write(MEMORY, {"namespace": namespace, "pod": "a", "container": "main"}, every_half_minute(5))
    client = api(server.url, gpu_utilization_query="this is no {PromQL", gpu_memory_query="vector(1)")
    answer = await ask(client, samples=1)
    assert answer.status_code == 207
    body = MeasuredPart.model_validate(answer.json())
    assert values_of(answer) == {"CPU_USAGE_CORES": {}, "CPU_MEMORY_USAGE_BYTES": {60: "5"}}
    assert {error.type: error.message for error in body.errors} == {
        "GPU_UTILIZATION": "Prometheus refused the query.",
        "GPU_MEMORY_USAGE_BYTES": "Prometheus answered something else than series of pods.",
    }


async def test_without_prometheus_the_store_still_answers(
    namespace: str, api: Asking, write: Writing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await write(a_pod("a", namespace=namespace))
    with running_prometheus(tmp_path_factory.mktemp("stopped")) as stopped:
        client = api(stopped.url)
        assert (await ask(client)).status_code == 200
    some = await ask(client, "POD_COUNT", "CPU_USAGE_CORES", samples=1)
    assert (some.status_code, values_of(some)) == (207, {"POD_COUNT": {60: "1"}})
    none = await ask(client, "CPU_USAGE_CORES")
    assert none.status_code == 503
    assert Error.model_validate(none.json()).message == "CPU_USAGE_CORES: Prometheus cannot be reached."


async def test_a_silent_prometheus_is_given_up_and_holds_nobody_up(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    # Two of them, so that what is waited for does not end by itself before the other answer is there.
    patient, hurried = api(server.url, timeout_seconds=120), api(server.url, timeout_seconds=1)
    process = server.program.pid
    os.kill(process, signal.SIGSTOP)
    try:
        waiting = [asyncio.create_task(ask(patient)) for _ in range(5)]
        count = await patient.get("/api/v1/workloads/count")
        assert count.json() == {"count": 1}
        assert not any(task.done() for task in waiting)
        answers = await asyncio.gather(*(ask(hurried) for _ in range(5)))
        mixed = await ask(hurried, "POD_COUNT", "GPU_UTILIZATION", samples=1)
        assert not any(task.done() for task in waiting)
    finally:
        os.kill(process, signal.SIGCONT)
    assert {answer.status_code for answer in answers} == {503}
    assert "did not answer within 1 s" in answers[0].json()["message"]
    assert (mixed.status_code, values_of(mixed)) == (207, {"POD_COUNT": {60: "1"}})
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


async def test_more_than_can_be_asked_at_once_is_a_sentence(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(a_pod("a", namespace=namespace), a_pod("b", namespace=namespace))
    client = api(server.url)
    assert (await ask(client, "CPU_USAGE_CORES", samples=10)).status_code == 200
    monkeypatch.setattr(prometheus_module, "MOST_POINTS", 19)
    refused = await ask(client, "CPU_USAGE_CORES", samples=10)
    assert refused.status_code == 503
    assert "2 pods in this time" in refused.json()["message"]


async def html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>sign in</html>", content_type="text/html")


async def away(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere")


async def failing(_: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "error"}, status=500)


async def other_json(_: web.Request) -> web.StreamResponse:
    return web.json_response({"data": {"result": [{"metric": {"pod": "a"}, "values": [["x", {}]]}]}})


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" " * 1024 * 1024)


async def dripping(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (html, "something else"),
        (other_json, "something else"),
        (away, "refused"),
        (failing, "refused"),
        (endless, "cannot be reached"),
        (dripping, "did not answer"),
    ],
)
async def test_whatever_answers_in_its_place_is_told_and_bounded(
    namespace: str, api: Asking, write: Writing, serve: Any, words: str
) -> None:
    await write(a_pod("a", namespace=namespace))
    sent: list[str | None] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers.get("Authorization"))
        found: web.StreamResponse = await serve(request)
        return found

    application = web.Application()
    application.router.add_route("*", "/prefix/api/v1/query_range", noted)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        # Only who never comes to an end is given up; 32 MiB may take longer than that beside other tests.
        seconds = 2 if serve is dripping else 120
        client = api(f"http://127.0.0.1:{port}/prefix/", token="made-up", timeout_seconds=seconds)
        answer = await ask(client, "CPU_USAGE_CORES")
    finally:
        await runner.cleanup()
    assert answer.status_code == 503
    assert words in Error.model_validate(answer.json()).message
    assert sent == ["Bearer made-up"]
