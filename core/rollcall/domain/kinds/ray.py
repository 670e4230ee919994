"""What a Ray cluster's spec asks for and its status counts, wherever a kind of ray.io keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain.fields import (
    EMPTY,
    MOST_PODS,
    at,
    condition_of,
    elements_at,
    is_absurd,
    mapping_at,
    text_at,
    whole_at,
)
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.records import RequestedPods

ROLE_LABELS = ("ray.io/node-type",)
PRIORITY_LABELS = ("ray.io/priority-class-name",)
"""The PriorityClass for schedulers of gangs."""

HEAD, WORKER, SUBMITTER = "head", "worker", "submitter"

_COUNTS = ("replicas", "minReplicas", "maxReplicas", "numOfHosts")

_AUTOSCALER_RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "500m", "memory": "512Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}
"""What KubeRay gives the autoscaler beside the head, unless ``autoscalerOptions.resources`` says otherwise."""

SUBMITTER_RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "500m", "memory": "200Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
"""What KubeRay gives a submitter that has no template of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The pods of a cluster as its status counts them; ``None``: it does not say."""

    existing: int | None = None
    ready: int | None = None


def dashboard(status: Mapping[str, Any], namespace: str | None) -> tuple[str, ...]:
    """The dashboard of the cluster with this status, at the Service of its head."""
    service = text_at(status, "head.serviceName")
    port = text_at(status, "endpoints.dashboard") or _DASHBOARD_PORT
    return () if service is None or not namespace else (f"http://{service}.{namespace}.svc:{port}",)


_DASHBOARD_PORT = "8265"


def workers(group: Mapping[str, Any]) -> int | None:
    """The pods of a worker group; ``None`` where its numbers cannot be read."""
    if any(is_absurd(group, count) for count in _COUNTS):
        return None
    if at(group, "suspend") is True:
        return 0
    least, most = whole_at(group, "minReplicas") or 0, whole_at(group, "maxReplicas")
    replicas = max(whole_at(group, "replicas") or 0, least)
    return as_count((replicas if most is None else min(replicas, most)) * _hosts(group))


def as_count(number: int) -> int:
    """A sum or a product of counts, kept a count."""
    return min(number, MOST_PODS)


def _hosts(group: Mapping[str, Any]) -> int:
    hosts = whole_at(group, "numOfHosts")
    return 1 if hosts is None else hosts


def cluster_pods(spec: Mapping[str, Any]) -> int | None:
    """The head and all workers that a cluster spec asks for."""
    numbers = [workers(group) for group in elements_at(spec, "workerGroupSpecs")]
    known = [number for number in numbers if number is not None]
    return as_count(1 + sum(known)) if len(known) == len(numbers) else None


def cluster_roles(spec: Mapping[str, Any], *, beside_head: tuple[Mapping[str, Any], ...] = ()) -> tuple[FoundRole, ...]:
    """The head, then each worker group; ``beside_head`` are containers that KubeRay adds to the head."""
    found: list[FoundRole] = []
    head = mapping_at(spec, "headGroupSpec.template")
    if elements_at(head, "spec.containers"):
        added = (*_autoscaler(spec, head), *beside_head)
        found.append(FoundRole(HEAD, with_containers(head, added), 1))
    for group in elements_at(spec, "workerGroupSpecs"):
        template = mapping_at(group, "template")
        if elements_at(template, "spec.containers"):
            found.append(FoundRole(WORKER, template, workers(group)))
    return tuple(found)


def with_containers(template: Mapping[str, Any], added: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any]:
    """The template with more containers, except those it already names."""
    spec = mapping_at(template, "spec")
    present = elements_at(spec, "containers")
    names = {text_at(container, "name") for container in present}
    more = [container for container in added if text_at(container, "name") not in names]
    return {**template, "spec": {**spec, "containers": [*present, *more]}} if more else template


def _autoscaler(spec: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    if at(spec, "enableInTreeAutoscaling") is not True:
        return ()
    first = next(iter(elements_at(head, "spec.containers")), EMPTY)
    image = text_at(spec, "autoscalerOptions.image") or text_at(first, "image")
    resources = mapping_at(spec, "autoscalerOptions.resources") or _AUTOSCALER_RESOURCES
    return ({"name": "autoscaler", "image": image, "resources": resources},)


def cluster_requested_pods(spec: Mapping[str, Any], number: int | None, *, beside: int = 0) -> RequestedPods:
    """The pods asked for; the least and the most where the autoscaler may choose. ``beside``: pods of no group."""
    if at(spec, "enableInTreeAutoscaling") is not True:
        return RequestedPods(number=number)
    groups = [group for group in elements_at(spec, "workerGroupSpecs") if at(group, "suspend") is not True]
    least = 1 + beside + sum((whole_at(group, "minReplicas") or 0) * _hosts(group) for group in groups)
    mosts = [whole_at(group, "maxReplicas") for group in groups]
    most = None
    if all(limit is not None and limit < MOST_PODS for limit in mosts):
        # The most of a group without a limit is the largest count there is.
        most = 1 + beside + sum((limit or 0) * _hosts(group) for limit, group in zip(mosts, groups, strict=True))
    return RequestedPods(number=number, min=as_count(least), max=None if most is None else as_count(most))


def head_is_ready(status: Mapping[str, Any]) -> bool:
    """Whether the head's pod is ready; only KubeRay before 1.3 leaves that to the sticky word ``ready``."""
    head = condition_of(status, "HeadPodReady")
    if head is not None:
        return head.get("status") == "True"
    return text_at(status, "state") == "ready"


def counted(status: Mapping[str, Any]) -> Counted:
    """The pods of a cluster by its status.

    ``availableWorkerReplicas`` counts pods that are pending too. ``readyWorkerReplicas`` is left out at 0, so that
    only a status without the condition HeadPodReady (KubeRay before 1.3) may lack it for its age.
    """
    if not status:
        return Counted()
    available = whole_at(status, "availableWorkerReplicas") or 0
    ready = whole_at(status, "readyWorkerReplicas")
    if ready is None:
        told = condition_of(status, "HeadPodReady") is not None
        ready = available if not told and text_at(status, "state") == "ready" else 0
    head = 1 if head_is_ready(status) else 0
    return Counted(existing=available + head, ready=ready + head)
