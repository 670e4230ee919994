"""The answers about pods as models: what ``/openapi.json`` says. `rollcall.pod_contract` renders, these describe."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from rollcall_api.models import AllocatedResources, Int32, Model, RequestResources


class Container(Model):
    """An application container."""

    name: str
    image: str
    startedAt: datetime | None = None  # noqa: N815 - the contract's names


class PodToleration(Model):
    """A taint that the pod tolerates."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    tolerationSeconds: int = 0  # noqa: N815


class MatchExpressionOperator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER = "Gt"
    LESS = "Lt"


class MatchExpression(Model):
    """What a label of the node must be."""

    key: str
    operator: MatchExpressionOperator
    values: list[str] = Field(default=[])


class NodeSelectorTerm(Model):
    """Expressions that must all hold."""

    matchExpressions: list[MatchExpression] = Field(default=[])  # noqa: N815


class PodNodeAffinityRequired(Model):
    """Terms of which one must hold."""

    nodeSelectorTerms: list[NodeSelectorTerm] = Field(default=[])  # noqa: N815


class PodPreferredNodeSelectorTerm(Model):
    """A term and how much it is wished for."""

    weight: int = 0
    preference: NodeSelectorTerm = NodeSelectorTerm()


class PodNodeAffinityPreferred(Model):
    """Terms that are wished for."""

    nodeSelectorTerms: list[PodPreferredNodeSelectorTerm] = Field(default=[])  # noqa: N815


class PodNodeAffinity(Model):
    """The nodes that the pod asks for, by their labels."""

    required: PodNodeAffinityRequired = PodNodeAffinityRequired()
    preferred: PodNodeAffinityPreferred = PodNodeAffinityPreferred()


class Pod(Model):
    """A pod of a workload. The names of its project and workload come with ``verbosity=full``."""

    tenantId: Int32  # noqa: N815
    id: str = Field(json_schema_extra={"format": "uuid"})
    name: str
    workloadId: str = Field(json_schema_extra={"format": "uuid"})  # noqa: N815
    revisionId: str | None = None  # noqa: N815
    clusterId: str  # noqa: N815
    priorityClassName: str  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815
    completedAt: datetime | None = None  # noqa: N815
    deletedAt: datetime | None = None  # noqa: N815
    k8sPhase: str  # noqa: N815
    k8sPhaseUpdatedAt: datetime  # noqa: N815
    nodeName: str | None = None  # noqa: N815
    currentNodePool: str | None = None  # noqa: N815
    requestedNodePools: list[str] = Field(default=[])  # noqa: N815
    ip: str | None = None
    containers: list[Container]
    requestedResources: RequestResources | None = None  # noqa: N815
    allocatedResources: AllocatedResources | None = None  # noqa: N815
    tolerations: list[PodToleration] = Field(default=[])
    nodeAffinity: PodNodeAffinity = PodNodeAffinity()  # noqa: N815
    projectId: str = ""  # noqa: N815
    projectName: str = ""  # noqa: N815
    workloadName: str = ""  # noqa: N815


class PodList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    pods: list[Pod]
    next: int = 0
