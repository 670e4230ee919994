"""The shape of a kind's entry in the catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts, PodFacts
from rollcall.domain.fields import texts_at
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals

SignalsHook = Callable[[ObjectFacts, tuple[ObjectFacts, ...], tuple[JudgedPod, ...]], Signals]
"""(object, children, pods) to what they say; pure."""

ReplicasHook = Callable[[ObjectFacts], int | None]
"""How many pods the spec asks for, of a role or a replica, where a path does not tell; ``None``: it cannot be read."""

RequestedPodsHook = Callable[[ObjectFacts, int | None], RequestedPods]
"""(object, pods of all roles together) to what the contract shows as requested pods."""


ObjectTest = Callable[[ObjectFacts], bool]
"""A yes or no of one object; pure."""

TypeHook = Callable[[ObjectFacts], str]
"""The contract's ``type`` of one object, where the kind alone does not tell."""

FieldsHook = Callable[[ObjectFacts], tuple[tuple[str, str], ...]]
"""(name, value) of additional fields that follow from one object."""

FrameworkHook = Callable[[ObjectFacts], str | None]
"""The contract's distributed framework of one object, where the kind alone does not tell."""

CategoryHook = Callable[[ObjectFacts], Category]
"""What one object is for, where the kind alone does not tell."""

AskingHook = Callable[[ObjectFacts, tuple[ObjectFacts, ...]], ObjectFacts | None]
"""(object, children) to the child whose spec holds the pod templates; ``None`` before there is one."""


UrlsHook = Callable[[ObjectFacts], tuple[str, ...]]
"""The addresses that follow from one object, where no path leads to them."""


@dataclass(frozen=True, slots=True)
class FoundRole:
    """A role as one object has it."""

    name: str
    template: Mapping[str, Any]
    """A PodTemplateSpec, whatever the kind keeps."""
    replicas: int | None


