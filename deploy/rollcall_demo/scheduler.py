"""The scheduler: binds pods to nodes with room, and says in the usual words why it cannot."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from rollcall_demo import kubelet, recorder
from rollcall_demo.agenda import Act
from rollcall_demo.cluster_contents import GPU
from rollcall_demo.objects import Json
from rollcall_demo.pod_statuses import is_terminal, set_pod_condition
from rollcall_demo.resources import NODE, POD
from rollcall_demo.world import World, ref_of

ROUND_SECONDS = 0.5

_UNITS = {"m": 1, "Ki": 2**10 * 1000, "Mi": 2**20 * 1000, "Gi": 2**30 * 1000, "Ti": 2**40 * 1000}

Amounts = Counter[str]
"""Thousandths of each resource's unit."""


def schedule_for_ever(world: World) -> Act:
    """One round after the other."""
    asked: dict[str, Amounts] = {}
    while True:
        pods = world.objects.all(POD)
        # What a pod asks for never changes; kept from round to round, for those that are still there.
        uids = [pod["metadata"]["uid"] for pod in pods]
        asked = {uid: asked.get(uid) or requests_of(pod) for uid, pod in zip(uids, pods, strict=True)}
        schedule(world, pods, asked)
        yield ROUND_SECONDS


def schedule(world: World, pods: list[Json], asked_by: Mapping[str, Amounts]) -> None:
    """Give every pod that waits a node, or a reason: the most important first, then the oldest."""
    waiting = [pod for pod in pods if _waits(pod)]
    if not waiting:
        return
    nodes = world.objects.all(NODE)
    free = free_amounts(nodes, pods, asked_by)
    # Of two as full the one with fewer GPUs: who asks for none goes where there is none.
    capacity = {node["metadata"]["name"]: int(node["status"]["allocatable"].get(GPU, "0")) for node in nodes}
    for pod in sorted(waiting, key=_urgency):
        asked = asked_by[pod["metadata"]["uid"]]
        refusals = {node["metadata"]["name"]: _refusals(pod, node, asked, free) for node in nodes}
        fitting = [name for name, reasons in refusals.items() if not reasons]
        if fitting:
            # The fullest that fits, so that whole nodes stay free for those that need whole nodes.
            name = min(fitting, key=lambda name: (free[name][GPU], capacity[name], name))
            free[name].subtract(asked)
            _bind(world, pod, name)
        else:
            _refuse(world, pod, Counter(reason for reasons in refusals.values() for reason in reasons), len(nodes))


def free_amounts(nodes: list[Json], pods: list[Json], asked_by: Mapping[str, Amounts]) -> dict[str, Amounts]:
    """What each node has left; a pod holds what it asked for, by its uid, until its phase is terminal."""
    free = {
        node["metadata"]["name"]: Counter(
            {key: quantity(value) for key, value in node["status"]["allocatable"].items()}
        )
        for node in nodes
    }
    for pod in pods:
        node_name = pod["spec"].get("nodeName")
        if node_name is not None and not is_terminal(pod):
            free[node_name].subtract(asked_by[pod["metadata"]["uid"]])
    return free


def requests_of(pod: Json) -> Amounts:
    """What a pod takes of a node: what its containers ask for together, and its place. Its init container is free."""
    total: Amounts = Counter({"pods": 1000})
    for container in pod["spec"]["containers"]:
        total.update({key: quantity(value) for key, value in container["resources"]["requests"].items()})
    return total


@lru_cache(maxsize=256)
def quantity(text: str) -> int:
    """A quantity in thousandths of its base unit; whole numbers before the unit, as this cluster's objects have."""
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * factor
    return int(text) * 1000


def _waits(pod: Json) -> bool:
    return "nodeName" not in pod["spec"] and "deletionTimestamp" not in pod["metadata"] and not is_terminal(pod)


def _urgency(pod: Json) -> tuple[int, str, str]:
    metadata = pod["metadata"]
    return -pod["spec"].get("priority", 0), metadata["creationTimestamp"], metadata["name"]


def _refusals(pod: Json, node: Json, asked: Amounts, free: Mapping[str, Amounts]) -> list[str]:
    selector = pod["spec"].get("nodeSelector", {})
    labels = node["metadata"]["labels"]
    if any(labels.get(key) != value for key, value in selector.items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    tolerated = {toleration["key"] for toleration in pod["spec"]["tolerations"]}
    if any(taint["key"] not in tolerated for taint in node["spec"]["taints"]):
        return ["node(s) had untolerated taint(s)"]
    left = free[node["metadata"]["name"]]
    return [f"Insufficient {resource}" for resource, amount in asked.items() if left[resource] < amount]


def _bind(world: World, pod: Json, node_name: str) -> None:
    ref = ref_of(POD, pod)
    with world.editing(ref) as edited:
        edited["spec"]["nodeName"] = node_name
        set_pod_condition(edited["status"].setdefault("conditions", []), "PodScheduled", "True", at=world.stamp())
    where = f"{ref.namespace}/{ref.name}"
    recorder.normal(world, pod, recorder.SCHEDULER, "Scheduled", f"Successfully assigned {where} to {node_name}")
    kubelet.begin(world, ref)


def _refuse(world: World, pod: Json, reasons: Counter[str], nodes: int) -> None:
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    message = f"0/{nodes} nodes are available: {listed}. preemption: not eligible due to preemptionPolicy=Never."
    if any(condition.get("message") == message for condition in pod["status"].get("conditions", ())):
        return
    recorder.warning(world, pod, recorder.SCHEDULER, "FailedScheduling", message)
    with world.editing(ref_of(POD, pod)) as edited:
        conditions = edited["status"].setdefault("conditions", [])
        set_pod_condition(
            conditions, "PodScheduled", "False", at=world.stamp(), reason="Unschedulable", message=message
        )
