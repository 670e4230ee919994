"""The list and the watch of Event objects, at a pace that leaves the view alone.

Not through kopf, which spends most of a millisecond on each object and takes in whatever comes: a flood of events would
hold up the pods behind it. Here nothing is read ahead of its turn, so that a flood waits in the API server's own
buffers. A server that loses patience ends the watch; the list that follows holds each event as it is by then.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog

from rollcall.cluster_access import ApiStatusError, get_json, refused_for_good
from rollcall.domain.fields import elements_at, mapping_at, text_at
from rollcall.errors import ClusterError

PAGE = 100
"""Events in one page of the list: reading a page keeps the loop for a few milliseconds."""

TURN = 20
TURN_SECONDS = 0.01
"""After so many events the others have so much time: 2 000 events a second at most."""

WATCH_SECONDS = 300
"""How long one watch is asked for."""

SILENCE_SECONDS = 90
"""Bookmarks come every minute: a watch that is silent for longer is opened anew."""

LONGEST_LINE_BYTES = 2**21
"""More than the largest object that etcd takes."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

Take = Callable[[Mapping[str, Any]], None]

log = structlog.get_logger(__name__)


class _ExpiredError(ClusterError):
    """What is asked for has been forgotten by the API server: list again."""


class EventWatch:
    """Hands every Event object over as it is when it is read. Deletions say nothing: they are the server's."""

    def __init__(
        self, session: aiohttp.ClientSession, server: str, *, refused_seconds: float, namespace: str | None = None
    ) -> None:
        """``refused_seconds``: how long a refusal holds before it is asked again; ``namespace``: by default all are."""
        self._path = "/api/v1/events" if namespace is None else f"/api/v1/namespaces/{namespace}/events"
        self._where = {} if namespace is None else {"namespace": namespace}
        self._refused_seconds = refused_seconds
        self._session = session
        self._server = server
        self._version: str | None = None
        """Where the watch goes on; ``None``: everything is to be listed."""
        self._is_refused = False
        self._taken = 0

    async def run(self, take: Take, *, watching: Callable[[int], None]) -> None:
        """List and watch until cancelled; a refusal and an API server that is away are waited for.

        ``watching`` is told 1 where events are being read, 0 where they no longer are.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                if self._version is None:
                    self._version = await self._list(take)
                watching(1)
                await refused_for_good(self._session, self._server, partial(self._watch, self._version, take))
                pause = FIRST_PAUSE_SECONDS
            except _ExpiredError:
                self._version = None
            except ClusterError as error:
                watching(0)
                self._tell(error)
                if self._is_refused:
                    self._version = None
                    pause = self._refused_seconds
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _tell(self, error: ClusterError) -> None:
        """Say why nothing is read: of a refusal once, until it is over."""
        was_refused = self._is_refused
        self._is_refused = isinstance(error, ApiStatusError) and error.is_refusal
        if not self._is_refused:
            log.warning("events_not_read", error=str(error), **self._where)
        elif not was_refused:
            log.warning("events_forbidden", error=str(error), **self._where)

    async def _list(self, take: Take) -> str:
        """Take all that is there; the version to watch from."""
        params = {"limit": str(PAGE)}
        version = ""
        while True:
            try:
                page = await get_json(self._session, self._server, self._path, params=params)
            except ApiStatusError as error:
                if error.status == HTTPStatus.GONE:
                    raise _ExpiredError(str(error)) from error
                raise
            metadata = mapping_at(page, "metadata")
            version = version or text_at(metadata, "resourceVersion") or ""
            for item in elements_at(page, "items"):
                await self._hand_over(item, take)
            token = text_at(metadata, "continue")
            if token is None:
                return version
            params = {"limit": str(PAGE), "continue": token}

    async def _watch(self, version: str, take: Take) -> None:
        """Take what changes until the server ends the watch."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
        try:
            async with self._session.get(
                self._server + self._path, params=params, timeout=timeout, read_bufsize=LONGEST_LINE_BYTES // 2
            ) as response:
                if response.status == HTTPStatus.GONE:
                    raise _ExpiredError("The watch of events starts at a version that is forgotten.")
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise ApiStatusError(response.status, f"a watch of {self._path}")
                self._is_refused = False
                async for line in response.content:
                    await self._read(json.loads(line), take)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ClusterError(f"The watch of events broke: {type(error).__name__}.") from error

    async def _read(self, change: Any, take: Take) -> None:
        kind, obj = (change.get("type"), change.get("object")) if isinstance(change, dict) else (None, None)
        if not isinstance(obj, dict):
            raise ClusterError("The watch of events sent no object.")
        if kind == "ERROR":
            if obj.get("code") == HTTPStatus.GONE:
                raise _ExpiredError("The watch of events is too far behind.")
            raise ClusterError("The watch of events was ended by an error.")
        if kind in ("ADDED", "MODIFIED"):
            await self._hand_over(obj, take)
        self._version = text_at(obj, "metadata.resourceVersion") or self._version

    async def _hand_over(self, obj: Mapping[str, Any], take: Take) -> None:
        take(obj)
        self._taken += 1
        if self._taken % TURN == 0:
            await asyncio.sleep(TURN_SECONDS)
