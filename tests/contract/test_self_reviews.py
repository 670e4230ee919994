"""Callers are asked about with their own tokens: what they see is the same, and nothing else is ever sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from aiohttp import web
from kubernetes.client import Configuration
from sqlalchemy.ext.asyncio import AsyncEngine
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer
from support.workload_builders import a_project, a_workload, uid_of

from rollcall.cluster_access import Access
from rollcall.errors import SettingsError
from rollcall.settings import DatabaseSettings, Settings, load_settings
from rollcall.store.places import write_projects
from rollcall.store.records import Batch
from rollcall_api.app import create_app
from rollcall_api.models import Error
from rollcall_api.records import Records
from rollcall_api.reviews import REVIEWS_AT_ONCE, caller_of
from rollcall_api.rights import ReviewedRights
from rollcall_api.self_reviews import ANONYMOUS, SelfReviewer

pytestmark = pytest.mark.anyio

A, B = "runai-team-a", "runai-team-b"
KEPT_SECONDS = 10.0
TOKEN = "made-up.token_of~a/caller+1="
WORKLOADS, COUNT, NODES = "/api/v1/workloads", "/api/v1/workloads/count", "/api/v1/nodes"

Clients = Callable[..., httpx.AsyncClient]


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def access_to(url: str, **changed: Any) -> Access:
    """An API server, and credentials of the API's own that must not be used."""
    configuration: Any = Configuration()
    configuration.host = url
    configuration.api_key = {"authorization": "Bearer the-api-itself"}
    for name, value in changed.items():
        setattr(configuration, name, value)
    return Access(configuration)


@pytest.fixture
async def api_server() -> AsyncIterator[ReviewingServer]:
    """The API server that is asked."""
    async with ReviewingServer.running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """The clock by which rights are kept."""
    return Clock()


@pytest.fixture
async def client_of(
    database: DatabaseSettings, engine: AsyncEngine, api_server: ReviewingServer, clock: Clock, write
) -> AsyncIterator[Clients]:
    """Clients of one API over two projects, each with a token of its own."""
    await write(Batch(workloads=(a_workload("of-a", namespace=A), a_workload("of-b", namespace=B))))
    async with engine.begin() as connection:
        await write_projects(connection, uid_of("cluster"), [a_project(A), a_project(B, "team-b")])
    # By name: of an address no client keeps cookies.
    access = access_to(api_server.url.replace("127.0.0.1", "localhost"))
    # Not `opened`: the server here speaks plain HTTP, which that refuses.
    async with access.session_without_credentials() as session:
        records = Records(engine, tenant_id=1)
        reviewer = SelfReviewer(session, access.server)
        rights = ReviewedRights(reviewer, records.namespaces, keep_seconds=KEPT_SECONDS, clock=clock)
        app = create_app(Settings(database=database), records, rights)
        opened: list[httpx.AsyncClient] = []

        def make(token: str = TOKEN) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            headers = {"Authorization": f"Bearer {token}"}
            opened.append(httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers))
            return opened[-1]

        yield make
        for client in opened:
            await client.aclose()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)


async def status_for(client: httpx.AsyncClient, path: str = WORKLOADS) -> int:
    answer = await client.get(path)
    if answer.status_code != 200:
        assert Error.model_validate(answer.json()).code == answer.status_code
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="rollcall", error="invalid_token"'
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
    return answer.status_code


async def seen_by(client: httpx.AsyncClient) -> set[str]:
    """The names on a caller's list."""
    answer = await client.get(WORKLOADS)
    assert answer.status_code == 200, answer.text
    return {found["name"] for found in answer.json()["workloads"]}


@pytest.mark.parametrize(
    ("namespaces", "names"),
    [((A,), {"of-a"}), ((B,), {"of-b"}), ((A, B), {"of-a", "of-b"}), ((CLUSTER_WIDE,), {"of-a", "of-b"})],
)
async def test_a_caller_sees_the_namespaces_in_which_they_may_list(
    client_of: Clients, api_server: ReviewingServer, namespaces: tuple[str | None, ...], names: set[str]
) -> None:
    api_server.let_in(TOKEN, "ada", *namespaces)
    client = client_of()
    assert await seen_by(client) == names
    assert (await client.get(COUNT)).json() == {"count": len(names)}
    for name in ("of-a", "of-b"):
        assert await status_for(client, f"{WORKLOADS}/{uid_of(name)}") == (200 if name in names else 404)
    assert api_server.rights_asked[0] == ("ada", CLUSTER_WIDE), "the right to all comes first"


