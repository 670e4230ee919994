"""A workload record as the Workload object of the REST contract: plain JSON values, for the API and for ``explain``.

Which keys may be null and which are left out follows the published schema: an optional key without a value is left
out unless the schema lets it be null. Numbers come from exact integers, here and nowhere earlier.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from rollcall.domain.attachments import Connection, Topology
from rollcall.domain.quantities import bytes_quantity
from rollcall.domain.records import (
    Condition,
    RequestedPods,
    ResourceRequest,
    Resources,
    SchedulingMessage,
    WorkloadRecord,
)

_UID_SPACE = UUID("6a0f0f0a-5f0c-5c1d-9d52-6b0b0c6e2f11")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MICROS = 1_000_000
_MILLIS = 1_000
_MOST_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What surrounds a record: ids, and the instants that only the store knows."""

    tenant_id: int
    cluster_id: str
    phase_updated_at: datetime
    k8s_phase_updated_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    pending_seconds: int | None = None
    running_seconds: int | None = None


def workload_json(record: WorkloadRecord, setting: Setting) -> dict[str, Any]:
    """The Workload object of the contract, every required field real."""
    answer: dict[str, Any] = {
        "tenantId": setting.tenant_id,
        "id": object_id(record.uid),
        "name": record.name,
        "namespace": record.namespace,
        "type": record.type,
        "category": record.category.value,
        "source": record.source.value,
        "clusterId": setting.cluster_id,
        "projectId": record.project_id,
        "projectName": record.project_name,
        "departmentId": record.department_id,
        "departmentName": record.department_name,
        "priority": record.priority,
        "priorityClassName": record.priority_class_name,
        "preemptible": record.preemptible,
        "createdAt": instant(record.created_at),
        "updatedAt": instant(setting.updated_at),
        "deletedAt": None if setting.deleted_at is None else instant(setting.deleted_at),
        "completedAt": None if record.completed_at is None else instant(record.completed_at),
        "phase": record.phase.value,
        "phaseUpdatedAt": instant(setting.phase_updated_at),
        "phaseReason": None if record.phase_reason is None else record.phase_reason.value,
        "k8sPhase": record.k8s_phase,
        "k8sPhaseUpdatedAt": instant(setting.k8s_phase_updated_at),
        "conditions": [_condition(condition) for condition in record.conditions],
        "runningPods": min(record.running_pods, _MOST_INT32),
        "workloadRequestedResources": request_json(record.workload_requested),
        "podsRequestedResources": request_json(record.pods_requested),
        "allocatedResources": allocated_json(record.allocated),
        "actionsSupport": {"delete": False, "suspend": False},
        "totalPendingTimeSeconds": setting.pending_seconds,
        "totalRunningTimeSeconds": setting.running_seconds,
        "topology": _topology(record.topology),
    }
    optional = {
        "submittedBy": record.submitted_by,
        "phaseMessage": record.phase_message,
        "requestedPods": _requested_pods(record.requested_pods),
        "requestedNodePools": list(record.requested_node_pools),
        "currentNodePools": list(record.current_node_pools),
        "images": list(record.images),
        "command": record.command,
        "arguments": record.arguments,
        "distributedFramework": record.distributed_framework,
        "additionalFields": dict(record.additional_fields),
        "datasources": _datasources(record, setting.cluster_id),
        "environmentVariables": dict(record.environment),
        "urls": list(record.urls),
        "externalConnections": [_connection(connection) for connection in record.connections],
    }
    answer.update({key: value for key, value in optional.items() if value})
    return answer


def detailed_workload_json(record: WorkloadRecord, setting: Setting) -> dict[str, Any]:
    """The same with what is told of one workload alone."""
    messages = [_scheduling_message(message) for message in record.pending_scheduling_messages]
    return {**workload_json(record, setting), "pendingSchedulingMessages": messages or None}


def object_id(uid: str) -> str:
    """The uid where it is a UUID, as it always is from a real API server; else a stable UUID that stands for it."""
    if _UUID.fullmatch(uid):
        return uid
    try:
        return str(UUID(uid))
    except ValueError:
        return str(uuid5(_UID_SPACE, uid))


