"""An upgrade from the release before, with that release's own chart and code, back again, and away.

The containers' words are run as processes (`support.pod_processes`). What stands for the bundled PostgreSQL is a real
one that asks for the password that the chart made.
"""

import base64
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
import yaml
from kubernetes import client
from support.bundled_postgres import BundledPostgres
from support.cluster_objects import a_pod, a_project, a_viewer, remove_namespace
from support.helm import CHART, Helm
from support.kubectl import Kubectl
from support.past_releases import NoHistoryError, PastRelease, last_at_schema, last_release
from support.release_pods import Pods
from support.rows import eventually
from support.steady_caller import SteadyCaller

from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import SERVES_FROM, head_revision
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

ROOT = Path(__file__).resolve().parents[2]
RELEASE = NAMESPACE = "chart-upgrade"
NAME = f"{RELEASE}-rollcall"
PROJECT = "upgrade-team"
PAST = {
    "the release before": lambda: last_release(ROOT),
    "the oldest schema that is served": lambda: last_at_schema(ROOT, SERVES_FROM),
}
"""From where an upgrade is tried; the second has a migration to make as long as the head is not served alone."""


def test_a_clone_without_its_history_says_how_to_get_it(tmp_path: Path) -> None:
    clone = ["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", str(tmp_path / "shallow")]
    subprocess.run(clone, check=True, capture_output=True)
    with pytest.raises(NoHistoryError, match="`git fetch --unshallow`"):
        last_release(tmp_path / "shallow")
    with pytest.raises(NoHistoryError, match="`git fetch --unshallow`"):
        last_at_schema(tmp_path / "shallow", SERVES_FROM)
    (tmp_path / "no clone").mkdir()
    with pytest.raises(NoHistoryError, match="not a git repository"):
        last_release(tmp_path / "no clone")


@pytest.fixture
def namespaces(api: client.ApiClient, apply: Apply) -> Iterator[None]:
    """The release's and a project, with somebody who may view it."""
    apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        a_project(PROJECT),
        *a_viewer(PROJECT, "viewer"),
    )
    yield
    for namespace in (NAMESPACE, PROJECT):
        remove_namespace(api, namespace)


@dataclass(frozen=True, slots=True)
class Kept:
    """What an upgrade must leave as it is: the password and the volume."""

    secret: str
    """Its uid."""
    password: str
    claims: dict[str, str]
    """The uid of each by its name."""


def kept_now(api: client.ApiClient) -> Kept:
    core: Any = client.CoreV1Api(api)
    secret = core.read_namespaced_secret(f"{NAME}-postgresql", NAMESPACE)
    claims = eventually(lambda: core.list_namespaced_persistent_volume_claim(NAMESPACE).items, bool)
    return Kept(
        secret.metadata.uid,
        base64.b64decode(secret.data["password"]).decode(),
        {one.metadata.name: one.metadata.uid for one in claims},
    )


def rows_of(database: BundledPostgres) -> set[tuple[Any, ...]]:
    """What identifies every row that is on record."""
    statement = """
        SELECT 'workload', uid, created_at::text, NULL FROM workloads
        UNION ALL SELECT 'deleted', uid, created_at::text, deleted_at::text FROM deleted_workloads
        UNION ALL SELECT 'phase', uid, at::text, phase FROM phase_changes
    """
    with psycopg.connect(database.dsn, password=database.password) as connection:
        return set(connection.execute(statement))


def left_of_the_release(kubectl: Kubectl) -> set[str]:
    """Every object of the release's namespace, and of its label outside; not what every namespace has, nor events."""
    of_every_namespace = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
    inside, outside = (
        ",".join(
            sorted(
                kind
                for kind in kubectl("api-resources", f"--namespaced={so}", "--verbs=list", "--output=name").split()
                if kind.partition(".")[0] != "events"
            )
        )
        for so in ("true", "false")
    )
    found = kubectl("get", inside, "--namespace", NAMESPACE, "--output=name").split()
    label = f"app.kubernetes.io/instance={RELEASE}"
    return {*found, *kubectl("get", outside, "--selector", label, "--output=name").split()} - of_every_namespace


def taken_out(commit: str, folder: Path) -> PastRelease:
    """A past release, whose commands are those of its own version."""
    release = PastRelease(ROOT, commit, folder)
    version = yaml.safe_load((release.chart / "Chart.yaml").read_text())["appVersion"]
    assert release.run("version") == f"rollcall {version}\n"
    return release


