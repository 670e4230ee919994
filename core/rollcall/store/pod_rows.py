"""Records of pods as rows and rows as records: the one place where the two meet."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.constraints import Constraints, NodeExpression, NodeTerm, Toleration
from rollcall.domain.reading import read_instant
from rollcall.domain.records import PodRecord, PodState, ResourceRequest, Resources
from rollcall.store.records import StoredPod
from rollcall.store.rows import instant, request_of, request_row, resources_of, resources_row


def pod_row(record: PodRecord) -> dict[str, Any]:
    """The columns of a pod, as JSON values.

    ``k8s_phase_at`` is since when its phase holds if the row is new or the phase has just changed.
    """
    asked, held = record.requested.requests, record.allocated
    return {
        "uid": record.uid,
        "workload_uid": record.workload_uid,
        "namespace": record.namespace,
        "name": record.name,
        "role": record.role,
        "node_name": record.node_name,
        "node_pool": record.node_pool,
        "k8s_phase": record.k8s_phase,
        "state": record.state.value,
        "message": record.message,
        "requested_gpu_micros": asked.gpu_micros,
        "requested_gpu_memory_bytes": asked.gpu_memory_bytes,
        "requested_cpu_millis": asked.cpu_millis,
        "requested_memory_bytes": asked.memory_bytes,
        "allocated_gpu_micros": held.gpu_micros,
        "allocated_gpu_memory_bytes": held.gpu_memory_bytes,
        "allocated_cpu_millis": held.cpu_millis,
        "allocated_memory_bytes": held.memory_bytes,
        "created_at": instant(record.created_at),
        "bound_at": instant(record.bound_at),
        "ready_at": instant(record.ready_at),
        "ended_at": instant(record.ended_at),
        "fatal_since": instant(record.fatal_since),
        "priority_class_name": record.priority_class_name,
        "details": _details(record),
        "resource_version": record.resource_version,
        "k8s_phase_at": instant(record.k8s_phase_at),
    }


def pod_of(row: Mapping[str, Any]) -> StoredPod:
    """A row of a page, with what the statement found of its workload."""
    details: Mapping[str, Any] = row["details"]
    deleted_at = row["deleted_at"]
    while_bound = details.get("allocatedWhileBound")
    record = PodRecord(
        uid=row["uid"],
        workload_uid=row["workload_uid"],
        namespace=row["namespace"],
        name=row["name"],
        role=row["role"],
        node_name=row["node_name"],
        node_pool=row["node_pool"],
        k8s_phase=row["k8s_phase"],
        state=PodState(row["state"]),
        message=row["message"],
        requested=request_of(details.get("requested")) or ResourceRequest(),
        # What is gone holds nothing.
        allocated=Resources() if deleted_at is not None else resources_of(details.get("allocated")),
        created_at=row["created_at"],
        bound_at=row["bound_at"],
        ready_at=row["ready_at"],
        ended_at=row["ended_at"],
        fatal_since=row["fatal_since"],
        priority_class_name=row["priority_class_name"],
        containers=tuple((name, image, read_instant(at)) for name, image, at in details.get("containers", ())),
        resource_version=row["resource_version"],
        allocated_while_bound=None if while_bound is None else resources_of(while_bound),
        # Rows of an earlier release have no such instant until they are written again.
        k8s_phase_at=row["k8s_phase_updated_at"] or _phase_at(row),
        ip=details.get("ip"),
        requested_node_pools=tuple(details.get("requestedNodePools", ())),
        constraints=_constraints_of(details),
    )
    return StoredPod(
        record=record,
        cluster_id=row["cluster_id"],
        updated_at=row["updated_at"],
        deleted_at=deleted_at,
        workload_name=row["of_workload"],
        project_id=row["of_project_id"],
        project_name=row["of_project_name"],
        workload_priority_class_name=row["of_priority_class_name"],
    )


def _phase_at(row: Mapping[str, Any]) -> Any:
    known = {"Succeeded": row["ended_at"], "Failed": row["ended_at"], "Running": row["ready_at"] or row["bound_at"]}
    return known.get(row["k8s_phase"]) or row["created_at"]


def _details(record: PodRecord) -> dict[str, Any]:
    details: dict[str, Any] = {
        "requested": request_row(record.requested),
        "allocated": resources_row(record.allocated),
        "containers": [[name, image, instant(started_at)] for name, image, started_at in record.containers],
    }
    constraints = record.constraints
    optional = {
        "allocatedWhileBound": None
        if record.allocated_while_bound is None
        else resources_row(record.allocated_while_bound),
        "ip": record.ip,
        "requestedNodePools": list(record.requested_node_pools) or None,
        "tolerations": [[one.key, one.operator, one.value, one.effect, one.seconds] for one in constraints.tolerations]
        or None,
        "required": _terms_row(constraints.required),
        "preferred": _terms_row(constraints.preferred),
    }
    details.update({key: value for key, value in optional.items() if value is not None})
    return details


def _terms_row(terms: tuple[NodeTerm, ...]) -> list[Any] | None:
    return [
        [term.weight, [[one.key, one.operator, list(one.values)] for one in term.expressions]] for term in terms
    ] or None


def _constraints_of(details: Mapping[str, Any]) -> Constraints:
    return Constraints(
        tolerations=tuple(
            Toleration(key=key, operator=operator, value=value, effect=effect, seconds=seconds)
            for key, operator, value, effect, seconds in details.get("tolerations", ())
        ),
        required=_terms_of(details.get("required", ())),
        preferred=_terms_of(details.get("preferred", ())),
    )


def _terms_of(rows: Any) -> tuple[NodeTerm, ...]:
    return tuple(
        NodeTerm(
            weight=weight,
            expressions=tuple(
                NodeExpression(key=key, operator=operator, values=tuple(values))
                for key, operator, values in expressions
            ),
        )
        for weight, expressions in rows
    )
