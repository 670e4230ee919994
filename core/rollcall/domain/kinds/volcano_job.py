"""Job of group batch.volcano.sh: kind and plural are those of batch, all else is Volcano's.

Its conditions have no type: each is a phase it was in, and when. A stop is a Command object, so the phase alone tells
of it. It runs with ``spec.minAvailable`` of its pods. A restart makes all its pods anew.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import EMPTY, at, elements_at, instant_at, is_absurd, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import NO_STOP, Stop, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, PodState, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_TASK_LABEL = "volcano.sh/task-spec"
_FAILED = frozenset({"Failed", "Terminated"})
_STOPS = frozenset({"Aborting", "Aborted", "Terminating"})
_FRAMEWORKS = (("pytorch", "PyTorch"), ("tensorflow", "TF"), ("mpi", "MPI"))
"""By the plugin that sets up its distributed training."""


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    phase = text_at(status, "state.phase")
    total, unreadable = _total(obj)
    required = total if total is None else _least(obj, total)
    live = [pod for pod in pods if not pod.is_terminal]
    restarting, completing = phase == "Restarting", phase == "Completing"
    if required is not None and completing:
        required = 0
    failed, stop = _failed(obj, phase, pods, live), _stop(obj, phase)
    active = any(pod.is_active for pod in live)
    return Signals(
        raw_phase=phase,
        failed=failed,
        completed=Verdict(at=_since(obj, phase)) if phase == "Completed" else None,
        stop=stop.sentence,
        unobserved=None if phase is not None else unobserved(obj, writes_generation=False) or "no phase yet",
        required=required,
        due=0 if restarting else _due(obj, required, pods),
        success_satisfies=True,
        existing=_existing(status, phase),
        ready=_running(status, pods=()),
        not_ready=_said(obj) or "restarting" if restarting else None,
        degraded=_degraded(status, phase, required, pods),
        waiting=_waiting(obj) if phase == "Pending" and not active else None,
        incarnation_at=_since(obj, "Restarting"),
        unreadable=unreadable,
    )


def _total(obj: ObjectFacts) -> tuple[int | None, str | None]:
    """(pods of all tasks, what could not be read)."""
    total = 0
    for task in elements_at(obj.spec, "tasks"):
        if is_absurd(task, "replicas"):
            return None, f"replicas of task {text_at(task, 'name') or 'without a name'} is no count"
        replicas = whole_at(task, "replicas")
        total += 1 if replicas is None else replicas
    if total == 0:
        return None, "spec.tasks names no pod"
    return total, None


def _least(obj: ObjectFacts, total: int) -> int:
    """``spec.minAvailable``; Volcano takes 0 for all."""
    return min(total, whole_at(obj.spec, "minAvailable") or total)


def _failed(obj: ObjectFacts, phase: str | None, pods: tuple[JudgedPod, ...], live: list[JudgedPod]) -> Verdict | None:
    if phase in _FAILED:
        return Verdict(message=_said(obj), at=_since(obj, phase))
    if phase == "Terminating" and pods and not live:
        # All pods are gone: the phase Terminated is a moment away.
        return Verdict(message=_said(obj), holds=False)
    return None


def _stop(obj: ObjectFacts, phase: str | None) -> Stop:
    if phase not in _STOPS:
        return NO_STOP
    said = _said(obj)
    return Stop(f"{phase.lower()}: {said}" if said else phase.lower())


def _existing(status: Mapping[str, Any], phase: str | None) -> int:
    counted = sum(whole_at(status, name) or 0 for name in ("pending", "running", "terminating", "unknown"))
    return max(1, counted) if phase in ("Aborting", "Terminating") else counted


def _running(status: Mapping[str, Any], pods: tuple[JudgedPod, ...]) -> int:
    """Pods that run or have succeeded: what Volcano compares with ``minAvailable``, whatever their readiness."""
    if not pods:
        return (whole_at(status, "running") or 0) + (whole_at(status, "succeeded") or 0)
    return sum(pod.state is PodState.SUCCEEDED or (pod.is_active and pod.facts.k8s_phase == "Running") for pod in pods)


def _degraded(
    status: Mapping[str, Any], phase: str | None, required: int | None, pods: tuple[JudgedPod, ...]
) -> str | None:
    """Volcano says Running once enough pods ran, and keeps saying so with fewer."""
    if phase != "Running" or required is None:
        return None
    running = _running(status, pods)
    return f"{running} of at least {required} pods run" if running < required else None


def _waiting(obj: ObjectFacts) -> str:
    queue = text_at(obj.spec, "queue") or "default"
    return _said(obj) or f"waiting in queue {queue}"


def _due(obj: ObjectFacts, required: int | None, pods: tuple[JudgedPod, ...]) -> int | None:
    """Without the tasks that wait for others."""
    if required is None or not pods:
        return None
    tasks = elements_at(obj.spec, "tasks")
    by_task: dict[str, list[JudgedPod]] = {}
    for pod in pods:
        by_task.setdefault(pod.facts.meta.labels.get(_TASK_LABEL, ""), []).append(pod)
    asked = {text_at(task, "name") or "": whole_at(task, "replicas") for task in tasks}
    total = held = 0
    for task in tasks:
        name = text_at(task, "name") or ""
        number = asked[name]
        number = 1 if number is None else number
        total += number
        before = at(task, "dependsOn.name")
        if not isinstance(before, list | tuple) or name in by_task:
            continue
        if any(
            isinstance(one, str) and one in asked and not _is_up(asked[one], by_task.get(one, [])) for one in before
        ):
            held += number
    return min(required, total - held) if held else None


def _is_up(asked: int | None, pods: list[JudgedPod]) -> bool:
    return sum(pod.is_ready or pod.state is PodState.SUCCEEDED for pod in pods) >= (1 if asked is None else asked)


def _since(obj: ObjectFacts, phase: str | None) -> datetime | None:
    """When it came into a phase."""
    found = [one for one in elements_at(obj.status, "conditions") if phase and one.get("status") == phase]
    said = instant_at(found[-1], "lastTransitionTime") if found else None
    if said is None and phase and text_at(obj.status, "state.phase") == phase:
        return instant_at(obj.status, "state.lastTransitionTime")
    return said


def _said(obj: ObjectFacts) -> str | None:
    state = mapping_at(obj.status, "state")
    reason, message = text_at(state, "reason"), text_at(state, "message")
    return f"{reason}: {message}" if reason and message else message or reason


def _framework(obj: ObjectFacts) -> str | None:
    plugins = at(obj.spec, "plugins")
    named = plugins if isinstance(plugins, Mapping) else EMPTY
    return next((framework for plugin, framework in _FRAMEWORKS if plugin in named), None)


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    return RequestedPods(number=number, min=whole_at(obj.spec, "minAvailable") or None)


ENTRIES = (
    KindEntry(
        key=KindKey(group="batch.volcano.sh", kind="Job"),
        versions=("v1alpha1",),
        plural="jobs",
        words=Words(
            runs="phase Running with at least `spec.minAvailable` pods; fewer is Degraded",
            fails="phase Failed or Terminated",
            stops="Aborted, by a Command of Volcano",
            notes="a restart is a new start and takes an end back",
        ),
        category=Category.TRAIN,
        signals=_signals,
        framework=_framework,
        roles=(Role(each="spec.tasks", template="template", replicas="replicas"),),
        role_labels=(_TASK_LABEL,),
        requested_pods=_requested_pods,
        priority_paths=("spec.priorityClassName",),
    ),
)
