"""Every GET method of the official client whose path is served, called by a client of every kind; prints what came.

Usage: python runapy_methods.py '{"address": …, "client_id": …, "secret": …, "ids": {…}, "paths": […]}', by the Python
of an environment that has the client. Nothing of Rollcall is imported here.
"""

import asyncio
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from runai import models
from runai.api_client import ApiClient, AsyncApiClient, ThreadedApiClient
from runai.configuration import Configuration
from runai.runai_client import RunaiClient

KINDS = {"sync": ApiClient, "threaded": ThreadedApiClient, "async": AsyncApiClient}

MODELS: dict[str, tuple[str, ...]] = {
    "get_workloads": ("GetWorkloads200Response",),
    "get_workload": ("WorkloadDetailed", "Workload"),
    "count_workloads": (),
    "get_workloads_telemetry": ("TelemetryResponse",),
    "get_workload_metrics": ("MetricsCompositeResponse", "MetricsResponse"),
    "list_pods": ("ListPods200Response",),
    "count_pods": (),
    "get_workload_pods": ("ListPods200Response",),
    "get_workload_pod_metrics": ("MetricsCompositeResponse", "MetricsResponse"),
    "get_workload_events": ("GetWorkloadEvents200Response",),
    "get_workload_history": ("GetWorkloadHistory200Response",),
    "get_clusters": ("DisplayedCluster",),
    "get_cluster_by_uuid": ("DisplayedCluster",),
    "get_nodes": ("Nodes",),
    "get_tenant_nodes": ("Nodes",),
    "get_node_telemetry": ("TelemetryResponse",),
    "get_nodepools": ("GetNodepools200Response",),
    "get_projects": ("GetProjects200Response",),
    "get_project": ("GetProjects200ResponseProjectsInner",),
    "get_departments": ("GetDepartments200Response",),
    "get_department": ("DepartmentForList", "GetDepartments200ResponseDepartmentsInner"),
    "list_workload_types": ("ListWorkloadTypes200Response",),
    "get_workload_type": ("WorkloadTypeConfig",),
    "list_categories": ("ListCategories200Response",),
    "get_category_by_id": ("WorkloadCategory",),
    "get_workload_priorities": ("GetWorkloadPriorities200Response",),
    **dict.fromkeys(
        ("count_nodes", "count_tenant_nodes", "count_nodepools", "count_projects", "count_departments"), ()
    ),
}
"""The model of each method's answer, the newer name first; none where it is a number by the name of `count`."""

MISMADE = {"get_projects", "get_project"} if hasattr(models, "WorkloadTypeConfig") else set()
"""Methods whose model is another object's by mistake of the newer client's generator: tests/contract asks its parts."""

VALUES: dict[str, Any] = {
    "offset": 0,
    "limit": 5,
    "search": "a",
    "deleted": False,
    "sort_order": "desc",
    "sort_by": "createdAt",
    "completed": "all",
    "verbosity": "full",
    "start": datetime(2026, 1, 1, tzinfo=UTC),
    "end": datetime(2026, 1, 2, tzinfo=UTC),
    "number_of_samples": 2,
    "telemetry_type": "WORKLOADS_COUNT",
    "group_by": ["ProjectId", "Phase"],
    "filter_by_phases": ["Running", "Pending"],
    "nodepool_name": "big",
    "department_id": "default",
    "filter_by": ["createdAt>=2021-01-01T00:00:00Z"],
    "node_name": "gpu-1",
    "include_requested_for_delete": False,
    "external_types_only": True,
}
"""A value of each parameter, by its name; ids come from outside."""

BY_METHOD: dict[tuple[str, str], Any] = {
    ("get_workload_metrics", "metric_type"): ["GPU_UTILIZATION", "POD_COUNT"],
    ("get_workload_pod_metrics", "metric_type"): ["GPU_UTILIZATION_PER_GPU", "CPU_USAGE_CORES"],
    ("get_node_telemetry", "telemetry_type"): "READY_GPU_NODES",
    ("get_node_telemetry", "group_by"): ["Nodepool"],
    ("get_departments", "verbosity"): "full",
    ("list_workload_types", "filter_by"): ["group==batch"],
    **{
        (method, "filter_by"): ["name=@a"]
        for part in ("nodes", "tenant_nodes", "nodepools", "projects", "departments", "workload_priorities")
        for method in (f"get_{part}", f"count_{part}")
    },
    **{
        (f"get_{part}", "sort_by"): "name"
        for part in ("tenant_nodes", "nodepools", "projects", "departments", "workload_priorities")
    },
}
"""Where a name means something else in a method."""


