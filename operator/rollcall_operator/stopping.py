"""The one way in which the operator ends of its own: it is asked to, and what waits meanwhile waits no longer."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Stopping:
    """Whether the operator was asked to end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set by SIGTERM and SIGINT."""

    def take_signals(self) -> None:
        """Let the signals of this process ask."""
        loop = asyncio.get_running_loop()
        # Only the main thread may; elsewhere `asked` is the one way to end.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.asked.set)

    async def unless(self, step: Coroutine[Any, Any, Answer]) -> Answer | None:
        """The answer of a step; ``None`` where the operator was stopped first, which ends the step."""
        task, stopped = asyncio.create_task(step), asyncio.create_task(self.asked.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            for one in (task, stopped):
                one.cancel()
            await asyncio.wait((task, stopped))

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until it is asked."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.asked.wait()
