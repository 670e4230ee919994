"""LLMInferenceService of KServe: a workload of one node or several, perhaps one for prefill, behind a scheduler."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, conditions_of, elements_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.inferenceservice import STOP_ANNOTATION, stop_asked
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import count_at, is_false, pod_template, product, said_by, says_ready
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_WORKLOAD = "llminferenceservice-workload"
"""The operator's label for the component of a pod begins with this."""


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    stop = stop_asked(obj)
    condition = condition_of(status, "Ready")
    ready = says_ready(status)
    stopped = any(found.get("reason") == "Stopped" for _, found in conditions_of(status))
    lagging = unobserved(obj, writes_generation=True)
    return Signals(
        raw_phase=_raw_phase(condition),
        failed=None if stop or stopped or pods else _failed(status),
        stop=f"stopped by annotation {STOP_ANNOTATION}" if stop else None,
        resuming="no longer stopped, its controller has yet to follow" if stopped and not stop else None,
        unobserved=lagging,
        existing=1 if stop and ready and not stopped else None,
        says_ready=ready,
        # Routers and schedulers are part of it; while a new version is not observed, its word is about the old one.
        not_ready=said_by(condition, "not ready by its own word") if ready is False and lagging is None else None,
    )


def _failed(status: Mapping[str, Any]) -> Verdict | None:
    """No pod will come: its presets cannot be combined, or its controller fails to reconcile."""
    presets = condition_of(status, "PresetsCombined")
    if is_false(presets):
        return Verdict(message=said_by(presets, "its presets cannot be combined"), holds=False)
    condition = condition_of(status, "Ready")
    reason = (text_at(condition, "reason") if condition is not None else None) or ""
    if is_false(condition) and reason.startswith("Reconcile") and reason.endswith("Error"):
        return Verdict(message=said_by(condition, reason), holds=False)
    return None


def _raw_phase(condition: Mapping[str, Any] | None) -> str | None:
    if condition is None:
        return None
    if condition.get("status") == "True":
        return "Ready"
    return text_at(condition, "reason") or "NotReady"


def _replicas(workload: Mapping[str, Any]) -> int | None:
    """The replicas of a workload: as asked, else the least that scaling allows, else one."""
    scaled = whole_at(workload, "scaling.minReplicas")
    return count_at(workload, "replicas", 1 if scaled is None else scaled)


def _nodes(workload: Mapping[str, Any]) -> int | None:
    """Pods of one replica over several nodes: by pipeline, else by the data parallelism that one node holds."""
    pipeline = whole_at(workload, "parallelism.pipeline")
    if pipeline is not None:
        return max(1, pipeline)
    data, local = whole_at(workload, "parallelism.data"), whole_at(workload, "parallelism.dataLocal")
    return max(1, data // local) if data and local else None


def _workload_roles(workload: Mapping[str, Any], suffix: str) -> list[FoundRole]:
    replicas = _replicas(workload)
    roles: list[FoundRole] = []
    template, worker = mapping_at(workload, "template"), mapping_at(workload, "worker")
    if template or not worker:
        roles.append(FoundRole(f"{_WORKLOAD}{suffix}", _pod_spec(template), replicas))
    if worker:
        nodes = _nodes(workload)
        leaders = replicas if template else 0
        pods = product(replicas, nodes)
        workers = None if pods is None or leaders is None else pods - leaders
        roles.append(FoundRole(f"{_WORKLOAD}{suffix}-worker", _pod_spec(worker), workers))
    return roles


def _pod_spec(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod_template(elements_at(spec, "containers"), spec=spec)


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """What stands in the object itself; what its presets add is known from the pods alone."""
    roles = _workload_roles(obj.spec, "")
    prefill = mapping_at(obj.spec, "prefill")
    if prefill:
        roles += _workload_roles(prefill, "-prefill")
    scheduler = mapping_at(obj.spec, "router.scheduler.template")
    if scheduler:
        roles.append(FoundRole("llminferenceservice-router-scheduler", _pod_spec(scheduler), 1))
    return tuple(roles)


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    return RequestedPods(
        number=number,
        min=whole_at(obj.spec, "scaling.minReplicas"),
        max=whole_at(obj.spec, "scaling.maxReplicas"),
    )


ENTRIES = (
    KindEntry(
        key=KindKey(group="serving.kserve.io", kind="LLMInferenceService"),
        versions=("v1alpha2", "v1alpha1"),
        plural="llminferenceservices",
        words=Words(
            runs="condition Ready is True and its pods are ready",
            fails="without pods: its presets do not combine, or it cannot be reconciled",
            stops="the annotation `serving.kserve.io/stop`",
            asks="`spec.replicas` (and those of prefill) times nodes; what presets add is known from pods alone",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=(Role(name=_WORKLOAD, template="spec.template", is_pod_spec=True),),
        find_roles=_find_roles,
        role_labels=("app.kubernetes.io/component",),
        requested_pods=_requested_pods,
        priority_paths=("spec.template.priorityClassName",),
        url_paths=("status.url", "status.addresses.*.url"),
        storage_paths=("spec.model.uri",),
        default_priority_class="inference",
        recovers=True,
    ),
)
