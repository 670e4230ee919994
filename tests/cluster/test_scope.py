"""Callers with Roles in some namespaces of a real API server see exactly those, in every operation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_project, may_list, remove_namespace
from support.filled_view import CLUSTER, PROJECTS, Project, fill
from support.prometheus import running_prometheus
from support.rows import eventually
from support.scope_matrix import FOR_NODES, SCOPED, fault_of

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

CALLERS: dict[str, tuple[Project, ...]] = {
    "of-none": (),
    "of-one": (PROJECTS[7],),
    "of-three": (PROJECTS[3], PROJECTS[250], PROJECTS[499]),
    "of-everything": PROJECTS,
}


UNLIMITED = {"api__rate_per_second": 0}
"""These tests ask for everything again and again; the limit has tests of its own."""


@pytest.fixture
def tokens(cluster: LocalCluster, api: client.ApiClient, apply: Apply) -> Iterator[dict[str, str]]:
    """A ServiceAccount for each caller, with a Role in each of their namespaces."""
    places = sorted({found.namespace for name in ("of-one", "of-three") for found in CALLERS[name]})
    apply(*map(a_project, places))
    apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "of-none", "namespace": "rollcall"}})
    for name in ("of-one", "of-three"):
        for found in CALLERS[name]:
            apply(*may_list(name, found.namespace))
    apply(*may_list("of-everything", None))
    yield {name: cluster.token_of("rollcall", name) for name in CALLERS}
    rbac = client.RbacAuthorizationV1Api(api)
    rbac.delete_cluster_role_binding("of-everything")
    rbac.delete_cluster_role("of-everything")
    for place in places:
        remove_namespace(api, place)


def faults(ask: httpx.Client, seen: tuple[Project, ...]) -> dict[str, str]:
    """What is wrong with what a caller sees; the API server itself takes a moment to know of a Role."""
    found = {str(operation): fault_of(ask, operation, seen) for operation in SCOPED}
    return {operation: fault for operation, fault in found.items() if fault}


def test_roles_in_some_namespaces_show_those_everywhere(
    cluster: LocalCluster, database: DatabaseSettings, tokens: dict[str, str], tmp_path: Path
) -> None:
    fill(database)
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-api")
    settings = {"cluster__id": CLUSTER, "api__review_cache_seconds": 5, "log__level": "debug", **UNLIMITED}
    with (
        running_prometheus(tmp_path) as prometheus,
        ApiProcess(tmp_path, database, kubeconfig=kubeconfig, prometheus__url=prometheus.url, **settings) as asking,
    ):
        for name, projects in CALLERS.items():
            headers = {"Authorization": f"Bearer {tokens[name]}"}
            with httpx.Client(base_url=asking.address, headers=headers, timeout=30, trust_env=False) as ask:
                eventually(lambda seen=projects, ask=ask: faults(ask, seen), lambda found: not found)
        log = asking.log()
    assert [name for name, token in tokens.items() if token in log] == []


def test_a_role_that_is_taken_away_is_gone_everywhere(
    cluster: LocalCluster, database: DatabaseSettings, tokens: dict[str, str], api: client.ApiClient, tmp_path: Path
) -> None:
    fill(database)
    (project,) = CALLERS["of-one"]
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-api")
    headers = {"Authorization": f"Bearer {tokens['of-one']}"}
    with (
        running_prometheus(tmp_path) as prometheus,
        ApiProcess(
            tmp_path,
            database,
            kubeconfig=kubeconfig,
            prometheus__url=prometheus.url,
            cluster__id=CLUSTER,
            api__review_cache_seconds=2,
            **UNLIMITED,
        ) as asking,
        httpx.Client(base_url=asking.address, headers=headers, timeout=30, trust_env=False) as ask,
    ):

        def statuses() -> set[int]:
            of_workloads = (found for found in SCOPED if found.id not in FOR_NODES)  # nodes are another right's
            return {ask.get(found.target(project.ids())).status_code for found in of_workloads}

        eventually(statuses, lambda found: found == {200})
        client.RbacAuthorizationV1Api(api).delete_namespaced_role_binding("of-one", project.namespace)
        eventually(statuses, lambda found: found == {403})
