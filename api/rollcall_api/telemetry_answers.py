"""Sums as the contract has them, in JSON or CSV: what the telemetry of workloads and that of nodes have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from rollcall.contract import instant
from rollcall.store.telemetry import GroupKey, Measure, Telemetry
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.csv_answers import VARY, csv_response, wants_csv
from rollcall_api.endpoints import responses
from rollcall_api.models import Model
from rollcall_api.query_strings import described

MOST_GROUPS = 2

_NAME_COLUMNS = {
    "ClusterId": "ClusterName",
    "DepartmentId": "DepartmentName",
    "ProjectId": "ProjectName",
    "Node": "NodeName",
}
"""The columns of a CSV that hold display names; what is no id is its own name."""


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


@dataclass(frozen=True, slots=True)
class Sum:
    """A decimal and, for each key, the value it is of and what that is called."""

    text: str
    groups: tuple[tuple[str, str], ...]


def telemetry_answer(
    request: Request, measure: StrEnum, found: Telemetry, *, keys: Sequence[str], sums: Iterable[Sum]
) -> Response:
    """The sums in the form that the caller would rather have."""
    headers = freshness_header(found.observed_at)
    if wants_csv(request):
        at = instant(found.at)
        columns = ["timestamp", "type", *(name for key in keys for name in _columns_of(key)), "value"]
        return csv_response(columns, ([at, measure.value, *_cells(keys, one), one.text] for one in sums), headers)
    return json_response(sums_json(measure, found, keys=keys, sums=sums), headers={**headers, **VARY})


def sums_json(measure: StrEnum, found: Telemetry, *, keys: Sequence[str], sums: Iterable[Sum]) -> dict[str, Any]:
    """The sums as the contract's object."""
    values = [{"value": one.text, **_groups(keys, one)} for one in sums]
    return {"type": measure.value, "timestamp": instant(found.at), "values": values}


def _columns_of(key: str) -> list[str]:
    return [key, _NAME_COLUMNS[key]] if key in _NAME_COLUMNS else [key]


def _cells(keys: Sequence[str], one: Sum) -> list[str]:
    found = zip(keys, one.groups, strict=True)
    return [cell for key, (value, name) in found for cell in ([value, name] if key in _NAME_COLUMNS else [value])]


def _groups(keys: Sequence[str], one: Sum) -> dict[str, Any]:
    found = zip(keys, one.groups, strict=True)
    groups = [{"key": key, "value": value, "name": name} for key, (value, name) in found]
    return {"groups": groups} if groups else {}


def array(name: str, words: type[StrEnum], description: str, **more: Any) -> dict[str, Any]:
    """A parameter that takes several of an enum's words, for the OpenAPI document."""
    listed = {"type": "array", "items": {"type": "string", "enum": [each.value for each in words]}, **more}
    return {**described(name, listed, description), "style": "form", "explode": False}


IN_TWO_FORMS: dict[str, Any] = {
    **responses()[200],
    "content": {"text/csv": {"schema": {"type": "string"}, "example": "timestamp,type,Phase,value\r\n"}},
}
"""The 200 of an answer that comes as JSON or as CSV, for the OpenAPI document."""
