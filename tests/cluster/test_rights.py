"""The operator reads and nothing else; the API shows what Kubernetes RBAC lets a caller list."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client
from support import audit_log
from support.cluster_objects import a_job, a_pod, a_project, may_list, remove_namespace
from support.lacking_rights import Right
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.processes import RollcallProcesses, Wiring

Apply = Callable[..., None]
OperatorOf = Callable[..., OperatorProcess]

POWERLESS = "powerless"


def test_the_operator_reads_and_holds_its_lease_and_nothing_else(
    cluster: LocalCluster,
    granted: dict[str, list[Right]],
    operator_of: OperatorOf,
    project: str,
    apply: Apply,
    rows: Rows,
    api: client.ApiClient,
) -> None:
    core: Any = client.CoreV1Api(api)
    with operator_of(operator__leader_election=True) as operator:
        apply(a_pod(project, "runs"), a_job(project, "fails", run_seconds=1, end="exit-code"))
        rows.until(project, "runs", phase="Running")
        rows.until(project, "fails", phase="Failed")
        core.delete_namespaced_pod("runs", project)
        rows.until_deleted(project, "runs")
        assert operator.metric("rollcall_is_leader") == 1
    assert audit_log.faults_in(cluster.audit_log, granted) == []
    lines = audit_log.lines_of(cluster.audit_log)
    asked = [one for one in audit_log.requests(lines) if one.username == audit_log.OPERATOR]
    # Made by whoever comes first in a cluster, and renewed by whoever holds it.
    assert {one.verb for one in asked if one.resource == "leases"} - {"create"} == {"get", "update"}
    watched = {one.resource for one in asked if one.verb == "watch"}
    assert {"pods", "nodes", "namespaces", "jobs", "deployments", "pytorchjobs"} <= watched


@pytest.fixture
def two_projects(api: client.ApiClient, apply: Apply, project: str) -> Iterator[tuple[str, str]]:
    """Two project namespaces."""
    other = f"{project}-other"
    apply(a_project(other))
    yield project, other
    remove_namespace(api, other)


@pytest.fixture(params=["delegated", "self", "self, and an admin's certificate"])
def asked(request: pytest.FixtureRequest, cluster: LocalCluster, apply: Apply, api: client.ApiClient) -> dict[str, str]:
    """How the API asks about callers, and as whom: where it asks with their tokens it needs no right, and uses none."""
    metadata = {"name": POWERLESS, "namespace": "rollcall"}
    apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    reviews, _, certificate = str(request.param).partition(", ")
    account = "rollcall-api" if reviews == "delegated" else POWERLESS
    kubeconfig = cluster.kubeconfig if certificate else cluster.kubeconfig_of("rollcall", account)
    # Without any right it cannot find out which cluster this is.
    core: Any = client.CoreV1Api(api)
    own = {} if reviews == "delegated" else {"ROLLCALL_CLUSTER__ID": core.read_namespace("kube-system").metadata.uid}
    return {"ROLLCALL_API__REVIEWS": reviews, "KUBECONFIG": str(kubeconfig), "ROLLCALL_LOG__LEVEL": "debug", **own}


@pytest.mark.anyio
async def test_callers_see_what_rbac_lets_them_list(
    cluster: LocalCluster,
    database: DatabaseSettings,
    two_projects: tuple[str, str],
    apply: Apply,
    rows: Rows,
    api: client.ApiClient,
    tmp_path: Path,
    asked: dict[str, str],
) -> None:
    one, other = two_projects
    nobody = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": "rollcall"}}
    of_nodes = may_list("of-nodes", None)
    of_nodes[1]["rules"] = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    apply(nobody, *may_list("of-one", one), *may_list("of-all", None), *of_nodes)
    apply(a_pod(one, "mine"), a_pod(other, "theirs"))
    tokens = {name: cluster.token_of("rollcall", name) for name in ("nobody", "of-one", "of-all", "of-nodes")}
    wiring = Wiring(
        dsn=database.dsn.get_secret_value(),
        kubeconfig=Path(asked["KUBECONFIG"]),
        environment={"ROLLCALL_API__AUTHENTICATION": "kubernetes", "ROLLCALL_API__REVIEW_CACHE_SECONDS": "3", **asked},
    )
    processes = RollcallProcesses(wiring, tmp_path)
    rbac: Any = client.RbacAuthorizationV1Api(api)
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-operator")
    with OperatorProcess(tmp_path / "operator", kubeconfig, database):
        mine = rows.until(one, "mine", phase="Running")
        theirs = rows.until(other, "theirs", phase="Running")
        processes.api.start()
        try:
            async with httpx.AsyncClient(base_url=f"{processes.api_url}/api/v1") as caller:
                await wait_until_up(caller)

                async def ask(name: str | None, path: str = "/workloads?limit=500") -> httpx.Response:
                    headers = {} if name is None else {"Authorization": f"Bearer {tokens.get(name, name)}"}
                    return await caller.get(path, headers=headers)

                assert [(await ask(who)).status_code for who in (None, "not-a-token", "nobody")] == [401, 401, 403]
                seen = (await ask("of-one")).json()["workloads"]
                assert {found["namespace"] for found in seen} == {one}
                assert (await ask("of-one", "/workloads/count")).json()["count"] == len(seen)
                assert (await ask("of-one", f"/workloads/{mine['uid']}")).status_code == 200
                assert (await ask("of-one", f"/workloads/{theirs['uid']}")).status_code == 404
                assert [(await ask(who, "/nodes")).status_code for who in ("of-one", "of-all")] == [403, 403]
                nodes = (await ask("of-nodes", "/nodes?limit=500")).json()["nodes"]
                core: Any = client.CoreV1Api(api)
                assert {found["name"] for found in nodes} == {found.metadata.name for found in core.list_node().items}
                assert (await ask("of-nodes")).status_code == 403
                projects = (await ask("of-one", "/org-unit/projects")).json()["projects"]
                assert [found["status"]["namespace"] for found in projects] == [one]
                everything = (await ask("of-all")).json()["workloads"]
                assert {one, other} <= {found["namespace"] for found in everything}
                rbac.delete_namespaced_role_binding("of-one", one)
                until = time.monotonic() + 60
                while (await ask("of-one")).status_code != 403:
                    assert time.monotonic() < until, "a right that was withdrawn still holds"
            logged = processes.api.log.read_text()
            assert not any(token in logged for token in tokens.values())
            lines = map(json.loads, audit_log.lines_of(cluster.audit_log))
            assert not [line for line in lines if line["user"].get("username", "").endswith(f":{POWERLESS}")]
        finally:
            processes.api.stop()
            for name in ("of-all", "of-nodes"):
                rbac.delete_cluster_role_binding(name)
                rbac.delete_cluster_role(name)


async def wait_until_up(caller: httpx.AsyncClient) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            await caller.get("/workloads/count")
        except httpx.TransportError:
            assert time.monotonic() < until
        else:
            return


def test_a_refused_kind_is_named_and_the_rest_goes_on(
    cluster: LocalCluster, database: DatabaseSettings, project: str, apply: Apply, rows: Rows, tmp_path: Path
) -> None:
    name = "reads-little"
    rules = [{"apiGroups": [""], "resources": ["pods", "nodes", "namespaces"], "verbs": ["get", "list", "watch"]}]
    objects = may_list(name, None)
    objects[1]["rules"] = rules
    apply(*objects, a_job(project, "train"))
    with OperatorProcess(tmp_path, cluster.kubeconfig_of("rollcall", name), database) as operator:
        row = rows.until(project, "train", phase="Running")
        assert row["kind"] == "Job", "known by its pods' owner alone"
        eventually(operator.log, lambda text: "kind_forbidden" in text)
        assert "Job" in operator.log()
