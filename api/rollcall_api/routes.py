"""The Workloads endpoints: parse, authorise, one statement, render."""

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall_api.endpoints import (
    BEARER,
    WORKLOAD_ID,
    answered,
    query_of,
    records_of,
    responses,
    scope_of,
    workload_id_of,
)
from rollcall_api.models import Count, WorkloadDetailed, WorkloadList
from rollcall_api.parameters import COUNT_PARAMETERS, LIST_PARAMETERS, read_page_query, read_selection
from rollcall_api.refusals import not_found

router = APIRouter(prefix="/api/v1", tags=["Workloads"], dependencies=[Security(BEARER)])


@router.get(
    "/workloads",
    operation_id="get_workloads",
    summary="List workloads",
    response_model=WorkloadList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": list(LIST_PARAMETERS)},
)
async def get_workloads(request: Request) -> Response:
    """A page of the workloads that the caller may see, in a total order."""
    scope = await scope_of(request)
    return answered(await records_of(request).page(read_page_query(query_of(request), scope)))


@router.get(
    "/workloads/count",
    operation_id="count_workloads",
    summary="Count workloads",
    response_model=Count,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": list(COUNT_PARAMETERS)},
)
async def count_workloads(request: Request) -> Response:
    """How many workloads the caller may see, exactly."""
    scope = await scope_of(request)
    return answered(await records_of(request).count(read_selection(query_of(request), scope)))


@router.get(
    "/workloads/{workloadId}",  # noqa: FAST003 - read from the path by workload_id_of
    operation_id="get_workload",
    summary="One workload",
    response_model=WorkloadDetailed,
    responses=responses(401, 403, 404, 503),
    openapi_extra={"parameters": [WORKLOAD_ID]},
)
async def get_workload(request: Request) -> Response:
    """One workload by its id, deleted ones too while they are kept."""
    scope = await scope_of(request)
    answer = await records_of(request).one(workload_id_of(request), scope)
    if answer is None:
        raise not_found()
    return answered(answer)
