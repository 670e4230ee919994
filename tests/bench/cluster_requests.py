"""Requests of our own to the real API server: many at once, and a second watcher beside the operator's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import aiohttp

Json = dict[str, Any]

AT_ONCE = 16
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


class Requests:
    """A session with every right."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server
        self.watches_cut = 0

    async def create(self, path: str, obj: Mapping[str, Any]) -> Json:
        """Create an object; its path is that of its kind's list."""
        return await self._answer("POST", path, json=obj)

    async def delete(self, path: str) -> None:
        """Ask for an object to be deleted."""
        await self._answer("DELETE", path)

    async def read(self, path: str, **params: str) -> Json:
        """Read an object or a list."""
        return await self._answer("GET", path, params=params)

    async def _answer(self, method: str, path: str, **arguments: Any) -> Json:
        async with self._session.request(method, self._server + path, **arguments) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise AssertionError(f"{method} {path}: {response.status} {answer.get('message')}")
            return answer

    async def watch(self, path: str, version: str) -> AsyncIterator[Json]:
        """The changes after a resourceVersion, for ever.

        The server cuts a watcher off that falls behind for a moment, which on a busy machine is often; it then goes on
        where it was.
        """
        url = self._server + path
        while True:
            params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "3600"}
            async with self._session.get(url, params=params, timeout=_WATCH_TIMEOUT) as response:
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        change: Json = json.loads(line)
                        if change["type"] == "ERROR":
                            raise AssertionError(f"{path}: {change['object']}")
                        version = change["object"]["metadata"]["resourceVersion"]
                        yield change
            self.watches_cut += 1


async def all_at_once(
    things: Iterable[Any], act: Callable[[Any], Awaitable[object]], *, at_once: int = AT_ONCE
) -> None:
    """Act on each, so many at a time."""
    left = iter(things)

    async def work() -> None:
        for thing in left:
            await act(thing)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
