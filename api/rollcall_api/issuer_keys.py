"""The public keys of an OpenID Connect issuer, read from its discovery document and kept.

What is known keeps serving while the issuer is away. It is asked again when the keys are old or a token needs another
one, but never twice at a time, nor again before some seconds have passed, whatever is sent here.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import structlog

from rollcall.errors import SettingsError, TokenIssuerError
from rollcall.oidc_settings import OidcSettings, is_safe_url

log = structlog.stdlib.get_logger(__name__)

SECONDS_BETWEEN_READS = 10
"""Before which keys that were read are not read again."""

SECONDS_AFTER_FAILURE = 3
"""Before which an issuer that gave no keys is not asked again."""

MOST_KEYS = 100
_MOST_BYTES = 1024 * 1024
_WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class KeySet:
    """The issuer's keys as of one reading, each as the JSON Web Key that it was sent as."""

    keys: tuple[Mapping[str, Any], ...]
    read_at: float


class IssuerKeys:
    """What one issuer signs with."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: OidcSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._issuer = settings.issuer or ""
        self._timeout_seconds = settings.timeout_seconds
        self._refresh_seconds = settings.refresh_seconds
        self._clock = clock
        self._known: KeySet | None = None
        self._failure: str | None = None
        self._not_before = clock()
        self._reading: asyncio.Task[KeySet] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Self]:
        """The keys while the block runs.

        Raises:
            SettingsError: the file of certificates cannot be read.
        """
        try:
            trusted = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ValueError) as error:
            because = error.strerror if isinstance(error, OSError) and error.strerror else "no certificates in PEM"
            raise SettingsError(f"ROLLCALL_API__OIDC__CA_FILE: cannot be read: {because}.") from error
        connector = aiohttp.TCPConnector(ssl=trusted)
        # What the issuer sends is no reason to remember anything of it.
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, headers={"User-Agent": "rollcall", "Accept": "application/json"}
        ) as session:
            keys = cls(session, settings, clock)
            try:
                yield keys
            finally:
                await keys.stop()

    async def stop(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def known(self) -> KeySet:
        """The keys, as known by now; where they are old, they are read anew meanwhile.

        Raises:
            TokenIssuerError: none were ever read, and none can be.
        """
        if self._known is None:
            return await self.newer_than(None)
        if self._clock() - self._known.read_at >= self._refresh_seconds and self._may_read():
            self._read_in_the_background()
        return self._known

    async def newer_than(self, tried: KeySet | None) -> KeySet:
        """The keys, read again if that is due, for a token that those tried did not sign.

        Raises:
            TokenIssuerError: the issuer is away, so that nobody can tell what it signs with now.
        """
        if self._known is not None and self._known is not tried:
            return self._known
        if self._may_read():
            self._read_in_the_background()
        if self._reading is not None:
            # Shielded: others may be waiting for it when this request's client goes away.
            return await asyncio.shield(self._reading)
        if self._known is None or self._failure is not None:
            raise TokenIssuerError(self._failure or "The issuer was not asked yet.")
        return self._known

    def _may_read(self) -> bool:
        return self._reading is None and self._clock() >= self._not_before

    def _read_in_the_background(self) -> None:
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[KeySet]) -> None:
        self._reading = None
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._failure = str(error or "Reading the issuer's keys was cut short.")
            self._not_before = self._clock() + SECONDS_AFTER_FAILURE
            log.warning("issuer_not_read", issuer=self._issuer, error=self._failure)
            return
        self._failure, self._known = None, task.result()
        self._not_before = self._clock() + SECONDS_BETWEEN_READS
        log.info("issuer_read", issuer=self._issuer, keys=len(self._known.keys))

    async def _read(self) -> KeySet:
        read_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                document = await self._get(self._issuer.rstrip("/") + _WELL_KNOWN)
                if document.get("issuer") != self._issuer:
                    raise TokenIssuerError("The issuer's discovery document is of another issuer.")
                address = document.get("jwks_uri")
                if not isinstance(address, str) or not self._may_hold_keys(address):
                    raise TokenIssuerError("The issuer's discovery document has no safe address of keys (jwks_uri).")
                found = (await self._get(address)).get("keys")
        except TimeoutError as error:
            raise TokenIssuerError(f"The issuer did not answer within {self._timeout_seconds:g} s.") from error
        if not isinstance(found, list):
            raise TokenIssuerError("The issuer's keys are no list.")
        return KeySet(tuple(key for key in found if isinstance(key, Mapping))[:MOST_KEYS], read_at)

    def _may_hold_keys(self, address: str) -> bool:
        # An issuer on loopback is for tests; any other never has its keys read in the clear.
        return address.startswith("https://") or (self._issuer.startswith("http://") and is_safe_url(address))

    async def _get(self, address: str) -> dict[str, Any]:
        """The JSON object at an address; elsewhere is not looked."""
        try:
            async with self._session.get(address, allow_redirects=False) as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP
                    raise TokenIssuerError(f"The issuer answered {response.status}.")
                content = bytearray()
                async for part in response.content.iter_any():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise TokenIssuerError(f"The issuer answered more than {_MOST_BYTES} bytes.")
                found = json.loads(content)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise TokenIssuerError(f"The issuer cannot be reached: {type(error).__name__}.") from error
        except (ValueError, RecursionError) as error:
            raise TokenIssuerError("The issuer answered no JSON.") from error
        if not isinstance(found, dict):
            raise TokenIssuerError("The issuer answered no JSON object.")
        return found
