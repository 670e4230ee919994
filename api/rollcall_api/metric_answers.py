"""What was found of the types that were asked for, as the contract words it: JSON, or CSV for those who ask for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Generic

from fastapi import Request
from fastapi.responses import Response

from rollcall.contract import instant
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.csv_answers import VARY, csv_response, wants_csv
from rollcall_api.measures import MEASURES, Series, Shape
from rollcall_api.metric_queries import Kind, MetricsQuery
from rollcall_api.refusals import TRY_AGAIN, RefusalError

_HISTOGRAMS = frozenset({Shape.BUCKETS, Shape.PERCENTILES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[Kind]):
    """The series of each type by what tells them apart, and why a type is missing that is."""

    series: Mapping[Kind, Mapping[str, Series]]
    errors: Mapping[Kind, str]
    observed_at: datetime | None


def metrics_answer(request: Request, query: MetricsQuery[Kind], found: Found[Kind]) -> Response:
    """200 with all that was asked for, or 207 with a part of it.

    Raises:
        RefusalError: 503 where there is nothing, with the reasons.
    """
    if not found.series:
        raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, _told(found.errors), headers=TRY_AGAIN)
    status = HTTPStatus.MULTI_STATUS if found.errors else HTTPStatus.OK
    headers = freshness_header(found.observed_at)
    there = [(kind, found.series[kind]) for kind in query.types if kind in found.series]
    if wants_csv(request):
        columns = _columns(query.types)
        response = csv_response(columns, _rows(columns, there), headers)
        response.status_code = status
        return response
    body: dict[str, Any] = {
        "measurements": [
            one for kind, series in there if not _is_histogram(kind) for one in _measurements(kind, series)
        ]
    }
    if any(map(_is_histogram, query.types)):
        body["histogram"] = [_histogram(kind, series) for kind, series in there if _is_histogram(kind)]
    if found.errors:
        body["errors"] = [{"type": kind.value, "message": message} for kind, message in found.errors.items()]
    return json_response(body, status=status, headers={**headers, **VARY})


def decimal_string(value: Decimal) -> str:
    """Digits and at most a point, as every reader of numbers takes them."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shape(kind: str) -> Shape:
    # What is not measured is told by the store, in one series.
    return MEASURES[kind].shape if kind in MEASURES else Shape.ONE


def _is_histogram(kind: str) -> bool:
    return _shape(kind) in _HISTOGRAMS


def _told(errors: Mapping[Kind, str]) -> str:
    """One sentence for each cause, with the types that it is behind."""
    causes: dict[str, list[str]] = {}
    for kind, message in errors.items():
        causes.setdefault(message, []).append(kind.value)
    return " ".join(f"{', '.join(kinds)}: {message}" for message, kinds in causes.items())


def _measurements(kind: Kind, series: Mapping[str, Series]) -> Iterator[dict[str, Any]]:
    """One for each series; a type without data keeps one without values."""
    for key, values in series.items() or [("", [])]:
        labels = {"labels": {"gpu": key}} if key else {}
        samples = [{"timestamp": instant(at), "value": decimal_string(value)} for at, value in values]
        yield {"type": kind.value, **labels, "values": samples}


def _histogram(kind: Kind, series: Mapping[str, Series]) -> dict[str, Any]:
    """The values of all series at each instant."""
    data: dict[datetime, dict[str, str]] = {}
    for key, values in series.items():
        for at, value in values:
            data.setdefault(at, {})[key] = decimal_string(value)
    return {"type": kind.value, "values": [{"timestamp": instant(at), "data": data[at]} for at in sorted(data)]}


def _columns(kinds: Iterable[str]) -> list[str]:
    """What one table needs for all types that were asked for, the columns of every request first."""
    shapes = {_shape(kind) for kind in kinds}
    per_gpu, keyed = Shape.PER_GPU in shapes, bool(shapes & _HISTOGRAMS)
    return ["type", "timestamp", "value", *["gpu"] * per_gpu, *["key"] * keyed]


def _rows(columns: Sequence[str], there: Iterable[tuple[str, Mapping[str, Series]]]) -> Iterator[list[str]]:
    for kind, series in there:
        column = "gpu" if _shape(kind) is Shape.PER_GPU else "key"
        for key, values in series.items():
            told = [key if name == column else "" for name in columns[3:]]
            for at, value in values:
                yield [str(kind), instant(at), decimal_string(value), *told]
