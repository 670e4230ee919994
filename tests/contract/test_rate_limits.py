"""How often one caller may ask: a 429 that says when to come back, before anything is asked of anybody."""

import asyncio
import hashlib
import json
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from kubernetes.client import Configuration
from sqlalchemy.ext.asyncio import AsyncEngine
from support.api_process import ApiProcess
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer
from support.runapy import VERSIONS, python_with
from support.workload_builders import uid_of

from rollcall.cluster_access import Access
from rollcall.settings import ApiSettings, DatabaseSettings, Settings
from rollcall_api import rate_limits
from rollcall_api.app import create_app
from rollcall_api.applications import Issued
from rollcall_api.clusters import EVERY_CLUSTER
from rollcall_api.models import Error
from rollcall_api.oauth import OAuth2Error
from rollcall_api.rate_limits import PRICE_OF_A_WRONG_GUESS, Buckets, CallerLimits, NoLimits, RateLimits
from rollcall_api.records import Records
from rollcall_api.refusals import RefusalError
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import NobodyAsked, ReviewedRights

pytestmark = pytest.mark.anyio

PATH = "/api/v1/workloads/count"
HERE, THERE = "192.0.2.1", "192.0.2.2"
BURST = 5


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class OneApplication:
    """Gives a token for one secret."""

    async def issue(self, client_id: str, secret: str) -> Issued | None:
        return Issued("a.b.c", 60) if (client_id, secret) == ("app", "right") else None


@pytest.fixture
def clock() -> Clock:
    """The clock by which requests are counted."""
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> CallerLimits:
    """Two requests a second, five at once."""
    return CallerLimits(per_second=2, burst=BURST, clock=clock)


def paid(limits: RateLimits, peer: str, token: str | None = None, *, most: int = 50) -> int:
    """How many requests are answered before one is not."""
    for number in range(most):
        try:
            limits.spend(peer, token)
        except RefusalError:
            return number
    return most


def wait_of(limits: RateLimits, peer: str, token: str | None = None) -> int:
    """After how many seconds a refused caller is told to come back."""
    with pytest.raises(RefusalError) as caught:
        limits.spend(peer, token)
    assert caught.value.status == 429
    return int(caught.value.headers["Retry-After"])


def test_a_burst_is_answered_and_then_the_rate(limits: CallerLimits, clock: Clock) -> None:
    assert paid(limits, HERE) == BURST
    assert wait_of(limits, HERE) == 1
    clock.now += 0.49
    assert paid(limits, HERE) == 0
    clock.now += 0.01
    assert paid(limits, HERE) == 1
    clock.now += 1
    assert paid(limits, HERE) == 2
    clock.now += 3600
    assert paid(limits, HERE) == BURST


def test_whoever_waits_as_told_is_answered(clock: Clock) -> None:
    limits = CallerLimits(per_second=0.3, burst=1, clock=clock)
    for _ in range(20):
        assert paid(limits, HERE) == 1
        seconds = wait_of(limits, HERE)
        assert seconds == 4
        clock.now += seconds


def test_a_refusal_costs_nothing(limits: CallerLimits, clock: Clock) -> None:
    paid(limits, HERE)
    for _ in range(100):
        assert wait_of(limits, HERE) == 1
    clock.now += 0.5
    assert paid(limits, HERE) == 1


def test_addresses_count_by_themselves_and_those_of_one_network_together(limits: CallerLimits) -> None:
    assert [paid(limits, HERE), paid(limits, THERE), paid(limits, "::ffff:192.0.2.1")] == [BURST, BURST, 0]
    assert paid(limits, "2001:db8:0:1::1") == BURST
    assert [paid(limits, "2001:db8:0:1:ffff::9"), paid(limits, "2001:db8:0:2::1")] == [0, BURST]
    assert [paid(limits, ""), paid(limits, "a-socket")] == [BURST, BURST]


def test_a_token_counts_by_itself_once_it_was_let_in(limits: CallerLimits) -> None:
    assert paid(limits, HERE, "made-up-1", most=3) == 3
    assert paid(limits, HERE, "made-up-2") == BURST - 3
    limits.let_in("good")
    assert [paid(limits, HERE, "good"), paid(limits, THERE, "good")] == [BURST, 0]
    limits.let_in("good")
    assert paid(limits, HERE, "good") == 0, "being let in again fills nothing"
    limits.wrong(THERE, "good")
    assert paid(limits, HERE, "good") == 0, "it is a stranger's now, whose address has nothing left"


def test_a_wrong_guess_costs_more_but_not_for_ever(clock: Clock) -> None:
    limits = CallerLimits(per_second=1, burst=2 * PRICE_OF_A_WRONG_GUESS, clock=clock)
    guesses = 0
    while paid(limits, HERE, most=1):
        limits.wrong(HERE)
        guesses += 1
    assert guesses == 2
    for _ in range(1000):
        limits.wrong(HERE)
    assert wait_of(limits, HERE) <= 2 * PRICE_OF_A_WRONG_GUESS + 1


