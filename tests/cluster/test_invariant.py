"""The invariant through churn: what workloads hold and what ignored pods hold is what is bound, whenever it is quiet.

Two thousand pods come and go, of several kinds and of kinds that are on no record. Three counts are compared: the
gauges that the operator publishes, the rows, and the pods as the API server lists them, counted here anew.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest
from kubernetes import client
from support.cluster_objects import a_deployment, a_job, a_pod, a_pod_template, a_project, remove_namespace
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

from rollcall_cluster.applying import create_nodes, simulated_node

OperatorOf = Callable[..., OperatorProcess]
Json = dict[str, Any]

GPU = 1_000_000
"""Micros of one."""

WAVES = 4
PODS_A_WAVE = 500
NODES = 10
AT_ONCE = 16
QUIET_SECONDS = 180
"""How long until all that was asked for has happened."""

RESERVATIONS = "kai-resource-reservation"


@pytest.fixture
def places(api: client.ApiClient, apply: Callable[..., None]) -> Iterator[list[str]]:
    """A namespace a wave, on nodes with many GPUs; one of pods that reserve GPUs for others."""
    names = [f"churn-{wave}" for wave in range(WAVES)]
    nodes = [f"churn-{number}" for number in range(NODES)]
    create_nodes(api, [simulated_node(name, gpus=128, pool="churn") for name in nodes])
    reservations = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RESERVATIONS}}
    apply(reservations, *map(a_project, names))
    yield names
    core: Any = client.CoreV1Api(api)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name in (*names, RESERVATIONS):
            pool.submit(remove_namespace, api, name)
    for name in nodes:
        core.delete_node(name)


class Churn:
    """Makes waves of pods and takes them away."""

    def __init__(self, api: client.ApiClient) -> None:
        self._core: Any = client.CoreV1Api(api)
        self._apps: Any = client.AppsV1Api(api)
        self._batch: Any = client.BatchV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)

    def make(self, namespace: str) -> None:
        """One wave: half a thousand pods, some made here and some by controllers."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in range(10):
                body = a_job(namespace, f"job-{number}", spec={"parallelism": 10, "completions": 10})
                pool.submit(self._batch.create_namespaced_job, namespace, body)
            for number in range(5):
                body = a_deployment(namespace, f"deployment-{number}", replicas=20)
                pool.submit(self._apps.create_namespaced_deployment, namespace, body)
            for number in range(2):
                body = a_stateful_set(namespace, f"set-{number}", replicas=25)
                pool.submit(self._apps.create_namespaced_stateful_set, namespace, body)
            for number in range(5):
                pool.submit(self._train, namespace, f"train-{number}", replicas=10)
            for number in range(50):
                self._pod(pool, a_pod(namespace, f"whole-{number}"))
                self._pod(pool, a_share(namespace, f"share-{number}"))
                self._pod(pool, a_pod("kube-system", f"{namespace}-system-{number}"))
                self._pod(pool, a_pod(RESERVATIONS, f"{namespace}-reservation-{number}"))

    def delete(self, namespace: str) -> None:
        """Delete a wave: its owners, and the pods that nothing owns."""
        options = {"propagation_policy": "Background"}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pool.submit(self._batch.delete_collection_namespaced_job, namespace, **options)
            pool.submit(self._apps.delete_collection_namespaced_deployment, namespace, **options)
            pool.submit(self._apps.delete_collection_namespaced_stateful_set, namespace, **options)
            pool.submit(
                self._custom.delete_collection_namespaced_custom_object, "kubeflow.org", "v1", namespace, "pytorchjobs"
            )
            for number in range(50):
                for name, place in (
                    (f"whole-{number}", namespace),
                    (f"share-{number}", namespace),
                    (f"{namespace}-system-{number}", "kube-system"),
                    (f"{namespace}-reservation-{number}", RESERVATIONS),
                ):
                    pool.submit(self._core.delete_namespaced_pod, name, place)

    def pods(self) -> list[Json]:
        """All pods of the cluster, plain: to make objects of a thousand takes longer than to list them."""
        answer = self._core.list_pod_for_all_namespaces(resource_version="0", _preload_content=False)
        found: list[Json] = json.loads(answer.data)["items"]
        return found

    def _pod(self, pool: ThreadPoolExecutor, body: Json) -> None:
        pool.submit(self._core.create_namespaced_pod, body["metadata"]["namespace"], body)

    def _train(self, namespace: str, name: str, *, replicas: int) -> None:
        """A PyTorchJob and, as its operator would make them, its pods."""
        spec = {"pytorchReplicaSpecs": {"Worker": {"replicas": replicas, "template": a_pod_template()}}}
        body = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"name": name}, "spec": spec}
        made = self._custom.create_namespaced_custom_object("kubeflow.org", "v1", namespace, "pytorchjobs", body)
        owner = {
            "apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob",
            "name": name,
            "uid": made["metadata"]["uid"],
            "controller": True,
        }
        for number in range(replicas):
            pod = a_pod(namespace, f"{name}-worker-{number}")
            pod["metadata"]["ownerReferences"] = [owner]
            self._core.create_namespaced_pod(namespace, pod)


