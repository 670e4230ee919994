"""Where an object belongs: the walk to its top owner over what is known, and the labels that stand in for owners.

The operator and ``rollcall explain`` both ask :func:`place`; they differ in what they know (:class:`Known`) only.
Owners tell first. Labels are asked where owners do not tell: the chain ends at an owner that is gone or may not be
read, or has no kind of the catalogue. Labels can be set by anybody who may make the pod, so what they name must lie in
the pod's own namespace.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol
from uuid import NAMESPACE_OID, uuid5

from rollcall.domain.facts import KindKey, Meta, OwnerReference
from rollcall.domain.kinds.catalogue import Catalogue
from rollcall.domain.ownership import MOST_STEPS, Ignored, OwnerWalk, controller_of, reference_meta

TOP_UID_LABEL = "run.ai/top-owner-uid"
TOP_KIND_LABEL, TOP_NAME_LABEL = "workloadKind", "workloadName"
"""Run:ai names the workload on every pod of it."""

RUNAI_GROUP = "run.ai"
SPARK_SELECTOR_LABEL, SPARK_ROLE_LABEL = "spark-app-selector", "spark-role"
"""Spark itself, without an operator, labels a driver and its executors; in client mode nothing owns the executors."""

POD = KindKey(group="", kind="Pod")
SPARK_GROUP = KindKey(group="", kind="SparkApplication")
"""Executors whose driver is no pod: a workload known by its pods alone."""


class Missing(StrEnum):
    """Why an owner's metadata is not to be had."""

    GONE = "gone"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Name:
    """What a label says instead of a uid: the name of an object in the namespace of who bears the label."""

    key: KindKey
    namespace: str
    name: str


class Known(Protocol):
    """What is known of a cluster's objects."""

    def owner(self, owner: OwnerReference, namespace: str | None) -> Meta | Missing | None:
        """The metadata behind a reference found in a namespace; ``None``: it must be read first."""

    def seen(self, uid: str) -> Meta | None:
        """The metadata of an object that was given or watched; of a gone one too, while it is remembered."""

    def named(self, name: Name) -> Meta | None:
        """The object of that name, as far as :func:`names_of` gives it one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an object belongs, or what must be known to tell."""

    top: Meta | None = None
    """``None`` where it waits for an owner, or is never a workload's."""
    waits_for: OwnerReference | None = None
    """The owner whose metadata must be read first."""
    ignored: Ignored | None = None
    """Why it is never a workload's, where its owners tell."""
    uids: tuple[str, ...] = ()
    """What was passed or asked for: should one of these come or change its owners, the place is to be found anew."""
    names: tuple[Name, ...] = ()
    """The same for objects that labels name."""
    problems: tuple[str, ...] = ()
    """What was odd on the way, as sentences."""


@lru_cache(maxsize=8)
def _labels(kinds: Catalogue) -> tuple[tuple[KindKey, str, str | None], ...]:
    """(kind, label that names its object, label that has the uid) of the kinds whose pods have such labels."""
    return tuple((entry.key, entry.name_label, entry.uid_label) for entry in kinds.all_entries() if entry.name_label)


@lru_cache(maxsize=8)
def _read_labels(kinds: Catalogue) -> tuple[str, ...]:
    own = (TOP_UID_LABEL, TOP_KIND_LABEL, TOP_NAME_LABEL, SPARK_SELECTOR_LABEL, SPARK_ROLE_LABEL)
    return (*own, *(label for _, name, uid in _labels(kinds) for label in (name, uid) if label))


def traits_of(meta: Meta, kinds: Catalogue) -> tuple[object, ...]:
    """What of an object's own metadata its place depends on."""
    labels = meta.labels
    return (meta.owners, *(labels.get(label) for label in _read_labels(kinds) if labels))


def names_of(meta: Meta, kinds: Catalogue) -> tuple[Name, ...]:
    """Under which names labels may ask for this object."""
    namespace = meta.namespace or ""
    if meta.key == POD:
        selector = meta.labels.get(SPARK_SELECTOR_LABEL)
        is_driver = meta.labels.get(SPARK_ROLE_LABEL) == "driver"
        return (Name(POD, namespace, selector),) if selector and is_driver else ()
    return tuple(Name(key, namespace, meta.name) for key, _, _ in _labels(kinds) if key == meta.key)


def newest(metas: Iterable[Meta]) -> Meta | None:
    """Of several objects of one name the one that was created last: the others are on their way out."""
    return max(metas, key=lambda meta: (str(meta.created_at or ""), meta.uid), default=None)


def place(start: Meta, known: Known, kinds: Catalogue) -> Place:
    """Find the top owner of an object by its owners, else by its labels."""
    return _Search(start, known, kinds).run()


