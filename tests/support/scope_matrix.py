"""What a caller sees of the filled view, operation by operation, against what their rights say."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from support.filled_view import PROJECTS, UNKNOWN, Project
from support.surface import OPERATIONS, Operation
from support.workload_builders import uid_of

Body = Mapping[str, Any]

OF_A_PROJECT = frozenset({"workloadId", "podId", "projectId"})
"""Path parameters that name something within a project: it is there, or it looks as if it were not."""

NAMESPACES = {found.namespace: found for found in PROJECTS}
PROJECT_IDS = {found.id: found for found in PROJECTS}
WORKLOADS = {uid_of(f"{state}-{found.number:03}"): found for found in PROJECTS for state in ("live", "gone")}


@dataclass(frozen=True, slots=True)
class Shown:
    """How to ask an operation for all that it shows, and to tell from its answer of which projects that is."""

    of: Callable[[Body], Collection[Project] | int]
    query: Mapping[str, str]


def _children(department: Body) -> list[Project]:
    return [PROJECT_IDS[found["id"]] for found in department["children"]]


SHOWN = {
    "get_workloads": Shown(
        lambda body: [NAMESPACES[found["namespace"]] for found in body["workloads"]], {"limit": "500"}
    ),
    "count_workloads": Shown(lambda body: int(body["count"]), {}),
    "get_workloads_telemetry": Shown(
        lambda body: [PROJECT_IDS[found["groups"][0]["value"]] for found in body["values"]],
        {"telemetryType": "WORKLOADS_COUNT", "groupBy": "ProjectId"},
    ),
    "list_pods": Shown(lambda body: [WORKLOADS[found["workloadId"]] for found in body["pods"]], {"limit": "500"}),
    "count_pods": Shown(lambda body: int(body["count"]), {}),
    "get_projects": Shown(lambda body: [PROJECT_IDS[found["id"]] for found in body["projects"]], {"limit": "500"}),
    "count_projects": Shown(lambda body: int(body["count"]), {}),
    "get_departments": Shown(lambda body: _children(*body["departments"]), {}),
    "get_department": Shown(_children, {}),
}
"""By the name of the operation, for those that show more than one thing."""

FOR_ANY_RIGHT = frozenset(
    {
        "count_departments",
        "count_nodepools",
        "get_category_by_id",
        "get_cluster_by_uuid",
        "get_clusters",
        "get_nodepools",
        "get_workload_priorities",
        "get_workload_type",
        "list_categories",
        "list_workload_types",
    }
)
"""What shows the same to whoever may see workloads somewhere."""

FOR_NODES = frozenset({"count_nodes", "count_tenant_nodes", "get_node_telemetry", "get_nodes", "get_tenant_nodes"})
"""What no right to workloads shows."""


SCOPED = tuple(found for found in OPERATIONS if found.is_scoped)


def fault_of(ask: httpx.Client, operation: Operation, seen: Collection[Project]) -> str:
    """What is wrong with what a caller sees who may see these projects; empty where nothing is."""
    if not seen:
        return _wrong_status(ask.get(operation.target(PROJECTS[0].ids())), 403)
    if operation.id in FOR_NODES | FOR_ANY_RIGHT:
        wanted_of_all = 403 if operation.id in FOR_NODES else 200
        return _wrong_status(ask.get(operation.target(PROJECTS[0].ids())), wanted_of_all)
    states = (False, True)
    if OF_A_PROJECT & set(operation.names("path")):
        unseen = [found for found in PROJECTS if found not in seen][:2]
        wanted = dict.fromkeys((*list(seen)[:2], *list(seen)[-1:]), 200) | dict.fromkeys(unseen, 404)
        faults = [
            _wrong_status(ask.get(operation.target(project.ids(deleted=deleted))), status)
            for project, status in wanted.items()
            for deleted in states
        ]
        # What may not be seen looks as what is not there.
        absent = ask.get(operation.target(UNKNOWN))
        alike = [ask.get(operation.target(found.ids())).content == absent.content for found in unseen]
        return "; ".join(filter(None, faults)) or ("" if all(alike) else "what may not be seen is told from nothing")
    assert operation.id in SHOWN, (
        f"{operation}: say in SHOWN of tests/support/scope_matrix.py how its answer tells of which projects it is."
    )
    shown = SHOWN[operation.id]
    faults = []
    for deleted in states if "deleted" in operation.names("query") else states[:1]:
        query = {**shown.query, **({"deleted": "true"} if deleted else {})}
        answer = ask.get(operation.target(PROJECTS[0].ids(), **query))
        faults.append(_wrong_status(answer, 200) or _wrong_rows(shown.of(answer.json()), seen))
    return "; ".join(filter(None, faults))


def _wrong_status(answer: httpx.Response, wanted: int) -> str:
    return "" if answer.status_code == wanted else f"{answer.status_code}, not {wanted}: {answer.text[:200]}"


def _wrong_rows(shown: Collection[Project] | int, seen: Collection[Project]) -> str:
    if isinstance(shown, int):
        return "" if shown == len(seen) else f"{shown}, not {len(seen)}"
    numbers = sorted(found.number for found in shown)
    return "" if numbers == sorted(found.number for found in seen) else f"of the projects {numbers}"
