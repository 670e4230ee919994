"""The pod layer: one pod becomes one state, one sentence, and the start of its grace period.

The ladder reads nothing else of a pod. The table is the one of docs/how-the-view-is-derived.md; every kind shares it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from rollcall.domain.facts import ContainerFacts, PodFacts
from rollcall.domain.records import Condition, PodState, RememberedPod

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

TERMINAL_STATES = frozenset({PodState.SUCCEEDED, PodState.FAILED, PodState.FAILED_INFRA})
"""States a pod never leaves."""

WAITING_STATES = frozenset({PodState.GATED, PodState.UNSCHEDULED})
"""States of a pod that has no node."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPod:
    """One pod and what the pod layer says of it."""

    facts: PodFacts
    role: str | None
    role_rank: int
    state: PodState
    severity: Severity
    reason: str | None
    """The machine-readable word behind the state, such as ``ImagePullBackOff``."""
    message: str | None
    fatal_since: datetime | None
    grace_ends_at: datetime | None
    """When a fatal state begins to count; ``None`` unless the state is fatal."""
    past_grace: bool
    """Whether the state is fatal and its grace period is over."""
    has_been_ready: bool
    """Whether the pod is ready now or is remembered to have been."""

    @property
    def is_terminal(self) -> bool:
        """Whether the pod will never run again."""
        return self.state in TERMINAL_STATES

    @property
    def is_active(self) -> bool:
        """Whether the pod is neither terminal nor on its way out."""
        return self.state not in TERMINAL_STATES and self.state is not PodState.RELEASING

    @property
    def is_ready(self) -> bool:
        """Whether the pod serves."""
        return self.state is PodState.READY

    @property
    def is_waiting(self) -> bool:
        """Whether the pod has no node yet."""
        return self.state in WAITING_STATES


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a step of the table says before memory and grace are applied."""

    state: PodState
    severity: Severity = Severity.NONE
    reason: str | None = None
    message: str | None = None


_READY = _Finding(PodState.READY)
_SUCCEEDED = _Finding(PodState.SUCCEEDED)
_RELEASING = _Finding(PodState.RELEASING, Severity.NONE, "Terminating", "is being deleted")


def judge(
    pod: PodFacts,
    *,
    now: datetime,
    remembered: RememberedPod | None,
    grace_seconds: int,
    node_is_ready: bool = True,
    role: str | None = None,
    role_rank: int = 0,
) -> JudgedPod:
    """Say in which state one pod is.

    ``remembered`` is ``None`` for a pod never seen before: its grace then counts from its own start time.
    ``role_rank`` is the place of its role in the kind's entry, for the order of messages.
    """
    found = _find(pod, node_is_ready=node_is_ready)
    fatal_since = _fatal_since(pod, found, now=now, remembered=remembered)
    grace_ends_at = None
    if found.state is PodState.FATAL and fatal_since is not None:
        seconds = 0 if found.reason in IMMEDIATE_REASONS else grace_seconds
        grace_ends_at = fatal_since + timedelta(seconds=seconds)
    return JudgedPod(
        facts=pod,
        role=role,
        role_rank=role_rank,
        state=found.state,
        severity=found.severity,
        reason=found.reason,
        message=found.message,
        fatal_since=fatal_since,
        grace_ends_at=grace_ends_at,
        past_grace=grace_ends_at is not None and grace_ends_at <= now,
        has_been_ready=found.state is PodState.READY or (remembered is not None and remembered.ready_at is not None),
    )


def pod_condition(pod: PodFacts, condition_type: str) -> Condition | None:
    """The pod's condition of that type, ``None`` where it is absent."""
    for condition in pod.conditions:
        if condition.type == condition_type:
            return condition
    return None


def _find(pod: PodFacts, *, node_is_ready: bool) -> _Finding:
    if pod.k8s_phase == "Succeeded":
        return _SUCCEEDED
    if pod.k8s_phase == "Failed":
        return _find_failed(pod)
    if pod.meta.deletion_at is not None:
        return _RELEASING
    return _find_living(pod, node_is_ready=node_is_ready)


def _find_living(pod: PodFacts, *, node_is_ready: bool) -> _Finding:
    if pod.node_name is None and pod.k8s_phase != "Running":
        return _find_without_node(pod)
    if pod.k8s_phase == "Unknown" or not node_is_ready:
        return _Finding(
            PodState.UNKNOWN, Severity.INFRA, "NodeNotReady", f"node {pod.node_name or 'unknown'} does not report"
        )
    ready = pod_condition(pod, "Ready")
    if ready is not None and ready.status == "True":
        return _READY
    return _find_in_containers(pod) or _find_not_ready(pod, ready)


def _find_failed(pod: PodFacts) -> _Finding:
    if pod.reason is not None and (pod.reason in INFRA_REASONS or pod.reason.startswith("OutOf")):
        text = f"{pod.reason}: {pod.message}" if pod.message else pod.reason
        return _Finding(PodState.FAILED_INFRA, Severity.INFRA, pod.reason, text)
    disruption = pod_condition(pod, "DisruptionTarget")
    if disruption is not None and disruption.status == "True":
        reason = disruption.reason or "DisruptionTarget"
        text = f"{reason}: {disruption.message}" if disruption.message else reason
        return _Finding(PodState.FAILED_INFRA, Severity.INFRA, reason, text)
    for container in pod.containers:
        if container.state == "terminated" and container.exit_code not in (0, None):
            return _ended_badly(container, PodState.FAILED)
    text = ": ".join(part for part in (pod.reason, pod.message) if part) or "pod failed"
    return _Finding(PodState.FAILED, Severity.CRASH, pod.reason, text)


