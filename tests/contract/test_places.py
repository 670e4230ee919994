"""Clusters, nodes, node pools, projects, departments and workload types over HTTP."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.places import PRODUCT, a_node, a_pool
from support.workload_builders import START, a_pod, a_project, a_request, a_workload, uid_of

from rollcall.domain.kinds.catalogue import all_entries
from rollcall.store.memory import touch_cluster
from rollcall.store.places import write_node_pools, write_nodes, write_projects
from rollcall.store.records import Batch
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

HERE, THERE = uid_of("cluster"), uid_of("another cluster")
OBSERVED = "X-Rollcall-Observed-At"


@pytest.fixture(autouse=True)
async def filled(engine: AsyncEngine) -> None:
    """Two clusters; in the first four nodes, of which one runs a pod with a GPU and one is lost."""
    nodes = [
        a_node("gpu-1"),
        a_node("gpu-2"),
        a_node("gpu-3", ready="Unknown"),
        a_node("cpu-1", pool=None, gpus=0),
    ]
    async with engine.begin() as connection:
        await touch_cluster(
            connection,
            cluster_id=HERE,
            name="here",
            watches_observed_at=datetime.now(UTC),
            created_at=START,
            kubernetes_version="v1.35.0",
        )
        await touch_cluster(connection, cluster_id=THERE, name="there", watches_observed_at=START)
        await write_nodes(connection, HERE, nodes, present={node.meta.uid for node in nodes})
        other = a_node("gpu-9", pool=None, gpus=4, ready="False")
        await write_nodes(connection, THERE, [other], present={other.meta.uid})
        await write_node_pools(connection, HERE, [a_pool(), a_pool("default", label=None)])
        await write_node_pools(connection, THERE, [a_pool("default", label=None)])
        await write_projects(
            connection,
            HERE,
            [a_project(), a_project("runai-b", "team-b", "research"), a_project("second-of-b", "team-b", "research")],
        )
        await write_projects(connection, THERE, [a_project("elsewhere", "team-c")])
        pod = a_pod(allocated=a_request().requests)
        await write_batch(connection, HERE, Batch(workloads=(a_workload(),), pods=(pod,)), observed_at=START)


async def found(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    """The body of a good answer, which always says how fresh it is."""
    answer = await client.get(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert OBSERVED in answer.headers
    return answer.json()


async def refused(client: httpx.AsyncClient, path: str, **parameters: Any) -> tuple[int, str]:
    """The status and the sentence of a refusal."""
    answer = await client.get(f"/api/v1/{path}", params=parameters)
    body = answer.json()
    assert body["code"] == answer.status_code
    return answer.status_code, body["message"]


async def test_clusters_are_a_bare_array_with_their_state(client: httpx.AsyncClient) -> None:
    here, there = sorted(await found(client, "clusters"), key=lambda one: str(one["name"]))
    assert (here["uuid"], here["tenantId"], here["name"]) == (HERE, 1, "here")
    assert here["createdAt"] == "2026-01-01T00:00:00Z"
    assert here["status"] == {"state": "Connected", "platform": {"kubeVersion": "v1.35.0"}}
    assert there["status"] == {"state": "Disconnected"}
    assert there["lastLiveness"] == "2026-01-01T00:00:00Z"


async def test_metadata_leaves_the_status_out(client: httpx.AsyncClient) -> None:
    assert all("status" not in one for one in await found(client, "clusters", verbosity="metadata"))
    one = await found(client, f"clusters/{HERE}", verbosity="metadata")
    assert (one["name"], "status" in one) == ("here", False)
    status, message = await refused(client, "clusters", verbosity="verbose")
    assert (status, message.split()[0]) == (400, "verbosity")


@pytest.mark.parametrize("wrong", ["nobody", uid_of("nobody"), "%00"])
async def test_an_unknown_cluster_is_not_found(client: httpx.AsyncClient, wrong: str) -> None:
    for path in (f"clusters/{wrong}", f"clusters/{wrong}/nodes", f"clusters/{wrong}/nodes/count"):
        assert await refused(client, path) == (404, "There is no cluster with this id.")


async def test_a_node_tells_its_status_pool_gpus_conditions_and_taints(client: httpx.AsyncClient) -> None:
    nodes = {one["name"]: one for one in (await found(client, "nodes"))["nodes"]}
    assert list(nodes) == ["cpu-1", "gpu-1", "gpu-2", "gpu-3", "gpu-9"]
    updated_at = nodes["gpu-1"].pop("updatedAt")
    assert datetime.fromisoformat(updated_at) > START
    assert nodes["gpu-1"] == {
        "id": uid_of("gpu-1"),
        "name": "gpu-1",
        "clusterUuid": HERE,
        "nodePool": "big",
        "status": "Ready",
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting"}],
        "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
        "gpuInfo": {"gpuType": PRODUCT, "gpuCount": 8},
        "createdAt": "2026-01-01T00:00:00Z",
    }
    assert nodes["cpu-1"]["gpuInfo"] is None
    assert nodes["cpu-1"]["nodePool"] == "default"
    assert {name: one["status"] for name, one in nodes.items() if one["status"] != "Ready"} == {
        "gpu-3": "Unknown",
        "gpu-9": "NotReady",
    }


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"filterBy": "status==Ready"}, ["cpu-1", "gpu-1", "gpu-2"]),
        ({"filterBy": "nodePool==big,status!=Ready"}, ["gpu-3"]),
        ({"filterBy": f"gpuType=={PRODUCT},clusterUuid=={THERE}"}, ["gpu-9"]),
        ({"filterBy": "gpuType!=x,name=^CPU"}, ["cpu-1"]),
        ({"sortBy": "name", "sortOrder": "desc", "limit": 2}, ["gpu-9", "gpu-3"]),
        ({"sortBy": "gpuType", "limit": 9}, ["gpu-1", "gpu-2", "gpu-3", "gpu-9", "cpu-1"]),
        ({"sortBy": "NodeFilterSortFields.GPUTYPE", "limit": 1}, ["gpu-1"]),
        ({"search": "BIG ready"}, ["gpu-1", "gpu-2"]),
        ({"offset": 4}, ["gpu-9"]),
        ({"offset": 5}, []),
    ],
)
async def test_nodes_are_filtered_sorted_and_searched(
    client: httpx.AsyncClient, parameters: dict[str, Any], names: list[str]
) -> None:
    page = await found(client, "nodes", **parameters)
    assert [one["name"] for one in page["nodes"]] == names
    if not parameters.keys() & {"limit", "offset"}:
        assert await found(client, "nodes/count", **parameters) == {"count": len(names)}


async def test_nodes_come_page_by_page(client: httpx.AsyncClient) -> None:
    names: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = await found(client, "nodes", limit=2, offset=offset)
        names += [one["name"] for one in page["nodes"]]
        offset = page.get("next")
    assert names == ["cpu-1", "gpu-1", "gpu-2", "gpu-3", "gpu-9"]


async def test_the_nodes_of_a_cluster_are_its_own(client: httpx.AsyncClient) -> None:
    page = await found(client, f"clusters/{THERE.upper()}/nodes")
    assert [one["name"] for one in page["nodes"]] == ["gpu-9"]
    assert await found(client, f"clusters/{HERE}/nodes/count", filterBy="status==Ready") == {"count": 3}
    page = await found(client, f"clusters/{HERE}/nodes", nodeName="gpu-2")
    assert [one["name"] for one in page["nodes"]] == ["gpu-2"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("READY_GPU_NODES", "2"),
        ("TOTAL_GPU_NODES", "4"),
        ("READY_GPUS", "16"),
        ("TOTAL_GPUS", "28"),
        ("FREE_GPUS", "15"),
        ("FULLY_FREE_GPU_NODES", "1"),
        ("ALLOCATED_GPUS", "1"),
        ("TOTAL_CPU_CORES", "320"),
        ("ALLOCATED_CPU_CORES", "0.5"),
        ("TOTAL_CPU_MEMORY_BYTES", str(5 * 512 * 2**30)),
        ("ALLOCATED_CPU_MEMORY_BYTES", str(2**30)),
        ("TOTAL_GPU_MEMORY_BYTES", str(28 * 80 * 2**30)),
    ],
)
async def test_node_telemetry_sums_the_rows(client: httpx.AsyncClient, kind: str, value: str) -> None:
    answer = await found(client, "nodes/telemetry", telemetryType=kind)
    assert (answer["type"], answer["values"]) == (kind, [{"value": value}])
    again = await found(client, "nodes/telemetry", telemetryType=f"NodeTelemetryType.{kind}")
    assert again["values"] == answer["values"]
    by_node = await found(client, "nodes/telemetry", telemetryType=kind, groupBy="Node,ClusterId")
    assert sum(Decimal(one["value"]) for one in by_node["values"]) == Decimal(value)
    assert len(by_node["values"]) == 5


async def test_node_telemetry_splits_and_narrows(client: httpx.AsyncClient) -> None:
    answer = await found(client, "nodes/telemetry", telemetryType="TOTAL_GPUS", groupBy="ClusterId,Nodepool")
    groups = {tuple(group["name"] for group in one["groups"]): one["value"] for one in answer["values"]}
    assert groups == {("here", "big"): "24", ("here", "default"): "0", ("there", "default"): "4"}
    assert {group["key"] for one in answer["values"] for group in one["groups"]} == {"ClusterId", "Nodepool"}
    narrowed = {"telemetryType": "TOTAL_GPUS", "clusterId": HERE, "nodepoolName": "big"}
    assert (await found(client, "nodes/telemetry", **narrowed))["values"] == [{"value": "24"}]
    assert (await found(client, "nodes/telemetry", telemetryType="TOTAL_GPUS", nodepoolName="no"))["values"] == [
        {"value": "0"}
    ]


async def test_node_telemetry_comes_as_csv_for_those_who_ask(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/api/v1/nodes/telemetry",
        params={"telemetryType": "READY_GPUS", "groupBy": "Node", "clusterId": THERE},
        headers={"Accept": "text/csv"},
    )
    head, line = answer.text.splitlines()
    assert head == "timestamp,type,Node,NodeName,value"
    assert line.split(",")[1:] == ["READY_GPUS", uid_of("gpu-9"), "gpu-9", "0"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "telemetryType is missing"),
        ({"telemetryType": "GPUS"}, "telemetryType must be one of READY_GPU_NODES"),
        ({"telemetryType": "USED_CPU_CORES"}, "telemetryType cannot be USED_CPU_CORES: nothing is measured"),
        ({"telemetryType": "IDLE_ALLOCATED_GPUS"}, "telemetryType cannot be IDLE_ALLOCATED_GPUS"),
        ({"telemetryType": "TOTAL_GPUS", "groupBy": "Phase"}, "groupBy must be one of ClusterId"),
        ({"telemetryType": "TOTAL_GPUS", "groupBy": "ClusterId,Nodepool,Node"}, "groupBy must name at most 2"),
        ({"telemetryType": "TOTAL_GPUS", "groupBy": "Node,Node,Node"}, "groupBy must name at most 2"),
    ],
)
async def test_node_telemetry_names_what_it_cannot_answer(
    client: httpx.AsyncClient, parameters: dict[str, str], words: str
) -> None:
    status, message = await refused(client, "nodes/telemetry", **parameters)
    assert status == 400
    assert message.startswith(words)


async def test_node_pools_tell_label_phase_and_nobody_who_made_them(client: httpx.AsyncClient) -> None:
    pools = (await found(client, "node-pools", sortBy="name"))["nodepools"]
    assert [(one["name"], one["clusterName"], one["phase"]) for one in pools] == [
        ("big", "here", "Ready"),
        *sorted([("default", "here", "Ready"), ("default", "there", "Unschedulable")], key=cluster_of),
    ]
    assert len({one["id"] for one in pools}) == 3
    big = pools[0]
    assert (big["labelKey"], big["labelValue"], big["isDefault"]) == ("kai.scheduler/node-pool", "big", False)
    assert (big["createdBy"], big["updatedBy"], big["createdAt"]) == ("rollcall", "rollcall", "2026-01-01T00:00:00Z")
    assert all(one["isDefault"] and one["labelValue"] == "default" for one in pools[1:])
    assert await found(client, "node-pools/count", filterBy="phase==Ready") == {"count": 2}


def cluster_of(pool: tuple[str, str, str]) -> str:
    return HERE if pool[1] == "here" else THERE


async def test_projects_tell_where_they_are_and_invent_no_quota(client: httpx.AsyncClient) -> None:
    page = await found(client, "org-unit/projects", sortBy="name")
    assert [one["id"] for one in page["projects"]] == ["team-a", "team-b", "team-c"]
    project = dict(page["projects"][1])
    assert datetime.fromisoformat(project.pop("updatedAt")) > START
    assert project == {
        "id": "team-b",
        "name": "team-b",
        "clusterId": HERE,
        "parentId": "research",
        "parent": {"id": "research", "name": "research"},
        "requestedNamespace": "runai-b",
        "status": {"namespace": "runai-b", "phase": "Ready"},
        "resources": [],
        "totalResources": {},
        "createdAt": "2026-01-01T00:00:00Z",
    }
    assert await found(client, "org-unit/projects/team-b") == page["projects"][1]
    assert await found(client, "org-unit/projects/count", search="RESEARCH b") == {"count": 1}


@pytest.mark.parametrize(
    ("terms", "ids"),
    [
        ("parentName==research", ["team-b"]),
        (f"clusterId=={THERE}", ["team-c"]),
        ("departmentId==default,createdAt<=2026-01-01", ["team-a", "team-c"]),
        ("name=$-A", ["team-a"]),
    ],
)
async def test_projects_are_filtered(client: httpx.AsyncClient, terms: str, ids: list[str]) -> None:
    page = await found(client, "org-unit/projects", filterBy=terms, sortBy="name")
    assert [one["id"] for one in page["projects"]] == ids


async def test_departments_tell_their_projects(client: httpx.AsyncClient) -> None:
    page = await found(client, "org-unit/departments", filterBy=f"clusterId=={HERE}", sortBy="name")
    children = {one["id"]: [child["id"] for child in one["children"]] for one in page["departments"]}
    assert children == {"default": ["team-a"], "research": ["team-b"]}
    assert await found(client, "org-unit/departments/research") == page["departments"][1]
    assert await found(client, "org-unit/departments/count") == {"count": 3}


async def test_a_project_without_a_namespace_is_gone_and_comes_back(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await write_projects(connection, HERE, [a_project()])
    page = await found(client, "org-unit/projects", sortBy="name")
    assert [one["id"] for one in page["projects"]] == ["team-a", "team-c"]
    assert await refused(client, "org-unit/departments/research") == (404, "There is no department with this id.")
    async with engine.begin() as connection:
        await write_projects(connection, HERE, [a_project(), a_project("runai-b", "team-b", "research")])
    assert (await found(client, "org-unit/projects/team-b"))["id"] == "team-b"


@pytest.mark.parametrize("wrong", ["nobody", "a%00b", "%F0%9F%92%A5", "'; DROP TABLE projects;--"])
async def test_an_unknown_project_is_not_found(client: httpx.AsyncClient, wrong: str) -> None:
    assert await refused(client, f"org-unit/projects/{wrong}") == (404, "There is no project with this id.")


async def test_workload_types_are_the_catalogue(client: httpx.AsyncClient) -> None:
    types = (await found(client, "workload-types"))["types"]
    wanted = {(one.key.kind, one.key.group or "core") for one in all_entries() if not one.ignored}
    assert {(one["name"], one["group"]) for one in types} == wanted
    assert len({one["id"] for one in types}) == len(types) == len(wanted)
    (deployment,) = (await found(client, "workload-types", filterBy="name==Deployment,group==apps"))["types"]
    assert (deployment["categoryName"], deployment["priorityName"]) == ("Deploy", "inference")
    assert await found(client, f"workload-types/{deployment['id']}") == deployment
    groups = {one["group"] for one in (await found(client, "workload-types", externalTypesOnly="true"))["types"]}
    assert {one["group"] for one in types} - groups == {"run.ai"}


async def test_categories_and_priorities_have_the_ids_that_types_name(client: httpx.AsyncClient) -> None:
    types = (await found(client, "workload-types"))["types"]
    categories = {one["id"]: one["name"] for one in (await found(client, "workload-categories"))["categories"]}
    assert {(one["categoryId"], one["categoryName"]) for one in types} <= set(categories.items())
    for category_id, name in categories.items():
        assert await found(client, f"workload-categories/{category_id}") == {"id": category_id, "name": name}
    ranked = (await found(client, "workload-priorities", sortBy="value", filterBy="value>=100"))["priorities"]
    assert [one["value"] for one in ranked] == [100, 125, 125, 150]
    named = {one["id"]: one["name"] for one in (await found(client, "workload-priorities"))["priorities"]}
    assert {(one["priorityId"], one["priorityName"]) for one in types} <= set(named.items())


@pytest.mark.parametrize(
    ("path", "parameters", "name"),
    [
        ("nodes", {"limit": "501"}, "limit"),
        ("nodes", {"sortBy": "createdAt"}, "sortBy"),
        ("nodes", {"filterBy": "phase==Ready"}, "filterBy"),
        ("node-pools", {"filterBy": "name"}, "filterBy"),
        ("org-unit/projects", {"sortBy": "totalGpuQuota"}, "sortBy"),
        ("org-unit/departments", {"offset": "-1"}, "offset"),
        ("workload-types", {"externalTypesOnly": "maybe"}, "externalTypesOnly"),
        ("workload-priorities", {"filterBy": "value==high"}, "filterBy"),
    ],
)
async def test_what_cannot_be_read_is_named(
    client: httpx.AsyncClient, path: str, parameters: dict[str, str], name: str
) -> None:
    status, message = await refused(client, path, **parameters)
    assert (status, message.split()[0]) == (400, name)


async def test_an_empty_view_is_empty_everywhere(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for cluster in (HERE, THERE):
            await write_nodes(connection, cluster, [], present=set())
            await write_node_pools(connection, cluster, [])
            await write_projects(connection, cluster, [])
    for path, key in (
        ("nodes", "nodes"),
        ("node-pools", "nodepools"),
        ("org-unit/projects", "projects"),
        ("org-unit/departments", "departments"),
    ):
        assert await found(client, path) == {key: []}
        assert await found(client, f"{path}/count") == {"count": 0}
    assert (await found(client, "nodes/telemetry", telemetryType="TOTAL_GPUS"))["values"] == [{"value": "0"}]
    assert (await found(client, "nodes/telemetry", telemetryType="TOTAL_GPUS", groupBy="Node"))["values"] == []
