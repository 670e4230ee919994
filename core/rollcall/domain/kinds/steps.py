"""What kinds share that run one pod after another: how many pods there will be is unknown, one that works is enough.

A pod whose first container is done while others work is not ready to Kubernetes, yet it is the workflow at work. And
a step that waits for its node is a new beginning, not a loss: the latch of the step before does not count.
"""

from dataclasses import dataclass
from datetime import datetime

from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import PodState
from rollcall.domain.signals import NEXT_INCARNATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What the pods of a run say of it, in the words of the signals."""

    required: int | None = None
    idle: str | None = None
    incarnation_at: datetime | None = None


def steps_of(pods: tuple[JudgedPod, ...], *, started_at: datetime | None, held: str | None = None) -> Steps:
    """The steps of a run that is under way. ``held``: why the framework starts no step just now."""
    living = [pod for pod in pods if pod.is_active]
    if any(pod.is_ready for pod in living):
        return Steps(required=1, incarnation_at=started_at)
    if any(_works(pod) for pod in living):
        return Steps(required=1, idle="part of a step is done, the rest is at work", incarnation_at=started_at)
    if living:
        return Steps(required=1, incarnation_at=NEXT_INCARNATION)
    if pods:
        return Steps(required=1, idle=held or "between two steps", incarnation_at=started_at)
    return Steps(incarnation_at=started_at)


def _works(pod: JudgedPod) -> bool:
    if pod.state is not PodState.NOT_READY or pod.facts.k8s_phase != "Running":
        return False
    return any(container.state == "terminated" for container in pod.facts.containers if not container.is_init)