async def test_nothing_is_sent_but_the_callers_own_token(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in("token-a", "ada", A)
    api_server.let_in("token-b", "bob", B)
    assert [await seen_by(client_of("token-a")), await seen_by(client_of("token-b"))] == [{"of-a"}, {"of-b"}]
    assert api_server.credentials == {"Bearer token-a", "Bearer token-b"}
    assert api_server.specs == [], "nobody is asked about by another"


async def test_a_token_that_the_cluster_does_not_know_is_a_401(client_of: Clients, api_server: ReviewingServer) -> None:
    assert await status_for(client_of("forged")) == 401
    assert api_server.rights_asked == []


async def test_no_right_anywhere_is_a_403(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in(TOKEN, "ada")
    assert [await status_for(client_of(), path) for path in (WORKLOADS, COUNT, NODES)] == [403, 403, 403]


async def test_nodes_are_for_who_may_list_nodes(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in(TOKEN, "ada")
    api_server.may_list_nodes.add("ada")
    assert [await status_for(client_of(), path) for path in (NODES, WORKLOADS)] == [200, 403]


@pytest.mark.parametrize(
    "status",
    [{}, {"userInfo": None}, {"userInfo": {}}, {"userInfo": {"username": ""}}, {"userInfo": {"username": ANONYMOUS}}],
    ids=str,
)
async def test_an_answer_that_names_nobody_is_a_401(
    client_of: Clients, api_server: ReviewingServer, status: dict[str, Any]
) -> None:
    api_server.let_in(TOKEN, "ada", CLUSTER_WIDE)
    api_server.fault = web.Response(status=201, text=json.dumps({"status": status}))
    assert await status_for(client_of()) == 401


async def test_a_token_that_ends_while_it_is_asked_about_is_a_401_and_no_part_of_a_list(
    client_of: Clients, api_server: ReviewingServer
) -> None:
    api_server.let_in(TOKEN, "ada", A, B)
    api_server.open_for_projects.clear()
    waiting = asyncio.create_task(status_for(client_of()))
    await until(lambda: api_server.in_flight == 2)
    api_server.fault = web.Response(status=401, text="{}")
    api_server.open_for_projects.set()
    assert await waiting == 401


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(web.Response(status=500, text="internal error"), id="500"),
        pytest.param(web.Response(status=403, text="{}"), id="nobody-may-ask"),
        pytest.param(web.Response(status=429, text="{}"), id="too-many"),
        pytest.param(web.Response(status=201, text="<html>"), id="not-json"),
        pytest.param(web.Response(status=201, text='{"status": null}'), id="no-status"),
    ],
)
async def test_a_failure_is_a_503_and_not_kept(
    client_of: Clients, api_server: ReviewingServer, fault: web.Response
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    api_server.fault = fault
    assert await status_for(client_of()) == 503
    api_server.fault = None
    assert await seen_by(client_of()) == {"of-a"}


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_no_token_follows_a_redirect(client_of: Clients, api_server: ReviewingServer, status: int) -> None:
    async with ReviewingServer.running() as elsewhere:
        elsewhere.let_in(TOKEN, "ada", CLUSTER_WIDE)
        place = f"{elsewhere.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        api_server.let_in(TOKEN, "ada", A)
        api_server.fault = web.Response(status=status, text='{"status": {}}', headers={"Location": place})
        assert await status_for(client_of()) == 503
        assert (elsewhere.tokens_asked, elsewhere.credentials) == ([], set())


async def test_no_cookie_is_carried_from_one_caller_to_the_next(
    client_of: Clients, api_server: ReviewingServer
) -> None:
    api_server.let_in("token-a", "ada", A)
    api_server.cookie = "session=ada"
    assert await seen_by(client_of("token-a")) == {"of-a"}
    api_server.let_in("token-b", "bob", B)
    assert await seen_by(client_of("token-b")) == {"of-b"}
    assert api_server.cookies_seen == set()


async def test_a_right_that_is_withdrawn_is_gone_after_ten_seconds(
    client_of: Clients, api_server: ReviewingServer, clock: Clock
) -> None:
    api_server.let_in(TOKEN, "ada", A, B)
    client = client_of()
    assert await seen_by(client) == {"of-a", "of-b"}
    api_server.rights.remove(("ada", B))
    clock.now += KEPT_SECONDS - 0.01
    assert await seen_by(client) == {"of-a", "of-b"}
    assert api_server.tokens_asked == [TOKEN]
    clock.now += 0.01
    assert await seen_by(client) == {"of-a"}
    api_server.users.clear()
    clock.now += KEPT_SECONDS
    assert await status_for(client) == 401


async def test_many_requests_at_once_are_one_review_and_the_api_server_is_not_flooded(
    client_of: Clients, api_server: ReviewingServer, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        projects = [a_project(f"project-{number:03}", f"p{number}") for number in range(2 * REVIEWS_AT_ONCE)]
        await write_projects(connection, uid_of("cluster"), projects)
    api_server.let_in(TOKEN, "ada", A)
    api_server.open_for_projects.clear()
    async with asyncio.TaskGroup() as group:
        requests = [group.create_task(status_for(client_of())) for _ in range(20)]
        await until(lambda: api_server.in_flight == REVIEWS_AT_ONCE)
        api_server.open_for_projects.set()
    assert {request.result() for request in requests} == {200}
    assert api_server.tokens_asked == [TOKEN]
    assert api_server.most_in_flight == REVIEWS_AT_ONCE


@pytest.mark.parametrize(
    ("url", "changed"),
    [
        ("http://127.0.0.1:8001", {}),  # kubectl proxy: it answers for everybody as who runs it
        ("https://127.0.0.1:6443", {"verify_ssl": False}),
    ],
)
async def test_tokens_are_sent_nowhere_that_is_not_verified(url: str, changed: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        async with SelfReviewer.opened(access_to(url, **changed)):
            pass
    assert str(caught.value).startswith("ROLLCALL_API__REVIEWS=self sends callers' tokens")
    assert url in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ROLLCALL_API__AUTHENTICATION", "oidc", "that is the issuer's and none of the cluster's"),
        ("ROLLCALL_API__AGGREGATED__ENABLED", "true", "hands on the caller's name and no token"),
    ],
)
def test_what_brings_no_token_of_the_cluster_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv("ROLLCALL_API__REVIEWS", "self")
    load_settings()
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith("ROLLCALL_API__REVIEWS=self: ")
    assert name in str(caught.value)
    assert sentence in str(caught.value)


def test_a_callers_token_is_in_no_text_of_them() -> None:
    assert TOKEN not in repr(caller_of({"username": "ada"}, token=TOKEN))
