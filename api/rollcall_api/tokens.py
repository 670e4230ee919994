"""``POST /api/v1/token``: what clients of the contract call before anything else, and ``/api/v2/token`` beside it.

An application that proves itself by its secret gets a token of its ServiceAccount, which is then asked about like any
other. Without authentication (loopback only) the answer is a token in the shape that clients can decode, which grants
nothing because nothing is asked for.
"""

import base64
import json
import time
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from rollcall.errors import ClusterError
from rollcall_api.answers import json_response
from rollcall_api.applications import Issued, Issuer
from rollcall_api.endpoints import too_many
from rollcall_api.models import Error, Model
from rollcall_api.query_strings import shown
from rollcall_api.rate_limits import limits_of, peer_of
from rollcall_api.refusals import TRY_AGAIN, RefusalError

log = structlog.stdlib.get_logger(__name__)

LIFETIME_SECONDS = 3600
GRANTS = ("app_token", "client_credentials")
"""What an application may call the exchange of its secret for a token."""

NEVER_KEPT = {"Cache-Control": "no-store"}
_MOST_BODY = 64 * 1024

router = APIRouter(prefix="/api/v1", tags=["Tokens"])


_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["grantType"],
                "properties": {
                    "grantType": {"type": "string", "enum": list(GRANTS)},
                    "clientId": {"type": ["string", "null"], "description": "Also appId."},
                    "clientSecret": {"type": ["string", "null"], "description": "Also appSecret."},
                },
                "description": "Keys are read in any case.",
            }
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
    summary="A bearer token for an application",
    response_model=Token,
    responses={
        400: {"model": Error, "description": "No token for these credentials."},
        **too_many(),
        503: {"model": Error, "description": "The Kubernetes API gave none; try again."},
    },
    openapi_extra={"requestBody": _BODY},
)
async def create_token(request: Request) -> Response:
    """A token for an application; wrong credentials are a 400, which clients show rather than try again."""
    limits_of(request).spend(peer_of(request))
    try:
        given = json.loads(await body_of(request))
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body must be a JSON object with grantType.")
    folded = {key.lower(): value for key, value in given.items()}
    grant = folded.get("granttype")
    if grant not in GRANTS:
        given_grant = shown(grant) if isinstance(grant, str) else "anything else"
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"grantType must be one of {', '.join(GRANTS)}, not {given_grant}.")
    client_id, secret = (_credential(folded, f"app{name}", f"client{name}") for name in ("id", "secret"))
    issued = await issued_by(request, client_id, secret)
    if issued is None:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "There is no such application, or its secret is another.")
    return json_response({"accessToken": issued.token, "expiresIn": issued.seconds}, headers=NEVER_KEPT)


def _credential(folded: dict[str, Any], *names: str) -> str:
    found = next((folded[name] for name in names if folded.get(name) is not None), "")
    if not isinstance(found, str):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The application's id and secret must be strings.")
    return found


def issuer_of(request: Request) -> Issuer:
    """Who gives tokens here."""
    issuer: Issuer = request.app.state.issuer
    return issuer


async def issued_by(request: Request, client_id: str, secret: str) -> Issued | None:
    """A token for an application; ``None`` where its credentials are wrong.

    Raises:
        RefusalError: 503 where nobody could be asked, 400 where no application is known at all.
    """
    try:
        issued = await issuer_of(request).issue(client_id, secret)
    except ClusterError as error:
        log.warning("token_not_issued", error=str(error))
        message = "The Kubernetes API gave no token for this application; try again."
        raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, message, headers=TRY_AGAIN) from error
    if issued is None:
        limits_of(request).wrong(peer_of(request))
    return issued


async def body_of(request: Request) -> bytes:
    """The body, read no further than anyone would send."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BODY:
                raise RefusalError(HTTPStatus.BAD_REQUEST, f"The body is longer than {_MOST_BODY} bytes.")
    except ClientDisconnect:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body ended early.") from None
    return bytes(body)


INSTEAD = {
    "kubernetes": "a Kubernetes bearer token (kubectl create token SERVICEACCOUNT)",
    "oidc": "a bearer token of the issuer that ROLLCALL_API__OIDC__ISSUER names",
}
"""What opens the API without an application, by the mode of authentication."""


class Anyone:
    """An :class:`Issuer` for where nobody is asked: everybody gets a token, and it means nothing."""

    async def issue(self, client_id: str, secret: str) -> Issued | None:  # noqa: ARG002 - not looked at
        """See :class:`Issuer`."""
        return Issued(unsigned_token(int(time.time())), LIFETIME_SECONDS)


class NoApplications:
    """An :class:`Issuer` that knows of no application, and of what to send instead."""

    def __init__(self, instead: str) -> None:
        self._instead = instead

    async def issue(self, client_id: str, secret: str) -> Issued | None:  # noqa: ARG002 - not looked at
        """See :class:`Issuer`."""
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"No applications are set up here; send {self._instead} instead.",
        )


def unsigned_token(issued_at: int) -> str:
    """A JWT that nobody signed and nobody checks, whose payload survives a decoder of plain base64."""

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()

    # None of ~ ? > in the claims: no '-' or '_' in the encoded payload.
    claims = {"iss": "rollcall", "sub": "anyone on this machine", "iat": issued_at, "exp": issued_at + LIFETIME_SECONDS}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."
