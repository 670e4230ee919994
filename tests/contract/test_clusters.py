"""Several clusters in one database: an API tells of its own alone, unless it is told to show others.

Two clusters here have everything the same: namespaces, names, even the uids, as clusters have that were restored from
one backup. Only an API that keeps them apart by their ids answers as if there were one.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes.client import Configuration
from kubernetes.config import kube_config
from sqlalchemy.ext.asyncio import AsyncEngine
from support.api_process import ApiProcess
from support.filled_view import Project, fill
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer
from support.surface import OPERATIONS
from support.workload_builders import START, uid_of

from rollcall.cluster_access import Access
from rollcall.settings import DatabaseSettings, Settings
from rollcall_api.app import create_app
from rollcall_api.clusters import EVERY_CLUSTER, NamedClusters, ShownClusters, shown_clusters
from rollcall_api.records import Records
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import ReviewedRights

pytestmark = pytest.mark.anyio

HERE, THERE = uid_of("cluster"), uid_of("another cluster")
BOTH = (Project(0), Project(1))
ADMIN, OF_ONE = "the-token-of-an-admin", "the-token-of-a-member-of-one"
SCOPED = tuple(found for found in OPERATIONS if found.is_scoped)

AS_OF_NOW = re.compile(r'"timestamp": ?"[^"]*"|"total(Pending|Running)TimeSeconds": ?[0-9]+')

Opened = Callable[[ShownClusters], Any]


@pytest.fixture
async def api_server() -> AsyncIterator[ReviewingServer]:
    """The API server of the cluster here, with an admin and a member of one namespace."""
    async with ReviewingServer.running() as server:
        server.users = {ADMIN: {"username": "admin"}, OF_ONE: {"username": "ada"}}
        server.rights = {("admin", CLUSTER_WIDE), ("ada", BOTH[0].namespace)}
        server.may_list_nodes = {"admin"}
        yield server


@pytest.fixture
def opened(database: DatabaseSettings, engine: AsyncEngine, api_server: ReviewingServer) -> Opened:
    """Open a client of an API that shows certain clusters and asks the API server here."""
    configuration: Any = Configuration()
    configuration.host = api_server.url
    configuration.api_key = {"authorization": "Bearer the-api-itself"}

    @asynccontextmanager
    async def opened(clusters: ShownClusters) -> AsyncIterator[httpx.AsyncClient]:
        async with ClusterReviewer.opened(Access(configuration)) as reviewer:
            records = Records(engine, tenant_id=1)
            rights = ReviewedRights(reviewer, records.namespaces, clusters=clusters, keep_seconds=1)
            app = create_app(Settings(database=database), records, rights)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                yield client

    return opened


async def answers(client: httpx.AsyncClient, token: str) -> dict[str, tuple[int, str | None, str]]:
    """Status, freshness and body of every operation, live and deleted, but for what passes with the time."""
    found: dict[str, tuple[int, str | None, str]] = {}
    for operation in SCOPED:
        states = ({}, {"deleted": "true"}) if "deleted" in operation.names("query") else ({},)
        for state in states:
            target = operation.target(BOTH[0].ids(deleted=bool(state)), **state)
            answer = await client.get(target, headers={"Authorization": f"Bearer {token}"})
            body = AS_OF_NOW.sub("", answer.text)
            found[target] = (answer.status_code, answer.headers.get("X-Rollcall-Observed-At"), body)
    return found


@pytest.mark.parametrize("token", [ADMIN, OF_ONE])
async def test_another_clusters_rows_change_no_answer(database: DatabaseSettings, opened: Opened, token: str) -> None:
    await asyncio.to_thread(fill, database, cluster_id=HERE, projects=BOTH)
    async with opened(NamedClusters(frozenset({HERE}))) as client:
        before = await answers(client, token)
        assert {status for status, _, _ in before.values()} <= {200, 403, 503}, "503: there is no Prometheus"
        earlier = START - timedelta(days=1)
        await asyncio.to_thread(fill, database, cluster_id=THERE, projects=BOTH, observed_at=earlier)
        await asyncio.to_thread(fill, database, cluster_id=THERE, projects=[Project(2)], observed_at=earlier)
        assert await answers(client, token) == before
    async with opened(EVERY_CLUSTER) as client:
        differing = {target for target, answer in (await answers(client, token)).items() if answer != before[target]}
    # Else the test would show nothing: whatever tells of workloads or places tells more of two clusters.
    for end in ("workloads", "workloads/count", "workloads/pods", "node-pools", "org-unit/projects", "clusters"):
        assert f"/api/v1/{end}" in differing, end


async def test_each_cluster_of_those_shown_can_be_asked_about(database: DatabaseSettings, opened: Opened) -> None:
    for cluster_id in (HERE, THERE):
        await asyncio.to_thread(fill, database, cluster_id=cluster_id, projects=BOTH)
    headers = {"Authorization": f"Bearer {OF_ONE}"}
    async with opened(NamedClusters(frozenset({HERE, THERE}))) as client:

        async def ask(path: str, **query: str) -> Any:
            answer = await client.get(f"/api/v1/{path}", params=query, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()

        shown = (await ask("workloads"))["workloads"]
        assert sorted((one["clusterId"], one["namespace"]) for one in shown) == sorted(
            (cluster_id, BOTH[0].namespace) for cluster_id in (HERE, THERE)
        ), "what is allowed here is allowed there, and no more"
        for cluster_id in (HERE, THERE):
            only = {"filterBy": f"clusterId=={cluster_id}"}
            assert [one["clusterId"] for one in (await ask("workloads", **only))["workloads"]] == [cluster_id]
            assert (await ask("workloads/count", **only)) == {"count": 1}
            assert [one["clusterId"] for one in (await ask("workloads/pods", **only))["pods"]] == [cluster_id]
            assert [one["clusterId"] for one in (await ask("org-unit/projects", **only))["projects"]] == [cluster_id]
        query = {"telemetryType": "WORKLOADS_COUNT", "groupBy": "ClusterId"}
        sums = (await ask("workloads/telemetry", **query))["values"]
        assert sorted(one["groups"][0]["value"] for one in sums) == sorted((HERE, THERE))
        # A uid that both have is one of them, and always the same one.
        uid = BOTH[0].ids()["workloadId"]
        assert {(await ask(f"workloads/{uid}"))["clusterId"] for _ in range(5)} == {min(HERE, THERE)}


async def test_one_cluster_that_is_away_does_not_make_the_api_of_several_unready(
    database: DatabaseSettings, opened: Opened
) -> None:
    await asyncio.to_thread(fill, database, cluster_id=HERE, projects=BOTH, observed_at=datetime.now(UTC))
    await asyncio.to_thread(fill, database, cluster_id=THERE, projects=BOTH, observed_at=START)
    for shown, status, oldest in ((None, 200, True), ({HERE}, 200, False), ({THERE}, 503, True)):
        clusters = NamedClusters(None if shown is None else frozenset(shown))
        async with opened(clusters) as client:
            assert (await client.get("/readyz")).status_code == status
            answer = await client.get("/api/v1/workloads", headers={"Authorization": f"Bearer {ADMIN}"})
            # Each answer says how old the oldest of it may be.
            assert (answer.headers["X-Rollcall-Observed-At"] == "2026-01-01T00:00:00Z") == oldest


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, frozenset({HERE})),
        ({"cluster": {"id": THERE}}, frozenset({THERE})),
        ({"cluster": {"id": THERE}, "api": {"clusters": "*"}}, None),
        ({"api": {"clusters": f"{THERE}, {HERE}"}}, frozenset({HERE, THERE})),
        ({"api": {"authentication": "none"}}, None),
        ({"cluster": {"id": THERE}, "api": {"authentication": "none"}}, None),
        ({"api": {"authentication": "none", "clusters": HERE}}, frozenset({HERE})),
    ],
    ids=lambda given: str(given)[:60] if isinstance(given, dict) else "",
)
async def test_settings_say_which_are_shown(
    api_server: ReviewingServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    shown: frozenset[str] | None,
) -> None:
    kubeconfig = api_server.kubeconfig(tmp_path, "the-api-itself")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    async with shown_clusters(Settings(**given)) as clusters:
        assert await clusters.ids() == shown


async def test_who_cannot_find_out_its_cluster_answers_nobody_until_it_can(
    database: DatabaseSettings, api_server: ReviewingServer, tmp_path: Path
) -> None:
    await asyncio.to_thread(fill, database, cluster_id=HERE, projects=BOTH)
    api_server.cluster_id = None
    settings = {"kubeconfig": api_server.kubeconfig(tmp_path, "the-api-itself"), "api__stale_after_seconds": 10**9}
    headers = {"Authorization": f"Bearer {ADMIN}"}
    with ApiProcess(tmp_path, database, **settings) as api:  # type: ignore[arg-type]
        async with httpx.AsyncClient(base_url=api.address, headers=headers) as client:
            for path in ("/readyz", "/api/v1/workloads", "/api/v1/nodes"):
                answer = await client.get(path)
                assert answer.status_code == 503, path
            assert "ROLLCALL_CLUSTER__ID is not set and cannot be found out" in (await client.get("/readyz")).text
            api_server.cluster_id = HERE
            for path in ("/readyz", "/api/v1/workloads", "/api/v1/nodes"):
                assert (await client.get(path)).status_code == 200, path
