"""Nodes, pools and projects to write, with every field that a test does not name."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from support.workload_builders import START, uid_of

from rollcall.domain.facts import DomainSettings, NodeFacts
from rollcall.domain.node_reading import read_node
from rollcall.store.places import NodePool

PRODUCT = "NVIDIA-A100-SXM4-80GB"


def a_node_body(name: str = "gpu-1", *, gpus: int = 8, ready: str = "True", **labels: str) -> dict[str, Any]:
    """A Node as an API server has it; ``ready`` is the status of its condition."""
    amounts = {"cpu": "64", "memory": "512Gi", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    described = {"nvidia.com/gpu.product": PRODUCT, "nvidia.com/gpu.memory": "81920"} if gpus else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": uid_of(name),
            "resourceVersion": "7",
            "creationTimestamp": START.isoformat(),
            "labels": {**described, **{key.replace("__", "/"): value for key, value in labels.items()}},
        },
        "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}] if gpus else []},
        "status": {
            "allocatable": amounts,
            "conditions": [
                {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory"},
                {"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "kubelet is posting"},
            ],
        },
    }


def a_node(name: str = "gpu-1", *, pool: str | None = "big", **body: Any) -> NodeFacts:
    """The facts of such a node."""
    labels = {} if pool is None else {"kai.scheduler__node-pool": pool}
    node = read_node(a_node_body(name, **labels, **body), DomainSettings())
    assert node is not None
    return node


def changed(node: NodeFacts, **changes: Any) -> NodeFacts:
    """The node as it was seen next."""
    return replace(node, meta=replace(node.meta, resource_version=node.meta.resource_version + 1), **changes)


def a_pool(name: str = "big", *, created_at: datetime = START, **changes: Any) -> NodePool:
    pool = NodePool(name=name, nodes=1, gpu_micros=8_000_000, label="kai.scheduler/node-pool", created_at=created_at)
    return replace(pool, **changes)
