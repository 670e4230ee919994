"""The pod table: which state the object of one pod shows, without memory. Every kind shares it.

The rows stand in docs/how-the-view-is-derived.md.
"""

from dataclasses import dataclass
from enum import IntEnum

from rollcall.domain.facts import ContainerFacts, PodFacts
from rollcall.domain.records import Condition, PodState

IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "ImageInspectError",
        "SignatureValidationFailed",
    }
)
"""Waiting reasons of a container whose image cannot be had."""

CONFIG_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "ContainerCannotRun",
    }
)
"""Reasons of a container that can be pulled but not be started as it is written."""

IMMEDIATE_REASONS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Fatal without a grace period: waiting cannot mend them."""

INFRA_REASONS = frozenset(
    {
        "Evicted",
        "Preempting",
        "Preempted",
        "NodeLost",
        "NodeShutdown",
        "Shutdown",
        "Terminated",
        "DeadlineExceeded",
        "UnexpectedAdmissionError",
        "NodeAffinity",
        "NodeUnschedulable",
        "TopologyAffinityError",
    }
)
"""``status.reason`` of a Failed pod that was not the application's fault; ``OutOf<resource>`` is one as well."""

CRASH_LOOP_RESTARTS = 3
"""From so many restarts on, a container that ended badly is in a crash loop, whatever its state says just now."""

_RETRIED_PULLS = frozenset({"ErrImagePull", "ImagePullBackOff"})


class Severity(IntEnum):
    """Which pod's sentence is told first: the lower, the sooner."""

    CONFIG = 0
    IMAGE = 1
    OUT_OF_MEMORY = 2
    CRASH = 3
    INFRA = 4
    UNSCHEDULED = 5
    GATED = 6
    CREATING = 8
    NOT_READY = 9
    NONE = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step of the table says before memory and grace are applied."""

    state: PodState
    severity: Severity = Severity.NONE
    reason: str | None = None
    message: str | None = None


_READY = Finding(PodState.READY)
_SUCCEEDED = Finding(PodState.SUCCEEDED)
_RELEASING = Finding(PodState.RELEASING, Severity.NONE, "Terminating", "is being deleted")


def pod_condition(pod: PodFacts, condition_type: str) -> Condition | None:
    """The pod's condition of that type, ``None`` where it is absent."""
    for condition in pod.conditions:
        if condition.type == condition_type:
            return condition
    return None


def find_state(pod: PodFacts, *, node_is_ready: bool) -> Finding:
    """The first row of the table that the pod matches; memory and grace are applied elsewhere."""
    if pod.k8s_phase == "Succeeded":
        return _SUCCEEDED
    if pod.k8s_phase == "Failed":
        return _find_failed(pod)
    if pod.meta.deletion_at is not None:
        return _RELEASING
    return _find_living(pod, node_is_ready=node_is_ready)


def _find_living(pod: PodFacts, *, node_is_ready: bool) -> Finding:
    if pod.node_name is None and pod.k8s_phase != "Running":
        return _find_without_node(pod)
    if pod.k8s_phase == "Unknown" or not node_is_ready:
        return Finding(
            PodState.UNKNOWN, Severity.INFRA, "NodeNotReady", f"node {pod.node_name or 'unknown'} does not report"
        )
    ready = pod_condition(pod, "Ready")
    if ready is not None and ready.status == "True":
        return _READY
    return _find_in_containers(pod) or _find_not_ready(pod, ready)


def _find_failed(pod: PodFacts) -> Finding:
    if pod.reason is not None and (pod.reason in INFRA_REASONS or pod.reason.startswith("OutOf")):
        text = f"{pod.reason}: {pod.message}" if pod.message else pod.reason
        return Finding(PodState.FAILED_INFRA, Severity.INFRA, pod.reason, text)
    disruption = pod_condition(pod, "DisruptionTarget")
    if disruption is not None and disruption.status == "True":
        reason = disruption.reason or "DisruptionTarget"
        text = f"{reason}: {disruption.message}" if disruption.message else reason
        return Finding(PodState.FAILED_INFRA, Severity.INFRA, reason, text)
    for container in pod.containers:
        if container.state == "terminated" and container.exit_code not in (0, None):
            return _ended_badly(container, PodState.FAILED)
    text = ": ".join(part for part in (pod.reason, pod.message) if part) or "pod failed"
    return Finding(PodState.FAILED, Severity.CRASH, pod.reason, text)


def _find_without_node(pod: PodFacts) -> Finding:
    scheduled = pod_condition(pod, "PodScheduled")
    if pod.scheduling_gates or (scheduled is not None and scheduled.reason == "SchedulingGated"):
        gates = ", ".join(pod.scheduling_gates)
        text = f"held by scheduling gate {gates}" if gates else "held by a scheduling gate"
        return Finding(PodState.GATED, Severity.GATED, "SchedulingGated", text)
    if pod.nominated_node_name:
        text = f"waiting for node {pod.nominated_node_name}, where others are being preempted"
        return Finding(PodState.UNSCHEDULED, Severity.UNSCHEDULED, "Preempting", text)
    if scheduled is not None and scheduled.status == "False":
        reason = scheduled.reason or "Unschedulable"
        return Finding(PodState.UNSCHEDULED, Severity.UNSCHEDULED, reason, scheduled.message or reason)
    return Finding(PodState.UNSCHEDULED, Severity.UNSCHEDULED, None, "not scheduled yet")


