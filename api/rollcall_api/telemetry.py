"""``GET /api/v1/workloads/telemetry``: how many workloads there are and how many GPUs they hold, group by group."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.contract import decimal
from rollcall.domain.records import Phase
from rollcall.store.pages import Scope
from rollcall.store.telemetry import PENDING_BUCKETS, GroupKey, Measure, Telemetry, TelemetryQuery
from rollcall_api.endpoints import BEARER, query_of, records_of, responses, scope_of
from rollcall_api.query_strings import described, items, one, read_query, word
from rollcall_api.refusals import bad_parameter
from rollcall_api.telemetry_answers import (
    IN_TWO_FORMS,
    MOST_GROUPS,
    Sum,
    TelemetryResponse,
    array,
    sums_json,
    telemetry_answer,
)

PENDING_TIME = "PendingTime"
"""The key of the groups that PENDING_TIME_DISTRIBUTION adds."""

_BUCKET_NAMES = tuple(f"{least}-{'' if most is None else most}" for least, most in PENDING_BUCKETS)
_MICROS = 1_000_000

router = APIRouter(prefix="/api/v1", tags=["Workloads"], dependencies=[Security(BEARER)])


TELEMETRY_PARAMETERS = (
    {
        **described(
            "telemetryType",
            {"type": "string", "enum": [measure.value for measure in Measure]},
            "What is summed: workloads, the GPUs they hold, or the pending ones by how long they have been so.",
        ),
        "required": True,
    },
    array(
        "groupBy",
        GroupKey,
        "What the sums are split by; with PENDING_TIME_DISTRIBUTION, which splits by itself, at most one.",
        maxItems=MOST_GROUPS,
    ),
    described("clusterId", {"type": "string", "format": "uuid"}, "Only workloads of this cluster."),
    described("nodepoolName", {"type": "string"}, "Only workloads in this node pool, and what they hold there."),
    described("departmentId", {"type": "string"}, "Only workloads of this department."),
    array("filterByPhases", Phase, "Only workloads in one of these phases."),
)
"""What :func:`read_telemetry_query` reads, for the OpenAPI document."""


def read_telemetry_query(raw: bytes, scope: Scope) -> TelemetryQuery:
    """What a query string asks to be summed, of what the caller may see.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, {found["name"] for found in TELEMETRY_PARAMETERS})
    measure = one(given, "telemetryType", _measure, default=None)
    if measure is None:
        raise bad_parameter("telemetryType", f"is missing; it must be one of {', '.join(Measure)}")
    group_by = [word(GroupKey)("groupBy", item) for item in items(given, "groupBy")]
    # The distribution is a group of its own, and no value has more than two.
    most = MOST_GROUPS - (measure is Measure.PENDING_TIME_DISTRIBUTION)
    if len(group_by) > most:
        raise bad_parameter("groupBy", f"must name at most {most} with {measure}, not {len(group_by)}")
    return TelemetryQuery(
        measure=measure,
        group_by=tuple(dict.fromkeys(group_by)),
        cluster_id=one(given, "clusterId", _name, default=None),
        node_pool=one(given, "nodepoolName", _name, default=None),
        department_id=one(given, "departmentId", _name, default=None),
        phases=frozenset(word(Phase)("filterByPhases", item) for item in items(given, "filterByPhases")),
        scope=scope,
    )


@router.get(
    "/workloads/telemetry",
    operation_id="get_workloads_telemetry",
    summary="Sums over workloads",
    response_model=TelemetryResponse,
    responses={**responses(400, 401, 403, 503), 200: IN_TWO_FORMS},
    openapi_extra={"parameters": list(TELEMETRY_PARAMETERS)},
)
async def get_workloads_telemetry(request: Request) -> Response:
    """How many of the live workloads that the caller may see there are, or how many GPUs they hold, exactly."""
    scope = await scope_of(request)
    query = read_telemetry_query(query_of(request), scope)
    found = await records_of(request).telemetry(query)
    return telemetry_answer(request, query.measure, found, keys=_keys(query), sums=_sums(query, found))


def telemetry_body(query: TelemetryQuery, found: Telemetry) -> dict[str, Any]:
    """The answer of the contract."""
    return sums_json(query.measure, found, keys=_keys(query), sums=_sums(query, found))


def _keys(query: TelemetryQuery) -> list[str]:
    buckets = [PENDING_TIME] if query.measure is Measure.PENDING_TIME_DISTRIBUTION else []
    return [*(key.value for key in query.group_by), *buckets]


def _sums(query: TelemetryQuery, found: Telemetry) -> Iterator[Sum]:
    for group in found.groups:
        names = tuple(zip(group.values, group.names, strict=True))
        for text, bucket in zip(_texts(query, group.sums), _buckets(query), strict=True):
            yield Sum(text, (*names, *((name, name) for name in bucket)))


def _texts(query: TelemetryQuery, sums: Sequence[int]) -> list[str]:
    unit = _MICROS if query.measure is Measure.GPU_ALLOCATION else 1
    return [decimal(amount, unit) for amount in sums]


def _buckets(query: TelemetryQuery) -> list[tuple[str, ...]]:
    """For each sum of a group the bucket it is of, where there are buckets."""
    if query.measure is Measure.PENDING_TIME_DISTRIBUTION:
        return [(name,) for name in _BUCKET_NAMES]
    return [()]


def _measure(name: str, text: str) -> Measure | None:
    # A client that is given its own enum's member sends the member's name in Python.
    return word(Measure)(name, text.removeprefix("WorkloadTelemetryType."))


def _name(_: str, text: str) -> str | None:
    """An id or a name, whatever it is: one that nothing has is none of ours. An empty one asks for nothing."""
    return text or None
