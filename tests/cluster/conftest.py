"""A real control plane for the session, its simulated GPU nodes, and what a test puts into it."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes import client
from support import audit_log
from support.cluster_objects import a_project, remove_namespace, wait_for_rights
from support.lacking_rights import AUTH_DELEGATOR, AUTHENTICATION_READER, Right, rights_in
from support.operator_process import OperatorProcess
from support.rows import Rows

from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import SAMPLES, apply_objects, create_nodes, read_documents
from rollcall_cluster.binaries import Binaries, find_binaries
from rollcall_cluster.control_plane import LocalCluster

RIGHTS = SAMPLES.parent / "manifests"

_TOKENS = Right(group="", resource="serviceaccounts/token", verb="create")
"""Of an application's ServiceAccount. Which, a test's own Role says; that others are refused is tested there."""

OperatorOf = Callable[..., OperatorProcess]


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The control plane's programs; built where they are not there."""
    return find_binaries(print)


@pytest.fixture(scope="session")
def cluster(binaries: Binaries) -> Iterator[LocalCluster]:
    """A cluster with GPU nodes, the PyTorchJob kind and the operator's rights.

    In the end its audit log says that no process ever ran as anybody but a ServiceAccount, and that those of the
    documented rights asked for nothing else and were refused nothing.
    """
    with LocalCluster(binaries, audit=True) as cluster, cluster.api_client() as api:
        create_nodes(api)
        rollcall = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rollcall"}}
        files = [SAMPLES / "01-pytorchjob-crd.yaml", RIGHTS / "operator-rights.yaml", RIGHTS / "api-rights.yaml"]
        apply_objects(api, [rollcall, *read_documents(files)])
        wait_for_rights(api)
        yield cluster
        assert audit_log.faults_in(cluster.audit_log, _granted()) == []


@pytest.fixture(scope="session")
def granted() -> dict[str, list[Right]]:
    """What the accounts of the documented rights may, by username."""
    return _granted()


def _granted() -> dict[str, list[Right]]:
    own_cluster = [right for right in rights_in(RIGHTS / "api-rights.yaml") if right.namespace]
    return {
        audit_log.OPERATOR: [*rights_in(RIGHTS / "operator-rights.yaml")],
        audit_log.API: [*AUTH_DELEGATOR, *own_cluster, *AUTHENTICATION_READER, _TOKENS],
    }


@pytest.fixture(scope="session")
def api(cluster: LocalCluster) -> Iterator[client.ApiClient]:
    """A client with every right."""
    with cluster.api_client() as api:
        yield api


@pytest.fixture(scope="session")
def apply(api: client.ApiClient) -> Callable[..., None]:
    """Create or update objects."""
    return lambda *objects: apply_objects(api, objects)


@pytest.fixture
def project(api: client.ApiClient, apply: Callable[..., None]) -> Iterator[str]:
    """A project namespace of the test's own; gone after it."""
    name = f"test-{secrets.token_hex(4)}"
    apply(a_project(name))
    yield name
    remove_namespace(api, name)


@pytest.fixture
def rows(database: DatabaseSettings) -> Rows:
    """The rows of the test's database."""
    return Rows(database)


@pytest.fixture
def operator_of(cluster: LocalCluster, database: DatabaseSettings, tmp_path: Path) -> OperatorOf:
    """Make an operator with the documented rights and nothing more; not started yet."""
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-operator")

    def make(**settings: object) -> OperatorProcess:
        return OperatorProcess(tmp_path, kubeconfig, database, **settings)

    return make
