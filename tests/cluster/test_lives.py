"""Each sample's life on the real control plane, from creation to deletion, as the rows tell it.

All samples live at once, under one operator that has the documented rights and nothing more.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from support.cluster_objects import remove_namespace
from support.operator_process import OperatorProcess
from support.rows import Row, Rows, eventually

from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import SAMPLES, apply_objects, read_documents
from rollcall_cluster.control_plane import LocalCluster
from rollcall_cluster.training import TrainingOperator

GPU = 1_000_000
"""Micros of one."""

FATAL_GRACE_SECONDS = 5
"""Short, so that an image that is not there counts within the test's patience."""


@pytest.fixture(scope="module")
def samples(
    cluster: LocalCluster,
    api: client.ApiClient,
    shared_database: DatabaseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rows]:
    """The samples, alive, and the rows that the operator makes of them."""
    operator = OperatorProcess(
        tmp_path_factory.mktemp("operator"),
        cluster.kubeconfig_of("rollcall", "rollcall-operator"),
        shared_database,
        cluster__fatal_grace_seconds=FATAL_GRACE_SECONDS,
    )
    with operator, TrainingOperator(api):
        apply_objects(api, read_documents(sorted(SAMPLES.glob("*.yaml"))))
        yield Rows(shared_database)
    for namespace in ("vision", "language", "serving"):
        remove_namespace(api, namespace)


def in_order(wanted: list[str], history: list[str]) -> bool:
    """Whether the history has the wanted phases in that order, others in between allowed."""
    left = iter(history)
    return all(phase in left for phase in wanted)


SAMPLE_LIVES: dict[tuple[str, str], tuple[str, list[str], dict[str, Any]]] = {
    ("vision", "resize-images"): ("Job", ["Running", "Completed"], {"allocated_gpu_micros": 0, "running_pods": 0}),
    ("vision", "train-broken"): ("Job", ["Running", "Failed"], {"k8s_phase": "Failed"}),
    ("vision", "train-too-big"): ("Job", ["Running", "Failed"], {"running_pods": 0}),
    ("vision", "train-later"): ("Job", ["Stopped"], {"allocated_gpu_micros": 0, "running_pods": 0}),
    ("vision", "notebook"): ("Pod", ["Running"], {"allocated_gpu_micros": GPU, "node_pools": ["h100"]}),
    ("language", "finetune"): ("PyTorchJob", ["Running", "Completed"], {"distributed_framework": "PyTorch"}),
    ("language", "train-giant"): ("Job", ["Pending"], {"allocated_gpu_micros": 0}),
    ("language", "evaluate"): ("CronJob", ["Pending", "Running"], {}),
    ("serving", "chat"): ("Deployment", ["Running"], {"allocated_gpu_micros": 4 * GPU, "running_pods": 2}),
    ("serving", "translate"): ("Deployment", ["Initializing", "Failed"], {}),
    ("serving", "search"): ("Deployment", ["Running"], {}),
    ("serving", "vectors"): ("StatefulSet", ["Running"], {"allocated_gpu_micros": 0, "running_pods": 2}),
}


@pytest.mark.parametrize(("namespace", "name"), SAMPLE_LIVES)
def test_a_sample_lives_as_it_should(samples: Rows, namespace: str, name: str) -> None:
    kind, phases, columns = SAMPLE_LIVES[namespace, name]

    def lived() -> tuple[Row, list[str]]:
        row = samples.live(namespace, name)
        return row, samples.history(row["uid"]) if row else []

    def as_it_should(found: tuple[Row, list[str]]) -> bool:
        row, history = found
        return (
            bool(row)
            and row["phase"] == history[-1]
            and in_order(phases, history)
            and all(row[column] == value for column, value in columns.items())
        )

    # A CronJob's first run comes within the minute, and a training takes 45 s.
    row, history = eventually(lived, as_it_should, seconds=120)
    assert row["type"] == kind
    assert row["project_name"] == namespace
    assert row["department_name"] == ("product" if namespace == "serving" else "research")
    assert "Unknown" not in history


def test_messages_say_what_is_wrong(samples: Rows) -> None:
    wanted = {
        ("language", "train-giant"): "Insufficient nvidia.com/gpu",
        ("vision", "train-too-big"): "OOMKilled",
        ("vision", "train-broken"): "exit code 3",
        ("vision", "train-later"): "suspend",
        ("serving", "translate"): "no-such-image",
    }

    def unsaid() -> dict[tuple[str, str], str]:
        said = {name: samples.live(*name).get("phase_message") or "" for name in wanted}
        return {name: text for name, text in said.items() if wanted[name] not in text}

    eventually(unsaid, lambda found: not found)


def test_a_retry_is_seen_on_the_way_to_failure(samples: Rows) -> None:
    row = samples.until("vision", "train-broken", phase="Failed", seconds=120)
    states = "SELECT state FROM pods WHERE workload_uid = %(uid)s"
    # The Job is watched for itself: it may be known to have failed before its last pod is.
    eventually(
        lambda: [pod["state"] for pod in samples.query(states, uid=row["uid"])], lambda found: found == ["failed"] * 3
    )


