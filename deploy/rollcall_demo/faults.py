"""Faults on purpose: what tests and curious people do to the simulated API server."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from rollcall_demo.objects import Objects
from rollcall_demo.statuses import refuse


class Faults:
    """Each method breaks something; :meth:`heal` mends all of it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._status: int | None = None
        self._healed = asyncio.Event()
        self._healed.set()
        self.generation = 0
        """Grows when every open watch is to be cut."""
        self.on_forgetting: Callable[[], None] = lambda: None

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be sent to anyone."""
        return not self._healed.is_set()

    def drop_watches(self) -> None:
        """Cut the connection of every open watch, without a last word."""
        self.generation += 1
        self._objects.wake_listeners()

    def expire_history(self) -> None:
        """Answer 410 to every watch and page that stands at what was handed out so far."""
        self._objects.forget_history()
        self.on_forgetting()

    def answer(self, status: int) -> None:
        """Answer every request with this status until healed; open watches go on."""
        self._status = status

    def go_silent(self) -> None:
        """Send nothing more, on open watches neither, but keep the connections."""
        self._healed.clear()

    def heal(self) -> None:
        """End every fault."""
        self._status = None
        self._healed.set()
        self._objects.wake_listeners()

    def close(self) -> None:
        """Let go of everyone: the server stops."""
        self.heal()
        self.drop_watches()

    async def before(self, request: web.Request) -> web.Response | None:
        """What a request meets before it is looked at."""
        del request
        await self._healed.wait()
        if self._status is not None:
            return refuse(self._status, "InternalError", "a fault on purpose")
        return None

    async def wait_while_silent(self) -> None:
        """Return once something may be sent."""
        await self._healed.wait()
