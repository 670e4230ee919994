"""Answers that are remembered for some seconds, and asked for once however many wait for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")

MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Found]):
    answer: "asyncio.Task[Found]"
    until: float


class Remembering(Generic[Key, Found]):
    """Answers by key. They age from when they were asked for; failures are not kept."""

    def __init__(self, seconds: float, *, most: int = MOST_KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: dict[Key, _Kept[Found]] = {}

    async def answer(self, key: Key, ask: Callable[[], Awaitable[Found]]) -> Found:
        """What is remembered, else what is asked for now."""
        kept = self._kept.get(key)
        if kept is None or self._clock() >= kept.until:
            self._make_room()
            kept = _Kept(asyncio.ensure_future(_awaited(ask)), self._clock() + self._seconds)
            self._kept[key] = kept
            kept.answer.add_done_callback(lambda task: self._forget_failure(key, task))
        # Shielded: others may be waiting for it when this request's client goes away.
        return await asyncio.shield(kept.answer)

    def _forget_failure(self, key: Key, task: "asyncio.Task[Found]") -> None:
        kept = self._kept.get(key)
        if (task.cancelled() or task.exception() is not None) and kept is not None and kept.answer is task:
            del self._kept[key]

    def _make_room(self) -> None:
        if len(self._kept) < self._most:
            return
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if kept.until > now}
        while len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]


async def _awaited(ask: Callable[[], Awaitable[Found]]) -> Found:
    return await ask()
