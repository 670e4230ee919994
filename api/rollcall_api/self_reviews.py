"""SelfSubjectReview and SelfSubjectAccessReview: the API server is asked with the caller's own token.

Every authenticated user may ask so (ClusterRole ``system:basic-user``), so that this process needs no right. The token
goes to the one API server that it would be good for anyway, and is held no longer than the reviews of one request take.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Self

from rollcall.cluster_access import Access, ApiStatusError
from rollcall.errors import SettingsError
from rollcall_api.reviews import ClusterReviewer, caller_of, is_allowed
from rollcall_api.rights import Caller, TokenEndedError

_SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_SELF_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

ANONYMOUS = "system:anonymous"
"""Whom an API server takes for the caller when it looked at no token."""


class SelfReviewer(ClusterReviewer):
    """A reviewer that lets callers ask about themselves."""

    @classmethod
    @asynccontextmanager
    async def opened(cls, access: Access) -> AsyncIterator[Self]:
        """A reviewer while the block runs.

        Raises:
            SettingsError: somebody else could stand where tokens would be sent.
        """
        if not access.is_verified:
            raise SettingsError(
                "ROLLCALL_API__REVIEWS=self sends callers' tokens to the Kubernetes API, and the certificate of "
                f"{access.server} is not checked: the kubeconfig must name an https address without "
                "insecure-skip-tls-verify."
            )
        async with access.session_without_credentials() as session:
            yield cls(session, access.server)

    async def who_is(self, token: str) -> Caller | None:
        """Whose token it is; ``None`` where the API server does not know it."""
        try:
            status = await self._review(
                _SELF_REVIEWS, "SelfSubjectReview", "authentication.k8s.io/v1", None, token=token
            )
        except ApiStatusError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return None
            raise
        caller = caller_of(status.get("userInfo"), token=token)
        return None if caller is None or caller.username == ANONYMOUS else caller

    async def may(self, caller: Caller, attributes: Mapping[str, str]) -> bool:
        """Whether the caller may do what these ``resourceAttributes`` say.

        Raises:
            TokenEndedError: the API server does not know the caller's token any more.
        """
        spec = {"resourceAttributes": dict(attributes)}
        try:
            status = await self._review(
                _SELF_ACCESS_REVIEWS,
                "SelfSubjectAccessReview",
                "authorization.k8s.io/v1",
                spec,
                token=caller.token,
            )
        except ApiStatusError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise TokenEndedError("The caller's token is not valid any more.") from error
            raise
        return is_allowed(status)
