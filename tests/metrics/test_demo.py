"""``rollcall demo`` with a real Prometheus: what its simulated pods use is to be had through the API."""

import re
import signal
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from support.running_demo import RunningDemo, get, read

from rollcall_cluster.prometheus_binary import find_prometheus


@pytest.fixture
def demo(tmp_path: Path, postgres_folder: Path) -> Iterator[RunningDemo]:
    demo = RunningDemo(postgres_folder, tmp_path / "output", "--prometheus", str(find_prometheus(print)))
    yield demo
    demo.kill()


def values(api: str, path: str, kinds: str) -> dict[str, list[dict[str, Any]]]:
    """The measurements of the last two minutes that have values, by type; none while Prometheus is too slow."""
    now = datetime.now(UTC)
    start, end = (instant.strftime("%Y-%m-%dT%H:%M:%SZ") for instant in (now - timedelta(minutes=2), now))
    try:
        answer = get(f"{api}{path}/metrics?metricType={kinds}&start={start}&end={end}&numberOfSamples=60")
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for one in answer["measurements"]:
        if one["values"]:
            found.setdefault(one["type"], []).append(one)
    return found


def measured(api: str) -> dict[str, list[dict[str, Any]]] | None:
    """The measurements of a workload that runs and of which every type has values; a short life may have none."""
    kinds = "GPU_UTILIZATION,GPU_MEMORY_USAGE_BYTES,CPU_USAGE_CORES,CPU_MEMORY_USAGE_BYTES"
    running = get(f"{api}/api/v1/workloads?filterBy=phase==Running,allocatedGPU%3E=1&limit=500")["workloads"]
    found = (values(api, f"/api/v1/workloads/{one['id']}", kinds) for one in running)
    return next((seen for seen in found if len(seen) == 4), None)


def test_what_simulated_pods_use_is_to_be_had_through_the_api(demo: RunningDemo) -> None:
    api = demo.api()
    printed = demo.until(
        lambda: re.search(r"^curl -s '(http\S+/metrics\?metricType=GPU_UTILIZATION\S+)'$", demo.said(), re.MULTILINE)
    )
    prometheus = re.search(r"^metrics +simulated, in a Prometheus at (\S+)$", demo.said(), re.MULTILINE)
    assert prometheus is not None
    demo.until(lambda: answers(f"{prometheus[1]}/-/ready"))
    found = demo.until(lambda: measured(api))
    assert all(0 <= float(one["value"]) <= 100 for one in found["GPU_UTILIZATION"][0]["values"])
    assert all(float(one["value"]) > 0 for one in found["CPU_MEMORY_USAGE_BYTES"][0]["values"])
    # A 503 says that Prometheus was too slow, as it may be beside other tests.
    shown = demo.until(lambda: body_of(printed[1]))
    assert shown["measurements"][0]["type"] == "GPU_UTILIZATION"

    # Of every pod, and each series says what it is.
    counted = get(f"{prometheus[1]}/api/v1/query?query=count(DCGM_FI_DEV_GPU_UTIL)by(pod)")["data"]["result"]
    assert len(counted) > 5
    simulated = get(f"{prometheus[1]}/api/v1/metadata?metric=DCGM_FI_DEV_GPU_UTIL")["data"]
    assert simulated["DCGM_FI_DEV_GPU_UTIL"][0]["help"].startswith("Simulated by rollcall demo")

    assert demo.end(signal.SIGINT) == 0, demo.said()
    assert demo.left() == []
    assert not answers(f"{prometheus[1]}/-/ready")


def answers(url: str) -> bool:
    try:
        return bool(read(url))
    except OSError:
        return False


def body_of(url: str) -> dict[str, Any] | None:
    try:
        return get(url)
    except OSError:
        return None
