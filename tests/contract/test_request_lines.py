"""The request lines of real clients as they were captured, byte for byte over a socket, each with its whole answer."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from support.api_process import ApiProcess
from support.wire import send
from support.workload_builders import START, a_pod, a_request, a_workload

from rollcall.domain.records import Phase
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch

ID = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
CLUSTER = "d73a738f-fab3-430a-8fa3-5241493d7128"
CORE = "/api/v1/workloads"

RUNS = {"phase": Phase.RUNNING, "allocated": a_request(2).requests, "current_node_pools": ("default",)}
LIVE = (
    a_workload("train", uid=ID, department_id="1", **RUNS),
    a_workload("a,b", phase=Phase.RUNNING, submitted_by=None),
    a_workload("a b", phase=Phase.RUNNING, created_at=START + timedelta(seconds=1)),
    a_workload('a/b&c#d%é"', phase=Phase.PENDING, submitted_by="a+b@c.io"),
    a_workload("a-tr ain-z", phase=Phase.FAILED, submitted_by="a+b@c.io", project_name="test-project"),
)
GONE = (a_workload("old", project_id="1", phase=Phase.RUNNING), a_workload("older", phase=Phase.COMPLETED))
ALL = ["a b", "a,b", "a-tr ain-z", 'a/b&c#d%é"', "train"]
IN_PROGRESS = ["a b", "a,b", 'a/b&c#d%é"', "train"]


@pytest.fixture(scope="module")
def api(shared_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """A running API with workloads that the captured lines tell apart."""
    closed = tuple(Gone(uid=record.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT) for record in GONE)

    async def write() -> None:
        engine = create_engine(shared_database, application_name="test")
        async with engine.begin() as connection:
            pod = a_pod(workload_uid=ID, node_pool="default", allocated=a_request(2).requests)
            batch = Batch(workloads=LIVE + GONE, pods=(pod,), gone_workloads=closed)
            await write_batch(connection, CLUSTER, batch, observed_at=START)
            await touch_cluster(connection, cluster_id=CLUSTER, name="test", watches_observed_at=START)
        await engine.dispose()

    asyncio.run(write())
    with ApiProcess(tmp_path_factory.mktemp("api"), shared_database) as api:
        yield api
        assert "Traceback" not in api.log()


def names(body: dict[str, Any]) -> list[str]:
    """What is on a page, and that it is the only one."""
    assert "next" not in body
    return sorted(found["name"] for found in body["workloads"])


LISTS: dict[str, list[str]] = {
    "?": ALL,
    (
        "?deleted=true&offset=100&limit=500&sortOrder=desc&sortBy=createdAt"
        "&filterBy=name%21%3Dsome-workload-name%2CallocatedGPU%3E%3D2%2CcreatedAt%3E%3D2021-01-01T00%3A00%3A00Z"
    ): [],
    "?deleted=false": ALL,
    "?filterBy=phase%3D%3DRunning": ["a b", "a,b", "train"],
    "?filterBy=name%3D%40tr%20ain%2Cname%21%40x%2Cname%3D%5Ea%2Cname%3D%24z%2CsubmittedBy%3D%3Da%2Bb%40c.io": [
        "a-tr ain-z"
    ],
    "?filterBy=name%3D%3Da%2Cb%2Cphase%3D%3DRunning": ["a,b"],
    "?filterBy=name%3D%3Da/b%26c%23d%25%C3%A9%22": ['a/b&c#d%é"'],
    "?filterBy=": ALL,
    "?search=test%20project": ["a-tr ain-z"],
    # The asynchronous client leaves commas and colons bare.
    "?limit=5&filterBy=name%3D%3Da%20b,createdAt%3E%3D2021-01-01T00:00:00Z,phase%3D%3DRunning": ["a b"],
    # An older client.
    "?filterBy=clusterId%3D%3Dabc%2Cphase%3D%3DRunning&sortOrder=desc&limit=500&deleted=True&sortBy=createdAt": [],
    # A collector.
    "?limit=500&offset=0&filterBy=phase=$ing": IN_PROGRESS,
    "?limit=500&offset=500&filterBy=phase=$ing": [],
}


@pytest.mark.parametrize("query", LISTS)
def test_a_list(api: ApiProcess, query: str) -> None:
    reply = send(api, f"GET {CORE}{query}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert names(json.loads(reply.body)) == LISTS[query]
    assert reply.headers["x-rollcall-observed-at"] == "2026-01-01T00:00:00Z"


def test_the_first_of_a_page(api: ApiProcess) -> None:
    body = json.loads(send(api, f"GET {CORE}?offset=0&limit=1").body)
    assert ([found["createdAt"] for found in body["workloads"]], body["next"]) == (["2026-01-01T00:00:00Z"], 1)


def test_a_count_of_the_deleted(api: ApiProcess) -> None:
    reply = send(api, f"GET {CORE}/count?deleted=true&filterBy=projectId%3D%3D1")
    assert (reply.status, json.loads(reply.body)) == (200, {"count": 1})


def test_one(api: ApiProcess) -> None:
    reply = send(api, f"GET {CORE}/{ID}")
    assert reply.status == 200
    found = json.loads(reply.body)
    assert (found["id"], found["name"], found["pendingSchedulingMessages"]) == (ID, "train", None)


TELEMETRY: dict[str, list[dict[str, Any]]] = {
    "telemetryType=WorkloadTelemetryType.WORKLOADS_COUNT": [{"value": "5"}],
    (
        f"clusterId={CLUSTER}&nodepoolName=default&departmentId=1&groupBy=ProjectId%2CPhase"
        "&telemetryType=GPU_ALLOCATION"
    ): [
        {
            "value": "2",
            "groups": [
                {"key": "ProjectId", "value": "team-a", "name": "team-a"},
                {"key": "Phase", "value": "Running", "name": "Running"},
            ],
        }
    ],
    "telemetryType=WORKLOADS_COUNT&filterByPhases=Running%2CPending": [{"value": "4"}],
}


@pytest.mark.parametrize("query", TELEMETRY)
def test_telemetry(api: ApiProcess, query: str) -> None:
    reply = send(api, f"GET {CORE}/telemetry?{query}")
    assert reply.status == 200
    body = json.loads(reply.body)
    kind = "GPU_ALLOCATION" if "GPU_ALLOCATION" in query else "WORKLOADS_COUNT"
    assert (body["type"], body["values"]) == (kind, TELEMETRY[query])


USED = "GPU_UTILIZATION%2CCPU_USAGE_CORES"
NOT_MEASURED = (503, "GPU_UTILIZATION, CPU_USAGE_CORES: ")  # measured types alone, where nothing measures
NO_WORKLOAD = (404, "no workload with this id")
METRICS: dict[str, tuple[int, str]] = {
    (
        f"{ID}/metrics?metricType={USED}"
        "&start=2023-06-06T12%3A09%3A18.211Z&end=2023-06-07T12%3A09%3A18.211Z&numberOfSamples=20"
    ): NOT_MEASURED,
    # What the captured lines ask for is nobody's id.
    (
        f"w/metrics?metricType={USED}"
        "&start=2023-06-06T12%3A09%3A18.211000%2B00%3A00&end=2023-06-07T00%3A00%3A00%2B00%3A00"
    ): NO_WORKLOAD,
    "w/metrics?metricType=POD_COUNT&start=2023-06-06T12%3A09%3A18.211000&end=2023-06-07T00%3A00%3A00": NO_WORKLOAD,
    "w/metrics?metricType=POD_COUNT&start=2023-06-06T00%3A00%3A00%2B02%3A00&end=2023-06-07": NO_WORKLOAD,
    (
        "w/metrics?metricType=GPU_UTILIZATION,CPU_USAGE_CORES"
        "&start=2023-06-06T00:00:00%2B00:00&end=2023-06-07T00:00:00%2B00:00"
    ): NO_WORKLOAD,
    (
        "w/metrics?start=2023-06-06T00%3A00%3A00Z&end=2023-06-07T00%3A00%3A00Z"
        "&metricType=GPU_UTILIZATION&metricType=CPU_USAGE_CORES&numberOfSamples=20"
    ): NO_WORKLOAD,
}


@pytest.mark.parametrize("target", METRICS)
def test_metrics_that_are_not_to_be_had(api: ApiProcess, target: str) -> None:
    status, words = METRICS[target]
    reply = send(api, f"GET {CORE}/{target}")
    assert reply.status == status
    assert words in reply.error()


@pytest.mark.parametrize("target", [found for found in METRICS if found.startswith("w/")])
def test_the_same_lines_with_an_id_read_as_they_are_meant(api: ApiProcess, target: str) -> None:
    """Naive instants, days, offsets and repeated keys: each is a good question once its workload is there."""
    reply = send(api, f"GET {CORE}/{target.replace('w/', f'{ID}/', 1)}")
    if "POD_COUNT" not in target:
        assert (reply.status, NOT_MEASURED[1] in reply.error()) == (503, True)
        return
    assert reply.status == 200
    (found,) = json.loads(reply.body)["measurements"]
    assert (found["type"], len(found["values"])) == ("POD_COUNT", 20)
    assert {sample["value"] for sample in found["values"]} == {"0"}, "before it was there"
    assert found["values"][-1]["timestamp"] == "2023-06-07T00:00:00Z"


@pytest.mark.parametrize("query", ["metricType=POD_COUNT,RUNNING_POD_COUNT,GPU_ALLOCATION"])
def test_a_collector_reads_one_sample_of_many_types(api: ApiProcess, query: str) -> None:
    window = "start=2026-01-01T00:00:00Z&end=2026-01-01T00:01:00Z&numberOfSamples=1"
    reply = send(api, f"GET {CORE}/{ID}/metrics?{query}&{window}")
    found = {one["type"]: one["values"] for one in json.loads(reply.body)["measurements"]}
    at = "2026-01-01T00:01:00Z"
    assert found == {
        "POD_COUNT": [{"value": "1", "timestamp": at}],
        "RUNNING_POD_COUNT": [{"value": "1", "timestamp": at}],
        "GPU_ALLOCATION": [{"value": "2", "timestamp": at}],
    }
