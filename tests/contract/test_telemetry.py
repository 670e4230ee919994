"""Telemetry over HTTP: the contract's body, CSV for those who ask, refusals by name."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_pod, a_workload, uid_of

from rollcall.contract import decimal
from rollcall.domain.records import Phase, Resources
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall_api.models import Error
from rollcall_api.telemetry import TelemetryResponse

pytestmark = pytest.mark.anyio

PATH = "/api/v1/workloads/telemetry"
COUNT, GPUS, PENDING = "WORKLOADS_COUNT", "GPU_ALLOCATION", "PENDING_TIME_DISTRIBUTION"


@pytest.fixture
async def three(write) -> None:
    """A workload that runs in two pools, one that runs in one, one that waits, and one that is no more."""
    wide = a_workload(
        "wide",
        phase=Phase.RUNNING,
        current_node_pools=("big", "small"),
        allocated=Resources(gpu_micros=2_500_000),
        department_id="d1",
        department_name="Dep, one",
    )
    near = a_workload(
        "near",
        phase=Phase.RUNNING,
        current_node_pools=("small",),
        allocated=Resources(gpu_micros=333_333),
        project_id="team-b",
        project_name="Team B",
    )
    waits = a_workload("waits", created_at=datetime.now(UTC) - timedelta(seconds=1000))
    pods = (
        a_pod("wide-0", workload="wide", node_pool="big", allocated=Resources(gpu_micros=2_000_000)),
        a_pod("wide-1", workload="wide", node_pool="small", allocated=Resources(gpu_micros=500_000)),
        a_pod("near-0", workload="near", node_pool="small", allocated=Resources(gpu_micros=333_333)),
    )
    gone = a_workload("gone", current_node_pools=("big",), allocated=Resources(gpu_micros=1))
    closed = Gone(uid=gone.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT)
    await write(Batch(workloads=(wide, near, waits, gone), pods=pods, gone_workloads=(closed,)), after=10**9)


async def sums(client: httpx.AsyncClient, kind: str, **parameters: str) -> dict[tuple[str, ...], str]:
    """The values by the values of their groups."""
    answer = await client.get(PATH, params={"telemetryType": kind, **parameters})
    assert answer.status_code == 200, answer.text
    TelemetryResponse.model_validate(answer.json())
    return {
        tuple(group["value"] for group in value.get("groups", ())): value["value"] for value in answer.json()["values"]
    }


@pytest.mark.usefixtures("three")
async def test_the_body_is_the_contracts(client: httpx.AsyncClient) -> None:
    before = datetime.now(UTC)
    answer = await client.get(f"{PATH}?telemetryType={GPUS}&groupBy=ProjectId,Phase")
    body = answer.json()
    at = datetime.fromisoformat(body.pop("timestamp"))
    assert before - timedelta(seconds=5) < at < datetime.now(UTC) + timedelta(seconds=5)
    assert at.tzinfo is not None

    def groups(project: str, name: str, phase: str) -> list[dict[str, str]]:
        return [
            {"key": "ProjectId", "value": project, "name": name},
            {"key": "Phase", "value": phase, "name": phase},
        ]

    assert body == {
        "type": "GPU_ALLOCATION",
        "values": [
            {"value": "0", "groups": groups("team-a", "team-a", "Pending")},
            {"value": "2.5", "groups": groups("team-a", "team-a", "Running")},
            {"value": "0.333333", "groups": groups("team-b", "Team B", "Running")},
        ],
    }
    assert answer.headers["X-Rollcall-Observed-At"] == "2026-01-01T00:00:00Z"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Vary"] == "Accept"


async def test_without_groups_it_is_one_value_also_of_nothing(client: httpx.AsyncClient) -> None:
    for kind in (COUNT, GPUS):
        body = (await client.get(f"{PATH}?telemetryType={kind}")).json()
        assert body["values"] == [{"value": "0"}]
        assert (await client.get(f"{PATH}?telemetryType={kind}&groupBy=Type")).json()["values"] == []


@pytest.mark.usefixtures("three")
async def test_every_filter_narrows(client: httpx.AsyncClient) -> None:
    assert await sums(client, COUNT) == {(): "3"}
    assert await sums(client, COUNT, clusterId=uid_of("cluster")) == {(): "3"}
    assert await sums(client, COUNT, clusterId=uid_of("another")) == {(): "0"}
    assert await sums(client, COUNT, clusterId="no uuid at all") == {(): "0"}
    assert await sums(client, COUNT, departmentId="d1") == {(): "1"}
    assert await sums(client, COUNT, departmentId="' OR 1=1 --") == {(): "0"}
    assert await sums(client, COUNT, nodepoolName="big") == {(): "1"}
    assert await sums(client, COUNT, nodepoolName="small") == {(): "2"}
    assert await sums(client, COUNT, nodepoolName="%") == {(): "0"}
    assert await sums(client, COUNT, filterByPhases="Running") == {(): "2"}
    assert await sums(client, COUNT, filterByPhases="Running,Pending") == {(): "3"}
    assert await sums(client, COUNT, filterByPhases="Failed") == {(): "0"}


@pytest.mark.usefixtures("three")
async def test_gpus_are_where_the_pods_run(client: httpx.AsyncClient) -> None:
    assert await sums(client, GPUS) == {(): "2.833333"}
    assert await sums(client, GPUS, nodepoolName="big") == {(): "2"}
    assert await sums(client, GPUS, nodepoolName="small") == {(): "0.833333"}
    assert await sums(client, GPUS, groupBy="CurrentNodepools") == {("big",): "2", ("small",): "0.833333"}
    assert await sums(client, COUNT, groupBy="CurrentNodepools") == {("big",): "1", ("small",): "2"}
    assert await sums(client, GPUS, groupBy="CurrentNodepools", nodepoolName="big") == {("big",): "2"}


@pytest.mark.usefixtures("three")
async def test_pending_ones_are_split_by_how_long_they_have_been_so(client: httpx.AsyncClient) -> None:
    assert await sums(client, PENDING) == {("0-60",): "0", ("60-300",): "0", ("300-1800",): "1", ("1800-",): "0"}
    by_project = await sums(client, PENDING, groupBy="ProjectId")
    assert by_project[("team-a", "300-1800")] == "1"
    assert len(by_project) == 4
    value = (await client.get(f"{PATH}?telemetryType={PENDING}")).json()["values"][0]
    assert value["groups"] == [{"key": "PendingTime", "value": "0-60", "name": "0-60"}]


@pytest.mark.usefixtures("three")
async def test_a_cluster_has_its_display_name(client: httpx.AsyncClient) -> None:
    body = (await client.get(f"{PATH}?telemetryType={COUNT}&groupBy=ClusterId")).json()
    assert body["values"] == [
        {"value": "3", "groups": [{"key": "ClusterId", "value": uid_of("cluster"), "name": "test"}]}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "groupBy=ProjectId,Phase",
        "groupBy=ProjectId%2CPhase",
        "groupBy=ProjectId&groupBy=Phase",
        "groupBy=,ProjectId,,Phase,&groupBy=",
    ],
)
@pytest.mark.usefixtures("three")
async def test_an_array_comes_in_any_spelling(client: httpx.AsyncClient, query: str) -> None:
    plain = (await client.get(PATH, params={"telemetryType": COUNT, "groupBy": "ProjectId,Phase"})).json()
    other = (await client.get(f"{PATH}?telemetryType=WorkloadTelemetryType.{COUNT}&{query}")).json()
    assert other["values"] == plain["values"]
    assert len(other["values"]) == 3
    assert other["type"] == COUNT


@pytest.mark.usefixtures("three")
async def test_a_group_asked_for_twice_is_one_and_an_empty_name_asks_for_nothing(client: httpx.AsyncClient) -> None:
    assert await sums(client, COUNT, groupBy="Type,Type") == {("Job",): "3"}
    assert await sums(client, COUNT, clusterId="", nodepoolName="", departmentId="", groupBy="") == {(): "3"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "telemetryType"),
        ("telemetryType=", "telemetryType"),
        ("telemetryType=workloads_count", "telemetryType"),
        ("telemetryType=WORKLOADS_COUNT,GPU_ALLOCATION", "telemetryType"),
        ("telemetryType=WORKLOADS_COUNT&telemetryType=GPU_ALLOCATION", "telemetryType"),
        ("telemetryType=WorkloadTelemetryType.WorkloadTelemetryType.GPU_ALLOCATION", "telemetryType"),
        ("telemetryType=WORKLOADS_COUNT&groupBy=Namespace", "groupBy"),
        ("telemetryType=WORKLOADS_COUNT&groupBy=phase", "groupBy"),
        ("telemetryType=WORKLOADS_COUNT&groupBy=PendingTime", "groupBy"),
        ("telemetryType=WORKLOADS_COUNT&groupBy=Phase,Type,Category", "at most 2"),
        ("telemetryType=PENDING_TIME_DISTRIBUTION&groupBy=Phase,Type", "at most 1"),
        ("telemetryType=WORKLOADS_COUNT&filterByPhases=running", "filterByPhases"),
        ("telemetryType=WORKLOADS_COUNT&filterByPhases=Running,Suspending", "filterByPhases"),
        ("telemetryType=WORKLOADS_COUNT&clusterId=a&clusterId=b", "clusterId"),
        ("telemetryType=WORKLOADS_COUNT&nodepoolName=%00", "nodepoolName"),
        ("telemetryType=WORKLOADS_COUNT&departmentId=%FF", "departmentId"),
        (f"telemetryType=WORKLOADS_COUNT&groupBy={'Phase,' * 5000}", "at most 2"),
    ],
    ids=lambda given: given[:60],
)
async def test_what_cannot_be_read_is_a_400_that_names_it(client: httpx.AsyncClient, query: str, words: str) -> None:
    answer = await client.get(f"{PATH}?{query}", headers={"Accept": "text/csv"})
    assert answer.status_code == 400
    assert words in Error.model_validate(answer.json()).message


async def table(client: httpx.AsyncClient, query: str) -> list[list[str]]:
    answer = await client.get(f"{PATH}?{query}", headers={"Accept": "text/csv"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["X-Rollcall-Observed-At"]
    assert answer.headers["Vary"] == "Accept"
    return list(csv.reader(io.StringIO(answer.text, newline="")))


@pytest.mark.usefixtures("three")
async def test_csv_has_a_column_for_each_key_and_name(client: httpx.AsyncClient) -> None:
    columns, *lines = await table(client, f"telemetryType={GPUS}&groupBy=DepartmentId,CurrentNodepools")
    assert columns == ["timestamp", "type", "DepartmentId", "DepartmentName", "CurrentNodepools", "value"]
    assert [line[1:] for line in lines] == [
        [GPUS, "d1", "Dep, one", "big", "2"],
        [GPUS, "d1", "Dep, one", "small", "0.5"],
        [GPUS, "default", "default", "small", "0.333333"],
    ]
    assert all(datetime.fromisoformat(line[0]).tzinfo for line in lines)


@pytest.mark.usefixtures("three")
async def test_csv_of_the_other_forms(client: httpx.AsyncClient) -> None:
    columns, line = await table(client, f"telemetryType={COUNT}")
    assert (columns, line[1:]) == (["timestamp", "type", "value"], [COUNT, "3"])
    columns, *lines = await table(client, f"telemetryType={PENDING}&groupBy=ClusterId")
    assert columns == ["timestamp", "type", "ClusterId", "ClusterName", "PendingTime", "value"]
    assert [line[3:] for line in lines] == [
        ["test", "0-60", "0"],
        ["test", "60-300", "0"],
        ["test", "300-1800", "1"],
        ["test", "1800-", "0"],
    ]


@pytest.mark.usefixtures("three")
async def test_it_is_one_statement(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await sums(client, COUNT)  # which looks at the schema first
    async with engine.begin() as connection:
        await touch_cluster(connection, cluster_id="c2", name="second", watches_observed_at=START)
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await sums(client, GPUS, groupBy="CurrentNodepools,ClusterId", nodepoolName="small", filterByPhases="Running")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("amount", "per_unit", "text"),
    [
        (0, 1, "0"),
        (7, 1, "7"),
        (1, 1_000_000, "0.000001"),
        (1_000_000, 1_000_000, "1"),
        (-1_500_000, 1_000_000, "-1.5"),
        (10**30 + 1, 1_000_000, "1000000000000000000000000.000001"),
        (10_000_000, 1_000_000, "10"),
    ],
)
async def test_a_decimal_is_exact(amount: int, per_unit: int, text: str) -> None:
    assert decimal(amount, per_unit) == text
