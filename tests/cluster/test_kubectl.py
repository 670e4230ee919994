"""The aggregated API through the real kube-apiserver and the real kubectl, for users of different rights."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_project, remove_namespace
from support.kubectl import Kubectl, table
from support.rows import eventually
from support.workload_builders import a_request, a_workload, uid_of

from rollcall.domain.records import Phase, RequestedPods, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_cluster.applying import SAMPLES, apply_objects, read_documents
from rollcall_cluster.binaries import Binaries
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import free_ports

ONE, OTHER = "kubectl-one", "kubectl-other"
RBAC = "rbac.authorization.k8s.io"
CREATED = datetime.now(UTC) - timedelta(hours=5, minutes=7)

Write = Callable[..., None]


def job(name: str, namespace: str = ONE, **changes: Any) -> WorkloadRecord:
    """A Job's record; its uid is made of both names."""
    given = {"uid": uid_of(f"{namespace}/{name}"), "namespace": namespace, "created_at": CREATED, **changes}
    return a_workload(name, **given)


WORKLOADS = (
    job("train", phase=Phase.RUNNING, phase_message=None, ready_pods=1, running_pods=1, current_node_pools=("big",)),
    job(
        "train",
        uid=uid_of("the ray cluster called train"),
        api_group="ray.io",
        api_version="ray.io/v1",
        kind="RayCluster",
        type="RayCluster",
        requested_pods=RequestedPods(number=3),
        workload_requested=a_request(4),
    ),
    job("waits", phase_message="0/3 nodes are available", project_name="project-one"),
    job("aside", OTHER, submitted_by=None),
    job("bare", OTHER, api_group="", api_version="v1", kind="Pod", type="Pod", phase=Phase.COMPLETED),
)


@pytest.fixture(scope="module")
def write(cluster: LocalCluster, shared_database: DatabaseSettings, api: client.ApiClient) -> Write:
    """Write a batch as this cluster's operator would."""
    core: Any = client.CoreV1Api(api)
    cluster_id = core.read_namespace("kube-system").metadata.uid

    async def written(batch: Batch, of: str) -> None:
        engine = create_engine(shared_database, application_name="test")
        async with engine.begin() as connection:
            now = datetime.now(UTC)
            await write_batch(connection, of, batch, observed_at=now)
            await touch_cluster(connection, cluster_id=of, name="test", watches_observed_at=now)
        await engine.dispose()

    def write(*workloads: WorkloadRecord, gone: tuple[Gone, ...] = (), of: str = cluster_id) -> None:
        asyncio.run(written(Batch(workloads=workloads, gone_workloads=gone), of))

    return write


@pytest.fixture(scope="module")
def served(
    cluster: LocalCluster,
    api: client.ApiClient,
    shared_database: DatabaseSettings,
    write: Write,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiProcess]:
    """The API with the documented rights, registered with the API server."""
    for namespace in (ONE, OTHER):
        apply_objects(api, [a_project(namespace)])
    apply_objects(api, read_documents([SAMPLES.parent / "manifests" / "aggregated-api-rights.yaml"]))
    write(*WORKLOADS)
    elsewhere = replace(WORKLOADS[0], uid=uid_of("elsewhere"), name="elsewhere")
    write(elsewhere, of=uid_of("another cluster"))
    certificate, key = cluster.serving_certificate("rollcall-api", "rollcall-api.rollcall.svc")
    (port,) = free_ports(1)
    with ApiProcess(
        tmp_path_factory.mktemp("aggregated"),
        shared_database,
        kubeconfig=cluster.kubeconfig_of("rollcall", "rollcall-api"),
        api__aggregated__enabled=True,
        api__aggregated__port=port,
        api__aggregated__certificate_file=certificate,
        api__aggregated__key_file=key,
        api__review_cache_seconds=1,
    ) as process:
        apply_objects(api, registration(port, cluster.authority_file))
        eventually(lambda: availability(api), lambda found: found == "True Passed")
        yield process
    registered: Any = client.ApiregistrationV1Api(api)
    registered.delete_api_service("v1.rollcall.dev")
    for namespace in (ONE, OTHER):
        remove_namespace(api, namespace)


def registration(port: int, authority: Path) -> list[dict[str, Any]]:
    """What makes the API server ask this machine: an address of loopback is none that a Service may have."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "rollcall-api", "namespace": "rollcall"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1.rollcall.dev"},
            "spec": {
                "group": "rollcall.dev",
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority.read_bytes()).decode(),
                "service": {"namespace": "rollcall", "name": "rollcall-api", "port": port},
            },
        },
    ]


def availability(api: client.ApiClient) -> str:
    registered: Any = client.ApiregistrationV1Api(api)
    conditions = registered.read_api_service("v1.rollcall.dev").status.conditions or []
    return next((f"{one.status} {one.reason}" for one in conditions if one.type == "Available"), "unknown")


@pytest.fixture(scope="module")
def kubectl(
    cluster: LocalCluster,
    binaries: Binaries,
    served: ApiProcess,
    api: client.ApiClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kubectl:
    """kubectl of an admin, who may be anybody: ada may view one namespace, bob may edit it, carl sees everything."""
    apply_objects(
        api,
        [
            a_binding("RoleBinding", "ada", "view", namespace=ONE),
            a_binding("RoleBinding", "bob", "edit", namespace=ONE),
            a_binding("ClusterRoleBinding", "carl", "view"),
        ],
    )
    kubectl = Kubectl(binaries, cluster.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    eventually(lambda: kubectl.run("get", "rwl", "-A", user="carl").returncode, lambda code: code == 0)
    return kubectl


def a_binding(kind: str, user: str, role: str, **place: str) -> dict[str, Any]:
    """A user's ClusterRole, everywhere or in one namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": f"kubectl-{user}", **place},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": RBAC, "name": user}],
    }


NAMES = ["train.job.batch", "train.raycluster.ray.io", "waits.job.batch", "aside.job.batch", "bare.pod"]


def names(printed: str) -> list[str]:
    """The names in what ``-o name`` prints."""
    return [line.removeprefix("workload.rollcall.dev/") for line in printed.splitlines()]


def test_a_table_of_all_namespaces(kubectl: Kubectl) -> None:
    header, *rows = table(kubectl("get", "workloads.rollcall.dev", "-A", user="carl"))
    assert header == ["NAMESPACE", "NAME", "TYPE", "PHASE", "PODS", "GPUS", "NODE POOLS", "AGE"]
    assert rows[0] == [ONE, "train.job.batch", "Job", "Running", "1/1", "0/1", "big", "5h7m"]
    assert sorted(row[1] for row in rows) == sorted(NAMES), "of this cluster alone, and two of one name are distinct"
    ray = next(row for row in rows if row[1] == "train.raycluster.ray.io")
    assert ray[2:6] == ["RayCluster", "Pending", "0/3", "0/4"]
