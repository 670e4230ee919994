"""Settings of authentication by JSON Web Tokens of an OpenID Connect issuer; their rules are kube-apiserver's own.

See https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server.
"""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, field_validator

from rollcall.setting_lists import Names

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Signatures by a private key. What is signed with a shared secret, or not at all, is never accepted."""


class OidcSettings(BaseModel):
    """Whose tokens the API accepts with authentication oidc, and what it reads from them."""

    model_config = ConfigDict(extra="forbid")

    issuer: str | None = Field(
        default=None,
        description="Address of the issuer, exactly as its tokens and its discovery document have it; https, but for "
        "loopback.",
    )
    audiences: Names = Field(
        default=(), description="Client ids; a token must be meant (aud) for one of them at least."
    )
    username_claim: str = Field(
        default="sub",
        min_length=1,
        description="Claim that names the user; email counts unless the token says that it is not verified.",
    )
    username_prefix: str | None = Field(
        default=None,
        description="What is put before the name; - for nothing. By default ISSUER#, and nothing for the claim email.",
    )
    groups_claim: str = Field(default="groups", min_length=1, description="Claim with the user's groups.")
    groups_prefix: str = Field(default="", description="What is put before each group.")
    required_claims: Names = Field(
        default=(), description="Further claims that a token must have, each as name=value with the value a string."
    )
    algorithms: Names = Field(
        default=ALGORITHMS, description="Signature algorithms that are accepted; all of them with a private key."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates that the issuer's is checked against, in PEM; by default the system's."
    )
    clock_skew_seconds: NonNegativeFloat = Field(
        default=30, le=300, description="How far the issuer's clock may be from this one."
    )
    timeout_seconds: PositiveFloat = Field(
        default=5, le=8, description="Longest wait for the issuer's document and keys together."
    )
    refresh_seconds: PositiveFloat = Field(
        default=300, description="How old the issuer's keys may be before they are read again."
    )

    @field_validator("issuer")
    @classmethod
    def _reachable_safely(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_url(value):
            raise ValueError("must be an https address without query, fragment or user (http for loopback alone)")
        return value

    @field_validator("algorithms")
    @classmethod
    def _asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(ALGORITHMS):
            raise ValueError(f"must be some of {', '.join(ALGORITHMS)}")
        return value

    @field_validator("required_claims")
    @classmethod
    def _pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not one.partition("=")[0] or "=" not in one for one in value):
            raise ValueError("must be name=value, with commas between them")
        return value

    @property
    def shown_prefix(self) -> str:
        """What is put before a user's name."""
        if self.username_prefix:
            return "" if self.username_prefix == "-" else self.username_prefix
        return "" if self.username_claim == "email" else f"{self.issuer}#"


def is_safe_url(url: str) -> bool:
    """Whether what is read from there is the host's own word: https, or a host that is this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment or url != url.strip():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
