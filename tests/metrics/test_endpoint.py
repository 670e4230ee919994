"""The metrics endpoint as the contract words it, by what the store alone can tell."""

import csv
import io
from typing import Any

import httpx
import pytest
from support.workload_builders import uid_of

from rollcall.store.pages import Scope
from rollcall_api.metric_models import MeasuredPart, Metrics
from rollcall_api.metric_queries import MetricType
from rollcall_api.models import Error

pytestmark = pytest.mark.anyio

HOUR = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
STORED = {
    "POD_COUNT": ["2", "2", "2", "0"],
    "RUNNING_POD_COUNT": ["2", "1", "1", "0"],
    "GPU_ALLOCATION": ["1.5", "0.5", "0.5", "0"],
    "GPU_MEMORY_REQUEST_BYTES": ["3", "3", "3", "0"],
    "CPU_REQUEST_CORES": ["1.75", "1.25", "1.25", "0"],
    "CPU_LIMIT_CORES": ["2", "2", "2", "0"],
    "CPU_MEMORY_REQUEST_BYTES": [str(2**31), str(2**30), str(2**30), "0"],
    "CPU_MEMORY_LIMIT_BYTES": [str(2**31), str(2**31), str(2**31), "0"],
}
"""At minutes 15, 30, 45 and 60 of the workload of the fixture."""
USED = set(MetricType) - STORED.keys()


def path(workload_id: str) -> str:
    return f"/api/v1/workloads/{workload_id}/metrics"


def values_of(body: dict[str, Any]) -> dict[str, list[str]]:
    return {one["type"]: [sample["value"] for sample in one["values"]] for one in body["measurements"]}


async def ask(client: httpx.AsyncClient, workload_id: str, types: str, **more: str) -> httpx.Response:
    return await client.get(path(workload_id), params={"metricType": types, **HOUR, **more})


async def test_stored_types_are_exact_at_each_instant_of_a_deleted_workload(
    client: httpx.AsyncClient, train: str
) -> None:
    answer = await ask(client, train, ",".join(STORED), numberOfSamples="4")
    assert answer.status_code == 200
    assert values_of(answer.json()) == STORED
    assert list(values_of(answer.json())) == list(STORED), "in the order asked for"
    at = [sample["timestamp"] for sample in answer.json()["measurements"][0]["values"]]
    assert at == [f"2026-01-01T0{hour}:{minute}:00Z" for hour, minute in ((0, 15), (0, 30), (0, 45), (1, "00"))]
    assert answer.headers["X-Rollcall-Observed-At"] == "2026-01-01T00:00:00Z"
    Metrics.model_validate(answer.json())


async def test_twenty_samples_are_the_default_and_none_are_empty_values(client: httpx.AsyncClient, train: str) -> None:
    assert len(values_of((await ask(client, train, "POD_COUNT")).json())["POD_COUNT"]) == 20
    assert len(values_of((await ask(client, train, "POD_COUNT", numberOfSamples="1000")).json())["POD_COUNT"]) == 1000
    answer = await ask(client, train, "POD_COUNT,GPU_ALLOCATION", numberOfSamples="0")
    assert answer.json()["measurements"] == [
        {"type": "POD_COUNT", "values": []},
        {"type": "GPU_ALLOCATION", "values": []},
    ]


async def test_the_last_sample_is_at_the_end_however_the_time_divides(client: httpx.AsyncClient, train: str) -> None:
    times = {"start": "2026-01-01T00:00:00.000001Z", "end": "2026-01-01T00:00:00.000012Z"}
    answer = await client.get(path(train), params={"metricType": "POD_COUNT", **times, "numberOfSamples": "3"})
    (measured,) = answer.json()["measurements"]
    assert [sample["timestamp"][-7:] for sample in measured["values"]] == ["000004Z", "000008Z", "000012Z"]


@pytest.mark.parametrize(
    "types",
    [
        "metricType=POD_COUNT,GPU_ALLOCATION",
        "metricType=POD_COUNT%2CGPU_ALLOCATION",
        "metricType=POD_COUNT&metricType=GPU_ALLOCATION",
        "metricType=POD_COUNT,,POD_COUNT&metricType=&metricType=GPU_ALLOCATION",
        "metricType=WorkloadMetricType.POD_COUNT,WorkloadMetricType.GPU_ALLOCATION",
    ],
)
async def test_types_arrive_as_every_client_sends_them(client: httpx.AsyncClient, train: str, types: str) -> None:
    answer = await client.get(f"{path(train)}?{types}&start=2026-01-01&end=2026-01-02&numberOfSamples=1")
    assert values_of(answer.json()) == {"POD_COUNT": ["0"], "GPU_ALLOCATION": ["0"]}


