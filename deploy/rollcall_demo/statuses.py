"""Refusals as Kubernetes words them, and the metadata-only shape of an object."""

from typing import Any

from aiohttp import web

from rollcall_demo.objects import Json


def status_of(code: int, reason: str, message: str) -> dict[str, Any]:
    """A Status object of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def refuse(code: int, reason: str, message: str) -> web.Response:
    """An answer that says no."""
    return web.json_response(status_of(code, reason, message), status=code)


def partial(obj: Json) -> Json:
    """The object as PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def wants_metadata_only(request: web.Request) -> bool:
    """Whether only metadata is asked for."""
    first = request.headers.get("Accept", "").split(",")[0]
    return "as=PartialObjectMetadata" in first
