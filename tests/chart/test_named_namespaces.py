"""The chart for named namespaces, installed by who holds Roles in them and nothing of the cluster, and its words run.

Whoever installs it is a ServiceAccount of the real API server, and so are the processes and their callers.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from kubernetes import client
from support.audit_log import Asked, lines_of, requests
from support.chart_rights import rights_of_account
from support.cluster_objects import RBAC, a_job, a_pod, a_project, remove_namespace
from support.helm import CHART, Helm, HelmError
from support.lacking_rights import Right
from support.rows import Rows, eventually
from support.running_release import running_release

from rollcall.domain.kinds.catalogue import all_entries
from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import free_ports
from rollcall_operator.rights import namespace_rules, rules
from rollcall_operator.watched import watched_kinds

Apply = Callable[..., None]
OWN, EXACT = "chart-own", "chart-exact"
"""Releases, and the namespaces that they are in."""

ONE, TWO, OTHER = "chart-one", "chart-two", "chart-other"
"""Projects: two that are named, and one that is not."""

SECRET = "a-secret-that-is-long-enough"
CLUSTER_ID = "3f2c8a52-6f0e-4b6c-9d6e-0c3c1b6a7f10"
WRITES = ["get", "list", "watch", "create", "update", "patch", "delete"]
"""Without `escalate` and `bind`: who has those may grant what they do not hold."""

EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def an_account(namespace: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}


def a_role(name: str, namespace: str, given: list[dict[str, Any]], account: str) -> list[dict[str, Any]]:
    """A Role of these rules, and the account ``namespace/name`` that holds it."""
    where, _, who = account.partition("/")
    metadata = {"name": name, "namespace": namespace}
    subject = {"kind": "ServiceAccount", "name": who, "namespace": where}
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": given},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]


def values(**more: Any) -> dict[str, Any]:
    viewers = [{"kind": "ServiceAccount", "name": "sees-both", "namespace": ONE}]
    return {
        "rbac": {"scope": "namespaces", "namespaces": [ONE, TWO], "viewers": viewers},
        "config": {"cluster": {"id": CLUSTER_ID}},
        "database": {"mode": "external", "external": {"existingSecret": "records", "dsnKey": "dsn"}},
        **more,
    }


@pytest.fixture(scope="module")
def projects(api: client.ApiClient, apply: Apply) -> Iterator[None]:
    """Three projects, and who calls."""
    apply(*map(a_project, (ONE, TWO, OTHER)))
    apply(*(an_account(ONE, name) for name in ("sees-both", "sees-two", "sees-nothing")))
    yield
    for name in (ONE, TWO, OTHER):
        remove_namespace(api, name)


@pytest.fixture(scope="module")
def installer(
    helm_binary: Path, cluster: LocalCluster, apply: Apply, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Helm]:
    """Make a Helm whose user holds rules in a release's namespace, others in the named ones, and nothing else."""

    def make(release: str, own: list[dict[str, Any]], named: list[dict[str, Any]]) -> Helm:
        apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": release}}, an_account(release, "installer")
        )
        account = f"{release}/installer"
        for namespace, given in ((release, own), (ONE, named), (TWO, named)):
            apply(*a_role(f"{release}-installer", namespace, given, account))
        return Helm(helm_binary, tmp_path_factory.mktemp("helm"), cluster.kubeconfig_of(release, "installer"))

    return make


def kinds_of(api_objects: str) -> Counter[tuple[str, str]]:
    """How many of each kind there are in each namespace."""
    found = [one for one in yaml.safe_load_all(api_objects) if one]
    return Counter((one["kind"], one["metadata"].get("namespace", "")) for one in found)


class Installed:
    """The release whose words run."""

    def __init__(self, cluster: LocalCluster, helm: Helm, address: str, accounts: dict[str, str]) -> None:
        self._cluster = cluster
        self.helm = helm
        self.address = address
        self.accounts = accounts

    def get(self, caller: str, path: str = "/api/v1/workloads") -> httpx.Response:
        """What a caller of the first project is answered."""
        return self.get_as(self._cluster.token_of(ONE, caller), path)

    def get_as(self, token: str, path: str = "/api/v1/workloads") -> httpx.Response:
        """What the holder of a token is answered."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{self.address}{path}", headers=headers, trust_env=False, timeout=30)

    def seen_by(self, caller: str) -> dict[str, str]:
        """The phases on a caller's list, by name."""
        return self.seen_as(self._cluster.token_of(ONE, caller))

    def seen_as(self, token: str) -> dict[str, str]:
        """The phases on the list of a token's holder, by name."""
        answer = self.get_as(token)
        assert answer.status_code == 200, answer.text
        return {found["name"]: found["phase"] for found in answer.json()["workloads"]}

    def asked_by(self, name: str) -> list[Asked]:
        """What a process asked the API server for of the cluster's objects."""
        lines = lines_of(self._cluster.audit_log)
        return [one for one in requests(lines) if one.username == self.accounts[name] and one.resource]

    def rights_of(self, name: str) -> tuple[Right, ...]:
        """What the release's Roles let a process do."""
        objects = [one for one in yaml.safe_load_all(self.helm.run("get", "manifest", OWN, "--namespace", OWN)) if one]
        return rights_of_account(objects, f"{OWN}-rollcall-{name}")


