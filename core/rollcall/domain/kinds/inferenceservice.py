"""InferenceService of KServe: a predictor, perhaps a transformer and an explainer, serverless or as Deployments.

Its word Ready is False as long as it starts, in raw mode with the Deployment's reason; only a reason that is none of
those of an ordinary start means that it failed.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import MOST_PODS, condition_of, elements_at, mapping_at, text_at, true_condition, whole_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import (
    all_wait,
    any_lives,
    any_serves,
    count_at,
    is_false,
    pod_template,
    product,
    said_by,
    says_ready,
)
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

STOP_ANNOTATION = "serving.kserve.io/stop"

_COMPONENTS = ("predictor", "transformer", "explainer")
_BLOCKED = frozenset({"BlockedByFailedLoad", "InvalidSpec"})
_STARTING = frozenset(
    {
        "MinimumReplicasUnavailable",
        "PredictorNotReady",
        "TransformerNotReady",
        "ExplainerNotReady",
        "Predictor ingress not created",
        "Transformer ingress not created",
        "Explainer ingress not created",
        "Deploying",
        "RevisionMissing",
        "Uninitialized",
        "Stopped",
    }
)
"""Reasons of Ready False that every start goes through, and that of a stop which is just being taken back."""

_MODELS = (
    "model",
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
    "art",
)
"""Where a component keeps its model's container."""


def stop_asked(obj: ObjectFacts) -> bool:
    """Whether the annotation asks for a stop; anything but a yes is none."""
    return obj.meta.annotations.get(STOP_ANNOTATION, "").lower() == "true"


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    stop = stop_asked(obj)
    stopped = true_condition(status, "Stopped") is not None
    ready = says_ready(status)
    condition = condition_of(status, "Ready")
    least = _least(obj)
    failed, degraded = (None, None) if stop else _troubles(obj, pods)
    serves = says_ready(status, "PredictorReady") or ready
    # Neither True nor False, with a revision that was ready: the next one is on its way (serverless).
    rolling = (
        ready is False
        and not is_false(condition)
        and text_at(status, "components.predictor.latestReadyRevision") is not None
    )
    required = least if ready or rolling else _at_least_one_each(obj)
    return Signals(
        raw_phase=_raw_phase(status),
        failed=failed,
        stop=f"stopped by annotation {STOP_ANNOTATION}" if stop else None,
        resuming="no longer stopped, its controller has yet to follow" if stopped and not stop else None,
        unobserved=unobserved(obj, writes_generation=True),
        required=required,
        existing=1 if serves and not stopped and (stop or degraded) else None,
        ready=max(1, required or 1) if rolling or (degraded and serves) else None,
        says_ready=None if rolling else ready,
        not_ready=_not_ready(status, pods) if ready is False and not rolling and degraded is None else None,
        degraded=degraded,
        behind=said_by(condition, "a new revision is being rolled out") if rolling else None,
        idle="scaled to zero" if ready and least == 0 and not any_lives(pods) else None,
        message=None if condition is None or ready else _model_trouble(status),
        unreadable="minReplicas is no count" if least is None else None,
    )


