"""What the domain hands out: one record per workload, one per pod, and what is remembered of them.

Amounts are integers in base units, the unit in the name: ``gpu_micros`` (1 GPU = 1 000 000), ``cpu_millis``
(1 core = 1 000), ``…_bytes``. Instants are aware datetimes, ``…_at``. Nothing here computes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rollcall.domain.attachments import Connection, Datasource, Topology
from rollcall.domain.constraints import UNCONSTRAINED, Constraints

UNKNOWN_RULE = "16"
"""The rule of the ladder that fires when nothing can be decided."""


class Phase(StrEnum):
    """The closed phase of a workload, in the order of its life (the order of sortBy=phase)."""

    CREATING = "Creating"
    PENDING = "Pending"
    INITIALIZING = "Initializing"
    RESUMING = "Resuming"
    RUNNING = "Running"
    UPDATING = "Updating"
    DEGRADED = "Degraded"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"
    TERMINATING = "Terminating"
    FAILED = "Failed"
    COMPLETED = "Completed"
    UNKNOWN = "Unknown"


class Category(StrEnum):
    """What a workload is for."""

    BUILD = "Build"
    TRAIN = "Train"
    DEPLOY = "Deploy"


class Source(StrEnum):
    """How a workload was submitted."""

    CLI = "CLI"
    CONTROL_PLANE = "Control-plane"
    OTHER = "Other"


class PhaseReason(StrEnum):
    """The machine-readable reasons a scheduler gives for a pending workload."""

    NON_PREEMPTIBLE_OVER_QUOTA = "NonPreemptibleOverQuota"
    OVER_LIMIT = "OverLimit"


class OrgType(StrEnum):
    """Whose queue is in the way of a pending workload."""

    PROJECT = "PROJECT"
    DEPARTMENT = "DEPARTMENT"


class PhaseSource(StrEnum):
    """What the phase was read from: the kind's own rules, generic conditions, or pods alone."""

    KIND = "kind"
    GENERIC = "generic"
    PODS = "pods"


class GpuRequestType(StrEnum):
    """The unit of a GPU request. MIG has none: it shows in the extended resources."""

    PORTION = "portion"
    MEMORY = "memory"


