"""What stands in queues, joined to what it stands for: by uid where it names that, else by the name that pods carry.

Nothing is found out about owners here: whatever is a workload's, its children and its pods, brings what speaks of it.
"""

from collections.abc import Iterable
from typing import TypeVar

from rollcall.domain.facts import Meta, QueueFacts
from rollcall.domain.queues import GroupName, group_names

Key = TypeVar("Key")


class QueueIndex:
    """What is known to stand in queues."""

    def __init__(self) -> None:
        self.facts: dict[str, QueueFacts] = {}
        """By uid."""
        self._about: dict[str, set[str]] = {}
        self._by_name: dict[GroupName, str] = {}
        self._namers: dict[GroupName, set[str]] = {}
        """Pods by the group that they name."""

    def saw(self, facts: QueueFacts) -> frozenset[str]:
        """Take it in as it is now; returns the uids of all that it concerns or concerned, none if nothing is new."""
        uid = facts.meta.uid
        before = self.facts.get(uid)
        if before is not None and facts.meta.resource_version < before.meta.resource_version:
            return frozenset()
        if before is not None and _says(before) == _says(facts):
            self.facts[uid] = facts
            return frozenset()
        concerned = self.lost(uid)
        self.facts[uid] = facts
        self._by_name[_name_of(facts)] = uid
        for about in facts.about:
            self._about.setdefault(about, set()).add(uid)
        return concerned | self._concerned(facts)

    def lost(self, uid: str) -> frozenset[str]:
        """It is gone; returns the uids of all that it concerned."""
        facts = self.facts.pop(uid, None)
        if facts is None:
            return frozenset()
        if self._by_name.get(_name_of(facts)) == uid:
            del self._by_name[_name_of(facts)]
        for about in facts.about:
            _discard(self._about, about, uid)
        return self._concerned(facts)

    def saw_pod(self, before: Meta | None, after: Meta | None) -> None:
        """A pod came, changed or went."""
        old = {} if before is None else dict.fromkeys(group_names(before), before.uid)
        new = {} if after is None else dict.fromkeys(group_names(after), after.uid)
        if old == new:
            return
        for name, uid in old.items():
            _discard(self._namers, name, uid)
        for name, uid in new.items():
            self._namers.setdefault(name, set()).add(uid)

    def of(self, metas: Iterable[Meta]) -> tuple[QueueFacts, ...]:
        """What stands in queues for any of these objects and pods, by kind and name."""
        if not self.facts:
            return ()
        uids: set[str] = set()
        for meta in metas:
            uids.update(self._about.get(meta.uid, ()))
            uids.update(self._by_name[name] for name in group_names(meta) if name in self._by_name)
        found = (self.facts[uid] for uid in uids)
        return tuple(sorted(found, key=lambda one: (one.meta.api_group, one.meta.name, one.meta.uid)))

    def _concerned(self, facts: QueueFacts) -> frozenset[str]:
        return frozenset(facts.about) | self._namers.get(_name_of(facts), set())


def _name_of(facts: QueueFacts) -> GroupName:
    return (facts.meta.key, facts.meta.namespace, facts.meta.name)


def _says(facts: QueueFacts) -> tuple[object, ...]:
    """What of it shows on a record; what else its controller counts changes all the time."""
    return (facts.about, facts.queue, facts.standing, facts.words, _name_of(facts))


def _discard(index: dict[Key, set[str]], key: Key, uid: str) -> None:
    there = index.get(key)
    if there is not None:
        there.discard(uid)
        if not there:
            del index[key]
