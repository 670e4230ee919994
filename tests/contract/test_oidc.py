"""Authentication mode oidc: the issuer's word over real HTTP, and what is not its word is refused.

The issuer signs with real keys on loopback; what its users may list the reviewing server says, as in mode kubernetes.
"""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web
from kubernetes.client import Configuration
from sqlalchemy.ext.asyncio import AsyncEngine
from support.reviewing_server import ReviewingServer
from support.token_issuer import CLIENT, TokenIssuer, a_key, public_jwk
from support.workload_builders import a_project, a_workload, uid_of

from rollcall.cluster_access import Access
from rollcall.errors import SettingsError
from rollcall.oidc_settings import OidcSettings
from rollcall.settings import ApiSettings, DatabaseSettings, Settings
from rollcall.store.places import write_projects
from rollcall.store.records import Batch
from rollcall_api import command
from rollcall_api.app import create_app
from rollcall_api.clusters import EVERY_CLUSTER
from rollcall_api.issuer_keys import SECONDS_AFTER_FAILURE, SECONDS_BETWEEN_READS, IssuerKeys
from rollcall_api.models import Error
from rollcall_api.oidc import OidcReviewer
from rollcall_api.records import Records
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import ReviewedRights

pytestmark = pytest.mark.anyio

A, B = "runai-team-a", "runai-team-b"
PATH = "/api/v1/workloads"
KEPT_SECONDS = 10.0

