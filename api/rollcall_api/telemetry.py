"""``GET /api/v1/workloads/telemetry``: how many workloads there are and how many GPUs they hold, group by group."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response
from pydantic import Field

from rollcall.contract import decimal, instant
from rollcall.domain.records import Phase
from rollcall.store.pages import Scope
from rollcall.store.telemetry import PENDING_BUCKETS, GroupKey, Measure, Telemetry, TelemetryQuery
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.csv_answers import VARY, csv_response, wants_csv
from rollcall_api.endpoints import BEARER, query_of, records_of, responses, scope_of
from rollcall_api.models import Model
from rollcall_api.query_strings import described, items, one, read_query, word
from rollcall_api.refusals import bad_parameter

MOST_GROUPS = 2
PENDING_TIME = "PendingTime"
"""The key of the groups that PENDING_TIME_DISTRIBUTION adds."""

_BUCKET_NAMES = tuple(f"{least}-{'' if most is None else most}" for least, most in PENDING_BUCKETS)
_NAME_COLUMNS = {
    GroupKey.CLUSTER_ID.value: "ClusterName",
    GroupKey.DEPARTMENT_ID.value: "DepartmentName",
    GroupKey.PROJECT_ID.value: "ProjectName",
}
"""The columns of a CSV that hold display names; what is no id is its own name."""

_MICROS = 1_000_000

router = APIRouter(prefix="/api/v1", tags=["Workloads"], dependencies=[Security(BEARER)])


class TelemetryGroup(Model):
    """What a value is of: by which key, the id there, and what that is called."""

    key: str = Field(examples=[GroupKey.PROJECT_ID.value])
    value: str = Field(examples=["team-a"])
    name: str = Field(default="", examples=["team-a"])


class TelemetryValue(Model):
    """A sum, exact, in decimal."""

    value: str = Field(examples=["1.5"])
    groups: list[TelemetryGroup] = Field(default=[], max_length=MOST_GROUPS)


class TelemetryResponse(Model):
    """Sums as of an instant. Without ``groupBy`` it is one value, without groups."""

    type: str = Field(examples=[Measure.WORKLOADS_COUNT.value])
    timestamp: datetime
    values: list[TelemetryValue]


def _array(name: str, words: type[StrEnum], description: str, **more: Any) -> dict[str, Any]:
    listed = {"type": "array", "items": {"type": "string", "enum": [each.value for each in words]}, **more}
    return {**described(name, listed, description), "style": "form", "explode": False}


TELEMETRY_PARAMETERS = (
    {
        **described(
            "telemetryType",
            {"type": "string", "enum": [measure.value for measure in Measure]},
            "What is summed: workloads, the GPUs they hold, or the pending ones by how long they have been so.",
        ),
        "required": True,
    },
    _array(
        "groupBy",
        GroupKey,
        "What the sums are split by; with PENDING_TIME_DISTRIBUTION, which splits by itself, at most one.",
        maxItems=MOST_GROUPS,
    ),
    described("clusterId", {"type": "string", "format": "uuid"}, "Only workloads of this cluster."),
    described("nodepoolName", {"type": "string"}, "Only workloads in this node pool, and what they hold there."),
    described("departmentId", {"type": "string"}, "Only workloads of this department."),
    _array("filterByPhases", Phase, "Only workloads in one of these phases."),
)
"""What :func:`read_telemetry_query` reads, for the OpenAPI document."""

_IN_TWO_FORMS: dict[str, Any] = {
    **responses()[200],
    "content": {"text/csv": {"schema": {"type": "string"}, "example": "timestamp,type,Phase,value\r\n"}},
}


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
    responses={**responses(400, 401, 403, 503), 200: _IN_TWO_FORMS},
    openapi_extra={"parameters": list(TELEMETRY_PARAMETERS)},
)
async def get_workloads_telemetry(request: Request) -> Response:
    """How many of the live workloads that the caller may see there are, or how many GPUs they hold, exactly."""
    scope = await scope_of(request)
    query = read_telemetry_query(query_of(request), scope)
    found = await records_of(request).telemetry(query)
    headers = freshness_header(found.observed_at)
    if wants_csv(request):
        return csv_response(*_table(query, found), headers)
    return json_response(telemetry_body(query, found), headers={**headers, **VARY})


def telemetry_body(query: TelemetryQuery, found: Telemetry) -> dict[str, Any]:
    """The answer of the contract."""
    values: list[dict[str, Any]] = []
    for group in found.groups:
        groups = [
            {"key": key.value, "value": value, "name": name}
            for key, value, name in zip(query.group_by, group.values, group.names, strict=True)
        ]
        for text, bucket in zip(_texts(query, group.sums), _buckets(query), strict=True):
            mine = [*groups, *({"key": PENDING_TIME, "value": one, "name": one} for one in bucket)]
            values.append({"value": text, **({"groups": mine} if mine else {})})
    return {"type": query.measure.value, "timestamp": instant(found.at), "values": values}


def _table(query: TelemetryQuery, found: Telemetry) -> tuple[list[str], list[list[str]]]:
    """The columns and the rows of a CSV: each key and what its value is called, then the sum."""
    columns = ["timestamp", "type"]
    for key in query.group_by:
        columns += [key.value, *([_NAME_COLUMNS[key]] if key in _NAME_COLUMNS else [])]
    columns += [PENDING_TIME] * (query.measure is Measure.PENDING_TIME_DISTRIBUTION) + ["value"]
    rows: list[list[str]] = []
    for group in found.groups:
        cells: list[str] = []
        for key, value, name in zip(query.group_by, group.values, group.names, strict=True):
            cells += [value, *([name] if key in _NAME_COLUMNS else [])]
        for text, bucket in zip(_texts(query, group.sums), _buckets(query), strict=True):
            rows.append([instant(found.at), query.measure.value, *cells, *bucket, text])
    return columns, rows


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
