"""One watch of the simulated API server: changes as lines of JSON, bookmarks, 410 where the history ends."""

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from rollcall_demo.faults import Faults
from rollcall_demo.objects import ExpiredError, Objects
from rollcall_demo.resources import Target
from rollcall_demo.statuses import partial, status_of

BOOKMARK_SECONDS = 10.0
"""How often a quiet watch is told where it stands."""

DEFAULT_SECONDS = 1_800
"""How long a watch lives whose client names no time."""


class Watch:
    """A watch of one kind, over all namespaces or one."""

    def __init__(
        self, objects: Objects, faults: Faults, target: Target, *, metadata_only: bool, bookmark_seconds: float
    ) -> None:
        self._objects = objects
        self._faults = faults
        self._target = target
        self._metadata_only = metadata_only
        self._bookmark_seconds = bookmark_seconds

    async def serve(self, request: web.Request, version: int) -> web.StreamResponse:
        """Answer until the time is up, the client goes or the watch is cut."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        # The client goes when it likes to.
        with contextlib.suppress(ConnectionError):
            await self._send_until_the_end(request, response, version)
        return response

    async def _send_until_the_end(self, request: web.Request, response: web.StreamResponse, version: int) -> None:
        loop = asyncio.get_running_loop()
        seconds = request.query.get("timeoutSeconds", "")
        ends_at = loop.time() + (int(seconds) if seconds.isdigit() else DEFAULT_SECONDS)
        bookmarks = request.query.get("allowWatchBookmarks") in ("1", "true")
        bookmark_at = loop.time() + self._bookmark_seconds
        generation = self._faults.generation
        if version == 0:
            # From anywhere: the state first, as additions, then what changes.
            version = self._objects.version
            for obj in self._objects.all(self._target.resource, self._target.namespace):
                await self._send(response, "ADDED", obj)
        with self._objects.listening() as changed:
            while True:
                await self._faults.wait_while_silent()
                if self._faults.generation != generation:
                    await self._end(request, response)
                    return
                if self._target.resource not in self._faults.served:
                    return
                changed.clear()
                try:
                    version = await self._send_changes_since(response, version)
                except ExpiredError:
                    too_old = status_of(410, "Expired", f"too old resource version: {version}")
                    await response.write(_line("ERROR", too_old))
                    return
                now = loop.time()
                if bookmarks and now >= min(ends_at, bookmark_at):
                    await response.write(_line("BOOKMARK", self._bookmark(version)))
                if now >= ends_at:
                    return
                if now >= bookmark_at:
                    bookmark_at = now + self._bookmark_seconds
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(ends_at, bookmark_at) - now)

    async def _end(self, request: web.Request, response: web.StreamResponse) -> None:
        if self._faults.last_words:
            await response.write(self._faults.last_words)
        if not self._faults.ends_cleanly and request.transport is not None:
            request.transport.abort()

    async def _send_changes_since(self, response: web.StreamResponse, version: int) -> int:
        """Send what happened after a version; the version up to which everything was looked at, of this kind or not."""
        changes = self._objects.changes_since(self._target.resource, version)
        newest = self._objects.version
        for change in changes:
            if self._target.namespace in (None, change.object["metadata"].get("namespace")):
                await self._send(response, change.type, change.object)
        return newest

    def _bookmark(self, version: int) -> dict[str, Any]:
        resource = self._target.resource
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}

    async def _send(self, response: web.StreamResponse, change: str, obj: dict[str, Any]) -> None:
        await self._faults.wait_while_silent()
        await response.write(_line(change, partial(obj) if self._metadata_only else obj))


def _line(change: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": change, "object": obj}, separators=(",", ":")).encode() + b"\n"