def made_id(*words: str) -> str:
    """A stable UUID for what has none of its own, such as a node pool: the same words, the same id."""
    return str(uuid5(_UID_SPACE, "/".join(words)))


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with ``Z``."""
    return at.astimezone(UTC).isoformat()[: -len("+00:00")] + "Z"


def number(amount: int, per_unit: int) -> int | float:
    """An amount as a JSON number of whole units, exact to the base unit."""
    return amount // per_unit if amount % per_unit == 0 else amount / per_unit


def decimal(amount: int, per_unit: int) -> str:
    """An amount in whole units, written out in full: exact, without an exponent or needless zeros.

    ``per_unit`` is a power of ten.
    """
    whole, rest = divmod(abs(amount), per_unit)
    fraction = str(per_unit + rest)[1:].rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' if fraction else ''}{fraction}"


def _condition(condition: Condition) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": condition.type, "status": condition.status}
    if condition.reason:
        answer["reason"] = condition.reason
    if condition.message:
        answer["message"] = condition.message
    if condition.last_transition_at is not None:
        answer["lastTransitionTime"] = instant(condition.last_transition_at)
    return answer


def _datasources(record: WorkloadRecord, cluster_id: str) -> list[dict[str, str]]:
    """With an id that the same data has on every workload of its namespace: most of it is no Kubernetes object."""
    where = f"{cluster_id}/{record.namespace}"
    return [
        {"type": one.type.value, "name": one.name, "id": str(uuid5(_UID_SPACE, f"{where}/{one.type.value}/{one.name}"))}
        for one in record.datasources
    ]


def _connection(connection: Connection) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "name": connection.name,
        "toolType": connection.tool.value,
        "connectionType": connection.type.value,
    }
    if connection.url is not None:
        answer["url"] = connection.url
    if connection.container_port is not None:
        answer["containerPort"] = connection.container_port
    return answer


def _topology(topology: Topology | None) -> dict[str, str] | None:
    if topology is None:
        return None
    found = {
        "name": topology.name,
        "preferredPlacement": topology.preferred,
        "requiredPlacement": topology.required,
    }
    return {key: value for key, value in found.items() if value is not None}


def _scheduling_message(message: SchedulingMessage) -> dict[str, Any]:
    return {
        "nodePool": message.node_pool,
        "phaseReason": message.phase_reason.value,
        "reason": message.reason,
        "orgType": None if message.org_type is None else message.org_type.value,
        "userMessage": message.user_message,
    }


def _requested_pods(pods: RequestedPods | None) -> dict[str, int] | None:
    if pods is None:
        return None
    numbers = {
        "number": pods.number,
        "min": pods.min,
        "max": pods.max,
        "parallelism": pods.parallelism,
        "completions": pods.completions,
    }
    return {key: min(value, _MOST_INT32) for key, value in numbers.items() if value is not None}


def request_json(request: ResourceRequest | None) -> dict[str, Any] | None:
    """What is asked for."""
    if request is None:
        return None
    asked, limits = request.requests, request.limits
    return {
        "gpuRequestType": None if request.gpu_request_type is None else request.gpu_request_type.value,
        "gpu": _numbers(asked.gpu_micros, limits.gpu_micros, _MICROS),
        "gpuMemory": _quantities(asked.gpu_memory_bytes, limits.gpu_memory_bytes),
        "cpu": _numbers(asked.cpu_millis, limits.cpu_millis, _MILLIS),
        "cpuMemory": _quantities(asked.memory_bytes, limits.memory_bytes),
        "extendedResources": _extended(asked) or None,
    }


def _numbers(asked: int, limit: int | None, per_unit: int) -> dict[str, int | float | None] | None:
    if not asked and limit is None:
        return None
    return {"request": number(asked, per_unit), "limit": None if limit is None else number(limit, per_unit)}


def _quantities(asked: int, limit: int | None) -> dict[str, str | None] | None:
    if not asked and limit is None:
        return None
    return {"request": bytes_quantity(asked), "limit": None if limit is None else bytes_quantity(limit)}


def allocated_json(held: Resources) -> dict[str, Any]:
    """What is held."""
    return {
        "gpu": number(held.gpu_micros, _MICROS),
        "gpuMemory": bytes_quantity(held.gpu_memory_bytes) if held.gpu_memory_bytes else None,
        "cpu": number(held.cpu_millis, _MILLIS),
        "cpuMemory": bytes_quantity(held.memory_bytes),
        "extendedResources": _extended(held) or None,
    }


def _extended(amounts: Resources) -> list[dict[str, Any]]:
    return [{"resource": name, "quantity": str(units), "exclude": False} for name, units in amounts.extended]
