"""Answers on the wire: compact JSON, and the instant that the view behind it is as of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from fastapi.responses import Response

from rollcall.contract import instant

OBSERVED_AT = "X-Rollcall-Observed-At"
"""The instant of the oldest watch behind an answer; left out before any cluster was read."""


def json_response(
    body: Mapping[str, Any] | Sequence[Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A body as JSON."""
    return Response(orjson.dumps(body), status, dict(headers or {}), "application/json")


def freshness_header(observed_at: datetime | None) -> dict[str, str]:
    """The header that says how fresh the view is."""
    return {} if observed_at is None else {OBSERVED_AT: instant(observed_at)}
