"""Watches: what the history tells of a selection, from a version on.

A watch holds no queue: it reads on from where it is. One that is too slow for what is kept is told to list anew.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from rollcall_api.kube.following import Following
from rollcall_api.kube.forms import Form, Rendering, error_event
from rollcall_api.kube.history import Change, EventType, History
from rollcall_api.kube.listing import first_page
from rollcall_api.kube.options import ListOptions
from rollcall_api.kube.reading import ObjectReader
from rollcall_api.kube.statuses import StatusError, expired, too_large_version, unavailable

BOOKMARK_SECONDS = 60.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

_LONGEST_SECONDS = (1800.0, 3600.0)
"""Where the client names no time; chosen between the two, so that not all come back at once."""

_CATCHING_UP_SECONDS = 3.0
"""How long a version is waited for that another replica has told of."""


class Watch:
    """One watch. :meth:`begin`, then its events."""

    def __init__(
        self,
        following: Following,
        reader: ObjectReader,
        options: ListOptions,
        rendering: Rendering,
        *,
        bookmark_seconds: float = BOOKMARK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._following = following
        self._reader = reader
        self._options = options
        self._rendering = rendering
        self._bookmark_seconds = bookmark_seconds
        self._clock = clock
        self._history: History
        self._version = 0
        self._told: dict[str, int] | None = None
        """While the objects that were there at the start may be newer than the changes: the version of each."""
        self._told_until = 0
        """From which version on the changes say the same."""
        self._is_first = True

    async def begin(self) -> None:
        """Find out where to begin.

        Raises:
            StatusError: 410 and 504 for the version, 503 while the database has never answered.
        """
        try:
            async with asyncio.timeout(_CATCHING_UP_SECONDS):
                history = self._history = await self._following.began()
        except TimeoutError:
            raise unavailable("the database has not said yet what there is") from None
        version = self._options.version or 0
        if version > history.version:
            await self._following.moved(history, version - 1, _CATCHING_UP_SECONDS)
            if version > history.version:
                raise too_large_version(version, history.version)
        self._version = version or history.version
        if not self._tells_what_is_there():
            history.after(self._version)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The events, until the time is up or an error ends them."""
        longest = self._options.timeout_seconds or random.uniform(*_LONGEST_SECONDS)  # noqa: S311 - no secret
        until = self._clock() + longest
        try:
            if self._tells_what_is_there():
                async for event in self._initial_events():
                    yield event
            async for event in self._changes(until):
                yield event
        except StatusError as error:
            yield error_event(error)

    def _tells_what_is_there(self) -> bool:
        if self._options.initial_events is not None:
            return self._options.initial_events
        return not self._options.version

    async def _initial_events(self) -> AsyncIterator[dict[str, Any]]:
        listed = await first_page(self._reader, self._options)
        # What this replica has not heard of yet comes later, and what it has heard of since the list once more.
        self._version = min(listed.version, self._history.version)
        self._told = {}
        async for stored in listed.objects():
            self._told[stored.record.uid] = stored.changed_version
            yield self._event(EventType.ADDED.value, self._single(stored))
        self._told_until = listed.read_version
        if self._options.initial_events and self._options.bookmarks:
            annotations = {INITIAL_EVENTS_END: "true"}
            yield self._event("BOOKMARK", self._rendering.bookmark(listed.version, annotations=annotations))

    async def _changes(self, until: float) -> AsyncIterator[dict[str, Any]]:
        history = self._history
        bookmark_at = self._clock() + self._bookmark_seconds
        while (now := self._clock()) < until and not self._following.ended:
            if history is not self._following.history:
                raise expired(f"too old resource version: {self._version}: what happened since cannot be told")
            changes = history.after(self._version)
            for change in changes:
                kind = self._kind_of(change)
                if kind is not None:
                    yield self._event(kind.value, self._single(change.stored))
                self._version = max(self._version, change.version)
            if not changes:
                self._version = history.version
            if self._version >= self._told_until:
                self._told = None
            if now >= bookmark_at:
                bookmark_at = now + self._bookmark_seconds
                if self._options.bookmarks:
                    yield self._event("BOOKMARK", self._rendering.bookmark(self._version))
            await self._following.moved(history, self._version, max(min(until, bookmark_at) - self._clock(), 0.0))
        if self._options.bookmarks:
            yield self._event("BOOKMARK", self._rendering.bookmark(self._version))

    def _kind_of(self, change: Change) -> EventType | None:
        kind = change.seen_by(self._options.selection)
        if self._told is None:
            return kind
        told = self._told.get(change.uid)
        if told is not None and change.version <= told:
            return None
        is_there = change.after is not None and self._options.selection.holds(change.after)
        if is_there:
            self._told[change.uid] = change.version
            return EventType.ADDED if told is None else EventType.MODIFIED
        if told is None:
            return None
        del self._told[change.uid]
        return EventType.DELETED

    def _single(self, stored: Any) -> dict[str, Any]:
        return self._rendering.single(stored, with_columns=self._is_first)

    def _event(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._is_first and self._rendering.form is Form.TABLE and body.get("rows"):
            self._is_first = False
        return {"type": kind, "object": body}