def _find_in_containers(pod: PodFacts) -> Finding | None:
    """The worst thing any container says of itself."""
    worst: Finding | None = None
    for container in pod.containers:
        found = _find_in_container(container, pod)
        if found is not None and (worst is None or _gravity(found) < _gravity(worst)):
            worst = found
    return worst


_GRAVITY = {PodState.FAILED: 0, PodState.FATAL: 1, PodState.RESTARTING: 2}


def _gravity(found: Finding) -> tuple[int, int]:
    return _GRAVITY[found.state], found.severity


def _find_in_container(container: ContainerFacts, pod: PodFacts) -> Finding | None:
    if container.state == "waiting":
        return _find_waiting(container)
    if container.state == "terminated" and container.exit_code is not None:
        return _find_terminated(container, container.exit_code, pod)
    return None


def _find_terminated(container: ContainerFacts, exit_code: int, pod: PodFacts) -> Finding | None:
    restarts = pod.restart_policy != "Never" or container.is_sidecar
    if exit_code == 0:
        if pod.restart_policy == "Always" and not container.is_init:
            text = f"container {container.name} ended and is being restarted"
            return Finding(PodState.RESTARTING, Severity.NOT_READY, "Completed", text)
        return None
    if container.reason in CONFIG_REASONS:
        return Finding(
            PodState.FATAL if restarts else PodState.FAILED,
            Severity.CONFIG,
            container.reason,
            _worded(container, container.reason or ""),
        )
    if restarts:
        # Between two rounds of a crash loop the container shows "terminated" for a moment: the same trouble still.
        looping = container.restart_count >= CRASH_LOOP_RESTARTS
        return _ended_badly(container, PodState.FATAL if looping else PodState.RESTARTING)
    # The kubelet writes the container's end before the pod's phase; as long as another container still runs, the
    # phase Running is meant.
    if container.is_init or not any(c.state == "running" and not c.is_init for c in pod.containers):
        return _ended_badly(container, PodState.FAILED)
    return None


def _find_waiting(container: ContainerFacts) -> Finding | None:
    reason = container.reason
    if reason is None:
        return None
    if reason in IMAGE_REASONS:
        # The kubelet alternates between the two; one word for both keeps the message still.
        word = "ImagePullBackOff" if reason in _RETRIED_PULLS else reason
        text = f"container {container.name}: {word}: image {container.image or 'unnamed'} cannot be had"
        return Finding(PodState.FATAL, Severity.IMAGE, word, text)
    if reason in CONFIG_REASONS:
        return Finding(PodState.FATAL, Severity.CONFIG, reason, _worded(container, reason))
    if reason == "CrashLoopBackOff":
        if container.last_reason == "OOMKilled":
            return Finding(
                PodState.FATAL, Severity.OUT_OF_MEMORY, reason, f"container {container.name}: {reason}, OOMKilled"
            )
        ended = "" if container.last_exit_code is None else f", exit code {container.last_exit_code}"
        return Finding(PodState.FATAL, Severity.CRASH, reason, f"container {container.name}: {reason}{ended}")
    return None


def _ended_badly(container: ContainerFacts, state: PodState) -> Finding:
    out_of_memory = container.reason == "OOMKilled"
    word = "OOMKilled, " if out_of_memory else ""
    text = f"container {container.name} ended: {word}exit code {container.exit_code}"
    if container.message and not out_of_memory:
        text = f"{text}: {container.message}"
    severity = Severity.OUT_OF_MEMORY if out_of_memory else Severity.CRASH
    return Finding(state, severity, container.reason or "Error", text)


def _worded(container: ContainerFacts, reason: str) -> str:
    text = f"container {container.name}: {reason}"
    return f"{text}: {container.message}" if container.message else text


def _find_not_ready(pod: PodFacts, ready: Condition | None) -> Finding:
    for container in pod.containers:
        if container.is_init and not container.is_sidecar and container.state in ("running", "waiting", None):
            if pod.k8s_phase != "Pending":
                continue
            if container.state == "running":
                text = f"init container {container.name} is running"
                return Finding(PodState.INITIALIZING, Severity.CREATING, "PodInitializing", text)
            return Finding(
                PodState.INITIALIZING, Severity.CREATING, container.reason or "PodInitializing", "pod is initialising"
            )
        if not container.is_init and container.state == "waiting":
            reason = container.reason or "ContainerCreating"
            return Finding(PodState.INITIALIZING, Severity.CREATING, reason, f"container {container.name}: {reason}")
    if pod.k8s_phase != "Running":
        return Finding(PodState.INITIALIZING, Severity.CREATING, "ContainerCreating", "containers are being created")
    told = [container.ready for container in pod.containers if not container.is_init]
    if ready is None and told and all(told):
        return _READY
    text = (ready.message if ready is not None else None) or "not ready"
    return Finding(PodState.NOT_READY, Severity.NOT_READY, ready.reason if ready is not None else None, text)