def a_stateful_set(namespace: str, name: str, *, replicas: int) -> Json:
    """A StatefulSet whose pods come all at once."""
    body = a_deployment(namespace, name, replicas=replicas)
    body["kind"] = "StatefulSet"
    body["spec"] |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return body


def a_share(namespace: str, name: str) -> Json:
    """A pod with half a GPU, by KAI's annotation."""
    pod = a_pod(namespace, name, gpus=0)
    pod["metadata"]["annotations"] = {**pod["metadata"]["annotations"], "gpu-fraction": "0.5"}
    return pod


def held_by(pod: Json) -> Fraction:
    """What a pod holds: as simply as it can be said."""
    if "nodeName" not in pod["spec"] or pod["status"].get("phase") in ("Succeeded", "Failed"):
        return Fraction(0)
    if pod["metadata"]["namespace"] == RESERVATIONS:
        return Fraction(0)  # the shares are counted in its place
    share = pod["metadata"].get("annotations", {}).get("gpu-fraction")
    if share is not None:
        return Fraction(share)
    limits = [container["resources"].get("limits", {}) for container in pod["spec"]["containers"]]
    return sum((Fraction(limit.get("nvidia.com/gpu", "0")) for limit in limits), Fraction(0))


def counts(operator: OperatorProcess, rows: Rows, pods: list[Json]) -> dict[str, Fraction]:
    """GPUs by each way of counting."""
    (row,) = rows.query("SELECT COALESCE(sum(allocated_gpu_micros), 0) AS held FROM workloads")
    return {
        "on workloads, by the gauge": Fraction(operator.metric('rollcall_gpus_allocated{of="workloads"}')),
        "on ignored pods, by the gauge": Fraction(operator.metric('rollcall_gpus_allocated{of="ignored"}')),
        "bound, by the gauge": Fraction(operator.total_of("rollcall_gpus_bound")),
        "on workloads, by the rows": Fraction(int(row["held"]), GPU),
        "bound, by the pods": sum(map(held_by, pods), Fraction(0)),
    }


def agree(found: dict[str, Fraction]) -> bool:
    """Whether the invariant holds."""
    on_workloads = found["on workloads, by the gauge"]
    bound = found["bound, by the pods"]
    return (
        on_workloads == found["on workloads, by the rows"]
        and on_workloads + found["on ignored pods, by the gauge"] == bound
        and found["bound, by the gauge"] == bound
    )


@pytest.mark.timeout(900)
def test_what_is_held_is_what_is_bound_through_churn(
    operator_of: OperatorOf, places: list[str], rows: Rows, api: client.ApiClient
) -> None:
    churn = Churn(api)
    seen: set[str] = set()

    def ours() -> list[Json]:
        metas = [(pod, pod["metadata"]) for pod in churn.pods()]
        return [pod for pod, meta in metas if "churn-" in (meta["name"][:6], meta["namespace"][:6])]

    def quiet(number: int) -> None:
        """So many pods are there and all of them run."""

        def state() -> tuple[int, int]:
            pods = ours()
            seen.update(pod["metadata"]["uid"] for pod in pods)
            return len(pods), sum(pod["status"].get("phase") == "Running" for pod in pods)

        eventually(state, lambda found: found == (number, number), seconds=QUIET_SECONDS)

    def holds(least: int) -> None:
        found = eventually(lambda: counts(operator, rows, churn.pods()), agree, seconds=QUIET_SECONDS)
        assert found["on workloads, by the rows"] >= least
        assert (found["on ignored pods, by the gauge"] > 0) == (least > 0)

    with operator_of() as operator:
        for wave, place in enumerate(places):
            churn.make(place)
            if wave:
                churn.delete(places[wave - 1])
            quiet(PODS_A_WAVE)
            holds(300)
        churn.delete(places[-1])
        quiet(0)
        holds(0)
        assert len(seen) == WAVES * PODS_A_WAVE
        assert operator.readiness() == "ok"
