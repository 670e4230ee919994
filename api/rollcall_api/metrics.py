"""Metrics of a workload and of a pod: what was asked for and held by the store, what was used by Prometheus."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.store.intervals import PodInterval, WorkloadPods, held_gpus_at, pods_at, requested_at, running_pods_at
from rollcall_api.endpoints import (
    BEARER,
    POD_ID,
    WORKLOAD_ID,
    pod_id_of,
    query_of,
    records_of,
    responses,
    scope_of,
    workload_id_of,
)
from rollcall_api.measures import Series
from rollcall_api.metric_answers import Found, metrics_answer
from rollcall_api.metric_models import MeasuredPart, Metrics, PodMeasuredPart, PodMetrics
from rollcall_api.metric_queries import (
    Kind,
    MetricsQuery,
    MetricType,
    PodMetricType,
    metrics_parameters,
    read_metrics_query,
)
from rollcall_api.models import Error
from rollcall_api.prometheus import MeasuringError, Prometheus
from rollcall_api.refusals import not_found

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


def _documented(part: type[MeasuredPart] | type[PodMeasuredPart]) -> dict[int | str, dict[str, Any]]:
    """Every answer of an endpoint about metrics."""
    table = {"text/csv": {"schema": {"type": "string"}, "example": "type,timestamp,value\r\n"}}
    documented = responses(400, 401, 403, 404)
    return {
        **documented,
        200: {**documented[200], "content": table},
        207: {"model": part, "description": "Some of the types could be read; `errors` tells why not the others."},
        503: {"model": Error, "description": "None of the types could be read, or the database is away; try again."},
    }


@router.get(
    "/workloads/{workloadId}/metrics",  # noqa: FAST003 - read from the path by workload_id_of
    operation_id="get_workload_metrics",
    summary="Metrics of one workload",
    response_model=Metrics,
    responses=_documented(MeasuredPart),
    openapi_extra={"parameters": [WORKLOAD_ID, *metrics_parameters(MetricType)]},
)
async def get_workload_metrics(request: Request) -> Response:
    """Samples of what the workload's pods asked for, held and used; of a deleted one too while it is kept."""
    scope = await scope_of(request)
    workload_id, query = workload_id_of(request), read_metrics_query(query_of(request), MetricType)
    found = await records_of(request).pods_between(workload_id, scope, start=query.start, end=query.end)
    if found is None:
        raise not_found()
    # A workload may have had many thousand pods: what is computed must not hold up other requests.
    stored = await asyncio.to_thread(_stored, query, found.pods)
    measured, errors = await _used(request, query, found, (kind for kind in query.types if kind not in _FROM_THE_STORE))
    there = Found(series={**stored, **measured}, errors=errors, observed_at=found.observed_at)
    return metrics_answer(request, query, there)


@router.get(
    "/workloads/{workloadId}/pods/{podId}/metrics",  # noqa: FAST003 - read from the path by pod_id_of
    operation_id="get_workload_pod_metrics",
    summary="Metrics of one pod",
    response_model=PodMetrics,
    responses=_documented(PodMeasuredPart),
    openapi_extra={"parameters": [WORKLOAD_ID, POD_ID, *metrics_parameters(PodMetricType)]},
)
async def get_workload_pod_metrics(request: Request) -> Response:
    """Samples of what a pod of the workload used, and each of its GPUs; of a deleted one too while it is kept."""
    scope = await scope_of(request)
    workload_id, pod_id = workload_id_of(request), pod_id_of(request)
    query = read_metrics_query(query_of(request), PodMetricType)
    found = await records_of(request).pod(workload_id, pod_id, scope)
    if found is None:
        raise not_found("pod")
    series, errors = await _used(request, query, found, query.types)
    return metrics_answer(request, query, Found(series=series, errors=errors, observed_at=found.observed_at))


def _stored(query: MetricsQuery[MetricType], pods: Sequence[PodInterval]) -> dict[MetricType, Mapping[str, Series]]:
    """The asked types that the store can tell, with a value at every instant."""
    instants = query.instants
    found: dict[MetricType, Mapping[str, Series]] = {}
    for kind in query.types:
        if kind in _FROM_THE_STORE:
            sums, per_unit = _FROM_THE_STORE[kind]
            values = (Decimal(total) / per_unit for total in sums(pods, instants))
            found[kind] = {"": list(zip(instants, values, strict=True))}
    return found


async def _used(
    request: Request, query: MetricsQuery[Kind], found: WorkloadPods, kinds: Iterable[Kind]
) -> tuple[dict[Kind, Mapping[str, Series]], dict[Kind, str]]:
    """What was measured of these types, and why those of them are missing that are."""
    prometheus: Prometheus = request.app.state.prometheus

    async def measured(kind: Kind) -> Mapping[str, Series] | str:
        try:
            return await prometheus.measured(kind, found, query.instants)
        except MeasuringError as error:
            return str(error)

    asked = list(kinds)
    answers = dict(zip(asked, await asyncio.gather(*map(measured, asked)), strict=True))
    series = {kind: answer for kind, answer in answers.items() if not isinstance(answer, str)}
    return series, {kind: answer for kind, answer in answers.items() if isinstance(answer, str)}
