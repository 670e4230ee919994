"""A session of the official client, unchanged: run by the Python of an environment that has it, prints what it saw.

Usage: python runapy_session.py ADDRESS UNKNOWN_ID, for a client of every kind. Nothing of Rollcall is imported here.
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import runai
from runai import models
from runai.api_client import ApiClient, AsyncApiClient, ThreadedApiClient
from runai.configuration import Configuration
from runai.exceptions import ApiException
from runai.runai_client import RunaiClient

KINDS = {"sync": ApiClient, "threaded": ThreadedApiClient, "async": AsyncApiClient}
PAGE = 7
STORED = {
    "POD_COUNT",
    "RUNNING_POD_COUNT",
    "GPU_ALLOCATION",
    "GPU_MEMORY_REQUEST_BYTES",
    "CPU_REQUEST_CORES",
    "CPU_LIMIT_CORES",
    "CPU_MEMORY_REQUEST_BYTES",
    "CPU_MEMORY_LIMIT_BYTES",
}
MEASURED = {"IDLE_ALLOCATED_GPUS", "USED_CPU_CORES", "USED_CPU_MEMORY_BYTES", "USED_GPU_MEMORY_BYTES"}
FILTERS = {
    "in progress": ["phase=$ing"],
    "running on a GPU since then": ["phase==Running", "allocatedGPU>=1.333333", "createdAt>=2021-01-01T00:00:00Z"],
    "an address with a plus": ["submittedBy!=ada+x@example.com", "submittedBy=@ADA"],
    "a comma in a value": ["name==a,b", "phase==Running"],
    "what urls are made of": ['name!=a/b&c#d%é" ', "nodepool==big"],
    "nothing of the kind": ["idleGpus==1"],
}


class Session:
    """One client of one kind; its answers are awaited where the kind says so."""

    def __init__(self, kind: str, address: str) -> None:
        # A trailing slash is what people paste.
        configuration = Configuration(client_id="app", client_secret="secret", runai_base_url=f"{address}/")
        self.api_client = KINDS[kind](configuration)
        self.client = RunaiClient(self.api_client)
        self.workloads = self.client.workloads.workloads

    async def ask(self, method: Callable[..., Any], *args: Any, status: int = 200, **kwargs: Any) -> Any:
        """The data of an answer with this status, however this kind of client hands it over."""
        found = method(*args, **kwargs)
        if inspect.isawaitable(found):
            found = await found
        elif hasattr(found, "get"):
            found = found.get(30)
        assert found.status_code == status, found
        return found.data

    async def listed(self, **kwargs: Any) -> list[dict[str, Any]]:
        """Every workload, page after page."""
        records: list[dict[str, Any]] = []
        offset: int | None = 0
        while offset is not None:
            page = await self.ask(self.workloads.get_workloads, offset=offset, limit=PAGE, **kwargs)
            models.GetWorkloads200Response.from_dict(page)
            records += page["workloads"]
            offset = page.get("next")
        return records

    async def every_pod(self, method: Callable[..., Any], **kwargs: Any) -> list[dict[str, Any]]:
        """Every pod of a list, page after page; none that the client's model bends or refuses."""
        found: list[dict[str, Any]] = []
        offset: int | None = 0
        while offset is not None:
            page = await self.ask(method, offset=offset, **kwargs)
            read = models.ListPods200Response.from_dict(page)
            assert [covers(sent, kept.to_dict()) for sent, kept in zip(page["pods"], read.pods, strict=True)] == [
                True
            ] * len(page["pods"]), page["pods"]
            found += page["pods"]
            offset = page.get("next")
        return found

    async def fault(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What the client raises, with the error body through the client's own model."""
        try:
            await self.ask(method, *args, **kwargs)
        except ApiException as error:
            body = models.Error.from_dict(json.loads(error.body))
            return {"raised": type(error).__name__, "code": body.code, "message": body.message}
        return {"raised": None}

    async def close(self) -> None:
        """Leave no connection open."""
        closed = self.api_client.close()
        if inspect.isawaitable(closed):
            await closed
        self.client.api_client = None  # its destructor would close once more, without waiting


async def telemetry(session: Session) -> dict[str, Any]:
    """The answers of every telemetry type that this version knows, each through the client's own model."""
    method = session.workloads.get_workloads_telemetry
    asked: dict[str, dict[str, Any]] = {
        f"{kind.value} {' '.join(keys)}": {"telemetry_type": kind, "group_by": keys}
        for kind in models.WorkloadTelemetryType
        for keys in ([], ["Phase"], ["ClusterId", "CurrentNodepools"])
        if len(keys) < 2 or kind.value != "PENDING_TIME_DISTRIBUTION"
    }
    counted = models.WorkloadTelemetryType.WORKLOADS_COUNT
    asked["filtered"] = {"telemetry_type": counted, "nodepool_name": "big", "department_id": "default"}
    if "filter_by_phases" in inspect.signature(method).parameters:
        asked["phases"] = {"telemetry_type": counted, "filter_by_phases": [models.Phase.RUNNING, models.Phase.FAILED]}
    answers = {name: await session.ask(method, **arguments) for name, arguments in asked.items()}
    for answer in answers.values():
        models.TelemetryResponse.from_dict(answer)
    return answers


async def metrics(session: Session, workload_id: str) -> dict[str, Any]:
    """What the types that need no Prometheus say of a workload, asked for in a list, and one of them bare."""
    method, kinds = session.workloads.get_workload_metrics, models.WorkloadMetricType
    stored = [kind for kind in kinds if kind.value in STORED]
    day = {"start": datetime(2026, 1, 1), "end": datetime(2026, 1, 2, tzinfo=UTC)}  # noqa: DTZ001 - as people write them
    answers = [
        await session.ask(method, workload_id, metric_type=stored, number_of_samples=2, **day),
        await session.ask(method, workload_id, metric_type=kinds.POD_COUNT, **day),
    ]
    model = getattr(models, "MetricsCompositeResponse", None) or models.MetricsResponse
    for answer in answers:
        model.from_dict(answer)
    return {"stored": answers[0]["measurements"], "bare": answers[1]["measurements"]}


async def places(session: Session) -> dict[str, Any]:
    """Clusters, nodes, pools, projects, departments and workload types, each through this version's own models.

    The model of a project's page in 1.224.0 is another object's by mistake of its generator, so there its parts are
    asked; 1.218.0 has neither node pools nor workload types under the paths of today.
    """
    units = session.client.organizations
    clusters = await session.ask(units.clusters.get_clusters)
    one = clusters[0]["uuid"]
    found: dict[str, Any] = {
        "clusters": clusters,
        "cluster": await session.ask(units.clusters.get_cluster_by_uuid, one, verbosity="metadata"),
        "nodes": await session.ask(units.nodes.get_nodes, one),
        "named": await session.ask(units.nodes.get_nodes, one, node_name="gpu-1"),
        "projects": await session.ask(units.projects.get_projects, limit=1, sort_by="name", filter_by=["name=^team"]),
        "project": await session.ask(units.projects.get_project, "team-a"),
        "departments": await session.ask(units.departments.get_departments, sort_order="desc"),
        "department": await session.ask(units.departments.get_department, "default"),
        "telemetry": {
            kind.value: (await session.ask(units.nodes.get_node_telemetry, kind, group_by=["Node"]))
            for kind in models.NodeTelemetryType
            if kind.value not in MEASURED
        },
    }
    for cluster in [*clusters, found["cluster"]]:
        models.DisplayedCluster.from_dict(cluster)
    for page in (found["nodes"], found["named"]):
        models.Nodes.from_dict(page)
    for answer in found["telemetry"].values():
        models.TelemetryResponse.from_dict(answer)
    models.GetDepartments200Response.from_dict(found["departments"])
    if hasattr(models, "WorkloadTypeConfig"):
        models.DepartmentForList.from_dict(found["department"])
        models.DepartmentProjectParent.from_dict(found["project"]["parent"])
        models.ProjectStatus.from_dict(found["project"]["status"])
        models.TotalResources.from_dict(found["project"]["totalResources"])
        found |= await newer_places(session, one)
    else:
        models.GetProjects200Response.from_dict(found["projects"])
        models.GetProjects200ResponseProjectsInner.from_dict(found["project"])
        models.GetDepartments200ResponseDepartmentsInner.from_dict(found["department"])
    return found


async def newer_places(session: Session, cluster: str) -> dict[str, Any]:
    """What only the newer client asks for."""
    units, kinds = session.client.organizations, session.client.workloads.workload_properties
    by_type = models.NodeFilterSortFields.GPUTYPE
    found = {
        "tenant nodes": await session.ask(units.nodes.get_tenant_nodes, sort_by=by_type, filter_by=["status==Ready"]),
        "counts": [
            await session.ask(units.nodes.count_tenant_nodes, search="gpu"),
            await session.ask(units.nodes.count_nodes, cluster, filter_by=["nodePool==big"]),
            await session.ask(units.projects.count_projects, search="team"),
            await session.ask(units.departments.count_departments),
            await session.ask(units.node_pools.count_nodepools, filter_by=[]),
        ],
        "pools": await session.ask(units.node_pools.get_nodepools, sort_by=models.NodepoolSortFilterFields.NAME),
        "types": await session.ask(kinds.list_workload_types, filter_by=["group==apps"], external_types_only=True),
        "categories": await session.ask(kinds.list_categories),
        "priorities": await session.ask(kinds.get_workload_priorities, sort_by="value", sort_order="desc"),
    }
    found["type"] = await session.ask(kinds.get_workload_type, found["types"]["types"][0]["id"])
    found["category"] = await session.ask(kinds.get_category_by_id, found["type"]["categoryId"])
    models.Nodes.from_dict(found["tenant nodes"])
    for count in found["counts"]:
        models.CountNodes200Response.from_dict(count)
    models.GetNodepools200Response.from_dict(found["pools"])
    models.GetWorkloadPriorities200Response.from_dict(found["priorities"])
    models.ListWorkloadTypes200Response.from_dict(await session.ask(kinds.list_workload_types))
    models.WorkloadTypeConfig.from_dict(found["type"])
    for category in [*found["categories"]["categories"], found["category"]]:
        models.WorkloadCategory.from_dict(category)
    return found


def told_of(record: dict[str, Any]) -> bool:
    """Whether what happened to it is asked for: to two of them is enough."""
    return bool(record["name"].endswith("full-Running"))


async def happened(session: Session, workload_id: str) -> dict[str, list[dict[str, Any]]]:
    """All events and all history of a workload, page by page, each page through the client's own model."""
    api = session.client.workloads.events
    asked: dict[str, tuple[Callable[..., Any], Any, str, dict[str, Any]]] = {
        "events": (api.get_workload_events, models.GetWorkloadEvents200Response, "events", {}),
        "history": (api.get_workload_history, models.GetWorkloadHistory200Response, "records", {}),
    }
    if "sort_order" in inspect.signature(api.get_workload_events).parameters:
        asked["oldest first"] = (*asked["events"][:3], {"sort_order": "asc"})
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (method, model, key, arguments) in asked.items():
        found[name] = []
        offset: int | None = 0
        while offset is not None:
            page = await session.ask(method, workload_id, offset=offset, limit=2, **arguments)
            kept = model.from_dict(page).to_dict()
            assert covers(page, kept), (page, kept)
            found[name] += page[key]
            offset = page.get("next")
    return found


def through_the_models(record: dict[str, Any]) -> dict[str, Any]:
    """What the client's models make of a record, or why they do not take it."""
    verdict: dict[str, Any] = {"id": record["id"]}
    for name in ("Workload", "WorkloadDetailed"):
        model = getattr(models, name, None)
        if model is None:
            continue
        try:
            found = model.from_dict(record)
        except ValueError as error:  # pydantic's is one
            verdict[name] = f"{record['name']}: {error}"
        else:
            kept = found.to_dict()
            bent = {key: value for key, value in kept.items() if not covers(record.get(key), value)}
            verdict[name] = f"{record['name']}: became {bent}" if bent else "accepted"
    return verdict


def covers(sent: Any, kept: Any) -> bool:
    """Whether all that the model kept is what was sent."""
    if isinstance(kept, datetime):
        return isinstance(sent, str) and datetime.fromisoformat(sent) == kept
    if isinstance(kept, dict):
        return isinstance(sent, dict) and all(covers(sent.get(key), value) for key, value in kept.items())
    if isinstance(kept, list):
        return isinstance(sent, list) and len(sent) == len(kept) and all(map(covers, sent, kept))
    return bool(sent == kept)


async def pods(session: Session, workload_id: str) -> dict[str, Any]:
    """Every pod, by each of the three methods, each answer through the client's own models."""
    api = session.client.workloads.pods
    full, day = models.PodVerbosity.FULL, "createdAt>=2026-01-01T00:00:00+00:00"
    asked: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "live": (api.list_pods, {}),
        "deleted": (api.list_pods, {"deleted": True, "limit": PAGE, "sort_by": "deletedAt", "sort_order": "desc"}),
        "full": (api.list_pods, {"verbosity": full, "completed": "all", "filter_by": [day, "nodeName!=a,b"]}),
        "ended": (api.list_pods, {"completed": "true", "sort_by": "completedAt"}),
        "of the workload": (api.get_workload_pods, {"workload_id": workload_id, "limit": PAGE}),
        "gone from it": (api.get_workload_pods, {"workload_id": workload_id, "deleted": True}),
    }
    if "search" in inspect.signature(api.list_pods).parameters:
        asked["searched"] = (api.list_pods, {"search": "BARE-p Succeeded"})
    found: dict[str, Any] = {name: await session.every_pod(method, **more) for name, (method, more) in asked.items()}
    for name, more in (
        ("count", {}),
        ("count_deleted", {"deleted": True}),
        ("count_on", {"filter_by": ["nodeName=^GPU"]}),
    ):
        found[name] = (await session.ask(api.count_pods, **more))["count"]
    found["fault"] = await session.fault(api.list_pods, sort_by="name")
    found["unknown"] = await session.fault(api.get_workload_pods, "00000000-0000-4000-8000-000000000000")
    return found


