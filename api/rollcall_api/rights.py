"""Who is asking, and what they may see: the scope of every answer.

A list, a count and a single workload of one caller go through the same scope.
"""

import asyncio
import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from rollcall.errors import ClusterError
from rollcall.store.pages import EVERYTHING, Scope
from rollcall_api.refusals import RefusalError
from rollcall_api.remembering import Remembering

REVIEW_SECONDS = 10
"""Longest time to find out one caller's rights."""

_Verdict = TypeVar("_Verdict")

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
_CHALLENGE = 'Bearer realm="rollcall"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a token belongs to, as the API server or the issuer says."""

    username: str
    uid: str
    groups: tuple[str, ...]
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    good_for_seconds: float = math.inf
    """How much longer the token will be good, as far as that is known."""
    token: str = field(default="", repr=False)
    """The token itself, for a reviewer that asks with it; else it is not part of the caller."""


class TokenEndedError(ClusterError):
    """A caller's token is nobody's any more; it was a moment ago."""


class Reviewer(Protocol):
    """Knows callers and what they may do."""

    async def who_is(self, token: str) -> Caller | None:
        """Whose token it is; ``None`` where it is nobody's (any more)."""

    async def may_list(self, caller: Caller, namespace: str | None) -> bool:
        """Whether the caller may list workloads in the namespace, or in all of them (``None``)."""

    async def may_list_nodes(self, caller: Caller) -> bool:
        """Whether the caller may list the cluster's nodes."""


class Rights(Protocol):
    """Decides what a request may see."""

    async def scope_of(self, authorization: Sequence[str]) -> Scope:
        """The scope of a request with these ``Authorization`` headers.

        Raises:
            RefusalError: 401 without a valid token, 403 without any right.
            ClusterError: the Kubernetes API could not be asked.
            TokenIssuerError: the issuer of tokens could not.
        """

    async def admit_to_nodes(self, authorization: Sequence[str]) -> None:
        """Let a request with these ``Authorization`` headers see nodes, all of them.

        Raises:
            RefusalError: 401 without a valid token, 403 without the right to list nodes.
            ClusterError: nobody could be asked.
        """


class NobodyAsked:
    """Authentication mode ``none``: everybody who reaches the loopback address sees everything."""

    async def scope_of(self, authorization: Sequence[str]) -> Scope:  # noqa: ARG002 - what is sent is not looked at
        """Everything."""
        return EVERYTHING

    async def admit_to_nodes(self, authorization: Sequence[str]) -> None:
        """See :class:`Rights`."""


@dataclass(frozen=True, slots=True)
class _Answer:
    verdict: Any
    """``None`` where the token is nobody's."""
    until: float


class ReviewedRights:
    """Authentication modes ``kubernetes`` and ``oidc``: the namespaces in which the caller may list workloads.

    What was found out about a token is kept for ``keep_seconds`` from when it was asked, so that no right outlives its
    withdrawal by more, and no longer than the token is good; requests that arrive meanwhile wait for the one review.
    Failures are not kept.
    """

    def __init__(
        self,
        reviewer: Reviewer,
        namespaces: Callable[[], Awaitable[Sequence[str]]],
        *,
        keep_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reviewer = reviewer
        self._namespaces = namespaces
        self._clock = clock
        self._answers: Remembering[bytes, _Answer] = Remembering(
            keep_seconds, clock=clock, good_until=lambda answer: answer.until
        )
        self._salt = secrets.token_bytes(32)

    async def scope_of(self, authorization: Sequence[str]) -> Scope:
        """See :class:`Rights`."""
        scope = await self._found_out(b"workloads ", authorization, self._scope_of)
        if scope.namespaces is not None and not scope.namespaces:
            raise RefusalError(HTTPStatus.FORBIDDEN, "You may not list workloads.rollcall.dev in any namespace.")
        return scope

    async def admit_to_nodes(self, authorization: Sequence[str]) -> None:
        """See :class:`Rights`."""
        if not await self._found_out(b"nodes ", authorization, self._reviewer.may_list_nodes):
            raise RefusalError(HTTPStatus.FORBIDDEN, "You may not list nodes.")

    async def _found_out(
        self, about: bytes, authorization: Sequence[str], ask: Callable[[Caller], Awaitable[_Verdict]]
    ) -> _Verdict:
        token = token_of(authorization)
        # A dump of the memory's keys must not be a list of tokens, nor one to try tokens against.
        key = hmac.digest(self._salt, about + token.encode(), hashlib.sha256)
        answer = await self._answers.answer(key, lambda: self._find_out(token, ask))
        verdict: _Verdict | None = answer.verdict
        if verdict is None:
            raise _unauthorized("The token is not valid.", ', error="invalid_token"')
        return verdict

    async def _find_out(self, token: str, ask: Callable[[Caller], Awaitable[object]]) -> _Answer:
        try:
            async with asyncio.timeout(REVIEW_SECONDS):
                caller = await self._reviewer.who_is(token)
                if caller is None:
                    return _Answer(None, math.inf)
                until = self._clock() + caller.good_for_seconds
                return _Answer(await ask(caller), until)
        except TokenEndedError:
            return _Answer(None, math.inf)
        except TimeoutError as error:
            raise ClusterError("The Kubernetes API took too long to review a token.") from error

    async def _scope_of(self, caller: Caller) -> Scope:
        return (
            EVERYTHING if await self._reviewer.may_list(caller, None) else Scope(namespaces=await self._allowed(caller))
        )

    async def _allowed(self, caller: Caller) -> frozenset[str]:
        namespaces = await self._namespaces()
        try:
            async with asyncio.TaskGroup() as group:
                asked = {name: group.create_task(self._reviewer.may_list(caller, name)) for name in namespaces}
        except* ClusterError as errors:
            raise errors.exceptions[0] from None
        return frozenset(name for name, answer in asked.items() if answer.result())


def token_of(authorization: Sequence[str]) -> str:
    """The bearer token of ``Authorization`` headers.

    Raises:
        RefusalError: 401, where there is not exactly one.
    """
    if len(authorization) != 1:
        raise _unauthorized("Send one header `Authorization: Bearer TOKEN`.")
    found = _BEARER.fullmatch(authorization[0].strip())
    if found is None:
        raise _unauthorized("The header Authorization must read `Bearer TOKEN`.")
    return found[1]


def _unauthorized(message: str, challenge: str = "") -> RefusalError:
    return RefusalError(HTTPStatus.UNAUTHORIZED, message, headers={"WWW-Authenticate": _CHALLENGE + challenge})
