"""The command ``rollcall operator``."""

import asyncio
import signal

from rollcall.settings import Settings
from rollcall_operator.running import Operator, first_sentence


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; then write what is waiting, and end with 0."""
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    operator = Operator(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operator.stopped.set)
    try:
        await operator.run()
    except BaseExceptionGroup as errors:
        sentence = first_sentence(errors)
        if sentence is None:
            raise
        raise sentence from errors