def _find_without_node(pod: PodFacts) -> _Finding:
    scheduled = pod_condition(pod, "PodScheduled")
    if pod.scheduling_gates or (scheduled is not None and scheduled.reason == "SchedulingGated"):
        gates = ", ".join(pod.scheduling_gates)
        text = f"held by scheduling gate {gates}" if gates else "held by a scheduling gate"
        return _Finding(PodState.GATED, Severity.GATED, "SchedulingGated", text)
    if pod.nominated_node_name:
        text = f"waiting for node {pod.nominated_node_name}, where others are being preempted"
        return _Finding(PodState.UNSCHEDULED, Severity.UNSCHEDULED, "Preempting", text)
    if scheduled is not None and scheduled.status == "False":
        reason = scheduled.reason or "Unschedulable"
        return _Finding(PodState.UNSCHEDULED, Severity.UNSCHEDULED, reason, scheduled.message or reason)
    return _Finding(PodState.UNSCHEDULED, Severity.UNSCHEDULED, None, "not scheduled yet")


def _find_in_containers(pod: PodFacts) -> _Finding | None:
    """The worst thing any container says of itself."""
    worst: _Finding | None = None
    for container in pod.containers:
        found = _find_in_container(container, pod)
        if found is not None and (worst is None or _gravity(found) < _gravity(worst)):
            worst = found
    return worst


_GRAVITY = {PodState.FAILED: 0, PodState.FATAL: 1, PodState.RESTARTING: 2}


def _gravity(found: _Finding) -> tuple[int, int]:
    return _GRAVITY[found.state], found.severity


def _find_in_container(container: ContainerFacts, pod: PodFacts) -> _Finding | None:
    if container.state == "waiting":
        return _find_waiting(container)
    if container.state == "terminated" and container.exit_code is not None:
        return _find_terminated(container, container.exit_code, pod)
    return None


def _find_terminated(container: ContainerFacts, exit_code: int, pod: PodFacts) -> _Finding | None:
    restarts = pod.restart_policy != "Never" or container.is_sidecar
    if exit_code == 0:
        if pod.restart_policy == "Always" and not container.is_init:
            text = f"container {container.name} ended and is being restarted"
            return _Finding(PodState.RESTARTING, Severity.NOT_READY, "Completed", text)
        return None
    if container.reason in CONFIG_REASONS:
        return _Finding(
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


def _find_waiting(container: ContainerFacts) -> _Finding | None:
    reason = container.reason
    if reason is None:
        return None
    if reason in IMAGE_REASONS:
        # The kubelet alternates between the two; one word for both keeps the message still.
        word = "ImagePullBackOff" if reason in _RETRIED_PULLS else reason
        text = f"container {container.name}: {word}: image {container.image or 'unnamed'} cannot be had"
        return _Finding(PodState.FATAL, Severity.IMAGE, word, text)
    if reason in CONFIG_REASONS:
        return _Finding(PodState.FATAL, Severity.CONFIG, reason, _worded(container, reason))
    if reason == "CrashLoopBackOff":
        if container.last_reason == "OOMKilled":
            return _Finding(
                PodState.FATAL, Severity.OUT_OF_MEMORY, reason, f"container {container.name}: {reason}, OOMKilled"
            )
        ended = "" if container.last_exit_code is None else f", exit code {container.last_exit_code}"
        return _Finding(PodState.FATAL, Severity.CRASH, reason, f"container {container.name}: {reason}{ended}")
    return None


def _ended_badly(container: ContainerFacts, state: PodState) -> _Finding:
    out_of_memory = container.reason == "OOMKilled"
    word = "OOMKilled, " if out_of_memory else ""
    text = f"container {container.name} ended: {word}exit code {container.exit_code}"
    if container.message and not out_of_memory:
        text = f"{text}: {container.message}"
    severity = Severity.OUT_OF_MEMORY if out_of_memory else Severity.CRASH
    return _Finding(state, severity, container.reason or "Error", text)


def _worded(container: ContainerFacts, reason: str) -> str:
    text = f"container {container.name}: {reason}"
    return f"{text}: {container.message}" if container.message else text


def _find_not_ready(pod: PodFacts, ready: Condition | None) -> _Finding:
    for container in pod.containers:
        if container.is_init and not container.is_sidecar and container.state in ("running", "waiting", None):
            if pod.k8s_phase != "Pending":
                continue
            if container.state == "running":
                text = f"init container {container.name} is running"
                return _Finding(PodState.INITIALIZING, Severity.CREATING, "PodInitializing", text)
            return _Finding(
                PodState.INITIALIZING, Severity.CREATING, container.reason or "PodInitializing", "pod is initialising"
            )
        if not container.is_init and container.state == "waiting":
            reason = container.reason or "ContainerCreating"
            return _Finding(PodState.INITIALIZING, Severity.CREATING, reason, f"container {container.name}: {reason}")
    if pod.k8s_phase != "Running":
        return _Finding(PodState.INITIALIZING, Severity.CREATING, "ContainerCreating", "containers are being created")
    told = [container.ready for container in pod.containers if not container.is_init]
    if ready is None and told and all(told):
        return _READY
    text = (ready.message if ready is not None else None) or "not ready"
    return _Finding(PodState.NOT_READY, Severity.NOT_READY, ready.reason if ready is not None else None, text)


def _fatal_since(pod: PodFacts, found: _Finding, *, now: datetime, remembered: RememberedPod | None) -> datetime | None:
    if found.state in TERMINAL_STATES or found.state in (PodState.READY, PodState.RELEASING):
        return None
    if remembered is not None and remembered.fatal_since is not None:
        # Not ready in between is not recovery: a crash loop passes through running on every round.
        return remembered.fatal_since
    if found.state is not PodState.FATAL:
        return None
    if remembered is None and pod.started_at is not None:
        return min(pod.started_at, now)
    return now
