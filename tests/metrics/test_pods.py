"""What one pod used, and each of its GPUs, from a real Prometheus with known series."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.measured import Asking, Writing, at, every_half_minute
from support.prometheus import PrometheusServer, running_prometheus
from support.workload_builders import START, a_pod, a_request, a_workload, uid_of

from rollcall.prometheus_settings import PrometheusSettings
from rollcall.store.pages import Scope
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_api.measures import MEASURES
from rollcall_api.metric_models import PodMeasuredPart, PodMetrics
from rollcall_api.metric_queries import MetricType, PodMetricType
from rollcall_api.models import Error

pytestmark = pytest.mark.anyio

MIB = 1048576
HOUR = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
UTILIZATION = "DCGM_FI_DEV_GPU_UTIL"
UNANSWERED = {PodMetricType.GPU_SWAP_MEMORY_BYTES_PER_GPU}
"""By default."""

PER_GPU = {
    # type: series, and how many units of the type one unit of the series is
    "GPU_UTILIZATION_PER_GPU": (UTILIZATION, 1),
    "GPU_MEMORY_USAGE_BYTES_PER_GPU": ("DCGM_FI_DEV_FB_USED", MIB),
    "GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU": ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 1),
    "GPU_SM_ACTIVITY_PER_GPU": ("DCGM_FI_PROF_SM_ACTIVE", 1),
    "GPU_SM_OCCUPANCY_PER_GPU": ("DCGM_FI_PROF_SM_OCCUPANCY", 1),
    "GPU_TENSOR_ACTIVITY_PER_GPU": ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 1),
    "GPU_FP64_ENGINE_ACTIVITY_PER_GPU": ("DCGM_FI_PROF_PIPE_FP64_ACTIVE", 1),
    "GPU_FP32_ENGINE_ACTIVITY_PER_GPU": ("DCGM_FI_PROF_PIPE_FP32_ACTIVE", 1),
    "GPU_FP16_ENGINE_ACTIVITY_PER_GPU": ("DCGM_FI_PROF_PIPE_FP16_ACTIVE", 1),
    "GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU": ("DCGM_FI_PROF_DRAM_ACTIVE", 1),
    "GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU": ("DCGM_FI_PROF_NVLINK_TX_BYTES", 1),
    "GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU": ("DCGM_FI_PROF_NVLINK_RX_BYTES", 1),
    "GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU": ("DCGM_FI_PROF_PCIE_TX_BYTES", 1),
    "GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU": ("DCGM_FI_PROF_PCIE_RX_BYTES", 1),
    "NVLINK_BANDWIDTH_TOTAL_PER_GPU": ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", 1024000),
}


async def ask(
    client: httpx.AsyncClient, *types: str, pod: str = "a", workload: str = "train", samples: int = 2, **headers: str
) -> httpx.Response:
    params = {"metricType": ",".join(types), **HOUR, "numberOfSamples": str(samples)}
    path = f"/api/v1/workloads/{uid_of(workload)}/pods/{uid_of(pod)}/metrics"
    return await client.get(path, params=params, headers=headers)


def series_of(answer: httpx.Response) -> dict[tuple[str, str | None], list[str]]:
    """The values by type and GPU."""
    measured = PodMetrics.model_validate(
        {key: value for key, value in answer.json().items() if key != "errors"}
    ).measurements
    return {
        (one.type.value, None if one.labels is None else one.labels.gpu): [sample.value for sample in one.values]
        for one in measured
    }


def test_every_type_that_is_measured_has_a_query() -> None:
    assert set(MEASURES) == set(PodMetricType)
    fields = {measure.query for measure in MEASURES.values()}
    assert len(fields) == len(MEASURES)
    empty = {kind for kind, measure in MEASURES.items() if not getattr(PrometheusSettings(), measure.query)}
    assert empty == UNANSWERED
    others = PrometheusSettings.model_fields.keys() - fields
    assert others == {"url", "token", "ca_file", "timeout_seconds", "rate_window_seconds"}


@pytest.mark.parametrize("kind", PER_GPU)
async def test_each_gpu_of_the_pod_has_a_series(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, kind: str
) -> None:
    await write(a_pod("a", namespace=namespace, allocated=a_request(3).requests), a_pod("b", namespace=namespace))
    name, units = PER_GPU[kind]
    for gpu, value in (("10", 0.5), ("2", 3), ("0", 7)):
        server.write(name, {"namespace": namespace, "pod": "a", "gpu": gpu}, every_half_minute(value))
    server.write(name, {"namespace": namespace, "pod": "b", "gpu": "5"}, every_half_minute(99))
    answer = await ask(api(server.url), kind)
    assert answer.status_code == 200, answer.text
    wanted = {"0": 7 * units, "2": 3 * units, "10": 0.5 * units}
    assert series_of(answer) == {
        (kind, gpu): [f"{value:g}" if units == 1 else str(int(value))] * 2 for gpu, value in wanted.items()
    }
    assert [one["labels"] for one in answer.json()["measurements"]] == [{"gpu": "0"}, {"gpu": "2"}, {"gpu": "10"}]


async def test_the_other_types_are_one_series_of_this_pod_alone(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace), a_pod("b", namespace=namespace))
    for pod, factor in (("a", 1), ("b", 10)):
        for gpu, value in (("0", 4), ("1", 8)):
            labels = {"namespace": namespace, "pod": pod, "gpu": gpu}
            server.write(UTILIZATION, labels, every_half_minute(value * factor))
            server.write("DCGM_FI_DEV_FB_USED", labels, every_half_minute(value * factor))
            server.write("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", labels, every_half_minute(value * factor))
        inside = {"namespace": namespace, "pod": pod, "container": "main"}
        server.write("container_memory_working_set_bytes", inside, every_half_minute(100 * factor))
        seconds = every_half_minute(lambda minute, each=factor: (minute + 10) * 30 * each)
        server.write("container_cpu_usage_seconds_total", inside, seconds)
    types = ("NVLINK_BANDWIDTH_TOTAL", "CPU_MEMORY_USAGE_BYTES", "GPU_MEMORY_USAGE_BYTES", "GPU_UTILIZATION")
    answer = await ask(api(server.url), *types)
    assert answer.status_code == 200, answer.text
    assert series_of(answer) == {
        ("NVLINK_BANDWIDTH_TOTAL", None): [str(12 * 1024000)] * 2,
        ("CPU_MEMORY_USAGE_BYTES", None): ["100"] * 2,
        ("GPU_MEMORY_USAGE_BYTES", None): [str(12 * MIB)] * 2,
        ("GPU_UTILIZATION", None): ["6"] * 2,
    }
    assert "histogram" not in answer.json()
    cores = series_of(await ask(api(server.url), "CPU_USAGE_CORES"))["CPU_USAGE_CORES", None]
    assert [float(value) for value in cores] == [pytest.approx(0.5)] * 2


@pytest.mark.parametrize("prefix", ["", "exported_"])
async def test_a_shared_gpu_is_each_sharers_by_its_index(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, prefix: str
) -> None:
    await write(a_pod("a", namespace=namespace))
    group = f"group-of-{namespace}"
    holder = {"namespace": "runai-reservation", "pod": f"reservation-{namespace}"}
    device = {f"{prefix}{key}": value for key, value in holder.items()} | {"gpu": "3"}
    for name, value in ((UTILIZATION, 60), ("DCGM_FI_DEV_FB_USED", 3000), ("DCGM_FI_PROF_PCIE_RX_BYTES", 500)):
        server.write(name, device, every_half_minute(value))
    for labels in (holder, {"namespace": namespace, "pod": "a"}, {"namespace": f"{namespace}-b", "pod": "other"}):
        server.write("kube_pod_labels", {**labels, "label_runai_gpu_group": group}, every_half_minute(1))
    types = ("GPU_UTILIZATION_PER_GPU", "GPU_MEMORY_USAGE_BYTES_PER_GPU", "GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU")
    answer = await ask(api(server.url), *types, samples=1)
    assert answer.status_code == 200, answer.text
    assert series_of(answer) == {
        (types[0], "3"): ["60"],
        (types[1], "3"): [str(1500 * MIB)],
        (types[2], "3"): ["250"],
    }


async def test_a_deleted_pod_has_its_own_time_alone(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace, created_at=at(10)), gone={"a": 35})
    labels = {"namespace": namespace, "pod": "a", "gpu": "0"}
    server.write(UTILIZATION, labels, every_half_minute(lambda minute: minute + 10))
    answer = await ask(api(server.url), "GPU_UTILIZATION_PER_GPU", samples=6)
    assert series_of(answer) == {("GPU_UTILIZATION_PER_GPU", "0"): ["20", "30", "40"]}


async def test_nothing_was_measured_in_the_future(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    now = datetime.now(UTC)
    server.write(UTILIZATION, {"namespace": namespace, "pod": "a", "gpu": "0"}, [(now - timedelta(seconds=130), 5)])
    # Half a minute apart, three of them to come.
    times = {"start": (now - timedelta(minutes=2)).isoformat(), "end": (now + timedelta(seconds=90)).isoformat()}
    path = f"/api/v1/workloads/{uid_of('train')}/pods/{uid_of('a')}/metrics"
    params = {"metricType": "GPU_UTILIZATION", **times, "numberOfSamples": "7"}
    answer = await api(server.url).get(path, params=params)
    assert series_of(answer) == {("GPU_UTILIZATION", None): ["5"] * 4}


async def test_a_type_without_data_keeps_its_entry(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace), a_pod("later", namespace=namespace, created_at=at(600)))
    for pod in ("a", "later"):
        answer = await ask(api(server.url), "GPU_UTILIZATION_PER_GPU", "CPU_USAGE_CORES", pod=pod)
        assert answer.status_code == 200
        assert answer.json()["measurements"] == [
            {"type": "GPU_UTILIZATION_PER_GPU", "values": []},
            {"type": "CPU_USAGE_CORES", "values": []},
        ]


@pytest.mark.parametrize(
    ("workload", "pod"),
    [("train", "of-another"), ("train", "nobody"), ("nobody", "a"), ("train", "train"), ("other", "a")],
)
async def test_a_pod_that_is_not_the_workloads_is_not_found(
    engine: AsyncEngine, namespace: str, api: Asking, write: Writing, workload: str, pod: str
) -> None:
    await write(a_pod("a", namespace=namespace))
    other = Batch(
        workloads=(a_workload("other", namespace=namespace),),
        pods=(a_pod("of-another", workload="other", namespace=namespace),),
    )
    async with engine.begin() as connection:
        await write_batch(connection, "c1", other, observed_at=START)
    answer = await ask(api("http://127.0.0.1:1"), "CPU_USAGE_CORES", workload=workload, pod=pod)
    assert answer.status_code == 404
    assert Error.model_validate(answer.json()).message == "There is no pod with this id."


async def test_a_pod_of_a_deleted_workload_is_there(
    engine: AsyncEngine, server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace), gone={"a": 50})
    gone = Gone(uid=uid_of("train"), observed_version=99, at=at(50), seen=DeletionSeen.EXACT)
    async with engine.begin() as connection:
        await write_batch(connection, "c1", Batch(gone_workloads=(gone,)), observed_at=START)
    server.write(UTILIZATION, {"namespace": namespace, "pod": "a", "gpu": "0"}, every_half_minute(7))
    answer = await ask(api(server.url), "GPU_UTILIZATION")
    assert (answer.status_code, series_of(answer)) == (200, {("GPU_UTILIZATION", None): ["7"]})


async def test_a_pod_out_of_scope_is_not_found(
    namespace: str, api: Asking, write: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(a_pod("a", namespace=namespace))
    client = api("http://127.0.0.1:1")
    rights = client._transport.app.state.rights  # noqa: SLF001 - the application under test

    async def scope_of(_authorization: object) -> Scope:
        return Scope(namespaces=frozenset({"another"}))

    monkeypatch.setattr(rights, "scope_of", scope_of)
    assert (await ask(client, "CPU_USAGE_CORES")).status_code == 404


@pytest.mark.parametrize("pod_id", ["not-an-id", "%00", uid_of("a") + "x", uid_of("a").replace("-", "")])
async def test_what_is_no_id_is_not_found(namespace: str, api: Asking, write: Writing, pod_id: str) -> None:
    await write(a_pod("a", namespace=namespace))
    path = f"/api/v1/workloads/{uid_of('train')}/pods/{pod_id}/metrics"
    assert (
        await api("http://127.0.0.1:1").get(path, params={"metricType": "CPU_USAGE_CORES", **HOUR})
    ).status_code == 404


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metricType": "POD_COUNT"}, "'POD_COUNT'"),
        ({"metricType": "WorkloadMetricType.CPU_USAGE_CORES"}, "metricType"),
        ({"metricType": ""}, "metricType"),
        ({"start": ""}, "start"),
        ({"end": "2026-01-01"}, "start"),
        ({"numberOfSamples": "1001"}, "numberOfSamples"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(
    namespace: str, api: Asking, write: Writing, changes: dict[str, str], named: str
) -> None:
    await write(a_pod("a", namespace=namespace))
    path = f"/api/v1/workloads/{uid_of('train')}/pods/{uid_of('a')}/metrics"
    answer = await api("http://127.0.0.1:1").get(path, params={"metricType": "CPU_USAGE_CORES", **HOUR, **changes})
    assert answer.status_code == 400
    assert named in Error.model_validate(answer.json()).message


async def test_the_client_s_own_name_of_a_type_is_taken(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    answer = await ask(api(server.url), "PodMetricType.CPU_USAGE_CORES")
    assert series_of(answer) == {("CPU_USAGE_CORES", None): []}


async def test_all_types_at_once_are_answered_but_the_one_without_a_query(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    answer = await ask(api(server.url, timeout_seconds=60), *PodMetricType)
    assert answer.status_code == 207, answer.text
    body = PodMeasuredPart.model_validate(answer.json())
    assert {error.type: error.message for error in body.errors} == dict.fromkeys(
        UNANSWERED, "No query is configured for it."
    )
    told = [one.type for one in body.measurements] + [one.type for one in body.histogram or ()]
    assert set(told) == set(PodMetricType) - UNANSWERED
    assert len(told) == len(set(told))


async def test_a_query_of_the_settings_answers_what_has_none(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    kind = "GPU_SWAP_MEMORY_BYTES_PER_GPU"
    alone = await ask(api(server.url), kind)
    assert (alone.status_code, alone.json()["message"]) == (503, f"{kind}: No query is configured for it.")
    server.write("swapped_bytes", {"namespace": namespace, "pod": "a", "gpu": "1"}, every_half_minute(2**40))
    query = "max by (namespace, pod, gpu) (swapped_bytes{$pods})"
    answer = await ask(api(server.url, gpu_swap_memory_bytes_per_gpu_query=query), kind)
    assert series_of(answer) == {(kind, "1"): [str(2**40)] * 2}


async def test_an_emptied_query_is_unanswerable_of_a_workload_too(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    client = api(server.url, gpu_utilization_query="")
    params = {"metricType": "POD_COUNT,GPU_UTILIZATION", **HOUR, "numberOfSamples": "1"}
    answer = await client.get(f"/api/v1/workloads/{uid_of('train')}/metrics", params=params)
    assert answer.status_code == 207
    assert answer.json()["errors"] == [{"type": "GPU_UTILIZATION", "message": "No query is configured for it."}]


async def test_a_prometheus_that_is_away_is_told(
    namespace: str, api: Asking, write: Writing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await write(a_pod("a", namespace=namespace))
    with running_prometheus(tmp_path_factory.mktemp("stopped")) as stopped:
        client = api(stopped.url)
        assert (await ask(client, "GPU_UTILIZATION_PER_GPU")).status_code == 200
    answer = await ask(client, "GPU_UTILIZATION_PER_GPU", "NIM_TIME_TO_FIRST_TOKEN_SECONDS")
    assert answer.status_code == 503
    wanted = "GPU_UTILIZATION_PER_GPU, NIM_TIME_TO_FIRST_TOKEN_SECONDS: Prometheus cannot be reached."
    assert Error.model_validate(answer.json()).message == wanted
    assert answer.headers["Retry-After"]


async def test_a_query_without_the_gpu_is_not_taken_for_one_of_gpus(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    server.write(UTILIZATION, {"namespace": namespace, "pod": "a", "gpu": "1"}, every_half_minute(1))
    query = f"avg by (namespace, pod) ({UTILIZATION}{{$pods}})"
    answer = await ask(
        api(server.url, gpu_utilization_per_gpu_query=query), "GPU_UTILIZATION_PER_GPU", "GPU_UTILIZATION", samples=1
    )
    assert (answer.status_code, series_of(answer)) == (207, {("GPU_UTILIZATION", None): ["1"]})
    assert "something else" in answer.json()["errors"][0]["message"]


async def test_csv_has_a_column_for_what_tells_series_apart(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    for gpu, value in (("0", 1), ("1", 2)):
        server.write(UTILIZATION, {"namespace": namespace, "pod": "a", "gpu": gpu}, every_half_minute(value))
    for le, count in (("0.5", 3), ("+Inf", 4)):
        labels = {"namespace": namespace, "pod": "a", "le": le}
        server.write("time_to_first_token_seconds_bucket", labels, every_half_minute(count))

    async def table(*types: str) -> list[list[str]]:
        answer = await ask(api(server.url), *types, samples=1, Accept="text/csv")
        assert answer.status_code == 200, answer.text
        return list(csv.reader(io.StringIO(answer.text)))

    one = "2026-01-01T01:00:00Z"
    assert await table("GPU_UTILIZATION") == [["type", "timestamp", "value"], ["GPU_UTILIZATION", one, "1.5"]]
    assert await table("GPU_UTILIZATION_PER_GPU", "NIM_TIME_TO_FIRST_TOKEN_SECONDS", "GPU_UTILIZATION") == [
        ["type", "timestamp", "value", "gpu", "key"],
        ["GPU_UTILIZATION_PER_GPU", one, "1", "0", ""],
        ["GPU_UTILIZATION_PER_GPU", one, "2", "1", ""],
        ["NIM_TIME_TO_FIRST_TOKEN_SECONDS", one, "3", "", "0.5"],
        ["NIM_TIME_TO_FIRST_TOKEN_SECONDS", one, "4", "", "+Inf"],
        ["GPU_UTILIZATION", one, "1.5", "", ""],
    ]


def test_a_type_has_one_name_for_workloads_and_pods() -> None:
    stored: set[Any] = {kind for kind in MetricType if kind not in MEASURES}
    assert len(stored) == 8
    assert {kind.value for kind in MetricType} - stored <= {kind.value for kind in PodMetricType}
