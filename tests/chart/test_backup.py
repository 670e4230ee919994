"""Every command of docs/how-to/backup.md is run, in the page's order, by a real shell with the real programs.

What is played, because no image runs here: the bundled PostgreSQL is a real one on this machine, so that what follows
`kubectl exec` is run beside it and not in its pod (`IN_THE_POD`), and the operator's and the API's pods are processes.
"""

import base64
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kubernetes import client
from sqlalchemy import URL, make_url
from support.bundled_postgres import BundledPostgres
from support.cluster_objects import a_pod, a_project, a_viewer, remove_namespace
from support.helm import CHART, Helm
from support.page_blocks import blocks_of
from support.page_shell import PageShell
from support.release_pods import Pods
from support.steady_caller import SteadyCaller

from rollcall.store.announcing import CHANNEL
from rollcall.store.embedded import EmbeddedPostgres
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "backup.md").read_text()
RELEASE = NAMESPACE = "rollcall"
PROJECT = "backup-team"

IN_THE_POD = re.compile(r"kubectl --namespace rollcall exec (?:--stdin )?rollcall-postgresql-0 -- ")
NEW = re.compile(r"export NEW='.*'\n")
"""Where the page's new database is."""


class Admin:
    """Whoever types the page's commands."""

    def __init__(self, shell: dict[str, str], folder: Path, bundled: BundledPostgres, new: str) -> None:
        # The pod's own programs connect by its socket, and its image has them trusted.
        self._in_the_pod = shlex.join(["env", f"PGHOST={bundled.folder}", f"PGPASSWORD={bundled.password}"]) + " "
        self._shell = PageShell({**shell, "PATH": f"{bundled.programs}:{shell['PATH']}", "NEW": new}, folder)

    def run(self, commands: str) -> str:
        """What a block prints; it must succeed."""
        return self._shell.run(NEW.sub("", IN_THE_POD.sub(lambda _: self._in_the_pod, commands)))


@pytest.fixture
def new_postgres(postgres_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Another server, on which nothing of Rollcall is."""
    with EmbeddedPostgres(postgres_folder.with_name("new")) as server:
        yield server


def contents(dsn: str, password: str) -> dict[str, list[Any]]:
    """Every row of every table, and what the database is made of: partitions, indexes, functions and so on."""
    made = """
        SELECT 'class', c.relname, c.relkind::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c
            WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'index', indexname, indexdef, NULL FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), NULL FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'function', proname, prosrc, NULL FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid), NULL FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'sequence', sequencename, last_value::text, NULL FROM pg_sequences
        ORDER BY 1, 2, 3
    """
    with psycopg.connect(dsn, password=password) as connection:
        found: dict[str, list[Any]] = {"": connection.execute(made).fetchall()}
        for (table,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            rows = connection.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')  # noqa: S608 - our own table
            found[table] = rows.fetchall()
    return found


def strangers(dsn: str) -> list[Any]:
    """What in a database belongs to somebody else than the role that connects, which is no superuser."""
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchone() == (False,)
        owned = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        return connection.execute(f"{owned} AND relowner <> current_user::regrole").fetchall()


class Stage:
    """A release on the bundled database, its pods, and somebody who asks it."""

    def __init__(self, cluster: LocalCluster, api: client.ApiClient, folder: Path) -> None:
        self._cluster = cluster
        self._api = api
        self._folder = folder
        self._started: list[Pods] = []
        self.core: Any = client.CoreV1Api(api)
        self.apps: Any = client.AppsV1Api(api)
        self.caller = SteadyCaller(PROJECT, "viewer", cluster)

    def serve(self, dsn: str | None) -> Pods:
        """Run the pods as the cluster has them now, on the database of a DSN or on that of their own words."""
        pods = Pods(self._cluster, self._api, NAMESPACE, RELEASE, self._folder / f"pods-{len(self._started)}", dsn=dsn)
        self._started.append(pods)
        pods.migrate()
        pods.start()
        self.caller.move(pods.address)
        return pods

    def end(self) -> None:
        """End all that runs."""
        for pods in self._started:
            pods.stop()

    def replicas(self) -> dict[str, int]:
        """How many pods each Deployment wants."""
        return {one.metadata.name: one.spec.replicas for one in self.apps.list_namespaced_deployment(NAMESPACE).items}


@pytest.fixture
def stage(
    cluster: LocalCluster, cluster_helm: Helm, api: client.ApiClient, apply: Apply, tmp_path: Path
) -> Iterator[Stage]:
    """The release, installed with no values, and a project."""
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    apply(a_project(PROJECT), *a_viewer(PROJECT, "viewer"))
    cluster_helm.run("install", RELEASE, str(CHART), "--namespace", NAMESPACE, values={})
    stage = Stage(cluster, api, tmp_path)
    yield stage
    stage.end()
    cluster_helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    for namespace in (NAMESPACE, PROJECT):
        remove_namespace(api, namespace)


@pytest.fixture
def bundled(stage: Stage, own_postgres: EmbeddedPostgres) -> BundledPostgres:
    """The release's database."""
    secret = stage.core.read_namespaced_secret(f"{RELEASE}-postgresql", NAMESPACE)
    return BundledPostgres(own_postgres, base64.b64decode(secret.data["password"]).decode())


