"""The listings of clusters, nodes, node pools, projects and departments: their fields, rows and records."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Subquery, and_, case, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from rollcall.domain.facts import NodeStatus
from rollcall.store import tables
from rollcall.store.fields import PlaceField
from rollcall.store.listings import Listing
from rollcall.store.pages import Scope, among, visible

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCluster:
    """A cluster that an operator watches or watched."""

    cluster_id: str
    name: str
    created_at: datetime
    kubernetes_version: str | None
    watched_at: datetime | None
    """The instant of its own oldest watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNode:
    """A node."""

    cluster_id: str
    uid: str
    name: str
    node_pool: str
    status: str
    gpu_type: str | None
    gpu_count: int
    created_at: datetime
    updated_at: datetime
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNodePool:
    """A node pool."""

    cluster_id: str
    cluster_name: str
    name: str
    label: str | None
    phase: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProject:
    """A project of one cluster."""

    cluster_id: str
    project_id: str
    project_name: str
    namespace: str
    """The first of its namespaces that the caller may see."""
    department_id: str
    department_name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDepartment:
    """A department of one cluster, by those of its projects that the caller may see."""

    cluster_id: str
    department_id: str
    department_name: str
    projects: list[str]
    created_at: datetime
    updated_at: datetime


class NodeField(PlaceField):
    """The contract's names."""

    NAME = "name"
    STATUS = "status"
    NODE_POOL = "nodePool"
    GPU_TYPE = "gpuType"
    CLUSTER_UUID = "clusterUuid"


class NodePoolField(PlaceField):
    """The contract's names, as far as a pool has them."""

    NAME = "name"
    PHASE = "phase"
    CLUSTER_ID = "clusterId"
    CREATED_AT = "createdAt"
    UPDATED_AT = "updatedAt"


class ProjectField(PlaceField):
    """The contract's names, as far as a project has them."""

    NAME = "name"
    CLUSTER_ID = "clusterId"
    DEPARTMENT_ID = "departmentId"
    PARENT_ID = "parentId"
    PARENT_NAME = "parentName"
    CREATED_AT = "createdAt"


class DepartmentField(PlaceField):
    """The contract's names, as far as a department has them."""

    NAME = "name"
    CLUSTER_ID = "clusterId"
    CREATED_AT = "createdAt"


_CLUSTERS = Listing(
    # Under another name than the column of all clusters, which every answer has.
    rows=select(
        *(column for column in tables.clusters.c if column.name != "observed_at"),
        tables.clusters.c.observed_at.label("watched_at"),
    ).subquery("listed_clusters"),
    record=ListedCluster,
    columns={},
    identity=("cluster_id",),
)

_NODES = Listing(
    rows=tables.nodes,
    record=ListedNode,
    columns={
        NodeField.NAME: "name",
        NodeField.STATUS: "status",
        NodeField.NODE_POOL: "node_pool",
        NodeField.GPU_TYPE: "gpu_type",
        NodeField.CLUSTER_UUID: "cluster_id",
    },
    identity=("name", "cluster_id", "uid"),
    searched=("name", "node_pool", "status", "gpu_type"),
)


def clusters(scope: Scope) -> Listing[ListedCluster]:
    """The clusters in the scope."""
    return _in_scope(_CLUSTERS, scope)


def nodes(scope: Scope) -> Listing[ListedNode]:
    """The nodes of these clusters."""
    return _in_scope(_NODES, scope)


def in_cluster(listing: Listing[Record], cluster_id: str) -> Listing[Record]:
    """What of a listing is in one cluster."""
    return replace(listing, conditions=(*listing.conditions, listing.rows.c.cluster_id == cluster_id))


def _in_scope(listing: Listing[Record], scope: Scope) -> Listing[Record]:
    """What of a listing is in the scope's clusters."""
    inside = among(listing.rows.c.cluster_id, scope.clusters)
    return replace(listing, conditions=(*listing.conditions, inside), clusters=scope.clusters)


