"""What stands in the simulated cluster before anything runs: nodes, namespaces, priority classes, the training kind."""

from collections.abc import Iterator

from rollcall_demo.objects import Json
from rollcall_demo.resources import CRD, NAMESPACE, NODE, PRIORITY_CLASS, PYTORCHJOB
from rollcall_demo.world import World

POOL_LABEL = "kai.scheduler/node-pool"
SIMULATED_LABEL = "rollcall.dev/simulated"
"""On every node: that it is none."""

GPU = "nvidia.com/gpu"
GPUS_PER_NODE = 8
KUBELET_VERSION = "v1.37.0-simulated"

CLUSTER_UID = "5133a1a7-ed00-4000-8000-000000000000"
"""The uid of kube-system, by which clusters are told apart: one simulated cluster, however often it is started."""

PRIORITIES = {"low": 40, "train": 50, "build": 100, "inference": 125}
"""The priority classes and their values."""

_H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
_A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.memory": "40960"}
_L40S = {"nvidia.com/gpu.product": "NVIDIA-L40S", "nvidia.com/gpu.memory": "46068"}

_NODES: tuple[tuple[str, str | None, dict[str, str]], ...] = (
    ("sim-h100-1", "h100", _H100),
    ("sim-h100-2", "h100", _H100),
    ("sim-a100-1", "a100", _A100),
    ("sim-a100-2", "a100", _A100),
    ("sim-a100-3", "a100", _A100),
    ("sim-l40s-1", None, _L40S),
    ("sim-l40s-2", None, _L40S),
    ("sim-cpu-1", None, {}),
)
"""Name, pool and GPU labels."""

RESERVED_TAINT = "rollcall.dev/reserved"
RESERVED_POOL = "h100"
"""The pool whose nodes are kept, by a taint, for those that ask for it: so that whole nodes are to be had."""

PROJECTS = {"vision": "research", "language": "research", "speech": "research", "serving": "product"}
"""The department of each project; a project's namespace is named after it."""


def create_contents(world: World) -> None:
    """Create all of it."""
    for namespace in _namespaces():
        world.create(NAMESPACE, namespace, {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    for name, value in PRIORITIES.items():
        world.create(
            PRIORITY_CLASS,
            {"name": name},
            {"value": value, "globalDefault": False, "preemptionPolicy": "Never", "description": "of a simulation"},
        )
    world.create(CRD, {"name": f"{PYTORCHJOB.plural}.{PYTORCHJOB.group}"}, _training_kind())
    for number, (name, pool, gpu_labels) in enumerate(_NODES, start=1):
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "simulated",
            SIMULATED_LABEL: "true",
            **({POOL_LABEL: pool} if pool else {}),
            **({**gpu_labels, "nvidia.com/gpu.count": str(GPUS_PER_NODE)} if gpu_labels else {}),
        }
        status = _node_status(number, world.stamp(), name, gpus=GPUS_PER_NODE if gpu_labels else 0)
        taints = [{"key": RESERVED_TAINT, "value": RESERVED_POOL, "effect": "NoSchedule"}] * (pool == RESERVED_POOL)
        world.create(NODE, {"name": name, "labels": labels}, {"spec": {"taints": taints}, "status": status})


def _namespaces() -> Iterator[Json]:
    yield {"name": "kube-system", "uid": CLUSTER_UID, "labels": {"kubernetes.io/metadata.name": "kube-system"}}
    yield {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}
    for project, department in PROJECTS.items():
        labels = {
            "kubernetes.io/metadata.name": project,
            "kai/project": project,
            "rollcall.dev/department": department,
        }
        yield {"name": project, "labels": labels}


def _training_kind() -> Json:
    names = {"kind": PYTORCHJOB.kind, "plural": PYTORCHJOB.plural, "singular": "pytorchjob"}
    version = {"name": PYTORCHJOB.version, "served": True, "storage": True, "subresources": {"status": {}}}
    spec = {"group": PYTORCHJOB.group, "scope": "Namespaced", "names": names, "versions": [version]}
    established = {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"}
    return {"spec": spec, "status": {"acceptedNames": names, "conditions": [established]}}


def _node_status(number: int, at: str, name: str, *, gpus: int) -> Json:
    amounts = {"cpu": "192", "memory": "2Ti", "pods": "110", **({GPU: str(gpus)} if gpus else {})}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a simulated node is ready"}
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": f"192.0.2.{number}"},
            {"type": "Hostname", "address": name},
        ],
        "conditions": [{**ready, "lastHeartbeatTime": at, "lastTransitionTime": at}],
        "nodeInfo": {"kubeletVersion": KUBELET_VERSION, "osImage": "simulated", "architecture": "amd64"},
    }
