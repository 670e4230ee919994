"""The pod layer: one pod becomes one state, one sentence, and the start of its grace period.

The ladder reads nothing else of a pod.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rollcall.domain.facts import PodFacts
from rollcall.domain.pod_table import IMMEDIATE_REASONS, Finding, Severity, find_state
from rollcall.domain.records import PodState, RememberedPod

TERMINAL_STATES = frozenset({PodState.SUCCEEDED, PodState.FAILED, PodState.FAILED_INFRA})
"""States a pod never leaves."""

WAITING_STATES = frozenset({PodState.GATED, PodState.UNSCHEDULED})
"""States of a pod that has no node."""


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
    found = find_state(pod, node_is_ready=node_is_ready)
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


def _fatal_since(pod: PodFacts, found: Finding, *, now: datetime, remembered: RememberedPod | None) -> datetime | None:
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
