"""CSV for those who ask for it by ``Accept``; whoever does not gets JSON."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from fastapi import Request
from fastapi.responses import Response

VARY = {"Vary": "Accept"}
"""On every answer that comes in two forms: a cache must not hand one out for the other."""

_CSV, _JSON = "text/csv", "application/json"
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_UNWANTED = (0.0, 2)
"""The rank of what is ruled out by name, the highest that means no."""


def wants_csv(request: Request) -> bool:
    """Whether the caller would rather have CSV than JSON; JSON where it says neither."""
    ranges = [_media_range(part) for header in request.headers.getlist("accept") for part in header.split(",")]
    csv_rank, json_rank = _rank(ranges, _CSV), _rank(ranges, _JSON)
    return csv_rank > max(json_rank, _UNWANTED)


def csv_response(columns: Sequence[str], rows: Iterable[Sequence[str]], headers: Mapping[str, str]) -> Response:
    """A table with its column names in the first line (RFC 4180)."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    writer.writerows(rows)
    return Response(written.getvalue().encode(), 200, {**headers, **VARY}, "text/csv; charset=utf-8")


def _media_range(part: str) -> tuple[str, float]:
    """A media range and how much it is wanted; one that cannot be read is not wanted."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((found[2:] for found in parameters if found.startswith("q=")), "1")
    return name, float(quality) if _QUALITY.fullmatch(quality) else 0.0


def _rank(ranges: Sequence[tuple[str, float]], wanted: str) -> tuple[float, int]:
    """How much a media type is wanted, by the most specific range that covers it, and how specific that is."""
    covering = (wanted, wanted.partition("/")[0] + "/*", "*/*")
    for specific, cover in zip((2, 1, 0), covering, strict=True):
        found = [quality for name, quality in ranges if name == cover]
        if found:
            return max(found), specific
    return _UNWANTED