class Installation:
    """The release while the ``with`` block runs: what Helm makes of it, and the pods that ran, of whichever code."""

    def __init__(self, helm: Helm, cluster: LocalCluster, api: client.ApiClient, folder: Path) -> None:
        self._helm = helm
        self._cluster = cluster
        self._api = api
        self._folder = folder
        self._started: list[Pods] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pods in self._started:
            pods.stop()
        self.helm("uninstall")

    def helm(self, command: str, *words: str) -> None:
        """Have Helm do something to the release."""
        self._helm.run(command, RELEASE, *words, "--namespace", NAMESPACE)

    def pods(self, database: BundledPostgres, *, release: PastRelease | None = None) -> Pods:
        """A pod of each Deployment as they are now."""
        folder = self._folder / f"pods-{len(self._started)}"
        pods = Pods(self._cluster, self._api, NAMESPACE, NAME, folder, dsn=database.dsn, release=release)
        self._started.append(pods)
        return pods


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("past", sorted(PAST))
def test_upgrade_rollback_and_uninstall_lose_no_row(
    past: str,
    cluster: LocalCluster,
    cluster_helm: Helm,
    kubectl: Kubectl,
    api: client.ApiClient,
    apply: Apply,
    own_postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    core: Any = client.CoreV1Api(api)
    release = taken_out(PAST[past](), tmp_path)
    caller = SteadyCaller(PROJECT, "viewer", cluster)

    with Installation(cluster_helm, cluster, api, tmp_path) as installation:
        installation.helm("install", str(release.chart))
        kept = kept_now(api)
        database = BundledPostgres(own_postgres, kept.password)
        old = installation.pods(database, release=release)
        old.migrate()
        old.start()
        apply(a_pod(PROJECT, "stays"), a_pod(PROJECT, "stays-too"), a_pod(PROJECT, "goes"))
        caller.move(old.address)
        recorded = [identity(caller.until(name)) for name in ("stays", "stays-too", "goes")]
        core.delete_namespaced_pod("goes", PROJECT)
        caller.until("goes", deleted=True)
        before = rows_of(database)
        caller.start()

        # While this release migrates, and after it, the release before serves and writes.
        installation.helm("upgrade", str(CHART), "--reset-then-reuse-values")
        assert kept_now(api) == kept
        new = installation.pods(database)
        answers = caller.answers
        assert new.migrate() == [f"The schema is at {head_revision()}."] * 2
        assert caller.answers > answers
        apply(a_pod(PROJECT, "between"))
        caller.until("between")

        new.start()
        caller.move(new.address)
        old.stop()
        apply(a_pod(PROJECT, "after"))
        caller.until("after")
        assert identities(caller, "stays", "stays-too", gone="goes") == recorded
        upgraded = rows_of(database)
        assert before <= upgraded

        # And back: the release before on the newer schema.
        installation.helm("rollback", "1")
        assert kept_now(api) == kept
        back = installation.pods(database, release=release)
        assert back.migrate() == [f"The schema is at {head_revision()}."] * 2
        back.start()
        caller.move(back.address)
        new.stop()
        apply(a_pod(PROJECT, "at-last"))
        caller.until("at-last")
        assert identities(caller, "stays", "stays-too", gone="goes") == recorded
        caller.end()
        assert caller.refused == []
        assert_whole(caller.listings, {uid for uid, name, _ in recorded if name != "goes"})

    remaining = {
        f"secret/{NAME}-postgresql",
        *(f"persistentvolumeclaim/{claim}" for claim in kept.claims),
        f"lease.coordination.k8s.io/{NAME}-operator",
    }
    eventually(lambda: left_of_the_release(kubectl), lambda found: found == remaining)
    assert kept_now(api) == kept
    assert upgraded <= rows_of(database)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("namespaces")
def test_a_migration_that_fails_leaves_the_release_before_serving(
    cluster: LocalCluster,
    cluster_helm: Helm,
    api: client.ApiClient,
    apply: Apply,
    own_postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    release = taken_out(PAST["the oldest schema that is served"](), tmp_path)
    caller = SteadyCaller(PROJECT, "viewer", cluster)
    with Installation(cluster_helm, cluster, api, tmp_path) as installation:
        installation.helm("install", str(release.chart))
        database = BundledPostgres(own_postgres, kept_now(api).password)
        old = installation.pods(database, release=release)
        old.migrate()
        old.start()
        apply(a_pod(PROJECT, "stays"))
        caller.move(old.address)
        recorded = identity(caller.until("stays"))
        caller.start()

        installation.helm("upgrade", str(CHART), "--reset-then-reuse-values")
        new = installation.pods(database)
        with no_table_changes(database):
            # An init container that fails is started again, and no container before it is done.
            for _ in range(2):
                assert new.migrate() == ["rollcall: The database refused a statement (SQLSTATE 42501)."] * 2
            apply(a_pod(PROJECT, "meanwhile"))
            caller.until("meanwhile")
        assert new.migrate() == [f"The schema is at {head_revision()}."] * 2
        new.start()
        caller.move(new.address)
        old.stop()
        assert identity(caller.until("stays")) == recorded
        caller.end()
        assert caller.refused == []
        assert_whole(caller.listings, {recorded[0]})


@contextmanager
def no_table_changes(database: BundledPostgres) -> Iterator[None]:
    """Whoever wants to change the schema is refused, whatever the change."""
    with psycopg.connect(database.dsn, password=database.password, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE insufficient_privilege; END $$
        """)
        connection.execute("CREATE EVENT TRIGGER refusing ON ddl_command_start EXECUTE FUNCTION refuse()")
        yield
        # Changes of event triggers fire none.
        connection.execute("DROP EVENT TRIGGER refusing")
        connection.execute("DROP FUNCTION refuse")


def assert_whole(listings: list[list[str]], stay: set[str]) -> None:
    """Nothing was listed twice, and nothing left out that was there all the time."""
    assert listings
    for listing in listings:
        assert len(set(listing)) == len(listing), "one is listed twice"
        assert stay <= {*listing}, "one is left out"


def identity(workload: dict[str, Any]) -> tuple[str, str, str]:
    """By what a caller knows a workload again."""
    return workload["id"], workload["name"], workload["createdAt"]


def identities(caller: SteadyCaller, *live: str, gone: str) -> list[tuple[str, str, str]]:
    """Those of workloads that are there and of one that was."""
    return [*(identity(caller.until(name)) for name in live), identity(caller.until(gone, deleted=True))]
