"""Metrics through the official client, unchanged, in two versions, with a real Prometheus behind the API."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api_process import ApiProcess
from support.measured import every_half_minute
from support.prometheus import PrometheusServer
from support.runapy import VERSIONS, run_session
from support.workload_builders import START, a_pod, a_request, a_workload, uid_of

from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch
from rollcall.store.writes import write_batch

SESSION = Path(__file__).with_name("runapy_metrics.py")
NAMESPACE = "of-the-client"
PER_GPU = (
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    *(
        f"DCGM_FI_PROF_{name}"
        for name in (
            *("GR_ENGINE_ACTIVE", "SM_ACTIVE", "SM_OCCUPANCY", "PIPE_TENSOR_ACTIVE", "DRAM_ACTIVE"),
            *("PIPE_FP64_ACTIVE", "PIPE_FP32_ACTIVE", "PIPE_FP16_ACTIVE"),
            *("NVLINK_TX_BYTES", "NVLINK_RX_BYTES", "PCIE_TX_BYTES", "PCIE_RX_BYTES"),
        )
    ),
)
SERVED = (
    *("num_requests_running", "num_requests_waiting", "num_request_max", "gpu_cache_usage_perc"),
    *("request_success_total", "request_failure_total"),
)


@pytest.fixture(scope="module")
def address(
    server: PrometheusServer, shared_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A running API with a workload of which everything is measured."""
    for gpu, value in (("0", 1), ("1", 3)):
        labels = {"namespace": NAMESPACE, "pod": "a", "gpu": gpu}
        for name in PER_GPU:
            server.write(name, labels, every_half_minute(value))
    inside = {"namespace": NAMESPACE, "pod": "a", "container": "main"}
    server.write("container_memory_working_set_bytes", inside, every_half_minute(5))
    server.write("container_cpu_usage_seconds_total", inside, every_half_minute(lambda minute: (minute + 10) * 60))
    for name in SERVED:
        server.write(name, {"namespace": NAMESPACE, "pod": "a"}, every_half_minute(0.5))
    for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds"):
        for le in ("1", "+Inf"):
            labels = {"namespace": NAMESPACE, "pod": "a", "le": le}
            server.write(f"{name}_bucket", labels, every_half_minute(lambda minute: (minute + 10) * 2))
    asyncio.run(_write(shared_database))
    with ApiProcess(tmp_path_factory.mktemp("api"), shared_database, prometheus__url=server.url) as api:
        yield api.address


async def _write(database: DatabaseSettings) -> None:
    batch = Batch(
        workloads=tuple(a_workload(name, namespace=NAMESPACE) for name in ("train", "other")),
        pods=(
            a_pod("a", namespace=NAMESPACE, allocated=a_request(2).requests),
            a_pod("b", workload="other", namespace=NAMESPACE),
        ),
    )
    engine = create_engine(database, application_name="test")
    try:
        async with engine.begin() as connection:
            await write_batch(connection, uid_of("cluster"), batch, observed_at=START)
            await touch_cluster(connection, cluster_id=uid_of("cluster"), name="test", watches_observed_at=START)
    finally:
        await engine.dispose()


@pytest.fixture(scope="module", params=VERSIONS)
def sessions(request: pytest.FixtureRequest, address: str) -> dict[str, Any]:
    """What a session of each kind of the client saw."""
    found: dict[str, Any] = run_session(SESSION, request.param, address, *map(uid_of, ("train", "a", "b")))
    return found


@pytest.fixture(params=["sync", "threaded", "async"])
def seen(request: pytest.FixtureRequest, sessions: dict[str, Any]) -> dict[str, Any]:
    """What one of them saw."""
    found: dict[str, Any] = sessions[request.param]
    return found


def told(answer: dict[str, Any]) -> Counter[str]:
    """How many series with two values, or histograms with two, there are of each type."""
    series = [*answer["measurements"], *answer.get("histogram", ())]
    return Counter(one["type"] for one in series if len(one["values"]) == 2)


def test_every_type_of_a_workload_has_its_values(seen: dict[str, Any]) -> None:
    assert len(seen["types"]) >= 12
    assert told(seen["workload"]) == dict.fromkeys(seen["types"], 1)
    values = {one["type"]: {sample["value"] for sample in one["values"]} for one in seen["workload"]["measurements"]}
    assert values["GPU_UTILIZATION"] == {"2"}
    assert values["GPU_MEMORY_USAGE_BYTES"] == {str(4 * 2**20)}
    assert values["CPU_MEMORY_USAGE_BYTES"] == {"5"}
    assert [float(value) for value in values["CPU_USAGE_CORES"]] == [pytest.approx(1)] * len(values["CPU_USAGE_CORES"])


def test_every_type_of_a_pod_has_its_values_and_each_gpu_its_own(seen: dict[str, Any]) -> None:
    wanted = {kind: 2 if kind.endswith("_PER_GPU") else 1 for kind in seen["pod_types"]}
    assert len(wanted) >= 18
    assert told(seen["pod"]) == wanted
    (first, second) = seen["bare"]["measurements"]
    assert (first["labels"], first["values"][0]["value"]) == ({"gpu": "0"}, "1")
    assert (second["labels"], second["values"][0]["value"]) == ({"gpu": "1"}, "3")
    histograms = {one["type"]: one["values"][0]["data"] for one in seen["pod"].get("histogram", ())}
    if "NIM_E2E_REQUEST_LATENCY_SECONDS" in wanted:
        assert histograms["NIM_E2E_REQUEST_LATENCY_SECONDS"] == {"1": "80", "+Inf": "80"}
        percentiles = histograms["NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES"]
        assert [float(percentiles[name]) for name in ("p50", "p90", "p99")] == pytest.approx([0.5, 0.9, 0.99])


def test_a_part_is_no_error_to_it(seen: dict[str, Any]) -> None:
    knows = "NVLINK_BANDWIDTH_TOTAL" in seen["types"]
    assert [told(part) for part in seen["part"]] == [{"GPU_UTILIZATION_PER_GPU": 2}] * knows


def test_its_errors_are_typed_and_worded(seen: dict[str, Any]) -> None:
    assert seen["other_pod"] == {"raised": "NotFoundException", "code": 404, "message": "There is no pod with this id."}
    assert (seen["no_time"]["raised"], seen["no_time"]["code"]) == ("BadRequestException", 400)
    assert "start" in seen["no_time"]["message"]
