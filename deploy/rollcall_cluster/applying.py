"""Putting objects into a cluster: YAML files by server-side apply, and the simulated GPU nodes."""

import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from rollcall.errors import ClusterError

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
"""The sample workloads."""

MANAGER = "rollcall-samples"
_PATIENCE_SECONDS = 30


def read_documents(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Every object of some YAML files, in order."""
    return [found for path in paths for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found]


def apply_objects(api: client.ApiClient, objects: Iterable[Mapping[str, Any]]) -> None:
    """Create or update objects. Waits for kinds and namespaces that were applied just before.

    Raises:
        ClusterError: the API server refuses one; the sentence names it.
    """
    # Its memory of discovery is a file by the server's address, and another cluster may have had that port.
    with tempfile.TemporaryDirectory(prefix="rollcall-discovery-") as folder:
        known: Any = dynamic.DynamicClient(api, cache_file=str(Path(folder, "kinds.json")))  # type: ignore[no-untyped-call]
        for obj in objects:
            _apply_one(known, obj)


def _apply_one(known: Any, obj: Mapping[str, Any]) -> None:
    metadata = obj["metadata"]
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            resource = known.resources.get(api_version=obj["apiVersion"], kind=obj["kind"])
            known.server_side_apply(
                resource,
                body=dict(obj),
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                field_manager=MANAGER,
                force_conflicts=True,
            )
        except (ResourceNotFoundError, ApiException) as error:
            # A new CRD is not served at once; a pod of a new namespace waits for its ServiceAccount (403).
            status = getattr(error, "status", 404)
            if status not in {403, 404, 500} or time.monotonic() > until:
                name = f"{obj['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
                raise ClusterError(f"{name} was not taken: {_words(error)}.") from error
            time.sleep(0.2)
            known.resources.invalidate_cache()
        else:
            return


def _words(error: Exception) -> str:
    return f"{getattr(error, 'status', '')} {getattr(error, 'reason', error)} {getattr(error, 'body', '')}".strip()


def simulated_node(name: str, *, gpus: int = 8, pool: str | None = None, product: str = "") -> dict[str, Any]:
    """A node that kwok plays, with GPUs as device plugins and GPU feature discovery declare them."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "type": "kwok",
    }
    if pool is not None:
        labels["kai.scheduler/node-pool"] = pool
    if gpus:
        memory = {"NVIDIA-A100-SXM4-80GB": "81920", "NVIDIA-H100-80GB-HBM3": "81559"}.get(product, "40960")
        labels |= {
            "nvidia.com/gpu.product": product,
            "nvidia.com/gpu.memory": memory,
            "nvidia.com/gpu.count": str(gpus),
        }
    capacity = {"cpu": "128", "memory": "1Ti", "ephemeral-storage": "4Ti", "pods": "500"}
    if gpus:
        capacity["nvidia.com/gpu"] = str(gpus)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


NODES = (
    simulated_node("a100-1", pool="a100", product="NVIDIA-A100-SXM4-80GB"),
    simulated_node("a100-2", pool="a100", product="NVIDIA-A100-SXM4-80GB"),
    simulated_node("h100-1", pool="h100", product="NVIDIA-H100-80GB-HBM3"),
    simulated_node("h100-2", pool="h100", product="NVIDIA-H100-80GB-HBM3"),
    simulated_node("spare-1", product="NVIDIA-A100-SXM4-40GB"),
    simulated_node("cpu-1", gpus=0),
)
"""Four GPU nodes in two pools, one in none, and one without GPUs."""


def create_nodes(api: client.ApiClient, nodes: Iterable[Mapping[str, Any]] = NODES) -> None:
    """Create simulated nodes; those that are there stay as they are."""
    core: Any = client.CoreV1Api(api)
    for node in nodes:
        try:
            core.create_node(dict(node))
        except ApiException as error:
            if error.status != 409:  # noqa: PLR2004 - it exists
                raise ClusterError(f"Node {node['metadata']['name']} was not taken: {_words(error)}.") from error