def test_the_memory_of_callers_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "CALLERS_KEPT", 3)
    buckets = Buckets(per_second=2, burst=BURST, clock=clock)
    buckets.take(b"greedy", BURST)
    for number in range(20):
        buckets.take(b"%d" % number, 1)
        assert buckets.wait_seconds(b"greedy") == 0.5, "whoever goes on asking is not forgotten"
    assert len(buckets) == 3
    assert [key in buckets for key in (b"17", b"18", b"19")] == [False, True, True]


def test_without_limits_nobody_waits() -> None:
    assert paid(NoLimits(), HERE, most=10_000) == 10_000


Clients = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def api_server() -> AsyncIterator[ReviewingServer]:
    """The API server that is asked."""
    async with ReviewingServer.running() as server:
        server.let_in("good", "ada", CLUSTER_WIDE)
        server.let_in("rightless", "bob")
        yield server


@pytest.fixture
async def client_at(
    database: DatabaseSettings, engine: AsyncEngine, api_server: ReviewingServer, limits: CallerLimits
) -> AsyncIterator[Clients]:
    """Clients of one API, each at an address."""
    configuration: Any = Configuration()
    configuration.host = api_server.url
    async with ClusterReviewer.opened(Access(configuration)) as reviewer:
        records = Records(engine, tenant_id=1)
        rights = ReviewedRights(reviewer, records.namespaces, clusters=EVERY_CLUSTER, keep_seconds=10)
        app = create_app(Settings(database=database), records, rights, OneApplication())
        assert isinstance(app.state.rate_limits, CallerLimits)
        app.state.rate_limits = limits
        opened: list[httpx.AsyncClient] = []

        def make(peer: str = HERE, token: str | None = None) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(peer, 4711))
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            opened.append(httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers))
            return opened[-1]

        yield make
        for client in opened:
            await client.aclose()


async def test_every_operation_has_a_429_and_documents_it(
    client_at: Clients, limits: CallerLimits, api_server: ReviewingServer
) -> None:
    client = client_at(token="good")
    document = (await client.get("/openapi.json")).json()
    paid(limits, HERE)
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    assert len(operations) >= 7
    for path, method, operation in operations:
        answer = await client.request(method, path.replace("{workloadId}", uid_of("x")))
        assert answer.status_code == 429, path
        assert int(answer.headers["Retry-After"]) == 1
        promised = operation["responses"]["429"]
        assert promised["headers"]["Retry-After"]["schema"]["type"] == "integer"
        model = promised["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert model == ("OAuth2Error" if path == "/api/v2/token" else "Error")
        if model == "Error":
            assert Error.model_validate(answer.json()).code == 429
        else:
            assert OAuth2Error.model_validate(answer.json()).error == "temporarily_unavailable"
    assert api_server.tokens_asked == []


async def test_callers_do_not_take_each_others_share(client_at: Clients) -> None:
    good = client_at(token="good")
    assert [(await good.get(PATH)).status_code for _ in range(BURST + 2)] == [200] * (BURST + 1) + [429]
    assert (await client_at(token="good", peer=THERE).get(PATH)).status_code == 429
    rightless = client_at(token="rightless", peer=THERE)
    assert [(await rightless.get(PATH)).status_code for _ in range(BURST + 2)] == [403] * (BURST + 1) + [429]


async def test_whoever_makes_tokens_up_is_soon_refused_and_the_cluster_left_alone(
    client_at: Clients, api_server: ReviewingServer
) -> None:
    known = client_at(token="good")
    assert (await known.get(PATH)).status_code == 200
    statuses = [(await client_at(token=f"made-up-{number}").get(PATH)).status_code for number in range(9)]
    assert statuses == [401] + [429] * 8
    assert api_server.tokens_asked == ["good", "made-up-0"]
    assert (await known.get(PATH)).status_code == 200, "from the same address, but let in before"


async def test_a_token_that_is_withdrawn_is_a_strangers_again(
    client_at: Clients, limits: CallerLimits, clock: Clock
) -> None:
    limits.let_in("gone")
    client = client_at(token="gone")
    assert (await client.get(PATH)).status_code == 401
    assert (await client.get(PATH)).status_code == 429
    clock.now += 60
    assert (await client.get(PATH)).status_code == 401


@pytest.mark.parametrize(
    ("path", "right", "wrong", "refused"),
    [
        pytest.param(
            "/api/v1/token",
            {"json": {"grantType": "app_token", "AppId": "app", "AppSecret": "right"}},
            {"json": {"grantType": "app_token", "AppId": "app", "AppSecret": "wrong"}},
            400,
            id="v1",
        ),
        pytest.param(
            "/api/v2/token",
            {"data": {"grant_type": "client_credentials", "client_id": "app", "client_secret": "right"}},
            {"data": {"grant_type": "client_credentials", "client_id": "app", "client_secret": "wrong"}},
            401,
            id="v2",
        ),
    ],
)
async def test_guessing_secrets_is_slow(
    client_at: Clients, clock: Clock, path: str, right: dict[str, Any], wrong: dict[str, Any], refused: int
) -> None:
    client, other = client_at(), client_at(THERE)
    assert [(await other.post(path, **right)).status_code for _ in range(BURST + 1)] == [200] * BURST + [429]
    assert [(await client.post(path, **wrong)).status_code for _ in range(3)] == [refused, 429, 429]
    assert (await client.post(path, **right)).status_code == 429
    clock.now += PRICE_OF_A_WRONG_GUESS / 2
    assert (await client.post(path, **right)).status_code == 200


async def test_health_and_documents_are_never_limited(client_at: Clients, limits: CallerLimits) -> None:
    client = client_at()
    paid(limits, HERE)
    for _ in range(2 * BURST):
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503, "nothing was observed yet"
        assert (await client.get("/metrics")).status_code == 200
    assert (await client.get("/openapi.json")).status_code == 200
    assert 'status="429"' not in (await client.get("/metrics")).text


@pytest.mark.parametrize(("rate", "asked", "limited"), [(50, True, True), (0, True, False), (50, False, False)])
async def test_zero_and_authentication_none_mean_no_limit(
    database: DatabaseSettings, engine: AsyncEngine, *, rate: float, asked: bool, limited: bool
) -> None:
    records = Records(engine, tenant_id=1)
    reviewed = ReviewedRights(None, records.namespaces, clusters=EVERY_CLUSTER, keep_seconds=1)  # type: ignore[arg-type]
    rights = reviewed if asked else NobodyAsked()
    app = create_app(Settings(database=database, api=ApiSettings(rate_per_second=rate)), records, rights)
    assert isinstance(app.state.rate_limits, CallerLimits) == limited


def kubeconfig_for(server: ReviewingServer, folder: Path) -> Path:
    """A kubeconfig with which a process asks the reviewing server."""
    path = folder / "kubeconfig"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "api", "user": {"token": "own"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "api"}}],
        "current-context": "c",
    }
    path.write_text(yaml.safe_dump(content))
    return path


