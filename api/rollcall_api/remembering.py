"""Answers that are remembered for some seconds, and asked for once however many wait for them."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")

MOST_KEPT = 10_000
"""Answers that are remembered at most; the oldest is forgotten first."""


@dataclass(slots=True)
class _Kept(Generic[Found]):
    answer: "asyncio.Task[Found]"
    until: float


class Remembering(Generic[Key, Found]):
    """Answers by key. They age from when they were asked for; failures are not kept.

    ``good_until`` tells of an answer when it ends by itself, which may be sooner.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        good_until: Callable[[Found], float] = lambda _: math.inf,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._good_until = good_until
        self._kept: dict[Key, _Kept[Found]] = {}

    async def answer(self, key: Key, ask: Callable[[], Awaitable[Found]]) -> Found:
        """What is remembered, else what is asked for now."""
        kept = self._kept.get(key)
        if kept is None or self._clock() >= kept.until:
            self._make_room()
            kept = _Kept(asyncio.ensure_future(_awaited(ask)), self._clock() + self._seconds)
            self._kept[key] = kept
            kept.answer.add_done_callback(lambda task: self._settle(key, task))
        # Shielded: others may be waiting for it when this request's client goes away.
        return await asyncio.shield(kept.answer)

    def _settle(self, key: Key, task: "asyncio.Task[Found]") -> None:
        kept = self._kept.get(key)
        has_failed = task.cancelled() or task.exception() is not None
        if kept is None or kept.answer is not task:
            return
        if has_failed:
            del self._kept[key]
        else:
            kept.until = min(kept.until, self._good_until(task.result()))

    def _make_room(self) -> None:
        if len(self._kept) < MOST_KEPT:
            return
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if kept.until > now}
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]


async def _awaited(ask: Callable[[], Awaitable[Found]]) -> Found:
    return await ask()
