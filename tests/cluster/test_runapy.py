"""Every GET method of the official client that is served, with a token of an application from a real API server."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_role, may_list
from support.filled_view import CLUSTER, PROJECTS, fill
from support.prometheus import running_prometheus
from support.runapy import VERSIONS, run_session
from support.surface import OPERATIONS

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

SESSION = Path(__file__).with_name("runapy_methods.py")
SECRET = "a-secret-that-is-long-enough"
NAME = "runapy-reads"

PATHS = {re.sub(r"\{[^}]*\}", "{}", found.path) for found in OPERATIONS if found.method == "GET"}

NOT_SERVED = {
    r"/api/v1/workloads/(workspaces|trainings|inferences|distributed|distributed-inferences)/{}": (
        "the specs that the platform itself creates workloads from; ours come from Kubernetes"
    ),
    r"/api/v1/workloads/inferences/.*": "revisions and request metrics of the platform's own inference servers",
    r"/api/v2/workloads/.*": "manifests that the platform stores; Kubernetes has ours",
    r"/api/v1/workload-templates.*": "templates are the platform's",
    r"/api/v1/workload-(types|categories|priorities).*": "only what is in the document of them",
    r"/api/v1/cli(-exposer)?/.*": "the platform's own command line",
    r"/v1/k8s/.*": "installation and the old API",
    r"/api/v1/(logo|network-topologies|tenant).*": "the platform's own affairs",
    r"/api/v1/org-unit/reports.*": "reports are the platform's",
    r"/api/v1/org-unit/(projects|departments).*": "only what is in the document of them: quota is not the view's",
    r"/api/v1/(clusters|nodes|node-pools)(/.*)?": "only what is in the document of them",
}
"""Paths of the client that are not served, and why; each by the whole of it."""


@pytest.fixture(scope="module")
def asked(
    cluster: LocalCluster,
    shared_database: DatabaseSettings,
    api: client.ApiClient,
    apply: Apply,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Any]]:
    """Where an application is set up that may read everything, and who it is."""
    fill(shared_database)
    may_make = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [NAME], "verbs": ["create"]}
    may_see_nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    apply(*may_list(NAME, None), *a_role(f"{NAME}-nodes", None, may_see_nodes, f"rollcall:{NAME}"))
    apply(*a_role(f"{NAME}-token", "rollcall", may_make, "rollcall:rollcall-api"))
    folder = tmp_path_factory.mktemp("api")
    known = {
        "clientId": NAME,
        "secretSha256": hashlib.sha256(SECRET.encode()).hexdigest(),
        "serviceAccount": f"rollcall/{NAME}",
    }
    file = folder / "applications.yaml"
    file.write_text(json.dumps({"applications": [known]}))
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-api")
    ids = {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in PROJECTS[0].ids().items()}
    with running_prometheus(folder) as prometheus:
        settings = {"cluster__id": CLUSTER, "api__applications_file": file, "prometheus__url": prometheus.url}
        with ApiProcess(folder, shared_database, kubeconfig=kubeconfig, **settings) as process:
            yield {
                "address": process.address,
                "client_id": NAME,
                "secret": SECRET,
                "ids": {**ids, "cluster_id": CLUSTER},
                "paths": sorted(PATHS),
            }
            assert "Traceback" not in process.log()
    rbac = client.RbacAuthorizationV1Api(api)
    rbac.delete_cluster_role_binding(NAME)
    rbac.delete_cluster_role(NAME)


@pytest.fixture(scope="module", params=VERSIONS)
def seen(request: pytest.FixtureRequest, asked: dict[str, Any]) -> dict[str, Any]:
    """What clients of each kind saw; one process holds them all."""
    found: dict[str, Any] = run_session(SESSION, request.param, json.dumps(asked))
    return found


@pytest.mark.parametrize("kind", ["sync", "threaded", "async"])
def test_every_method_that_is_served_answers_what_its_model_takes(seen: dict[str, Any], kind: str) -> None:
    called = seen[kind]["called"]
    faults = {name: found for name, found in called.items() if found["status"] != 200 or found["fault"]}
    assert faults == {}
    core = {f"/api/v1/workloads{end}" for end in ("", "/count", "/{}", "/telemetry", "/{}/metrics")}
    assert core <= {found["path"] for found in called.values()}


@pytest.mark.parametrize("kind", ["sync", "threaded", "async"])
def test_every_method_that_is_not_served_has_its_reason(seen: dict[str, Any], kind: str) -> None:
    unexplained = {
        name: path
        for name, path in seen[kind]["missing"].items()
        if not any(re.fullmatch(pattern.replace("{}", r"\{\}"), path) for pattern in NOT_SERVED)
    }
    assert unexplained == {}, "serve them, or say in NOT_SERVED why not"