def node_pools(scope: Scope) -> Listing[ListedNodePool]:
    """The node pools of the scope's clusters; one in which no node is ready cannot be scheduled to."""
    pools, nodes, clusters = tables.node_pools, tables.nodes, tables.clusters
    is_ready = and_(
        nodes.c.cluster_id == pools.c.cluster_id, nodes.c.node_pool == pools.c.name, nodes.c.status == NodeStatus.READY
    )
    rows = select(
        pools,
        func.coalesce(clusters.c.name, pools.c.cluster_id).label("cluster_name"),
        case((select(nodes.c.uid).where(is_ready).exists(), "Ready"), else_="Unschedulable").label("phase"),
    ).select_from(pools.outerjoin(clusters, clusters.c.cluster_id == pools.c.cluster_id))
    listing = Listing(
        rows=rows.subquery("listed_node_pools"),
        record=ListedNodePool,
        columns={
            NodePoolField.NAME: "name",
            NodePoolField.PHASE: "phase",
            NodePoolField.CLUSTER_ID: "cluster_id",
            NodePoolField.CREATED_AT: "created_at",
            NodePoolField.UPDATED_AT: "updated_at",
        },
        identity=("name", "cluster_id"),
    )
    return _in_scope(listing, scope)


def projects(scope: Scope) -> Listing[ListedProject]:
    """The projects that have a namespace in the scope; what is none any more is not there."""
    found = _namespaces_with_departments(scope)
    rows = select(
        found.c.cluster_id,
        found.c.project_id,
        func.min(found.c.project_name).label("project_name"),
        func.min(found.c.namespace).label("namespace"),
        func.min(found.c.department_id).label("department_id"),
        func.min(found.c.department_name).label("department_name"),
        func.min(found.c.created_at).label("created_at"),
        func.max(found.c.updated_at).label("updated_at"),
    ).group_by(found.c.cluster_id, found.c.project_id)
    return Listing(
        rows=rows.subquery("listed_projects"),
        record=ListedProject,
        columns={
            ProjectField.NAME: "project_name",
            ProjectField.CLUSTER_ID: "cluster_id",
            ProjectField.DEPARTMENT_ID: "department_id",
            ProjectField.PARENT_ID: "department_id",
            ProjectField.PARENT_NAME: "department_name",
            ProjectField.CREATED_AT: "created_at",
        },
        identity=("project_id", "cluster_id"),
        searched=("project_name", "namespace", "department_name"),
        clusters=scope.clusters,
    )


def departments(scope: Scope) -> Listing[ListedDepartment]:
    """The departments of these projects."""
    found = _namespaces_with_departments(scope)
    names = func.array_agg(aggregate_order_by(found.c.project_id.distinct(), found.c.project_id))
    rows = select(
        found.c.cluster_id,
        found.c.department_id,
        func.min(found.c.department_name).label("department_name"),
        names.label("projects"),
        func.min(found.c.created_at).label("created_at"),
        func.max(found.c.updated_at).label("updated_at"),
    ).group_by(found.c.cluster_id, found.c.department_id)
    return Listing(
        rows=rows.subquery("listed_departments"),
        record=ListedDepartment,
        columns={
            DepartmentField.NAME: "department_name",
            DepartmentField.CLUSTER_ID: "cluster_id",
            DepartmentField.CREATED_AT: "created_at",
        },
        identity=("department_id", "cluster_id"),
        clusters=scope.clusters,
    )


def _namespaces_with_departments(scope: Scope) -> Subquery:
    table, known = tables.projects, tables.departments
    of_it = and_(known.c.cluster_id == table.c.cluster_id, known.c.department_id == table.c.department_id)
    return (
        select(table, func.coalesce(known.c.department_name, table.c.department_id).label("department_name"))
        .select_from(table.outerjoin(known, of_it))
        .where(visible(table, scope), table.c.gone_at.is_(None))
        .subquery("namespaces")
    )