def back_up_and_restore(
    stage: Stage, admin: Admin, bundled: BundledPostgres, page: dict[str, list[tuple[str, str]]], apply: Apply
) -> tuple[Pods, dict[str, Any]]:
    """The first two sections, the history lost between them; the pods of after it, and what was deleted before."""
    caller = stage.caller
    pods = stage.serve(bundled.dsn)
    apply(a_pod(PROJECT, "stays"), a_pod(PROJECT, "goes"))
    for name in ("stays", "goes"):
        caller.until(name)
    stage.core.delete_namespaced_pod("goes", PROJECT)
    gone = caller.until("goes", deleted=True)
    for _, commands in page.pop("Back up"):
        admin.run(commands)
    stopping, restoring, starting = page.pop("Restore")
    lose_the_history(bundled)
    assert caller.workloads(deleted=True) == {}
    admin.run(stopping[1])
    assert set(stage.replicas().values()) == {0}
    pods.stop()
    admin.run(restoring[1])
    admin.run(starting[1])
    assert set(stage.replicas().values()) == {2}
    pods = stage.serve(bundled.dsn)
    assert caller.until("goes", deleted=True) == gone
    assert caller.until("stays")
    return pods, gone


@pytest.mark.timeout(600)
def test_every_command_of_the_page(
    stage: Stage,
    apply: Apply,
    shell: dict[str, str],
    bundled: BundledPostgres,
    new_postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    page = blocks_of(PAGE)
    assert {language for section in page.values() for language, _ in section} == {"sh", "sql"}
    query = make_url(new_postgres.dsn()).query
    url = URL.create("postgresql", username="rollcall", password="chosen", database="rollcall", query=query)
    new = url.render_as_string(hide_password=False)
    admin = Admin(shell, tmp_path / "admin", bundled, new)
    caller = stage.caller

    pods, gone = back_up_and_restore(stage, admin, bundled, page, apply)

    # To another server, while the API answers.
    making, naming, stopping, copying, comparing, switching, removing = page.pop("From bundled to external")
    assert page == {}
    with psycopg.connect(new_postgres.dsn(), autocommit=True) as connection:
        for statement in making[1].split(";\n"):
            connection.execute(statement)
    assert NEW.fullmatch(naming[1])
    caller.start()
    admin.run(stopping[1])
    assert stage.replicas() == {f"{RELEASE}-operator": 0, f"{RELEASE}-api": 2}
    pods.stop_operator()
    admin.run(copying[1])
    assert contents(new, "chosen") == contents(bundled.dsn, bundled.password)
    assert strangers(new) == []
    first, second = admin.run(comparing[1]).splitlines()
    assert first == second
    assert first.split("|")[1] == "1"
    admin.run(switching[1])
    assert set(stage.replicas().values()) == {2}
    assert stage.apps.list_namespaced_stateful_set(NAMESPACE).items == []

    # It lives on there: rows, announcements and deletions.
    stage.serve(None)
    pods.stop()
    assert caller.until("goes", deleted=True) == gone
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        apply(a_pod(PROJECT, "later"))
        assert list(connection.notifies(timeout=60, stop_after=1))
    caller.until("later")
    stage.core.delete_namespaced_pod("later", PROJECT)
    caller.until("later", deleted=True)
    caller.end()
    assert caller.refused == []
    admin.run(removing[1])
    assert stage.core.list_namespaced_persistent_volume_claim(NAMESPACE).items == []


def lose_the_history(bundled: BundledPostgres) -> None:
    """What a backup is for."""
    with psycopg.connect(bundled.dsn, password=bundled.password) as connection:
        connection.execute("TRUNCATE deleted_workloads, phase_changes")
