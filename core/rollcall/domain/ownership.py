"""Who is the top owner of an object: the pure steps of the walk; the shell does the reading between them.

The walk follows controller owners upwards from a pod or a catalogued object. The workload is the highest element that
the catalogue knows; a pod whose owners are all unknown kinds is a workload of the highest of them.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from rollcall.domain.facts import DomainSettings, KindKey, Meta, OwnerReference, PodFacts

MOST_STEPS = 10
"""Longer chains are taken for a fault; the longest known one has seven owners."""

RESERVATION_LABELS = (("app", "runai-reservation"), ("app", "kai-reservation"))
RESERVATION_NAMESPACES = frozenset({"kai-resource-reservation", "runai-reservation"})
SCALE_ADJUST_NAMESPACE = "kai-scale-adjust"


class Ignored(StrEnum):
    """Why a pod is never a workload's; the word is the label on ``/metrics``."""

    NAMESPACE = "namespace"
    RESERVATION = "reservation"
    STATIC = "static"
    DAEMON_SET = "daemon_set"
    KIND = "kind"
    SCALE_ADJUST = "scale_adjust"
    REDIS_CLEANUP = "redis_cleanup"
    WORKFLOW_AGENT = "workflow_agent"
    AFFINITY_ASSISTANT = "affinity_assistant"

    @classmethod
    def of_kind(cls, key: KindKey) -> "Ignored":
        """Why what a kind owns is ignored."""
        return cls.DAEMON_SET if key == _DAEMON_SET else cls.KIND

    @property
    def sentence(self) -> str:
        """The same in words."""
        return _WHY[self]


