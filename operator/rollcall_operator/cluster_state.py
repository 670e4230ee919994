"""The cluster as last seen: facts by uid, who belongs to whom, and which workloads have changed since the last flush.

:meth:`ClusterState.observe` is the one door between kopf and everything behind it: it takes what was seen, waits for
nothing, and returns.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from rollcall.domain.facts import (
    Address,
    DomainSettings,
    KindKey,
    Meta,
    ObjectFacts,
    OwnerReference,
    PodFacts,
    WorkloadView,
)
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.ownership import Ignored, ignored_because
from rollcall.domain.placing import Missing
from rollcall.domain.reading import read_object, read_pod
from rollcall.store.records import DeletionSeen, Gone
from rollcall_operator.belonging import Belonging
from rollcall_operator.beside import KINDS as KINDS_BESIDE
from rollcall_operator.beside import Beside
from rollcall_operator.holdings import Holdings
from rollcall_operator.ignored_pods import IgnoredPods
from rollcall_operator.pod_places import PodPlaces
from rollcall_operator.surroundings import CLAIM, CLAIM_TEMPLATE, NAMESPACE, NODE, PRIORITY_CLASS, Surroundings
from rollcall_operator.views import Views

POD = KindKey(group="", kind="Pod")


NOT_SHOWN = "not_shown"
"""Why a pod of a namespace without a project is on no record, for ``/metrics``."""


class EventType(StrEnum):
    """What a watch says happened; the state cares only whether the object is gone."""

    SEEN = "seen"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Ending:
    """A workload that is gone: when and how, and what was last seen of it."""

    gone: Gone
    view: WorkloadView | None


class ClusterState:
    """All facts of one cluster, and the set of workloads to derive again."""

    def __init__(self, settings: DomainSettings, *, all_namespaces: bool, catalogue: Catalogue | None = None) -> None:
        self._settings = settings
        self.surroundings = Surroundings(settings, all_namespaces=all_namespaces)
        self.objects: dict[str, ObjectFacts] = {}
        self.pods: dict[str, PodFacts] = {}
        self.holdings = Holdings(self.surroundings.nodes, self.surroundings.claims)
        self.beside = Beside(self.pods, self._addressed, is_complete=lambda: self.seen is None)
        self.know(catalogue or built_in())
        self._ignored = IgnoredPods()
        self._places = PodPlaces()
        self.dirty: dict[str, None] = {}
        """Top uids to derive again, the longest waiting first."""
        self.ended: dict[str, Ending] = {}
        self.outlived: set[str] = set()
        """Workloads whose object is gone while pods of theirs still are there: closed, and their last phase stays."""
        self.gone_pods: dict[str, Gone] = {}
        self.may_be_stored: Callable[[str], bool] = lambda _: True
        """Whether the database may hold a row of a uid; whoever writes it knows better than this."""
        self.floor_version = 0
        self.seen: set[str] | None = set()
        """The uids that watches brought since the start; ``None`` once the first lists are known to be complete."""

    def know(self, catalogue: Catalogue) -> None:
        """Go by these kinds. Only before anything was seen."""
        self._catalogue = catalogue
        self.belonging = Belonging(self._watched_meta, catalogue, changed=self._touch, ignored=self._take_ignored)
        self._views = Views(
            objects=self.objects,
            pods=self.pods,
            belonging=self.belonging,
            surroundings=self.surroundings,
            beside=self.beside,
            catalogue=catalogue,
        )

    # What was seen

    def observe(self, key: KindKey, event: EventType, obj: Mapping[str, Any], *, at: datetime) -> None:
        """Take in one object. Reads facts, notes the change, waits for nothing."""
        deleted = event is EventType.DELETED
        if self.seen is not None:
            self.seen.add(_uid_of(obj))
        if key == POD:
            self._observe_pod(obj, deleted=deleted, at=at)
        elif key == NODE:
            self._observe_node(obj, deleted=deleted)
        elif key == NAMESPACE:
            self._observe_namespace(obj, deleted=deleted)
        elif key == PRIORITY_CLASS:
            self.surroundings.saw_priority_class(obj, deleted=deleted)
        elif key in (CLAIM, CLAIM_TEMPLATE):
            self._observe_claim(key, obj, deleted=deleted)
        elif key in KINDS_BESIDE:
            self._mark_beside(self.beside.saw(key, obj, _uid_of(obj), deleted=deleted))
        else:
            self._observe_object(obj, deleted=deleted, at=at)

    def _observe_pod(self, obj: Mapping[str, Any], *, deleted: bool, at: datetime) -> None:
        pod = read_pod(obj, self._settings)
        if pod is None:
            return
        uid = pod.meta.uid
        before = self.pods.get(uid)
        if before is not None and pod.meta.resource_version < before.meta.resource_version:
            return
        why = ignored_because(pod, self._settings, self._catalogue.is_ignored)
        if before is not None and (deleted or why is not None):
            self._forget_pod(pod, before, at=at, seen=DeletionSeen.EXACT)
        if why is not None:
            self._observe_ignored(pod, why, deleted=deleted)
            return
        self._ignored.forget(uid)
        if deleted:
            if before is None:
                self._forget_pod(pod, None, at=at, seen=DeletionSeen.EXACT)
            return
        self.pods[uid] = pod
        self.beside.queued.saw_pod(None if before is None else before.meta, pod.meta)
        self._places.saw(before, pod)
        self.belonging.saw(None if before is None else before.meta, pod.meta)
        self.holdings.saw(pod, ignored=uid in self._ignored)
        self._mark(uid)

    def _observe_ignored(self, pod: PodFacts, why: Ignored, *, deleted: bool) -> None:
        uid = pod.meta.uid
        if deleted:
            self._ignored.forget(uid)
            self.holdings.lost(uid)
        else:
            self._ignored.saw(uid, why, version=pod.meta.resource_version)
            self.holdings.saw(pod, ignored=True)
            known = self.belonging.seen(uid) if self.belonging.is_asked_for(uid) else pod.meta
            if known is None or known.owners != pod.meta.owners:
                # What it owns goes where it goes; a DaemonSet may have adopted both.
                self.belonging.learn(uid, pod.meta)

    def _take_ignored(self, uid: str, why: Ignored | None) -> None:
        """Hear from its owners that a pod is never a workload's, or that it may be one's again."""
        self._ignored.take(uid, why)
        pod = self.pods.get(uid)
        if pod is not None:
            self.holdings.saw(pod, ignored=why is not None)

    def _forget_pod(self, pod: PodFacts, before: PodFacts | None, *, at: datetime, seen: DeletionSeen) -> None:
        uid = pod.meta.uid
        top = self.belonging.top_of(uid)
        if self._is_recorded(pod.meta):
            self.gone_pods[uid] = self._gone(pod.meta, at=at, seen=seen)
        self.beside.queued.saw_pod(pod.meta if before is None else before.meta, None)
        if top is not None and top.uid == uid:
            # A bare pod: what it was before its deletion was asked for is what its record keeps.
            last = before if before is not None and before.meta.deletion_at is None else None
            self._end(pod.meta, None if last is None else self._views.of_pod(_undeleted_pod(pod)), at=at, seen=seen)
        if before is not None:
            del self.pods[uid]
            self._places.lost(before)
        is_closed = top is not None and top.uid in self.outlived
        self.belonging.lost(pod.meta, keep=False)
        self.holdings.lost(uid)
        if top is None or top.uid == uid or top.uid in self.objects or self.belonging.members_of(top.uid) or is_closed:
            return
        # Known by its pods alone, and the last one is gone.
        self._end(top, None, at=at, seen=DeletionSeen.LATE)

    def _observe_object(self, obj: Mapping[str, Any], *, deleted: bool, at: datetime) -> None:
        facts = read_object(obj, self._settings)
        if facts is None:
            return
        uid = facts.meta.uid
        before = self.objects.get(uid)
        if before is not None and facts.meta.resource_version < before.meta.resource_version:
            return
        if deleted:
            self._forget_object(facts, at=at, seen=DeletionSeen.EXACT)
            return
        self.objects[uid] = facts
        self.outlived.discard(uid)
        self.belonging.saw(None if before is None else before.meta, facts.meta)
        self._mark(uid)

    def _forget_object(self, facts: ObjectFacts, *, at: datetime, seen: DeletionSeen) -> None:
        uid = facts.meta.uid
        top = self.belonging.top_of(uid)
        if self._catalogue.is_template(facts):
            self._mark(uid)
        elif top is None or top.uid == uid:
            last = replace(facts, meta=replace(facts.meta, deletion_at=None))
            self._end(facts.meta, self._views.of_object(facts.meta, last), at=at, seen=seen)
        else:
            self._mark(uid)
        self.objects.pop(uid, None)
        self.belonging.lost(facts.meta, keep=True)
        if self.belonging.members_of(uid):
            self.outlived.add(uid)

    def _observe_node(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        self._mark_node(self.surroundings.saw_node(obj, deleted=deleted))

    def _mark_node(self, name: str | None) -> None:
        if name is not None:
            self.holdings.node_changed(name)
            for uid in self._places.on(name):
                self._mark(uid)

    def _observe_namespace(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        name = self.surroundings.saw_namespace(obj, deleted=deleted)
        if name in self.surroundings.namespaces:
            # What is derived by it is as new as it: rows that were closed for want of a label open again.
            self.floor_version = max(self.floor_version, self.surroundings.namespaces[name].meta.resource_version)
        self._mark_namespace(name)

    def _mark_namespace(self, name: str | None) -> None:
        if name is not None:
            for uid, top in self.belonging.tops().items():
                if top.namespace == name:
                    self.dirty[uid] = None

    def take_unread(self, names: frozenset[str]) -> None:
        """Hear which namespaces may not be read while what is in them may."""
        before, self.surroundings.unread = self.surroundings.unread, names
        for name in before ^ names:
            self._mark_namespace(name)

    def _observe_claim(self, key: KindKey, obj: Mapping[str, Any], *, deleted: bool) -> None:
        """Claims change what their users ask for and hold."""
        for uid in self.surroundings.saw_claim(key, obj, deleted=deleted):
            self.holdings.claim_changed(uid)
            self._mark(uid)

    def _mark_beside(self, uids: Iterable[str]) -> None:
        """Mark whom these objects and pods belong to; an owner that is not watched may be known by its pods."""
        for uid in uids:
            if uid in self.objects or uid in self.pods:
                self._mark(uid)
            else:
                self.dirty[uid] = None

    # What a sweep found

    def forget_unseen(self, uids: Iterable[str], *, version: int, at: datetime) -> int:
        """Drop objects that a complete list at ``version`` did not hold; returns how many."""
        dropped = 0
        for uid in uids:
            if (pod := self.pods.get(uid)) is not None and pod.meta.resource_version <= version:
                self._forget_pod(pod, pod, at=at, seen=DeletionSeen.LATE)
                dropped += 1
            elif (facts := self.objects.get(uid)) is not None and facts.meta.resource_version <= version:
                self._forget_object(facts, at=at, seen=DeletionSeen.LATE)
                dropped += 1
            else:
                self._mark_beside(self.beside.forget(uid, version=version))
        return dropped

    def forget_around(self, key: KindKey, uids: frozenset[str], *, version: int) -> None:
        """Drop the nodes or the namespaces that a complete list at ``version`` did not hold."""
        for name in self.surroundings.keep_only(key, uids, version=version):
            (self._mark_node if key == NODE else self._mark_namespace)(name)

    def keep_ignored(self, uids: frozenset[str], *, version: int) -> None:
        """Forget the ignored pods that a complete list at ``version`` did not hold."""
        self._ignored.keep_only(uids, version=version)

    # Who belongs to whom

    @property
    def unresolved(self) -> Mapping[str, OwnerReference]:
        """Member uid to the owner whose metadata must be read before its top is known."""
        return self.belonging.unresolved

    def learn_owner(self, uid: str, found: Meta | Missing, namespace: str | None = None) -> None:
        """Take in the metadata of an owner that is not watched, or why it cannot be had in a namespace."""
        self.belonging.learn(uid, found, namespace)

    def forget_owners(self) -> int:
        """Drop what was looked up and nothing that is there needs any more; returns how much."""
        return self.belonging.forget(facts.meta for held in (self.pods, self.objects) for facts in held.values())

    def _addressed(self, address: Address) -> tuple[str, ...]:
        return self.belonging.addressed(address)

    def _watched_meta(self, uid: str) -> Meta | None:
        facts = self.objects.get(uid) or self.pods.get(uid)
        return None if facts is None else facts.meta

    def _touch(self, top_uid: str) -> None:
        self.dirty[top_uid] = None
        if not self.belonging.members_of(top_uid):
            self.outlived.discard(top_uid)

    def _mark(self, uid: str) -> None:
        top = self.belonging.top_of(uid)
        if top is not None:
            self.dirty[top.uid] = None

    # What is derived from it

    def is_shown(self, namespace: str | None) -> bool:
        """Whether workloads of the namespace are recorded."""
        return self.surroundings.is_shown(namespace)

    def workload_of(self, uid: str) -> str | None:
        """The uid of the workload that an object is on: as part of it, or as what stands in a queue for it."""
        top = self.belonging.top_of(uid)
        queued = self.beside.queued.facts.get(uid)
        if top is None and queued is not None:
            top = next((found for about in queued.about if (found := self.belonging.top_of(about)) is not None), None)
        return None if top is None else top.uid

    def is_hidden(self, uid: str) -> bool:
        """Whether an object that is there has no record of its own, for it is part of another's."""
        return (uid in self.objects or uid in self.pods) and self.belonging.is_below_another(uid)

    def ignored_pods(self) -> dict[str, int]:
        """How many pods are on no record, by reason; every reason is there."""
        hidden = sum(number for namespace, number in self._places.in_namespace.items() if not self.is_shown(namespace))
        return {**self._ignored.count(), NOT_SHOWN: hidden}

    def view(self, top_uid: str) -> WorkloadView | None:
        """All that is known of a workload; ``None`` where nothing is left of it, or where it is none of its own."""
        if self.is_hidden(top_uid):
            return None
        return self._views.of(top_uid)

    def _gone(self, meta: Meta, *, at: datetime, seen: DeletionSeen) -> Gone:
        version = max(meta.resource_version, self.floor_version)
        return Gone(uid=meta.uid, observed_version=version, at=at, seen=seen)

    def _is_recorded(self, meta: Meta) -> bool:
        """Whether its deletion is to be written: what comes and goes outside of all projects leaves no trace."""
        return self.is_shown(meta.namespace) or self.may_be_stored(meta.uid)

    def _end(self, meta: Meta, view: WorkloadView | None, *, at: datetime, seen: DeletionSeen) -> None:
        if not self._is_recorded(meta):
            return
        self.ended[meta.uid] = Ending(gone=self._gone(meta, at=at, seen=seen), view=view)

    @property
    def waiting(self) -> int:
        """How many workloads are to be derived, written or closed."""
        return len(self.dirty.keys() | self.ended.keys())

    @property
    def size(self) -> dict[str, int]:
        """How many facts of each sort are held."""
        return {"objects": len(self.objects), "pods": len(self.pods), "nodes": len(self.surroundings.nodes)}


def _uid_of(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata")
    return str(metadata.get("uid")) if isinstance(metadata, Mapping) else ""


def _undeleted_pod(pod: PodFacts) -> PodFacts:
    return replace(pod, meta=replace(pod.meta, deletion_at=None))
