"""The cluster as last seen: facts by uid, who belongs to whom, and which workloads have changed since the last flush.

:meth:`ClusterState.observe` is the one door between kopf and everything behind it: it takes what was seen, waits for
nothing, and returns.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from rollcall.domain.facts import (
    DomainSettings,
    KindKey,
    Meta,
    NamespaceFacts,
    NodeFacts,
    ObjectFacts,
    OwnerReference,
    PodFacts,
    WorkloadView,
)
from rollcall.domain.kinds.catalogue import is_catalogued
from rollcall.domain.ownership import OwnerWalk, ignored_because
from rollcall.domain.reading import read_namespace, read_node, read_object, read_pod
from rollcall.store.records import DeletionSeen, Gone

POD = KindKey(group="", kind="Pod")
NODE = KindKey(group="", kind="Node")
NAMESPACE = KindKey(group="", kind="Namespace")
PRIORITY_CLASS = KindKey(group="scheduling.k8s.io", kind="PriorityClass")


MOST_LOOKED_UP = 50_000
"""Owners known by look-up that are kept; the oldest is looked up again if it is needed once more."""


class EventType(StrEnum):
    """What a watch says happened; the state cares only whether the object is gone."""

    SEEN = "seen"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Ending:
    """A workload that is gone: when and how, and what was last seen of it."""

    gone: Gone
    view: WorkloadView | None


class Missing(StrEnum):
    """Why an owner's metadata is not to be had."""

    GONE = "gone"
    FORBIDDEN = "forbidden"


