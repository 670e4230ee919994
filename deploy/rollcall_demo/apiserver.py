"""The simulated API server: as much of the Kubernetes API as kopf's list, watch and discovery need, and no more.

It says that it is a simulation in ``/version``. Faults on purpose are methods of :class:`Faults`.
"""

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from rollcall_demo.faults import Faults
from rollcall_demo.objects import ConflictError, Json, Objects
from rollcall_demo.resources import Resource, Target, described_group, described_groups, find_target
from rollcall_demo.statuses import partial, refuse, wants_metadata_only
from rollcall_demo.watch import BOOKMARK_SECONDS, Watch

GIT_VERSION = "v1.37.0-simulated"
VERSION = {
    "major": "1",
    "minor": "37",
    "gitVersion": GIT_VERSION,
    # Clients insist on these.
    **dict.fromkeys(("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"), "simulated"),
}

CONTEXT = "simulated"
"""The only context of the kubeconfig."""

MOST_PAGED_LISTS = 100
"""Paged lists remembered; the oldest is then told 410."""


class SimulatedApiServer:
    """The objects over HTTP, on a loopback port."""

    def __init__(self, objects: Objects, *, bookmark_seconds: float = BOOKMARK_SECONDS) -> None:
        self.on_request: Callable[[web.Request], None] = lambda _: None
        """Told of every request, whatever becomes of it."""
        self.objects = objects
        self.faults = Faults(objects)
        self.faults.on_forgetting = self._forget_pages
        self._bookmark_seconds = bookmark_seconds
        self._pages: dict[str, tuple[int, list[Json]]] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one."""
        app = web.Application(middlewares=[self._under_faults])
        app.router.add_route("*", "/{path:.*}", self._answer)
        # A watch never ends by itself: nothing is gained by waiting for it.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Cut every watch and close the port."""
        self.faults.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def write_kubeconfig(self, path: Path) -> None:
        """A kubeconfig for this server, for it alone: its only context is :data:`CONTEXT`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        cluster = {"name": CONTEXT, "cluster": {"server": self.url}}
        context = {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "contexts": [context],
            "users": [{"name": CONTEXT, "user": {}}],
            "current-context": CONTEXT,
        }
        path.write_text(yaml.safe_dump(config), encoding="utf-8")

    @web.middleware
    async def _under_faults(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.on_request(request)
        refusal = await self.faults.before(request)
        if refusal is not None:
            return refusal
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        target = find_target(request.path)
        if target is None:
            return self._discovery(request.path)
        match request.method:
            case "GET" if target.name is not None:
                return self._get(target, request)
            case "GET" if request.query.get("watch") in ("1", "true"):
                return await self._watch(target, request)
            case "GET":
                return self._list(target, request)
            case "POST" if target.resource.writable and target.name is None:
                return self._write(target, await _body(request))
            case "PUT" if target.resource.writable and target.name is not None:
                return self._write(target, await _body(request))
        return refuse(405, "MethodNotAllowed", "the simulated cluster takes no writes but those of a Lease")

    def _discovery(self, path: str) -> web.Response:
        match path.strip("/").split("/"):
            case ["version"]:
                return web.json_response(VERSION)
            case ["livez" | "readyz" | "healthz"]:
                return web.Response(text="ok")
            case ["api"]:
                return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
            case ["apis"]:
                return web.json_response(
                    {"kind": "APIGroupList", "apiVersion": "v1", "groups": described_groups(self.faults.served)}
                )
            case ["apis", group]:
                found = next((resource for resource in self.faults.served if resource.group == group), None)
                if found is not None:
                    return web.json_response({"kind": "APIGroup", "apiVersion": "v1", **described_group(found)})
            case ["api", version]:
                return self._resource_list("", version)
            case ["apis", group, version]:
                return self._resource_list(group, version)
        return refuse(404, "NotFound", "the server could not find the requested resource")

    def _resource_list(self, group: str, version: str) -> web.Response:
        found = [resource for resource in self.faults.served if (resource.group, resource.version) == (group, version)]
        if not found:
            return refuse(404, "NotFound", "the server could not find the requested resource")
        return web.json_response(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": found[0].api_version,
                "resources": [resource.described() for resource in found],
            }
        )

    def _get(self, target: Target, request: web.Request) -> web.Response:
        obj = self.objects.get(target.resource, target.namespace, target.name or "")
        if obj is None:
            return refuse(404, "NotFound", f'{target.resource.plural} "{target.name}" not found')
        return web.json_response(partial(obj) if wants_metadata_only(request) else obj)

    def _list(self, target: Target, request: web.Request) -> web.Response:
        refusal = _refuse_selectors(request, listing=True)
        if refusal is not None:
            return refusal
        token = request.query.get("continue")
        if token:
            # The pages of one list show the cluster as it was at the first: what is left of it is kept under the token.
            page = self._pages.pop(token, None)
            if page is None:
                return refuse(410, "Expired", "The provided continue parameter is too old")
            version, items = page
        else:
            version, items = self.objects.version, self.objects.all(target.resource, target.namespace)
            items = [item for item in items if _is_selected(item, request.query.get("labelSelector", ""))]
        limit = request.query.get("limit", "0")
        most = int(limit) if limit.isdigit() else 0
        metadata: Json = {"resourceVersion": str(version)}
        if most and len(items) > most:
            token = secrets.token_urlsafe(12)
            items, rest = items[:most], items[most:]
            self._pages[token] = (version, rest)
            if len(self._pages) > MOST_PAGED_LISTS:
                del self._pages[next(iter(self._pages))]
            metadata.update({"continue": token, "remainingItemCount": len(rest)})
        return web.json_response(_as_list(target.resource, metadata, items, metadata_only=wants_metadata_only(request)))

    async def _watch(self, target: Target, request: web.Request) -> web.StreamResponse:
        if "sendInitialEvents" in request.query:
            # As a server without the WatchList feature answers; clients then list.
            return refuse(422, "Invalid", "sendInitialEvents: Forbidden: the simulated cluster streams no lists")
        refusal = _refuse_selectors(request)
        if refusal is not None:
            return refusal
        version = request.query.get("resourceVersion", "")
        if version and not version.isdigit():
            return refuse(400, "BadRequest", f"Invalid value: {version!r}: a resourceVersion is an integer here")
        watch = Watch(
            self.objects,
            self.faults,
            target,
            metadata_only=wants_metadata_only(request),
            bookmark_seconds=self._bookmark_seconds,
        )
        return await watch.serve(request, int(version or "0"))

    def _write(self, target: Target, body: Any) -> web.Response:
        if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
            return refuse(400, "BadRequest", "the body is no Kubernetes object")
        metadata = {**body["metadata"]}
        metadata["name"] = name = target.name or metadata.get("name")
        metadata["namespace"] = target.namespace
        if not name or target.namespace is None:
            return refuse(422, "Invalid", "name and namespace are required")
        resource = target.resource
        obj = {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        try:
            if target.name is None:
                metadata["uid"] = secrets.token_hex(16)
                return web.json_response(self.objects.create(resource, obj), status=201)
            return web.json_response(self.objects.update(resource, obj, version=metadata.get("resourceVersion")))
        except ConflictError as error:
            return refuse(409, "AlreadyExists" if target.name is None else "Conflict", str(error))
        except KeyError:
            return refuse(404, "NotFound", f'{resource.plural} "{name}" not found')

    def _forget_pages(self) -> None:
        self._pages.clear()


async def _body(request: web.Request) -> Any:
    try:
        return await request.json()
    except json.JSONDecodeError:
        return None


def _refuse_selectors(request: web.Request, *, listing: bool = False) -> web.Response | None:
    # An ignored selector would answer what was not asked for.
    for name in ("labelSelector", "fieldSelector"):
        selector = request.query.get(name, "")
        is_known = listing and name == "labelSelector" and _EQUALITY.fullmatch(selector) is not None
        if selector and not is_known:
            return refuse(400, "BadRequest", f"the simulated cluster knows no {name}")
    return None


_EQUALITY = re.compile(r"([^=!,() ]+)=([^=!,() ]*)")
"""The only label selector that lists know: one label and its value."""


def _is_selected(item: Json, selector: str) -> bool:
    match = _EQUALITY.fullmatch(selector)
    return match is None or (item["metadata"].get("labels") or {}).get(match[1]) == match[2]


def _as_list(resource: Resource, metadata: Json, items: list[Json], *, metadata_only: bool) -> Json:
    if metadata_only:
        kind, api_version, items = "PartialObjectMetadataList", "meta.k8s.io/v1", [partial(item) for item in items]
    else:
        kind, api_version = f"{resource.kind}List", resource.api_version
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items}
