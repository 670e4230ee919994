"""Pods of a real API server, by the API: where they run, since when, and what of them ends."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_deployment, a_job
from support.operator_process import OperatorProcess
from support.rows import eventually

from rollcall.settings import DatabaseSettings

Apply = Callable[..., None]
OperatorOf = Callable[..., OperatorProcess]


def test_a_pod_is_served_as_the_cluster_has_it(
    operator_of: OperatorOf,
    project: str,
    apply: Apply,
    api: client.ApiClient,
    database: DatabaseSettings,
    tmp_path: Path,
) -> None:
    core: Any = client.CoreV1Api(api)
    with operator_of(), ApiProcess(tmp_path, database) as served, httpx.Client(base_url=served.address) as asking:

        def pods(**asked: Any) -> list[dict[str, Any]]:
            answer = asking.get("/api/v1/workloads/pods", params={"verbosity": "full", **asked})
            assert answer.status_code == 200, answer.text
            found: list[dict[str, Any]] = answer.json()["pods"]
            return found

        deployment = a_deployment(project, "serves")
        spec = deployment["spec"]["template"]["spec"]
        spec["tolerations"] = [{"key": "made-up", "operator": "Exists", "effect": "NoSchedule"}]
        apply(deployment, a_job(project, "trains", run_seconds=1))
        (serves,) = eventually(lambda: pods(search="serves running"), bool)
        (trains,) = eventually(lambda: pods(search="trains", completed=True), bool)
        there = core.read_namespaced_pod(serves["name"], project)
        assert serves["id"] == there.metadata.uid
        assert (serves["nodeName"], serves["ip"]) == (there.spec.node_name, there.status.pod_ip)
        assert serves["nodeName"]
        assert serves["ip"]
        (container,) = serves["containers"]
        started_at = there.status.container_statuses[0].state.running.started_at
        assert (container["name"], container["image"]) == ("main", "registry.example/train:1")
        assert datetime.fromisoformat(container["startedAt"]) == started_at
        assert datetime.fromisoformat(serves["k8sPhaseUpdatedAt"]) == started_at
        assert (serves["k8sPhase"], serves["workloadName"], serves["projectName"]) == ("Running", "serves", project)
        assert {"key": "made-up", "operator": "Exists", "effect": "NoSchedule"} in serves["tolerations"]
        assert (trains["k8sPhase"], trains["workloadName"]) == ("Succeeded", "trains")
        assert trains["k8sPhaseUpdatedAt"] == trains["completedAt"] >= trains["createdAt"]
        of_workload = f"/api/v1/workloads/{serves['workloadId']}/pods"
        assert [pod["id"] for pod in asking.get(of_workload).json()["pods"]] == [serves["id"]]
        core.delete_namespaced_pod(serves["name"], project, grace_period_seconds=0)
        gone = eventually(lambda: asking.get(of_workload, params={"deleted": True}).json()["pods"], bool)
        assert [(pod["id"], pod["nodeName"]) for pod in gone] == [(serves["id"], serves["nodeName"])]
        assert gone[0]["completedAt"] == gone[0]["deletedAt"]
