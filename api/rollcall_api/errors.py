"""Every error is the contract's ``Error`` body: ``code``, ``message``, ``details`` where there is more to say."""

from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rollcall.errors import ClusterError, RollcallError, StoreError

log = structlog.get_logger(__name__)

_RETRY_SECONDS = "5"


class ApiError(RollcallError):
    """An answer that is an error."""

    status = 500

    def __init__(self, message: str, details: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.details = details
        self.headers = dict(headers or {})


class BadRequest(ApiError):  # noqa: N818 - HTTP's own words
    """The request is at fault; the message names the parameter."""

    status = 400


class Unauthorized(ApiError):  # noqa: N818 - HTTP's own words
    """Nobody known asks."""

    status = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer realm="rollcall"'})


class Forbidden(ApiError):  # noqa: N818 - HTTP's own words
    """Somebody known asks who may see nothing."""

    status = 403


class NotFound(ApiError):  # noqa: N818 - HTTP's own words
    """Not there, or not for this caller's eyes."""

    status = 404


def error_response(
    status: int, message: str, details: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The contract's ``Error`` body."""
    body: dict[str, int | str] = {"code": status, "message": message}
    if details:
        body["details"] = details
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def handle_errors(app: FastAPI) -> None:
    """Make every error of the application the contract's body."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(StoreError, _unavailable)
    app.add_exception_handler(ClusterError, _unavailable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected)


async def _api_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ApiError):
        raise error
    return error_response(error.status, str(error), error.details, error.headers)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("request_unanswered", path=request.url.path, error=str(error))
    return error_response(503, str(error), "Please try again in a few seconds.", {"Retry-After": _RETRY_SECONDS})


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    words = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    message = words.get(error.status_code, str(error.detail))
    return error_response(error.status_code, message, headers=error.headers)


async def _validation_error(_request: Request, _error: Exception) -> JSONResponse:
    return error_response(400, "The request is not of the documented form.")


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request_failed", path=request.url.path, kind=type(error).__name__, exc_info=error)
    return error_response(500, "Something went wrong.")
