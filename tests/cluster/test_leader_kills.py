"""The leader killed again and again while the cluster changes: the rows end as a fresh operator derives them."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from support.cluster_objects import a_deployment, a_job, a_pod
from support.operator_process import OperatorProcess
from support.rows import Row, Rows, eventually

from rollcall.settings import DatabaseSettings
from rollcall.store.schema import migrate
from rollcall_cluster.control_plane import LocalCluster

OperatorOf = Callable[..., OperatorProcess]

KILLS = 10
LIVE = 12
"""How many pods without an owner live at once."""
PACE_SECONDS = 0.2
STANDING_BY = "standing by for the Lease"

SHORT_ELECTION = """
from rollcall_operator import leader
leader.LEASE_SECONDS, leader.RENEW_SECONDS, leader.RETRY_SECONDS, leader.REQUEST_SECONDS = 8, 4, 1, 1.2
"""
"""Ten elections of the usual length would take minutes."""


class Churn(threading.Thread):
    """Makes pods, Jobs and Deployments and takes them away, until told to end."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        super().__init__(daemon=True)
        self._core: Any = client.CoreV1Api(api)
        self._batch: Any = client.BatchV1Api(api)
        self._apps: Any = client.AppsV1Api(api)
        self._namespace = namespace
        self._ending = threading.Event()
        self.made = 0
        self.failed: Exception | None = None

    def run(self) -> None:
        """Change something at a steady pace."""
        try:
            while not self._ending.wait(PACE_SECONDS):
                self._change(self.made)
                self.made += 1
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.failed = error

    def stop(self) -> None:
        """Change nothing more."""
        self._ending.set()

    def end(self) -> None:
        """Leave the cluster as it is now, whole."""
        self.stop()
        self.join(30)
        assert not self.is_alive()
        assert self.failed is None, self.failed

    def _change(self, number: int) -> None:
        self._core.create_namespaced_pod(self._namespace, a_pod(self._namespace, f"pod-{number}", gpus=0))
        if number >= LIVE:
            self._core.delete_namespaced_pod(f"pod-{number - LIVE}", self._namespace, grace_period_seconds=0)
        if number % 5 == 0:
            self._batch.create_namespaced_job(self._namespace, a_job(self._namespace, f"job-{number}", gpus=0))
            if number >= LIVE * 5:
                name = f"job-{number - LIVE * 5}"
                self._batch.delete_namespaced_job(name, self._namespace, propagation_policy="Background")
        if number % 20 == 0:
            body = a_deployment(self._namespace, f"deployment-{number}", replicas=2)
            self._apps.create_namespaced_deployment(self._namespace, body)


def derived(rows: Rows, namespace: str) -> tuple[list[Row], list[Row]]:
    """What the rows say of the cluster as it is, without when it was seen."""
    workloads = rows.query(
        "SELECT uid, kind, type, name, project_id, phase, k8s_phase, phase_rule, running_pods, ready_pods,"
        " allocated_gpu_micros, node_pools, images, created_at"
        " FROM workloads WHERE namespace = %(namespace)s ORDER BY uid",
        namespace=namespace,
    )
    pods = rows.query(
        "SELECT uid, workload_uid, name, node_name, node_pool, k8s_phase, state"
        " FROM pods WHERE namespace = %(namespace)s ORDER BY uid",
        namespace=namespace,
    )
    return workloads, pods


@pytest.mark.timeout(600)
def test_ten_leaders_killed_under_churn_leave_the_rows_that_a_fresh_operator_derives(
    cluster: LocalCluster,
    api: client.ApiClient,
    project: str,
    operator_of: OperatorOf,
    rows: Rows,
    empty_database: DatabaseSettings,
    tmp_path: Path,
) -> None:
    given = {"before": SHORT_ELECTION, "operator__leader_election": True}
    made: list[OperatorProcess] = []

    def begin() -> OperatorProcess:
        made.append(operator_of(name=f"operator-{len(made)}", **given))
        made[-1].begin()
        return made[-1]

    churn = Churn(api, project)
    try:
        first = begin()
        eventually(first.readiness, lambda answer: answer == "ok")
        leader, standby = first, begin()
        eventually(standby.readiness, lambda answer: answer == STANDING_BY)
        churn.start()
        for _ in range(KILLS):
            before = churn.made
            eventually(lambda: churn.made, lambda number, least=before: number > least)
            leader.kill()
            leader, standby = standby, begin()
            eventually(leader.readiness, lambda answer: answer == "ok")
            eventually(standby.readiness, lambda answer: answer == STANDING_BY)
            assert leader.metric("rollcall_is_leader") == 1
            assert standby.metric("rollcall_is_leader") == 0
        churn.end()
        migrate(empty_database)
        fresh_rows = Rows(empty_database)
        kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-operator")
        with OperatorProcess(tmp_path, kubeconfig, empty_database, name="fresh"):
            eventually(
                lambda: (derived(rows, project), derived(fresh_rows, project)),
                lambda both: bool(both[0][0]) and both[0] == both[1],
            )
        assert len(derived(rows, project)[0]) >= LIVE
        twice = rows.query("SELECT uid FROM workloads INTERSECT SELECT uid FROM deleted_workloads")
        assert twice == []
        assert rows.query("SELECT uid FROM deleted_workloads LIMIT 1") != []
    finally:
        churn.stop()
        for operator in made:
            operator.kill()
