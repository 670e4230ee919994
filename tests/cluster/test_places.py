"""What surrounds workloads, as an operator on a real control plane writes it."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client
from support.rows import Row, Rows, eventually

from rollcall_cluster.applying import create_nodes, simulated_node

PRODUCT = "NVIDIA-H100-80GB-HBM3"


@pytest.fixture
def node(api: client.ApiClient) -> Iterator[str]:
    """A GPU node of the test's own, in a pool of its own; gone after the test, if not before."""
    name = f"own-{secrets.token_hex(4)}"
    create_nodes(api, [simulated_node(name, gpus=4, pool=f"pool-of-{name}", product=PRODUCT)])
    yield name
    core: Any = client.CoreV1Api(api)
    if any(one.metadata.name == name for one in core.list_node().items):
        core.delete_node(name)


def node_of(rows: Rows, name: str) -> Row:
    found = rows.query("SELECT * FROM nodes WHERE name = %(name)s", name=name)
    return found[0] if found else {}


def test_a_node_comes_with_its_status_pool_and_gpus_and_goes(
    api: client.ApiClient, operator_of: Callable[..., Any], rows: Rows, project: str, node: str
) -> None:
    core: Any = client.CoreV1Api(api)
    with operator_of():
        ready = eventually(lambda: node_of(rows, node), lambda row: row.get("status") == "Ready")
        assert (ready["node_pool"], ready["gpu_type"], ready["gpu_count"]) == (f"pool-of-{node}", PRODUCT, 4)
        assert (ready["gpu_micros"], ready["cpu_millis"], ready["memory_bytes"]) == (4_000_000, 128_000, 2**40)
        real = core.read_node(node)
        assert (ready["uid"], ready["created_at"]) == (real.metadata.uid, real.metadata.creation_timestamp)
        assert {one.metadata.name for one in core.list_node().items} == {
            row["name"] for row in rows.query("SELECT name FROM nodes")
        }
        (pool,) = rows.query("SELECT * FROM node_pools WHERE name = %(pool)s", pool=f"pool-of-{node}")
        assert (pool["nodes"], pool["label"]) == (1, "kai.scheduler/node-pool")

        taint = {"key": "maintenance", "effect": "NoSchedule"}
        core.patch_node(node, {"spec": {"taints": [taint]}})
        eventually(lambda: node_of(rows, node)["details"]["taints"], lambda found: found == [{**taint, "value": None}])

        core.delete_node(node)
        eventually(lambda: node_of(rows, node), lambda row: not row)
        eventually(
            lambda: rows.query("SELECT * FROM node_pools WHERE name = %(pool)s", pool=f"pool-of-{node}"),
            lambda found: not found,
        )

    (cluster,) = rows.query("SELECT * FROM clusters")
    assert cluster["created_at"] == core.read_namespace("kube-system").metadata.creation_timestamp
    assert cluster["kubernetes_version"] == client.VersionApi(api).get_code().git_version
    (known,) = rows.query("SELECT * FROM projects WHERE namespace = %(name)s", name=project)
    assert known["created_at"] == core.read_namespace(project).metadata.creation_timestamp


def test_a_node_that_went_while_nobody_watched_is_gone_at_the_next_start(
    api: client.ApiClient, operator_of: Callable[..., Any], rows: Rows, node: str
) -> None:
    with operator_of():
        eventually(lambda: node_of(rows, node), bool)
    core: Any = client.CoreV1Api(api)
    core.delete_node(node)
    with operator_of():
        eventually(lambda: node_of(rows, node), lambda row: not row)