@pytest.mark.parametrize(
    "end",
    [
        "2026-01-01T00:30:00Z",
        "2026-01-01t00:30:00z",
        "2026-01-01T00:30:00",
        "2026-01-01 00:30",
        "2026-01-01T00:30:00.000000000Z",
        "2026-01-01T02:30:00%2B02:00",
        "2026-01-01T02:30:00+02:00",
        "2025-12-31T23:30:00-0100",
    ],
)
async def test_instants_arrive_as_every_client_sends_them(client: httpx.AsyncClient, train: str, end: str) -> None:
    answer = await client.get(f"{path(train)}?metricType=POD_COUNT&start=2026-01-01&end={end}&numberOfSamples=1")
    assert answer.json()["measurements"][0]["values"] == [{"value": "2", "timestamp": "2026-01-01T00:30:00Z"}]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("start=2026-01-01&end=2026-01-02", "metricType"),
        ("metricType=&start=2026-01-01&end=2026-01-02", "metricType"),
        ("metricType=POD_COUNT,GPU_UTILIZATION_PER_GPU&start=2026-01-01&end=2026-01-02", "'GPU_UTILIZATION_PER_GPU'"),
        ("metricType=pod_count&start=2026-01-01&end=2026-01-02", "metricType"),
        ("metricType=POD_COUNT&end=2026-01-02", "start"),
        ("metricType=POD_COUNT&start=2026-01-01", "end"),
        ("metricType=POD_COUNT&start=2026-01-01&end=", "end"),
        ("metricType=POD_COUNT&start=2026-01-01&end=2026-01-01", "start"),
        ("metricType=POD_COUNT&start=2026-01-02&end=2026-01-01", "start"),
        ("metricType=POD_COUNT&start=1767225600&end=2026-01-02", "start"),
        ("metricType=POD_COUNT&start=2026-W01-1&end=2026-01-02", "start"),
        ("metricType=POD_COUNT&start=2026-02-30&end=2026-03-02", "start"),
        ("metricType=POD_COUNT&start=0001-01-01T00:00:00%2B02:00&end=2026-03-02", "start"),
        ("metricType=POD_COUNT&start=2026-01-01T00:00:00%2B99:00&end=2026-03-02", "start"),
        ("metricType=POD_COUNT&start=2026-01-01&end=2026-01-02&end=2026-01-03", "end"),
        *(
            (f"metricType=POD_COUNT&start=2026-01-01&end=2026-01-02&numberOfSamples={number}", "numberOfSamples")
            for number in ("-1", "1001", "1.5", "", "ten", "%D9%A1", "99999999999999999999")
        ),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(
    client: httpx.AsyncClient, train: str, query: str, named: str
) -> None:
    answer = await client.get(f"{path(train)}?{query}")
    assert answer.status_code == 400
    assert named in Error.model_validate(answer.json()).message


async def test_all_of_time_is_an_interval_too(client: httpx.AsyncClient, train: str) -> None:
    times = {"start": "0001-01-01", "end": "9999-12-31T23:59:59.999999Z", "numberOfSamples": "1000"}
    answer = await ask(client, train, "POD_COUNT", **times)
    assert set(values_of(answer.json())["POD_COUNT"]) == {"0"}


@pytest.mark.parametrize("workload_id", [uid_of("nobody"), "not-an-id", uid_of("train") + "x"])
async def test_no_such_workload_is_not_found(client: httpx.AsyncClient, train: str, workload_id: str) -> None:
    assert train != workload_id
    answer = await ask(client, workload_id, "POD_COUNT")
    assert answer.status_code == 404
    assert Error.model_validate(answer.json()).code == 404


async def test_a_workload_out_of_scope_is_not_found(
    client: httpx.AsyncClient, train: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rights = client._transport.app.state.rights  # noqa: SLF001 - the application under test

    async def scope_of(_authorization: object) -> Scope:
        return Scope(namespaces=frozenset({"another"}))

    monkeypatch.setattr(rights, "scope_of", scope_of)
    assert (await ask(client, train, "POD_COUNT")).status_code == 404


async def test_an_id_in_capitals_is_the_same_id(client: httpx.AsyncClient, train: str) -> None:
    assert (await ask(client, train.upper(), "POD_COUNT")).status_code == 200


async def test_without_a_prometheus_what_is_used_is_told_apart(client: httpx.AsyncClient, train: str) -> None:
    answer = await ask(client, train, ",".join(MetricType), numberOfSamples="4")
    assert answer.status_code == 207
    body = MeasuredPart.model_validate(answer.json())
    assert values_of(answer.json()) == {kind.value: STORED[kind] for kind in MetricType if kind in STORED}
    assert {error.type for error in body.errors} == USED
    assert {error.message for error in body.errors} == {"No Prometheus is configured."}


async def test_when_nothing_can_be_read_it_is_unavailable(client: httpx.AsyncClient, train: str) -> None:
    answer = await ask(client, train, "GPU_UTILIZATION,CPU_USAGE_CORES")
    assert answer.status_code == 503
    message = "GPU_UTILIZATION, CPU_USAGE_CORES: No Prometheus is configured."
    assert answer.json() == {"code": 503, "message": message}
    assert answer.headers["Retry-After"]


async def test_csv_is_for_who_asks_for_it(client: httpx.AsyncClient, train: str) -> None:
    params = {"metricType": "POD_COUNT,GPU_ALLOCATION", **HOUR, "numberOfSamples": "2"}
    answer = await client.get(path(train), params=params, headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["type", "timestamp", "value"],
        ["POD_COUNT", "2026-01-01T00:30:00Z", "2"],
        ["POD_COUNT", "2026-01-01T01:00:00Z", "0"],
        ["GPU_ALLOCATION", "2026-01-01T00:30:00Z", "0.5"],
        ["GPU_ALLOCATION", "2026-01-01T01:00:00Z", "0"],
    ]
    params["metricType"] += ",CPU_USAGE_CORES"
    answer = await client.get(path(train), params=params, headers={"Accept": "text/csv"})
    assert (answer.status_code, len(answer.text.splitlines())) == (207, 5)


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/csv", "application/json"])
async def test_json_is_for_everyone_else(client: httpx.AsyncClient, train: str, accept: str) -> None:
    params = {"metricType": "POD_COUNT", **HOUR}
    answer = await client.get(path(train), params=params, headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"
