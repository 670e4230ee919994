"""An OpenID Connect issuer over real HTTP on loopback: its discovery document, its keys, and the tokens it signs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLIENT = "rollcall"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def a_key(algorithm: str = "ES256", *, bits: int = 2048) -> PrivateKey:
    """A private key for signatures of the algorithm."""
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, bits)


def public_jwk(key: PrivateKey, algorithm: str, key_id: str | None) -> dict[str, Any]:
    """The public part, as issuers send it."""
    found = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    # RFC 8037 and others: no list of operations beside the use.
    found.pop("key_ops", None)
    return {**found, "use": "sig", "alg": algorithm, **({} if key_id is None else {"kid": key_id})}


class TokenIssuer:
    """One issuer; what it answers may change any time."""

    def __init__(self) -> None:
        self.url = ""
        self.algorithm = "ES256"
        self.key: PrivateKey = a_key()
        self.key_id: str | None = "first"
        self.keys: list[dict[str, Any]] = [public_jwk(self.key, self.algorithm, self.key_id)]
        self.document: dict[str, Any] = {}
        self.asked: list[str] = []
        self.fault: web.Response | None = None
        self.open = asyncio.Event()
        self.open.set()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        """An issuer on a free port of the loopback while the block runs."""
        issuer = cls()
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", issuer._discovery)
        app.router.add_get("/keys", issuer._jwks)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            issuer.document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
            yield issuer
        finally:
            issuer.open.set()
            await runner.cleanup()

    def rotate(self, key_id: str | None, *, algorithm: str = "ES256", keep_old: bool = False) -> None:
        """Sign with a new key from now on; the old ones may stay published."""
        self.key, self.key_id, self.algorithm = a_key(algorithm), key_id, algorithm
        self.keys = [*(self.keys if keep_old else ()), public_jwk(self.key, algorithm, key_id)]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good token says; ``None`` leaves a claim out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": CLIENT, "sub": "ada", "iat": now, "exp": now + 300, **changed}
        return {name: value for name, value in good.items() if value is not None}

    def token(self, **changed: Any) -> str:
        """A token as the issuer signs it now."""
        return self.signed(self.claims(**changed))

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """A token of these claims."""
        named = {} if self.key_id is None else {"kid": self.key_id}
        return jwt.encode(claims, self.key, self.algorithm, headers={**named, **header})

    async def _discovery(self, _: web.Request) -> web.Response:
        return await self._answered("discovery", self.document)

    async def _jwks(self, _: web.Request) -> web.Response:
        return await self._answered("keys", {"keys": self.keys})

    async def _answered(self, what: str, body: dict[str, Any]) -> web.Response:
        self.asked.append(what)
        await self.open.wait()
        if self.fault is not None:
            return web.Response(status=self.fault.status, body=self.fault.body, headers=self.fault.headers)
        return web.json_response(body)