async def filtered(session: Session, terms: list[str]) -> dict[str, Any]:
    """What a filter lists, live and deleted, and what it counts."""
    counted = await session.ask(session.workloads.count_workloads, filter_by=terms)
    return {
        "live": [one["name"] for one in await session.listed(filter_by=terms)],
        "deleted": [one["name"] for one in await session.listed(filter_by=terms, deleted=True)],
        "count": counted["count"],
    }


async def searched(session: Session, words: str) -> list[str] | None:
    """What a search lists; older clients have none."""
    if "search" not in inspect.signature(session.workloads.get_workloads).parameters:
        return None
    return [one["name"] for one in await session.listed(search=words)]


async def run(kind: str, address: str, unknown_id: str) -> dict[str, Any]:
    """Everything a user of the client does with this release."""
    session = Session(kind, address)
    api = session.workloads
    try:
        live = await session.listed()
        deleted = await session.listed(deleted=True)
        got = [await session.ask(api.get_workload, record["id"]) for record in live + deleted]
        return {
            "version": runai.__version__,
            "live": live,
            "deleted": deleted,
            "count": (await session.ask(api.count_workloads))["count"],
            "count_deleted": (await session.ask(api.count_workloads, deleted=True))["count"],
            "count_undeleted": (await session.ask(api.count_workloads, deleted=False, filter_by=[]))["count"],
            "got": got,
            "models": [through_the_models(record) for record in got],
            "sorted": [one["name"] for one in await session.listed(sort_by="name", sort_order="desc", filter_by=[])],
            "filtered": {name: await filtered(session, terms) for name, terms in FILTERS.items()},
            "searched": await searched(session, "FULL registry.example:5000 complet"),
            "telemetry": await telemetry(session),
            "happened": {one["name"]: await happened(session, one["id"]) for one in live + deleted if told_of(one)},
            "metrics": await metrics(session, next(one["id"] for one in live if one["name"] == "full-Running")),
            "pods": await pods(session, next(one["id"] for one in live if one["name"] == "full-Running")),
            "places": await places(session),
            "faults": {
                "node_telemetry": await session.fault(
                    session.client.organizations.nodes.get_node_telemetry, telemetry_type="USED_CPU_CORES"
                ),
                "metrics": await session.fault(
                    api.get_workload_metrics,
                    unknown_id,
                    metric_type=["POD_COUNT"],
                    start=datetime(2026, 1, 2, tzinfo=UTC),
                    end=datetime(2026, 1, 1, tzinfo=UTC),
                ),
                "group_by": await session.fault(
                    api.get_workloads_telemetry, telemetry_type="GPU_ALLOCATION", group_by=["Name"]
                ),
                "limit": await session.fault(api.get_workloads, limit=501),
                "events": await session.fault(session.client.workloads.events.get_workload_events, unknown_id),
                "history": await session.fault(
                    session.client.workloads.events.get_workload_history, unknown_id, limit=0
                ),
                "filter_by": await session.fault(api.get_workloads, filter_by=["phase==Running", "b==1"]),
                "unknown_id": await session.fault(api.get_workload, unknown_id),
                "malformed_id": await session.fault(api.get_workload, "a_b c?d"),
            },
        }
    finally:
        await session.close()


if __name__ == "__main__":
    json.dump({kind: asyncio.run(run(kind, *sys.argv[1:])) for kind in KINDS}, sys.stdout)
