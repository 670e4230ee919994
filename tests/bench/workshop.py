"""What benchmarks stand on: PostgreSQL, databases, a real control plane; made when first asked for, gone at the end."""

import os
import secrets
import tempfile
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
from kubernetes import client
from psycopg import sql
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import make_url
from support.cluster_objects import wait_for_rights
from support.kubeconfig_access import access_by

from rollcall.cluster_access import Access
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate
from rollcall_cluster.applying import SAMPLES, apply_objects, create_nodes, read_documents, simulated_node
from rollcall_cluster.binaries import find_binaries, kubernetes_version
from rollcall_cluster.control_plane import LocalCluster

GIVEN_SERVER = "ROLLCALL_TEST_DSN"
NODES = 20


class Workshop:
    """Parts to measure on, while the ``with`` block runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stack = ExitStack()
        self._started = time.monotonic()
        self._postgres: EmbeddedPostgres | None = None

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop and remove what was made, the last first."""
        self._stack.close()

    def say(self, line: str) -> None:
        """A line of progress, with the seconds since the start."""
        self._console.print(f"[{time.monotonic() - self._started:5.0f} s] {line}", markup=False, highlight=False)

    @cached_property
    def folder(self) -> Path:
        """A folder for logs and data; short, because a unix socket's path may have 107 bytes."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))

    @cached_property
    def server(self) -> str:
        """The DSN of a PostgreSQL on which databases may be made: a given one, else an embedded one."""
        given = os.environ.get(GIVEN_SERVER)
        if given:
            return given
        self.say("starting an embedded PostgreSQL")
        self._postgres = self._stack.enter_context(EmbeddedPostgres(self.folder / "pg"))
        return self._postgres.dsn()

    def postgres_version(self) -> str:
        """The version and the settings that decide what a commit costs."""
        with psycopg.connect(self.server) as connection:
            (version,) = connection.execute("SHOW server_version").fetchone() or ("?",)
            (commit,) = connection.execute("SHOW synchronous_commit").fetchone() or ("?",)
        whose = "given" if self._postgres is None else "embedded"
        return f"{version}, {whose}, synchronous_commit {commit}"

    def postgres_processes(self) -> list[psutil.Process]:
        """The server's processes, where it is ours."""
        if self._postgres is None:
            return []
        number = (self._postgres.folder / "postmaster.pid").read_text().split()[0]
        postmaster = psutil.Process(int(number))
        return [postmaster, *postmaster.children()]

    def database(self) -> DatabaseSettings:
        """A new database with the schema at head."""
        return self._database(self._template)

    @cached_property
    def _template(self) -> str:
        """The name of a database that was migrated once, for the others to be copies of."""
        settings = self._database("template0")
        migrate(settings)
        return make_url(settings.dsn.get_secret_value()).database or ""

    def _database(self, template: str) -> DatabaseSettings:
        name = f"bench_{secrets.token_hex(4)}"
        identifier = sql.Identifier(name)
        server = self.server

        def drop() -> None:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))

        with psycopg.connect(server, autocommit=True) as connection:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(template))
            connection.execute(create)
        self._stack.callback(drop)
        dsn = make_url(server).set(database=name).render_as_string(hide_password=False)
        return DatabaseSettings(dsn=SecretStr(dsn))

    @cached_property
    def cluster(self) -> LocalCluster:
        """A real control plane with simulated nodes, the PyTorchJob kind and the operator's rights."""
        binaries = find_binaries(self.say)
        self.say("starting the local control plane")
        cluster = self._stack.enter_context(LocalCluster(binaries))
        rollcall = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rollcall"}}
        files = [SAMPLES / "01-pytorchjob-crd.yaml", SAMPLES.parent / "manifests" / "operator-rights.yaml"]
        with cluster.api_client() as api:
            create_nodes(api, [simulated_node(f"node-{number:02}", product="NVIDIA-A100") for number in range(NODES)])
            apply_objects(api, [rollcall, *read_documents(files)])
            wait_for_rights(api)
        self.say(f"Kubernetes {kubernetes_version()} is ready")
        return cluster

    def project(self) -> str:
        """A new project namespace in the cluster."""
        name = f"bench-{secrets.token_hex(3)}"
        labelled = {"name": name, "labels": {"kai/project": name}}
        with self.cluster.api_client() as api:
            apply_objects(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": labelled}])
            core: Any = client.CoreV1Api(api)
            # Without it no pod is admitted.
            until = time.monotonic() + 60
            while not any(
                found.metadata.name == "default" for found in core.list_namespaced_service_account(name).items
            ):
                if time.monotonic() > until:
                    raise TimeoutError(f"{name} has no ServiceAccount after a minute.")
                time.sleep(0.1)
        return name

    def access(self) -> Access:
        """The cluster with every right, for requests of our own."""
        return access_by(self.cluster.kubeconfig)
