"""TokenReview and SubjectAccessReview: the API server says who is asking and what they may list."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from rollcall.cluster_access import Access, post_json
from rollcall.errors import ClusterError
from rollcall_api.rights import Caller

RESOURCE = {"group": "rollcall.dev", "resource": "workloads", "verb": "list"}
"""The right that lets a caller see the workloads of a namespace. RBAC does not mind whether anything serves them."""

NODES = {"group": "", "resource": "nodes", "verb": "list"}
"""The right that lets a caller see nodes: the original's own."""

REVIEWS_AT_ONCE = 16
"""Reviews in flight, of all callers together: the API server is not ours alone."""

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class ClusterReviewer:
    """A :class:`rollcall_api.rights.Reviewer` that asks one API server."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server
        self._at_once = asyncio.Semaphore(REVIEWS_AT_ONCE)

    @classmethod
    @asynccontextmanager
    async def opened(cls, access: Access) -> AsyncIterator[Self]:
        """A reviewer while the block runs."""
        async with access.session() as session:
            yield cls(session, access.server)

    async def who_is(self, token: str) -> Caller | None:
        """Whose token it is; ``None`` where the API server does not know it."""
        status = await self._review(_TOKEN_REVIEWS, "TokenReview", "authentication.k8s.io/v1", {"token": token})
        return caller_of(status.get("user")) if status.get("authenticated") is True else None

    async def may_list(self, caller: Caller, namespace: str | None) -> bool:
        """Whether the caller may list workloads in the namespace, or in all of them (``None``)."""
        return await self.may(caller, RESOURCE if namespace is None else {**RESOURCE, "namespace": namespace})

    async def may_list_nodes(self, caller: Caller) -> bool:
        """Whether the caller may list the cluster's nodes."""
        return await self.may(caller, NODES)

    async def may(self, caller: Caller, attributes: Mapping[str, str]) -> bool:
        """Whether the caller may do what these ``resourceAttributes`` of a SubjectAccessReview say."""
        spec: dict[str, Any] = {
            "user": caller.username,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": {key: list(values) for key, values in caller.extra},
            "resourceAttributes": dict(attributes),
        }
        status = await self._review(_ACCESS_REVIEWS, "SubjectAccessReview", "authorization.k8s.io/v1", spec)
        return is_allowed(status)

    async def _review(
        self, path: str, kind: str, version: str, spec: Mapping[str, Any] | None, *, token: str | None = None
    ) -> Mapping[str, Any]:
        """The status of a review that is asked for with our own credentials, or with a token."""
        body = {"apiVersion": version, "kind": kind, **({} if spec is None else {"spec": spec})}
        async with self._at_once:
            answer = await post_json(self._session, self._server, path, body, token=token)
        status = answer.get("status")
        if not isinstance(status, Mapping):
            raise ClusterError(f"The Kubernetes API answered a {kind} without a status.")
        return status


def caller_of(user: object, *, token: str = "") -> Caller | None:
    """The caller that a review's ``UserInfo`` describes; ``None`` where it names nobody."""
    if not isinstance(user, Mapping):
        return None
    username = str(user.get("username") or "")
    if not username:
        return None
    extra = user.get("extra") or {}
    return Caller(
        username=username,
        uid=str(user.get("uid") or ""),
        groups=tuple(str(group) for group in user.get("groups") or ()),
        extra=tuple((str(key), tuple(str(value) for value in values or ())) for key, values in extra.items()),
        token=token,
    )


def is_allowed(status: Mapping[str, Any]) -> bool:
    """Whether the status of an access review is a plain yes."""
    return status.get("allowed") is True and status.get("denied") is not True
