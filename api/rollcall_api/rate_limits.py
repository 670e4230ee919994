"""How often one caller may ask: a bucket of tokens for each, filled at a steady rate.

Who has been let in counts by the bearer token; everybody else by the address they call from, so that made-up tokens
fill nobody's memory and a guess costs the one who guesses. The packages for this either have no token bucket or
remember every caller for ever; the arithmetic is a few lines.
"""

import hashlib
import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Protocol, TypeVar

from fastapi import Request

from rollcall_api.refusals import RefusalError
from rollcall_api.rights import token_of

CALLERS_KEPT = 10_000
"""Buckets of either sort at most; the one that was used least recently is forgotten first."""

PRICE_OF_A_WRONG_GUESS = 10
"""Requests that a token or a secret counts for that turns out to be wrong."""

Verdict = TypeVar("Verdict")

_IPV6_SUBSCRIBER_BITS = 64
"""A single machine has as many IPv6 addresses as it likes, within its network of this length."""


class RateLimits(Protocol):
    """Counts requests by caller."""

    def spend(self, peer: str, token: str | None = None) -> None:
        """Count a request.

        Raises:
            RefusalError: 429, where it is one too many.
        """

    def let_in(self, token: str) -> None:
        """From now on this token counts by itself."""

    def wrong(self, peer: str, token: str | None = None) -> None:
        """What the peer sent opens nothing (any more)."""


class NoLimits:
    """Any number of requests."""

    def spend(self, peer: str, token: str | None = None) -> None:
        """See :class:`RateLimits`."""

    def let_in(self, token: str) -> None:
        """See :class:`RateLimits`."""

    def wrong(self, peer: str, token: str | None = None) -> None:
        """See :class:`RateLimits`."""


class Buckets:
    """Token buckets by key, at most so many.

    Each is one number, the instant at which it will be full: what is spent moves it on, time catches up with it.
    """

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._seconds_each = 1 / per_second
        self._capacity_seconds = burst / per_second
        self._clock = clock
        self._full_at: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        return key in self._full_at

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_seconds(self, key: bytes) -> float:
        """Seconds until one more request can be paid for; 0 where it can now."""
        if key in self._full_at:
            # Whoever goes on asking is not forgotten, and so not given a full bucket.
            self._full_at.move_to_end(key)
        now = self._clock()
        missing = max(self._full_at.get(key, now) - now, 0) + self._seconds_each
        # Past the capacity by less than a rounding of the clock is not past it.
        wait = missing - self._capacity_seconds
        return wait if wait > 1e-6 else 0  # noqa: PLR2004 - a microsecond

    def take(self, key: bytes, requests: int) -> None:
        """Spend what so many requests cost; it may leave less than nothing, but no more than once over."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + requests * self._seconds_each
        self._full_at[key] = min(full_at, now + 2 * self._capacity_seconds)
        self._full_at.move_to_end(key)
        while len(self._full_at) > CALLERS_KEPT:
            self._full_at.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Drop a bucket, if there is one."""
        self._full_at.pop(key, None)


class CallerLimits:
    """:class:`RateLimits` at a rate, the same for every caller."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_token = Buckets(per_second=per_second, burst=burst, clock=clock)
        self._by_peer = Buckets(per_second=per_second, burst=burst, clock=clock)
        self._salt = secrets.token_bytes(32)

    def spend(self, peer: str, token: str | None = None) -> None:
        """See :class:`RateLimits`."""
        buckets, key = self._by_peer, _network_of(peer)
        if token is not None and (of_token := self._key_of(token)) in self._by_token:
            buckets, key = self._by_token, of_token
        wait = buckets.wait_seconds(key)
        if wait:
            seconds = math.ceil(wait)
            raise RefusalError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"Too many requests; try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )
        buckets.take(key, 1)

    def let_in(self, token: str) -> None:
        """See :class:`RateLimits`."""
        key = self._key_of(token)
        if key not in self._by_token:
            self._by_token.take(key, 0)

    def wrong(self, peer: str, token: str | None = None) -> None:
        """See :class:`RateLimits`."""
        if token is not None:
            self._by_token.forget(self._key_of(token))
        self._by_peer.take(_network_of(peer), PRICE_OF_A_WRONG_GUESS - 1)

    def _key_of(self, token: str) -> bytes:
        # A dump of the memory must not be a list of tokens, nor one to try tokens against.
        return hmac.digest(self._salt, token.encode(), hashlib.sha256)


async def limited(
    limits: RateLimits,
    authorization: Sequence[str],
    peer: str,
    ask: Callable[[Sequence[str]], Awaitable[Verdict]],
) -> Verdict:
    """What a request may, as ``ask`` finds out from its headers, if its caller may send one more.

    Raises:
        RefusalError: 429 where it may not; 401 and 403 as :class:`rollcall_api.rights.Rights` has them.
        ClusterError, TokenIssuerError: as there.
    """
    try:
        token = token_of(authorization)
    except RefusalError:
        token = None
    limits.spend(peer, token)
    try:
        verdict = await ask(authorization)
    except RefusalError as refusal:
        if token is not None:
            if refusal.status is HTTPStatus.UNAUTHORIZED:
                limits.wrong(peer, token)
            else:
                limits.let_in(token)
        raise
    if token is not None:
        limits.let_in(token)
    return verdict


def limits_of(request: Request) -> RateLimits:
    """What counts requests here."""
    limits: RateLimits = request.app.state.rate_limits
    return limits


def peer_of(request: Request) -> str:
    """The address that a request comes from."""
    return "" if request.client is None else request.client.host


def _network_of(peer: str) -> bytes:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer.encode()
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped.packed
        return address.packed[: _IPV6_SUBSCRIBER_BITS // 8]
    return address.packed
