"""The kinds of NVIDIA's NIM operator: services in one word, caches and builds that end, pipelines of services.

A service has no pod template but an image, resources and arguments; one is put together from them.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, condition_of, elements_at, instant_at, mapping_at, text_at, true_condition
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import any_serves, count_at, pod_template, pods_of, product, said_by
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

GROUP = "apps.nvidia.com"

_FAILURES = ("Failed", "NIM_SERVICE_FAILED", "NIM_PIPELINE_FAILED")
_READINESS = ("Ready", "NIM_SERVICE_READY", "NIM_PIPELINE_READY")
"""Condition types as they are written, and as the constants of older versions read."""

_WAITING = frozenset({"pending", "pvc-created"})
_AT_WORK = frozenset({"started", "inprogress"})


def service(kind: str) -> KindEntry:
    """The entry of a kind that runs one service, as NIMService and the microservices of NeMo do."""
    return KindEntry(
        key=KindKey(group=GROUP, kind=kind),
        versions=("v1alpha1",),
        plural=f"{kind.lower()}s",
        words=Words(
            runs="state Ready and its pods are ready",
            fails="state Failed, until it is taken back",
            stops="`spec.replicas: 0`, unless it scales by itself",
            asks=(
                "`spec.replicas`, else the least of its autoscaler, times the nodes of `spec.multiNode`; "
                "`spec.resources` each"
            ),
            notes="NotReady holds Running back, whatever the pods say",
        ),
        category=Category.DEPLOY,
        signals=_service_signals,
        roles=(Role(template="spec"),),
        find_roles=_service_roles,
        requested_pods=_service_pods,
        url_paths=("status.model.externalEndpoint", "status.model.clusterEndpoint"),
        default_priority_class="inference",
        recovers=True,
    )


def pipeline(kind: str) -> KindEntry:
    """The entry of a kind that owns services."""
    return KindEntry(
        key=KindKey(group=GROUP, kind=kind),
        versions=("v1alpha1",),
        plural=f"{kind.lower()}s",
        words=Words(
            runs="state Ready and the pods of its services are ready",
            fails="state Failed; Degraded where another of its services serves",
            stops="no service of it is enabled, or all have 0 replicas",
            asks="as its services in `spec.services` ask",
        ),
        category=Category.DEPLOY,
        signals=_pipeline_signals,
        roles=(Role(template="spec.services"),),
        find_roles=_pipeline_roles,
        default_priority_class="inference",
        recovers=True,
    )


def task(kind: str) -> KindEntry:
    """The entry of a kind that prepares a model once: its Ready is the end of it."""
    return KindEntry(
        key=KindKey(group=GROUP, kind=kind),
        versions=("v1alpha1",),
        plural=f"{kind.lower()}s",
        words=Words(
            runs="its pod is at work",
            fails="state Failed",
            stops="nothing but its deletion",
            asks="one; what its pod asks for",
            notes="Ready is Completed",
        ),
        category=Category.TRAIN,
        signals=_task_signals,
    )


def _state(obj: ObjectFacts) -> tuple[str | None, str]:
    """(the operator's word, that word in lower case and without dashes where it means not ready)."""
    word = text_at(obj.status, "state")
    low = (word or "").lower()
    return word, "notready" if low == "not-ready" else low


def _failure(obj: ObjectFacts, says: str) -> str | None:
    failed = true_condition(obj.status, *_FAILURES)
    if failed is None and says != "failed":
        return None
    return said_by(failed or condition_of(obj.status, "Failed"), "the operator says Failed")


def _not_ready(obj: ObjectFacts) -> str:
    found = next((one for name in _READINESS if (one := condition_of(obj.status, name)) is not None), None)
    return said_by(found, "the operator says NotReady")


def _service_signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    word, says = _state(obj)
    required = pods_of(_service_roles(obj))
    failure = _failure(obj, says)
    stopped = required == 0 and at(obj.spec, "scale.enabled") is not True
    return Signals(
        raw_phase=word,
        failed=None if failure is None else Verdict(message=failure, holds=False),
        stop="scaled to 0 replicas" if stopped else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=required,
        existing=1 if stopped and says == "ready" else None,
        says_ready=None if says in _WAITING or word is None else says == "ready",
        not_ready=_not_ready(obj) if says == "notready" else None,
        waiting=f"the operator says {word}" if says in _WAITING and not pods else None,
        unreadable="spec.replicas is no count" if required is None else None,
    )


def _pipeline_signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    word, says = _state(obj)
    roles = _pipeline_roles(obj)
    required = pods_of(roles)
    failure = _failure(obj, says)
    serves = any_serves(pods)
    stop = None
    if not roles and elements_at(obj.spec, "services"):
        stop = "no service of it is enabled"
    elif required == 0:
        stop = "scaled to 0 replicas"
    return Signals(
        raw_phase=word,
        # One service failed: of several, others may serve.
        failed=None if failure is None or serves else Verdict(message=failure, holds=False),
        stop=stop,
        unobserved=unobserved(obj, writes_generation=False),
        required=required,
        says_ready=None if word is None else says == "ready",
        not_ready=_not_ready(obj) if says == "notready" else None,
        degraded=failure if serves else None,
        unreadable="replicas of a service is no count" if roles and required is None else None,
    )


def _task_signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    word, says = _state(obj)
    done = true_condition(obj.status, "NIM_CACHE_JOB_COMPLETED", "NIM_BUILD_ENGINE_BUILD_POD_COMPLETED", "Ready")
    broken = true_condition(obj.status, "NIM_CACHE_RECONCILE_FAILED", "NIM_BUILD_RECONCILE_FAILED", "Failed")
    failed = completed = None
    if says == "failed":
        failed = Verdict(
            message=said_by(broken, "the operator says Failed"),
            at=None if broken is None else instant_at(broken, "lastTransitionTime"),
        )
    elif says == "ready":
        completed = Verdict(at=None if done is None else instant_at(done, "lastTransitionTime"))
    return Signals(
        raw_phase=word,
        failed=failed,
        completed=completed,
        unobserved=unobserved(obj, writes_generation=False),
        required=1,
        success_satisfies=True,
        says_ready=None if says in _WAITING or word is None else says in _AT_WORK,
        waiting=f"the operator says {word}" if says in _WAITING and not pods else None,
    )


def _service_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return (_role("", obj.spec),)


def _pipeline_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return tuple(
        _role(text_at(one, "name") or "", mapping_at(one, "spec"))
        for one in elements_at(obj.spec, "services")
        if one.get("enabled") is not False
    )


def _role(name: str, spec: Mapping[str, Any]) -> FoundRole:
    return FoundRole(name, _template(spec), product(_replicas(spec), _size(spec)))


def _replicas(spec: Mapping[str, Any]) -> int | None:
    """As asked, or the least of the autoscaler that decides instead."""
    if at(spec, "scale.enabled") is True:
        return count_at(spec, "scale.hpa.minReplicas", 1)
    return count_at(spec, "replicas", 1)


def _size(spec: Mapping[str, Any]) -> int | None:
    """Pods of one replica: several nodes by their number, in newer versions by the parallelism of the pipeline."""
    if not mapping_at(spec, "multiNode"):
        return 1
    return count_at(spec, "multiNode.size", count_at(spec, "multiNode.parallelism.pipeline", 1))


def _template(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    image, tag = text_at(spec, "image.repository"), text_at(spec, "image.tag")
    container: dict[str, Any] = {"name": "main", "resources": mapping_at(spec, "resources")}
    if image:
        container["image"] = f"{image}:{tag}" if tag else image
    container |= {key: spec[key] for key in ("command", "args") if key in spec}
    return pod_template(
        [container],
        spec={"nodeSelector": mapping_at(spec, "nodeSelector")},
        annotations=mapping_at(spec, "annotations"),
    )


def _service_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    if at(obj.spec, "scale.enabled") is not True:
        return RequestedPods(number=number)
    return RequestedPods(
        number=number, min=number, max=product(count_at(obj.spec, "scale.hpa.maxReplicas", None), _size(obj.spec))
    )
