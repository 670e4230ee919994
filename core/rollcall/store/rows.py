"""Records of workloads as rows and rows as records: the one place where the two meet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rollcall.domain.reading import read_instant
from rollcall.domain.records import (
    Category,
    Condition,
    GpuRequestType,
    Limits,
    Phase,
    PhaseReason,
    PhaseSource,
    RequestedPods,
    ResourceRequest,
    Resources,
    Source,
    WorkloadRecord,
)
from rollcall.store.attached import attached_of, attached_row
from rollcall.store.records import DeletionSeen, StoredWorkload

PHASE_ORDER: Mapping[Phase, int] = {phase: place for place, phase in enumerate(Phase)}
"""The order of a life, for sorting."""

_ENDED = frozenset({Phase.COMPLETED, Phase.FAILED})


def workload_row(record: WorkloadRecord, *, observed_at: datetime) -> dict[str, Any]:
    """The columns of a workload, as JSON values.

    ``first_phase_at`` is since when the phase holds if the row is new; ``phase_at`` if the phase has just changed.
    """
    ended_at = record.completed_at if record.phase in _ENDED else None
    first_phase_at = ended_at or (record.running_since if record.phase is Phase.RUNNING else None) or record.created_at
    return {
        "uid": record.uid,
        "api_group": record.api_group,
        "api_version": record.api_version,
        "kind": record.kind,
        "type": record.type,
        "category": record.category.value,
        "namespace": record.namespace,
        "name": record.name,
        "project_id": record.project_id,
        "project_name": record.project_name,
        "department_id": record.department_id,
        "department_name": record.department_name,
        "source": record.source.value,
        "submitted_by": record.submitted_by,
        "priority_class_name": record.priority_class_name,
        "priority": record.priority,
        "preemptible": record.preemptible,
        "distributed_framework": record.distributed_framework,
        "created_at": instant(record.created_at),
        "completed_at": instant(record.completed_at),
        "phase": record.phase.value,
        "phase_order": PHASE_ORDER[record.phase],
        "phase_message": record.phase_message,
        "phase_reason": None if record.phase_reason is None else record.phase_reason.value,
        "phase_rule": record.phase_rule,
        "phase_source": record.phase_source.value,
        "k8s_phase": record.k8s_phase,
        "running_since": instant(record.running_since),
        "running_pods": record.running_pods,
        "ready_pods": record.ready_pods,
        "allocated_gpu_micros": record.allocated.gpu_micros,
        "node_pools": list(record.current_node_pools),
        "images": list(record.images),
        "details": {
            "conditions": [_condition_row(condition) for condition in record.conditions],
            "requestedPods": _requested_pods_row(record.requested_pods),
            "workloadRequested": request_row(record.workload_requested),
            "podsRequested": request_row(record.pods_requested),
            "allocated": resources_row(record.allocated),
            "requestedNodePools": list(record.requested_node_pools),
            "command": record.command,
            "arguments": record.arguments,
            "additionalFields": dict(record.additional_fields),
            "problems": list(record.problems),
            **attached_row(record),
        },
        "observed_version": record.observed_version,
        "phase_at": instant(min(observed_at, ended_at) if ended_at else observed_at),
        "first_phase_at": instant(min(observed_at, first_phase_at)),
    }


def workload_of(row: Mapping[str, Any]) -> StoredWorkload:
    """A row of a page, with ``pending_seconds`` and ``running_seconds`` computed by the statement."""
    details: Mapping[str, Any] = row["details"]
    # A closed record keeps no allocation: the key was taken out when it was closed.
    allocated = resources_of(details.get("allocated"))
    deletion_seen = row.get("deletion_seen")
    record = WorkloadRecord(
        uid=row["uid"],
        api_group=row["api_group"],
        api_version=row["api_version"],
        kind=row["kind"],
        type=row["type"],
        category=Category(row["category"]),
        namespace=row["namespace"],
        name=row["name"],
        project_id=row["project_id"],
        project_name=row["project_name"],
        department_id=row["department_id"],
        department_name=row["department_name"],
        source=Source(row["source"]),
        submitted_by=row["submitted_by"],
        priority_class_name=row["priority_class_name"],
        priority=row["priority"],
        preemptible=row["preemptible"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
        phase=Phase(row["phase"]),
        phase_message=row["phase_message"],
        phase_reason=None if row["phase_reason"] is None else PhaseReason(row["phase_reason"]),
        phase_rule=row["phase_rule"],
        phase_source=PhaseSource(row["phase_source"]),
        k8s_phase=row["k8s_phase"],
        conditions=tuple(_condition_of(condition) for condition in details.get("conditions", ())),
        running_since=row["running_since"],
        running_pods=row["running_pods"],
        ready_pods=row["ready_pods"],
        requested_pods=None if details.get("requestedPods") is None else RequestedPods(**details["requestedPods"]),
        workload_requested=request_of(details.get("workloadRequested")),
        pods_requested=request_of(details.get("podsRequested")) or ResourceRequest(),
        allocated=allocated,
        requested_node_pools=tuple(details.get("requestedNodePools", ())),
        current_node_pools=tuple(row["node_pools"]),
        images=tuple(row["images"]),
        command=details.get("command"),
        arguments=details.get("arguments"),
        distributed_framework=row["distributed_framework"],
        additional_fields=tuple(sorted(details.get("additionalFields", {}).items())),
        problems=tuple(details.get("problems", ())),
        **attached_of(details),
        observed_version=row["observed_version"],
    )
    return StoredWorkload(
        record=record,
        cluster_id=row["cluster_id"],
        phase_updated_at=row["phase_updated_at"],
        k8s_phase_updated_at=row["k8s_phase_updated_at"],
        updated_at=row["updated_at"],
        deleted_at=row.get("deleted_at"),
        deletion_seen=None if deletion_seen is None else DeletionSeen(deletion_seen),
        pending_seconds=row["pending_seconds"],
        running_seconds=row["running_seconds"],
        changed_version=row["changed_version"],
    )


def request_of(value: Mapping[str, Any] | None) -> ResourceRequest | None:
    """A request as ``details`` holds it."""
    if value is None:
        return None
    gpu_type = value.get("gpuRequestType")
    return ResourceRequest(
        requests=resources_of(value.get("requests")),
        limits=Limits(**value.get("limits", {})),
        gpu_request_type=None if gpu_type is None else GpuRequestType(gpu_type),
    )


def instant(at: datetime | None) -> str | None:
    """An instant as a JSON value."""
    return None if at is None else at.isoformat()


def _condition_row(condition: Condition) -> dict[str, Any]:
    row = {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "at": instant(condition.last_transition_at),
    }
    return {key: value for key, value in row.items() if value is not None}


def _condition_of(row: Mapping[str, Any]) -> Condition:
    return Condition(
        type=row["type"],
        status=row["status"],
        reason=row.get("reason"),
        message=row.get("message"),
        last_transition_at=read_instant(row.get("at")),
    )


def _requested_pods_row(pods: RequestedPods | None) -> dict[str, int | None] | None:
    if pods is None:
        return None
    return {
        "number": pods.number,
        "min": pods.min,
        "max": pods.max,
        "parallelism": pods.parallelism,
        "completions": pods.completions,
    }


def request_row(request: ResourceRequest | None) -> dict[str, Any] | None:
    """A request for ``details``."""
    if request is None:
        return None
    limits = {
        "gpu_micros": request.limits.gpu_micros,
        "gpu_memory_bytes": request.limits.gpu_memory_bytes,
        "cpu_millis": request.limits.cpu_millis,
        "memory_bytes": request.limits.memory_bytes,
    }
    return {
        "requests": resources_row(request.requests),
        "limits": {name: amount for name, amount in limits.items() if amount is not None},
        "gpuRequestType": None if request.gpu_request_type is None else request.gpu_request_type.value,
    }


def resources_row(amounts: Resources) -> dict[str, Any]:
    """Amounts for ``details``: those that are not zero."""
    row: dict[str, Any] = {
        "gpu_micros": amounts.gpu_micros,
        "gpu_memory_bytes": amounts.gpu_memory_bytes,
        "cpu_millis": amounts.cpu_millis,
        "memory_bytes": amounts.memory_bytes,
        "extended": dict(amounts.extended),
    }
    return {name: amount for name, amount in row.items() if amount}


def resources_of(row: Mapping[str, Any] | None) -> Resources:
    """Amounts as ``details`` holds them."""
    if not row:
        return Resources()
    return Resources(**{**row, "extended": tuple(sorted(row.get("extended", {}).items()))})
