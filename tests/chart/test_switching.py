"""Every command of docs/how-to/switching.md is run on a release whose pods run, by a real shell with the real programs.

The containers' words are run as processes under the chart's ServiceAccounts; those of before run on until the new ones
are ready, as a Deployment has them do (`support.rolled_release`).
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from kubernetes import client
from support.audit_log import faults, requests_since
from support.bundled_postgres import BundledPostgres
from support.cluster_objects import a_job, a_pod, a_project, a_viewer, remove_namespace
from support.helm import CHART, Helm, HelmError
from support.installed_release import InstalledRelease
from support.kubectl import Kubectl
from support.lacking_rights import Right
from support.page_blocks import blocks_of
from support.page_shell import PageShell
from support.rolled_release import COMPONENTS, RolledRelease
from support.rows import Row, Rows, eventually
from support.served_here import ServedHere
from support.steady_caller import SteadyCaller

from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

PAGE = blocks_of((CHART.parents[1] / "docs" / "how-to" / "switching.md").read_text())
RELEASE = NAMESPACE = NAME = "rollcall"
"""The page's; the last is what the release's objects are called after."""

ONE, TWO, GONE = "switching-a", "switching-b", "switching-c"
"""Projects; the page calls the first two after teams."""

TRIED = (
    Right(group="", resource="nodes", verb="list"),
    Right(group="scheduling.k8s.io", resource="priorityclasses", verb="list"),
    Right(group="", resource="namespaces", verb="get", name="kube-system", namespace="kube-system"),
)
"""What an operator with Roles alone asks for and does without (docs/how-to/real-cluster.md)."""

INSTALL = ("install", RELEASE, str(CHART), "--namespace", NAMESPACE)
UPGRADE = ("upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reset-then-reuse-values")


class Admin:
    """Whoever types the page's commands."""

    def __init__(self, shell: dict[str, str], folder: Path) -> None:
        self._shell = PageShell(shell, folder)

    def run(self, block: tuple[str, str], **variables: str) -> str:
        """What a block prints; it must succeed."""
        language, commands = block
        assert language == "sh"
        return self._shell.run(commands.replace("team-", "switching-"), **variables)


class Stage:
    """The release, its pods, and who asks them."""

    def __init__(self, installed: InstalledRelease, pods: RolledRelease, audit_log: Path, *callers: SteadyCaller):
        self._installed = installed
        self._pods = pods
        self._audit_log = audit_log
        self._callers = callers
        self._given: dict[str, tuple[Right, ...]] = {}
        assert self.roll() == sorted(COMPONENTS)

    def roll(self) -> list[str]:
        """Let new pods take over where the words have changed; the components where they have."""
        replaced = self._pods.begin_roll()
        for one in self._callers:
            one.move(self._pods.next_api.address)
        self._pods.end_roll()
        self._given = {
            user: self._installed.rights_of(f"{NAME}-{component}") for component, user in self._pods.accounts.items()
        }
        return replaced

    @contextmanager
    def both_releases(self) -> Iterator[None]:
        """While pods of two releases run, what is asked for is what one of them is granted, or tries."""
        before, since = self._given, datetime.now(UTC)
        yield
        for user, held in self._given.items():
            known = (*before[user], *held, *TRIED)
            asked = (one for one in requests_since(self._audit_log, since) if one.username == user and one.resource)
            assert [one for one in asked if not any(map(one.is_granted_by, known))] == []

    def refused(self, since: datetime) -> list[str]:
        """What was refused since, or asked for without being granted, and is not among what is tried."""
        asked = requests_since(self._audit_log, since)
        counting = (
            one for one in asked if not (one.status == HTTPStatus.FORBIDDEN and any(map(one.is_granted_by, TRIED)))
        )
        return faults(counting, {user: (*held, *TRIED) for user, held in self._given.items()})


