"""The invariant: what workloads and ignored pods hold together is what is bound on the nodes, in any cluster."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.observed import NOW, SETTINGS, STATUSES

from rollcall.domain.balance import balance
from rollcall.domain.claims import read_claim
from rollcall.domain.derivation import derive
from rollcall.domain.reading import read_node, read_pod
from rollcall.domain.records import Remembered, Resources
from rollcall.explain.gathering import gather

GPU = "nvidia.com/gpu"

NODE_LABELS = st.sampled_from(
    [
        {},
        {"nvidia.com/gpu.memory": "40960", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
        {"nvidia.com/gpu.memory": "24576", "nvidia.com/gpu.product": "NVIDIA-A30", "kai.scheduler/node-pool": "a30"},
        {"nvidia.com/gpu.memory": "16384", "nvidia.com/gpu.replicas": "4", "kai.scheduler/node-pool": "cut"},
        {"nvidia.com/mig-1g.5gb.memory": "4864", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
        {"beta.amd.com/gpu.vram.64G": "4", "kai.scheduler/node-pool": "amd"},
    ]
)
FORMS = {
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


def result(device):
    return {"request": "gpu", "driver": "gpu.nvidia.com", "pool": "p", "device": device}


def claim_of(name, namespace, users):
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


def pod_of(number, drawn):
    amounts, annotations = FORMS[drawn["form"]]
    namespace, labels = drawn["place"]
    metadata = {
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
    spec = {"containers": [{"name": "main", "resources": {"requests": amounts}}]}
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


def claims_for(pods):
    """The claims that these pods use, reserved for those that hold them, as the scheduler would."""
    users = {}
    for pod in pods:
        for one in pod["spec"].get("resourceClaims", ()):
            key = (one["resourceClaimName"], pod["metadata"]["namespace"])
            holds = "nodeName" in pod["spec"] and pod["status"].get("phase") not in ("Succeeded", "Failed")
            users.setdefault(key, []).extend([pod["metadata"]["uid"]] if holds else [])
    return [claim_of(name, namespace, uids) for (name, namespace), uids in users.items()]


def weigh(nodes, pods):
    """Both sides, from the objects of a cluster: records as derived against pods as they are."""
    claims = claims_for(pods)
    gathered = gather([*nodes, *OBJECTS, *claims, *pods], SETTINGS)
    records = [
        derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS).workload
        for view in gathered.views
    ]
    read = {}
    for one in claims:
        found = read_claim(one, SETTINGS)
        read.setdefault(one["metadata"]["namespace"], {})[found.name] = found
    return balance(
        [record.allocated for record in records],
        [read_pod(pod, SETTINGS) for pod in pods],
        {node["metadata"]["name"]: read_node(node, SETTINGS) for node in nodes},
        SETTINGS,
        read,
    )


def node_of(number, labels):
    name = f"node-{number}"
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": labels}}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(labels=st.lists(NODE_LABELS, min_size=3, max_size=3), drawn=PODS)
def test_workloads_and_ignored_pods_hold_what_is_bound(labels, drawn):
    nodes = [node_of(number, one) for number, one in enumerate(labels)]
    found = weigh(nodes, [pod_of(number, one) for number, one in enumerate(drawn)])
    assert found.holds, found
    assert found.missing_gpu_micros == 0


WHOLE = {
    "form": "whole",
    "owner": "known",
    "place": ("team-b", {}),
    "state": "ready",
    "node": "node-0",
    "deleting": False,
    "claim": None,
}
CASES = [
    ("a workload's pod", WHOLE, 2_000_000, 0),
    ("one being deleted", WHOLE | {"deleting": True}, 2_000_000, 0),
    ("one that ended", WHOLE | {"state": "succeeded"}, 0, 0),
    ("one that was rejected", WHOLE | {"state": "rejected"}, 0, 0),
    ("one that is not bound", WHOLE | {"node": None, "state": "unscheduled"}, 0, 0),
    ("one that is only nominated", WHOLE | {"node": None, "state": "preempting"}, 0, 0),
    ("a DaemonSet's pod", WHOLE | {"owner": "daemon"}, 0, 2_000_000),
    ("a static pod", WHOLE | {"owner": "static"}, 0, 2_000_000),
    ("one of an ignored namespace", WHOLE | {"place": ("kube-system", {})}, 0, 2_000_000),
    ("a reservation", WHOLE | {"place": ("runai-reservation", {})}, 0, 0),
    ("a reservation by its label", WHOLE | {"place": ("team-b", {"app": "runai-reservation"})}, 0, 0),
    ("one whose owner is unknown", WHOLE | {"owner": "unknown"}, 2_000_000, 0),
    ("one whose node is gone", WHOLE | {"node": "node-gone"}, 2_000_000, 0),
]


@pytest.mark.parametrize(
    ("drawn", "workloads", "ignored"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_who_holds(drawn, workloads, ignored):
    found = weigh([node_of(0, {"kai.scheduler/node-pool": "a"})], [pod_of(0, drawn)])
    assert (found.workloads.gpu_micros, found.ignored.gpu_micros) == (workloads, ignored)
    assert found.holds
    if drawn["node"] != "node-gone" and workloads + ignored:
        assert list(found.bound) == ["a"]


def test_a_pod_that_is_dropped_shows():
    found = weigh([node_of(0, {})], [pod_of(0, WHOLE), pod_of(1, WHOLE)])
    lost = replace(found, workloads=Resources(gpu_micros=2_000_000))
    assert (found.missing_gpu_micros, lost.missing_gpu_micros) == (0, 2_000_000)
    assert not lost.holds
