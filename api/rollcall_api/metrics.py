"""``/workloads/{workloadId}/metrics``: what its pods asked for and held by the store, what they used by Prometheus."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.contract import instant
from rollcall.store.intervals import PodInterval, WorkloadPods, held_gpus_at, pods_at, requested_at, running_pods_at
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.csv_answers import VARY, csv_response, wants_csv
from rollcall_api.endpoints import BEARER, WORKLOAD_ID, query_of, records_of, responses, scope_of, workload_id_of
from rollcall_api.metric_models import MeasuredPart, Metrics
from rollcall_api.metric_queries import METRICS_PARAMETERS, MetricsQuery, MetricType, read_metrics_query
from rollcall_api.models import Error
from rollcall_api.prometheus import MeasuringError, Prometheus
from rollcall_api.refusals import TRY_AGAIN, RefusalError, not_found

Series = list[tuple[datetime, str]]
_Sums = Callable[[Sequence[PodInterval], Sequence[datetime]], list[int]]

router = APIRouter(prefix="/api/v1", tags=["Workloads"], dependencies=[Security(BEARER)])


def _requested(amount: Callable[[PodInterval], int]) -> _Sums:
    return lambda pods, instants: requested_at(pods, instants, amount)


_FROM_THE_STORE: dict[MetricType, tuple[_Sums, int]] = {
    MetricType.POD_COUNT: (pods_at, 1),
    MetricType.RUNNING_POD_COUNT: (running_pods_at, 1),
    MetricType.GPU_ALLOCATION: (held_gpus_at, 1_000_000),
    MetricType.GPU_MEMORY_REQUEST_BYTES: (_requested(lambda pod: pod.requested_gpu_memory_bytes), 1),
    MetricType.CPU_REQUEST_CORES: (_requested(lambda pod: pod.requested_cpu_millis), 1_000),
    # The sum of the limits that there are; 0 where there are none.
    MetricType.CPU_LIMIT_CORES: (_requested(lambda pod: pod.cpu_limit_millis or 0), 1_000),
    MetricType.CPU_MEMORY_REQUEST_BYTES: (_requested(lambda pod: pod.requested_memory_bytes), 1),
    MetricType.CPU_MEMORY_LIMIT_BYTES: (_requested(lambda pod: pod.memory_limit_bytes or 0), 1),
}
"""How each type is summed over the pods, and how many base units are one unit of it."""


def _in_two_forms(documented: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    table = {"text/csv": {"schema": {"type": "string"}, "example": "type,timestamp,value\r\n"}}
    return {**documented, 200: {**documented[200], "content": table}}


@router.get(
    "/workloads/{workloadId}/metrics",  # noqa: FAST003 - read from the path by workload_id_of
    operation_id="get_workload_metrics",
    summary="Metrics of one workload",
    response_model=Metrics,
    responses={
        **_in_two_forms(responses(400, 401, 403, 404)),
        207: {
            "model": MeasuredPart,
            "description": "Some of the types could be read; `errors` tells why not the others.",
        },
        503: {"model": Error, "description": "None of the types could be read, or the database is away; try again."},
    },
    openapi_extra={"parameters": [WORKLOAD_ID, *METRICS_PARAMETERS]},
)
async def get_workload_metrics(request: Request) -> Response:
    """Samples of what the workload's pods asked for, held and used; of a deleted one too while it is kept."""
    scope = await scope_of(request)
    workload_id, query = workload_id_of(request), read_metrics_query(query_of(request))
    found = await records_of(request).pods_between(workload_id, scope, start=query.start, end=query.end)
    if found is None:
        raise not_found()
    # A workload may have had many thousand pods: what is computed must not hold up other requests.
    series = await asyncio.to_thread(_stored, query, found.pods)
    used, errors = await _used(request.app.state.prometheus, query, found)
    series.update(used)
    if not series:
        raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, _told(errors), headers=TRY_AGAIN)
    return _rendered(request, query, series, errors, freshness_header(found.observed_at))


def _stored(query: MetricsQuery, pods: Sequence[PodInterval]) -> dict[MetricType, Series]:
    """The asked types that the store can tell, with a value at every instant."""
    instants = query.instants
    found: dict[MetricType, Series] = {}
    for kind in query.types:
        if kind in _FROM_THE_STORE:
            sums, per_unit = _FROM_THE_STORE[kind]
            values = (decimal_string(Decimal(total) / per_unit) for total in sums(pods, instants))
            found[kind] = list(zip(instants, values, strict=True))
    return found


async def _used(
    prometheus: Prometheus, query: MetricsQuery, found: WorkloadPods
) -> tuple[dict[MetricType, Series], dict[MetricType, str]]:
    """The asked types that are measured, and why those of them are missing that are."""
    kinds = [kind for kind in query.types if kind not in _FROM_THE_STORE]

    async def measured(kind: MetricType) -> Series | MeasuringError:
        try:
            values = await prometheus.measured(kind, found, query.instants)
        except MeasuringError as error:
            return error
        return [(at, decimal_string(value)) for at, value in values]

    answers = dict(zip(kinds, await asyncio.gather(*map(measured, kinds)), strict=True))
    series = {kind: answer for kind, answer in answers.items() if not isinstance(answer, MeasuringError)}
    return series, {kind: str(answer) for kind, answer in answers.items() if isinstance(answer, MeasuringError)}


def decimal_string(value: Decimal) -> str:
    """Digits and at most a point, as every reader of numbers takes them."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _told(errors: Mapping[MetricType, str]) -> str:
    """One sentence for each cause, with the types that it is behind."""
    causes: dict[str, list[str]] = {}
    for kind, message in errors.items():
        causes.setdefault(message, []).append(kind.value)
    return " ".join(f"{', '.join(kinds)}: {message}" for message, kinds in causes.items())


def _rendered(
    request: Request,
    query: MetricsQuery,
    series: Mapping[MetricType, Series],
    errors: Mapping[MetricType, str],
    headers: Mapping[str, str],
) -> Response:
    status = HTTPStatus.MULTI_STATUS if errors else HTTPStatus.OK
    there = [(kind, series[kind]) for kind in query.types if kind in series]
    if wants_csv(request):
        rows = ((kind.value, instant(at), value) for kind, values in there for at, value in values)
        response = csv_response(("type", "timestamp", "value"), rows, headers)
        response.status_code = status
        return response
    body: dict[str, Any] = {
        "measurements": [
            {"type": kind.value, "values": [{"timestamp": instant(at), "value": value} for at, value in values]}
            for kind, values in there
        ]
    }
    if errors:
        body["errors"] = [{"type": kind.value, "message": message} for kind, message in errors.items()]
    return json_response(body, status=status, headers={**headers, **VARY})
