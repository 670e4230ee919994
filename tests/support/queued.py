"""What stands in queues, in the shapes Kueue, KAI and Volcano write."""

from collections.abc import Mapping
from typing import Any

from support.observed import CREATED, NOW, at

from rollcall.domain.facts import KindKey, QueueFacts
from rollcall.domain.queue_reading import read_queue
from rollcall.domain.queues import KAI_POD_GROUP, KUEUE_WORKLOAD, VOLCANO_POD_GROUP

TOP = "11111111-0000-4000-8000-000000000001"
"""The uid that `support.observed.obj` gives."""


def owner(uid: str = TOP, *, kind: str = "Job", api_version: str = "batch/v1", name: str = "w") -> dict[str, Any]:
    """A controller reference."""
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


def body(
    api_version: str,
    kind: str,
    spec: Mapping[str, Any],
    status: Mapping[str, Any] | None,
    *,
    name: str,
    owners: tuple[dict[str, Any], ...] = (),
    **metadata: Any,
) -> dict[str, Any]:
    """An object as the API server would serve it; without a status where there is none yet."""
    meta = {
        "name": name,
        "namespace": "runai-team-a",
        "uid": f"queued-{name}",
        "resourceVersion": "300",
        "generation": 1,
        "creationTimestamp": at(CREATED),
        "ownerReferences": list(owners),
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": meta | metadata, "spec": dict(spec)} | (
        {} if status is None else {"status": dict(status)}
    )


def said(condition_type: str, status: str, reason: str, message: str) -> dict[str, Any]:
    """A condition as metav1 writes them, with all its fields."""
    return {
        "type": condition_type,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at(NOW),
        "observedGeneration": 1,
    }


def kueue_body(
    *conditions: dict[str, Any],
    name: str = "job-w-5d2a1",
    version: str = "v1beta1",
    active: bool | None = True,
    owners: tuple[dict[str, Any], ...] = (owner(),),
    **status: Any,
) -> dict[str, Any]:
    """Kueue's Workload of a Job."""
    spec: dict[str, Any] = {
        "podSets": [{"name": "main", "count": 2, "template": {"spec": {"containers": [{"name": "main"}]}}}],
        "priority": 0,
        "queueName": "team-a",
    }
    if version == "v1beta1":
        spec["priorityClassSource"] = ""
    if active is not None:
        spec["active"] = active
    found = status | ({"conditions": list(conditions)} if conditions else {})
    return body(f"kueue.x-k8s.io/{version}", "Workload", spec, found or None, name=name, owners=owners)


def kai_body(
    *conditions: dict[str, Any],
    name: str = "pg-w-5d2a1",
    queue: str = "team-a",
    owners: tuple[dict[str, Any], ...] = (owner(),),
    **metadata: Any,
) -> dict[str, Any]:
    """KAI's PodGroup."""
    spec = {"minMember": 2, "priorityClassName": "build", "queue": queue}
    status: dict[str, Any] = {"resourcesStatus": {"requested": {"nvidia.com/gpu": "2"}}}
    if conditions:
        status["schedulingConditions"] = list(conditions)
    return body("scheduling.run.ai/v2alpha2", "PodGroup", spec, status, name=name, owners=owners, **metadata)


def unschedulable(*reasons: tuple[str, str], pool: str = "default", number: int = 1, queue: str = "") -> dict[str, Any]:
    """One of KAI's scheduling conditions; ``queue`` is the queue whose quota is in the way."""
    listed: list[dict[str, Any]] = [{"reason": reason, "message": message} for reason, message in reasons]
    if queue:
        listed[0]["details"] = {"queueDetails": {"name": queue, "queueDeservedResources": {"nvidia.com/gpu": "2"}}}
    return {
        "type": "UnschedulableOnNodePool",
        "nodePool": pool,
        "reason": "Unschedulable",
        "message": "\n".join(f"{reason}: {message}" for reason, message in reasons),
        "reasons": listed,
        "transitionID": str(number),
        "lastTransitionTime": at(NOW),
        "status": "True",
    }


def volcano_body(
    phase: str | None = "Pending",
    *conditions: dict[str, Any],
    name: str = "w-5d2a1",
    owners: tuple[dict[str, Any], ...] = (owner(),),
    **metadata: Any,
) -> dict[str, Any]:
    """Volcano's PodGroup."""
    status: dict[str, Any] | None = None if phase is None else {"phase": phase}
    if status is not None and conditions:
        status["conditions"] = [{**one, "transitionID": f"t{number}"} for number, one in enumerate(conditions)]
    spec = {"minMember": 2, "minResources": {"cpu": "2"}, "queue": "team-a"}
    return body("scheduling.volcano.sh/v1beta1", "PodGroup", spec, status, name=name, owners=owners, **metadata)


def read(found: dict[str, Any]) -> QueueFacts:
    """The object, read."""
    group = str(found["apiVersion"]).partition("/")[0]
    facts = read_queue(KindKey(group=group, kind=found["kind"]), found)
    assert facts is not None
    assert facts.meta.key in (KUEUE_WORKLOAD, KAI_POD_GROUP, VOLCANO_POD_GROUP)
    return facts
