"""The status of a pod in the words of the kubelet: container states, and the conditions that follow from them."""

import hashlib
from collections.abc import Sequence

from rollcall_demo.conditions import set_condition
from rollcall_demo.objects import Json

TERMINAL = frozenset({"Succeeded", "Failed"})


def is_terminal(pod: Json) -> bool:
    """Whether it will never run again."""
    return pod["status"]["phase"] in TERMINAL


def is_active(pod: Json) -> bool:
    """Whether it is neither at its end nor on its way there."""
    return not is_terminal(pod) and "deletionTimestamp" not in pod["metadata"]


def is_ready(pod: Json) -> bool:
    """Whether its Ready condition holds."""
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", ())
    )


def accept(pod: Json, *, at: str, host_ip: str) -> None:
    """The kubelet has taken the pod over; nothing runs yet."""
    status, spec = pod["status"], pod["spec"]
    status["hostIP"] = host_ip
    status["hostIPs"] = [{"ip": host_ip}]
    status["startTime"] = at
    init = spec.get("initContainers", [])
    if init:
        status["initContainerStatuses"] = [_waiting(container, "PodInitializing") for container in init]
    reason = "PodInitializing" if init else "ContainerCreating"
    status["containerStatuses"] = [_waiting(container, reason) for container in spec["containers"]]
    settle(pod, at=at)


def _waiting(container: Json, reason: str) -> Json:
    return {
        "name": container["name"],
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }


def hold(statuses: Sequence[Json], reason: str, message: str) -> None:
    """The containers wait, and this is why; what ended before is remembered as the last state."""
    for status in statuses:
        if "terminated" in status["state"]:
            status["lastState"] = status["state"]
        status["state"] = {"waiting": {"reason": reason, "message": message}}
        status["ready"] = status["started"] = False


def run(pod: Json, statuses: Sequence[Json], *, at: str, ready: bool) -> None:
    """The containers run."""
    for status in statuses:
        if "terminated" in status["state"]:
            status["lastState"] = status["state"]
        status["state"] = {"running": {"startedAt": at}}
        status["ready"] = ready
        status["started"] = True
        digest = hashlib.sha256(status["image"].encode()).hexdigest()
        status["imageID"] = f"{status['image'].partition(':')[0]}@sha256:{digest}"
        status["containerID"] = _container_id(pod, status)


def _container_id(pod: Json, status: Json) -> str:
    text = f"{pod['metadata']['uid']} {status['name']} {status['restartCount']}"
    return f"containerd://{hashlib.sha256(text.encode()).hexdigest()}"


def end(statuses: Sequence[Json], exit_code: int, reason: str, *, at: str) -> None:
    """The containers that run end with this code; those that never ran as well, without having started."""
    for status in statuses:
        if "terminated" in status["state"]:
            continue
        started = status["state"].get("running", {}).get("startedAt")
        terminated: Json = {"exitCode": exit_code, "reason": reason, "startedAt": started or at, "finishedAt": at}
        if "containerID" in status:
            terminated["containerID"] = status["containerID"]
        status["state"] = {"terminated": terminated}
        status["ready"] = status["started"] = False


def settle(pod: Json, *, at: str) -> None:
    """Conditions, phase and addresses as they follow from the containers."""
    status = pod["status"]
    init = status.get("initContainerStatuses", [])
    containers = status["containerStatuses"]
    initialised = all(_ended_well(container) for container in init)
    if status["phase"] == "Pending" and initialised and any("running" in c["state"] for c in containers):
        status["phase"] = "Running"
    sandboxed = status["phase"] == "Running" or any("running" in container["state"] for container in init)
    if sandboxed and "podIP" not in status:
        status["podIP"] = _pod_ip(pod)
        status["podIPs"] = [{"ip": status["podIP"]}]
    status["observedGeneration"] = pod["metadata"].get("generation", 1)
    _set_conditions(pod, at=at, sandboxed=sandboxed, initialised=initialised)


def _set_conditions(pod: Json, *, at: str, sandboxed: bool, initialised: bool) -> None:
    status = pod["status"]
    unready = [container["name"] for container in status["containerStatuses"] if not container["ready"]]
    reason = message = initial_reason = initial_message = None
    if status["phase"] in TERMINAL:
        reason = "PodCompleted" if status["phase"] == "Succeeded" else "PodFailed"
        initial_reason = "PodCompleted" if status["phase"] == "Succeeded" else None
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    if not initialised and status["phase"] not in TERMINAL:
        names = [c["name"] for c in status["initContainerStatuses"] if not _ended_well(c)]
        initial_reason = "ContainersNotInitialized"
        initial_message = f"containers with incomplete status: [{' '.join(names)}]"
    ready = "True" if reason is None else "False"
    conditions: list[Json] = list(status.get("conditions", []))
    for kind, value, why, text in (
        ("PodReadyToStartContainers", "True" if sandboxed else "False", None, None),
        ("Initialized", "False" if initial_message else "True", initial_reason, initial_message),
        ("Ready", ready, reason, message),
        ("ContainersReady", ready, reason, message),
    ):
        set_pod_condition(conditions, kind, value, at=at, reason=why, message=text)
    status["conditions"] = conditions


def set_pod_condition(
    conditions: list[Json], kind: str, status: str, *, at: str, reason: str | None = None, message: str | None = None
) -> None:
    """A condition of a pod; a reason that no longer holds goes."""
    found = next((condition for condition in conditions if condition["type"] == kind), None)
    if found is not None and found["status"] == status and found.get("reason") != reason and reason is None:
        found.pop("reason", None)
        found.pop("message", None)
        return
    set_condition(conditions, kind, status, at=at, reason=reason, message=message)
    found = next(condition for condition in conditions if condition["type"] == kind)
    found["lastProbeTime"] = None


def _ended_well(container: Json) -> bool:
    return bool(container["state"].get("terminated", {}).get("exitCode") == 0)


def _pod_ip(pod: Json) -> str:
    digest = hashlib.sha256(pod["metadata"]["uid"].encode()).digest()
    return f"10.244.{digest[0]}.{max(1, min(254, digest[1]))}"
