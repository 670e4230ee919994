"""A stored workload as a Kubernetes object: its metadata, and the contract's fields as spec and status.

What changes by the clock alone (the totals of seconds) is left out, so that one resourceVersion is one content.
"""

from datetime import UTC, datetime
from typing import Any

from rollcall.contract import Setting, detailed_workload_json
from rollcall.store.objects import Attribute, facts_of, is_label_value, object_name
from rollcall.store.records import StoredWorkload
from rollcall_api.kube.statuses import GROUP, VERSION

API_VERSION = f"{GROUP}/{VERSION}"
KIND = "Workload"
LABELS = {
    f"{GROUP}/name": Attribute.NAME,
    f"{GROUP}/kind": Attribute.KIND,
    f"{GROUP}/type": Attribute.TYPE,
    f"{GROUP}/category": Attribute.CATEGORY,
    f"{GROUP}/source": Attribute.SOURCE,
    f"{GROUP}/project": Attribute.PROJECT_NAME,
    f"{GROUP}/department": Attribute.DEPARTMENT_NAME,
    f"{GROUP}/priority-class": Attribute.PRIORITY_CLASS_NAME,
}
"""The labels of an object. None is of the workload's own: those are not recorded. What is no label's value, such as a
name of more than 63 letters, is left out, and is no label for a selector either."""

SPEC_KEYS = (
    "name",
    "type",
    "category",
    "source",
    "clusterId",
    "projectId",
    "projectName",
    "departmentId",
    "departmentName",
    "submittedBy",
    "priority",
    "priorityClassName",
    "preemptible",
    "distributedFramework",
    "requestedPods",
    "requestedNodePools",
    "workloadRequestedResources",
    "images",
    "command",
    "arguments",
    "datasources",
    "environmentVariables",
    "topology",
    "additionalFields",
)
STATUS_KEYS = (
    "phase",
    "phaseMessage",
    "phaseReason",
    "phaseUpdatedAt",
    "k8sPhase",
    "k8sPhaseUpdatedAt",
    "conditions",
    "runningPods",
    "currentNodePools",
    "podsRequestedResources",
    "allocatedResources",
    "pendingSchedulingMessages",
    "completedAt",
    "updatedAt",
    "urls",
    "externalConnections",
)


def workload_object(stored: StoredWorkload) -> dict[str, Any]:
    """The whole object."""
    record = stored.record
    setting = Setting(
        tenant_id=0,
        cluster_id=stored.cluster_id,
        phase_updated_at=stored.phase_updated_at,
        k8s_phase_updated_at=stored.k8s_phase_updated_at,
        updated_at=stored.updated_at,
    )
    told = detailed_workload_json(record, setting)
    refers_to = {"apiVersion": record.api_version, "kind": record.kind, "name": record.name, "uid": record.uid}
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": metadata_of(stored),
        "spec": {"workloadRef": refers_to, **_picked(told, SPEC_KEYS)},
        "status": {**_picked(told, STATUS_KEYS), "readyPods": record.ready_pods},
    }


def partial_object(stored: StoredWorkload) -> dict[str, Any]:
    """The metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata_of(stored)}


def metadata_of(stored: StoredWorkload) -> dict[str, Any]:
    """The object's metadata."""
    record = stored.record
    values = facts_of(stored).values
    labels = {label: values[attribute] for label, attribute in LABELS.items()}
    return {
        "name": object_name(record.name, record.kind, record.api_group),
        "namespace": record.namespace,
        "uid": record.uid,
        "resourceVersion": str(stored.changed_version),
        "creationTimestamp": seconds_instant(record.created_at),
        "labels": {label: value for label, value in labels.items() if value and is_label_value(value)},
    }


def seconds_instant(at: datetime) -> str:
    """An instant as Kubernetes writes it in metadata: in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _picked(told: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    # Kubernetes leaves out what has no value.
    return {key: told[key] for key in keys if told.get(key) is not None}
