"""Who asks, and which namespaces they may see.

``none`` asks nobody and shows everything: on loopback only. ``kubernetes`` asks the API server who the bearer token
is (TokenReview) and where its owner may ``list workloads.rollcall.dev`` (SubjectAccessReview): everywhere first, else
namespace by namespace. Answers are kept for a few seconds; tokens are kept as hashes only.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from rollcall.cluster_access import post_json
from rollcall.store.pages import EVERYTHING, Scope
from rollcall_api.errors import Forbidden, Unauthorized

GROUP = "rollcall.dev"
RESOURCE = "workloads"

_AT_ONCE = 32
_MOST_CALLERS = 4096
_WHO_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_MAY_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class Gate(Protocol):
    """Decides what a request may see."""

    async def scope_of(self, authorization: str | None) -> Scope:
        """The scope of the caller.

        Raises:
            Unauthorized: nobody known asks.
            Forbidden: the caller may see nothing at all.
            ClusterError: the API server could not be asked.
        """


class OpenGate:
    """Nobody is asked, everything is shown."""

    async def scope_of(self, authorization: str | None) -> Scope:
        """Everything."""
        del authorization
        return EVERYTHING


@dataclass(frozen=True, slots=True)
class User:
    """Somebody, as TokenReview names them."""

    name: str
    uid: str
    groups: tuple[str, ...]
    extra: tuple[tuple[str, tuple[str, ...]], ...]


class KubernetesGate:
    """Asks the API server; keeps each caller's scope for a while, and asks once however many requests wait."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: str,
        *,
        namespaces: Callable[[], Awaitable[Sequence[str]]],
        keep_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._server = server
        self._namespaces = namespaces
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._scopes: dict[bytes, tuple[float, asyncio.Future[Scope]]] = {}
        self._limit = asyncio.Semaphore(_AT_ONCE)
        # A key that a reader of this process's memory dump cannot look tokens up by.
        self._pepper = secrets.token_bytes(32)

    async def scope_of(self, authorization: str | None) -> Scope:
        """The scope of the bearer of the token."""
        token = _bearer(authorization)
        key = hashlib.blake2b(token.encode(), key=self._pepper).digest()
        now = self._clock()
        known = self._scopes.get(key)
        if known is not None and now < known[0]:
            return await asyncio.shield(known[1])
        if len(self._scopes) >= _MOST_CALLERS:
            self._scopes = {one: kept for one, kept in self._scopes.items() if now < kept[0]}
        answer = asyncio.ensure_future(self._ask(token))
        self._scopes[key] = (now + self._keep_seconds, answer)
        try:
            return await asyncio.shield(answer)
        except (Unauthorized, Forbidden):
            raise  # a refusal is an answer, and kept like one
        except BaseException:
            self._scopes.pop(key, None)
            raise

    async def _ask(self, token: str) -> Scope:
        user = await self._user(token)
        if await self._may_list(user, None):
            return EVERYTHING
        names = await self._namespaces()
        allowed = await asyncio.gather(*(self._may_list(user, name) for name in names))
        visible = frozenset(name for name, may in zip(names, allowed, strict=True) if may)
        if not visible:
            raise Forbidden(f"You may not list {RESOURCE}.{GROUP} in any namespace.")
        return Scope(namespaces=visible)

    async def _user(self, token: str) -> User:
        review = await post_json(
            self._session,
            self._server,
            _WHO_PATH,
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
        )
        status = review.get("status") or {}
        if status.get("authenticated") is not True:
            raise Unauthorized("The bearer token is not one that the cluster knows.")
        found = status.get("user") or {}
        extra: dict[str, Any] = found.get("extra") or {}
        return User(
            name=found.get("username") or "",
            uid=found.get("uid") or "",
            groups=tuple(found.get("groups") or ()),
            extra=tuple(sorted((key, tuple(values)) for key, values in extra.items())),
        )

    async def _may_list(self, user: User, namespace: str | None) -> bool:
        attributes = {"group": GROUP, "resource": RESOURCE, "verb": "list"}
        if namespace is not None:
            attributes["namespace"] = namespace
        async with self._limit:
            review = await post_json(
                self._session,
                self._server,
                _MAY_PATH,
                {
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SubjectAccessReview",
                    "spec": {
                        "user": user.name,
                        "uid": user.uid,
                        "groups": list(user.groups),
                        "extra": {key: list(values) for key, values in user.extra},
                        "resourceAttributes": attributes,
                    },
                },
            )
        return (review.get("status") or {}).get("allowed") is True


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("A bearer token is needed: Authorization: Bearer TOKEN.")
    return token.strip()
