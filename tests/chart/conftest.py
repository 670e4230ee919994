"""Helm, and a real control plane that has every operator's kinds but nothing of Rollcall: the chart brings that."""

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes import client
from support import chart_definitions
from support.chart_cases import NAMESPACES
from support.helm import Helm
from support.kubectl import Kubectl

from rollcall_cluster.applying import apply_objects, create_nodes
from rollcall_cluster.binaries import find_binaries
from rollcall_cluster.control_plane import LocalCluster
from rollcall_cluster.helm_binary import find_helm


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """The program; built where it is not there."""
    return find_helm(print)


@pytest.fixture(scope="session")
def helm(helm_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(helm_binary, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """A cluster with GPU nodes and the kinds of the operators that the chart can use."""
    with LocalCluster(find_binaries(print), audit=True) as cluster, cluster.api_client() as api:
        create_nodes(api)
        namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
        apply_objects(api, [*namespaces, *chart_definitions.definitions()])
        yield cluster


@pytest.fixture(scope="session")
def api(cluster: LocalCluster) -> Iterator[client.ApiClient]:
    """A client with every right."""
    with cluster.api_client() as api:
        yield api


@pytest.fixture(scope="session")
def apply(api: client.ApiClient) -> Callable[..., None]:
    """Create or update objects."""
    return lambda *objects: apply_objects(api, objects)


@pytest.fixture(scope="session")
def cluster_helm(helm_binary: Path, cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm on that cluster."""
    return Helm(helm_binary, tmp_path_factory.mktemp("cluster-helm"), cluster.kubeconfig)


@pytest.fixture
def kubectl(cluster: LocalCluster, tmp_path: Path) -> Kubectl:
    """A kubectl with every right."""
    folder = tmp_path / "kubectl"
    folder.mkdir()
    return Kubectl(find_binaries(print), cluster.kubeconfig, folder)


@pytest.fixture
def shell(cluster: LocalCluster, helm_binary: Path, tmp_path: Path) -> dict[str, str]:
    """The environment in which an admin works."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, words in {"kubectl": find_binaries(print).command("kubectl"), "helm": [str(helm_binary)]}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(cluster.kubeconfig),
        "no_proxy": "*",
    }
