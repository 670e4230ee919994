"""The endpoints of clusters, node pools, projects and departments."""

from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.store.listings import Listing, ListingQuery
from rollcall.store.pages import Scope
from rollcall.store.place_listings import (
    DepartmentField,
    ListedCluster,
    NodePoolField,
    ProjectField,
    clusters,
    departments,
    in_cluster,
    node_pools,
    projects,
)
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.endpoints import BEARER, query_of, records_of, responses, scope_of, uuid_of
from rollcall_api.listing_requests import count_parameters, counted, listed, page_parameters
from rollcall_api.models import Count
from rollcall_api.place_answers import cluster_json, department_json, node_pool_json, project_json
from rollcall_api.place_models import Cluster, Department, DepartmentList, NodePoolList, Project, ProjectList
from rollcall_api.query_strings import described, in_path, one, read_query, word
from rollcall_api.records import Listed
from rollcall_api.refusals import not_found

router = APIRouter(prefix="/api/v1", tags=["Places"], dependencies=[Security(BEARER)])


class Verbosity(StrEnum):
    """How much of a cluster is told."""

    METADATA = "metadata"
    FULL = "full"


_VERBOSITY = described(
    "verbosity",
    {"type": "string", "enum": [level.value for level in Verbosity], "default": Verbosity.FULL.value},
    "`metadata` leaves the status out.",
)
CLUSTER_UUID = in_path("clusterUuid", "The cluster's id.", format="uuid")
"""What :func:`known_cluster` reads, for the OpenAPI document."""


@router.get(
    "/clusters",
    operation_id="get_clusters",
    summary="List clusters",
    response_model=list[Cluster],
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": [_VERBOSITY]},
)
async def get_clusters(request: Request) -> Response:
    """The clusters that are shown, as an array, for whoever may see workloads somewhere."""
    scope = await scope_of(request)
    render = _render_cluster(request)
    page = await records_of(request).listed(clusters(scope), ListingQuery(limit=None))
    return json_response([render(one) for one in page.records], headers=freshness_header(page.observed_at))


@router.get(
    "/clusters/{clusterUuid}",  # noqa: FAST003 - read from the path by uuid_of
    operation_id="get_cluster_by_uuid",
    summary="One cluster",
    response_model=Cluster,
    responses=responses(400, 401, 403, 404, 503),
    openapi_extra={"parameters": [CLUSTER_UUID, _VERBOSITY]},
)
async def get_cluster(request: Request) -> Response:
    """One cluster by its id."""
    scope = await scope_of(request)
    render = _render_cluster(request)
    cluster, headers = await known_cluster(request, scope)
    return json_response(render(cluster), headers=headers)


async def known_cluster(request: Request, scope: Scope) -> tuple[ListedCluster, dict[str, str]]:
    """The path's cluster where it is in scope, and how fresh the view is.

    Raises:
        RefusalError: 404, there is none.
    """
    found = in_cluster(clusters(scope), uuid_of(request, "clusterUuid", "cluster"))
    return await _found(request, found, "cluster")


def _render_cluster(request: Request) -> "partial[dict[str, Any]]":
    verbosity = one(read_query(query_of(request), {"verbosity"}), "verbosity", word(Verbosity), default=Verbosity.FULL)
    return partial(
        cluster_json,
        tenant_id=records_of(request).tenant_id,
        stale_after_seconds=request.app.state.stale_after_seconds,
        is_full=verbosity is Verbosity.FULL,
    )


@router.get(
    "/node-pools",
    operation_id="get_nodepools",
    summary="List node pools",
    response_model=NodePoolList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": page_parameters("node pools", NodePoolField, "")},
)
async def get_node_pools(request: Request) -> Response:
    """A page of the node pools, for whoever may see workloads somewhere."""
    pools = node_pools(await scope_of(request))
    labels = request.app.state.node_pool_labels
    render = partial(node_pool_json, tenant_id=records_of(request).tenant_id, default_label=labels[0])
    return await listed(request, pools, NodePoolField, "nodepools", render)


@router.get(
    "/node-pools/count",
    operation_id="count_nodepools",
    summary="Count node pools",
    response_model=Count,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": count_parameters(NodePoolField, "")},
)
async def count_node_pools(request: Request) -> Response:
    """How many node pools there are."""
    return await counted(request, node_pools(await scope_of(request)), NodePoolField)


_IN_PROJECTS = "the name, the namespace or the department"


@router.get(
    "/org-unit/projects",
    operation_id="get_projects",
    summary="List projects",
    response_model=ProjectList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": page_parameters("projects", ProjectField, _IN_PROJECTS)},
)
async def get_projects(request: Request) -> Response:
    """A page of the projects in whose namespaces the caller may see workloads."""
    return await listed(request, projects(await scope_of(request)), ProjectField, "projects", project_json)


@router.get(
    "/org-unit/projects/count",
    operation_id="count_projects",
    summary="Count projects",
    response_model=Count,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": count_parameters(ProjectField, _IN_PROJECTS)},
)
async def count_projects(request: Request) -> Response:
    """How many projects the caller may see."""
    return await counted(request, projects(await scope_of(request)), ProjectField)


@router.get(
    "/org-unit/projects/{projectId}",  # noqa: FAST003 - read from the path below
    operation_id="get_project",
    summary="One project",
    response_model=Project,
    responses=responses(401, 403, 404, 503),
    openapi_extra={"parameters": [in_path("projectId", "The project's id.")]},
)
async def get_project(request: Request) -> Response:
    """One project by its id; where several clusters have it, of the first by id."""
    listing = projects(await scope_of(request))
    found, headers = await _by_word(request, listing, "project_id", "projectId", "project")
    return json_response(project_json(found), headers=headers)


@router.get(
    "/org-unit/departments",
    operation_id="get_departments",
    summary="List departments",
    response_model=DepartmentList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": page_parameters("departments", DepartmentField, "")},
)
async def get_departments(request: Request) -> Response:
    """A page of the departments of the projects that the caller may see."""
    return await listed(request, departments(await scope_of(request)), DepartmentField, "departments", department_json)


@router.get(
    "/org-unit/departments/count",
    operation_id="count_departments",
    summary="Count departments",
    response_model=Count,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": count_parameters(DepartmentField, "")},
)
async def count_departments(request: Request) -> Response:
    """How many departments the caller may see."""
    return await counted(request, departments(await scope_of(request)), DepartmentField)


@router.get(
    "/org-unit/departments/{departmentId}",  # noqa: FAST003 - read from the path below
    operation_id="get_department",
    summary="One department",
    response_model=Department,
    responses=responses(401, 403, 404, 503),
    openapi_extra={"parameters": [in_path("departmentId", "The department's id.")]},
)
async def get_department(request: Request) -> Response:
    """One department by its id; where several clusters have it, of the first by id."""
    listing = departments(await scope_of(request))
    found, headers = await _by_word(request, listing, "department_id", "departmentId", "department")
    return json_response(department_json(found), headers=headers)


async def _by_word(
    request: Request, listing: Listing[Listed], column: str, parameter: str, what: str
) -> tuple[Listed, dict[str, str]]:
    """What has the path's word in a column."""
    given: str = request.path_params[parameter]
    if "\x00" in given:
        raise not_found(what)
    return await _found(
        request, replace(listing, conditions=(*listing.conditions, listing.rows.c[column] == given)), what
    )


async def _found(request: Request, listing: Listing[Listed], what: str) -> tuple[Listed, dict[str, str]]:
    page = await records_of(request).listed(listing, ListingQuery(limit=1))
    if not page.records:
        raise not_found(what)
    return page.records[0], freshness_header(page.observed_at)
