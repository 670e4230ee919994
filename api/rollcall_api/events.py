"""``/workloads/{workloadId}/events`` and ``…/history``: what happened to a workload, the newest first."""

from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.contract import instant
from rollcall.domain.events import KubernetesEvent
from rollcall.store.event_pages import EventPage, EventQuery, PhaseChange
from rollcall.store.pages import Scope
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
from rollcall_api.event_models import EventList, History, HistoryRecordType
from rollcall_api.parameters import DEFAULT_LIMIT, MOST_LIMIT, MOST_OFFSET, SortOrder, read_place, sort_order
from rollcall_api.query_strings import described, one, read_query
from rollcall_api.records import Answer
from rollcall_api.refusals import not_found

router = APIRouter(prefix="/api/v1", tags=["Events"], dependencies=[Security(BEARER)])

HISTORY_PARAMETERS = (
    described(
        "offset",
        {"type": "integer", "format": "int32", "minimum": 0, "maximum": MOST_OFFSET, "default": 0},
        "Entries to skip: `next` of the page before.",
    ),
    described(
        "limit",
        {"type": "integer", "format": "int32", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT},
        "Entries on the page at most.",
    ),
)
EVENT_PARAMETERS = (
    *HISTORY_PARAMETERS,
    described(
        "sortOrder",
        {"type": "string", "enum": [order.value for order in SortOrder], "default": SortOrder.DESCENDING.value},
        "The direction, by when each happened last.",
    ),
)


@router.get(
    "/workloads/{workloadId}/events",  # noqa: FAST003 - read from the path by workload_id_of
    operation_id="get_workload_events",
    summary="Kubernetes events of one workload",
    response_model=EventList,
    responses=responses(400, 401, 403, 404, 503),
    openapi_extra={"parameters": [WORKLOAD_ID, *EVENT_PARAMETERS]},
)
async def get_workload_events(request: Request) -> Response:
    """The events of the workload's object, its pods and what is between, while they are kept; of a deleted one too."""
    scope = await scope_of(request)
    query = read_event_query(query_of(request), workload_id_of(request), scope)
    page = await records_of(request).events(query)
    if page is None:
        raise not_found()
    return _answered(page, query, "events", [event_json(event, page.cluster_id) for event in page.entries])


@router.get(
    "/workloads/{workloadId}/history",  # noqa: FAST003 - same
    operation_id="get_workload_history",
    summary="History of one workload",
    response_model=History,
    responses=responses(400, 401, 403, 404, 503),
    openapi_extra={"parameters": [WORKLOAD_ID, *HISTORY_PARAMETERS]},
)
async def get_workload_history(request: Request) -> Response:
    """The workload's changes of phase and its events, the newest first; of a deleted one too while it is kept."""
    scope = await scope_of(request)
    query = read_history_query(query_of(request), workload_id_of(request), scope)
    page = await records_of(request).history(query)
    if page is None:
        raise not_found()
    return _answered(page, query, "records", [_history_json(entry, page.cluster_id) for entry in page.entries])


def read_event_query(raw: bytes, workload_uid: str, scope: Scope) -> EventQuery:
    """Which page of a workload's events a query string asks for.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, {"offset", "limit", "sortOrder"})
    order = one(given, "sortOrder", sort_order, default=SortOrder.DESCENDING)
    return EventQuery(
        workload_uid=workload_uid, scope=scope, descending=order is SortOrder.DESCENDING, **read_place(given)
    )


def read_history_query(raw: bytes, workload_uid: str, scope: Scope) -> EventQuery:
    """Which page of a workload's history a query string asks for.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    return EventQuery(workload_uid=workload_uid, scope=scope, **read_place(read_query(raw, {"offset", "limit"})))


def event_json(event: KubernetesEvent, cluster_id: str) -> dict[str, Any]:
    """The Event of the contract, and how often it happened."""
    involved = event.involved
    answer: dict[str, Any] = {
        "id": event.uid,
        "clusterId": cluster_id,
        "createdAt": instant(event.at),
        "type": event.type,
        "message": event.message,
        "count": event.count,
        "involvedObject": {
            "uid": involved.uid,
            "kind": involved.kind,
            "name": involved.name,
            "namespace": involved.namespace,
        },
    }
    optional = {"reason": event.reason, "source": event.source}
    return answer | {key: value for key, value in optional.items() if value}


def _history_json(entry: KubernetesEvent | PhaseChange, cluster_id: str) -> dict[str, Any]:
    if isinstance(entry, KubernetesEvent):
        kind, event, change = HistoryRecordType.EVENT, event_json(entry, cluster_id), None
    else:
        kind, event = HistoryRecordType.PHASE_UPDATE, None
        change = {"phase": entry.phase.value, "phaseMessage": entry.message or ""}
    return {
        "meta": {"creationTimestamp": instant(entry.at), "type": kind.value},
        "spec": {"event": event, "phaseUpdate": change},
    }


def _answered(page: EventPage[Any], query: EventQuery, key: str, entries: list[dict[str, Any]]) -> Response:
    body: dict[str, Any] = {key: entries}
    if page.has_more:
        body["next"] = query.offset + len(entries)
    return answered(Answer(body, page.observed_at))
