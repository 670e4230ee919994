"""The pods endpoints as the contract words them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_pod, a_workload, uid_of

from rollcall.domain.constraints import Constraints, NodeExpression, NodeTerm, Toleration
from rollcall.store.fields import PodField
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall_api.models import Count, Error
from rollcall_api.pod_models import PodList

pytestmark = pytest.mark.anyio

PODS = "/api/v1/workloads/pods"
OF_TRAIN = f"/api/v1/workloads/{uid_of('train')}/pods"


def gone(name: str, *, minutes: int = 60) -> Gone:
    return Gone(uid=uid_of(name), observed_version=99, at=START + timedelta(minutes=minutes), seen=DeletionSeen.EXACT)


@pytest.fixture
async def five(write: Callable[..., Awaitable[None]]) -> None:
    """Two workloads; of one three pods, one of which is gone, of the other two."""
    pods = [
        a_pod(f"train-{place}", created_at=START + timedelta(minutes=place), node_name=f"gpu-{place}")
        for place in range(3)
    ]
    others = [
        a_pod("serve-0", workload="serve", priority_class_name=None, node_name=None, node_pool=None),
        a_pod("serve-1", workload="serve", k8s_phase="Succeeded", ended_at=START + timedelta(minutes=3)),
    ]
    owners = (a_workload(), a_workload("serve", priority_class_name="inference"))
    await write(Batch(workloads=owners, pods=(*pods, *others)))
    await write(Batch(gone_pods=(gone("train-2"),)))


async def names(client: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    PodList.model_validate(answer.json())
    return [pod["name"] for pod in answer.json()["pods"]]


async def test_an_empty_view_is_an_empty_page(client: httpx.AsyncClient) -> None:
    assert (await client.get(PODS)).json() == {"pods": []}
    assert (await client.get(f"{PODS}/count")).json() == {"count": 0}
    assert (await client.get(OF_TRAIN)).status_code == 404


@pytest.mark.usefixtures("five")
async def test_all_pods_and_those_of_a_workload(client: httpx.AsyncClient) -> None:
    assert sorted(await names(client, PODS)) == ["serve-0", "serve-1", "train-0", "train-1"]
    assert await names(client, PODS, deleted=True) == ["train-2"]
    assert await names(client, OF_TRAIN) == ["train-0", "train-1"]
    assert await names(client, OF_TRAIN, deleted="True") == ["train-2"]
    assert await names(client, OF_TRAIN, search="GPU-1") == ["train-1"]
    for deleted, wanted in ((False, 4), (True, 1)):
        answer = await client.get(f"{PODS}/count", params={"deleted": deleted})
        assert Count.model_validate(answer.json()).count == wanted


@pytest.mark.usefixtures("five")
async def test_every_answer_says_how_fresh_the_view_is(client: httpx.AsyncClient) -> None:
    for path in (PODS, f"{PODS}/count", OF_TRAIN, f"{PODS}?search=no-such", f"{OF_TRAIN}?offset=9"):
        assert (await client.get(path)).headers["X-Rollcall-Observed-At"] == "2026-01-01T00:00:00Z"


@pytest.mark.usefixtures("five")
async def test_pages_follow_each_other_and_the_last_has_no_next(client: httpx.AsyncClient) -> None:
    for path, wanted in ((PODS, 4), (OF_TRAIN, 2)):
        seen: list[str] = []
        offset: int | None = 0
        while offset is not None:
            body = (await client.get(path, params={"limit": 1, "offset": offset})).json()
            seen += [pod["name"] for pod in body["pods"]]
            assert body.get("next") in (len(seen), None)
            offset = body.get("next")
        assert len(seen) == len(set(seen)) == wanted


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("completed", "wanted"),
    [
        ("true", ["serve-1"]),
        ("True", ["serve-1"]),
        ("false", ["serve-0", "train-0", "train-1"]),
        ("all", ["serve-0", "serve-1", "train-0", "train-1"]),
        ("", ["serve-0", "serve-1", "train-0", "train-1"]),
    ],
)
async def test_completed_narrows(client: httpx.AsyncClient, completed: str, wanted: list[str]) -> None:
    assert sorted(await names(client, PODS, completed=completed)) == wanted


@pytest.mark.usefixtures("five")
async def test_a_pod_that_is_gone_has_ended_and_holds_nothing(client: httpx.AsyncClient) -> None:
    (pod,) = (await client.get(PODS, params={"deleted": True, "completed": True})).json()["pods"]
    assert (pod["deletedAt"], pod["completedAt"]) == ("2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z")
    assert pod["allocatedResources"]["gpu"] == 0
    assert await names(client, PODS, deleted=True, completed=False) == []


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("verbosity", ["full", "FULL", "PodVerbosity.FULL"])
async def test_full_names_the_workload_and_its_project(client: httpx.AsyncClient, verbosity: str) -> None:
    (pod, *_) = (await client.get(PODS, params={"verbosity": verbosity})).json()["pods"]
    assert (pod["workloadName"], pod["projectName"]) == (pod["name"].split("-")[0], "team-a")
    for brief in ({}, {"verbosity": "brief"}, {"verbosity": "PodVerbosity.BRIEF"}):
        (pod, *_) = (await client.get(PODS, params=brief)).json()["pods"]
        assert {"workloadName", "projectName"} & set(pod) == set()
        assert pod["projectId"] == "team-a"


@pytest.mark.usefixtures("five")
async def test_sorts_and_filters_are_the_contracts(client: httpx.AsyncClient) -> None:
    by_node = await names(client, PODS, sortBy="nodeName", sortOrder="desc")
    assert (by_node[-1], by_node[-2]) == ("serve-0", "train-0"), "without a value is last"
    assert sorted(await names(client, PODS, filterBy="nodeName==gpu-1")) == ["serve-1", "train-1"]
    found = await names(client, PODS, filterBy=f"workloadId=={uid_of('train')},createdAt>=2026-01-01T00:01")
    assert found == ["train-1"]
    answer = await client.get(f"{PODS}/count", params={"filterBy": "currentNodepool==big,nodeName=^GPU"})
    assert answer.json() == {"count": 3}


async def test_a_pod_is_told_in_the_contracts_words(client: httpx.AsyncClient, write) -> None:
    pod = a_pod(
        ip="10.0.0.1",
        containers=(("main", "trainer:1", START), ("side", "", None)),
        requested_node_pools=("big",),
        constraints=Constraints(
            tolerations=(Toleration(key="gpu", operator="Exists", effect="NoExecute", seconds=300),),
            required=(NodeTerm(expressions=(NodeExpression(key="zone", operator="In", values=("a",)),)),),
            preferred=(NodeTerm(weight=7, expressions=(NodeExpression(key="gpu", operator="Exists"),)),),
        ),
    )
    await write(Batch(workloads=(a_workload(),), pods=(pod,)))
    (found,) = (await client.get(OF_TRAIN)).json()["pods"]
    amounts = found.pop("requestedResources"), found.pop("allocatedResources")
    assert [one["cpuMemory"] for one in amounts] == [{"request": "1Gi", "limit": None}, "1Gi"]
    assert found == {
        "tenantId": 1,
        "id": pod.uid,
        "name": "train-0",
        "workloadId": uid_of("train"),
        "revisionId": None,
        "clusterId": uid_of("cluster"),
        "priorityClassName": "train",
        "projectId": "team-a",
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
        "completedAt": None,
        "deletedAt": None,
        "k8sPhase": "Running",
        "k8sPhaseUpdatedAt": "2026-01-01T00:00:00Z",
        "nodeName": "gpu-1",
        "currentNodePool": "big",
        "requestedNodePools": ["big"],
        "ip": "10.0.0.1",
        "containers": [
            {"name": "main", "image": "trainer:1", "startedAt": "2026-01-01T00:00:00Z"},
            {"name": "side", "image": "", "startedAt": None},
        ],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        "nodeAffinity": {
            "required": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
            },
            "preferred": {
                "nodeSelectorTerms": [
                    {
                        "weight": 7,
                        "preference": {"matchExpressions": [{"key": "gpu", "operator": "Exists", "values": []}]},
                    }
                ]
            },
        },
    }


@pytest.mark.usefixtures("five")
async def test_a_pod_without_a_class_has_its_workloads(client: httpx.AsyncClient) -> None:
    pods = {pod["name"]: pod for pod in (await client.get(PODS)).json()["pods"]}
    assert pods["serve-0"]["priorityClassName"] == "inference"
    assert pods["train-0"]["priorityClassName"] == "train"
    assert (pods["serve-0"]["nodeName"], pods["serve-0"]["currentNodePool"]) == (None, None)
    assert {"tolerations", "nodeAffinity", "requestedNodePools"} & set(pods["serve-0"]) == set()


@pytest.mark.usefixtures("five")
async def test_the_pods_of_a_deleted_workload_are_there_while_it_is_kept(client: httpx.AsyncClient, write) -> None:
    await write(Batch(gone_workloads=(gone("train"),), gone_pods=(gone("train-0"), gone("train-1"))))
    assert await names(client, OF_TRAIN) == []
    assert await names(client, OF_TRAIN, deleted=True) == ["train-0", "train-1", "train-2"]


@pytest.mark.parametrize("workload_id", [uid_of("nobody"), "nonsense", "a%20b"])
async def test_an_unknown_workload_is_not_found(client: httpx.AsyncClient, workload_id: str) -> None:
    answer = await client.get(f"/api/v1/workloads/{workload_id}/pods")
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (404, 404)


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        (PODS, "limit=0", "limit"),
        (PODS, "offset=-1", "offset"),
        (PODS, "sortBy=name", "sortBy"),
        (PODS, "sortBy=nodepool", "sortBy"),
        (PODS, "sortOrder=up", "sortOrder"),
        (PODS, "deleted=maybe", "deleted"),
        (PODS, "verbosity=loud", "verbosity"),
        (PODS, "completed=some", "completed"),
        (PODS, "completed=true&completed=false", "completed"),
        (PODS, "filterBy=name%3D%3Da", "filterBy"),
        (PODS, "filterBy=createdAt%3D%40a", "filterBy"),
        (f"{PODS}/count", "filterBy=phase%3D%3DRunning", "filterBy"),
        (f"{PODS}/count", "search=%00", "search"),
        (OF_TRAIN, "limit=501", "limit"),
        (OF_TRAIN, "deleted=1", "deleted"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(
    client: httpx.AsyncClient, path: str, query: str, named: str
) -> None:
    answer = await client.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert answer.json()["message"].startswith(named)


@pytest.mark.parametrize("field", list(PodField))
async def test_every_field_sorts(client: httpx.AsyncClient, field: PodField) -> None:
    assert await names(client, PODS, sortBy=field.value) == []


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("path", [PODS, f"{PODS}?verbosity=full&search=gpu", f"{PODS}/count", OF_TRAIN])
async def test_an_answer_is_one_statement(client: httpx.AsyncClient, engine: AsyncEngine, path: str) -> None:
    await client.get(path)  # the schema is looked at once
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    assert (await client.get(path)).status_code == 200
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    assert len(statements) == 1
