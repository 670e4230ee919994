"""Workflow of Argo: Running from the first reconcile on, with or without a pod; a failed step is not its end."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, condition_of, instant_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED, Stop, suspension
from rollcall.domain.kinds.steps import Steps, steps_of
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_KNOWN = frozenset({"Pending", "Running", "Succeeded", "Failed", "Error"})
_LEAVES = frozenset({"Pod", "Container", "HTTP", "Plugin", "Suspend"})
"""Types of nodes that do something; the others only hold nodes."""

_ACTIVE = frozenset({"Pending", "Running"})


def signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    """What a Workflow says; a CronWorkflow asks it about its runs."""
    phase, said = text_at(obj.status, "phase"), text_at(obj.status, "message")
    ended_at = instant_at(obj.status, "finishedAt")
    stop = _stop(obj, phase, pods)
    runs = _pod_runs(obj)
    started_at = instant_at(obj.status, "startedAt")
    steps = steps_of(pods, started_at=started_at, held=said) if phase == "Running" else Steps(incarnation_at=started_at)
    return Signals(
        raw_phase=phase,
        failed=Verdict(message=said, at=ended_at) if phase in ("Failed", "Error") else None,
        completed=Verdict(at=ended_at) if phase == "Succeeded" else None,
        stop=stop.sentence,
        queued=stop.queued,
        unobserved=None if phase is not None else NOT_OBSERVED,
        required=steps.required,
        existing=1 if runs and stop.sentence else None,
        says_ready=runs is not False if phase == "Running" else None,
        waiting=said or "waiting for its turn" if phase == "Pending" else None,
        idle=steps.idle,
        message=None if steps.idle == said else said,
        incarnation_at=steps.incarnation_at,
        unreadable=f"its phase {phase} is not known" if phase is not None and phase not in _KNOWN else None,
    )


def _pod_runs(obj: ObjectFacts) -> bool | None:
    """By the condition PodRunning; ``None`` where it is absent."""
    running = condition_of(obj.status, "PodRunning")
    return None if running is None else running.get("status") == "True"


def _stop(obj: ObjectFacts, phase: str | None, pods: tuple[JudgedPod, ...]) -> Stop:
    asked = suspension(obj, "suspend")
    if asked.sentence is not None:
        return asked
    shutdown = text_at(obj.spec, "shutdown")
    if shutdown is not None:
        return Stop(f"shut down by spec.shutdown {shutdown}")
    if phase == "Running" and not any(pod.is_active for pod in pods) and _is_paused(obj):
        return Stop("paused at a suspend step")
    return Stop()


def _is_paused(obj: ObjectFacts) -> bool:
    """Whether all that goes on is a suspend step waiting for somebody. Nodes kept elsewhere cannot tell."""
    active = {
        str(node.get("type"))
        for node in mapping_at(obj.status, "nodes").values()
        if isinstance(node, dict) and text_at(node, "type") in _LEAVES and text_at(node, "phase") in _ACTIVE
    }
    return active == {"Suspend"}


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(max=whole_at(obj.spec, "parallelism") if at(obj.spec, "parallelism") else None)


ENTRIES = (
    KindEntry(
        key=KindKey(group="argoproj.io", kind="Workflow"),
        versions=("v1alpha1",),
        plural="workflows",
        words=Words(
            runs="a pod works, or between two steps",
            fails="phase Failed or Error; a failed step alone is no failure",
            stops="`spec.suspend`, `spec.shutdown`, a suspend step",
            asks="what its pods are; at most `spec.parallelism`",
            notes="a step that waits for a node is Pending",
        ),
        category=Category.TRAIN,
        signals=signals,
        requested_pods=_requested_pods,
        completed_at="status.finishedAt",
        priority_paths=("spec.podPriorityClassName",),
    ),
)
