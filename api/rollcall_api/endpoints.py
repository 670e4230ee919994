"""What the endpoints have in common: who is asking, what is read, and what every answer is documented with."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer

from rollcall.store.pages import Scope
from rollcall_api.answers import OBSERVED_AT, freshness_header, json_response
from rollcall_api.models import Error, Model
from rollcall_api.rate_limits import Verdict, limited, limits_of, peer_of
from rollcall_api.records import Answer, Records
from rollcall_api.refusals import not_found
from rollcall_api.rights import Rights

BEARER = HTTPBearer(
    scheme_name="bearer",
    auto_error=False,
    description="A bearer token of the Kubernetes cluster or of the configured issuer, where the API asks who calls.",
)
"""For the OpenAPI document only: who is asking is found out by :mod:`rollcall_api.rights`."""

_OBSERVED = {
    OBSERVED_AT: {
        "description": "The instant of the oldest watch behind this answer.",
        "schema": {"type": "string", "format": "date-time"},
    }
}


WORKLOAD_ID = {
    "name": "workloadId",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
    "description": "The workload's id.",
}
"""What :func:`workload_id_of` reads, for the OpenAPI document."""

POD_ID = {
    "name": "podId",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
    "description": "The pod's id.",
}
"""What :func:`pod_id_of` reads, for the OpenAPI document."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The 200, the 429 and these refusals, for the OpenAPI document."""
    words = {
        400: "The request is at fault; the message names the parameter.",
        401: "No bearer token, or one that is not valid.",
        403: "The caller may not list workloads in any namespace.",
        404: "Nothing has this id, or nothing that the caller may see.",
        503: "The database, the Kubernetes API or the issuer of tokens is away; try again.",
    }
    found: dict[int | str, dict[str, Any]] = {200: {"headers": _OBSERVED}}
    found.update({status: {"model": Error, "description": words[status]} for status in statuses})
    return found | too_many()


def too_many(model: type[Model] = Error) -> dict[int | str, dict[str, Any]]:
    """The 429, for the OpenAPI document."""
    retry_after = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
    description = "More requests than one caller may send."
    return {429: {"model": model, "description": description, "headers": {"Retry-After": retry_after}}}


async def scope_of(request: Request) -> Scope:
    """What the caller may see.

    Raises:
        RefusalError: 401 or 403 where that is nothing, 429 where the caller asks too often.
        ClusterError, TokenIssuerError: nobody could be asked.
    """
    rights: Rights = request.app.state.rights
    return await _limited(request, rights.scope_of)


def records_of(request: Request) -> Records:
    """What the application reads from."""
    records: Records = request.app.state.records
    return records


async def nodes_scope_of(request: Request) -> Scope:
    """The nodes that the caller may see: all those of the clusters in it.

    Raises:
        RefusalError: 401 or 403 where the caller may not, 429 where it asks too often.
        ClusterError, TokenIssuerError: nobody could be asked.
    """
    rights: Rights = request.app.state.rights
    return await _limited(request, rights.nodes_scope_of)


async def _limited(request: Request, ask: Callable[[Sequence[str]], Awaitable[Verdict]]) -> Verdict:
    return await limited(limits_of(request), request.headers.getlist("authorization"), peer_of(request), ask)


def workload_id_of(request: Request) -> str:
    """The path's workload id.

    Raises:
        RefusalError: 404 where it is no UUID.
    """
    return uuid_of(request, "workloadId", "workload")


def uuid_of(request: Request, name: str, what: str) -> str:
    """An id in the path, by the parameter's name and in words.

    Raises:
        RefusalError: 404 where it is no UUID.
    """
    # The framework's own reading takes any 128 bits in any digits for a UUID, and promises a 422.
    found: str = request.path_params[name]
    if not _ID.fullmatch(found):
        raise not_found(what)
    return found.lower()


def pod_id_of(request: Request) -> str:
    """The path's pod id.

    Raises:
        RefusalError: 404 where it can be none.
    """
    return uuid_of(request, "podId", "pod")


def query_of(request: Request) -> bytes:
    """The query string as it was sent."""
    query: bytes = request.scope["query_string"]
    return query


def answered(answer: Answer) -> Response:
    """The body as JSON, and how fresh it is."""
    return json_response(answer.body, headers=freshness_header(answer.observed_at))