def record(rows: Rows, namespace: str, name: str) -> tuple[Row, list[str]]:
    """What must stay of a workload that runs: by what it is known, and its history."""
    row = rows.until(namespace, name, phase="Running")
    kept = ("cluster_id", "uid", "created_at", "phase_updated_at", "allocated_gpu_micros")
    return {column: row[column] for column in kept}, rows.history(row["uid"])


@pytest.fixture
def admin(shell: dict[str, str], tmp_path: Path) -> Admin:
    """A shell with Helm and kubectl."""
    return Admin(shell, tmp_path / "admin")


@pytest.fixture(scope="module")
def places(api: client.ApiClient, apply: Apply) -> Iterator[None]:
    """The release's namespace, and two projects with somebody each who may view it."""
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, a_project(ONE), a_project(TWO))
    apply(*a_viewer(ONE, "reports"), *a_viewer(TWO, "onlooker"))
    yield
    remove_namespace(api, NAMESPACE, ONE, TWO)


@pytest.fixture
def installed(places: None, cluster_helm: Helm, kubectl: Kubectl) -> Iterator[InstalledRelease]:  # noqa: ARG001 - they must be there
    """The release, which a test installs; it goes afterwards, and what ran in the projects."""
    yield InstalledRelease(cluster_helm, kubectl, RELEASE, NAMESPACE)
    cluster_helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found")
    for namespace in (ONE, TWO):
        kubectl("delete", "jobs,pods", "--all", "--namespace", namespace)


def a_secret(name: str, **held: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": held,
    }


def external(**given: str) -> dict[str, Any]:
    """Values for a database that is there."""
    return {"database": {"mode": "external", "external": {"existingSecret": "rollcall-db", **given}}}


@pytest.mark.timeout(600)
def test_the_scope(
    installed: InstalledRelease,
    admin: Admin,
    cluster: LocalCluster,
    cluster_helm: Helm,
    api: client.ApiClient,
    apply: Apply,
    database: DatabaseSettings,
    tmp_path: Path,
) -> None:
    rows = Rows(database)
    apply(a_secret("rollcall-db", dsn=rows.dsn))
    cluster_helm.run(*INSTALL, values=external(dsnKey="dsn"))
    everything = installed.there()
    assert everything == installed.made()
    caller, onlooker = SteadyCaller(ONE, "reports", cluster), SteadyCaller(TWO, "onlooker", cluster)
    with RolledRelease(cluster, api, NAMESPACE, NAME, tmp_path) as pods:
        stage = Stage(installed, pods, cluster.audit_log, caller, onlooker)
        apply(a_pod(ONE, "stays"), a_job(TWO, "aside"))
        stays, aside = record(rows, ONE, "stays"), record(rows, TWO, "aside")
        assert set(onlooker.workloads(deleted=False)) == {"aside"}

        since = to_one_namespace(stage, admin, apply, caller)
        closed = rows.until_deleted(TWO, "aside")
        assert (closed["uid"], closed["phase"], closed["deletion_seen"]) == (aside[0]["uid"], "Running", "late")
        assert record(rows, ONE, "stays") == stays
        eventually(onlooker.status, lambda status: status == HTTPStatus.FORBIDDEN)
        assert places_of(installed) == {NAMESPACE, ONE}
        assert stage.refused(since) == []

        # One more, which is on record again, and one less.
        one_more, one_less = PAGE["Another namespace, or one less"]
        with stage.both_releases():
            notes = admin.run(one_more)
            assert stage.roll() == ["operator"]
        assert f"namespaces: {ONE}, {TWO}, by Roles in them" in notes
        assert record(rows, TWO, "aside") == aside
        assert rows.deleted(TWO, "aside") == []
        assert record(rows, ONE, "stays") == stays
        name_one_that_is_deleted(api, apply, cluster_helm)
        with stage.both_releases():
            admin.run(one_less)
            assert stage.roll() == ["operator"]
        since = datetime.now(UTC)
        assert rows.until_deleted(ONE, "stays")["deletion_seen"] == "late"
        assert record(rows, TWO, "aside") == aside
        assert places_of(installed) == {NAMESPACE, TWO}
        assert stage.refused(since) == []

        since = to_the_cluster(stage, admin)
        assert (record(rows, ONE, "stays"), record(rows, TWO, "aside")) == (stays, aside)
        rows.until(ONE, "between")
        assert rows.query("SELECT name FROM deleted_workloads") == []
        eventually(lambda: rows.query("SELECT name FROM node_pools"), bool)
        assert set(caller.workloads(deleted=False)) == {"stays", "between"}
        assert set(onlooker.workloads(deleted=False)) == {"aside"}
        # The API was told the cluster's id, and need not read it.
        reader = {(kind, "kube-system", f"{NAME}-api-cluster-reader") for kind in ("Role", "RoleBinding")}
        assert installed.there() == installed.made() == everything - reader
        assert stage.refused(since) == []


