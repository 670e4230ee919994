"""The pods endpoints: those of one workload, all of them, and how many there are."""

from enum import StrEnum

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.store.fields import PodField
from rollcall.store.pages import Scope
from rollcall.store.pods import PodQuery
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
from rollcall_api.filters import read_search, search_for
from rollcall_api.models import Count
from rollcall_api.parameters import (
    PAGING,
    SELECTING,
    SORTING,
    deleted_parameter,
    order_parameters,
    place_parameters,
    read_order,
    read_place,
    read_selected,
    selection_parameters,
)
from rollcall_api.pod_models import PodList
from rollcall_api.query_strings import boolean, described, one, read_query, word
from rollcall_api.refusals import not_found


class Verbosity(StrEnum):
    """How much is told of a pod."""

    BRIEF = "brief"
    FULL = "full"


class Completed(StrEnum):
    """Which pods, by whether they have ended."""

    TRUE = "true"
    FALSE = "false"
    ALL = "all"


_SEARCHED = "the name, namespace, role, node, node pool or phase"

POD_COUNT_PARAMETERS = selection_parameters("pods", PodField, _SEARCHED)
"""What a count is asked, for the OpenAPI document."""

WORKLOAD_POD_PARAMETERS = (deleted_parameter("pods"), *place_parameters("pods"), search_for(_SEARCHED))
"""What a list of a workload's pods is asked, for the OpenAPI document."""

POD_LIST_PARAMETERS = (
    POD_COUNT_PARAMETERS[0],
    *place_parameters("pods"),
    *order_parameters("pods", PodField),
    *POD_COUNT_PARAMETERS[1:],
    described(
        "verbosity",
        {"type": "string", "enum": list(Verbosity), "default": Verbosity.BRIEF},
        "`full` adds `projectName` and `workloadName`.",
    ),
    described(
        "completed",
        {"type": "string", "enum": [*Completed, ""], "default": Completed.ALL},
        "Only the pods that have ended, or only those that have not; a deleted pod has. Empty is all.",
    ),
)
"""What a list is asked, for the OpenAPI document."""

router = APIRouter(prefix="/api/v1", tags=["Pods"], dependencies=[Security(BEARER)])


def read_pod_query(raw: bytes, scope: Scope) -> tuple[PodQuery, Verbosity]:
    """Which page a list's query string asks for, of what the caller may see, and how much of each pod.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, SELECTING | PAGING | SORTING | {"verbosity", "completed"})
    query = PodQuery(
        **read_selected(given, scope, PodField),
        **read_place(given),
        **read_order(given, PodField),
        completed=one(given, "completed", _completed, default=None),
    )
    return query, one(given, "verbosity", _verbosity, default=Verbosity.BRIEF)


def read_workload_pod_query(raw: bytes, scope: Scope, workload_id: str) -> PodQuery:
    """Which page of a workload's pods a query string asks for.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, PAGING | {"deleted", "search"})
    return PodQuery(
        **read_place(given),
        deleted=one(given, "deleted", boolean, default=False),
        scope=scope,
        words=read_search(given.get("search", ())),
        workload_uid=workload_id,
    )


def _verbosity(name: str, text: str) -> Verbosity:
    # A client that is given its own enum's member sends the member's name in Python.
    return word(Verbosity)(name, text.removeprefix("PodVerbosity.").lower())


def _completed(name: str, text: str) -> bool | None:
    # Empty is all, as the contract says.
    found = word(Completed)(name, text.lower() or Completed.ALL)
    return None if found is Completed.ALL else found is Completed.TRUE


@router.get(
    "/workloads/pods",
    operation_id="list_pods",
    summary="List pods",
    response_model=PodList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": list(POD_LIST_PARAMETERS)},
)
async def list_pods(request: Request) -> Response:
    """A page of the pods of the workloads that the caller may see, in a total order."""
    scope = await scope_of(request)
    query, verbosity = read_pod_query(query_of(request), scope)
    return answered(await records_of(request).pods(query, full=verbosity is Verbosity.FULL))


@router.get(
    "/workloads/pods/count",
    operation_id="count_pods",
    summary="Count pods",
    response_model=Count,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": list(POD_COUNT_PARAMETERS)},
)
async def count_pods(request: Request) -> Response:
    """How many pods the caller may see, exactly."""
    scope = await scope_of(request)
    query = PodQuery(**read_selected(read_query(query_of(request), SELECTING), scope, PodField))
    return answered(await records_of(request).pod_count(query))


@router.get(
    "/workloads/{workloadId}/pods",  # noqa: FAST003 - read from the path by workload_id_of
    operation_id="get_workload_pods",
    summary="The pods of one workload",
    response_model=PodList,
    responses=responses(400, 401, 403, 404, 503),
    openapi_extra={"parameters": [WORKLOAD_ID, *WORKLOAD_POD_PARAMETERS]},
)
async def get_workload_pods(request: Request) -> Response:
    """A page of one workload's pods, the oldest first; of a deleted workload too while it is kept."""
    scope = await scope_of(request)
    query = read_workload_pod_query(query_of(request), scope, workload_id_of(request))
    answer = await records_of(request).workload_pods(query)
    if answer is None:
        raise not_found()
    return answered(answer)
