"""What the domain takes in: the few facts of each Kubernetes object that a record needs.

The readers in `rollcall.domain.reading` make them from plain mappings; they are small (no ``managedFields``, no
environment values) because a cluster's worth of them is held in memory. Odd fields are absent here and named in
``problems``, never raised.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.domain.attachments import Datasource
from rollcall.domain.constraints import UNCONSTRAINED, Constraints
from rollcall.domain.exposure import Exposure
from rollcall.domain.gpus import GpuRules, rules
from rollcall.domain.records import Condition, OrgType, PhaseReason, ResourceRequest, Resources

if TYPE_CHECKING:  # a catalogue is made of entries, and entries read facts
    from rollcall.domain.kinds.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class KindKey:
    """A kind of the catalogue: group and kind, never the version."""

    group: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReference:
    """One ``metadata.ownerReferences[]`` element."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The facts of ``metadata`` that every object shares. ``uid`` is never empty; all else may be."""

    uid: str
    api_group: str
    api_version: str
    kind: str
    namespace: str | None
    name: str
    resource_version: int
    """0 where the object carries none that is an integer."""
    generation: int | None
    created_at: datetime | None
    deletion_at: datetime | None
    """``metadata.deletionTimestamp``: deletion was asked for, the object still exists."""
    finalizers: tuple[str, ...]
    owners: tuple[OwnerReference, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """Only those that a rule reads (`rollcall.domain.reading.KEPT_ANNOTATIONS`)."""
    problems: tuple[str, ...] = ()

    @property
    def key(self) -> KindKey:
        """The kind, without its version."""
        return KindKey(group=self.api_group, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """One container of a pod: its spec's image joined with its status."""

    name: str
    image: str
    is_init: bool
    is_sidecar: bool
    state: str | None
    """``waiting``, ``running`` or ``terminated``; ``None`` where the kubelet said nothing yet."""
    reason: str | None
    message: str | None
    exit_code: int | None
    ready: bool
    restart_count: int
    started_at: datetime | None
    finished_at: datetime | None
    last_reason: str | None
    """``lastState.terminated.reason``: why the run before this one ended."""
    last_exit_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodClaim:
    """One element of a pod's or a template's ``spec.resourceClaims``."""

    claim: str | None
    """Name of the ResourceClaim; ``None`` where it has yet to be made from the template."""
    template: str | None
    """Name of the ResourceClaimTemplate: the claim is the pod's own. Without one it is shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """A pod, reduced."""

    meta: Meta
    node_name: str | None
    nominated_node_name: str | None
    scheduling_gates: tuple[str, ...]
    restart_policy: str
    priority_class_name: str | None
    priority: int | None
    preemption_policy: str | None
    scheduler_name: str | None
    k8s_phase: str
    reason: str | None
    message: str | None
    started_at: datetime | None
    conditions: tuple[Condition, ...]
    containers: tuple[ContainerFacts, ...]
    request: ResourceRequest
    """The effective request, as the scheduler counts it (init containers, sidecars, overhead, resize)."""
    requested_node_pools: tuple[str, ...]
    command: str | None
    arguments: str | None
    shareable_micros: int = 0
    """Of the request, whole ``nvidia.com/gpu``: on a node that time-slices them they are shares, not GPUs."""
    claims: tuple[PodClaim, ...] = ()
    """The devices it claims; they come on top of ``request``, which cannot know them."""
    datasources: tuple[Datasource, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    """(name, literal value) of its first container; empty unless the setting asks for it."""
    ip: str | None = None
    constraints: Constraints = UNCONSTRAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """An object of a job kind: metadata, and the spec and status a kind's entry reads.

    ``spec`` and ``status`` are plain JSON mappings, ``{}`` where absent or not mappings; environment values (unless
    the setting asks for them) and ``managedFields`` were taken out.
    """

    meta: Meta
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    worked_out: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)
    """What was concluded from this object alone and would be concluded again: its pods change far more often."""


class NodeStatus(StrEnum):
    """What the control plane knows of a node: the contract's words."""

    READY = "Ready"
    NOT_READY = "NotReady"
    UNKNOWN = "Unknown"
    """Its kubelet is silent, or has said nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """Keeps pods off a node."""

    key: str
    value: str | None
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """A node: which pool it belongs to and what its GPUs are."""

    meta: Meta
    node_pool: str
    pool_label: str | None = None
    """The label that put it into its pool; ``None`` where it is in the default one for want of any."""
    ready: bool
    gpu_product: str | None
    gpu_memory_bytes: int | None
    """The memory of one GPU (label ``nvidia.com/gpu.memory``, ``amd.com/gpu.vram``)."""
    allocatable: Resources
    time_sliced: bool = False
    """Whether its ``nvidia.com/gpu`` are shares of devices (label ``nvidia.com/gpu.replicas``)."""
    part_memory_bytes: Mapping[str, int] = field(default_factory=dict)
    """The exact memory of each sort of MIG slice, by resource name."""
    address: str | None = None
    """At which ports of its Services are reached, from outside where it has such an address."""
    status: NodeStatus = NodeStatus.UNKNOWN
    conditions: tuple[Condition, ...] = ()
    taints: tuple[Taint, ...] = ()
    gpu_micros: int = 0
    """GPUs that pods can have there. Shares of a time-sliced device are none: then it is the devices."""
    gpu_count: int = 0
    """Devices: as a label says, else as many as its GPUs make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """A ResourceClaim or a ResourceClaimTemplate: how many GPUs it asks for and has."""

    name: str
    namespace: str | None
    gpus: int
    """Asked for; at least so many where all that match are asked for."""
    allocated_gpus: int | None = None
    """``None`` where nothing is allocated yet."""
    reserved_for: tuple[str, ...] = ()
    """The uids of its users, the first comer first."""


class QueueStanding(StrEnum):
    """How something stands in its queue."""

    HELD = "held"
    """It waits for quota or for room."""
    LET = "let"
    """It may run, or nothing is said against it."""
    OFF = "off"
    """It was taken out of the queue and will not run until it is put back."""
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWord:
    """One thing that a queue or a scheduler says of why something waits."""

    sentence: str
    """As it is told in a phase message."""
    reason: str | None
    message: str | None
    phase_reason: PhaseReason | None = None
    """The contract's word for ``reason``, where it has one."""
    org_type: OrgType | None = None
    node_pool: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """What stands in a queue for a workload or for some of its pods: a Kueue Workload or a PodGroup."""

    meta: Meta
    about: tuple[str, ...]
    """The uids of what it stands for, as far as it names them."""
    queue: str | None
    standing: QueueStanding
    words: tuple[QueueWord, ...] = ()
    """Why it is held or off, the newest first."""


Address = tuple[KindKey, str | None, str]
"""(kind, namespace, name) of an object that something names without its uid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalerFacts:
    """A HorizontalPodAutoscaler: the bounds of what it scales."""

    meta: Meta
    target: Address | None = None
    """``None`` where it cannot scale anything."""
    least: int = 0
    most: int = 0
    """In replicas of its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceFacts:
    """A namespace and the project it stands for; ``project`` is ``None`` where it is not a project's."""

    meta: Meta
    project: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings:
    """The admin's choices that decisions depend on, as plain values."""

    node_pool_labels: tuple[str, ...] = ("kai.scheduler/node-pool", "runai/node-pool")
    """Label keys that name a node's pool, the first present wins; none present: ``default``."""
    project_labels: tuple[str, ...] = ("runai/queue", "kai/project")
    """Namespace labels that name a project, the first present wins."""
    namespace_prefixes: tuple[str, ...] = ("runai-",)
    department_label: str = "rollcall.dev/department"
    fatal_grace_seconds: int = 120
    """How long a fatal container state may last before it counts (workload kinds, pod refinement)."""
    gpu_resources: tuple[str, ...] = ()
    """Names of resources that count as GPUs on top of the known ones."""
    gpu_device_classes: tuple[str, ...] = ("gpu",)
    """Parts of names of DeviceClasses whose devices count as GPUs."""
    environment_values: bool = False
    """Whether literal values of environment variables are kept at all."""
    ignored_namespaces: tuple[str, ...] = (
        "kai-resource-reservation",
        "runai-reservation",
        "kai-scale-adjust",
        "kube-system",
    )

    @property
    def gpu_rules(self) -> GpuRules:
        """Which names are GPUs."""
        return rules(self.gpu_resources, self.gpu_device_classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """All that one derivation looks at.

    Exactly one of ``top`` (an object that was read) and ``top_reference`` (an owner known by reference only:
    unreadable, uncatalogued and not watched, or gone) is set, unless the workload is a bare pod, which is then the
    first element of ``pods`` with ``top_is_pod`` set; the others are what it owns (a driver's executors).
    """

    top: ObjectFacts | None = None
    top_is_pod: bool = False
    top_reference: Meta | None = None
    children: tuple[ObjectFacts, ...] = ()
    """Catalogued objects below the top (a CronJob's Jobs, a Deployment's ReplicaSets), newest last."""
    pods: tuple[PodFacts, ...] = ()
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    namespace: NamespaceFacts | None = None
    priority_classes: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[str, ClaimFacts] = field(default_factory=dict)
    """The ResourceClaims of its namespace, by name; without them claimed devices are not counted."""
    claim_templates: Mapping[str, ClaimFacts] = field(default_factory=dict)
    """The ResourceClaimTemplates of its namespace, by name."""
    queues: tuple[QueueFacts, ...] = ()
    """What stands in queues for it, its children or its pods, by kind and name."""
    problems: tuple[str, ...] = ()
    """What was odd on the way to the top owner, as sentences."""
    exposures: tuple[Exposure, ...] = ()
    """What Services and Ingresses expose in its namespace."""
    autoscaler: AutoscalerFacts | None = None
    """What scales the top object."""
    catalogue: "Catalogue | None" = None
    """Which kinds there are; ``None``: those that are built in."""
