"""Who belongs to whom, kept up as objects come, change and go: each object's place, and whom a change concerns.

An event of one pod costs its way up and no more. What else a change concerns is known beforehand: whoever passed an
object on its way up, waits for it or is told by a label to look for it, is placed again when it comes or changes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

import structlog

from rollcall.domain.autoscaling import address_of
from rollcall.domain.facts import Address, KindKey, Meta, OwnerReference
from rollcall.domain.kinds.catalogue import Catalogue
from rollcall.domain.ownership import Ignored
from rollcall.domain.placing import Missing, Name, Place, names_of, newest, place, traits_of

MOST_LOOKED_UP = 50_000
"""Owners known by look-up that are kept; the one unused for longest is looked up again if it is needed once more."""

_NOWHERE = Place()
_Key = TypeVar("_Key")

log = structlog.get_logger(__name__)


class Belonging:
    """Places by uid. It is what :func:`rollcall.domain.placing.place` asks for what is known."""

    def __init__(
        self,
        watched: Callable[[str], Meta | None],
        kinds: Catalogue,
        *,
        changed: Callable[[str], None],
        ignored: Callable[[str, Ignored | None], None],
    ) -> None:
        """``watched`` has the metadata of what watches brought; ``changed`` hears of tops, ``ignored`` of pods."""
        self._watched = watched
        self._kinds = kinds
        self._changed = changed
        self._on_ignored = ignored
        self.looked_up: dict[str, Meta | Missing] = {}
        """By uid; refusals by namespace and uid, for a reference in another namespace may well be wrong."""
        self.unresolved: dict[str, OwnerReference] = {}
        """Member uid to the owner whose metadata must be read before its top is known."""
        self._places: dict[str, Place] = {}
        self._members: dict[str, set[str]] = defaultdict(set)
        self._asking: dict[str, dict[str, None]] = {}
        """Uid of an owner to those whose place depends on it."""
        self._calling: dict[Name, dict[str, None]] = {}
        """The same by the name that a label has."""
        self._named: dict[Name, dict[str, None]] = {}
        """Who has the name; more than one where an object went unseen and another took its name."""
        self._addresses: dict[str, Address] = {}
        """Of the top owners that can be scaled, by uid."""
        self._addressed: dict[Address, dict[str, None]] = {}
        """Who has the address; more than one for a while where another took it, as with names."""
        self._reported: set[tuple[KindKey, str]] = set()

    # What is known, for the search

    def owner(self, owner: OwnerReference, namespace: str | None) -> Meta | Missing | None:
        """The metadata behind a reference; ``None``: it must be read first."""
        found = self._watched(owner.uid)
        if found is not None:
            return found
        return self._recall(owner.uid) or self._recall(f"{namespace}/{owner.uid}")

    def seen(self, uid: str) -> Meta | None:
        """The metadata of what was watched or looked up."""
        found = self._watched(uid) or self._recall(uid)
        return found if isinstance(found, Meta) else None

    def named(self, name: Name) -> Meta | None:
        """The watched object of that name."""
        metas = (self._watched(uid) for uid in self._named.get(name, ()))
        return newest(meta for meta in metas if meta is not None)

    def _recall(self, key: str) -> Meta | Missing | None:
        found = self.looked_up.pop(key, None)
        if found is not None:
            self.looked_up[key] = found  # used last
        return found

    # What happens

    def saw(self, before: Meta | None, meta: Meta) -> None:
        """An object came, or changed from what it was."""
        if before is None:
            self.looked_up.pop(meta.uid, None)
        elif traits_of(before, self._kinds) == traits_of(meta, self._kinds):
            return
        self._place(meta)
        names = names_of(meta, self._kinds)
        old_names = () if before is None else names_of(before, self._kinds)
        for name in old_names:
            _drop(self._named, name, meta.uid)
        for name in names:
            self._named.setdefault(name, {})[meta.uid] = None
        callers = (one for name in {*names, *old_names} for one in self._calling.get(name, ()))
        self._place_again((*self._asking.get(meta.uid, ()), *callers))

    def lost(self, meta: Meta, *, keep: bool) -> None:
        """An object is gone. What it owned may outlive it for a while and still is its own: it is remembered."""
        self.leave(meta.uid)
        for name in names_of(meta, self._kinds):
            _drop(self._named, name, meta.uid)
        if keep or meta.uid in self._asking:
            self._remember(meta.uid, meta)

    def learn(self, uid: str, found: Meta | Missing, namespace: str | None = None) -> None:
        """Take in the metadata of an owner that is not watched, or why it cannot be had in a namespace."""
        is_refusal = isinstance(found, Missing)
        self._remember(f"{namespace}/{uid}" if is_refusal and namespace is not None else uid, found)
        concerned = tuple(self._asking.get(uid, ()))
        self._place_again(member for member in concerned if not is_refusal or member in self.unresolved)

    def forget(self, metas: Iterable[Meta]) -> int:
        """Drop what was looked up and what none of these objects needs any more; returns how much."""
        needed: set[str] = set()
        waiting = list(metas)
        while waiting:
            meta = waiting.pop()
            keys = [key for owner in meta.owners for key in (owner.uid, f"{meta.namespace}/{owner.uid}")]
            for key in keys:
                found = self.looked_up.get(key)
                if found is not None and key not in needed:
                    needed.add(key)
                    if isinstance(found, Meta):
                        waiting.append(found)
        unneeded = self.looked_up.keys() - needed
        for key in unneeded:
            del self.looked_up[key]
        return len(unneeded)

    # Places

    def top_of(self, uid: str) -> Meta | None:
        """The top owner of an object; ``None`` while it is not known, and where it is never a workload's."""
        return self._places.get(uid, _NOWHERE).top

    def members_of(self, top_uid: str) -> frozenset[str] | set[str]:
        """The uids of all that belongs to a top owner, its own among them."""
        return self._members.get(top_uid, frozenset())

    def tops(self) -> dict[str, Meta]:
        """The top owners."""
        return {place.top.uid: place.top for place in self._places.values() if place.top is not None}

    def addressed(self, address: Address) -> tuple[str, ...]:
        """The uids of the top owners, such as can be scaled, that have the address."""
        return tuple(self._addressed.get(address, ()))

    def is_below_another(self, uid: str) -> bool:
        """Whether an object is part of another's workload, or never a workload's: it has no record of its own."""
        found = self._places.get(uid, _NOWHERE)
        return found.ignored is not None or (found.top is not None and found.top.uid != uid)

    def is_asked_for(self, uid: str) -> bool:
        """Whether somebody's place depends on it."""
        return uid in self._asking

    def problems_of(self, top_uid: str) -> tuple[str, ...]:
        """What was odd on the way from any member, each once."""
        members = self.members_of(top_uid)
        return tuple(sorted({problem for uid in members for problem in self._places[uid].problems}))

    def leave(self, uid: str) -> None:
        """An object is nowhere for now."""
        found = self._places.pop(uid, None)
        if found is None:
            return
        self.unresolved.pop(uid, None)
        for asked in found.uids:
            _drop(self._asking, asked, uid)
        for name in found.names:
            _drop(self._calling, name, uid)
        if found.ignored is not None:
            self._on_ignored(uid, None)
        if found.top is not None:
            members = self._members[found.top.uid]
            members.discard(uid)
            if not members:
                del self._members[found.top.uid]
                address = self._addresses.pop(found.top.uid, None)
                if address is not None:
                    _drop(self._addressed, address, found.top.uid)
            self._changed(found.top.uid)

    def _place(self, meta: Meta) -> None:
        uid = meta.uid
        before = self._places.get(uid, _NOWHERE)
        self.leave(uid)
        found = self._unclashed(meta, place(meta, self, self._kinds))
        if found.waits_for is not None and before.top is not None:
            # An owner that is asked for again is no reason to leave the record meanwhile.
            found = replace(found, top=before.top)
        self._places[uid] = found
        for asked in found.uids:
            self._asking.setdefault(asked, {})[uid] = None
        for name in found.names:
            self._calling.setdefault(name, {})[uid] = None
        if found.waits_for is not None:
            self.unresolved[uid] = found.waits_for
        if found.ignored is not None:
            self._on_ignored(uid, found.ignored)
        if found.top is not None:
            self._join(uid, found.top)
            self._changed(found.top.uid)
        self._report(meta, found.problems)

    def _join(self, uid: str, top: Meta) -> None:
        members = self._members[top.uid]
        address = None if members else address_of(top)
        if address is not None:
            self._addresses[top.uid] = address
            self._addressed.setdefault(address, {})[top.uid] = None
        members.add(uid)

    def _unclashed(self, meta: Meta, found: Place) -> Place:
        """A top that is known by references alone is one namespace's: of another, the reference is wrong."""
        if found.top is None or found.top.uid == meta.uid:
            return found
        member = next(iter(self._members.get(found.top.uid, ())), None)
        other = None if member is None else self.top_of(member)
        if other is None or other.namespace == found.top.namespace:
            return found
        problem = f"its owner {found.top.kind} {found.top.name} is another namespace's"
        return Place(top=meta, uids=found.uids, names=found.names, problems=(*found.problems, problem))

    def _place_again(self, members: Iterable[str]) -> None:
        for member in tuple(members):
            meta = self._watched(member)
            if meta is not None and member in self._places:
                self._place(meta)

    def _remember(self, key: str, found: Meta | Missing) -> None:
        self.looked_up.pop(key, None)
        self.looked_up[key] = found
        if len(self.looked_up) > MOST_LOOKED_UP:
            del self.looked_up[next(iter(self.looked_up))]

    def _report(self, meta: Meta, problems: tuple[str, ...]) -> None:
        """Say once for each pair of kinds that owners are odd; the records say it of each workload."""
        for problem in problems:
            owner = meta.owners[0].kind if meta.owners else ""
            if (meta.key, owner) not in self._reported:
                self._reported.add((meta.key, owner))
                log.warning("owners_found_odd", kind=meta.kind, owner_kind=owner, problem=problem)


def _drop(held: dict[_Key, dict[str, None]], key: _Key, uid: str) -> None:
    there = held.get(key)
    if there is not None:
        there.pop(uid, None)
        if not there:
            del held[key]