NOT_TODAY = int(time.time()) + 86_400
"""Of the real clock. This is read when tests are collected, which may be an hour before one of them runs."""


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Caller:
    """Sends tokens to one API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, token: str, path: str = PATH) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {token}"})

    async def status(self, token: str) -> int:
        answer = await self.get(token)
        if answer.status_code != 200:
            assert Error.model_validate(answer.json()).code == answer.status_code
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="rollcall", error="invalid_token"'
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status_code

    async def names(self, token: str) -> set[str]:
        answer = await self.get(token)
        assert answer.status_code == 200, answer.text
        return {found["name"] for found in answer.json()["workloads"]}


CallerOf = Callable[..., Any]


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    """The issuer that is trusted."""
    async with TokenIssuer.running() as issuer:
        yield issuer


@pytest.fixture
async def api_server() -> AsyncIterator[ReviewingServer]:
    """The API server that reviews access; Ada may list in one namespace."""
    async with ReviewingServer.running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """The clock by which keys and verdicts are kept; what tokens say of time is about the real one."""
    return Clock()


@pytest.fixture
async def caller_of(
    database: DatabaseSettings, engine: AsyncEngine, issuer: TokenIssuer, api_server: ReviewingServer, clock, write
) -> AsyncIterator[CallerOf]:
    """Make an API with settings of mode oidc, and a caller of it."""
    await write(Batch(workloads=(a_workload("of-a", namespace=A), a_workload("of-b", namespace=B))))
    async with engine.begin() as connection:
        await write_projects(connection, uid_of("cluster"), [a_project(A), a_project(B, "team-b")])
    api_server.rights = {(f"{issuer.url}#ada", A), ("ada", A)}
    configuration: Any = Configuration()
    configuration.host = api_server.url
    async with AsyncExitStack() as stack:

        async def make(
            *, reviews_other_tokens: bool = False, keep_seconds: float = KEPT_SECONDS, **changed: Any
        ) -> Caller:
            settings = OidcSettings(**{"issuer": issuer.url, "audiences": CLIENT, **changed})
            keys = await stack.enter_async_context(IssuerKeys.opened(settings, clock))
            cluster = await stack.enter_async_context(ClusterReviewer.opened(Access(configuration)))
            reviewer = OidcReviewer(settings, keys, cluster, reviews_other_tokens=reviews_other_tokens)
            records = Records(engine, tenant_id=1)
            rights = ReviewedRights(
                reviewer, records.namespaces, clusters=EVERY_CLUSTER, keep_seconds=keep_seconds, clock=clock
            )
            app = create_app(Settings(database=database), records, rights)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://api")
            return Caller(await stack.enter_async_context(client))

        yield make


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(*parts: Any) -> str:
    return ".".join(encoded(json.dumps(part).encode()) for part in parts)


def by_secret(claims: dict[str, Any], secret: str) -> str:
    """A token signed with a shared secret; the library would not take such a one."""
    signed = unsigned({"alg": "HS256", "kid": "first"}, claims)
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


async def test_the_user_of_a_good_token_sees_what_rbac_lets_the_user_list(
    caller_of: CallerOf, issuer: TokenIssuer, api_server: ReviewingServer
) -> None:
    caller = await caller_of()
    assert await caller.names(issuer.token(groups=["ml", "", "system:masters"])) == {"of-a"}
    assert (await caller.get(issuer.token(sub="bob"))).status_code == 403
    assert {spec["user"] for spec in api_server.specs} == {f"{issuer.url}#ada", f"{issuer.url}#bob"}
    assert api_server.specs[0]["groups"] == ["ml", "system:authenticated"]
    assert api_server.tokens_asked == [], "nobody needs to review what the issuer signed"
    hidden = await caller.get(issuer.token(), f"{PATH}/{uid_of('of-b')}")
    assert hidden.status_code == 404


@pytest.mark.parametrize(
    ("settings", "claims", "user", "groups"),
    [
        pytest.param({"username_prefix": "-"}, {}, "ada", [], id="no-prefix"),
        pytest.param({"username_prefix": "oidc:"}, {}, "oidc:ada", [], id="prefix"),
        pytest.param({"username_claim": "email"}, {"email": "a@b.c"}, "a@b.c", [], id="email-silent"),
        pytest.param(
            {"username_claim": "email"}, {"email": "a@b.c", "email_verified": True}, "a@b.c", [], id="email-verified"
        ),
        pytest.param({"username_prefix": "-"}, {"groups": "one"}, "ada", ["one"], id="one-group"),
        pytest.param({"username_prefix": "-"}, {"groups": None}, "ada", [], id="null-groups"),
        pytest.param(
            {"username_prefix": "-", "groups_claim": "roles", "groups_prefix": "oidc:"},
            {"roles": ["x", "system:masters"], "groups": ["y"]},
            "ada",
            ["oidc:x", "oidc:system:masters"],
            id="groups-prefix",
        ),
        pytest.param(
            {"username_prefix": "-", "required_claims": "hd=example.com,tier=gold"},
            {"hd": "example.com", "tier": "gold"},
            "ada",
            [],
            id="required-claims",
        ),
        pytest.param({"username_prefix": "-"}, {"aud": ["other", CLIENT]}, "ada", [], id="two-audiences"),
        pytest.param({"username_prefix": "-", "audiences": "a,b"}, {"aud": "b"}, "ada", [], id="either-audience"),
    ],
)
async def test_claims_make_the_kubernetes_user(
    caller_of: CallerOf,
    issuer: TokenIssuer,
    api_server: ReviewingServer,
    settings: dict[str, Any],
    claims: dict[str, Any],
    user: str,
    groups: list[str],
) -> None:
    api_server.rights = {(user, A)}
    assert await (await caller_of(**settings)).names(issuer.token(**claims)) == {"of-a"}
    assert api_server.specs[0]["user"] == user
    assert api_server.specs[0]["groups"] == [*groups, "system:authenticated"]


@pytest.mark.parametrize(
    ("settings", "claims"),
    [
        pytest.param({}, {"iss": "https://elsewhere.example"}, id="iss"),
        pytest.param({}, {"iss": None}, id="no-iss"),
        pytest.param({}, {"iss": ["x"]}, id="iss-list"),
        pytest.param({}, {"aud": "other"}, id="aud"),
        pytest.param({}, {"aud": None}, id="no-aud"),
        pytest.param({}, {"aud": []}, id="empty-aud"),
        pytest.param({}, {"aud": {CLIENT: 1}}, id="aud-object"),
        pytest.param({}, {"exp": None}, id="no-exp"),
        pytest.param({}, {"exp": "soon"}, id="exp-text"),
        pytest.param({}, {"exp": 1e400}, id="exp-infinite"),
        pytest.param({}, {"exp": int(time.time()) - 31}, id="expired"),
        pytest.param({"clock_skew_seconds": 0}, {"exp": int(time.time()) - 1}, id="expired-without-skew"),
        pytest.param({}, {"nbf": NOT_TODAY}, id="not-yet"),
        pytest.param({}, {"iat": NOT_TODAY}, id="from-the-future"),
        pytest.param({}, {"sub": None}, id="no-user"),
        pytest.param({}, {"sub": ""}, id="empty-user"),
        pytest.param({}, {"sub": 7}, id="user-number"),
        pytest.param({"username_claim": "name"}, {"name": ["ada"]}, id="user-list"),
        pytest.param({"username_prefix": "-"}, {"sub": "system:admin"}, id="reserved-user"),
        pytest.param({}, {"groups": {"a": 1}}, id="groups-object"),
        pytest.param({}, {"groups": ["a", 1]}, id="groups-number"),
        pytest.param({"username_claim": "email"}, {"email": "a@b.c", "email_verified": False}, id="email-unverified"),
        pytest.param({"username_claim": "email"}, {"email": "a@b.c", "email_verified": "true"}, id="email-text"),
        pytest.param({"username_claim": "email"}, {"email": "a@b.c", "email_verified": None}, id="email-null"),
        pytest.param({"required_claims": "hd=example.com"}, {}, id="required-missing"),
        pytest.param({"required_claims": "hd=example.com"}, {"hd": "example.org"}, id="required-other"),
        pytest.param({"required_claims": "hd=1"}, {"hd": 1}, id="required-number"),
    ],
)
async def test_what_is_not_for_us_and_now_is_a_401(
    caller_of: CallerOf, issuer: TokenIssuer, api_server: ReviewingServer, settings, claims
) -> None:
    good = issuer.claims()
    for name, value in claims.items():
        good.pop(name, None)
        if value is not None or name == "email_verified":
            good[name] = value
    caller = await caller_of(**settings)
    # The library that signs refuses some of these, so they are signed as bytes.
    token = jwt.api_jws.encode(json.dumps(good).encode(), issuer.key, "ES256", headers={"kid": issuer.key_id})
    assert await caller.status(token) == 401
    assert api_server.specs == []


async def test_clocks_may_differ_by_the_skew(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    now = int(time.time())
    caller = await caller_of(clock_skew_seconds=60)
    token = issuer.token(exp=now - 20, iat=now + 20, nbf=now + 20)
    assert await caller.status(token) == 200
    assert await (await caller_of(clock_skew_seconds=0)).status(token) == 401


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
)
async def test_every_algorithm_with_a_private_key_is_known(
    caller_of: CallerOf, issuer: TokenIssuer, algorithm: str
) -> None:
    issuer.rotate("one", algorithm=algorithm, keep_old=True)
    assert await (await caller_of()).status(issuer.token()) == 200
    other = "ES256" if algorithm != "ES256" else "RS256"
    assert await (await caller_of(algorithms=other)).status(issuer.token()) == 401


async def test_nothing_but_the_issuers_own_signature_counts(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    caller = await caller_of()
    good = issuer.token()
    assert await caller.status(good) == 200
    head, claims, signature = good.split(".")
    shared = json.dumps(public_jwk(issuer.key, "ES256", "first"))
    forged = {
        "none": unsigned({"alg": "none", "kid": "first"}, issuer.claims()) + ".",
        "none, with a signature": f"{unsigned({'alg': 'none', 'kid': 'first'}, issuer.claims())}.{signature}",
        "a public key as a shared secret": by_secret(issuer.claims(), shared),
        "another key": jwt.encode(issuer.claims(), a_key(), "ES256", headers={"kid": "first"}),
        "another type of key": jwt.encode(issuer.claims(), a_key("RS256"), "RS256", headers={"kid": "first"}),
        "other claims": f"{head}.{unsigned(issuer.claims(sub='root'))}.{signature}",
        "a key of its own": issuer_less(issuer),
        "an algorithm that is none": f"{unsigned({'alg': ['ES256'], 'kid': 'first'})}.{claims}.{signature}",
        "an unknown demand": issuer.signed(issuer.claims(), crit=["exp"], exp=1),
        "not base64 within": f"{head}.{claims}.{signature[:5]}~{signature[5:]}",
        "padding": f"{good}=",
        "bits that nobody reads": f"{good[:-1]}{chr(ord(good[-1]) + 1)}",
        "two parts": f"{head}.{claims}",
        "four parts": f"{good}.{signature}",
        "no object": f"{unsigned([], [])}.{signature}",
        "deep": f"{head}.{encoded(b'[' * 6000)}.{signature}",
        "a long number": ".".join([head, encoded(b'{"exp":' + b"9" * 6000 + b"}"), signature]),
        "opaque": "abcdef",
    }
    assert {name: await caller.status(token) for name, token in forged.items()} == dict.fromkeys(forged, 401)
    assert await caller.status(good) == 200


def issuer_less(issuer: TokenIssuer) -> str:
    """A token that brings the key along that it wants to be checked with."""
    key = a_key()
    return jwt.encode(
        issuer.claims(),
        key,
        "ES256",
        headers={"kid": "own", "jwk": public_jwk(key, "ES256", "own"), "jku": f"{issuer.url}/keys"},
    )


@pytest.mark.parametrize(
    "changed",
    [{"use": "enc"}, {"alg": "ES384"}, {"kty": "oct", "k": "c2VjcmV0"}, {"crv": "P-384"}, {"key_ops": ["sign"]}],
    ids=str,
)
async def test_a_key_for_something_else_proves_nothing(caller_of: CallerOf, issuer: TokenIssuer, changed) -> None:
    issuer.keys = [{**issuer.keys[0], **changed}, {"kid": "first"}, {"kid": "first", "kty": "EC", "crv": "P-256"}]
    assert await (await caller_of()).status(issuer.token()) == 401


async def test_a_short_rsa_key_proves_nothing(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    issuer.key, issuer.algorithm = a_key("RS256", bits=1024), "RS256"
    issuer.keys = [public_jwk(issuer.key, "RS256", issuer.key_id)]
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = issuer.token()
    assert await (await caller_of()).status(token) == 401


async def test_a_token_without_a_key_id_is_checked_by_every_key(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    issuer.rotate(None, keep_old=True)
    caller = await caller_of()
    assert await caller.status(issuer.token()) == 200
    assert await caller.status(issuer.token(sub="eve")) == 403


@pytest.mark.parametrize("key_id", ["second", "first", None], ids=["new-id", "same-id", "no-id"])
async def test_a_new_key_is_learned_and_the_old_one_dropped(
    caller_of: CallerOf, issuer: TokenIssuer, clock: Clock, key_id: str | None
) -> None:
    caller = await caller_of()
    old, other_old = issuer.token(), issuer.token(jti="other")
    assert await caller.status(old) == 200
    clock.now += SECONDS_BETWEEN_READS
    issuer.rotate(key_id)
    assert await caller.status(other_old) == 200, "nobody needed another key yet"
    clock.now += KEPT_SECONDS
    assert await caller.status(issuer.token()) == 200
    assert issuer.asked == ["discovery", "keys"] * 2
    assert await caller.status(old) == 401


async def test_old_keys_are_read_anew_in_the_background(caller_of: CallerOf, issuer: TokenIssuer, clock: Clock) -> None:
    caller = await caller_of(refresh_seconds=60)
    old = issuer.token()
    assert await caller.status(old) == 200
    issuer.rotate("second")
    clock.now += 60
    issuer.open.clear()
    assert await caller.status(old) == 200, "what is known serves while it is read anew"
    issuer.open.set()
    async with asyncio.timeout(10):
        while issuer.asked != ["discovery", "keys"] * 2:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)
    assert await caller.status(issuer.token()) == 200
    clock.now += KEPT_SECONDS
    assert await caller.status(old) == 401


async def test_made_up_key_ids_do_not_hammer_the_issuer(caller_of: CallerOf, issuer: TokenIssuer, clock: Clock) -> None:
    caller = await caller_of()
    assert await caller.status(issuer.token()) == 200
    for round_ in range(2):
        clock.now += SECONDS_BETWEEN_READS
        garbage = [issuer.signed(issuer.claims(), kid=f"made-up-{round_}-{number}") for number in range(8)]
        assert {await caller.status(token) for token in garbage} == {401}
    assert issuer.asked == ["discovery", "keys"] * 3
    assert await caller.status(issuer.token()) == 200


async def test_many_at_once_read_the_keys_once(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    caller = await caller_of()
    issuer.open.clear()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(caller.status(issuer.token(jti=str(number)))) for number in range(20)]
        async with asyncio.timeout(10):
            while not issuer.asked:  # noqa: ASYNC110 - what is waited for is no event
                await asyncio.sleep(0.01)
        issuer.open.set()
    assert {one.result() for one in asked} == {200}
    assert issuer.asked == ["discovery", "keys"]


FAULTS = [
    pytest.param(web.Response(status=500, text="no"), id="500"),
    pytest.param(web.Response(status=302, headers={"Location": "/keys"}), id="redirect"),
    pytest.param(web.Response(text="<html>"), id="not-json"),
    pytest.param(web.Response(text="[]"), id="not-an-object"),
    pytest.param(web.Response(text="[" * 100_000), id="deep"),
    pytest.param(web.Response(text="{}"), id="empty"),
    pytest.param(web.Response(body=b" " * (1024 * 1024 + 1)), id="endless"),
    pytest.param(web.Response(body=b"\xff\xfe\xff"), id="no-text"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_issuer_that_cannot_be_read_is_a_503_until_it_can(
    caller_of: CallerOf, issuer: TokenIssuer, clock: Clock, fault: web.Response
) -> None:
    caller = await caller_of()
    issuer.fault = fault
    assert await caller.status(issuer.token()) == 503
    asked = list(issuer.asked)
    assert await caller.status(issuer.token(sub="bob")) == 503
    assert issuer.asked == asked, "not asked again at once"
    issuer.fault = None
    clock.now += SECONDS_AFTER_FAILURE
    assert await caller.status(issuer.token()) == 200


@pytest.mark.parametrize("fault", FAULTS)
async def test_known_keys_serve_while_the_issuer_is_away(
    caller_of: CallerOf, issuer: TokenIssuer, clock: Clock, fault: web.Response
) -> None:
    caller = await caller_of(refresh_seconds=60)
    assert await caller.status(issuer.token()) == 200
    issuer.fault = fault
    for _ in range(3):
        clock.now += 3600
        assert await caller.status(issuer.token()) == 200
        forged = jwt.encode(issuer.claims(), a_key(), "ES256", headers={"kid": "first"})
        assert await caller.status(forged) == 401
    # Whether it signs with such a key by now, nobody can tell.
    assert await caller.status(issuer.signed(issuer.claims(), kid="second")) == 503


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://keys.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://127.0.0.1:99999/keys"},
    ],
    ids=str,
)
async def test_a_discovery_document_that_is_not_the_issuers_own_is_not_used(
    caller_of: CallerOf, issuer: TokenIssuer, changed: dict[str, Any]
) -> None:
    issuer.document |= changed
    assert await (await caller_of()).status(issuer.token()) == 503
    assert issuer.asked == ["discovery"]


async def test_an_issuer_ends_with_a_slash_or_not_by_the_letter(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    issuer.document["issuer"] = f"{issuer.url}/"
    assert await (await caller_of()).status(issuer.token()) == 503
    caller = await caller_of(issuer=f"{issuer.url}/", username_prefix="-")
    assert await caller.status(issuer.token(iss=f"{issuer.url}/")) == 200
    assert await caller.status(issuer.token()) == 401


async def test_a_slow_issuer_is_waited_for_no_longer_than_set(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    caller = await caller_of(timeout_seconds=0.2)
    issuer.open.clear()
    assert await caller.status(issuer.token()) == 503


async def test_while_the_issuer_is_slow_others_are_answered(
    caller_of: CallerOf, issuer: TokenIssuer, clock: Clock
) -> None:
    # As long as may be: those who wait must still do so when the other one was answered.
    caller = await caller_of(timeout_seconds=8)
    assert await caller.status(issuer.token()) == 200
    clock.now += SECONDS_BETWEEN_READS
    issuer.open.clear()
    garbage = [
        asyncio.create_task(caller.status(issuer.signed(issuer.claims(), kid=f"made-up-{number}")))
        for number in range(20)
    ]
    async with asyncio.timeout(10):
        while len(issuer.asked) < 3:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)
    assert await caller.status(issuer.token(jti="next")) == 200
    assert not any(one.done() for one in garbage)
    issuer.open.set()
    assert set(await asyncio.gather(*garbage)) == {401}


async def test_an_issuer_that_is_not_there_is_a_503(caller_of: CallerOf, issuer: TokenIssuer) -> None:
    async with TokenIssuer.running() as gone:
        token = gone.token()
    caller = await caller_of(issuer=gone.url)
    assert await caller.status(token) == 503
    assert await caller.status(issuer.token()) == 401


async def test_a_verdict_does_not_outlive_its_token(
    caller_of: CallerOf, issuer: TokenIssuer, api_server: ReviewingServer, clock: Clock
) -> None:
    caller = await caller_of(clock_skew_seconds=2, keep_seconds=1000)
    token = issuer.token(exp=int(time.time()) + 300)
    assert await caller.status(token) == 200
    reviews = len(api_server.specs)
    # By the verdicts' clock its 302 seconds are over, though the thousand for which a verdict is kept are not.
    clock.now += 302.1
    assert await caller.status(token) == 200, "by the real clock it is still good"
    assert len(api_server.specs) == 2 * reviews


async def test_a_right_is_kept_for_ten_seconds(
    caller_of: CallerOf, issuer: TokenIssuer, api_server: ReviewingServer, clock: Clock
) -> None:
    caller, token = await caller_of(), issuer.token()
    assert await caller.names(token) == {"of-a"}
    api_server.rights.clear()
    clock.now += KEPT_SECONDS - 0.1
    assert await caller.names(token) == {"of-a"}
    clock.now += 0.1
    assert await caller.status(token) == 403


@pytest.mark.parametrize("reviewed", [True, False])
async def test_tokens_of_the_cluster_count_where_applications_are_declared(
    caller_of: CallerOf, issuer: TokenIssuer, api_server: ReviewingServer, *, reviewed: bool
) -> None:
    theirs = f"{unsigned({'alg': 'RS256'}, {'iss': 'https://kubernetes.default.svc'})}.c2ln"
    api_server.let_in(theirs, "system:serviceaccount:a:reader", B)
    caller = await caller_of(reviews_other_tokens=reviewed)
    if reviewed:
        assert await caller.names(theirs) == {"of-b"}
        assert api_server.tokens_asked == [theirs]
    else:
        assert await caller.status(theirs) == 401
        assert api_server.tokens_asked == []
    # What says it is the issuer's is never anybody else's to judge; what is no such token at all is nobody's.
    forged = jwt.encode(issuer.claims(), a_key(), "ES256", headers={"kid": "first"})
    api_server.let_in(forged, "mallory", B)
    api_server.let_in("opaque", "mallory", B)
    assert [await caller.status(forged), await caller.status("opaque")] == [401, 401]


async def test_certificates_that_cannot_be_read_end_the_start_with_a_sentence(tmp_path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name in ("none.pem", "empty.pem"):
        settings = OidcSettings(issuer="https://issuer.example", audiences=("a",), ca_file=tmp_path / name)
        with pytest.raises(SettingsError, match=r"^ROLLCALL_API__OIDC__CA_FILE: "):
            async with IssuerKeys.opened(settings):
                pass


@pytest.mark.parametrize(
    ("missing", "given"),
    [("ISSUER", {"audiences": (CLIENT,)}), ("AUDIENCES", {"issuer": "https://issuer.example"})],
)
async def test_without_an_issuer_and_an_audience_it_does_not_start(
    database: DatabaseSettings, missing: str, given: dict[str, Any]
) -> None:
    api = ApiSettings(port=0, authentication="oidc", oidc=OidcSettings(**given))
    with pytest.raises(SettingsError, match=f"^ROLLCALL_API__OIDC__{missing}: must be set"):
        await command.serve(Settings(database=database, api=api))
