"""Two clusters in one database: a real control plane and a simulated one, each with its operator, alike in all names.

The operators sweep every second, so that whatever one of them would do to the other's rows it does within the test.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_pod, a_role, may_list
from support.operator_process import OperatorProcess
from support.rows import Row, Rows, eventually
from support.simulated_cluster import SimulatedCluster, a_pod_body

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.resources import NAMESPACE, POD

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "many-clusters.md"
SWEPT = {"operator__sweep_interval_seconds": 1, "operator__leader_election": True}
DONE = 'rollcall_sweeps_total{outcome="done"}'
OF_A_CLUSTER = "SELECT * FROM workloads WHERE cluster_id = %(of)s AND namespace = %(namespace)s ORDER BY name"
"""In the real cluster there may be namespaces of other tests, whose last workloads go meanwhile."""

CALLER = "of-many-clusters"

Apply = Callable[..., None]
OperatorOf = Callable[..., OperatorProcess]


@pytest.fixture
def simulated(tmp_path: Path, apply: Apply, project: str) -> Iterator[SimulatedCluster]:
    """Another cluster, in which the namespace and the pods have the names of the real one's."""
    apply(a_pod(project, "ends"), a_pod(project, "stays"))
    folder = tmp_path / "simulated"
    folder.mkdir()
    with SimulatedCluster(folder) as cluster:
        cluster.create(NAMESPACE, project, namespace=None, labels={"kai/project": project})
        for name in ("ends", "stays"):
            cluster.create(POD, name, namespace=project, **a_pod_body())
        yield cluster


@pytest.fixture
def token(cluster: LocalCluster, api: client.ApiClient, apply: Apply, project: str) -> Iterator[str]:
    """A caller's who may list the workloads of that namespace and all nodes, of the real cluster."""
    may_see_nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    apply(*may_list(CALLER, project), *a_role(CALLER, None, may_see_nodes, f"rollcall:{CALLER}"))
    yield cluster.token_of("rollcall", CALLER)
    rbac: Any = client.RbacAuthorizationV1Api(api)
    rbac.delete_cluster_role_binding(CALLER)
    rbac.delete_cluster_role(CALLER)


def test_operators_leave_each_others_rows_and_callers_see_their_own_cluster(
    cluster: LocalCluster,
    simulated: SimulatedCluster,
    operator_of: OperatorOf,
    database: DatabaseSettings,
    api: client.ApiClient,
    project: str,
    token: str,
    tmp_path: Path,
) -> None:
    rows = Rows(database)
    core: Any = client.CoreV1Api(api)
    here = core.read_namespace("kube-system").metadata.uid
    elsewhere = OperatorProcess(
        tmp_path / "elsewhere", simulated.kubeconfig, database, cluster__name="simulated", **SWEPT
    )

    def of_cluster(of: str) -> list[Row]:
        return rows.query(OF_A_CLUSTER, of=of, namespace=project)

    def names(of: str) -> list[str]:
        return [row["name"] for row in of_cluster(of) if row["phase"] == "Running"]

    with operator_of(cluster__name="real", **SWEPT) as operator, elsewhere:
        assert [one.metric("rollcall_is_leader") for one in (operator, elsewhere)] == [1, 1]
        eventually(lambda: names(here), lambda found: found == ["ends", "stays"])
        # Which clusters there are is written once a second.
        known = eventually(lambda: rows.query("SELECT cluster_id, name FROM clusters"), lambda found: len(found) > 1)
        ids = {row["cluster_id"]: row["name"] for row in known}
        assert sorted(ids.values()) == ["real", "simulated"]
        assert ids.pop(here) == "real"
        (there,) = ids
        eventually(lambda: names(there), lambda found: found == ["ends", "stays"])
        callers_see_their_own(cluster, database, token, project, tmp_path, here, there)
        elsewhere.kill()
        kept = of_cluster(there)
        core.delete_namespaced_pod("ends", project)
        eventually(lambda: names(here), lambda found: found == ["stays"])
    # Another start, another first sweep; and some more by the clock.
    with operator_of(cluster__name="real", **SWEPT) as operator:
        swept = operator.metric(DONE)
        eventually(lambda: operator.metric(DONE), lambda count: count >= swept + 3)
        assert of_cluster(there) == kept, "a cluster that is away keeps its rows as they were"
        simulated.delete(POD, "ends", namespace=project)
        before = of_cluster(here)
        with elsewhere:
            eventually(lambda: names(there), lambda found: found == ["stays"])
        gone = rows.deleted(project, "ends")
        assert {(row["cluster_id"], row["deletion_seen"]) for row in gone} == {(here, "exact"), (there, "late")}
        assert of_cluster(here) == before
    columns = rows.query("SELECT table_name FROM information_schema.columns WHERE column_name = 'cluster_id'")
    remove_as_documented(rows, there)
    assert of_cluster(here) == before
    left = [rows.query(f'SELECT DISTINCT cluster_id FROM "{one["table_name"]}"') for one in columns]  # noqa: S608 - as the database names them
    assert len(left) > 10
    assert {row["cluster_id"] for found in left for row in found} == {here}


