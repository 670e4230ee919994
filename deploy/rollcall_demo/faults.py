"""Faults on purpose: what tests and curious people do to the simulated API server."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from rollcall_demo.objects import Objects
from rollcall_demo.resources import SERVED, Resource, find_target
from rollcall_demo.statuses import refuse


class Faults:
    """Each method breaks something; :meth:`heal` mends all of it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._status: int | None = None
        self._watch_status: int | None = None
        self._not_served: frozenset[Resource] = frozenset()
        self._forbidden: frozenset[Resource] = frozenset()
        self._healed = asyncio.Event()
        self._healed.set()
        self.generation = 0
        """Grows when every open watch is to be cut."""
        self.last_words = b""
        self.ends_cleanly = False
        self.on_forgetting: Callable[[], None] = lambda: None

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be sent to anyone."""
        return not self._healed.is_set()

    @property
    def served(self) -> tuple[Resource, ...]:
        """The kinds that discovery names."""
        return tuple(resource for resource in SERVED if resource not in self._not_served)

    def serve_without(self, *resources: Resource) -> None:
        """Serve every kind but these, as before their CRD is installed; their open watches end."""
        self._not_served = frozenset(resources)
        self._objects.wake_listeners()

    def drop_watches(self, last_words: bytes = b"", *, cleanly: bool = False) -> None:
        """Cut every open watch, after these bytes if any; ``cleanly`` ends the answer instead of the connection."""
        self.last_words, self.ends_cleanly = last_words, cleanly
        self.generation += 1
        self._objects.wake_listeners()

    def expire_history(self) -> None:
        """Answer 410 to every watch and page that stands at what was handed out so far."""
        self._objects.forget_history()
        self.on_forgetting()

    def answer(self, status: int) -> None:
        """Answer every request with this status until healed; open watches go on."""
        self._status = status

    def refuse_watches(self, status: int) -> None:
        """Answer every watch that is opened with this status until healed; lists are answered."""
        self._watch_status = status

    def forbid(self, *resources: Resource) -> None:
        """Answer 403 to every request for these kinds until healed."""
        self._forbidden = frozenset(resources)

    def go_silent(self) -> None:
        """Send nothing more, on open watches neither, but keep the connections."""
        self._healed.clear()

    def heal(self) -> None:
        """End every fault."""
        self._status = self._watch_status = None
        self._forbidden = frozenset()
        self._healed.set()
        self._objects.wake_listeners()

    def close(self) -> None:
        """Let go of everyone: the server stops."""
        self.heal()
        self.drop_watches()

    async def before(self, request: web.Request) -> web.Response | None:
        """What a request meets before it is looked at."""
        await self._healed.wait()
        target = find_target(request.path)
        if target is not None and target.resource in self._not_served:
            return refuse(404, "NotFound", "the server could not find the requested resource")
        if target is not None and target.resource in self._forbidden:
            return refuse(403, "Forbidden", f"{target.resource.plural} is forbidden")
        is_watch = request.query.get("watch") in ("1", "true")
        status = self._status or (self._watch_status if is_watch else None)
        return None if status is None else refuse(status, "InternalError", "a fault on purpose")

    async def wait_while_silent(self) -> None:
        """Return once something may be sent."""
        await self._healed.wait()
