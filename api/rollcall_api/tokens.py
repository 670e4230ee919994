"""``POST /api/v1/token``: what clients of the contract call before anything else.

Without authentication (loopback only) the answer is a token in the shape that they can decode, which grants nothing
because nothing is asked for. With authentication, applications are not served by this release yet: callers bring a
Kubernetes token of their own.
"""

import base64
import json
import time
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect

from rollcall_api.models import Error, Model
from rollcall_api.refusals import RefusalError
from rollcall_api.rights import NobodyAsked

LIFETIME_SECONDS = 3600
_MOST_BODY = 64 * 1024

router = APIRouter(prefix="/api/v1", tags=["Tokens"])


_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"grantType": {"type": "string", "examples": ["app_token"]}}}
        }
    },
}
"""Read by hand: clients spell the keys in several ways."""


class Token(Model):
    """A token, as the contract's clients read it."""

    accessToken: str  # noqa: N815
    expiresIn: int  # noqa: N815


@router.post(
    "/token",
    operation_id="create_token",
    summary="A bearer token",
    responses={400: {"model": Error, "description": "No token for these credentials."}},
    openapi_extra={"requestBody": _BODY},
)
async def create_token(request: Request) -> Token:
    """A token for a client that insists on one."""
    try:
        given = json.loads(await _body_of(request))
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body must be a JSON object with grantType.")
    if not isinstance(request.app.state.rights, NobodyAsked):
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            "Applications are not served by this release; send a Kubernetes bearer token instead"
            " (kubectl create token SERVICEACCOUNT).",
        )
    return Token(accessToken=unsigned_token(int(time.time())), expiresIn=LIFETIME_SECONDS)


async def _body_of(request: Request) -> bytes:
    """The body, read no further than anyone would send."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BODY:
                raise RefusalError(HTTPStatus.BAD_REQUEST, f"The body is longer than {_MOST_BODY} bytes.")
    except ClientDisconnect:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body ended early.") from None
    return body


def unsigned_token(issued_at: int) -> str:
    """A JWT that nobody signed and nobody checks, whose payload survives a decoder of plain base64."""

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()

    # None of ~ ? > in the claims: no '-' or '_' in the encoded payload.
    claims = {"iss": "rollcall", "sub": "anyone on this machine", "iat": issued_at, "exp": issued_at + LIFETIME_SECONDS}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."
