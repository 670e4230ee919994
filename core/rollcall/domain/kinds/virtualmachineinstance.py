"""VirtualMachineInstance: its launcher pod runs long before the machine does, and while it is paused too."""

from datetime import datetime

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, elements_at, instant_at, sentence_of, text_at, true_condition
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.kubevirt import machine_roles
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_STARTING = frozenset({"Scheduling", "Scheduled", "WaitingForSync"})
_KNOWN = _STARTING | frozenset({"Pending", "Running", "Succeeded", "Failed"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    phase = text_at(obj.status, "phase")
    failed = Verdict(message=_why(obj), at=_since(obj, "Failed")) if phase == "Failed" else None
    paused = true_condition(obj.status, "Paused") is not None
    return Signals(
        raw_phase=phase,
        failed=failed,
        completed=Verdict(at=_since(obj, "Succeeded")) if phase == "Succeeded" else None,
        unobserved=NOT_OBSERVED if phase is None else None,
        required=1,
        says_ready=phase == "Running" if phase in _STARTING or phase == "Running" else None,
        not_ready="the machine is yet to start" if phase in _STARTING else None,
        waiting="waiting for what it needs, its pod among it" if phase == "Pending" else None,
        idle="paused, its pod holds its resources" if paused and phase == "Running" else None,
        unreadable=f"its phase is {phase}" if phase is not None and phase not in _KNOWN else None,
    )


def _why(obj: ObjectFacts) -> str | None:
    ready = condition_of(obj.status, "Ready")
    return text_at(obj.status, "reason") or (sentence_of(ready) if ready is not None else None)


def _since(obj: ObjectFacts, phase: str) -> datetime | None:
    for transition in elements_at(obj.status, "phaseTransitionTimestamps"):
        if text_at(transition, "phase") == phase:
            return instant_at(transition, "phaseTransitionTimestamp")
    return None


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return machine_roles(obj.spec)


def _requested_pods(_obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=1)


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubevirt.io", kind="VirtualMachineInstance"),
        versions=("v1", "v1alpha3"),
        plural="virtualmachineinstances",
        words=Words(
            runs="phase Running, paused too",
            fails="phase Failed",
            stops="nothing but its deletion",
            asks="one, as its machine asks",
            notes="a ready launcher pod is not yet a running machine",
        ),
        category=Category.BUILD,
        signals=_signals,
        find_roles=_roles,
        requested_pods=_requested_pods,
        priority_paths=("spec.priorityClassName",),
    ),
)
