"""Authentication mode ``oidc``: JSON Web Tokens that an issuer signed, read as kube-apiserver reads them.

Who is asking follows from the token and the issuer's public keys; what they may list the Kubernetes API says.
"""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import jwt

from rollcall.errors import TokenIssuerError
from rollcall.oidc_settings import OidcSettings
from rollcall_api.issuer_keys import IssuerKeys
from rollcall_api.rights import Caller, Reviewer

AUTHENTICATED = "system:authenticated"
"""The group of everybody who is known; where Kubernetes authenticates it adds it, here it is for us to do."""

_RESERVED = "system:"

# By the letter: decoders skip what is no base64, so that one token could be written in endless ways.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)

_KEY_OF = {"RS": ("RSA", None), "PS": ("RSA", None)} | {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Type and curve of the keys of an algorithm, or of all that begin so."""

# Beyond its own errors, the library leaves those of odd numbers and of deep JSON to its caller.
_BAD_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class OidcReviewer:
    """A :class:`rollcall_api.rights.Reviewer` whose callers the issuer knows.

    Where applications are declared, tokens of another issuer are reviewed by the cluster, which gave them out.
    """

    def __init__(
        self, settings: OidcSettings, keys: IssuerKeys, cluster: Reviewer, *, reviews_other_tokens: bool
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._cluster = cluster
        self._reviews_other_tokens = reviews_other_tokens

    async def who_is(self, token: str) -> Caller | None:
        """Whose token it is; ``None`` where it is nobody's (any more).

        Raises:
            TokenIssuerError: it may be somebody's, but the issuer is away and its key not known.
            ClusterError: it is of another issuer, and the cluster could not be asked.
        """
        if not _COMPACT.fullmatch(token):
            return None
        try:
            unproven = jwt.decode_complete(token, options={"verify_signature": False})
        except _BAD_TOKEN:
            return None
        if unproven["payload"].get("iss") != self._settings.issuer:
            return await self._cluster.who_is(token) if self._reviews_other_tokens else None
        claims = await self._proven_claims(token, unproven["header"])
        return None if claims is None else caller_of(claims, self._settings, time.time())

    async def may_list(self, caller: Caller, namespace: str | None) -> bool:
        """Whether the caller may list workloads in the namespace, or in all of them (``None``)."""
        return await self._cluster.may_list(caller, namespace)

    async def may_list_nodes(self, caller: Caller) -> bool:
        """Whether the caller may list the cluster's nodes."""
        return await self._cluster.may_list_nodes(caller)

    async def _proven_claims(self, token: str, header: Mapping[str, Any]) -> Mapping[str, Any] | None:
        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            return None
        tried = await self._keys.known()
        usable = usable_keys(tried.keys, header.get("kid"), algorithm)
        try:
            return self._claims(token, usable)
        except jwt.InvalidSignatureError:
            pass
        except _BAD_TOKEN:
            return None
        # The issuer may sign with another key by now, even under the same id.
        try:
            newer = await self._keys.newer_than(tried)
        except TokenIssuerError:
            if usable:
                return None
            raise
        if newer is tried:
            return None
        try:
            return self._claims(token, usable_keys(newer.keys, header.get("kid"), algorithm))
        except _BAD_TOKEN:
            return None

    def _claims(self, token: str, keys: Iterable[jwt.PyJWK]) -> Mapping[str, Any]:
        """What a token says, if one of the keys signed it and it is for us and now."""
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[key.algorithm_name],
                    audience=self._settings.audiences,
                    issuer=self._settings.issuer,
                    leeway=self._settings.clock_skew_seconds,
                    options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
                )
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                continue
        raise jwt.InvalidSignatureError


def usable_keys(keys: Iterable[Mapping[str, Any]], key_id: Any, algorithm: str) -> list[jwt.PyJWK]:
    """The public keys of the id (all, where a token names none) that are for signatures of the algorithm."""
    key_type, curve = _KEY_OF.get(algorithm) or _KEY_OF[algorithm[:2]]
    found = []
    for key in keys:
        operations = key.get("key_ops")
        if (
            (key_id is not None and key.get("kid") != key_id)
            or key.get("kty") != key_type
            or (curve is not None and key.get("crv") != curve)
            or key.get("use", "sig") != "sig"
            or key.get("alg", algorithm) != algorithm
            or (isinstance(operations, list) and "verify" not in operations)
        ):
            continue
        # A private key has no business there; of one that is there only the public part counts.
        public = {name: key[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in key}
        try:
            found.append(jwt.PyJWK(public, algorithm))
        except _BAD_TOKEN:
            continue
    return found


def caller_of(claims: Mapping[str, Any], settings: OidcSettings, now: float) -> Caller | None:
    """The Kubernetes user whom proven claims stand for, by the rules of kube-apiserver.

    What Kubernetes reserves for itself no issuer gives out: a user ``system:…`` is nobody, such groups are left out.

    Args:
        claims: of a token whose signature, issuer, audience and times are right.
        settings: which claims count.
        now: seconds since the epoch.
    """
    for pair in settings.required_claims:
        name, _, value = pair.partition("=")
        if claims.get(name) != value:
            return None
    username = claims.get(settings.username_claim)
    if not isinstance(username, str) or not username:
        return None
    if settings.username_claim == "email" and claims.get("email_verified", True) is not True:
        return None
    username = settings.shown_prefix + username
    given = claims.get(settings.groups_claim)
    groups = [] if given is None else [given] if isinstance(given, str) else given
    if username.startswith(_RESERVED) or not isinstance(groups, list):
        return None
    if not all(isinstance(group, str) for group in groups):
        return None
    prefixed = [settings.groups_prefix + group for group in groups if group]
    return Caller(
        username=username,
        uid="",
        groups=(*(group for group in prefixed if not group.startswith(_RESERVED)), AUTHENTICATED),
        good_for_seconds=int(claims["exp"]) + settings.clock_skew_seconds - now,
    )