RUNAPY = """
import json, sys
from runai.api_client import ApiClient
from runai.configuration import Configuration
from runai.runai_client import RunaiClient

configuration = Configuration(client_id="app", client_secret=sys.argv[2], runai_base_url=sys.argv[1])
workloads = RunaiClient(ApiClient(configuration)).workloads.workloads
print(json.dumps([workloads.count_workloads().data["count"] for _ in range(6)]))
"""


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_official_client_waits_and_asks_again(
    database: DatabaseSettings, api_server: ReviewingServer, tmp_path: Path, version: str
) -> None:
    """In mode oidc, with a token of its ServiceAccount: a burst of two, and then one request a second."""
    api_server.accounts.add("a/reader")
    api_server.rights.add(("system:serviceaccount:a:reader", CLUSTER_WIDE))
    secret = "a-secret-that-is-long-enough"
    known = {
        "clientId": "app",
        "secretSha256": hashlib.sha256(secret.encode()).hexdigest(),
        "serviceAccount": "a/reader",
    }
    applications = tmp_path / "applications.yaml"
    applications.write_text(json.dumps({"applications": [known]}))
    settings = {
        "api__authentication": "oidc",
        "api__oidc__issuer": "http://127.0.0.1:1",
        "api__oidc__audiences": "rollcall",
        "api__applications_file": applications,
        "api__rate_per_second": 1,
        "api__rate_burst": 2,
    }
    with ApiProcess(tmp_path, database, kubeconfig=kubeconfig_for(api_server, tmp_path), **settings) as api:
        done = await asyncio.to_thread(
            subprocess.run,
            [await asyncio.to_thread(python_with, version), "-I", "-c", RUNAPY, api.address, secret],
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        async with httpx.AsyncClient(base_url=api.address) as client:
            measured = (await client.get("/metrics")).text
        log = api.log()
    assert done.returncode == 0, f"{done.stderr}\n{measured}\n{log}"
    assert json.loads(done.stdout) == [0] * 6
    refused = re.search(r'route="/api/v1/workloads/count",status="429"} (\S+)', measured)
    assert refused is not None, measured
    assert float(refused[1]) >= 1
    assert secret not in log


@pytest.mark.parametrize("trusted", [None, "127.0.0.0/8"], ids=["by-default", "of-a-trusted-proxy"])
async def test_forwarded_for_is_believed_of_trusted_proxies_alone(
    database: DatabaseSettings, api_server: ReviewingServer, tmp_path: Path, monkeypatch, trusted: str | None
) -> None:
    # What the server program would take from the environment by itself.
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    settings = {"api__rate_per_second": 0.01, "api__rate_burst": 2}
    if trusted is not None:
        settings["api__trusted_proxies"] = trusted
    with ApiProcess(tmp_path, database, kubeconfig=kubeconfig_for(api_server, tmp_path), **settings) as api:
        async with httpx.AsyncClient(base_url=api.address) as client:
            statuses = [
                (await client.get(PATH, headers={"X-Forwarded-For": f"203.0.113.{number}"})).status_code
                for number in range(4)
            ]
            assert statuses == ([401, 401, 429, 429] if trusted is None else [401] * 4)
            made_up = {"X-Forwarded-For": "203.0.113.99, 203.0.113.7"}
            statuses = [(await client.get(PATH, headers=made_up)).status_code for _ in range(3)]
            assert statuses[-1] == 429