def to_one_namespace(stage: Stage, admin: Admin, apply: Apply, caller: SteadyCaller) -> datetime:
    """Switch while somebody asks; since when no pod of before runs."""
    lending, switching, taking_back = PAGE["To named namespaces"]
    caller.start()
    admin.run(lending)
    with stage.both_releases():
        notes = admin.run(switching)
        apply(a_pod(ONE, "between"))
        assert stage.roll() == ["api", "operator"]
    since = datetime.now(UTC)
    admin.run(taking_back)
    caller.until("between")
    caller.end()
    assert caller.refused == []
    assert f"namespaces: {ONE}, by Roles in them" in notes
    return since


def to_the_cluster(stage: Stage, admin: Admin) -> datetime:
    """And back; since when no pod of before runs."""
    (switching,) = PAGE["To the whole cluster"]
    with stage.both_releases():
        notes = admin.run(switching)
        assert stage.roll() == ["api", "operator"]
    assert "cluster: the namespaces of all projects" in notes
    return datetime.now(UTC)


def places_of(installed: InstalledRelease) -> set[str]:
    """The namespaces in which the release has anything; all of it is what the chart makes."""
    there = installed.there()
    assert there == installed.made()
    return {namespace for _, namespace, _ in there}


def name_one_that_is_deleted(api: client.ApiClient, apply: Apply, helm: Helm) -> None:
    """An upgrade with it fails."""
    apply(a_project(GONE))
    helm.run(*UPGRADE, "--set", f"rbac.namespaces={{{ONE},{TWO},{GONE}}}")
    remove_namespace(api, GONE)
    with pytest.raises(HelmError, match=f'namespaces "{GONE}" not found'):
        helm.run(*UPGRADE)


@pytest.mark.timeout(600)
def test_kubectl_on_and_off(
    installed: InstalledRelease,
    admin: Admin,
    cluster: LocalCluster,
    cluster_helm: Helm,
    kubectl: Kubectl,
    apply: Apply,
    database: DatabaseSettings,
    tmp_path: Path,
) -> None:
    apply(a_secret("rollcall-db", dsn=database.dsn.get_secret_value()))
    cluster_helm.run(*INSTALL, values=external(dsnKey="dsn"))
    everything = installed.there()
    caller = SteadyCaller(ONE, "reports", cluster)
    with cluster.api_client() as api, RolledRelease(cluster, api, NAMESPACE, NAME, tmp_path) as pods:
        stage = Stage(installed, pods, cluster.audit_log, caller)
        since = datetime.now(UTC)
        apply(a_pod(ONE, "stays"))
        caller.until("stays")
        caller.start()
        switching_on, waiting, switching_off = PAGE["kubectl on and off"]
        admin.run(switching_on)
        assert stage.roll() == ["api"]
        served = ServedHere(api, NAMESPACE, f"{NAME}-api")
        served.begin(pods.running["api"].kubectl_port)
        admin.run(waiting)
        printed = eventually(lambda: kubectl.run("get", "rwl", "-n", ONE).stdout, lambda text: "stays" in text)
        assert printed.splitlines()[1].split()[:3] == ["stays.pod", "Pod", "Running"]
        assert installed.there() - everything == {
            ("APIService", "", "v1.rollcall.dev"),
            ("RoleBinding", "kube-system", f"{NAME}-api-authentication-reader"),
            ("Secret", NAMESPACE, f"{NAME}-api-serving"),
        }
        assert stage.refused(since) == []
        served.end()
        with stage.both_releases():
            admin.run(switching_off)
            assert stage.roll() == ["api"]
        since = datetime.now(UTC)
        caller.until("stays")
        caller.end()
        assert caller.refused == []
        assert "NotFound" in kubectl.refused("get", "apiservice", "v1.rollcall.dev")
        assert installed.there() == everything
        assert stage.refused(since) == []


