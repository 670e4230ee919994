"""AppWrapper: objects held back together until there is room for them, then made anew until they succeed.

What it wraps stands in its spec: from there come its pods, its category and its framework, whatever the objects say
once they are made. Its conditions are sticky and clear slowly; where pods are known, they decide. Kueue holds one by
its suspension, which is then a wait; without a queue a suspension is a stop.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import (
    at,
    condition_of,
    elements_at,
    instant_at,
    is_absurd,
    sentence_of,
    text_at,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds import wrapped
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.lifecycle import Stop, suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_HELD = frozenset({"Suspended", "Resuming"})
_BEFORE_ITS_PODS = frozenset({"Resetting", "Resuming", "Suspended"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    phase = text_at(status, "phase")
    live = [pod for pod in pods if not pod.is_terminal]
    unhealthy, ready = true_condition(status, "Unhealthy"), true_condition(status, "PodsReady")
    trouble = None if unhealthy is None else sentence_of(unhealthy) or "unhealthy"
    stop = _stop(obj, phase)
    required, unreadable = _required(obj)
    failing = phase == "Failed" and (bool(live) or (not pods and _is_deployed(obj)))
    not_ready = None
    if phase == "Resetting":
        not_ready = trouble or "its objects are being made again"
    elif failing or (phase == "Running" and trouble is not None and ready is None):
        not_ready = trouble or "failed, its objects are being deleted"
    return Signals(
        raw_phase=phase,
        failed=None if phase != "Failed" or failing else _failed(obj, trouble),
        completed=Verdict(at=_since(obj, "QuotaReserved", "False")) if phase == "Succeeded" else None,
        stop=stop.sentence if stop is not None else None,
        queued=stop is not None and stop.queued,
        resuming="its objects are being made" if phase in _HELD and stop is None else None,
        unobserved=None if phase is not None else unobserved(obj, writes_generation=False) or "no phase yet",
        required=required if pods else None,
        due=0 if phase in _BEFORE_ITS_PODS else None,
        success_satisfies=True,
        existing=1 if phase in ("Suspending", "Terminating") else None,
        # That all were ready once and some are not any more: so much the conditions say without a pod.
        ready=1 if phase == "Running" and trouble is not None and ready is not None else None,
        says_ready=ready is not None if phase == "Running" else None,
        not_ready=not_ready,
        degraded=trouble if phase in ("Running", "Failed") else None,
        incarnation_at=_deployed_at(obj, phase),
        unreadable=unreadable,
    )


def _stop(obj: ObjectFacts, phase: str | None) -> Stop | None:
    asked = suspension(obj, "suspend")
    if asked.sentence is not None:
        return asked
    # It finishes what it began, also when no stop is asked for any more.
    return Stop(phase.lower()) if phase in ("Suspending", "Terminating") and phase is not None else None


def _is_deployed(obj: ObjectFacts) -> bool:
    return true_condition(obj.status, "ResourcesDeployed") is not None


def _failed(obj: ObjectFacts, trouble: str | None) -> Verdict:
    gone = not _is_deployed(obj)
    at_ = _since(obj, "ResourcesDeployed", "False") if gone else None
    # Kueue may yet take an AppWrapper back whose objects are still there.
    return Verdict(message=trouble, at=at_ or _since(obj, "Unhealthy", "True"), holds=gone)


def _since(obj: ObjectFacts, condition_type: str, wanted: str) -> datetime | None:
    found = condition_of(obj.status, condition_type)
    return instant_at(found, "lastTransitionTime") if found is not None and found.get("status") == wanted else None


def _deployed_at(obj: ObjectFacts, phase: str | None) -> datetime | None:
    """Since when this making of its objects goes on; while they are reset, since when it is over."""
    if phase == "Resetting":
        return _since(obj, "Unhealthy", "True")
    return _since(obj, "ResourcesDeployed", "True")


def _required(obj: ObjectFacts) -> tuple[int | None, str | None]:
    """(pods of all components, what could not be read): as its pod sets say, else as the wrapped objects do."""
    total = 0
    for component, sets in _components(obj):
        if any(is_absurd(one, "replicas") for one in sets):
            return None, "replicas of a pod set are no count"
        numbers: list[int | None] = [_number(one) for one in sets]
        if not sets:
            numbers = [role.replicas for role in _wrapped_roles(obj, component)]
        known = [number for number in numbers if number is not None]
        if len(known) != len(numbers):
            return None, None
        total += sum(known)
    return total or None, None


def _components(obj: ObjectFacts) -> list[tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]]:
    """Each component with its pod sets: those declared, else those that the controller inferred."""
    inferred = elements_at(obj.status, "componentStatus")
    found: list[tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]] = []
    for place, component in enumerate(elements_at(obj.spec, "components")):
        sets = elements_at(component, "podSets")
        if not sets and place < len(inferred):
            sets = elements_at(inferred[place], "podSets")
        found.append((component, sets))
    return found


def _number(pod_set: Mapping[str, Any]) -> int | None:
    if is_absurd(pod_set, "replicas"):
        return None
    number = whole_at(pod_set, "replicas")
    return 1 if number is None else number


def _wrapped_roles(obj: ObjectFacts, component: Mapping[str, Any]) -> tuple[FoundRole, ...]:
    return wrapped.roles_of(wrapped.wrapped_object(obj, at(component, "template")))


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """By the entry of what it wraps, whose names the pods have; for other kinds by the paths of the pod sets."""
    found: list[FoundRole] = []
    for component, sets in _components(obj):
        found.extend(_wrapped_roles(obj, component) or _by_pod_sets(component, sets))
    return tuple(found)


def _by_pod_sets(component: Mapping[str, Any], sets: tuple[Mapping[str, Any], ...]) -> list[FoundRole]:
    found: list[FoundRole] = []
    for one in sets:
        path = text_at(one, "path") or text_at(one, "podPath")
        template = wrapped.template_at(component, path) if path else None
        if template is not None:
            found.append(FoundRole("", template, _number(one)))
    return found


def _first(obj: ObjectFacts) -> ObjectFacts | None:
    """The first wrapped object of a kind in the catalogue; a Service or a ConfigMap may stand before it."""
    for component in elements_at(obj.spec, "components"):
        inner = wrapped.wrapped_object(obj, at(component, "template"))
        if wrapped.entry_of(inner) is not None:
            return inner
    return None


def _category(obj: ObjectFacts) -> Category:
    inner = _first(obj)
    entry = wrapped.entry_of(inner)
    return Category.TRAIN if entry is None or inner is None or inner.meta.key == KEY else entry.category_of(inner)


def _framework(obj: ObjectFacts) -> str | None:
    inner = _first(obj)
    return None if inner is None or inner.meta.key == KEY else wrapped.framework_of(inner)


KEY = KindKey(group="workload.codeflare.dev", kind="AppWrapper")

ENTRIES = (
    KindEntry(
        key=KEY,
        versions=("v1beta2",),
        plural="appwrappers",
        words=Words(
            runs="phase Running and the pods of what it wraps are ready",
            fails="phase Failed, once its pods or objects are gone",
            stops="`spec.suspend`; a wait where a queue holds it",
            asks="`podSets` of its components, else as the wrapped objects ask",
            notes="what it wraps is hidden and tells category and framework; a reset is a new start",
        ),
        category=Category.TRAIN,
        categorise=_category,
        signals=_signals,
        framework=_framework,
        find_roles=_find_roles,
        role_labels=(
            "training.kubeflow.org/replica-type",
            "training.kubeflow.org/job-role",
            "jobset.sigs.k8s.io/replicatedjob-name",
            "ray.io/node-type",
        ),
    ),
)
