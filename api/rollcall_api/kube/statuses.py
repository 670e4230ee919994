"""What an API server answers instead of an object: ``metav1.Status``, in the words that kubectl knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from rollcall_api.rights import Caller

GROUP = "rollcall.dev"
VERSION = "v1"
RESOURCE = "workloads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a request does, as it is authorised; ``None`` for all namespaces, or for no name."""

    verb: str
    namespace: str | None = None
    name: str | None = None


class StatusError(Exception):
    """A request that is answered by a Status."""

    def __init__(
        self, code: HTTPStatus, reason: str, message: str, *, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({} if details is None else {"details": dict(details)}),
            "code": code.value,
        }


def bad_request(message: str) -> StatusError:
    """The request cannot be read; the sentence says what of it."""
    return StatusError(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def unauthorized() -> StatusError:
    """Nobody knows who is asking."""
    return StatusError(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")


def forbidden(caller: Caller, attributes: Attributes) -> StatusError:
    """The caller has no right to it."""
    where = "at the cluster scope"
    if attributes.namespace is not None:
        where = f'in the namespace "{attributes.namespace}"'
    what = f'{RESOURCE}.{GROUP} "{attributes.name}"' if attributes.name else f"{RESOURCE}.{GROUP}"
    message = (
        f'{what} is forbidden: User "{caller.username}" cannot {attributes.verb} resource "{RESOURCE}" '
        f'in API group "{GROUP}" {where}'
    )
    return StatusError(HTTPStatus.FORBIDDEN, "Forbidden", message, details=_details(attributes.name))


def not_found(name: str) -> StatusError:
    """No live workload is called so."""
    message = f'{RESOURCE}.{GROUP} "{name}" not found'
    return StatusError(HTTPStatus.NOT_FOUND, "NotFound", message, details=_details(name))


def nothing_here() -> StatusError:
    """The path is none of this API's."""
    message = "the server could not find the requested resource"
    return StatusError(HTTPStatus.NOT_FOUND, "NotFound", message, details={})


def method_not_allowed() -> StatusError:
    """Workloads are read; what runs is changed through its own kind."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, details=_details(None))


def not_acceptable(offered: str) -> StatusError:
    """No form that the request accepts is served."""
    message = f"only the following media types are accepted: {offered}"
    return StatusError(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", message)


def expired(message: str) -> StatusError:
    """What is referred to is too long ago: the client has to list anew."""
    return StatusError(HTTPStatus.GONE, "Expired", message)


def too_large_version(asked: int, current: int) -> StatusError:
    """A version that is still to come: of another database, or of the time before it was restored."""
    message = f"Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    details = {"causes": causes, "retryAfterSeconds": 1}
    return StatusError(HTTPStatus.GATEWAY_TIMEOUT, "Timeout", message, details=details)


def unavailable(message: str) -> StatusError:
    """The database or the cluster's API server is away."""
    details = {"retryAfterSeconds": 5}
    return StatusError(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message, details=details)


def internal_error() -> StatusError:
    """A fault of ours; the log tells."""
    return StatusError(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "Internal error occurred")


def _details(name: str | None) -> dict[str, Any]:
    return {**({"name": name} if name else {}), "group": GROUP, "kind": RESOURCE}
