"""Random clusters: nodes and pods of every form of GPU, owner, namespace and state, as plain objects."""

from typing import Any

from hypothesis import strategies as st
from support.observed import STATUSES

GPU = "nvidia.com/gpu"

NODE_LABELS: st.SearchStrategy[dict[str, str]] = st.sampled_from(
    [
        {},
        {"nvidia.com/gpu.memory": "40960", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
        {"nvidia.com/gpu.memory": "24576", "nvidia.com/gpu.product": "NVIDIA-A30", "kai.scheduler/node-pool": "a30"},
        {"nvidia.com/gpu.memory": "16384", "nvidia.com/gpu.replicas": "4", "kai.scheduler/node-pool": "cut"},
        {"nvidia.com/mig-1g.5gb.memory": "4864", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
        {"beta.amd.com/gpu.vram.64G": "4", "kai.scheduler/node-pool": "amd"},
    ]
)
FORMS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "none": ({}, {}),
    "whole": ({GPU: "2"}, {}),
    "amd": ({"amd.com/gpu": "1"}, {}),
    "partition": ({"amd.com/cpx_nps4": "3"}, {}),
    "mig": ({"nvidia.com/mig-1g.5gb": "3", "nvidia.com/mig-2g.10gb": "1"}, {}),
    "old mig": ({}, {"nvidia.com/mig-1g.5gb": "1"}),
    "fraction": ({GPU: "1"}, {"gpu-fraction": "0.3", "gpu-fraction-num-devices": "2"}),
    "slice": ({}, {"gpu-memory": "3000"}),
    "hami": ({GPU: "2", "nvidia.com/gpumem": "3000"}, {}),
    "percentage": ({GPU: "1", "nvidia.com/gpumem-percentage": "33"}, {}),
    "shared": ({"nvidia.com/gpu.shared": "1"}, {}),
    "device class": ({"deviceclass.resource.kubernetes.io/gpu.nvidia.com": "1"}, {}),
    "other": ({"google.com/tpu": "4", "cpu": "3", "memory": "1Gi"}, {}),
}
OWNERS = {
    "nobody": None,
    "known": ("apps/v1", "Deployment", "known"),
    "batch": ("batch/v1", "Job", "batch"),
    "gone": ("kubeflow.org/v1", "PyTorchJob", "gone"),
    "unknown": ("example.com/v1", "Thing", "thing"),
    "daemon": ("apps/v1", "DaemonSet", "agent"),
    "static": ("v1", "Node", "node-0"),
}
PLACES = st.sampled_from(
    [
        ("runai-team-a", {}),
        ("team-b", {}),
        ("team-b", {"app": "kai-reservation"}),
        ("kube-system", {}),
        ("kai-resource-reservation", {}),
        ("kai-scale-adjust", {}),
    ]
)
PODS = st.lists(
    st.fixed_dictionaries(
        {
            "form": st.sampled_from(list(FORMS)),
            "owner": st.sampled_from(list(OWNERS)),
            "place": PLACES,
            "state": st.sampled_from(list(STATUSES)),
            "node": st.sampled_from(["node-0", "node-1", "node-2", "node-gone", None]),
            "deleting": st.booleans(),
            "claim": st.sampled_from([None, None, "own", "shared"]),
        }
    ),
    max_size=12,
)
OBJECTS = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "known", "namespace": namespace, "uid": f"known of {namespace}"},
        "spec": {"replicas": 2},
    }
    for namespace in ("team-b", "runai-team-a")
]


def result(device: str) -> dict[str, Any]:
    """One allocated device."""
    return {"request": "gpu", "driver": "gpu.nvidia.com", "pool": "p", "device": device}


def claim_of(name: str, namespace: str, users: list[str]) -> dict[str, Any]:
    """A ResourceClaim, allocated where it has users."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": namespace, "uid": f"claim-{namespace}-{name}"},
        "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}},
        "status": {
            "allocation": {"devices": {"results": [result(name)]}},
            "reservedFor": [{"resource": "pods", "name": uid, "uid": uid} for uid in users],
        }
        if users
        else {},
    }


def pod_of(number: int, drawn: dict[str, Any]) -> dict[str, Any]:
    """A pod as :data:`PODS` draws one."""
    amounts, annotations = FORMS[drawn["form"]]
    namespace, labels = drawn["place"]
    metadata: dict[str, Any] = {
        "name": f"pod-{number}",
        "namespace": namespace,
        "uid": f"pod-{number}",
        "labels": labels,
        "annotations": annotations,
    }
    owner = OWNERS[drawn["owner"]]
    if owner is not None:
        api_version, kind, name = owner
        metadata["ownerReferences"] = [
            {"apiVersion": api_version, "kind": kind, "name": name, "uid": f"{name} of {namespace}", "controller": True}
        ]
    if drawn["deleting"]:
        metadata["deletionTimestamp"] = "2026-03-01T11:59:00Z"
    spec: dict[str, Any] = {"containers": [{"name": "main", "resources": {"requests": amounts}}]}
    if drawn["node"] is not None:
        spec["nodeName"] = drawn["node"]
    claim = {"own": f"own-{number}", "shared": "shared"}.get(drawn["claim"])
    if claim is not None:
        spec["resourceClaims"] = [{"name": "gpu", "resourceClaimName": claim}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": STATUSES[drawn["state"]],
    }


def claims_for(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims that these pods use, reserved for those that hold them, as the scheduler would."""
    users: dict[tuple[str, str], list[str]] = {}
    for pod in pods:
        for one in pod["spec"].get("resourceClaims", ()):
            key = (one["resourceClaimName"], pod["metadata"]["namespace"])
            holds = "nodeName" in pod["spec"] and pod["status"].get("phase") not in ("Succeeded", "Failed")
            users.setdefault(key, []).extend([pod["metadata"]["uid"]] if holds else [])
    return [claim_of(name, namespace, uids) for (name, namespace), uids in users.items()]


def node_of(number: int, labels: dict[str, str]) -> dict[str, Any]:
    """A node with these labels."""
    name = f"node-{number}"
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": labels}}
