"""Users of an OpenID Connect issuer see what RBAC of a real API server lets them list, by name and by group."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_pod, a_project, remove_namespace
from support.rows import Rows, eventually
from support.token_issuer import CLIENT, TokenIssuer

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster

pytestmark = pytest.mark.anyio

Apply = Callable[..., None]

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def three_projects(api: client.ApiClient, apply: Apply, project: str) -> Iterator[tuple[str, str, str]]:
    """Three project namespaces."""
    others = f"{project}-b", f"{project}-c"
    for name in others:
        apply(a_project(name))
    yield project, *others
    for name in others:
        remove_namespace(api, name)


def let_view(namespace: str, kind: str, name: str) -> list[dict[str, Any]]:
    """A role that lets a User or a Group list workloads in a namespace."""
    metadata = {"name": "oidc-view", "namespace": namespace}
    rules = [{"apiGroups": ["rollcall.dev"], "resources": ["workloads"], "verbs": ["list"]}]
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "oidc-view"},
            "subjects": [{"apiGroup": RBAC, "kind": kind, "name": name}],
        },
    ]


async def test_users_and_groups_of_the_issuer_see_exactly_their_namespaces(
    cluster: LocalCluster,
    database: DatabaseSettings,
    three_projects: tuple[str, str, str],
    apply: Apply,
    operator_of: Callable[..., Any],
    rows: Rows,
    tmp_path: Path,
) -> None:
    one, two, _ = three_projects
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-api")
    async with TokenIssuer.running() as issuer:
        apply(*let_view(one, "User", f"{issuer.url}#ada"), *let_view(two, "Group", "sso:ml"))
        for namespace in three_projects:
            apply(a_pod(namespace, "runs"))
        with operator_of():
            for namespace in three_projects:
                rows.until(namespace, "runs", phase="Running")
            # Which namespaces there are to ask about is written once a second.
            eventually(
                lambda: {row["namespace"] for row in rows.query("SELECT namespace FROM projects")},
                lambda known: known >= set(three_projects),
            )
        with ApiProcess(
            tmp_path,
            database,
            kubeconfig=kubeconfig,
            log__level="debug",
            api__authentication="oidc",
            api__oidc__issuer=issuer.url,
            api__oidc__audiences=CLIENT,
            api__oidc__groups_prefix="sso:",
            api__review_cache_seconds=1,
            api__rate_per_second=0,  # wrong tokens count tenfold
        ) as api:
            async with httpx.AsyncClient(base_url=f"{api.address}/api/v1") as caller:

                async def seen_with(token: str) -> set[str] | int:
                    answer = await caller.get("/workloads?limit=500", headers={"Authorization": f"Bearer {token}"})
                    if answer.status_code != 200:
                        return answer.status_code
                    return {found["namespace"] for found in answer.json()["workloads"]}

                tokens = {
                    "by name": issuer.token(),
                    "by group": issuer.token(sub="bob", groups=["ml"]),
                    "by both": issuer.token(groups=["ml", "other"]),
                    "nobody": issuer.token(sub="eve", groups=["sso:ml", "system:masters"]),
                    "of the cluster": cluster.token_of("rollcall", "rollcall-api"),
                    "of no key": issuer.signed(issuer.claims(), kid="another"),
                }
                # The API server takes a moment to know of a binding.
                wanted = {
                    "by name": {one},
                    "by group": {two},
                    "by both": {one, two},
                    "nobody": 403,
                    "of the cluster": 401,
                    "of no key": 401,
                }
                for _ in range(60):
                    seen = {name: await seen_with(token) for name, token in tokens.items()}
                    if seen == wanted:
                        break
                    await anyio.sleep(0.5)
                assert seen == wanted
            log = api.log()
        assert "issuer_read" in log
        assert not any(token in log or token.split(".")[2] in log for token in tokens.values())