class _Search:
    """The search for the place of one object."""

    def __init__(self, start: Meta, known: Known, kinds: Catalogue) -> None:
        self._start = start
        self._known = known
        self._kinds = kinds
        self._walk = OwnerWalk(start, kinds.is_catalogued, self._length_of)
        self._uids: dict[str, None] = {}
        self._names: tuple[Name, ...] = ()
        self._to_read: OwnerReference | None = None
        """Above one of several owners: which to follow is not known before it is read."""

    def run(self) -> Place:
        """Walk up until nothing tells more, or something must be read first."""
        walk = self._walk
        while True:
            self._to_read = None
            owner = walk.next_owner()
            if owner is None:
                if walk.tells or not self._goes_on(self._stand_in()):
                    break
            elif not (self._to_read is None and self._follow(owner)) and not self._goes_on(self._proven()):
                return self._place(waits_for=self._to_read or owner)
        ignored = self._ignored()
        return self._place(top=None if ignored else walk.top(), ignored=ignored)

    def _place(
        self, *, top: Meta | None = None, waits_for: OwnerReference | None = None, ignored: Ignored | None = None
    ) -> Place:
        return Place(
            top=top,
            waits_for=waits_for,
            ignored=ignored,
            uids=tuple(self._uids),
            names=self._names,
            problems=tuple(self._walk.problems),
        )

    def _follow(self, owner: OwnerReference) -> bool:
        """Take the step to an owner; ``False`` where it must be read first."""
        self._uids[owner.uid] = None
        found = self._known.owner(owner, self._start.namespace)
        if found is None:
            return False
        if isinstance(found, Missing):
            self._walk.not_found(owner)
        elif found.namespace not in (None, self._start.namespace):
            self._walk.refused(owner)
        else:
            self._walk.found(found)
        return True

    def _goes_on(self, found: Meta | None) -> bool:
        """Take the step to what stands in for an owner, if there is such."""
        if found is None or not self._walk.stand_in(found):
            return False
        self._uids[found.uid] = None
        return True

    def _length_of(self, owner: OwnerReference) -> int:
        """How many owners there are above and with this one."""
        length, seen, at = 0, {self._start.uid}, owner
        while length < MOST_STEPS and at.uid not in seen:
            self._uids[at.uid] = None
            seen.add(at.uid)
            found = self._known.owner(at, self._start.namespace)
            if found is None:
                self._to_read = self._to_read or at
            above = controller_of(found.owners, self._kinds.is_catalogued) if isinstance(found, Meta) else None
            length += isinstance(found, Meta)
            if above is None:
                break
            at = above
        return length

    def _ignored(self) -> Ignored | None:
        """What a DaemonSet's pod makes is as little a workload's as that pod."""
        if self._start.key != POD or self._walk.tells:
            return None
        above = next((meta.key for meta in self._walk.chain if self._kinds.is_ignored(meta.key)), None)
        return None if above is None else Ignored.of_kind(above)

    def _stand_in(self) -> Meta | None:
        """What labels name where owners do not tell, the surest first."""
        self._names = self._called()
        named = (found for name in self._names if (found := self._known.named(name)) is not None)
        return self._proven() or next(named, None) or self._unread() or self._spark_group()

    def _proven(self) -> Meta | None:
        """The object whose uid a label has: nothing between need be read."""
        start = self._start
        wanted: list[tuple[str | None, KindKey | None]] = [(start.labels.get(TOP_UID_LABEL), None)]
        wanted += [(start.labels.get(label), key) for key, _, label in _labels(self._kinds) if label]
        for uid, key in wanted:
            if not uid or uid == start.uid:
                continue
            self._uids[uid] = None
            found = self._known.seen(uid)
            if found is None or found.namespace != start.namespace:
                continue
            if found.key == key or (key is None and found.api_group == RUNAI_GROUP):
                return found
        return None

    def _called(self) -> tuple[Name, ...]:
        """What the labels call the object's owner."""
        start, labels = self._start, self._start.labels
        namespace = start.namespace or ""
        names = [Name(key, namespace, name) for key, label, _ in _labels(self._kinds) if (name := labels.get(label))]
        if selector := self._selector():
            names.append(Name(POD, namespace, selector))
        return tuple(names)

    def _selector(self) -> str | None:
        """The Spark application of an executor that nothing owns."""
        start = self._start
        is_executor = start.key == POD and not start.owners and start.labels.get(SPARK_ROLE_LABEL) == "executor"
        return start.labels.get(SPARK_SELECTOR_LABEL) if is_executor else None

    def _unread(self) -> Meta | None:
        """The workload of Run:ai that a label names, by reference: neither it nor what is between may be read.

        Only of a pod that something owns: a copied manifest brings along labels, but no owners.
        """
        labels = self._start.labels
        uid, kind, name = (labels.get(label) for label in (TOP_UID_LABEL, TOP_KIND_LABEL, TOP_NAME_LABEL))
        if not (self._walk.is_cut and uid and kind and name):
            return None
        if not self._kinds.is_catalogued(KindKey(group=RUNAI_GROUP, kind=kind)):
            return None
        return _by_reference(self._start, api_version=f"{RUNAI_GROUP}/v2alpha1", kind=kind, name=name, uid=uid)

    def _spark_group(self) -> Meta | None:
        """What executors without owner and driver belong to: one workload for each selector."""
        selector = self._selector()
        if not selector or len(self._walk.chain) > 1:
            return None
        uid = str(uuid5(NAMESPACE_OID, f"{self._start.namespace}/{SPARK_SELECTOR_LABEL}/{selector}"))
        return _by_reference(self._start, api_version="", kind=SPARK_GROUP.kind, name=selector, uid=uid)


def _by_reference(start: Meta, *, api_version: str, kind: str, name: str, uid: str) -> Meta:
    owner = OwnerReference(api_version=api_version, kind=kind, name=name, uid=uid, controller=False)
    return reference_meta(owner, start.namespace)
