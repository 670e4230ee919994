"""What inference servers say of their requests: counts, histograms and percentiles over the pods of a workload."""

from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.measured import Asking, Writing, at, every_half_minute
from support.prometheus import PrometheusServer
from support.workload_builders import a_pod, uid_of

from rollcall_api.measures import quantile
from rollcall_api.metric_models import Metrics

pytestmark = pytest.mark.anyio

TTFT, E2E = "time_to_first_token_seconds_bucket", "e2e_request_latency_seconds_bucket"


async def ask(client: httpx.AsyncClient, *types: str, pod: str | None = None, samples: int = 1) -> dict[str, Any]:
    params = {
        "metricType": ",".join(types),
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-01T01:00:00Z",
        "numberOfSamples": str(samples),
    }
    of_pod = "" if pod is None else f"/pods/{uid_of(pod)}"
    answer = await client.get(f"/api/v1/workloads/{uid_of('train')}{of_pod}/metrics", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    if pod is None:
        Metrics.model_validate(body)
    return body


def data_of(body: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    return {one["type"]: [value["data"] for value in one["values"]] for one in body["histogram"]}


def values_of(body: dict[str, Any]) -> dict[str, list[str]]:
    return {one["type"]: [value["value"] for value in one["values"]] for one in body["measurements"]}


def write_buckets(
    server: PrometheusServer, name: str, labels: dict[str, str], counts: Iterable[tuple[str, float]]
) -> None:
    """Counts that grow by so many a minute, from nought ten minutes before."""
    for le, each in counts:
        samples = every_half_minute(lambda minute, each=each: (minute + 10) * each)
        server.write(name, {**labels, "le": le}, samples)


@pytest.mark.parametrize("prefix", ["", "vllm:"])
async def test_requests_are_summed_over_the_pods_and_the_cache_is_their_mean(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, prefix: str
) -> None:
    await write(a_pod("a", namespace=namespace), a_pod("b", namespace=namespace))
    names = {
        "NIM_NUM_REQUESTS_RUNNING": "num_requests_running",
        "NIM_NUM_REQUESTS_WAITING": "num_requests_waiting",
        "NIM_NUM_REQUEST_MAX": "num_request_max",
        "NIM_REQUEST_SUCCESS_TOTAL": "request_success_total",
        "NIM_REQUEST_FAILURE_TOTAL": "request_failure_total",
    }
    for place, name in enumerate(names.values()):
        for pod, amount in (("a", 1), ("b", 100), ("else", 10_000)):
            for model in ("x", "y"):
                labels = {"namespace": namespace, "pod": pod, "model_name": model}
                server.write(f"{prefix}{name}", labels, every_half_minute(amount * (place + 1)))
    for pod, share, name in (("a", 0.25, "gpu_cache_usage_perc"), ("b", 0.75, "kv_cache_usage_perc")):
        server.write(f"{prefix}{name}", {"namespace": namespace, "pod": pod}, every_half_minute(share))
    types = (*names, "NIM_GPU_CACHE_USAGE_PERC")
    of_workload = values_of(await ask(api(server.url), *types))
    assert of_workload == {
        **{kind: [str(202 * (place + 1))] for place, kind in enumerate(names)},
        "NIM_GPU_CACHE_USAGE_PERC": ["50"],
    }
    of_pod = values_of(await ask(api(server.url), *types, pod="b"))
    assert of_pod == {
        **{kind: [str(200 * (place + 1))] for place, kind in enumerate(names)},
        "NIM_GPU_CACHE_USAGE_PERC": ["75"],
    }


async def test_a_histogram_is_the_counts_up_to_each_bound(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace), a_pod("b", namespace=namespace, created_at=at(40)))
    # The same bound as two servers write it.
    write_buckets(server, TTFT, {"namespace": namespace, "pod": "a"}, (("0.25", 1), ("1", 2), ("10", 3), ("+Inf", 4)))
    write_buckets(
        server,
        f"vllm:{TTFT}",
        {"namespace": namespace, "pod": "b"},
        (("0.25", 10), ("1.0", 20), ("10.0", 20), ("+Inf", 20)),
    )
    body = await ask(api(server.url), "GPU_ALLOCATION", "NIM_TIME_TO_FIRST_TOKEN_SECONDS", samples=2)
    assert [one["type"] for one in body["measurements"]] == ["GPU_ALLOCATION"]
    assert data_of(body) == {
        "NIM_TIME_TO_FIRST_TOKEN_SECONDS": [
            {"0.25": "40", "1": "80", "10": "120", "+Inf": "160"},
            {"0.25": "770", "1": "1540", "10": "1610", "+Inf": "1680"},
        ]
    }
    assert [list(data) for data in data_of(body)["NIM_TIME_TO_FIRST_TOKEN_SECONDS"]] == [
        ["0.25", "1", "10", "+Inf"]
    ] * 2
    of_pod = await ask(api(server.url), "NIM_TIME_TO_FIRST_TOKEN_SECONDS", pod="b", samples=2)
    assert data_of(of_pod) == {
        "NIM_TIME_TO_FIRST_TOKEN_SECONDS": [{"0.25": "700", "1": "1400", "10": "1400", "+Inf": "1400"}]
    }
    assert of_pod["measurements"] == []


@pytest.mark.parametrize(
    ("kind", "name"), [("NIM_TIME_TO_FIRST_TOKEN_SECONDS", TTFT), ("NIM_E2E_REQUEST_LATENCY_SECONDS", E2E)]
)
async def test_percentiles_are_those_that_prometheus_itself_estimates(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing, kind: str, name: str
) -> None:
    await write(a_pod("a", namespace=namespace), a_pod("b", namespace=namespace))
    counts = {"a": (3, 50, 90, 98, 99), "b": (1, 2, 40, 90, 100)}
    for pod, each in counts.items():
        bounds = ("0.1", "0.5", "2.5", "10", "+Inf")
        write_buckets(server, name, {"namespace": namespace, "pod": pod}, zip(bounds, each, strict=True))
    body = await ask(api(server.url), f"{kind}_PERCENTILES", kind)
    assert list(data_of(body)) == [f"{kind}_PERCENTILES", kind]
    (found,) = data_of(body)[f"{kind}_PERCENTILES"]
    assert list(found) == ["p50", "p90", "p99"]
    for percentile, value in found.items():
        share = int(percentile[1:]) / 100
        query = f'histogram_quantile({share}, sum by (le) (increase({name}{{namespace="{namespace}"}}[120s])))'
        assert float(value) == pytest.approx(server.says(query, at(60)))


async def test_without_requests_there_is_a_histogram_and_no_percentile(
    server: PrometheusServer, namespace: str, api: Asking, write: Writing
) -> None:
    await write(a_pod("a", namespace=namespace))
    for le in ("0.1", "+Inf"):
        server.write(TTFT, {"namespace": namespace, "pod": "a", "le": le}, every_half_minute(5))
    kinds = ("NIM_TIME_TO_FIRST_TOKEN_SECONDS", "NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES")
    body = await ask(api(server.url), *kinds, "NIM_E2E_REQUEST_LATENCY_SECONDS")
    assert data_of(body) == {kinds[0]: [{"0.1": "5", "+Inf": "5"}], kinds[1]: [], "NIM_E2E_REQUEST_LATENCY_SECONDS": []}


@pytest.mark.parametrize(
    ("share", "buckets", "wanted"),
    [
        (0.5, [(1.0, 10.0), (2.0, 20.0), (float("inf"), 20.0)], 1.0),
        (0.75, [(1.0, 10.0), (2.0, 20.0), (float("inf"), 20.0)], 1.5),
        (0.5, [(2.0, 10.0), (float("inf"), 10.0)], 1.0),
        (0.9, [(1.0, 1.0), (float("inf"), 10.0)], 1.0),
        (0.5, [(-1.0, 5.0), (float("inf"), 5.0)], -1.0),
        (0.5, [(1.0, 4.0), (2.0, 3.0), (float("inf"), 4.0)], 0.5),
        (0.5, [(1.0, 0.0), (float("inf"), 0.0)], None),
        (0.5, [(1.0, 1.0), (2.0, 2.0)], None),
        (0.5, [(float("inf"), 2.0)], None),
        (0.01, [(1.0, 5e-324), (float("inf"), 5e-324)], 0.0),
        (0.99, [(569203.8752530083, 5e-324), (float("inf"), 5e-324)], 569203.8752530083),
        (0.5, [], None),
    ],
)
def test_a_quantile_lies_between_the_bounds_of_its_bucket(
    share: float, buckets: list[tuple[float, float]], wanted: float | None
) -> None:
    assert quantile(share, buckets) == (wanted if wanted is None else pytest.approx(wanted))


@given(
    st.floats(0.01, 0.99),
    st.lists(st.floats(0.001, 1e6), min_size=1, max_size=8, unique=True),
    st.lists(st.floats(0, 1e6), min_size=9, max_size=9),
)
def test_a_quantile_is_never_outside_of_all_bounds(share: float, bounds: list[float], counts: list[float]) -> None:
    buckets = [*zip(sorted(bounds), counts, strict=False), (float("inf"), counts[-1])]
    found = quantile(share, buckets)
    assert (found is None) == (max(count for _, count in buckets) == 0)
    assert found is None or 0 <= found <= max(bounds)
