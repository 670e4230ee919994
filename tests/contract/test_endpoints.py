"""List, get and count as the contract words them."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_workload, uid_of

from rollcall.contract import Setting, workload_json
from rollcall.domain.attachments import Connection, ConnectionType, Datasource, DatasourceType, Topology
from rollcall.domain.records import Phase, PhaseReason, Resources, SchedulingMessage
from rollcall.store.fields import Field
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall_api.models import Count, Error, WorkloadDetailed, WorkloadList
from rollcall_api.records import Records

pytestmark = pytest.mark.anyio

DELETED = Gone(uid=uid_of("train"), observed_version=99, at=START + timedelta(minutes=1), seen=DeletionSeen.EXACT)


async def test_an_empty_view_is_an_empty_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/workloads")
    assert (answer.status_code, answer.json()) == (200, {"workloads": []})
    assert (await client.get("/api/v1/workloads/count")).json() == {"count": 0}


async def test_every_answer_says_how_fresh_the_view_is(client: httpx.AsyncClient, write) -> None:
    await write(Batch(workloads=(a_workload(),)))
    for path in ("/api/v1/workloads", "/api/v1/workloads/count", f"/api/v1/workloads/{uid_of('train')}"):
        assert (await client.get(path)).headers["X-Rollcall-Observed-At"] == "2026-01-01T00:00:00Z"


async def test_the_answers_are_of_the_documented_form(client: httpx.AsyncClient, write) -> None:
    await write(Batch(workloads=(a_workload(), a_workload("other", submitted_by=None, phase=Phase.RUNNING))))
    listed = WorkloadList.model_validate((await client.get("/api/v1/workloads")).json())
    assert len(listed.workloads) == 2
    WorkloadDetailed.model_validate((await client.get(f"/api/v1/workloads/{uid_of('train')}")).json())
    assert Count.model_validate((await client.get("/api/v1/workloads/count")).json()).count == 2


async def test_a_key_without_a_value_is_left_out_unless_it_may_be_null(client: httpx.AsyncClient, write) -> None:
    bare = a_workload(submitted_by=None, phase_message=None, requested_pods=None, images=(), command=None)
    await write(Batch(workloads=(bare,)))
    (found,) = (await client.get("/api/v1/workloads")).json()["workloads"]
    assert {"submittedBy", "phaseMessage", "requestedPods", "images", "command"} & set(found) == set()
    assert found["deletedAt"] is None
    assert found["completedAt"] is None


async def test_what_hangs_on_a_workload_is_served_in_the_contracts_words(client: httpx.AsyncClient, write) -> None:
    claim = Datasource(type=DatasourceType.PVC, name="data")
    messages = (SchedulingMessage(node_pool="big", phase_reason=PhaseReason.OVER_LIMIT, reason="OverLimit"),)
    full = a_workload(
        datasources=(claim, Datasource(type=DatasourceType.CONFIG_MAP, name="data")),
        environment=(("A", "1"),),
        urls=("https://llm.example.com",),
        connections=(Connection(name="llm", type=ConnectionType.EXTERNAL_URL, url="https://llm.example.com"),),
        topology=Topology(name="dc", required="rack"),
        pending_scheduling_messages=messages,
    )
    await write(Batch(workloads=(full, a_workload("other", datasources=(claim,)))))
    listed = {one["name"]: one for one in (await client.get("/api/v1/workloads")).json()["workloads"]}
    found, other = listed["train"], listed["other"]
    assert found["environmentVariables"] == {"A": "1"}
    assert found["urls"] == ["https://llm.example.com"]
    assert found["externalConnections"] == [
        {"name": "llm", "toolType": "custom", "connectionType": "ExternalUrl", "url": "https://llm.example.com"}
    ]
    assert found["topology"] == {"name": "dc", "requiredPlacement": "rack"}
    assert [(one["type"], one["name"]) for one in found["datasources"]] == [("pvc", "data"), ("config-map", "data")]
    ids = [UUID(one["id"]) for one in (*found["datasources"], *other["datasources"])]
    assert ids[0] == ids[2] != ids[1], "the same data has one id"
    assert {"environmentVariables", "urls", "externalConnections"} & set(other) == set()
    assert other["topology"] is None
    assert "pendingSchedulingMessages" not in found
    alone = WorkloadDetailed.model_validate((await client.get(f"/api/v1/workloads/{found['id']}")).json())
    assert alone.pendingSchedulingMessages is not None
    assert [one.nodePool for one in alone.pendingSchedulingMessages] == ["big"]
    without = (await client.get(f"/api/v1/workloads/{other['id']}")).json()
    assert without["pendingSchedulingMessages"] is None


async def test_pages_follow_each_other_without_a_hole(client: httpx.AsyncClient, write) -> None:
    await write(Batch(workloads=tuple(a_workload(f"w{number:03}") for number in range(7))))
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        body = (await client.get(f"/api/v1/workloads?limit=3&offset={offset}")).json()
        seen += [workload["name"] for workload in body["workloads"]]
        offset = body.get("next")
    assert sorted(seen) == [f"w{number:03}" for number in range(7)]
    assert len(seen) == 7


async def test_a_page_that_ends_exactly_has_no_next(client: httpx.AsyncClient, write) -> None:
    await write(Batch(workloads=tuple(a_workload(f"w{number}") for number in range(4))))
    assert "next" not in (await client.get("/api/v1/workloads?limit=4")).json()
    assert (await client.get("/api/v1/workloads?limit=3")).json()["next"] == 3


async def test_nulls_come_last_in_both_directions(client: httpx.AsyncClient, write) -> None:
    await write(
        Batch(workloads=(a_workload("a", submitted_by=None), a_workload("b", submitted_by="x"), a_workload("c")))
    )
    for order in ("asc", "desc"):
        body = (await client.get(f"/api/v1/workloads?sortBy=submittedBy&sortOrder={order}")).json()
        assert body["workloads"][-1]["name"] == "a"


async def test_phases_sort_by_life_not_by_alphabet(client: httpx.AsyncClient, write) -> None:
    phases = (Phase.COMPLETED, Phase.CREATING, Phase.RUNNING, Phase.PENDING)
    await write(Batch(workloads=tuple(a_workload(phase.value, phase=phase) for phase in phases)))
    body = (await client.get("/api/v1/workloads?sortBy=phase")).json()
    assert [found["phase"] for found in body["workloads"]] == ["Creating", "Pending", "Running", "Completed"]


@pytest.mark.parametrize("key", list(Field))
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("deleted", ["true", "false"])
async def test_every_sort_key_is_a_total_order(
    client: httpx.AsyncClient, write, key: Field, order: str, deleted: str
) -> None:
    records = tuple(a_workload(f"w{number}") for number in range(3))
    gone = tuple(Gone(uid=one.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT) for one in records)
    await write(Batch(workloads=records, gone_workloads=gone if deleted == "true" else ()))
    query = f"/api/v1/workloads?sortBy={key}&sortOrder={order}&deleted={deleted}"
    first = (await client.get(query)).json()["workloads"]
    assert len(first) == 3
    singles = [(await client.get(f"{query}&limit=1&offset={place}")).json()["workloads"][0] for place in range(3)]
    assert [one["id"] for one in singles] == [one["id"] for one in first]


async def test_deleted_ones_are_listed_apart_and_still_to_be_had(client: httpx.AsyncClient, write) -> None:
    await write(Batch(workloads=(a_workload(allocated=Resources(gpu_micros=1)),), gone_workloads=(DELETED,)))
    assert (await client.get("/api/v1/workloads")).json()["workloads"] == []
    (found,) = (await client.get("/api/v1/workloads?deleted=true")).json()["workloads"]
    assert found["deletedAt"] == "2026-01-01T00:01:00Z"
    assert found["allocatedResources"]["gpu"] == 0
    assert (await client.get("/api/v1/workloads/count?deleted=true")).json() == {"count": 1}
    assert (await client.get(f"/api/v1/workloads/{uid_of('train')}")).json()["deletedAt"] is not None


async def test_a_list_is_one_statement(client: httpx.AsyncClient, engine: AsyncEngine, write) -> None:
    await write(Batch(workloads=tuple(a_workload(f"w{number}") for number in range(5))))
    assert (await client.get("/readyz")).status_code == 503  # whatever it says, it has looked at the schema
    statements: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_rest) -> None:
        statements.append(statement)

    asked = "filterBy=phase==Pending,nodepool!@x,createdAt<=2026-01-01&search=w%20job"
    for path in (
        "/api/v1/workloads?limit=2&offset=1",
        f"/api/v1/workloads?limit=2&sortBy=phase&{asked}",
        "/api/v1/workloads/count",
        f"/api/v1/workloads/count?{asked}",
        f"/api/v1/workloads/{uid_of('w1')}",
    ):
        statements.clear()
        assert (await client.get(path)).status_code == 200
        assert len(statements) == 1, statements


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("offset=-1", "offset"),
        ("offset=2147483648", "offset"),
        ("deleted=maybe", "deleted"),
        ("sortBy=nonsense", "sortBy"),
        ("sortBy=", "sortBy"),
        ("sortOrder=up", "sortOrder"),
        ("filterBy=name%3D%3D", "filterBy"),
        ("filterBy=nonsense%3D%3D1", "nonsense"),
        ("search=" + "+".join(map(str, range(99))), "search"),
        ("search=%00", "NUL"),
        ("limit=%FF", "UTF-8"),
        pytest.param("x=" + "y" * 40_000, "longer", id="too-long"),
        pytest.param("&".join(f"a{number}=1" for number in range(1500)), "parameters", id="too-many"),
    ],
)
async def test_a_bad_parameter_is_a_400_that_names_it(client: httpx.AsyncClient, query: str, named: str) -> None:
    answer = await client.get(f"/api/v1/workloads?{query}")
    assert answer.status_code == 400
    assert named in Error.model_validate(answer.json()).message


@pytest.mark.parametrize("query", ["", "filterBy=", "unknown=1", "deleted=False", "deleted=True", "limit=500&offset=0"])
async def test_what_clients_send_is_taken(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/api/v1/workloads?{query}")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/api/v1/workloads/not-a-uuid", 404),
        ("GET", f"/api/v1/workloads/{uid_of('nobody')}", 404),
        ("POST", "/api/v1/workloads", 405),
        ("DELETE", f"/api/v1/workloads/{uid_of('train')}", 405),
        ("POST", "/api/v1/token", 400),
    ],
)
async def test_every_error_has_the_contracts_body(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert Error.model_validate(answer.json()).code == status
    if status == 405:
        assert answer.headers["Allow"] == "GET"


async def test_a_database_that_is_away_is_a_503(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE workloads RENAME TO elsewhere"))
    answer = await client.get("/api/v1/workloads")
    assert (answer.status_code, answer.json()["code"]) == (503, 503)
    assert "Retry-After" in answer.headers


async def test_a_fault_of_ours_is_a_500_that_gives_nothing_away(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(*_: object) -> None:
        raise RuntimeError("postgresql://rollcall:hunter2@db")

    monkeypatch.setattr(Records, "page", page)
    answer = await client.get("/api/v1/workloads")
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (500, 500)
    assert "hunter2" not in answer.text


async def test_readiness_tells_why_not(client: httpx.AsyncClient, write) -> None:
    assert (await client.get("/livez")).status_code == 200
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "No operator has observed a cluster yet.\n")
    await write(Batch())
    assert "old" in (await client.get("/readyz")).text


async def test_metrics_count_by_route_not_by_id(client: httpx.AsyncClient) -> None:
    await client.get(f"/api/v1/workloads/{uid_of('a')}")
    text = (await client.get("/metrics")).text
    assert 'rollcall_api_requests_total{route="/api/v1/workloads/{workloadId}",status="404"} 1.0' in text
    assert uid_of("a") not in text


async def test_a_token_is_to_be_had_where_nobody_is_asked(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/token", json={"grantType": "app_token", "AppId": None, "AppSecret": None})
    header, payload, _ = answer.json()["accessToken"].split(".")
    assert "-" not in payload
    assert "_" not in payload
    assert header


def test_a_quantity_and_a_number_lose_nothing() -> None:
    record = a_workload(
        allocated=Resources(
            gpu_micros=142_857,
            cpu_millis=1500,
            memory_bytes=2**30 + 1,
            gpu_memory_bytes=20 * 2**30,
            extended=(("x/y", 3),),
        )
    )
    setting = Setting(
        tenant_id=1, cluster_id=uid_of("c"), phase_updated_at=START, k8s_phase_updated_at=START, updated_at=START
    )
    held = workload_json(record, setting)["allocatedResources"]
    assert held == {
        "gpu": 0.142857,
        "cpu": 1.5,
        "cpuMemory": "1073741825",
        "gpuMemory": "20Gi",
        "extendedResources": [{"resource": "x/y", "quantity": "3", "exclude": False}],
    }
