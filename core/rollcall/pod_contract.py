"""A pod as the Pod object of the REST contract: plain JSON values, by the rules of `rollcall.contract`."""

from typing import Any

from rollcall.contract import allocated_json, instant, object_id, request_json
from rollcall.domain.constraints import Constraints, NodeTerm, Toleration
from rollcall.store.records import StoredPod


def pod_json(stored: StoredPod, *, tenant_id: int, full: bool = False) -> dict[str, Any]:
    """The Pod object, every required field real; ``full`` adds the names of its project and its workload."""
    record = stored.record
    answer: dict[str, Any] = {
        "tenantId": tenant_id,
        "id": object_id(record.uid),
        "name": record.name,
        "workloadId": object_id(record.workload_uid),
        "revisionId": None,
        "clusterId": stored.cluster_id,
        # A pod that names no class has its workload's.
        "priorityClassName": record.priority_class_name or stored.workload_priority_class_name or "",
        "createdAt": instant(record.created_at),
        "updatedAt": instant(stored.updated_at),
        "completedAt": None if record.ended_at is None else instant(record.ended_at),
        "deletedAt": None if stored.deleted_at is None else instant(stored.deleted_at),
        "k8sPhase": record.k8s_phase,
        "k8sPhaseUpdatedAt": instant(record.k8s_phase_at),
        "nodeName": record.node_name,
        "currentNodePool": record.node_pool,
        "ip": record.ip,
        "containers": [
            {"name": name, "image": image, "startedAt": None if started_at is None else instant(started_at)}
            for name, image, started_at in record.containers
        ],
        "requestedResources": request_json(record.requested),
        "allocatedResources": allocated_json(record.allocated),
    }
    optional = {
        "projectId": stored.project_id,
        "requestedNodePools": list(record.requested_node_pools),
        "tolerations": [_toleration(one) for one in record.constraints.tolerations],
        "nodeAffinity": _affinity(record.constraints),
    }
    if full:
        optional |= {"projectName": stored.project_name, "workloadName": stored.workload_name}
    answer.update({key: value for key, value in optional.items() if value})
    return answer


def _toleration(toleration: Toleration) -> dict[str, Any]:
    found = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
        "tolerationSeconds": toleration.seconds,
    }
    return {key: value for key, value in found.items() if value is not None}


def _affinity(constraints: Constraints) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if constraints.required:
        found["required"] = {"nodeSelectorTerms": [_term(term) for term in constraints.required]}
    if constraints.preferred:
        terms = [{"weight": term.weight, "preference": _term(term)} for term in constraints.preferred]
        found["preferred"] = {"nodeSelectorTerms": terms}
    return found


def _term(term: NodeTerm) -> dict[str, Any]:
    return {
        "matchExpressions": [
            {"key": one.key, "operator": one.operator, "values": list(one.values)} for one in term.expressions
        ]
    }
