"""Who sees what: rights are asked of an API server over real HTTP, kept for ten seconds, and hold for every endpoint.

The API server here is small and obeys the test; the suite of the real cluster asks a real one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from kubernetes.client import Configuration
from sqlalchemy.ext.asyncio import AsyncEngine
from support.api_process import ApiProcess
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer
from support.workload_builders import START, a_pod, a_project, a_workload, uid_of

from rollcall.cluster_access import Access
from rollcall.domain.records import WorkloadRecord
from rollcall.settings import DatabaseSettings, Settings
from rollcall.store.places import write_projects
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall_api import remembering
from rollcall_api import rights as rights_module
from rollcall_api.app import create_app
from rollcall_api.clusters import EVERY_CLUSTER
from rollcall_api.models import Error
from rollcall_api.records import Records
from rollcall_api.reviews import REVIEWS_AT_ONCE, ClusterReviewer
from rollcall_api.rights import ReviewedRights

pytestmark = pytest.mark.anyio

A, B = "runai-team-a", "runai-team-b"
KEPT_SECONDS = 10.0
TOKEN = "made-up.token_of~a/caller+1="
TELEMETRY = "/api/v1/workloads/telemetry?telemetryType=WORKLOADS_COUNT"
METRICS = f"/api/v1/workloads/{uid_of('of-a')}/metrics?metricType=POD_COUNT&start=2026-01-01&end=2026-01-02"
PODS = ("/api/v1/workloads/pods", "/api/v1/workloads/pods/count", f"/api/v1/workloads/{uid_of('of-a')}/pods")
HAPPENED = tuple(f"/api/v1/workloads/{uid_of('of-a')}/{end}" for end in ("events", "history"))
PATHS = (
    "/api/v1/workloads",
    "/api/v1/workloads/count",
    f"/api/v1/workloads/{uid_of('of-a')}",
    TELEMETRY,
    METRICS,
    *HAPPENED,
    *PODS,
)

Clients = Callable[..., httpx.AsyncClient]


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def api_server() -> AsyncIterator[ReviewingServer]:
    """The API server that is asked."""
    async with ReviewingServer.running() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """The clock by which rights are kept."""
    return Clock()


@pytest.fixture(autouse=True)
async def two_projects(engine: AsyncEngine, write) -> None:
    """Two project namespaces, each with a workload that lives and one that is gone."""

    def gone(record: WorkloadRecord) -> Gone:
        return Gone(uid=record.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT)

    old = (a_workload("old-of-a", namespace=A), a_workload("old-of-b", namespace=B))
    await write(Batch(workloads=(a_workload("of-a", namespace=A), a_workload("of-b", namespace=B), *old)))
    await write(Batch(gone_workloads=tuple(gone(record) for record in old)), after=1)
    async with engine.begin() as connection:
        projects = [a_project(A), a_project(B, "team-b")]
        await write_projects(connection, uid_of("cluster"), projects)


@pytest.fixture
async def client_of(
    database: DatabaseSettings, engine: AsyncEngine, api_server: ReviewingServer, clock: Clock
) -> AsyncIterator[Clients]:
    """Clients of one API that asks the API server, each with headers of its own."""
    configuration: Any = Configuration()
    configuration.host = api_server.url
    configuration.api_key = {"authorization": "Bearer the-api-itself"}
    async with ClusterReviewer.opened(Access(configuration)) as reviewer:
        records = Records(engine, tenant_id=1)
        rights = ReviewedRights(
            reviewer, records.namespaces, clusters=EVERY_CLUSTER, keep_seconds=KEPT_SECONDS, clock=clock
        )
        app = create_app(Settings(database=database), records, rights)
        opened: list[httpx.AsyncClient] = []

        def make(token: str | None = TOKEN, **options: Any) -> httpx.AsyncClient:
            if token is not None:
                options["headers"] = {"Authorization": f"Bearer {token}"}
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            opened.append(httpx.AsyncClient(transport=transport, base_url="http://api", **options))
            return opened[-1]

        yield make
        for client in opened:
            await client.aclose()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)


async def seen_by(client: httpx.AsyncClient, *, deleted: bool = False) -> set[str]:
    """The names on a caller's list."""
    answer = await client.get("/api/v1/workloads", params={"deleted": deleted})
    assert answer.status_code == 200, answer.text
    return {found["name"] for found in answer.json()["workloads"]}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")], id="two"),
        pytest.param([("Authorization", f"Basic {TOKEN}")], id="scheme"),
        pytest.param([("Authorization", "Bearer")], id="no-token"),
        pytest.param([("Authorization", "Bearer ")], id="blank-token"),
        pytest.param([("Authorization", f"Bearer {TOKEN} more")], id="two-words"),
        pytest.param([("Authorization", f"Bearer {TOKEN}, Bearer {TOKEN}")], id="joined"),
        pytest.param([("Authorization", "Bearer tök".encode())], id="not-ascii"),
        pytest.param([("Authorization", TOKEN)], id="bare"),
    ],
)
async def test_without_one_readable_token_nobody_is_asked(
    client_of: Clients, api_server: ReviewingServer, headers: list[tuple[str, str]], path: str
) -> None:
    api_server.let_in(TOKEN, "ada", CLUSTER_WIDE)
    answer = await client_of(None, headers=headers).get(path)
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (401, 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="rollcall"'
    assert api_server.tokens_asked == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_that_the_cluster_does_not_know_is_a_401(client_of: Clients, path: str) -> None:
    answer = await client_of("forged").get(path)
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (401, 401)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": False, "user": {"username": "ada"}},
        {"authenticated": "true", "user": {"username": "ada"}},
        {"user": {"username": "ada"}},
        {"authenticated": True},
        {"authenticated": True, "user": {"username": ""}},
        {"authenticated": True, "user": None},
    ],
    ids=str,
)
async def test_only_a_plain_yes_with_a_name_is_a_yes(
    client_of: Clients, api_server: ReviewingServer, status: dict[str, Any]
) -> None:
    api_server.let_in(TOKEN, "ada", CLUSTER_WIDE)
    api_server.fault = web.Response(status=201, text=json.dumps({"status": status}))
    assert (await client_of().get(PATHS[0])).status_code == 401


