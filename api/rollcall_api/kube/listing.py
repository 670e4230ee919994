"""Lists: written page by page as they are read, so that a list of everything is never in memory at once."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from rollcall.store.objects import ObjectPage, Place
from rollcall.store.records import StoredWorkload
from rollcall_api.kube import continuation
from rollcall_api.kube.forms import Rendering
from rollcall_api.kube.options import ListOptions
from rollcall_api.kube.reading import ObjectReader
from rollcall_api.kube.statuses import expired, too_large_version

PAGE = 250
"""Objects read and written at once: some 30 ms of work between two turns of the loop."""


async def first_page(reader: ObjectReader, options: ListOptions) -> "Listed":
    """A list with its first page read, so that what is refused is refused before anything is written.

    Raises:
        StatusError: 400 and 410 for the token, 410 and 504 for the version.
    """
    begun = None if not options.token else continuation.read(options.token, options.selection.namespace)
    limit = min(options.limit or PAGE, PAGE)
    page = await reader.page(options.selection, after=None if begun is None else begun.after, limit=limit)
    version = options.version or 0
    if version > page.version:
        raise too_large_version(version, page.version)
    if options.match == "Exact" and version != page.version:
        raise expired(f"The resourceVersion for the provided list is too old: {version} ({page.version})")
    if begun is None:
        return Listed(reader, options, page, page.version, int(time.time()))
    if begun.version > page.version:
        raise expired("The provided continue parameter is of another time of the database. You can start a new list.")
    return Listed(reader, options, page, begun.version, begun.began_at)


class Listed:
    """The rest of a list."""

    def __init__(
        self, reader: ObjectReader, options: ListOptions, page: ObjectPage, version: int, began_at: int
    ) -> None:
        self._reader = reader
        self._options = options
        self._page = page
        self.version = version
        """What the list is as of: where a watch has to begin."""
        self.observed_at = page.observed_at
        self._began_at = began_at

    @property
    def read_version(self) -> int:
        """What the page that was read last is as of."""
        return self._page.version

    async def written(self, rendering: Rendering) -> AsyncIterator[bytes]:
        """The list in pieces: its items, then its metadata."""
        yield _compact(rendering.list_beginning())[:-1] + f',"{rendering.items_key}":['.encode()
        separator = b""
        async for page in self._pages():
            if page:
                yield separator + b",".join(_compact(rendering.item(stored)) for stored in page)
                separator = b","
        yield b'],"metadata":' + _compact(self._metadata()) + b"}"

    async def objects(self) -> AsyncIterator[StoredWorkload]:
        """The same, object by object."""
        async for page in self._pages():
            for stored in page:
                yield stored

    async def _pages(self) -> AsyncIterator[tuple[StoredWorkload, ...]]:
        rest = self._options.limit or None
        while True:
            yield self._page.objects
            if rest is not None:
                rest -= len(self._page.objects)
            if not self._page.has_more or rest == 0:
                return
            limit = PAGE if rest is None else min(rest, PAGE)
            self._page = await self._reader.page(self._options.selection, after=self._last(), limit=limit)

    def _last(self) -> Place:
        record = self._page.objects[-1].record
        return Place(record.namespace, record.name, record.uid)

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {"resourceVersion": str(self.version)}
        if self._page.has_more:
            token = continuation.Continuation(self._last(), self.version, self._began_at)
            metadata["continue"] = continuation.written(token)
        return metadata


def _compact(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
