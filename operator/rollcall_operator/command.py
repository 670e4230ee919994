"""The command ``rollcall operator``."""

import asyncio

from rollcall.settings import Settings
from rollcall_operator.running import Operator, first_sentence


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; then write what is waiting, and end with 0."""
    loop = asyncio.new_event_loop()
    try:
        # Not `asyncio.run`, which at the end waits for every task: one of kopf's may never end, see `watches`.
        loop.run_until_complete(_run(settings))
    finally:
        loop.close()
    return 0


async def _run(settings: Settings) -> None:
    try:
        await Operator(settings).run()
    except BaseExceptionGroup as errors:
        sentence = first_sentence(errors)
        if sentence is None:
            raise
        raise sentence from errors
