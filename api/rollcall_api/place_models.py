"""Clusters, nodes, node pools, projects and departments as models: what ``/openapi.json`` says of them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from rollcall.domain.facts import NodeStatus
from rollcall_api.models import Int32, Model

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class ClusterState(StrEnum):
    """Whether the view of a cluster is fresh: the contract's words."""

    WAITING = "WaitingToConnect"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"


class Platform(Model):
    """What the cluster runs."""

    kubeVersion: str = Field(default="", examples=["v1.35.0"])  # noqa: N815 - the contract's names


class ClusterStatus(Model):
    """How the cluster is doing, as seen from here."""

    state: ClusterState
    platform: Platform = Platform()


class Cluster(Model):
    """A cluster. ``status`` only where the verbosity is ``full``."""

    uuid: Uuid
    tenantId: Int32  # noqa: N815
    name: str
    createdAt: datetime = Field(description="When its namespace kube-system was made.")  # noqa: N815
    lastLiveness: datetime | None = Field(  # noqa: N815
        default=None, description="The instant of the oldest watch of it."
    )
    status: ClusterStatus = ClusterStatus(state=ClusterState.WAITING)


class NodeCondition(Model):
    """``Ready``, and what else is true of the node."""

    type: str
    reason: str
    message: str = ""
    status: str


class NodeTaint(Model):
    """Keeps pods off the node."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class GpuInfo(Model):
    """The node's GPUs; ``gpuType`` is empty where no label tells."""

    gpuType: str  # noqa: N815
    gpuCount: int = Field(ge=0)  # noqa: N815


class Node(Model):
    """A node."""

    id: Uuid
    name: str
    clusterUuid: Uuid  # noqa: N815
    nodePool: str  # noqa: N815
    status: NodeStatus
    conditions: list[NodeCondition]
    taints: list[NodeTaint]
    gpuInfo: GpuInfo | None  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


class NodeList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    nodes: list[Node]
    next: int = 0


class NodePool(Model):
    """A node pool, read off the labels of nodes; that is what ``createdBy`` and ``updatedBy`` say."""

    id: Uuid
    tenantId: Int32  # noqa: N815
    name: str
    clusterId: Uuid  # noqa: N815
    clusterName: str  # noqa: N815
    labelKey: str = Field(min_length=1)  # noqa: N815
    labelValue: str = Field(min_length=1)  # noqa: N815
    isDefault: bool  # noqa: N815
    phase: Literal["Ready", "Unschedulable"]
    createdBy: Literal["rollcall"]  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedBy: Literal["rollcall"]  # noqa: N815
    updatedAt: datetime  # noqa: N815


class NodePoolList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    nodepools: list[NodePool]
    next: int = 0


class Unit(Model):
    """A department or a project by its id."""

    id: str
    name: str


class ProjectStatus(Model):
    """Where a project's workloads are."""

    namespace: str
    phase: Literal["Ready"]


class Nothing(Model):
    """Quotas, of which nothing is known: without a key."""


class Project(Model):
    """A project. ``resources`` is empty and ``totalResources`` has no key: quotas are not known."""

    id: str
    name: str
    clusterId: Uuid  # noqa: N815
    parentId: str  # noqa: N815
    parent: Unit
    requestedNamespace: str  # noqa: N815
    status: ProjectStatus
    resources: list[Nothing]
    totalResources: Nothing  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


class ProjectList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    projects: list[Project]
    next: int = 0


class Department(Model):
    """A department, with those of its projects that the caller may see; of quotas as a project."""

    id: str
    name: str
    clusterId: Uuid  # noqa: N815
    children: list[Unit]
    resources: list[Nothing]
    totalResources: Nothing  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


class DepartmentList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    departments: list[Department]
    next: int = 0
