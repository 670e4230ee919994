"""Nodes: what of their status, taints and GPUs is read."""

from typing import Any

import pytest
from support.observed import SETTINGS
from support.places import a_node_body

from rollcall.domain.facts import NodeFacts, NodeStatus, Taint
from rollcall.domain.node_reading import read_node


def read(body: dict[str, Any]) -> NodeFacts:
    node = read_node(body, SETTINGS)
    assert node is not None
    return node


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("True", NodeStatus.READY),
        ("False", NodeStatus.NOT_READY),
        ("Unknown", NodeStatus.UNKNOWN),
        ("nonsense", NodeStatus.UNKNOWN),
    ],
)
def test_its_status_is_what_its_condition_says(said: str, status: NodeStatus) -> None:
    node = read(a_node_body(ready=said))
    assert (node.status, node.ready) == (status, status is NodeStatus.READY)


@pytest.mark.parametrize("conditions", [None, [], ["x"], [{"type": "Ready"}], {"type": "Ready"}])
def test_without_a_readable_condition_it_is_unknown(conditions: Any) -> None:
    body = a_node_body()
    body["status"]["conditions"] = conditions
    assert read(body).status is NodeStatus.UNKNOWN


def test_its_taints_are_read_and_odd_ones_left_out() -> None:
    body = a_node_body()
    good = {"key": "a", "value": "b", "effect": "NoExecute"}
    body["spec"]["taints"] = [good, {"key": "a", "effect": "Nonsense"}, {"effect": "NoSchedule"}, "x", {"key": 1}]
    assert read(body).taints == (Taint(key="a", value="b", effect="NoExecute"),)


@pytest.mark.parametrize(
    ("labels", "allocatable", "micros", "count"),
    [
        ({}, {"nvidia.com/gpu": "8"}, 8_000_000, 8),
        ({"nvidia.com/gpu.count": "8"}, {"nvidia.com/gpu": "7"}, 7_000_000, 8),
        ({"nvidia.com/gpu.count": "8"}, {"cpu": "1"}, 0, 0),
        ({"nvidia.com/gpu.count": "many"}, {"nvidia.com/gpu": "2"}, 2_000_000, 2),
        ({"nvidia.com/gpu.count": "99999999"}, {"nvidia.com/gpu": "2"}, 2_000_000, 2),
        ({"nvidia.com/gpu.count": "2", "nvidia.com/gpu.replicas": "4"}, {"nvidia.com/gpu": "8"}, 2_000_000, 2),
        ({"nvidia.com/gpu.count": "2", "nvidia.com/gpu.replicas": "4"}, {"nvidia.com/gpu.shared": "8"}, 2_000_000, 2),
        ({}, {"nvidia.com/mig-3g.40gb": "2"}, 857_142, 1),
        ({}, {"amd.com/gpu": "4"}, 4_000_000, 4),
    ],
)
def test_its_gpus_are_devices_and_not_shares(
    labels: dict[str, str], allocatable: dict[str, str], micros: int, count: int
) -> None:
    body = a_node_body(gpus=0)
    body["metadata"]["labels"] = labels
    body["status"]["allocatable"] = allocatable
    node = read(body)
    assert (node.gpu_micros, node.gpu_count) == (micros, count)
