"""Plays the training operator for the sample PyTorchJobs: pods with its labels, conditions as it writes them.

Enough for samples and tests: a job begins, its pods run, it succeeds with its master or fails with any pod.
"""

import contextlib
import threading
from collections import Counter
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "pytorchjobs"
STEP_SECONDS = 0.5

Json = dict[str, Any]


class TrainingOperator:
    """Plays while the ``with`` block runs, in a thread of its own."""

    def __init__(self, api: client.ApiClient) -> None:
        self._jobs: Any = client.CustomObjectsApi(api)
        self._core: Any = client.CoreV1Api(api)  # plain objects in, not models
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="training-operator", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _play(self) -> None:
        while not self._stop.wait(STEP_SECONDS):
            # The API server may be away for a moment, or an object changed meanwhile: the next step sees.
            with contextlib.suppress(ApiException, HTTPError, OSError):
                found = self._jobs.list_custom_object_for_all_namespaces(GROUP, VERSION, PLURAL)
                for job in found["items"]:
                    self._step(job)

    def _step(self, job: Json) -> None:
        status = job.get("status") or {}
        if job["metadata"].get("deletionTimestamp") or _has(status, "Succeeded") or _has(status, "Failed"):
            return
        namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
        label = f"training.kubeflow.org/job-name={name}"
        pods = {pod.metadata.name: pod for pod in self._core.list_namespaced_pod(namespace, label_selector=label).items}
        phases: dict[str, Counter[str]] = {}
        for kind, replica in job["spec"]["pytorchReplicaSpecs"].items():
            counted = phases.setdefault(kind, Counter())
            for index in range(replica.get("replicas", 1)):
                pod = pods.get(f"{name}-{kind.lower()}-{index}")
                if pod is None:
                    self._core.create_namespaced_pod(namespace, _pod(job, kind, index, replica))
                counted["Pending" if pod is None else pod.status.phase] += 1
        new = {**status, "replicaStatuses": _replica_statuses(phases)}
        new.setdefault("startTime", _now())
        new["conditions"] = _conditions(name, status.get("conditions") or [], phases)
        if _has(new, "Succeeded") or _has(new, "Failed"):
            new["completionTime"] = _now()
        if new != status:
            self._jobs.patch_namespaced_custom_object_status(GROUP, VERSION, namespace, PLURAL, name, {"status": new})


def _pod(job: Json, kind: str, index: int, replica: Json) -> Json:
    name = job["metadata"]["name"]
    template = replica["template"]
    labels = {
        "training.kubeflow.org/job-name": name,
        "training.kubeflow.org/operator-name": "pytorchjob-controller",
        "training.kubeflow.org/replica-index": str(index),
        "training.kubeflow.org/replica-type": kind.lower(),
    }
    if kind == "Master":
        labels["training.kubeflow.org/job-role"] = "master"
    owner = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "PyTorchJob",
        "name": name,
        "uid": job["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{kind.lower()}-{index}",
            "labels": {**(metadata.get("labels") or {}), **labels},
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner],
        },
        "spec": {**template["spec"], "restartPolicy": "Never"},
    }


def _replica_statuses(phases: dict[str, Counter[str]]) -> Json:
    words = {"Running": "active", "Succeeded": "succeeded", "Failed": "failed"}
    return {
        kind: {words[phase]: number for phase, number in counted.items() if phase in words}
        for kind, counted in phases.items()
    }


def _conditions(name: str, before: list[Json], phases: dict[str, Counter[str]]) -> list[Json]:
    all_phases = sum(phases.values(), Counter())
    lead = phases.get("Master") or all_phases
    conditions = [dict(condition) for condition in before]
    _set(conditions, "Created", "PyTorchJobCreated", f"PyTorchJob {name} is created.")
    if all_phases["Failed"]:
        _clear(conditions, "Running")
        _set(conditions, "Failed", "PyTorchJobFailed", f"PyTorchJob {name} is failed because a replica failed.")
    elif lead["Succeeded"] == lead.total():
        _clear(conditions, "Running")
        _set(conditions, "Succeeded", "PyTorchJobSucceeded", f"PyTorchJob {name} is successfully completed.")
    elif lead["Running"]:
        _set(conditions, "Running", "PyTorchJobRunning", f"PyTorchJob {name} is running.")
    return conditions


def _set(conditions: list[Json], kind: str, reason: str, message: str) -> None:
    for condition in conditions:
        if condition["type"] == kind:
            if condition["status"] != "True":
                condition.update(status="True", lastTransitionTime=_now(), lastUpdateTime=_now())
            return
    at = _now()
    conditions.append(
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": at,
            "lastUpdateTime": at,
        }
    )


def _clear(conditions: list[Json], kind: str) -> None:
    for condition in conditions:
        if condition["type"] == kind and condition["status"] == "True":
            condition.update(status="False", lastTransitionTime=_now(), lastUpdateTime=_now())


def _has(status: Json, kind: str) -> bool:
    return any(found["type"] == kind and found["status"] == "True" for found in status.get("conditions") or [])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
