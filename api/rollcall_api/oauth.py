"""``POST /api/v2/token``: the same exchange as OAuth 2 words it (RFC 6749, client credentials)."""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from rollcall_api.answers import json_response
from rollcall_api.endpoints import too_many
from rollcall_api.models import Model
from rollcall_api.query_strings import one, read_query
from rollcall_api.rate_limits import limits_of, peer_of
from rollcall_api.refusals import RefusalError
from rollcall_api.tokens import NEVER_KEPT, body_of, issued_by

GRANT = "client_credentials"

_AWAY = "temporarily_unavailable"
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="rollcall"'}

router = APIRouter(prefix="/api/v2", tags=["Tokens"])


class OAuth2Token(Model):
    """A token, as OAuth 2 clients read it."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class OAuth2Error(Model):
    """What is wrong with a token request, in OAuth 2's own words."""

    error: Literal[
        "invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "temporarily_unavailable"
    ]
    error_description: str = Field(default="", examples=["grant_type must be client_credentials."])


class _OAuth2RefusalError(Exception):
    def __init__(
        self,
        error: str,
        description: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.error, self.description, self.status, self.headers = error, description, status, dict(headers or {})


_FORM = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string", "enum": [GRANT]},
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string"},
                },
                "description": "The client's id and secret may come as HTTP Basic credentials instead.",
            }
        }
    },
}


@router.post(
    "/token",
    operation_id="create_oauth2_token",
    summary="A bearer token for an application, by OAuth 2",
    response_model=OAuth2Token,
    responses={
        400: {"model": OAuth2Error, "description": "The request is at fault."},
        401: {"model": OAuth2Error, "description": "There is no such application, or its secret is another."},
        **too_many(OAuth2Error),
        503: {"model": OAuth2Error, "description": "The Kubernetes API gave none; try again."},
    },
    openapi_extra={"requestBody": _FORM},
)
async def create_oauth2_token(request: Request) -> Response:
    """A token for an application."""
    try:
        return await _exchanged(request)
    except _OAuth2RefusalError as refusal:
        body = {"error": refusal.error, "error_description": refusal.description}
        challenge = _CHALLENGE if refusal.status is HTTPStatus.UNAUTHORIZED else {}
        headers = {**NEVER_KEPT, **refusal.headers, **challenge}
        return json_response(body, status=refusal.status, headers=headers)


async def _exchanged(request: Request) -> Response:
    try:
        limits_of(request).spend(peer_of(request))
    except RefusalError as refusal:
        raise _OAuth2RefusalError(_AWAY, refusal.message, refusal.status, refusal.headers) from refusal
    try:
        form = read_query(await body_of(request), {"grant_type", "client_id", "client_secret"})
        grant, client_id, secret = (
            one(form, name, lambda _, text: text, default="") for name in ("grant_type", "client_id", "client_secret")
        )
    except RefusalError as refusal:
        raise _OAuth2RefusalError("invalid_request", refusal.message) from refusal
    if not grant:
        raise _OAuth2RefusalError("invalid_request", f"grant_type is missing; it must be {GRANT}.")
    if grant != GRANT:
        raise _OAuth2RefusalError("unsupported_grant_type", f"grant_type must be {GRANT}.")
    basic = _basic(request)
    if basic is not None:
        if secret or client_id not in ("", basic[0]):
            raise _OAuth2RefusalError("invalid_request", "The client is authenticated in two ways at once.")
        client_id, secret = basic
    try:
        issued = await issued_by(request, client_id, secret)
    except RefusalError as refusal:
        error = _AWAY if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE else "unauthorized_client"
        raise _OAuth2RefusalError(error, refusal.message, refusal.status, refusal.headers) from refusal
    if issued is None:
        message = "There is no such application, or its secret is another."
        raise _OAuth2RefusalError("invalid_client", message, HTTPStatus.UNAUTHORIZED)
    body = {"access_token": issued.token, "token_type": "Bearer", "expires_in": issued.seconds}
    return json_response(body, headers=NEVER_KEPT)


def _basic(request: Request) -> tuple[str, str] | None:
    """The id and the secret of an ``Authorization: Basic`` header; each is form-encoded within it."""
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    scheme, _, encoded = headers[0].strip().partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    client_id, colon, secret = decoded.partition(":")
    if len(headers) > 1 or scheme.lower() != "basic" or not colon:
        message = "The header Authorization must hold Basic credentials, once."
        raise _OAuth2RefusalError("invalid_client", message, HTTPStatus.UNAUTHORIZED)
    return unquote_plus(client_id), unquote_plus(secret)