class ClusterState:
    """All facts of one cluster, and the set of workloads to derive again."""

    def __init__(self, settings: DomainSettings, *, all_namespaces: bool) -> None:
        self._settings = settings
        self._all_namespaces = all_namespaces
        self.objects: dict[str, ObjectFacts] = {}
        self.pods: dict[str, PodFacts] = {}
        self.nodes: dict[str, NodeFacts] = {}
        self.namespaces: dict[str, NamespaceFacts] = {}
        self.priority_classes: dict[str, int] = {}
        self.looked_up: dict[str, Meta | Missing] = {}
        """Owners that are not watched, by uid, as `rollcall_operator.owners` found them."""
        self._top_of: dict[str, Meta] = {}
        self._members: dict[str, set[str]] = defaultdict(set)
        self._pods_on: dict[str, set[str]] = defaultdict(set)
        self.unresolved: dict[str, OwnerReference] = {}
        """Member uid to the owner whose metadata must be read before its top is known."""
        self._waiting_for: dict[str, dict[str, None]] = {}
        """The same by the owner's uid: at a start thousands of pods wait, and each owner's arrival asks for its own."""
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
            self._observe_priority_class(obj, deleted=deleted)
        else:
            self._observe_object(obj, deleted=deleted, at=at)

    def _observe_pod(self, obj: Mapping[str, Any], *, deleted: bool, at: datetime) -> None:
        pod = read_pod(obj, self._settings)
        if pod is None or ignored_because(pod, self._settings) is not None:
            return
        uid = pod.meta.uid
        before = self.pods.get(uid)
        if before is not None and pod.meta.resource_version < before.meta.resource_version:
            return
        if deleted:
            self._forget_pod(pod, before, at=at, seen=DeletionSeen.EXACT)
            return
        self.pods[uid] = pod
        if before is not None and before.node_name != pod.node_name:
            self._leave_node(before)
        if pod.node_name is not None:
            self._pods_on[pod.node_name].add(uid)
        if before is None or before.meta.owners != pod.meta.owners:
            self._place(pod.meta)
        self._mark(uid)

    def _forget_pod(self, pod: PodFacts, before: PodFacts | None, *, at: datetime, seen: DeletionSeen) -> None:
        uid = pod.meta.uid
        top = self._top_of.get(uid)
        if self._is_recorded(pod.meta):
            self.gone_pods[uid] = self._gone(pod.meta, at=at, seen=seen)
        if top is not None and top.uid == uid:
            # A bare pod: what it was before its deletion was asked for is what its record keeps.
            last = before if before is not None and before.meta.deletion_at is None else None
            self._end(pod.meta, None if last is None else self._pod_view(_undeleted_pod(pod)), at=at, seen=seen)
        self._mark(uid)
        self.pods.pop(uid, None)
        if before is not None:
            self._leave_node(before)
        is_closed = top is not None and top.uid in self.outlived
        self._leave(uid)
        if top is None or top.uid == uid or top.uid in self.objects or self._members.get(top.uid) or is_closed:
            return
        # Known by its pods alone, and the last one is gone.
        self._end(top, None, at=at, seen=DeletionSeen.LATE)

    def _observe_object(self, obj: Mapping[str, Any], *, deleted: bool, at: datetime) -> None:
        facts = read_object(obj)
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
        self.looked_up.pop(uid, None)
        self.outlived.discard(uid)
        if before is None or before.meta.owners != facts.meta.owners:
            self._place(facts.meta)
        if before is None:
            self._adopt(uid)
        self._mark(uid)

    def _forget_object(self, facts: ObjectFacts, *, at: datetime, seen: DeletionSeen) -> None:
        uid = facts.meta.uid
        top = self._top_of.get(uid)
        if top is None or top.uid == uid:
            last = replace(facts, meta=replace(facts.meta, deletion_at=None))
            self._end(facts.meta, self._view_of(facts.meta, last), at=at, seen=seen)
        else:
            self._mark(uid)
        self.objects.pop(uid, None)
        self._leave(uid)
        self._look_up(uid, facts.meta)  # its pods may outlive it for a while; they still are its pods
        if self._members.get(uid):
            self.outlived.add(uid)

    def _observe_node(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        node = read_node(obj, self._settings)
        if node is None:
            return
        before = self.nodes.get(node.meta.name)
        if deleted:
            self.nodes.pop(node.meta.name, None)
        else:
            self.nodes[node.meta.name] = node
        changed = deleted or before is None or (before.ready, before.node_pool) != (node.ready, node.node_pool)
        if changed:
            for uid in self._pods_on.get(node.meta.name, ()):
                self._mark(uid)

    def _observe_namespace(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        namespace = read_namespace(obj, self._settings)
        if namespace is None:
            return
        name = namespace.meta.name
        before = self.namespaces.get(name)
        if deleted:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = namespace
        if deleted or before is None or before.meta.labels != namespace.meta.labels:
            for top in {meta.uid for meta in self._top_of.values() if meta.namespace == name}:
                self.dirty[top] = None

    def _observe_priority_class(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        facts = read_object(obj)
        value = obj.get("value")
        if facts is None:
            return
        if deleted or not isinstance(value, int):
            self.priority_classes.pop(facts.meta.name, None)
        else:
            self.priority_classes[facts.meta.name] = value

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
        return dropped

    def learn_owner(self, uid: str, found: Meta | Missing) -> None:
        """Take in the metadata of an owner that is not watched, or why it cannot be had."""
        self._look_up(uid, found)
        for member in tuple(self._waiting_for.get(uid, ())):
            self._place_again(member)

    def _look_up(self, uid: str, found: Meta | Missing) -> None:
        self.looked_up[uid] = found
        if len(self.looked_up) > MOST_LOOKED_UP:
            del self.looked_up[next(iter(self.looked_up))]

    def forget_owners(self) -> int:
        """Drop what was looked up and nothing that is there needs any more; returns how much."""
        needed: set[str] = set()
        waiting = [
            owner.uid for held in (self.pods, self.objects) for facts in held.values() for owner in facts.meta.owners
        ]
        while waiting:
            uid = waiting.pop()
            found = self.looked_up.get(uid)
            if found is None or uid in needed:
                continue
            needed.add(uid)
            if isinstance(found, Meta):
                waiting.extend(owner.uid for owner in found.owners)
        unneeded = self.looked_up.keys() - needed
        for uid in unneeded:
            del self.looked_up[uid]
        return len(unneeded)

    # Who belongs to whom

    def _place(self, meta: Meta) -> None:
        """Find the top owner of an object, or note which owner must be read first."""
        walk = OwnerWalk(meta, is_catalogued)
        self._leave(meta.uid)
        while (owner := walk.next_owner()) is not None:
            known = self._known(owner)
            if known is None:
                self.unresolved[meta.uid] = owner
                self._waiting_for.setdefault(owner.uid, {})[meta.uid] = None
                return
            if isinstance(known, Missing):
                walk.not_found(owner)
            else:
                walk.found(known)
        top = walk.top()
        self._top_of[meta.uid] = top
        self._members[top.uid].add(meta.uid)

    def _known(self, owner: OwnerReference) -> Meta | Missing | None:
        if owner.uid in self.objects:
            return self.objects[owner.uid].meta
        if owner.uid in self.pods:
            return self.pods[owner.uid].meta
        return self.looked_up.get(owner.uid)

    def _adopt(self, uid: str) -> None:
        """An object came after what it owns: place again those that waited for it or stopped short below it."""
        for member in tuple(self._waiting_for.get(uid, ())):
            self._place_again(member)
        for member in tuple(self._members.get(uid, ())):
            if member != uid:
                self._place_again(member)

    def _place_again(self, member: str) -> None:
        facts = self.pods.get(member) or self.objects.get(member)
        if facts is not None:
            self._place(facts.meta)
            self._mark(member)

    def _leave(self, uid: str) -> None:
        owner = self.unresolved.pop(uid, None)
        if owner is not None:
            waiting = self._waiting_for[owner.uid]
            del waiting[uid]
            if not waiting:
                del self._waiting_for[owner.uid]
        top = self._top_of.pop(uid, None)
        if top is not None:
            members = self._members.get(top.uid)
            if members is not None:
                members.discard(uid)
                if not members:
                    del self._members[top.uid]
                    self.outlived.discard(top.uid)
            self.dirty[top.uid] = None

    def _leave_node(self, pod: PodFacts) -> None:
        there = self._pods_on.get(pod.node_name or "")
        if there is not None:
            there.discard(pod.meta.uid)
            if not there:
                del self._pods_on[pod.node_name or ""]

    def _mark(self, uid: str) -> None:
        top = self._top_of.get(uid)
        if top is not None:
            self.dirty[top.uid] = None

    # What is derived from it

    def is_shown(self, namespace: str | None) -> bool:
        """Whether workloads of the namespace are recorded: it is a project's, or all are."""
        if namespace is None or namespace in self._settings.ignored_namespaces:
            return False
        if self._all_namespaces:
            return True
        found = self.namespaces.get(namespace)
        return found is not None and found.project is not None

    def view(self, top_uid: str) -> WorkloadView | None:
        """All that is known of a workload; ``None`` where nothing is left of it."""
        facts = self.objects.get(top_uid)
        if facts is not None:
            return self._view_of(facts.meta, facts)
        pod = self.pods.get(top_uid)
        if pod is not None:
            return self._pod_view(pod)
        for member in self._members.get(top_uid, ()):
            top = self._top_of[member]
            return self._view_of(top, None)
        return None

    def _view_of(self, meta: Meta, facts: ObjectFacts | None) -> WorkloadView:
        members = self._members.get(meta.uid, ())
        children = [self.objects[uid] for uid in members if uid != meta.uid and uid in self.objects]
        children.sort(key=lambda child: (str(child.meta.created_at), child.meta.name))
        pods = sorted((self.pods[uid] for uid in members if uid in self.pods), key=lambda pod: pod.meta.name)
        return WorkloadView(
            top=facts,
            top_reference=None if facts is not None else meta,
            children=tuple(children),
            pods=tuple(pods),
            nodes=self.nodes,
            namespace=self.namespaces.get(meta.namespace or ""),
            priority_classes=self.priority_classes,
        )

    def _pod_view(self, pod: PodFacts) -> WorkloadView:
        return WorkloadView(
            top_is_pod=True,
            pods=(pod,),
            nodes=self.nodes,
            namespace=self.namespaces.get(pod.meta.namespace or ""),
            priority_classes=self.priority_classes,
        )

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
        return {"objects": len(self.objects), "pods": len(self.pods), "nodes": len(self.nodes)}


def _uid_of(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata")
    return str(metadata.get("uid")) if isinstance(metadata, Mapping) else ""


def _undeleted_pod(pod: PodFacts) -> PodFacts:
    return replace(pod, meta=replace(pod.meta, deletion_at=None))
