"""Milvus: a database of many components, in one word of its operator."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, mapping_at, text_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.serving import count_at, is_false, number_only, pod_template, said_by, unobserved_if_written
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals

_COMPONENTS = (
    "proxy",
    "mixCoord",
    "rootCoord",
    "dataCoord",
    "queryCoord",
    "indexCoord",
    "dataNode",
    "indexNode",
    "queryNode",
    "streamingNode",
    "cdc",
)
"""Of a cluster; the other mode has one component, standalone."""

_UPDATING = frozenset({"MilvusComponentsUpdating", "MilvusUpgradingImage", "MilvusDowngradingImage"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    word = text_at(status, "status")
    health = condition_of(status, "MilvusReady")
    said = said_by(health, f"the operator says {word}")
    asked = [role.replicas for role in _find_roles(obj)]
    stop = "scaled to 0 replicas" if asked and all(number == 0 for number in asked) else None
    if stop is None and word == "Stopped":
        stop = "stopped by its own word"
    updated = condition_of(status, "MilvusUpdated")
    updating = is_false(updated) and (text_at(updated or {}, "reason") in _UPDATING)
    return Signals(
        raw_phase=word,
        stop=stop,
        unobserved=unobserved_if_written(obj),
        existing=1 if stop is not None and word in ("Healthy", "Unhealthy") else None,
        says_ready=None if word is None else word == "Healthy",
        not_ready=said if word == "Unhealthy" else None,
        behind=said_by(updated, "its components are being updated") if updating else None,
    )


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """The components that the spec names (the operator writes them all), with what each or all of them ask for."""
    components = mapping_at(obj.spec, "components")
    names = _COMPONENTS if text_at(obj.spec, "mode") == "cluster" else ("standalone",)
    return tuple(
        FoundRole(name.lower(), _template(component, components), count_at(component, "replicas", 1))
        for name in names
        if isinstance(component := components.get(name), Mapping)
    )


def _template(component: Mapping[str, Any], shared: Mapping[str, Any]) -> Mapping[str, Any]:
    container = {"name": "milvus", "image": text_at(component, "image") or text_at(shared, "image")}
    resources = mapping_at(component, "resources") or mapping_at(shared, "resources")
    selector = mapping_at(component, "nodeSelector") or mapping_at(shared, "nodeSelector")
    return pod_template([container | {"resources": resources}], spec={"nodeSelector": selector})


ENTRIES = (
    KindEntry(
        key=KindKey(group="milvus.io", kind="Milvus"),
        versions=("v1beta1",),
        plural="milvuses",
        words=Words(
            runs="status Healthy and its pods are ready",
            fails="pods cannot start for longer than their grace and none is ready",
            stops="all components at 0 replicas; status Stopped",
            asks="`replicas` (1) of each component that the spec names",
            notes="Unhealthy holds Running back",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=tuple(
            Role(name=name.lower(), template=f"spec.components.{name}") for name in (*_COMPONENTS, "standalone")
        ),
        find_roles=_find_roles,
        role_labels=("app.kubernetes.io/component",),
        requested_pods=number_only,
        priority_paths=("spec.components.priorityClassName",),
        recovers=True,
    ),
)
