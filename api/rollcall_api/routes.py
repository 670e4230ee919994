"""The Workloads endpoints: parse, authorise, one statement, render."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.contract import Setting, instant, workload_json
from rollcall.store.engine import store_errors
from rollcall.store.pages import PageQuery, Scope, SortKey, workload_by_id, workload_count, workload_page
from rollcall.store.records import StoredWorkload
from rollcall_api.authentication import Gate
from rollcall_api.errors import NotFound
from rollcall_api.models import Count, Error, Workload, WorkloadList
from rollcall_api.parameters import (
    DEFAULT_ROWS,
    MOST_ROWS,
    deleted_parameter,
    list_parameters,
    read_query,
    refuse_filters,
)

OBSERVED_AT = "X-Rollcall-Observed-At"
"""The header with the instant of the oldest watch behind an answer."""

router = APIRouter(prefix="/api/v1", tags=["Workloads"])

_OBSERVED = {
    OBSERVED_AT: {
        "description": "The instant of the oldest watch behind this answer.",
        "schema": {"type": "string", "format": "date-time"},
    }
}


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        400: "The request is at fault; the message names the parameter.",
        401: "No bearer token, or one that the cluster does not know.",
        403: "The caller may not list workloads in any namespace.",
        404: "No such workload, or none that the caller may see.",
        503: "The database or the Kubernetes API is away; try again.",
    }
    found: dict[int | str, dict[str, Any]] = {200: {"headers": _OBSERVED}}
    found.update({status: {"model": Error, "description": words[status]} for status in statuses})
    return found


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_DELETED = _parameter("deleted", "Deleted workloads instead of those that are there.", type="boolean", default=False)
_LIST_PARAMETERS = [
    _DELETED,
    _parameter("offset", "Rows to leave out.", type="integer", format="int32", minimum=0, default=0),
    _parameter("limit", "Rows at most.", type="integer", minimum=1, maximum=MOST_ROWS, default=DEFAULT_ROWS),
    _parameter(
        "sortBy",
        "What to sort by; ties go by id.",
        type="string",
        enum=[key.value for key in SortKey],
        default="createdAt",
    ),
    _parameter("sortOrder", "Nulls come last either way.", type="string", enum=["asc", "desc"], default="asc"),
]


@router.get(
    "/workloads",
    operation_id="get_workloads",
    summary="List workloads",
    response_model=WorkloadList,
    responses=_responses(400, 401, 403, 503),
    openapi_extra={"parameters": _LIST_PARAMETERS},
)
async def get_workloads(request: Request) -> JSONResponse:
    """A page of the workloads that the caller may see, in a total order."""
    scope = await _scope(request)
    parameters = list_parameters(read_query(request.scope["query_string"]))
    query = PageQuery(
        deleted=parameters.deleted,
        offset=parameters.offset,
        limit=parameters.limit,
        sort=parameters.sort,
        descending=parameters.descending,
        scope=scope,
    )
    with store_errors():
        async with _engine(request).connect() as connection:
            page = await workload_page(connection, query)
    body: dict[str, Any] = {"workloads": [_render(request, stored) for stored in page.workloads]}
    if page.has_more:
        body["next"] = parameters.offset + len(page.workloads)
    return _answer(body, page.observed_at)


@router.get(
    "/workloads/count",
    operation_id="count_workloads",
    summary="Count workloads",
    response_model=Count,
    responses=_responses(400, 401, 403, 503),
    openapi_extra={"parameters": [_DELETED]},
)
async def count_workloads(request: Request) -> JSONResponse:
    """How many workloads the caller may see, exactly."""
    scope = await _scope(request)
    query = read_query(request.scope["query_string"])
    refuse_filters(query)
    deleted = deleted_parameter(query)
    with store_errors():
        async with _engine(request).connect() as connection:
            count, observed_at = await workload_count(connection, deleted=deleted, scope=scope)
    return _answer({"count": count}, observed_at)


@router.get(
    "/workloads/{workload_id}",
    operation_id="get_workload",
    summary="One workload",
    response_model=Workload,
    responses=_responses(401, 403, 404, 503),
)
async def get_workload(request: Request, workload_id: str) -> JSONResponse:
    """One workload by its id, deleted ones too while they are kept."""
    scope = await _scope(request)
    try:
        uid = str(UUID(workload_id))
    except ValueError:
        raise NotFound("A workload's id is a UUID.") from None
    with store_errors():
        async with _engine(request).connect() as connection:
            stored, observed_at = await workload_by_id(connection, uid, scope)
    if stored is None:
        raise NotFound("There is no such workload.")
    return _answer(_render(request, stored), observed_at)


async def _scope(request: Request) -> Scope:
    gate: Gate = request.app.state.gate
    return await gate.scope_of(request.headers.get("authorization"))


def _engine(request: Request) -> AsyncEngine:
    engine: AsyncEngine = request.app.state.engine
    return engine


def _render(request: Request, stored: StoredWorkload) -> dict[str, Any]:
    return workload_json(
        stored.record,
        Setting(
            tenant_id=request.app.state.tenant_id,
            cluster_id=stored.cluster_id,
            phase_updated_at=stored.phase_updated_at,
            k8s_phase_updated_at=stored.k8s_phase_updated_at,
            updated_at=stored.updated_at,
            deleted_at=stored.deleted_at,
            pending_seconds=stored.pending_seconds,
            running_seconds=stored.running_seconds,
        ),
    )


def _answer(body: dict[str, Any], observed_at: Any) -> JSONResponse:
    headers = {} if observed_at is None else {OBSERVED_AT: instant(observed_at)}
    return JSONResponse(body, headers=headers)
