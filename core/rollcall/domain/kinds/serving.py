"""What the kinds that serve or host something share: a Ready condition, pods that serve, put-together templates."""

from collections.abc import Iterable, Mapping
from typing import Any

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import MOST_PODS, condition_of, is_absurd, sentence_of, whole_at
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import RequestedPods


def says_ready(status: Mapping[str, Any], condition_type: str = "Ready") -> bool | None:
    """Whether the condition is True; ``None`` where it is absent."""
    found = condition_of(status, condition_type)
    return None if found is None else found.get("status") == "True"


def is_false(condition: Mapping[str, Any] | None) -> bool:
    """Whether the condition says False, which is neither Unknown nor absent."""
    return condition is not None and condition.get("status") == "False"


def said_by(condition: Mapping[str, Any] | None, otherwise: str) -> str:
    """``reason: message`` of a condition, else a sentence of ours."""
    return (sentence_of(condition) if condition is not None else None) or otherwise


def any_serves(pods: Iterable[JudgedPod]) -> bool:
    """Whether a pod is ready."""
    return any(pod.is_ready for pod in pods)


def any_lives(pods: Iterable[JudgedPod]) -> bool:
    """Whether a pod is neither over nor on its way out."""
    return any(pod.is_active for pod in pods)


def all_wait(pods: Iterable[JudgedPod]) -> bool:
    """Whether pods live and all of them wait for a node: a deadline that passes meanwhile is no failure."""
    living = [pod for pod in pods if pod.is_active]
    return bool(living) and all(pod.is_waiting for pod in living)


def unobserved_if_written(obj: ObjectFacts) -> str | None:
    """As `lifecycle.unobserved`, for kinds of which only newer versions write ``observedGeneration``."""
    if not obj.status:
        return NOT_OBSERVED
    observed, generation = whole_at(obj.status, "observedGeneration"), obj.meta.generation
    if observed is not None and generation is not None and observed < generation:
        return NOT_OBSERVED
    return None


def count_at(root: Mapping[str, Any], path: str, default: int | None) -> int | None:
    """The count at a path, the default where nothing stands there, ``None`` where it is no count."""
    if is_absurd(root, path):
        return None
    found = whole_at(root, path)
    return default if found is None else found


def product(one: int | None, other: int | None) -> int | None:
    """Both multiplied, at most what a count may be; ``None`` where one is not known."""
    return None if one is None or other is None else min(one * other, MOST_PODS)


def pods_of(roles: Iterable[FoundRole]) -> int | None:
    """The pods of all roles together; ``None`` without a role or where one has no number."""
    total, any_role = 0, False
    for role in roles:
        if role.replicas is None:
            return None
        total, any_role = total + role.replicas, True
    return min(total, MOST_PODS) if any_role else None


def pod_template(
    containers: Iterable[Mapping[str, Any]],
    *,
    spec: Mapping[str, Any] | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """A PodTemplateSpec put together from what a kind has instead of one."""
    found = [dict(container) for container in containers] or [{"name": "main"}]
    return {"metadata": {"annotations": dict(annotations or {})}, "spec": {**(spec or {}), "containers": found}}


def number_only(_obj: ObjectFacts, number: int | None) -> RequestedPods:
    """Requested pods of a kind whose roles alone give their number."""
    return RequestedPods(number=number)


def text_of(value: Any) -> str | None:
    """A string, or a number as people write it in YAML without quotes, as a string."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None