@pytest.fixture(scope="module")
def installed(
    cluster: LocalCluster,
    api: client.ApiClient,
    apply: Apply,
    installer: Callable[..., Helm],
    projects: None,  # noqa: ARG001 - they must be there
    shared_database: DatabaseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installed]:
    """A release of somebody who may do everything in its namespace and in the named ones, and nothing elsewhere."""
    dsn = shared_database.dsn.get_secret_value()
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    helm = installer(OWN, [EVERYTHING], [EVERYTHING])
    secrets = {"records": {"dsn": dsn}, "reports": {"secretSha256": hashlib.sha256(SECRET.encode()).hexdigest()}}
    for name, held in secrets.items():
        metadata = {"name": name, "namespace": OWN}
        apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": held})
    operator_port, api_port = free_ports(2)
    application = {"name": "reports", "serviceAccount": f"{ONE}/sees-both", "existingSecret": "reports"}
    given = values(applications=[application])
    given["config"] |= {
        "operator": {"host": "127.0.0.1", "port": operator_port},
        "api": {"host": "127.0.0.1", "port": api_port, "reviewCacheSeconds": 1},
    }
    helm.run("install", OWN, str(CHART), "--namespace", OWN, values=given)
    address = f"http://127.0.0.1:{api_port}"
    try:
        with running_release(cluster, api, OWN, tmp_path_factory.mktemp("own"), address) as accounts:
            yield Installed(cluster, helm, address, accounts)
    finally:
        helm.run("uninstall", OWN, "--namespace", OWN)
        remove_namespace(api, OWN)


@pytest.fixture(scope="module")
def lived(installed: Installed, apply: Apply, shared_database: DatabaseSettings) -> Rows:
    """Workloads in all three projects: those of the named ones have run, the other's is older than they are."""
    apply(a_pod(OTHER, "unseen"))
    apply(a_pod(ONE, "box"), a_job(TWO, "train"), a_job(TWO, "over", run_seconds=1))
    wanted = {"box": "Running", "train": "Running", "over": "Completed"}
    eventually(lambda: installed.seen_by("sees-both"), lambda seen: seen == wanted)
    return Rows(shared_database)


@pytest.mark.usefixtures("lived")
def test_callers_see_the_namespaces_in_which_they_hold_the_role(
    installed: Installed, apply: Apply, api: client.ApiClient
) -> None:
    (box,) = [one for one in installed.get("sees-both").json()["workloads"] if one["name"] == "box"]
    assert (box["allocatedResources"]["gpu"], box["clusterId"]) == (1, CLUSTER_ID)
    assert installed.get("sees-nothing").status_code == 403
    assert installed.get_as("nobodys").status_code == 401
    rbac: Any = client.RbacAuthorizationV1Api(api)
    assert installed.get("sees-two").status_code == 403
    apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "sees-two", "namespace": TWO},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": f"{OWN}-rollcall-view"},
            "subjects": [{"kind": "ServiceAccount", "name": "sees-two", "namespace": ONE}],
        }
    )
    eventually(lambda: installed.get("sees-two").status_code, lambda status: status == 200)
    assert set(installed.seen_by("sees-two")) == {"train", "over"}
    rbac.delete_namespaced_role_binding("sees-two", TWO)
    eventually(lambda: installed.get("sees-two").status_code, lambda status: status == 403)