def gets(client: RunaiClient) -> Iterator[tuple[str, Callable[..., Any], str]]:
    """The name, the method and the path, with empty braces, of every GET method of the groups that we serve of."""
    for group_name in ("workloads", "organizations"):
        group = getattr(client, group_name)
        for part_name, part in inspect.getmembers(type(group), lambda found: isinstance(found, property)):
            if part is None or part_name == "options":
                continue
            api = getattr(group, part_name)
            for name, method in inspect.getmembers(api, inspect.ismethod):
                source = inspect.getsource(method)
                found = re.search(r'resource_path = \(?\s*f"([^"]*)"', source)
                if found and not name.startswith("_") and 'method = "GET"' in source:
                    path = re.sub(r"\{[^}]*\}", "{}", found[1]).replace("_", "-")
                    yield f"{group_name}.{part_name}.{name}", method, path


def arguments(method: Callable[..., Any], ids: dict[str, str], *, every: bool) -> dict[str, Any]:
    """Values of the required parameters, or of every one."""
    found = {}
    values = {**VALUES, **ids, **{name: value for (of, name), value in BY_METHOD.items() if of == method.__name__}}
    for name, parameter in inspect.signature(method).parameters.items():
        if every or parameter.default is inspect.Parameter.empty:
            values = {
                **VALUES,
                **ids,
                **({name: BY_METHOD[key]} if (key := (method.__name__, name)) in BY_METHOD else {}),
            }
            if name not in values:
                raise LookupError(f"{method.__name__}: give its parameter {name} a value in VALUES of {__file__}")
            found[name] = values[name]
    return found


def verdict(name: str, data: Any) -> str:
    """What is wrong with the data of an answer by the client's own model; empty where nothing is."""
    if name not in MODELS:
        return f"say of which model the answer of {name} is, in MODELS of {__file__}"
    known = [found for found in MODELS[name] if hasattr(models, found)]
    if name in MISMADE:
        return ""
    if not MODELS[name]:
        return "" if isinstance(data["count"], int) else f"no count: {data}"
    try:
        for one in data if isinstance(data, list) else [data]:
            getattr(models, known[0]).from_dict(one)
    except ValueError as error:  # pydantic's is one
        return str(error)
    return ""


async def answer_of(method: Callable[..., Any], given: dict[str, Any]) -> Any:
    """The answer, however this kind of client hands it over."""
    found = method(**given)
    if inspect.isawaitable(found):
        return await found
    return found.get(30) if hasattr(found, "get") else found


async def run(kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Each method that is served: its status and what is wrong with it; and the paths of those that are not."""
    configuration = Configuration(
        client_id=asked["client_id"], client_secret=asked["secret"], runai_base_url=asked["address"]
    )
    api_client = KINDS[kind](configuration)
    client = RunaiClient(api_client)
    called: dict[str, Any] = {}
    missing: dict[str, str] = {}
    try:
        for name, method, path in gets(client):
            if path not in asked["paths"]:
                missing[name] = path
                continue
            for every in (False, True):
                answer = await answer_of(method, arguments(method, asked["ids"], every=every))
                called[f"{name} {'with all' if every else 'bare'}"] = {
                    "path": path,
                    "status": answer.status_code,
                    "fault": verdict(method.__name__, answer.data),
                }
    finally:
        closed = api_client.close()
        if inspect.isawaitable(closed):
            await closed
        client.api_client = None  # its destructor would close once more, without waiting
    return {"called": called, "missing": missing}


if __name__ == "__main__":
    json.dump({kind: asyncio.run(run(kind, json.loads(sys.argv[1]))) for kind in KINDS}, sys.stdout)