_WHY = {
    Ignored.NAMESPACE: "its namespace is ignored",
    Ignored.RESERVATION: "it reserves a GPU for the pods that share it",
    Ignored.STATIC: "it is a static pod",
    Ignored.DAEMON_SET: "it belongs to a DaemonSet",
    Ignored.KIND: "it belongs to a kind that is ignored",
    Ignored.SCALE_ADJUST: "it makes an autoscaler add nodes",
    Ignored.REDIS_CLEANUP: "it cleans up after a RayCluster",
    Ignored.WORKFLOW_AGENT: "it is the agent of a Workflow",
    Ignored.AFFINITY_ASSISTANT: "it keeps the pods of a PipelineRun on one node",
}
_EQUIPMENT = (
    ("ray.io/node-type", "redis-cleanup", Ignored.REDIS_CLEANUP),
    ("workflows.argoproj.io/component", "agent", Ignored.WORKFLOW_AGENT),
    ("workflows.argoproj.io/component", "resource-agent", Ignored.WORKFLOW_AGENT),
    ("app.kubernetes.io/component", "affinity-assistant", Ignored.AFFINITY_ASSISTANT),
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


def controller_of(
    owners: Sequence[OwnerReference],
    is_catalogued: Callable[[KindKey], bool],
    length_of: Callable[[OwnerReference], int] = lambda _: 0,
) -> OwnerReference | None:
    """The owner to follow: the controller, else the only one, else by preference.

    Preferred are catalogued kinds, then who has the longest chain of owners itself (``length_of``), then the lowest
    kind and name.
    """
    for owner in owners:
        if owner.controller:
            return owner
    if len(owners) < 2:  # noqa: PLR2004 - nothing to choose from
        return owners[0] if owners else None
    known = [owner for owner in owners if is_catalogued(key_of(owner))] or owners
    return min(known, key=lambda owner: (-length_of(owner), owner.kind, owner.name, owner.uid))


def _is_daemon_set(key: KindKey) -> bool:
    return key == _DAEMON_SET


def ignored_because(
    pod: PodFacts, settings: DomainSettings, is_ignored: Callable[[KindKey], bool] = _is_daemon_set
) -> Ignored | None:
    """Why the pod is never a workload's, ``None`` where it may be; ``is_ignored`` tells which kinds' pods are not."""
    meta = pod.meta
    if reserves_gpu(meta):
        return Ignored.RESERVATION
    if meta.namespace == SCALE_ADJUST_NAMESPACE:
        return Ignored.SCALE_ADJUST
    if meta.namespace in settings.ignored_namespaces:
        return Ignored.NAMESPACE
    if MIRROR_ANNOTATION in meta.annotations:
        return Ignored.STATIC
    for owner in meta.owners:
        if owner.controller and key_of(owner) == _NODE:
            return Ignored.STATIC
        if owner.controller and is_ignored(key_of(owner)):
            return Ignored.of_kind(key_of(owner))
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
    """One walk upwards. Ask :meth:`next_owner`, look it up, answer with :meth:`found` or another; repeat.

    The walk ends when ``next_owner`` is ``None``; then :meth:`top` is the answer.
    """

    def __init__(
        self,
        start: Meta,
        is_catalogued: Callable[[KindKey], bool],
        length_of: Callable[[OwnerReference], int] = lambda _: 0,
    ) -> None:
        self._is_catalogued = is_catalogued
        self._length_of = length_of
        self._chain: list[Meta] = [start]
        self._seen = {start.uid}
        self._circle: list[Meta] = []
        self._ended = False
        self._is_cut = False
        self.problems: list[str] = []
        """What was odd on the way, as sentences."""

    def next_owner(self) -> OwnerReference | None:
        """The owner to look up next."""
        if self._ended:
            return None
        owner = controller_of(self._chain[-1].owners, self._is_catalogued, self._length_of)
        if owner is None:
            return None
        if owner.uid in self._seen:
            entry = next((place for place, meta in enumerate(self._chain) if meta.uid == owner.uid), 0)
            self._circle = self._chain[entry:]
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
        self._ended = self._is_cut = True

    def refused(self, owner: OwnerReference) -> None:
        """The owner lies in another namespace, which Kubernetes forbids: as if there were none."""
        self._end(f"its owner {owner.kind} {owner.name} is in another namespace")

    def stand_in(self, meta: Meta) -> bool:
        """Go on from an object that labels name in place of owners; ``False`` where the walk was there before."""
        if meta.uid in self._seen or self._circle or len(self._chain) > MOST_STEPS:
            return False
        self._ended = self._is_cut = False
        self.found(meta)
        return True

    @property
    def tells(self) -> bool:
        """Whether it came to a kind of the catalogue and was not cut short at another, or at a pod."""
        known = [meta.key != _POD and self._is_catalogued(meta.key) for meta in self._chain]
        return any(known) and (known[-1] or not self._is_cut)

    @property
    def is_cut(self) -> bool:
        """Whether it ended at an owner that is gone or may not be read."""
        return self._is_cut

    def top(self) -> Meta:
        """The top owner: the highest catalogued element, else the highest above a pod, else the start itself.

        It is the same wherever below it a walk starts, in a circle too.
        """
        start = self._chain[0]
        # A pod in the middle (a leader, a driver) is on the way, never the top.
        able = [meta for meta in self._chain if meta.key != _POD and not self._is_of_cluster(meta)]
        catalogued = [meta for meta in able if self._is_catalogued(meta.key)]
        if self._circle:
            circle = {meta.uid for meta in self._circle}
            within = [meta for meta in catalogued if meta.uid in circle]
            if within or not catalogued:
                choice = within or [meta for meta in able if meta.uid in circle] or self._circle
                return min(choice, key=lambda meta: (meta.kind, meta.name, meta.uid))
        if catalogued:
            return catalogued[-1]
        if able:
            return able[-1]
        return next((meta for meta in reversed(self._chain) if meta.key == _POD), start)

    @property
    def chain(self) -> tuple[Meta, ...]:
        """From the start upwards, as far as the walk came."""
        return tuple(self._chain)

    def _is_of_cluster(self, meta: Meta) -> bool:
        """Whether it lies in no namespace while the start does: a workload is in a namespace."""
        return meta.namespace is None and self._chain[0].namespace is not None and not self._is_catalogued(meta.key)

    def _end(self, problem: str) -> None:
        self._ended = True
        self.problems.append(problem)
