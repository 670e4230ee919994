"""The Workloads endpoints: parse, authorise, one statement, render."""

import re
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response
from fastapi.security import HTTPBearer

from rollcall.store.pages import Scope
from rollcall_api.answers import OBSERVED_AT, freshness_header, json_response
from rollcall_api.models import Count, Error, WorkloadDetailed, WorkloadList
from rollcall_api.parameters import COUNT_PARAMETERS, LIST_PARAMETERS, read_deleted, read_page_query
from rollcall_api.records import Answer, Records
from rollcall_api.refusals import not_found
from rollcall_api.rights import Rights

_BEARER = HTTPBearer(
    scheme_name="bearer",
    auto_error=False,
    description="A bearer token of the Kubernetes cluster, where the API asks who is calling.",
)
"""For the OpenAPI document only: who is asking is found out by :mod:`rollcall_api.rights`."""

router = APIRouter(prefix="/api/v1", tags=["Workloads"], dependencies=[Security(_BEARER)])

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_OBSERVED = {
    OBSERVED_AT: {
        "description": "The instant of the oldest watch behind this answer.",
        "schema": {"type": "string", "format": "date-time"},
    }
}


_WORKLOAD_ID = {
    "name": "workloadId",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
    "description": "The workload's id.",
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


@router.get(
    "/workloads",
    operation_id="get_workloads",
    summary="List workloads",
    response_model=WorkloadList,
    responses=_responses(400, 401, 403, 503),
    openapi_extra={"parameters": list(LIST_PARAMETERS)},
)
async def get_workloads(request: Request) -> Response:
    """A page of the workloads that the caller may see, in a total order."""
    scope = await _scope(request)
    return _answered(await _records(request).page(read_page_query(_query(request), scope)))


@router.get(
    "/workloads/count",
    operation_id="count_workloads",
    summary="Count workloads",
    response_model=Count,
    responses=_responses(400, 401, 403, 503),
    openapi_extra={"parameters": list(COUNT_PARAMETERS)},
)
async def count_workloads(request: Request) -> Response:
    """How many workloads the caller may see, exactly."""
    scope = await _scope(request)
    return _answered(await _records(request).count(deleted=read_deleted(_query(request)), scope=scope))


@router.get(
    "/workloads/{workloadId}",  # noqa: FAST003 - read from the path below
    operation_id="get_workload",
    summary="One workload",
    response_model=WorkloadDetailed,
    responses=_responses(401, 403, 404, 503),
    openapi_extra={"parameters": [_WORKLOAD_ID]},
)
async def get_workload(request: Request) -> Response:
    """One workload by its id, deleted ones too while they are kept."""
    scope = await _scope(request)
    # The framework's own reading takes any 128 bits in any digits for a UUID, and promises a 422.
    workload_id: str = request.path_params["workloadId"]
    if not _ID.fullmatch(workload_id):
        raise not_found()
    answer = await _records(request).one(workload_id.lower(), scope)
    if answer is None:
        raise not_found()
    return _answered(answer)


async def _scope(request: Request) -> Scope:
    rights: Rights = request.app.state.rights
    return await rights.scope_of(request.headers.getlist("authorization"))


def _records(request: Request) -> Records:
    records: Records = request.app.state.records
    return records


def _query(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return query


def _answered(answer: Answer) -> Response:
    return json_response(answer.body, headers=freshness_header(answer.observed_at))
