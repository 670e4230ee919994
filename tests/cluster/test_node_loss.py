"""A node that falls silent: its pods may run on or not, and the record says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster_objects import a_deployment, a_pod, a_project, wait_for_rights
from support.operator_process import OperatorProcess
from support.rows import Rows

from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import SAMPLES, apply_objects, create_nodes, read_documents, simulated_node
from rollcall_cluster.binaries import Binaries
from rollcall_cluster.control_plane import LocalCluster

GRACE_SECONDS = 60
"""How long the nodes of this cluster may be silent: six times as long as kwok is between two signs of life."""


@pytest.fixture
def losing_cluster(binaries: Binaries) -> Iterator[LocalCluster]:
    """A cluster of its own, which is quick to give up a node."""
    with LocalCluster(binaries, node_grace_seconds=GRACE_SECONDS) as cluster, cluster.api_client() as api:
        rollcall = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rollcall"}}
        create_nodes(api, [simulated_node("only", pool="a100", product="NVIDIA-A100-SXM4-80GB")])
        rights = read_documents([SAMPLES.parent / "manifests" / "operator-rights.yaml"])
        apply_objects(api, [rollcall, *rights, a_project("team")])
        wait_for_rights(api)
        yield cluster


def test_a_lost_node_is_told_and_what_its_pods_hold_is_held(
    losing_cluster: LocalCluster, database: DatabaseSettings, tmp_path: Path
) -> None:
    rows = Rows(database)
    kubeconfig = losing_cluster.kubeconfig_of("rollcall", "rollcall-operator")
    with OperatorProcess(tmp_path, kubeconfig, database), losing_cluster.api_client() as api:
        apply_objects(api, [a_deployment("team", "serves", replicas=2), a_pod("team", "notebook")])
        rows.until("team", "serves", phase="Running", running_pods=2)
        before = rows.until("team", "notebook", phase="Running", allocated_gpu_micros=1_000_000)
        losing_cluster.stop_program("kwok")
        for name in ("serves", "notebook"):
            lost = rows.until("team", name, ready_pods=0, seconds=GRACE_SECONDS + 60)
            assert lost["phase"] != "Running"
            assert "only" in lost["phase_message"], "the message names the node"
        # Its kubelet is silent, not dead: what it held is held.
        assert rows.live("team", "notebook")["allocated_gpu_micros"] == 1_000_000
        assert rows.live("team", "notebook")["uid"] == before["uid"]
