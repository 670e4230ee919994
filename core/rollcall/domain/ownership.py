"""Who is the top owner of an object: the pure steps of the walk; the shell does the reading between them.

The walk follows controller owners upwards from a pod or a catalogued object. The workload is the highest element that
the catalogue knows; a pod whose owners are all unknown kinds is a workload of the highest of them.
"""

from collections.abc import Callable, Iterable, Sequence

from rollcall.domain.facts import DomainSettings, KindKey, Meta, OwnerReference, PodFacts

MOST_STEPS = 10
"""Longer chains are taken for a fault; the longest known one has seven owners."""

RESERVATION_LABELS = (("app", "runai-reservation"), ("app", "kai-reservation"))
RESERVATION_NAMESPACES = frozenset({"kai-resource-reservation", "runai-reservation"})
_EQUIPMENT = (
    ("ray.io/node-type", "redis-cleanup", "it cleans up after a RayCluster"),
    ("workflows.argoproj.io/component", "agent", "it is the agent of a Workflow"),
    ("app.kubernetes.io/component", "affinity-assistant", "it keeps the pods of a PipelineRun on one node"),
)
"""(label, value, why) of pods that a controller makes for itself."""

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

_NODE = KindKey(group="", kind="Node")
_POD = KindKey(group="", kind="Pod")
_DAEMON_SET = KindKey(group="apps", kind="DaemonSet")


def split_api_version(api_version: str) -> tuple[str, str]:
    """(group, version); the core group is empty: ``v1`` is ``("", "v1")``."""
    group, _, version = api_version.rpartition("/")
    return group, version


def key_of(owner: OwnerReference) -> KindKey:
    """The kind that a reference points to."""
    return KindKey(group=split_api_version(owner.api_version)[0], kind=owner.kind)


def controller_of(owners: Sequence[OwnerReference], is_catalogued: Callable[[KindKey], bool]) -> OwnerReference | None:
    """The owner to follow: the controller, else the only one, else a catalogued one, by kind and name."""
    for owner in owners:
        if owner.controller:
            return owner
    if not owners:
        return None
    return min(owners, key=lambda owner: (not is_catalogued(key_of(owner)), owner.kind, owner.name, owner.uid))


def ignored_because(pod: PodFacts, settings: DomainSettings) -> str | None:
    """Why the pod is never a workload's, ``None`` where it may be."""
    meta = pod.meta
    if meta.namespace in settings.ignored_namespaces:
        return f"namespace {meta.namespace} is ignored"
    if reserves_gpu(meta):
        return "it reserves a GPU for the pods that share it"
    if MIRROR_ANNOTATION in meta.annotations:
        return "it is a static pod"
    for owner in meta.owners:
        if owner.controller and key_of(owner) == _NODE:
            return "it is a static pod"
        if owner.controller and key_of(owner) == _DAEMON_SET:
            return "it belongs to a DaemonSet"
    return next((why for label, value, why in _EQUIPMENT if meta.labels.get(label) == value), None)


def reserves_gpu(meta: Meta) -> bool:
    """Whether a pod reserves a GPU for others, whose shares are counted in its place."""
    if meta.namespace in RESERVATION_NAMESPACES:
        return True
    return any(meta.labels.get(label) == value for label, value in RESERVATION_LABELS)


def reference_meta(owner: OwnerReference, namespace: str | None) -> Meta:
    """What is known of an owner by its reference alone."""
    group, _ = split_api_version(owner.api_version)
    return Meta(
        uid=owner.uid,
        api_group=group,
        api_version=owner.api_version,
        kind=owner.kind,
        namespace=namespace,
        name=owner.name,
        resource_version=0,
        generation=None,
        created_at=None,
        deletion_at=None,
        finalizers=(),
        owners=(),
        labels={},
        annotations={},
    )


def uids_below(uid: str, metas: Iterable[Meta]) -> frozenset[str]:
    """The uids of what an object owns, at any depth, and its own; pods own pods too (a driver, a leader)."""
    owned_by: dict[str, list[str]] = {}
    for meta in metas:
        for owner in meta.owners:
            owned_by.setdefault(owner.uid, []).append(meta.uid)
    found, todo = {uid}, [uid]
    while todo:
        for owned in owned_by.get(todo.pop(), ()):
            if owned not in found:
                found.add(owned)
                todo.append(owned)
    return frozenset(found)


class OwnerWalk:
    """One walk upwards. Ask :meth:`next_owner`, look it up, answer with :meth:`found` or :meth:`not_found`; repeat.

    The walk ends when ``next_owner`` is ``None``; then :meth:`top` is the answer.
    """

    def __init__(self, start: Meta, is_catalogued: Callable[[KindKey], bool]) -> None:
        self._is_catalogued = is_catalogued
        self._chain: list[Meta] = [start]
        self._seen = {start.uid}
        self._ended = False
        self.problems: list[str] = []
        """What was odd on the way, as sentences."""

    def next_owner(self) -> OwnerReference | None:
        """The owner to look up next."""
        if self._ended:
            return None
        owner = controller_of(self._chain[-1].owners, self._is_catalogued)
        if owner is None:
            return None
        if owner.uid in self._seen:
            self._end(f"the owners of {self._chain[0].name} form a circle at {owner.kind} {owner.name}")
            return None
        if len(self._chain) > MOST_STEPS:
            self._end(f"the chain of owners of {self._chain[0].name} is longer than {MOST_STEPS}")
            return None
        return owner

    def found(self, meta: Meta) -> None:
        """The owner was read (and has the uid that was asked for)."""
        self._seen.add(meta.uid)
        self._chain.append(meta)

    def not_found(self, owner: OwnerReference) -> None:
        """The owner is gone or may not be read: it is known by reference, and nothing above it."""
        self._seen.add(owner.uid)
        self._chain.append(reference_meta(owner, self._chain[-1].namespace))
        self._ended = True

    def top(self) -> Meta:
        """The top owner: the highest catalogued element, else the highest above a pod, else the start itself."""
        # A pod in the middle (a leader, a driver) is on the way, never the top.
        above = [meta for meta in self._chain[1:] if meta.key != _POD]
        start = self._chain[0]
        catalogued = [meta for meta in above if self._is_catalogued(meta.key)]
        if catalogued:
            return catalogued[-1]
        if start.key != _POD and self._is_catalogued(start.key):
            return start
        return above[-1] if above else self._chain[-1]

    @property
    def chain(self) -> tuple[Meta, ...]:
        """From the start upwards, as far as the walk came."""
        return tuple(self._chain)

    def _end(self, problem: str) -> None:
        self._ended = True
        self.problems.append(problem)