def test_a_deployment_scales_up_and_down(samples: Rows, api: client.ApiClient) -> None:
    apps: Any = client.AppsV1Api(api)
    for replicas in (3, 1, 2):
        apps.patch_namespaced_deployment_scale("chat", "serving", {"spec": {"replicas": replicas}})
        row = samples.until(
            "serving", "chat", phase="Running", running_pods=replicas, allocated_gpu_micros=2 * replicas * GPU
        )
        assert row["details"]


def test_a_suspended_job_runs_once_it_is_resumed(samples: Rows, api: client.ApiClient) -> None:
    samples.until("vision", "train-later", phase="Stopped")
    batch: Any = client.BatchV1Api(api)
    batch.patch_namespaced_job("train-later", "vision", {"spec": {"suspend": False}})
    samples.until("vision", "train-later", phase="Running", allocated_gpu_micros=4 * GPU)


def test_a_service_and_an_ingress_lead_to_their_pods(samples: Rows, api: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(api)
    networking: Any = client.NetworkingV1Api(api)
    metadata = {"name": "chat"}
    port = {"name": "http", "port": 80, "targetPort": 8000}
    backend = {"service": {"name": "chat", "port": {"name": "http"}}}
    rule = {"host": "chat.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    samples.until("serving", "chat", phase="Running")
    networking.create_namespaced_ingress("serving", {"metadata": metadata, "spec": {"rules": [rule]}})
    core.create_namespaced_service(
        "serving", {"metadata": metadata, "spec": {"selector": {"app": "chat"}, "ports": [port]}}
    )
    details = eventually(lambda: samples.live("serving", "chat")["details"], lambda found: "urls" in found)
    assert details["urls"] == ["http://chat.example.com"]
    assert details["connections"] == [["chat", "ExternalUrl", "custom", "http://chat.example.com", 8000]]
    core.delete_namespaced_service("chat", "serving")
    eventually(lambda: samples.live("serving", "chat")["details"], lambda found: "urls" not in found)
    networking.delete_namespaced_ingress("chat", "serving")


def test_owned_objects_are_no_workloads(samples: Rows) -> None:
    samples.until("serving", "chat", phase="Running")
    kinds = {row["kind"] for row in samples.query("SELECT DISTINCT kind FROM workloads WHERE namespace = 'serving'")}
    assert kinds == {"Deployment", "StatefulSet"}


def test_gpus_of_the_view_are_those_of_the_nodes(samples: Rows, api: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(api)

    def both() -> tuple[int, int]:
        (row,) = samples.query("SELECT COALESCE(sum(allocated_gpu_micros), 0) AS held FROM workloads")
        bound = 0
        for pod in core.list_pod_for_all_namespaces().items:
            if pod.spec.node_name and pod.status.phase in {"Pending", "Running"}:
                for container in pod.spec.containers:
                    bound += int((container.resources.requests or {}).get("nvidia.com/gpu", "0"))
        return int(row["held"]), bound * GPU

    eventually(both, lambda found: found[0] == found[1])


@pytest.mark.parametrize(
    ("namespace", "name", "last_phase"),
    [
        ("vision", "resize-images", "Completed"),
        ("vision", "train-broken", "Failed"),
        ("vision", "notebook", "Running"),
        ("language", "finetune", "Completed"),
        ("language", "train-giant", "Pending"),
        ("serving", "vectors", "Running"),
        ("serving", "chat", "Running"),
    ],
)
def test_what_is_deleted_keeps_its_last_phase(
    samples: Rows, api: client.ApiClient, namespace: str, name: str, last_phase: str
) -> None:
    row = samples.until(namespace, name, phase=last_phase, seconds=120)
    delete(api, row)
    gone = samples.until_deleted(namespace, name)
    assert (gone["uid"], gone["phase"], gone["deletion_seen"]) == (row["uid"], last_phase, "exact")
    assert gone["deleted_at"] >= gone["created_at"]
    # Its pods go after it, and what they do on their way says nothing of it.
    eventually(lambda: samples.query("SELECT * FROM pods WHERE workload_uid = %(uid)s", uid=row["uid"]), no_rows)
    assert samples.until_deleted(namespace, name)["phase"] == last_phase


def no_rows(found: list[Row]) -> bool:
    """Whether the last is gone."""
    return not found


def delete(api: client.ApiClient, row: Row) -> None:
    """Delete the object of a row as kubectl does: dependents in the background."""
    background = {"propagation_policy": "Background"}
    core, batch, apps = (made(api) for made in (client.CoreV1Api, client.BatchV1Api, client.AppsV1Api))
    name, namespace = row["name"], row["namespace"]
    match row["kind"]:
        case "Pod":
            core.delete_namespaced_pod(name, namespace)
        case "Job":
            batch.delete_namespaced_job(name, namespace, **background)
        case "Deployment":
            apps.delete_namespaced_deployment(name, namespace, **background)
        case "StatefulSet":
            apps.delete_namespaced_stateful_set(name, namespace, **background)
        case "PyTorchJob":
            client.CustomObjectsApi(api).delete_namespaced_custom_object(
                "kubeflow.org", "v1", namespace, "pytorchjobs", name
            )
