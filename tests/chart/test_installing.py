"""The chart is installed into a real cluster, and what it says there is run, with its own rights and no others.

No image can run here, so the containers' words are started as processes (`support.pod_processes`), and the aggregated
API's Service is made to name this machine (`support.served_here`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from kubernetes import client
from support.audit_log import faults, lines_of, requests
from support.chart_rights import rights_of_account
from support.cluster_objects import a_pod, a_project, a_viewer, remove_namespace
from support.helm import CHART, Helm, HelmError
from support.kubectl import Kubectl
from support.rows import eventually
from support.running_release import running_release
from support.served_here import ServedHere

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import free_ports

Apply = Callable[..., None]

KEPT, RUN = "chart-kept", "chart-run"
PROJECT = "chart-team"


def a_namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def password_of(core: Any) -> str:
    return str(core.read_namespaced_secret(f"{KEPT}-rollcall-postgresql", KEPT).data["password"])


def test_a_password_outlives_upgrades_and_its_volume_the_release(
    cluster_helm: Helm, api: client.ApiClient, apply: Apply
) -> None:
    core: Any = client.CoreV1Api(api)
    apps: Any = client.AppsV1Api(api)

    def checksum() -> str:
        found = apps.read_namespaced_deployment(f"{KEPT}-rollcall-api", KEPT).spec.template.metadata.annotations
        return str(found["checksum/config"])

    apply(a_namespace(KEPT))
    cluster_helm.run("install", KEPT, str(CHART), "--namespace", KEPT, values={})
    try:
        password, before = password_of(core), checksum()
        assert len(password) >= 40
        changed = {"config": {"cluster": {"name": "blue"}}}
        cluster_helm.run("upgrade", KEPT, str(CHART), "--namespace", KEPT, values=changed)
        assert password_of(core) == password
        assert checksum() != before, "the pods are rolled"
        another_key = {"database": {"bundled": {"passwordKey": "pg"}}}
        with pytest.raises(HelmError, match=f"the Secret {KEPT}-rollcall-postgresql, which keeps the password"):
            cluster_helm.run("upgrade", KEPT, str(CHART), "--namespace", KEPT, values=another_key)
        assert password_of(core) == password
        cluster_helm.run("rollback", KEPT, "1", "--namespace", KEPT)
        assert (password_of(core), checksum()) == (password, before)
        claims = eventually(
            lambda: [one.metadata.name for one in core.list_namespaced_persistent_volume_claim(KEPT).items], bool
        )
        assert claims == [f"data-{KEPT}-rollcall-postgresql-0"]
    finally:
        cluster_helm.run("uninstall", KEPT, "--namespace", KEPT)
    assert [one.metadata.name for one in core.list_namespaced_persistent_volume_claim(KEPT).items] == claims
    assert password_of(core) == password
    assert apps.list_namespaced_deployment(KEPT).items == []
    cluster_helm.run("install", KEPT, str(CHART), "--namespace", KEPT, values={})
    assert password_of(core) == password, "a new install goes on with the volume"
    cluster_helm.run("uninstall", KEPT, "--namespace", KEPT)
    remove_namespace(api, KEPT)


class Installed:
    """The release whose words run."""

    def __init__(self, address: str, accounts: Mapping[str, str]) -> None:
        self.address = address
        self.accounts = list(accounts.values())


@pytest.fixture(scope="module")
def installed(
    cluster: LocalCluster,
    cluster_helm: Helm,
    api: client.ApiClient,
    apply: Apply,
    shared_database: DatabaseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installed]:
    """Both processes of a release on a database of its own, which is empty at first."""
    with psycopg.connect(shared_database.dsn.get_secret_value()) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    operator_port, api_port, kubectl_port = free_ports(3)
    apply(
        a_namespace(RUN),
        a_project(PROJECT),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "records", "namespace": RUN},
            "stringData": {"dsn": shared_database.dsn.get_secret_value()},
        },
    )
    values = {
        "config": {
            "operator": {"host": "127.0.0.1", "port": operator_port},
            "api": {"host": "127.0.0.1", "port": api_port, "reviewCacheSeconds": 1},
        },
        "database": {"mode": "external", "external": {"existingSecret": "records", "dsnKey": "dsn"}},
        "aggregatedApi": {"enabled": True, "port": kubectl_port},
    }
    cluster_helm.run("install", RUN, str(CHART), "--namespace", RUN, values=values)
    folder = tmp_path_factory.mktemp("installed")
    address = f"http://127.0.0.1:{api_port}"
    try:
        with running_release(cluster, api, RUN, folder, address) as accounts:
            ServedHere(api, RUN, f"{RUN}-rollcall-api").begin(kubectl_port)
            yield Installed(address, accounts)
    finally:
        cluster_helm.run("uninstall", RUN, "--namespace", RUN)
        for namespace in (RUN, PROJECT):
            remove_namespace(api, namespace)


@pytest.fixture(scope="module")
def lived(installed: Installed, cluster: LocalCluster, apply: Apply) -> dict[str, Any]:
    """What a viewer is shown of a workload that runs."""
    apply(*a_viewer(PROJECT, "viewer"), a_pod(PROJECT, "train"))
    headers = {"Authorization": f"Bearer {cluster.token_of(PROJECT, 'viewer')}"}

    def seen() -> Any:
        answer = httpx.get(f"{installed.address}/api/v1/workloads", headers=headers, trust_env=False)
        return answer.json()["workloads"] if answer.status_code == 200 else []

    (found,) = eventually(seen, lambda rows: [row["phase"] for row in rows] == ["Running"])
    return dict(found)


def test_whoever_may_view_a_namespace_sees_its_workloads(
    installed: Installed, lived: dict[str, Any], cluster: LocalCluster, apply: Apply
) -> None:
    assert (lived["name"], lived["namespace"], lived["allocatedResources"]["gpu"]) == ("train", PROJECT, 1)
    nobody = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": PROJECT}}
    apply(nobody)
    headers = {"Authorization": f"Bearer {cluster.token_of(PROJECT, 'nobody')}"}
    refused = httpx.get(f"{installed.address}/api/v1/workloads", headers=headers, trust_env=False)
    assert refused.status_code == 403


@pytest.mark.usefixtures("lived")
def test_kubectl_shows_them_by_the_charts_own_certificate(kubectl: Kubectl) -> None:
    printed = eventually(
        lambda: kubectl.run("get", "workloads.rollcall.dev", "-A").stdout, lambda text: "train" in text
    )
    header, row = printed.splitlines()
    assert header.split()[:4] == ["NAMESPACE", "NAME", "TYPE", "PHASE"]
    assert row.split()[:4] == [PROJECT, "train.pod", "Pod", "Running"]


@pytest.mark.usefixtures("lived")
def test_nothing_is_asked_for_beyond_the_rights(
    installed: Installed, cluster: LocalCluster, cluster_helm: Helm
) -> None:
    objects = [one for one in yaml.safe_load_all(cluster_helm.run("get", "manifest", RUN, "--namespace", RUN)) if one]
    granted = {account: rights_of_account(objects, account.rpartition(":")[2]) for account in installed.accounts}
    asked = [one for one in requests(lines_of(cluster.audit_log)) if one.username in granted]
    assert {one.username for one in asked if one.resource} == set(granted)
    assert faults(asked, granted) == []