RolesHook = Callable[[ObjectFacts], tuple[FoundRole, ...]]
"""The roles of one object, where its templates are no PodTemplateSpec or dotted paths do not reach them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role of a kind's pods. Paths are dotted and start at the object (``spec.template``)."""

    name: str = ""
    """The role as its pods' label spells it, in lower case; empty for a kind with one role."""
    template: str
    """Where the PodTemplateSpec stands. Without one there the object has no such role."""
    is_pod_spec: bool = False
    """Whether a PodSpec stands there instead of a PodTemplateSpec."""
    replicas: str | None = None
    """Where the number of pods stands."""
    default_replicas: int = 1
    count: ReplicasHook | None = None
    """Counts the pods instead of ``replicas``, where arithmetic is needed."""
    each: str | None = None
    """A list or a mapping of such roles: ``template`` and ``replicas`` then start at each element."""
    each_name: str = "name"
    """Where an element of a list has its role's name; in a mapping the key is it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the page of kinds says of a kind (``docs/kinds.md``), each as half a sentence."""

    runs: str
    """When it is Running."""
    fails: str
    """When it is Failed; with a service also when it is Degraded instead."""
    stops: str
    """What stops it, or keeps it from starting."""
    asks: str = ""
    """How many pods it asks for, where the paths of its roles do not say it."""
    notes: str = ""
    """What a reader might not expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intermediate:
    """A kind without an entry that stands between pods and their workload. Only its metadata are read, one by one."""

    key: KindKey
    plural: str


PodRoleHook = Callable[[PodFacts, tuple[FoundRole, ...]], str | None]
"""(pod, roles of its object) to the name of its role, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEntry:
    """All that is known of one kind."""

    key: KindKey
    versions: tuple[str, ...]
    """Served versions in the order of preference."""
    plural: str
    category: Category
    categorise: CategoryHook | None = None
    """Asked instead of ``category``, where the object tells."""
    signals: SignalsHook
    type: str = ""
    """The contract's ``type``; empty: the kind."""
    name_type: TypeHook | None = None
    """Asked instead of ``type``, where the object tells."""
    distributed_framework: str | None = None
    framework: FrameworkHook | None = None
    """Asked instead of ``distributed_framework``, where the object names it."""
    additional_fields: tuple[tuple[str, str], ...] = ()
    more_fields: FieldsHook | None = None
    """Further additional fields that an object gives itself."""
    roles: tuple[Role, ...] = ()
    """In the order of messages: masters, heads, leaders, launchers and drivers first."""
    find_roles: RolesHook | None = None
    """Asked instead of looking for ``roles``, which then give the order of messages alone."""
    asks_through: AskingHook | None = None
    """Finds the child that asks for the pods in the object's place, where the object itself has no templates."""
    role_labels: tuple[str, ...] = ()
    """Pod labels that name the role, the first present wins."""
    role_of: PodRoleHook | None = None
    """Asked instead of looking at ``role_labels``, where a pod's labels tell its role in another way."""
    requested_pods: RequestedPodsHook | None = None
    pods_per_replica: ReplicasHook | None = None
    """How many pods a replica stands for, as an autoscaler counts replicas, where it is more than one."""
    completed_at: str | None = None
    """Where the object says when it ended, whatever the end; its verdict's instant and its pods are asked after it."""
    priority_labels: tuple[str, ...] = ()
    """Labels of the object that name its PriorityClass, asked before the paths."""
    name_label: str | None = None
    """Label of its pods and children that names the object, asked where their owners do not tell."""
    uid_label: str | None = None
    """Label of its pods and children that has the object's uid."""
    priority_paths: tuple[str, ...] = ()
    """Where the object names its PriorityClass, the first non-empty wins."""
    default_priority_class: str = "train"
    submitter_paths: tuple[str, ...] = ()
    """Where the object names who submitted it, asked after its annotations and labels."""
    url_paths: tuple[str, ...] = ()
    """Where the object says at which addresses it is reached; ``*`` in a path is each element or value."""
    find_urls: UrlsHook | None = None
    """Further addresses."""
    storage_paths: tuple[str, ...] = ()
    """Where the object names data or models by a URI (``s3://…``, ``pvc://…``); ``*`` as in ``url_paths``."""
    recovers: bool = False
    """A service, which takes back every failure; else a batch kind, whose end is latched."""
    between: tuple[Intermediate, ...] = ()
    """Kinds that may stand between it and its pods, besides those with entries of their own."""
    words: Words | None = None
    """For the page of kinds; every kind that can be a workload has them."""
    watched: bool = True
    """Whether the operator watches it."""
    ignored: bool = False
    """Whether neither it nor its pods are ever a workload."""
    is_template: ObjectTest | None = None
    """Whether an object of the kind is only a template for others, and so no workload."""

    @property
    def workload_type(self) -> str:
        """The contract's ``type`` of this kind."""
        return self.type or self.key.kind

    def texts_of(self, obj: ObjectFacts | None, paths: tuple[str, ...]) -> tuple[str, ...]:
        """What stands in the object at some of the entry's paths."""
        if obj is None or not paths:
            return ()
        root = {"spec": obj.spec, "status": obj.status}
        return tuple(text for path in paths for text in texts_at(root, path))

    def fields_of(self, obj: ObjectFacts | None) -> tuple[tuple[str, str], ...]:
        """The additional fields: the kind's, then the object's own."""
        return self.additional_fields + (() if self.more_fields is None or obj is None else self.more_fields(obj))

    def type_of(self, obj: ObjectFacts | None) -> str:
        """The contract's ``type`` of an object; of one that was not read only its kind tells."""
        return self.workload_type if self.name_type is None or obj is None else self.name_type(obj)

    def category_of(self, obj: ObjectFacts | None) -> Category:
        """What the workload is for; of an object that was not read only its kind tells."""
        return self.category if self.categorise is None or obj is None else self.categorise(obj)

    def framework_of(self, obj: ObjectFacts | None) -> str | None:
        """The contract's distributed framework; of an object that was not read only its kind tells."""
        if self.framework is None or obj is None:
            return self.distributed_framework
        return self.framework(obj)