def _troubles(obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> tuple[Verdict | None, str | None]:
    """(failed, degraded): a model that cannot be loaded, or Ready False for a reason that no start has."""
    status = obj.status
    if text_at(status, "modelStatus.transitionStatus") in _BLOCKED:
        said = _model_trouble(status) or text_at(status, "modelStatus.transitionStatus")
        serves = says_ready(status) or text_at(status, "modelStatus.states.activeModelState") == "Loaded"
        return (None, said) if serves else (Verdict(message=said, holds=False), None)
    condition = condition_of(status, "Ready")
    if condition is None or not is_false(condition) or all_wait(pods):
        return None, None
    reason = text_at(condition, "reason")
    if says_ready(status, "PredictorReady"):
        return None, said_by(condition, "part of it is not ready")
    if reason is None or reason in _STARTING:
        return None, None
    return Verdict(message=said_by(condition, reason), holds=False), None


def _model_trouble(status: Mapping[str, Any]) -> str | None:
    """What is known of the last model that could not be loaded."""
    parts = (text_at(status, f"modelStatus.lastFailureInfo.{name}") for name in ("reason", "message"))
    return ": ".join(part for part in parts if part) or None


def _not_ready(status: Mapping[str, Any], pods: tuple[JudgedPod, ...]) -> str | None:
    """Not ready although its pods are: routes and models come after pods. Without ready pods these speak."""
    if pods and not any_serves(pods):
        return None
    return said_by(condition_of(status, "Ready"), "not ready by its own word")


def _raw_phase(status: Mapping[str, Any]) -> str | None:
    ready = condition_of(status, "Ready")
    if ready is None:
        return None
    if ready.get("status") == "True":
        return "Ready"
    return text_at(ready, "reason") or text_at(status, "modelStatus.transitionStatus") or "NotReady"


def _components(obj: ObjectFacts) -> list[tuple[str, Mapping[str, Any]]]:
    named = ((name, mapping_at(obj.spec, name)) for name in _COMPONENTS)
    return [(name, component) for name, component in named if component]


def _multi_node_size(component: Mapping[str, Any]) -> int | None:
    """Pods of one replica: the head alone, or with the workers of a pipeline over several nodes."""
    if not mapping_at(component, "workerSpec"):
        return 1
    return count_at(component, "workerSpec.pipelineParallelSize", 1)


def _summed(obj: ObjectFacts, floor: int) -> int | None:
    total = 0
    for _, component in _components(obj):
        least = count_at(component, "minReplicas", 1)
        pods = product(least if least is None else max(floor, least), _multi_node_size(component))
        if pods is None:
            return None
        total += pods
    return min(total, MOST_PODS)


def _least(obj: ObjectFacts) -> int | None:
    """The pods of all components at their least, which may be none."""
    return _summed(obj, 0) if _components(obj) else 1


def _at_least_one_each(obj: ObjectFacts) -> int | None:
    return _summed(obj, 1) if _components(obj) else 1


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """A PodSpec inline, and the container of the model beside it."""
    roles: list[FoundRole] = []
    for name, component in _components(obj):
        least = count_at(component, "minReplicas", 1)
        number = None if least is None else max(1, least)
        roles.append(FoundRole(name, _template(component), number))
        size = _multi_node_size(component)
        if size is None or size > 1:
            workers = product(number, None if size is None else size - 1)
            roles.append(FoundRole("worker", _template(mapping_at(component, "workerSpec")), workers))
    return tuple(roles)


def _template(component: Mapping[str, Any]) -> Mapping[str, Any]:
    models = [mapping_at(component, key) for key in _MODELS]
    containers = [*(model for model in models if model), *elements_at(component, "containers")]
    kept = {key: component[key] for key in ("initContainers", "nodeSelector", "affinity") if key in component}
    return pod_template(containers, spec=kept, annotations=mapping_at(component, "annotations"))


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    least = _least(obj) if _components(obj) else None
    most = 0
    for _, component in _components(obj):
        one = product(whole_at(component, "maxReplicas") or None, _multi_node_size(component))
        if one is None:
            return RequestedPods(number=least, min=least)
        most += one
    return RequestedPods(number=least, min=least, max=min(most, MOST_PODS) or None)


ENTRIES = (
    KindEntry(
        key=KindKey(group="serving.kserve.io", kind="InferenceService"),
        versions=("v1beta1",),
        plural="inferenceservices",
        words=Words(
            runs='condition Ready is True and its pods are ready ("scaled to zero" too)',
            fails=(
                "its model cannot be loaded, or Ready is False with a reason that no start has; Degraded where the "
                "one before serves"
            ),
            stops="the annotation `serving.kserve.io/stop`",
            asks="`minReplicas` (1) of predictor, transformer and explainer; of several nodes also the workers",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=tuple(
            Role(name=name, template=f"spec.{name}") for name in ("predictor", "worker", "transformer", "explainer")
        ),
        find_roles=_find_roles,
        role_labels=("component",),
        requested_pods=_requested_pods,
        priority_paths=("spec.predictor.priorityClassName",),
        url_paths=("status.url",),
        storage_paths=("spec.*.*.storageUri",),
        default_priority_class="inference",
        recovers=True,
    ),
)