@pytest.mark.parametrize(
    "path", ["/api/v1/workloads?limit=0", "/api/v1/workloads/count?deleted=x", "/api/v1/workloads/telemetry"]
)
async def test_who_is_asking_comes_before_what_is_asked(client_of: Clients, path: str) -> None:
    assert (await client_of(None).get(path)).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_read_in_any_case(client_of: Clients, api_server: ReviewingServer, scheme: str) -> None:
    api_server.let_in(TOKEN, "ada", CLUSTER_WIDE)
    client = client_of(None, headers={"Authorization": f"{scheme} {TOKEN}"})
    assert (await client.get(PATHS[0])).status_code == 200
    assert api_server.tokens_asked == [TOKEN]


@pytest.mark.parametrize("path", PATHS)
async def test_no_right_anywhere_is_a_403(client_of: Clients, api_server: ReviewingServer, path: str) -> None:
    api_server.let_in(TOKEN, "ada")
    answer = await client_of().get(path)
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (403, 403)
    assert "workloads.rollcall.dev" in answer.json()["message"]


@pytest.mark.parametrize(
    ("namespaces", "names"),
    [((A,), {"of-a-0"}), ((B,), {"of-b-0"}), ((A, B), {"of-a-0", "of-b-0"}), ((CLUSTER_WIDE,), {"of-a-0", "of-b-0"})],
)
@pytest.mark.parametrize("deleted", [False, True])
async def test_pods_are_seen_where_their_workloads_are(
    client_of: Clients,
    api_server: ReviewingServer,
    write,
    namespaces: tuple[str, ...],
    names: set[str],
    *,
    deleted: bool,
) -> None:
    pods = [a_pod(f"{of}-0", workload=of, namespace=name) for of, name in (("of-a", A), ("of-b", B))]
    await write(Batch(pods=tuple(pods)))
    if deleted:
        gone = (Gone(uid=pod.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT) for pod in pods)
        await write(Batch(gone_pods=tuple(gone)))
    api_server.let_in(TOKEN, "ada", *namespaces)
    client = client_of(params={"deleted": deleted})
    listed = (await client.get(PODS[0])).json()["pods"]
    assert {pod["name"] for pod in listed} == names
    assert (await client.get(PODS[1])).json() == {"count": len(names)}
    for workload in ("of-a", "of-b"):
        answer = await client.get(f"/api/v1/workloads/{uid_of(workload)}/pods")
        assert answer.status_code == (200 if f"{workload}-0" in names else 404)
        if answer.status_code == 200:
            assert [pod["name"] for pod in answer.json()["pods"]] == [f"{workload}-0"]


