"""Series that lie around the start of the made-up workloads, and who asks for them."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
from support.workload_builders import START

Asking = Callable[..., httpx.AsyncClient]
"""A client of an API that asks the Prometheus at this address, with these settings for it."""

Writing = Callable[..., Awaitable[None]]
"""Writes the workload ``train`` with these pods; those of ``gone`` go at that minute."""


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def every_half_minute(value: float | Callable[[float], float], first: float = -5, last: float = 65) -> list[Any]:
    """Samples as a scrape would leave them."""
    places = range(int(first * 2), int(last * 2) + 1)
    return [(at(place / 2), value(place / 2) if callable(value) else value) for place in places]
