"""TaskRun of Tekton: one pod, whose containers are the steps of its Task."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import elements_at, mapping_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.tekton import signals_of_run
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    return signals_of_run(obj, pods)


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """The pod of a Task that stands in the run itself; a Task elsewhere is not read, and its pod tells."""
    task = mapping_at(obj.spec, "taskSpec")
    steps = elements_at(task, "steps")
    if not steps:
        return ()
    common = _resources(mapping_at(task, "stepTemplate"))
    containers = [{**step, "resources": _resources(step) or common} for step in steps]
    containers += [{**sidecar, "resources": _resources(sidecar)} for sidecar in elements_at(task, "sidecars")]
    spec: dict[str, Any] = {**mapping_at(obj.spec, "podTemplate"), "containers": containers}
    whole = mapping_at(obj.spec, "computeResources")
    if whole:
        # They are for all steps together; Tekton divides them up.
        for container in containers[: len(steps)]:
            container["resources"] = {}
        containers[0]["resources"] = whole
    return (FoundRole("", {"spec": spec}, 1),)


def _resources(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """``computeResources`` in v1, ``resources`` in v1beta1."""
    return mapping_at(step, "computeResources") or mapping_at(step, "resources")


def _requested_pods(_obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=1)


ENTRIES = (
    KindEntry(
        key=KindKey(group="tekton.dev", kind="TaskRun"),
        versions=("v1", "v1beta1"),
        plural="taskruns",
        words=Words(
            runs="its pod works",
            fails="condition Succeeded is False, unless it was cancelled",
            stops="cancelled it is Stopped for good",
            asks="what its pod is",
        ),
        category=Category.TRAIN,
        signals=_signals,
        find_roles=_roles,
        requested_pods=_requested_pods,
        completed_at="status.completionTime",
        priority_paths=("spec.podTemplate.priorityClassName",),
    ),
)
