"""From the store's records of places to the contract's objects. What no model can do without and nobody knows is empty.

`rollcall_api.place_models` describes these.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from rollcall.contract import instant, made_id, object_id
from rollcall.domain.node_pools import DEFAULT_POOL
from rollcall.store.place_listings import ListedCluster, ListedDepartment, ListedNode, ListedNodePool, ListedProject
from rollcall_api.place_models import ClusterState

MADE_BY = "rollcall"
"""Nobody makes a node pool: it is read off the labels of nodes."""


def cluster_json(
    cluster: ListedCluster, *, tenant_id: int, stale_after_seconds: float, is_full: bool
) -> dict[str, Any]:
    """A cluster; its state as of now."""
    answer: dict[str, Any] = {
        "uuid": cluster.cluster_id,
        "tenantId": tenant_id,
        "name": cluster.name,
        "createdAt": instant(cluster.created_at),
        "lastLiveness": None if cluster.watched_at is None else instant(cluster.watched_at),
    }
    if is_full:
        answer["status"] = {"state": _state(cluster.watched_at, stale_after_seconds).value}
        if cluster.kubernetes_version is not None:
            answer["status"]["platform"] = {"kubeVersion": cluster.kubernetes_version}
    return answer


def _state(watched_at: datetime | None, stale_after_seconds: float) -> ClusterState:
    if watched_at is None:
        return ClusterState.WAITING
    is_stale = datetime.now(UTC) - watched_at > timedelta(seconds=stale_after_seconds)
    return ClusterState.DISCONNECTED if is_stale else ClusterState.CONNECTED


def node_json(node: ListedNode) -> dict[str, Any]:
    """A node."""
    gpus = {"gpuType": node.gpu_type or "", "gpuCount": node.gpu_count}
    return {
        "id": object_id(node.uid),
        "name": node.name,
        "clusterUuid": node.cluster_id,
        "nodePool": node.node_pool,
        "status": node.status,
        "conditions": [_condition(one) for one in node.details["conditions"] if _is_told(one)],
        "taints": [{key: value for key, value in one.items() if value is not None} for one in node.details["taints"]],
        "gpuInfo": gpus if node.gpu_count else None,
        "createdAt": instant(node.created_at),
        "updatedAt": instant(node.updated_at),
    }


def _is_told(condition: dict[str, Any]) -> bool:
    """The contract's conditions have no status, so what is not the case would read as if it were."""
    return bool(condition["type"] == "Ready" or condition["status"] == "True")


def _condition(condition: dict[str, Any]) -> dict[str, Any]:
    answer = {"type": condition["type"], "reason": condition["reason"] or "", "status": condition["status"]}
    return {**answer, "message": condition["message"]} if condition["message"] else answer


def node_pool_json(pool: ListedNodePool, *, tenant_id: int, default_label: str) -> dict[str, Any]:
    """A node pool; one without a label of its own is named by the label that would put a node into it."""
    return {
        "id": made_id("node pool", pool.cluster_id, pool.name),
        "tenantId": tenant_id,
        "name": pool.name,
        "clusterId": pool.cluster_id,
        "clusterName": pool.cluster_name,
        "labelKey": pool.label or default_label,
        "labelValue": pool.name,
        "isDefault": pool.name == DEFAULT_POOL,
        "phase": pool.phase,
        "createdBy": MADE_BY,
        "createdAt": instant(pool.created_at),
        "updatedBy": MADE_BY,
        "updatedAt": instant(pool.updated_at),
    }


def project_json(project: ListedProject) -> dict[str, Any]:
    """A project."""
    return {
        "id": project.project_id,
        "name": project.project_name,
        "clusterId": project.cluster_id,
        "parentId": project.department_id,
        "parent": {"id": project.department_id, "name": project.department_name},
        "requestedNamespace": project.namespace,
        "status": {"namespace": project.namespace, "phase": "Ready"},
        **_no_quotas(),
        "createdAt": instant(project.created_at),
        "updatedAt": instant(project.updated_at),
    }


def department_json(department: ListedDepartment) -> dict[str, Any]:
    """A department."""
    return {
        "id": department.department_id,
        "name": department.department_name,
        "clusterId": department.cluster_id,
        "children": [{"id": project, "name": project} for project in department.projects],
        **_no_quotas(),
        "createdAt": instant(department.created_at),
        "updatedAt": instant(department.updated_at),
    }


def _no_quotas() -> dict[str, Any]:
    return {"resources": [], "totalResources": {}}
