"""DynamoGraphDeployment: components of an inference graph, each with replicas of one node or several.

Older versions keep the components in a map of services with a resource notation of their own, newer ones in a list
with pod templates. ``state: successful`` means that it serves, and is no end.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, elements_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import FoundRole, Intermediate, KindEntry, Role, Words
from rollcall.domain.kinds.serving import (
    count_at,
    is_false,
    number_only,
    pod_template,
    pods_of,
    product,
    said_by,
    text_of,
    unobserved_if_written,
)
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_ROLLING = frozenset({"Pending", "InProgress"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    state = text_at(status, "state")
    ready = condition_of(status, "Ready")
    reason = text_at(ready, "reason") if ready is not None else None
    serves = state == "successful" and (ready is None or ready.get("status") == "True")
    failed = None
    if state == "failed":
        failed = Verdict(message=said_by(ready, "the operator says failed"), holds=False)
    roles = _find_roles(obj)
    required = pods_of(roles)
    counted = _counted(obj)
    rolling = text_at(status, "rollingUpdate.phase") in _ROLLING or (is_false(ready) and reason == "updating")
    waits = is_false(ready) and reason == "insufficient_capacity" and not pods
    return Signals(
        raw_phase=state,
        failed=failed,
        stop="scaled to 0 replicas" if required == 0 else None,
        unobserved=unobserved_if_written(obj) or (None if state or pods else "its operator has not said a state yet"),
        required=required,
        existing=None if counted is None else counted[0],
        ready=None if counted is None else counted[1],
        says_ready=None if state is None else serves,
        behind=said_by(ready, "its components are being updated") if rolling else None,
        waiting=said_by(ready, "no room for its pods") if waits else None,
        unreadable="replicas of a component is no count" if roles and required is None else None,
    )


def _counted(obj: ObjectFacts) -> tuple[int, int] | None:
    """(existing, ready) pods over the components, as far as each of them is counted."""
    found = mapping_at(obj.status, "components") or mapping_at(obj.status, "services")
    nodes = {name: _nodes(component) for name, component in _components(obj)}
    existing = ready = 0
    counted = False
    for name, one in found.items():
        if not isinstance(one, Mapping):
            continue
        counted = True
        serving = whole_at(one, "availableReplicas")
        serving = whole_at(one, "readyReplicas") if serving is None else serving
        existing += (whole_at(one, "replicas") or 0) * (nodes.get(name) or 1)
        ready += (serving or 0) * (nodes.get(name) or 1)
    return (existing, ready) if counted else None


def _components(obj: ObjectFacts) -> list[tuple[str, Mapping[str, Any]]]:
    named = [(text_at(one, "name") or "component", one) for one in elements_at(obj.spec, "components")]
    services = mapping_at(obj.spec, "services")
    named += [(name, one) for name, one in services.items() if isinstance(one, Mapping)]
    return named


def _nodes(component: Mapping[str, Any]) -> int | None:
    return count_at(component, "multinode.nodeCount", 1)


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return tuple(
        FoundRole(name.lower(), _template(one), product(count_at(one, "replicas", 1), _nodes(one)))
        for name, one in _components(obj)
    )


def _template(component: Mapping[str, Any]) -> Mapping[str, Any]:
    given = mapping_at(component, "podTemplate")
    if given:
        spec = mapping_at(given, "spec")
        annotations = mapping_at(given, "metadata.annotations")
        return pod_template(elements_at(spec, "containers"), spec=spec, annotations=annotations)
    spec = mapping_at(component, "extraPodSpec")
    main = {"name": "main", **mapping_at(spec, "mainContainer"), "resources": _resources(component)}
    rest = {key: value for key, value in spec.items() if key != "mainContainer"}
    return pod_template(
        [main, *elements_at(spec, "containers")], spec=rest, annotations=mapping_at(component, "annotations")
    )


def _resources(component: Mapping[str, Any]) -> Mapping[str, Any]:
    """Processors and memory as everywhere; ``gpu: "1"`` is a GPU of ``gpuType``; ``custom`` holds all else."""
    own = mapping_at(component, "extraPodSpec.mainContainer.resources")
    found: dict[str, Any] = {}
    for side in ("requests", "limits"):
        amounts = {**mapping_at(own, side)}
        asked = mapping_at(component, f"resources.{side}")
        amounts |= {name: asked[name] for name in ("cpu", "memory") if name in asked}
        gpus = text_of(asked.get("gpu"))
        if gpus is not None:
            amounts[text_at(asked, "gpuType") or "nvidia.com/gpu"] = gpus
        found[side] = amounts | {**mapping_at(asked, "custom")}
    return found


ENTRIES = (
    KindEntry(
        key=KindKey(group="nvidia.com", kind="DynamoGraphDeployment"),
        versions=("v1beta1", "v1alpha1"),
        plural="dynamographdeployments",
        words=Words(
            runs="state successful and its components are ready; no end",
            fails="state failed",
            stops="all replicas are 0",
            asks='`replicas` times `multinode.nodeCount` of each component, in both versions; `gpu: "1"` is a GPU',
        ),
        between=(
            Intermediate(
                key=KindKey(group="nvidia.com", kind="DynamoComponentDeployment"), plural="dynamocomponentdeployments"
            ),
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=(Role(template="spec.components"),),
        find_roles=_find_roles,
        role_labels=("nvidia.com/dynamo-component",),
        name_label="nvidia.com/dynamo-graph-deployment-name",
        requested_pods=number_only,
        priority_paths=("spec.priorityClassName",),
        default_priority_class="inference",
        recovers=True,
    ),
)