def callers_see_their_own(
    cluster: LocalCluster,
    database: DatabaseSettings,
    token: str,
    project: str,
    folder: Path,
    here: str,
    there: str,
) -> None:
    """By default an API shows the cluster that it asks; told to show all, what is allowed here is allowed there."""
    rows, headers = Rows(database), {"Authorization": f"Bearer {token}"}
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-api")
    for clusters, shown in (("", {here}), ("*", {here, there}), (there, {there})):
        with (
            ApiProcess(
                folder, database, kubeconfig=kubeconfig, api__clusters=clusters, api__review_cache_seconds=1
            ) as asking,
            httpx.Client(base_url=f"{asking.address}/api/v1", headers=headers, trust_env=False) as ask,
        ):

            def found(path: str, key: str, ask: httpx.Client = ask, **query: str) -> list[dict[str, Any]]:
                answer = ask.get(path, params=query)
                assert answer.status_code == 200, answer.text
                listed: list[dict[str, Any]] = answer.json()[key]
                return listed

            # Which namespaces there are to ask about is written once a second, and a Role takes a moment to be known.
            eventually(lambda ask=ask: ask.get("/nodes").status_code + ask.get("/workloads").status_code, (400).__eq__)
            for path, key in (("/workloads", "workloads"), ("/workloads/pods", "pods")):
                assert sorted((one["clusterId"], one["name"]) for one in found(path, key)) == sorted(
                    (of, name) for of in shown for name in ("ends", "stays")
                )
            for of in (here, there):
                only = found("/workloads", "workloads", filterBy=f"clusterId=={of}")
                assert {one["clusterId"] for one in only} == shown & {of}
                assert ask.get(f"/clusters/{of}").status_code == (200 if of in shown else 404)
                row, _ = rows.query(OF_A_CLUSTER, of=of, namespace=project)
                for path in ("", "/pods", "/events", "/history"):
                    answer = ask.get(f"/workloads/{row['uid']}{path}")
                    assert answer.status_code == (200 if of in shown else 404), path
            assert {one["uuid"] for one in ask.get("/clusters").json()} == shown
            assert {one["clusterUuid"] for one in found("/nodes", "nodes", limit="500")} == shown
            assert {one["clusterId"] for one in found("/node-pools", "nodepools")} == shown
            sums = found("/workloads/telemetry", "values", telemetryType="WORKLOADS_COUNT", groupBy="ClusterId")
            assert {one["groups"][0]["value"]: float(one["value"]) for one in sums} == dict.fromkeys(shown, 2)


def remove_as_documented(rows: Rows, cluster_id: str) -> None:
    """Run the page's SQL."""
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with psycopg.connect(rows.dsn) as connection:
        connection.execute(block.replace("'ID'", f"'{cluster_id}'"))
