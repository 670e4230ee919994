"""The paths of the aggregated API: who is asking, whether they may, and what they get."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web

from rollcall.errors import StoreError
from rollcall.store.pages import Scope
from rollcall_api.answers import freshness_header
from rollcall_api.kube import discovery
from rollcall_api.kube.access import DelegatedAccess
from rollcall_api.kube.following import Following
from rollcall_api.kube.forms import JSON, Rendering, read_accept
from rollcall_api.kube.listing import first_page
from rollcall_api.kube.openapi import PATH, Documents
from rollcall_api.kube.options import ListOptions, read_list_options
from rollcall_api.kube.reading import ObjectReader
from rollcall_api.kube.statuses import (
    RESOURCE,
    Attributes,
    bad_request,
    method_not_allowed,
    not_found,
    nothing_here,
)
from rollcall_api.kube.watching import Watch
from rollcall_api.parameters import read_selection
from rollcall_api.refusals import RefusalError
from rollcall_api.rights import Caller
from rollcall_api.telemetry import read_telemetry_query, telemetry_body

log = structlog.stdlib.get_logger(__name__)

COUNT, TELEMETRY = "count", "telemetry"
"""What can be read beside workloads; no workload is called so, for all have a dot in their name."""

_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NAMESPACED = f"/{PATH}/namespaces/{{namespace}}/{RESOURCE}"
_EVERYWHERE = f"/{PATH}/{RESOURCE}"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FindCaller = Callable[[web.Request], Awaitable[Caller]]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The handlers of the paths."""

    reader: ObjectReader
    following: Following
    access: DelegatedAccess
    documents: Documents
    find_caller: FindCaller
    """Raises a StatusError where nobody knows who is asking."""

    def routes(self) -> list[web.RouteDef]:
        """Every path that is served; what is none of them answers 404."""
        known = [
            web.get("/apis", self._open(self._groups)),
            web.get("/apis/rollcall.dev", self._open(_fixed(discovery.group()))),
            web.get(f"/{PATH}", self._open(_fixed(discovery.resource_list()))),
            web.get("/openapi/v2", self._open(self._document(self.documents.v2))),
            web.get("/openapi/v3", self._open(self._document(self.documents.v3_index))),
            web.get(f"/openapi/v3/{PATH}", self._open(self._document(self.documents.v3))),
        ]
        for path in (_EVERYWHERE, _NAMESPACED):
            known += [
                web.get(path, self._list_or_watch),
                web.get(f"{path}/{COUNT}", self._count),
                web.get(f"{path}/{TELEMETRY}", self._telemetry),
                web.route("*", path, self._write),
            ]
        known += [
            web.get(f"{_NAMESPACED}/{{name}}", self._one),
            web.route("*", f"{_NAMESPACED}/{{name}}", self._write),
        ]
        # API servers take a path that ends in a slash for the same.
        slashed = [web.route(one.method, f"{one.path}/", one.handler) for one in known]
        return [*known, *slashed, web.route("*", "/{rest:.*}", self._open(_nothing))]

    def _open(self, handler: Handler) -> Handler:
        """For everyone who is known."""

        async def handled(request: web.Request) -> web.StreamResponse:
            await self.find_caller(request)
            return await handler(request)

        return handled

    async def _groups(self, request: web.Request) -> web.StreamResponse:
        accept = request.headers.get("Accept", "")
        if discovery.wants_aggregated(accept):
            return _answer(discovery.aggregated(), content_type=discovery.AGGREGATED)
        return _answer(discovery.group_list())

    def _document(self, document: bytes) -> Handler:
        etag = f'"{self.documents.etag}"'

        async def answered(request: web.Request) -> web.StreamResponse:
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
            return web.Response(body=document, content_type=JSON, headers={"ETag": etag, "Vary": "Accept"})

        return answered

    async def _list_or_watch(self, request: web.Request) -> web.StreamResponse:
        namespace = _segment(request, "namespace")
        caller = await self.find_caller(request)
        options = read_list_options(request.rel_url.raw_query_string.encode(), self.reader.cluster_id, namespace)
        await self.access.check(caller, Attributes(verb=options.verb, namespace=namespace, name=options.name))
        form = read_accept(request.headers.get("Accept", ""), is_list=not options.watch)
        rendering = Rendering(form, options.included)
        if options.watch:
            return await self._watch(request, options, rendering)
        listed = await first_page(self.reader, options)
        return await _streamed(request, listed.written(rendering), freshness_header(listed.observed_at))

    async def _watch(self, request: web.Request, options: ListOptions, rendering: Rendering) -> web.StreamResponse:
        watch = Watch(self.following, self.reader, options, rendering)
        await watch.begin()

        async def lines() -> AsyncIterator[bytes]:
            async for event in watch.events():
                yield _compact(event) + b"\n"

        return await _streamed(request, lines(), {})

    async def _one(self, request: web.Request) -> web.StreamResponse:
        namespace, name = _segment(request, "namespace"), _segment(request, "name")
        caller = await self.find_caller(request)
        await self.access.check(caller, Attributes(verb="get", namespace=namespace, name=name))
        form = read_accept(request.headers.get("Accept", ""), is_list=False)
        raw = request.rel_url.raw_query_string.encode()
        included = read_list_options(raw, self.reader.cluster_id, namespace).included
        stored = await self.reader.one(namespace or "", name or "")
        if stored is None:
            raise not_found(name or "")
        return _answer(Rendering(form, included).single(stored))

    async def _count(self, request: web.Request) -> web.StreamResponse:
        scope, raw = await self._listed_scope(request)
        selection = _read(lambda: read_selection(raw, scope))
        answer = await self.reader.records.count(selection)
        return _answer(answer.body, headers=freshness_header(answer.observed_at))

    async def _telemetry(self, request: web.Request) -> web.StreamResponse:
        scope, raw = await self._listed_scope(request)
        query = _read(lambda: read_telemetry_query(raw, scope))
        found = await self.reader.records.telemetry(query)
        return _answer(telemetry_body(query, found), headers=freshness_header(found.observed_at))

    async def _listed_scope(self, request: web.Request) -> tuple[Scope, bytes]:
        """Sums tell of what may be listed, and so need that right."""
        namespace = _segment(request, "namespace")
        caller = await self.find_caller(request)
        await self.access.check(caller, Attributes(verb="list", namespace=namespace))
        namespaces = None if namespace is None else frozenset({namespace})
        scope = Scope(namespaces=namespaces, clusters=frozenset({self.reader.cluster_id}))
        return scope, request.rel_url.raw_query_string.encode()

    async def _write(self, request: web.Request) -> web.StreamResponse:
        namespace, name = _segment(request, "namespace"), _segment(request, "name")
        caller = await self.find_caller(request)
        deletion = "delete" if name else "deletecollection"
        verb = deletion if request.method == "DELETE" else _WRITES.get(request.method)
        if verb is not None:
            await self.access.check(caller, Attributes(verb=verb, namespace=namespace, name=name))
        raise method_not_allowed()


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RefusalError as error:
        raise bad_request(error.message) from None


def _segment(request: web.Request, key: str) -> str | None:
    """A part of the path that names something; ``None`` where the path has none of it."""
    found = request.match_info.get(key)
    if found is not None and ("\x00" in found or "�" in found or "/" in found):
        raise nothing_here()
    return found


def _fixed(body: dict[str, Any]) -> Handler:
    async def answered(_: web.Request) -> web.StreamResponse:
        return _answer(body)

    return answered


async def _nothing(_: web.Request) -> web.StreamResponse:
    raise nothing_here()


def _answer(
    body: dict[str, Any], *, content_type: str = JSON, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    return web.Response(body=_compact(body), headers={"Content-Type": content_type, **(headers or {})})


async def _streamed(request: web.Request, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private", **headers})
    await response.prepare(request)
    try:
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except (StoreError, ConnectionError) as error:
        # Half an answer has gone out: that it is half has to be seen.
        log.warning("answer_cut_off", error=str(error))
        if request.transport is not None:
            request.transport.abort()
    return response


def _compact(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