@pytest.mark.timeout(600)
def test_what_secrets_hold(
    installed: InstalledRelease,
    admin: Admin,
    cluster: LocalCluster,
    cluster_helm: Helm,
    api: client.ApiClient,
    apply: Apply,
    own_postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    database = BundledPostgres(own_postgres, "first")
    first = hashlib.sha256(b"the first").hexdigest()
    apply(a_secret("rollcall-db", password="first"), a_secret("reports-client", secretSha256=first))
    application = {"name": "reports", "serviceAccount": f"{ONE}/reports", "existingSecret": "reports-client"}
    values = {**external(host="db.example", passwordKey="password"), "applications": [application]}
    cluster_helm.run(*INSTALL, values=values)
    caller = SteadyCaller(ONE, "reports", cluster)
    with RolledRelease(cluster, api, NAMESPACE, NAME, tmp_path, dsn=database.dsn) as pods:
        pods.migrate()
        stage = Stage(installed, pods, cluster.audit_log, caller)
        since = datetime.now(UTC)
        apply(a_pod(ONE, "stays"))
        stays = caller.until("stays")

        second, without_first, leaked = PAGE["An application's secret"]
        assert let_in(pods) == {"the first"}
        admin.run(second, SECRET="the second")
        assert stage.roll() == ["api"]
        assert let_in(pods) == {"the first", "the second"}
        admin.run(without_first)
        assert stage.roll() == ["api"]
        assert let_in(pods) == {"the second"}
        admin.run(leaked, SECRET="the third")
        assert stage.roll() == []
        pods.running["api"].pod.remount()
        assert let_in(pods) == {"the third"}

        # The database's password; what is connected is cut off, as a restart of the database does it.
        (_, statement), restarting = PAGE["The database's password"]
        with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
            connection.execute(statement.rstrip(";\n"))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rollcall'")
        eventually(caller.status, lambda status: status == HTTPStatus.SERVICE_UNAVAILABLE)
        apply(a_pod(ONE, "meanwhile"))
        admin.run(restarting)
        assert stage.roll() == ["api", "operator"]
        caller.until("meanwhile")
        assert caller.until("stays")["id"] == stays["id"]
        with psycopg.connect(database.dsn, password="chosen") as connection:
            history = "SELECT phase FROM phase_changes WHERE uid = %s ORDER BY at"
            phases = [phase for (phase,) in connection.execute(history, [stays["id"]])]
        assert phases.index("Running") == len(phases) - 1
        assert stage.refused(since) == []


def let_in(pods: RolledRelease) -> set[str]:
    """The secrets for which the API gives a token."""
    address = f"{pods.running['api'].address}/api/v1/token"
    found = set()
    for secret in ("the first", "the second", "the third"):
        body = {"grantType": "app_token", "AppId": "reports", "AppSecret": secret}
        answer = httpx.post(address, json=body, trust_env=False, timeout=30)
        assert answer.status_code in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}, answer.text
        if answer.status_code == HTTPStatus.OK:
            found.add(secret)
    return found