async def test_the_right_to_all_is_asked_first_and_is_enough(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in(TOKEN, "ada", CLUSTER_WIDE)
    assert await seen_by(client_of()) == {"of-a", "of-b"}
    assert api_server.rights_asked == [("ada", CLUSTER_WIDE)]


async def test_each_project_is_asked_for_after_that(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in(TOKEN, "ada", A)
    assert await seen_by(client_of()) == {"of-a"}
    assert api_server.rights_asked[0] == ("ada", CLUSTER_WIDE)
    assert sorted(api_server.rights_asked[1:]) == [("ada", A), ("ada", B)]


@pytest.mark.parametrize(
    ("namespaces", "names"),
    [((A,), {"of-a"}), ((B,), {"of-b"}), ((A, B), {"of-a", "of-b"}), ((CLUSTER_WIDE,), {"of-a", "of-b"})],
)
async def test_list_count_telemetry_and_get_show_the_same(
    client_of: Clients, api_server: ReviewingServer, namespaces: tuple[str | None, ...], names: set[str]
) -> None:
    api_server.let_in(TOKEN, "ada", *namespaces)
    client = client_of()
    for deleted, prefix in ((False, ""), (True, "old-")):
        expected = {prefix + name for name in names}
        assert await seen_by(client, deleted=deleted) == expected
        summed = await client.get(TELEMETRY)
        assert summed.json()["values"] == [{"value": str(len(names))}]
        counted = await client.get("/api/v1/workloads/count", params={"deleted": deleted})
        assert counted.json() == {"count": len(expected)}
        # What asks for everything asks for no more than the caller may see.
        for asked in ({"filterBy": "name!=x"}, {"filterBy": "nodepool!@x", "sortBy": "name"}, {"search": "of-"}):
            found = await client.get("/api/v1/workloads", params={"deleted": deleted, **asked})
            assert {one["name"] for one in found.json()["workloads"]} == expected
            counted = await client.get("/api/v1/workloads/count", params={"deleted": deleted, **asked})
            assert counted.json() == {"count": len(expected)}
        for name in (f"{prefix}of-a", f"{prefix}of-b"):
            answer = await client.get(f"/api/v1/workloads/{uid_of(name)}")
            assert answer.status_code == (200 if name in expected else 404)


async def test_what_is_out_of_scope_looks_like_what_is_not_there(
    client_of: Clients, api_server: ReviewingServer
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    for path in (f"/api/v1/workloads/{uid_of('of-a')}", METRICS, *HAPPENED):
        assert (await client_of().get(path)).status_code == 200
        hidden = await client_of().get(path.replace(uid_of("of-a"), uid_of("of-b")))
        absent = await client_of().get(path.replace(uid_of("of-a"), uid_of("nobody")))
        assert (hidden.status_code, hidden.content) == (404, absent.content)
        assert set(hidden.headers) == set(absent.headers)


async def test_a_page_is_cut_from_what_the_caller_may_see(
    client_of: Clients, api_server: ReviewingServer, write
) -> None:
    await write(Batch(workloads=tuple(a_workload(f"b{number}", namespace=B) for number in range(5))))
    await write(Batch(workloads=(a_workload("z-of-a", namespace=A),)))
    api_server.let_in(TOKEN, "ada", A)
    client = client_of()
    first = (await client.get("/api/v1/workloads?limit=1&sortBy=name")).json()
    second = (await client.get("/api/v1/workloads?limit=1&sortBy=name&offset=1")).json()
    assert [first["workloads"][0]["name"], second["workloads"][0]["name"]] == ["of-a", "z-of-a"]
    assert first["next"] == 1
    assert "next" not in second


async def test_two_callers_do_not_share_rights(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in("token-a", "ada", A)
    api_server.let_in("token-b", "bob", B)
    assert [await seen_by(client_of("token-a")), await seen_by(client_of("token-b"))] == [{"of-a"}, {"of-b"}]


async def test_the_reviews_carry_the_whole_caller_and_our_own_credentials(
    client_of: Clients, api_server: ReviewingServer
) -> None:
    api_server.let_in(
        TOKEN, "ada", CLUSTER_WIDE, groups=["team-a", "system:authenticated"], extra={"example.com/scopes": ["read"]}
    )
    await seen_by(client_of())
    (spec,) = api_server.specs
    assert (spec["user"], spec["uid"]) == ("ada", "uid-of-ada")
    assert spec["groups"] == ["team-a", "system:authenticated"]
    assert spec["extra"] == {"example.com/scopes": ["read"]}
    assert api_server.credentials == {"Bearer the-api-itself"}


async def test_a_right_is_not_asked_again_within_ten_seconds(
    client_of: Clients, api_server: ReviewingServer, clock: Clock
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    client = client_of()
    for path in PATHS:
        assert (await client.get(path)).status_code == 200
        clock.now += KEPT_SECONDS / (len(PATHS) + 1)
    assert api_server.tokens_asked == [TOKEN]


async def test_a_right_that_is_withdrawn_is_gone_after_ten_seconds(
    client_of: Clients, api_server: ReviewingServer, clock: Clock
) -> None:
    api_server.let_in(TOKEN, "ada", A, B)
    client = client_of()
    assert await seen_by(client) == {"of-a", "of-b"}
    api_server.rights.remove(("ada", B))
    clock.now += KEPT_SECONDS - 0.01
    assert await seen_by(client) == {"of-a", "of-b"}
    clock.now += 0.01
    assert await seen_by(client) == {"of-a"}
    api_server.rights.clear()
    clock.now += KEPT_SECONDS
    assert (await client.get(PATHS[0])).status_code == 403
    api_server.users.clear()
    clock.now += KEPT_SECONDS
    assert (await client.get(PATHS[0])).status_code == 401


async def test_a_right_that_is_given_counts_after_ten_seconds(
    client_of: Clients, api_server: ReviewingServer, clock: Clock
) -> None:
    client = client_of()
    assert (await client.get(PATHS[0])).status_code == 401
    api_server.let_in(TOKEN, "ada", A)
    assert (await client.get(PATHS[0])).status_code == 401
    clock.now += KEPT_SECONDS
    assert await seen_by(client) == {"of-a"}


async def test_many_requests_at_once_are_one_review(client_of: Clients, api_server: ReviewingServer) -> None:
    api_server.let_in(TOKEN, "ada", A)
    api_server.open.clear()
    client = client_of()
    async with asyncio.TaskGroup() as group:
        requests = [group.create_task(client.get(PATHS[number % len(PATHS)])) for number in range(50)]
        await until(lambda: bool(api_server.tokens_asked))
        api_server.open.set()
    assert {request.result().status_code for request in requests} == {200}
    assert api_server.tokens_asked == [TOKEN]
    assert len(api_server.rights_asked) == 3  # all, A, B


async def test_a_caller_who_goes_away_does_not_take_the_others_review_along(
    client_of: Clients, api_server: ReviewingServer
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    api_server.open.clear()
    client = client_of()
    impatient = asyncio.create_task(client.get(PATHS[0]))
    await until(lambda: bool(api_server.tokens_asked))
    patient = asyncio.create_task(client.get(PATHS[0]))
    impatient.cancel()
    await asyncio.wait([impatient])
    api_server.open.set()
    assert (await patient).status_code == 200
    assert api_server.tokens_asked == [TOKEN]


async def test_the_api_server_is_not_flooded(
    client_of: Clients, api_server: ReviewingServer, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        projects = [a_project(f"project-{number:03}", f"p{number}") for number in range(3 * REVIEWS_AT_ONCE)]
        await write_projects(connection, uid_of("cluster"), projects)
    api_server.let_in(TOKEN, "ada", "project-007")
    api_server.open_for_projects.clear()
    waiting = asyncio.create_task(seen_by(client_of()))
    await until(lambda: api_server.in_flight == REVIEWS_AT_ONCE)
    api_server.let_in("other", "bob", CLUSTER_WIDE)
    other = asyncio.create_task(seen_by(client_of("other")))
    api_server.open_for_projects.set()
    assert [await waiting, await other] == [set(), {"of-a", "of-b"}]
    assert api_server.most_in_flight == REVIEWS_AT_ONCE


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(web.Response(status=500, text="internal error"), id="500"),
        pytest.param(web.Response(status=403, text="{}"), id="we-may-not-ask"),
        pytest.param(web.Response(status=401, text="{}"), id="our-own-token-is-bad"),
        pytest.param(web.Response(status=201, text="<html>"), id="not-json"),
        pytest.param(web.Response(status=201, text="[]"), id="not-an-object"),
        pytest.param(web.Response(status=201, text='{"status": null}'), id="no-status"),
    ],
)
async def test_a_failure_is_a_503_and_not_kept(
    client_of: Clients, api_server: ReviewingServer, fault: web.Response
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    api_server.fault = fault
    client = client_of()
    for path in PATHS:
        answer = await client.get(path)
        assert (answer.status_code, Error.model_validate(answer.json()).code) == (503, 503)
        assert answer.headers["Retry-After"]
    api_server.fault = None
    assert await seen_by(client) == {"of-a"}


async def test_an_api_server_that_is_away_is_a_503(database: DatabaseSettings, engine: AsyncEngine) -> None:
    configuration: Any = Configuration()
    async with ReviewingServer.running() as stopped:
        configuration.host = stopped.url
    async with ClusterReviewer.opened(Access(configuration)) as reviewer:
        records = Records(engine, tenant_id=1)
        app = create_app(
            Settings(database=database),
            records,
            ReviewedRights(reviewer, records.namespaces, clusters=EVERY_CLUSTER, keep_seconds=10),
        )
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.get(PATHS[0], headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (503, 503)


async def test_an_api_server_that_does_not_answer_is_a_503(
    client_of: Clients, api_server: ReviewingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    api_server.open.clear()
    client = client_of()
    # For what is never answered alone: a good review may take longer than that beside other tests.
    with monkeypatch.context() as patched:
        patched.setattr(rights_module, "REVIEW_SECONDS", 0.2)
        assert (await client.get(PATHS[0])).status_code == 503
    api_server.open.set()
    assert await seen_by(client) == {"of-a"}


async def test_the_memory_of_callers_is_bounded(
    client_of: Clients, api_server: ReviewingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MOST_KEPT", 2)
    for number in range(3):
        api_server.let_in(f"token-{number}", f"user-{number}", A)
        assert await seen_by(client_of(f"token-{number}")) == {"of-a"}
    assert await seen_by(client_of("token-2")) == {"of-a"}
    assert api_server.tokens_asked == ["token-0", "token-1", "token-2"]
    assert await seen_by(client_of("token-0")) == {"of-a"}
    assert api_server.tokens_asked[3:] == ["token-0"]


async def test_where_no_application_is_set_up_it_is_told_what_to_send_instead(client_of: Clients) -> None:
    answer = await client_of(None).post("/api/v1/token", json={"grantType": "app_token", "AppId": "a"})
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (400, 400)
    assert "Kubernetes bearer token" in answer.json()["message"]


async def test_no_token_is_ever_logged(database: DatabaseSettings, api_server: ReviewingServer, tmp_path: Path) -> None:
    """Of the process as an admin starts it, at the level that logs most, through every outcome."""
    kubeconfig = api_server.kubeconfig(tmp_path, "own-secret-token")
    api_server.let_in("good-secret-token", "ada", A)
    api_server.let_in("idle-secret-token", "bob")
    with ApiProcess(tmp_path, database, kubeconfig=kubeconfig, log__level="debug") as api:
        async with httpx.AsyncClient(base_url=api.address) as client:

            async def status_for(token: str, scheme: str = "Bearer") -> int:
                return (await client.get(PATHS[0], headers={"Authorization": f"{scheme} {token}"})).status_code

            assert await status_for("good-secret-token") == 200
            assert await status_for("idle-secret-token") == 403
            assert await status_for("forged-secret-token") == 401
            assert await status_for("other-secret-token", "Basic") == 401
            api_server.fault = web.Response(status=500, text="internal error")
            assert await status_for("late-secret-token") == 503
            body = {"grantType": "app_token", "AppId": "a", "AppSecret": "an-app-secret-token"}
            assert (await client.post("/api/v1/token", json=body)).status_code == 400
        log = api.log()
    assert api_server.credentials == {"Bearer own-secret-token"}
    assert "review_failed" in log
    assert "secret-token" not in log


PLACES = (
    "clusters",
    "node-pools",
    "node-pools/count",
    "org-unit/projects",
    "org-unit/projects/count",
    "org-unit/departments",
    "org-unit/departments/count",
    "workload-types",
    "workload-categories",
    "workload-priorities",
)
NODES = (
    "nodes",
    "nodes/count",
    "nodes/telemetry?telemetryType=TOTAL_GPUS",
    f"clusters/{uid_of('cluster')}/nodes",
    f"clusters/{uid_of('cluster')}/nodes/count",
)


@pytest.mark.parametrize("path", [*PLACES, *NODES])
async def test_nobody_sees_places_without_a_token_or_a_right(
    client_of: Clients, api_server: ReviewingServer, path: str
) -> None:
    assert (await client_of(None).get(f"/api/v1/{path}")).status_code == 401
    assert (await client_of("nobodys").get(f"/api/v1/{path}")).status_code == 401
    api_server.let_in(TOKEN, "ada")
    answer = await client_of().get(f"/api/v1/{path}")
    what = "nodes" if path in NODES else "workloads.rollcall.dev in any namespace"
    assert (answer.status_code, answer.json()["message"]) == (403, f"You may not list {what}.")


@pytest.mark.parametrize("path", NODES)
async def test_who_may_list_nodes_sees_them_and_no_workload(
    client_of: Clients, api_server: ReviewingServer, path: str
) -> None:
    api_server.let_in(TOKEN, "ada")
    api_server.may_list_nodes.add("ada")
    assert (await client_of().get(f"/api/v1/{path}")).status_code == 200
    assert (await client_of().get("/api/v1/workloads")).status_code == 403


@pytest.mark.parametrize("path", NODES)
async def test_the_right_to_all_workloads_is_none_to_nodes(
    client_of: Clients, api_server: ReviewingServer, path: str
) -> None:
    api_server.let_in(TOKEN, "ada", CLUSTER_WIDE)
    assert (await client_of().get("/api/v1/workloads")).status_code == 200
    assert (await client_of().get(f"/api/v1/{path}")).status_code == 403


async def test_the_right_to_nodes_is_kept_and_withdrawn_like_any_other(
    client_of: Clients, api_server: ReviewingServer, clock: Clock
) -> None:
    api_server.let_in(TOKEN, "ada")
    api_server.may_list_nodes.add("ada")
    for _ in range(3):
        assert (await client_of().get("/api/v1/nodes")).status_code == 200
    assert api_server.nodes_asked == ["ada"]
    api_server.may_list_nodes.clear()
    clock.now += KEPT_SECONDS
    assert (await client_of().get("/api/v1/nodes")).status_code == 403


@pytest.mark.parametrize("path", [path for path in PLACES if not path.startswith("org-unit")])
async def test_any_right_to_workloads_shows_clusters_pools_and_types(
    client_of: Clients, api_server: ReviewingServer, path: str
) -> None:
    api_server.let_in(TOKEN, "ada", A)
    assert (await client_of().get(f"/api/v1/{path}")).status_code == 200
    assert api_server.nodes_asked == []


@pytest.mark.parametrize(
    ("namespaces", "projects", "departments"),
    [
        ([A], ["team-a"], {"default": ["team-a"]}),
        ([B], ["team-b"], {"default": ["team-b"]}),
        ([CLUSTER_WIDE], ["team-a", "team-b"], {"default": ["team-a", "team-b"]}),
    ],
)
async def test_projects_and_departments_are_those_of_the_callers_namespaces(
    client_of: Clients,
    api_server: ReviewingServer,
    namespaces: list[str | None],
    projects: list[str],
    departments: dict[str, list[str]],
) -> None:
    api_server.let_in(TOKEN, "ada", *namespaces)
    client = client_of()
    page = (await client.get("/api/v1/org-unit/projects", params={"sortBy": "name"})).json()
    assert [one["id"] for one in page["projects"]] == projects
    assert (await client.get("/api/v1/org-unit/projects/count")).json() == {"count": len(projects)}
    page = (await client.get("/api/v1/org-unit/departments")).json()
    children = {one["id"]: [child["id"] for child in one["children"]] for one in page["departments"]}
    assert children == departments
    for project in ("team-a", "team-b"):
        answer = await client.get(f"/api/v1/org-unit/projects/{project}")
        assert answer.status_code == (200 if project in projects else 404)
