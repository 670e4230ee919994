"""What is not answered, and how: one error body for every refusal, whoever raised it.

The body is the contract's ``Error``: ``{"code", "message", "details"?}``, the code being the HTTP status.
"""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from rollcall.errors import ClusterError, StoreError, TokenIssuerError
from rollcall_api.answers import json_response

log = structlog.stdlib.get_logger(__name__)

TRY_AGAIN = {"Retry-After": "5"}
"""On what may well be answered when it is asked again."""


class RefusalError(Exception):
    """A request that gets no answer; the message is a sentence for the caller."""

    def __init__(self, status: HTTPStatus, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def bad_parameter(name: str, demand: str) -> RefusalError:
    """A query parameter that cannot be read: the sentence names it and says what it must be."""
    return RefusalError(HTTPStatus.BAD_REQUEST, f"{name} {demand}.")


def not_found(what: str = "workload") -> RefusalError:
    """No such thing, or none that the caller may see: the two must look alike."""
    return RefusalError(HTTPStatus.NOT_FOUND, f"There is no {what} with this id.")


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The error body as an answer."""
    return json_response({"code": status, "message": message}, status=status, headers=headers)


def add_refusals(app: FastAPI) -> None:
    """Let every exception that leaves a route end in an error body."""
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(StoreError, _store_failed)
    app.add_exception_handler(ClusterError, _cluster_failed)
    app.add_exception_handler(TokenIssuerError, _issuer_failed)
    app.add_exception_handler(Exception, _failed)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RefusalError):
        raise error
    return error_response(error.status, error.message, error.headers)


async def _not_routed(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    sentences = {
        HTTPStatus.NOT_FOUND: "There is nothing at this path.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not served here.",
    }
    message = sentences.get(HTTPStatus(error.status_code), str(error.detail))
    return error_response(error.status_code, message, error.headers)


async def _store_failed(_: Request, error: Exception) -> Response:
    # Also where a statement was refused: the schema is then not what it should be, which an admin mends.
    log.warning("store_failed", error=str(error))
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, str(error), TRY_AGAIN)


async def _cluster_failed(_: Request, error: Exception) -> Response:
    log.warning("review_failed", error=str(error))
    message = "The Kubernetes API did not say who you are; try again."
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, message, TRY_AGAIN)


async def _issuer_failed(_: Request, _error: Exception) -> Response:
    # Logged where it was asked, once for all who wait for it.
    message = "The issuer of tokens did not say which keys are its own; try again."
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, message, TRY_AGAIN)


async def _failed(_: Request, _error: Exception) -> Response:
    # The server logs the traceback: the exception is raised again after this answer.
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong.")