def test_another_namespace_is_never_on_record(installed: Installed, lived: Rows, api: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(api)
    assert core.read_namespaced_pod("unseen", OTHER).spec.node_name, "it does run"
    for table in ("workloads", "deleted_workloads", "pods", "deleted_pods", "projects"):
        found = lived.query(f"SELECT DISTINCT namespace FROM {table}")  # noqa: S608 - a name of ours
        assert {row["namespace"] for row in found} <= {ONE, TWO}, table
    assert OTHER not in installed.get("sees-both", "/api/v1/org-unit/projects").text


def test_nothing_is_asked_for_beyond_the_roles(installed: Installed, lived: Rows) -> None:
    """But what lies in no namespace, which the operator tries and does without (docs/how-to/real-cluster.md)."""
    assert lived.live(TWO, "train")
    named = {
        (rule.group, plural) for rule in namespace_rules(watched_kinds(), all_entries()) for plural in rule.plurals
    }
    tried = {
        (rule.group, plural)
        for rule in rules(watched_kinds(), all_entries())
        for plural in rule.plurals
        if (rule.group, plural) not in named
    }
    granted = installed.rights_of("operator")
    assert {right.namespace for right in granted} == {OWN, ONE, TWO}
    beyond = [one for one in installed.asked_by("operator") if not any(one.is_granted_by(right) for right in granted)]
    assert {one.namespace for one in beyond} == {"", "kube-system"}
    assert {(one.group, one.resource) for one in beyond if not one.namespace} <= tried
    assert {(one.verb, one.resource) for one in beyond if one.namespace} == {("get", "namespaces")}
    assert {one.verb for one in beyond} <= {"get", "list", "watch"}
    assert ("", "nodes") in {(one.group, one.resource) for one in beyond}
    watched = {one.namespace for one in installed.asked_by("operator") if (one.verb, one.resource) == ("watch", "pods")}
    assert watched == {ONE, TWO}


def test_an_application_gets_a_token_by_a_role_in_its_accounts_namespace(installed: Installed, lived: Rows) -> None:
    assert lived.live(ONE, "box")
    body = {"grantType": "app_token", "AppId": "reports", "AppSecret": SECRET}
    given = httpx.post(f"{installed.address}/api/v1/token", json=body, trust_env=False, timeout=30)
    assert given.status_code == 200, given.text
    assert set(installed.seen_as(given.json()["accessToken"])) == {"box", "train", "over"}


@pytest.mark.usefixtures("lived")
def test_the_api_asks_for_nothing_as_itself_but_the_tokens_of_applications(
    installed: Installed, cluster: LocalCluster
) -> None:
    assert {(one.verb, one.resource, one.namespace) for one in installed.asked_by("api")} <= {
        ("create", "serviceaccounts/token", ONE)
    }
    assert [right.resource for right in installed.rights_of("api")] == ["serviceaccounts/token"]
    callers = {
        one.username for one in requests(lines_of(cluster.audit_log)) if one.resource == "selfsubjectaccessreviews"
    }
    assert f"system:serviceaccount:{ONE}:sees-both" in callers, "they ask for themselves"


def test_what_was_made_lies_in_the_named_namespaces_and_the_releases(installed: Installed) -> None:
    made = kinds_of(installed.helm.run("get", "manifest", OWN, "--namespace", OWN))
    assert {namespace for _, namespace in made} == {OWN, ONE, TWO}
    assert [made[kind, TWO] for kind in ("Role", "RoleBinding")] == [2, 2]
    assert sum(count for (_, namespace), count in made.items() if namespace == TWO) == 4
    notes = installed.helm.run("get", "notes", OWN, "--namespace", OWN)
    assert f"namespaces: {ONE}, {TWO}, by Roles in them" in notes
    assert f"bind the Role {OWN}-rollcall-view" in notes


@pytest.mark.usefixtures("projects")
def test_who_holds_no_more_than_is_granted_can_install_upgrade_and_uninstall(
    installer: Callable[..., Helm], api: client.ApiClient
) -> None:
    reads = yaml.safe_load((CHART / "files" / "operator-namespace-rules.yaml").read_text())
    sees = {"apiGroups": ["rollcall.dev"], "resources": ["workloads"], "verbs": ["get", "list", "watch"]}
    roles = {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": WRITES}
    own = {"apiGroups": ["*"], "resources": ["*"], "verbs": WRITES}
    without = [rule for rule in reads if rule["apiGroups"] != ["ray.io"]]
    assert len(without) == len(reads) - 1
    words = (EXACT, str(CHART), "--namespace", EXACT)
    try:
        helm = installer(EXACT, [own], [*without, sees, roles])
        with pytest.raises(HelmError) as caught:
            helm.run("install", *words, values=values())
        assert "attempting to grant RBAC permissions not currently held" in str(caught.value)
        helm.run("uninstall", EXACT, "--namespace", EXACT)
        helm = installer(EXACT, [own], [*reads, sees, roles])
        helm.run("install", *words, values=values())
        helm.run("upgrade", *words, values=values(commonLabels={"team": "platform"}))
        rbac: Any = client.RbacAuthorizationV1Api(api)
        of_the_release = f"app.kubernetes.io/instance={EXACT}"
        assert len(rbac.list_namespaced_role(ONE, label_selector=of_the_release).items) == 2
        helm.run("uninstall", EXACT, "--namespace", EXACT)
        assert rbac.list_role_for_all_namespaces(label_selector=of_the_release).items == []
    finally:
        remove_namespace(api, EXACT)