class PodState(StrEnum):
    """What the pod layer says of one pod; the ladder reads nothing else of it."""

    GATED = "gated"
    UNSCHEDULED = "unscheduled"
    INITIALIZING = "initializing"
    NOT_READY = "not_ready"
    READY = "ready"
    RESTARTING = "restarting"
    FATAL = "fatal"
    FAILED = "failed"
    FAILED_INFRA = "failed_infra"
    SUCCEEDED = "succeeded"
    RELEASING = "releasing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A Kubernetes condition, copied from the object or appended by the domain."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    last_transition_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingMessage:
    """Why a pending workload is not scheduled on one node pool."""

    node_pool: str
    phase_reason: PhaseReason
    reason: str
    """The scheduler's own word."""
    org_type: OrgType | None = None
    user_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Amounts of resources; ``extended`` holds (resource name, whole units), sorted by name, no zero."""

    gpu_micros: int = 0
    gpu_memory_bytes: int = 0
    cpu_millis: int = 0
    memory_bytes: int = 0
    extended: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds; ``None`` where at least one container has none."""

    gpu_micros: int | None = None
    gpu_memory_bytes: int | None = None
    cpu_millis: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """What a pod, a template or a whole workload asks for."""

    requests: Resources = field(default_factory=Resources)
    limits: Limits = field(default_factory=Limits)
    gpu_request_type: GpuRequestType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedPods:
    """How many pods the spec asks for; ``None`` where the kind has no such number."""

    number: int | None = None
    min: int | None = None
    max: int | None = None
    parallelism: int | None = None
    completions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRecord:
    """One pod of a workload: a row of ``pods``."""

    uid: str
    workload_uid: str
    namespace: str
    name: str
    role: str | None
    node_name: str | None
    node_pool: str | None
    k8s_phase: str
    state: PodState
    message: str | None
    requested: ResourceRequest
    allocated: Resources
    created_at: datetime
    bound_at: datetime | None
    ready_at: datetime | None
    ended_at: datetime | None
    fatal_since: datetime | None
    """When the pod was first seen in a fatal state it has not left since: the start of the grace period."""
    priority_class_name: str | None
    containers: tuple[tuple[str, str, datetime | None], ...]
    """(name, image, started at) of each application container."""
    resource_version: int
    allocated_while_bound: Resources | None = None
    """What it held until it ended, where it holds nothing any more; ``None`` where ``allocated`` tells."""
    k8s_phase_at: datetime
    """When it came into its ``k8s_phase``, as far as the pod itself tells; a restart may make it look later."""
    ip: str | None = None
    requested_node_pools: tuple[str, ...] = ()
    constraints: Constraints = UNCONSTRAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRecord:
    """One workload, as derived from the last objects seen: a row of ``workloads``.

    ``uid`` is the uid of the top owner. ``observed_version`` is the highest resourceVersion behind the record and
    only ever grows: an older observation loses to it in SQL.
    """

    uid: str
    api_group: str
    api_version: str
    kind: str
    type: str
    category: Category
    namespace: str
    name: str
    project_id: str
    project_name: str
    department_id: str
    department_name: str
    source: Source
    submitted_by: str | None
    priority_class_name: str
    priority: int | None
    preemptible: bool | None
    created_at: datetime
    completed_at: datetime | None
    phase: Phase
    phase_message: str | None
    phase_reason: PhaseReason | None
    pending_scheduling_messages: tuple[SchedulingMessage, ...] = ()
    """Only while the phase is Pending."""
    phase_rule: str
    """Which rule of the ladder fired, as the docs number them ("1" to "16")."""
    phase_source: PhaseSource
    k8s_phase: str
    conditions: tuple[Condition, ...]
    running_since: datetime | None
    """The latch: when this incarnation first satisfied the Running rule; ``None`` where it never did."""
    running_pods: int
    ready_pods: int
    requested_pods: RequestedPods | None
    workload_requested: ResourceRequest | None
    pods_requested: ResourceRequest
    allocated: Resources
    requested_node_pools: tuple[str, ...]
    current_node_pools: tuple[str, ...]
    images: tuple[str, ...]
    command: str | None
    arguments: str | None
    distributed_framework: str | None
    additional_fields: tuple[tuple[str, str], ...]
    datasources: tuple[Datasource, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    """(name, literal value) of the main container; empty unless the setting asks for it."""
    urls: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = ()
    topology: Topology | None = None
    problems: tuple[str, ...]
    """What was odd about the objects, as sentences; also led into ``phase_message`` when the phase is Unknown."""
    observed_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedPod:
    """What is remembered of one pod; an event, once seen, is not unlearned."""

    bound_at: datetime | None = None
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    fatal_since: datetime | None = None
    node_pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the store remembers of a workload and the objects cannot tell again.

    Always the outcome of the last derivation (:meth:`of`), held in memory by the operator and read back from the
    store when it starts. ``observed_version`` keeps the record's version from ever falling.
    """

    phase: Phase | None = None
    running_since: datetime | None = None
    completed_at: datetime | None = None
    phase_message: str | None = None
    current_node_pools: tuple[str, ...] = ()
    workload_requested: ResourceRequest | None = None
    requested_pods: RequestedPods | None = None
    """What was asked for then: more pods asked for now is a resize, which a lost pod is not."""
    observed_version: int = 0

    @classmethod
    def of(cls, record: WorkloadRecord) -> "Remembered":
        """What is to be remembered once ``record`` was derived."""
        return cls(
            phase=record.phase,
            running_since=record.running_since,
            completed_at=record.completed_at,
            phase_message=record.phase_message,
            current_node_pools=record.current_node_pools,
            workload_requested=record.workload_requested,
            requested_pods=record.requested_pods,
            observed_version=record.observed_version,
        )
