"""Delegated authentication and authorisation: the cluster's API server says who is asking and what they may."""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, TypeVar

import structlog
from multidict import CIMultiDictProxy

from rollcall.errors import ClusterError
from rollcall_api.kube.request_header import RequestHeaderConfig
from rollcall_api.kube.statuses import GROUP, RESOURCE, Attributes, forbidden, unauthorized, unavailable
from rollcall_api.remembering import Remembering
from rollcall_api.rights import REVIEW_SECONDS, Caller

log = structlog.stdlib.get_logger(__name__)

Found = TypeVar("Found")

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)


class Reviewer(Protocol):
    """Asks a Kubernetes API server."""

    async def who_is(self, token: str) -> Caller | None:
        """Whose token it is; ``None`` where it is nobody's."""

    async def may(self, caller: Caller, attributes: Mapping[str, str]) -> bool:
        """Whether the caller may do that."""


class DelegatedAccess:
    """Asks who is asking and what they may, and remembers both for some seconds."""

    def __init__(self, reviewer: Reviewer, *, keep_seconds: float) -> None:
        self._reviewer = reviewer
        self._callers: Remembering[bytes, Caller | None] = Remembering(keep_seconds)
        self._verdicts: Remembering[tuple[Caller, Attributes], bool] = Remembering(keep_seconds)
        self._salt = secrets.token_bytes(32)

    async def caller(
        self, config: RequestHeaderConfig | None, peer: Mapping[str, Any] | None, headers: "CIMultiDictProxy[str]"
    ) -> Caller:
        """Who is asking: by the word of the API server, else by a bearer token.

        Raises:
            StatusError: 401 where nobody knows, 503 where nobody can be asked.
        """
        told = None if config is None else config.caller(peer, headers)
        if told is not None:
            return told
        tokens = headers.getall("Authorization", ())
        found = _BEARER.fullmatch(tokens[0].strip()) if len(tokens) == 1 else None
        if found is None:
            raise unauthorized()
        token = found[1]
        key = hmac.digest(self._salt, token.encode(), hashlib.sha256)
        caller = await _asked(self._callers.answer(key, lambda: self._bounded(self._reviewer.who_is(token))))
        if caller is None:
            raise unauthorized()
        return caller

    async def check(self, caller: Caller, attributes: Attributes) -> None:
        """Let pass what the caller may do.

        Raises:
            StatusError: 403 where they may not, 503 where nobody can be asked.
        """
        spec = {"group": GROUP, "version": "v1", "resource": RESOURCE, "verb": attributes.verb}
        if attributes.namespace is not None:
            spec["namespace"] = attributes.namespace
        if attributes.name is not None:
            spec["name"] = attributes.name
        key = (caller, attributes)
        allowed = self._verdicts.answer(key, lambda: self._bounded(self._reviewer.may(caller, spec)))
        if not await _asked(allowed):
            raise forbidden(caller, attributes)

    async def _bounded(self, review: Awaitable[Found]) -> Found:
        try:
            async with asyncio.timeout(REVIEW_SECONDS):
                return await review
        except TimeoutError as error:
            raise ClusterError("The Kubernetes API took too long to review a request.") from error


async def _asked(answer: Awaitable[Found]) -> Found:
    try:
        return await answer
    except ClusterError as error:
        log.warning("review_failed", error=str(error))
        raise unavailable("the Kubernetes API did not say who is asking or what they may") from error
