"""The contract's answers as models: what ``/openapi.json`` says. `rollcall.contract` renders, these describe."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rollcall.domain.attachments import ConnectionType, DatasourceType, Tool
from rollcall.domain.records import Category, GpuRequestType, OrgType, Phase, PhaseReason, Source

Quantity = Annotated[str, Field(pattern=r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")]
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]


def _as_documented(schema: dict[str, Any]) -> None:
    """What a reader may count on: more keys may come with a release, and a key that is left out has no default."""
    schema.pop("additionalProperties", None)
    for described in schema.get("properties", {}).values():
        described.pop("default", None)


class Model(BaseModel):
    """The root: unknown keys are a fault of ours."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_as_documented)


class Error(Model):
    """Every error."""

    code: int = Field(ge=100, le=599, examples=[400])
    message: str = Field(examples=["limit must be a whole number from 1 to 500."])
    details: str | None = Field(default=None, examples=["limit"])


class Numbers(Model):
    """A request and its limit, in GPUs or cores."""

    request: float | None = None
    limit: float | None = None


class Quantities(Model):
    """A request and its limit, as Kubernetes quantities."""

    request: Quantity | None = None
    limit: Quantity | None = None


class ExtendedResource(Model):
    """Any other resource, by its Kubernetes name."""

    resource: str | None = Field(default=None, min_length=1)
    quantity: str | None = Field(default=None, min_length=1)
    exclude: bool | None = None


class RequestResources(Model):
    """What is asked for."""

    gpuRequestType: GpuRequestType | None = None  # noqa: N815 - the contract's names
    gpu: Numbers | None = None
    gpuMemory: Quantities | None = None  # noqa: N815
    cpu: Numbers | None = None
    cpuMemory: Quantities | None = None  # noqa: N815
    extendedResources: list[ExtendedResource] | None = None  # noqa: N815


class AllocatedResources(Model):
    """What is held."""

    gpu: float | None = None
    gpuMemory: Quantity | None = None  # noqa: N815
    cpu: float | None = None
    cpuMemory: Quantity | None = None  # noqa: N815
    extendedResources: list[ExtendedResource] | None = None  # noqa: N815


class Condition(Model):
    """A Kubernetes condition."""

    type: str
    status: str
    message: str = ""
    reason: str = ""
    lastTransitionTime: datetime | None = None  # noqa: N815


class RequestedPods(Model):
    """How many pods are asked for."""

    number: Int32 | None = None
    min: Int32 | None = None
    max: Int32 | None = None
    parallelism: Int32 | None = None
    completions: Int32 | None = None


class ActionsSupport(Model):
    """What this API can do to the workload: nothing, it reads."""

    delete: bool
    suspend: bool


class Datasource(Model):
    """Data that is mounted, by its name."""

    type: DatasourceType
    name: str
    id: str = Field(json_schema_extra={"format": "uuid"})


class Connection(Model):
    """One way in from outside of the cluster."""

    name: str
    toolType: Tool  # noqa: N815
    connectionType: ConnectionType  # noqa: N815
    url: str = ""
    containerPort: Int32 = 0  # noqa: N815


class Topology(Model):
    """Where the pods are wanted, next to each other."""

    name: str = ""
    preferredPlacement: str = ""  # noqa: N815
    requiredPlacement: str = ""  # noqa: N815


class PendingSchedulingMessage(Model):
    """Why the workload is not scheduled on one node pool."""

    nodePool: str  # noqa: N815
    phaseReason: PhaseReason  # noqa: N815
    reason: str
    orgType: OrgType | None = None  # noqa: N815
    userMessage: str | None = None  # noqa: N815


class Workload(Model):
    """A workload. Keys that are neither required nor nullable are left out where they have no value."""

    tenantId: Int32  # noqa: N815
    id: str = Field(json_schema_extra={"format": "uuid"})
    name: str
    namespace: str
    type: str
    category: Category
    source: Source
    clusterId: str = Field(json_schema_extra={"format": "uuid"})  # noqa: N815
    projectId: str  # noqa: N815
    projectName: str  # noqa: N815
    departmentId: str  # noqa: N815
    departmentName: str  # noqa: N815
    priority: Int32 | None
    priorityClassName: str  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815
    deletedAt: datetime | None  # noqa: N815
    phase: Phase
    phaseUpdatedAt: datetime  # noqa: N815
    k8sPhase: str  # noqa: N815
    k8sPhaseUpdatedAt: datetime  # noqa: N815
    conditions: list[Condition]
    runningPods: Int32  # noqa: N815
    preemptible: bool | None = None
    completedAt: datetime | None = None  # noqa: N815
    phaseReason: PhaseReason | None = None  # noqa: N815
    workloadRequestedResources: RequestResources | None = None  # noqa: N815
    podsRequestedResources: RequestResources | None = None  # noqa: N815
    allocatedResources: AllocatedResources | None = None  # noqa: N815
    actionsSupport: ActionsSupport  # noqa: N815
    totalPendingTimeSeconds: int | None = None  # noqa: N815
    totalRunningTimeSeconds: int | None = None  # noqa: N815
    submittedBy: str = ""  # noqa: N815
    phaseMessage: str = ""  # noqa: N815
    requestedPods: RequestedPods = RequestedPods()  # noqa: N815
    requestedNodePools: list[str] = []  # noqa: N815
    currentNodePools: list[str] = []  # noqa: N815
    images: list[str] = []
    command: str = ""
    arguments: str = ""
    distributedFramework: str = ""  # noqa: N815
    additionalFields: dict[str, Any] = {}  # noqa: N815
    datasources: list[Datasource] = []
    environmentVariables: dict[str, str] = {}  # noqa: N815
    urls: list[str] = []
    externalConnections: list[Connection] = []  # noqa: N815
    topology: Topology | None = None


class WorkloadDetailed(Workload):
    """A workload with what is told of one alone."""

    pendingSchedulingMessages: list[PendingSchedulingMessage] | None = None  # noqa: N815


class WorkloadList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    workloads: list[Workload]
    next: int = 0


class Count(Model):
    """How many."""

    count: int = Field(ge=0)
