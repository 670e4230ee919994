"""The training operator: a master and its workers, a status per role, and conditions that go on from each other."""

from rollcall_demo import kubelet
from rollcall_demo.conditions import is_true, set_condition
from rollcall_demo.manifests import create_pod
from rollcall_demo.objects import Json, copied
from rollcall_demo.pod_statuses import is_active, is_terminal
from rollcall_demo.resources import POD, PYTORCHJOB
from rollcall_demo.world import World, ref_of

_PREFIX = "training.kubeflow.org"
_RETRYABLE_FROM = 128
"""Exit codes of signals, which the restart policy ExitCode takes for a passing trouble."""


def reconcile(world: World, job: Json) -> None:
    """One look at a PyTorchJob."""
    status = copied(job["status"])
    conditions = status.setdefault("conditions", [])
    status.setdefault("replicaStatuses", {})
    if not conditions:
        _set(world, job, conditions, "Created", f"PyTorchJob {job['metadata']['name']} is created.")
    elif is_true(job, "Succeeded", "Failed"):
        _delete_pods(world, job)
    elif job["spec"]["runPolicy"]["suspend"]:
        _suspend(world, job, status)
    else:
        _go_on(world, job, status)
    status["lastReconcileTime"] = job["status"].get("lastReconcileTime", world.stamp())
    if status != job["status"]:
        status["lastReconcileTime"] = world.stamp()
    world.write_status(ref_of(PYTORCHJOB, job), status)


def _suspend(world: World, job: Json, status: Json) -> None:
    status.pop("startTime", None)
    status["replicaStatuses"] = {role: {} for role in job["spec"]["pytorchReplicaSpecs"]}
    text = f"PyTorchJob {_address(job)} is suspended."
    if any(condition["type"] == "Running" for condition in status["conditions"]):
        _set(world, job, status["conditions"], "Running", text, value="False", reason="Suspended")
    _set(world, job, status["conditions"], "Suspended", text)
    _delete_pods(world, job)


def _go_on(world: World, job: Json, status: Json) -> None:
    if is_true({"status": status}, "Suspended"):
        text = f"PyTorchJob {_address(job)} is resumed."
        _set(world, job, status["conditions"], "Suspended", text, value="False", reason="Resumed")
    status.setdefault("startTime", world.stamp())
    status["replicaStatuses"] = {role: _attend(world, job, role, status) for role in job["spec"]["pytorchReplicaSpecs"]}
    master = status["replicaStatuses"]["Master"]
    failed = [role for role, counts in status["replicaStatuses"].items() if counts.get("failed")]
    if failed:
        number = status["replicaStatuses"][failed[0]]["failed"]
        text = f"PyTorchJob {job['metadata']['name']} is failed because {number} {failed[0]} replica(s) failed."
        _end(world, job, status, "Failed", text)
    elif master.get("succeeded"):
        _end(world, job, status, "Succeeded", f"PyTorchJob {_address(job)} successfully completed.")
    elif master.get("active"):
        _set(world, job, status["conditions"], "Running", f"PyTorchJob {_address(job)} is running.")


def _attend(world: World, job: Json, role: str, status: Json) -> Json:
    """Create a role's missing pods, remove those to be tried again, and count the rest."""
    owned = world.owned(job["metadata"]["uid"], POD)
    pods = {pod["metadata"]["name"]: pod for pod in owned}
    counts = {"active": 0, "succeeded": 0, "failed": 0}
    for index in range(job["spec"]["pytorchReplicaSpecs"][role]["replicas"]):
        pod = pods.get(f"{job['metadata']['name']}-{role.lower()}-{index}")
        if pod is None:
            _create(world, job, role, index)
        elif pod["status"]["phase"] == "Failed" and _is_retryable(pod):
            kubelet.delete_pod(world, ref_of(POD, pod))
            name = job["metadata"]["name"]
            text = f"PyTorchJob {name} is restarting because {role} replica(s) failed."
            _set(world, job, status["conditions"], "Restarting", text)
        elif pod["status"]["phase"] == "Failed":
            counts["failed"] += 1
        elif pod["status"]["phase"] == "Succeeded":
            counts["succeeded"] += 1
        elif pod["status"]["phase"] == "Running" and is_active(pod):
            counts["active"] += 1
    selector = f"{_PREFIX}/job-name={job['metadata']['name']},{_PREFIX}/replica-type={role.lower()}"
    return {"selector": selector, **{name: number for name, number in counts.items() if number}}


def _is_retryable(pod: Json) -> bool:
    codes = [
        container["state"]["terminated"]["exitCode"]
        for container in pod["status"].get("containerStatuses", ())
        if "terminated" in container["state"]
    ]
    return max(codes, default=0) >= _RETRYABLE_FROM


def _create(world: World, job: Json, role: str, index: int) -> None:
    name = job["metadata"]["name"]
    labels = {
        f"{_PREFIX}/job-name": name,
        f"{_PREFIX}/operator-name": "pytorchjob-controller",
        f"{_PREFIX}/replica-index": str(index),
        f"{_PREFIX}/replica-type": role.lower(),
        **({f"{_PREFIX}/job-role": "master"} if role == "Master" else {}),
    }
    metadata = {
        "namespace": job["metadata"]["namespace"],
        "name": f"{name}-{role.lower()}-{index}",
        "labels": labels,
    }
    create_pod(world, metadata, job["spec"]["pytorchReplicaSpecs"][role]["template"], job)


def _delete_pods(world: World, job: Json) -> None:
    """Delete the pods that have not ended, as the clean-up policy Running wants it."""
    for pod in world.owned(job["metadata"]["uid"], POD):
        if not is_terminal(pod):
            kubelet.delete_pod(world, ref_of(POD, pod))


def _end(world: World, job: Json, status: Json, kind: str, message: str) -> None:
    conditions = status["conditions"]
    if any(condition["type"] == "Running" for condition in conditions):
        _set(world, job, conditions, "Running", message, value="False", reason=kind)
    _set(world, job, conditions, kind, message)
    status["completionTime"] = world.stamp()


_EXCLUDES = {"Running": "Restarting", "Restarting": "Running"}
"""Of these two the operator keeps only the later."""


def _set(
    world: World,
    job: Json,
    conditions: list[Json],
    kind: str,
    message: str,
    *,
    value: str = "True",
    reason: str | None = None,
) -> None:
    if value == "True" and kind in _EXCLUDES:
        conditions[:] = [condition for condition in conditions if condition["type"] != _EXCLUDES[kind]]
    set_condition(
        conditions,
        kind,
        value,
        at=world.stamp(),
        reason=f"{job['kind']}{reason or kind}",
        message=message,
        clock="lastUpdateTime",
    )


def _address(job: Json) -> str:
    return f"{job['metadata']['namespace']}/{job['metadata']['name']}"
