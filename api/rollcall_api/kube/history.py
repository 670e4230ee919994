"""What changed lately, and what is there now: what watches are answered from. Pure; :mod:`following` feeds it.

Changes stand in the order of their versions. A watch that asks from before the oldest one kept is told to list anew.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from rollcall.store.objects import Attribute, ObjectFacts, ObjectSelection, facts_of
from rollcall.store.records import StoredWorkload
from rollcall_api.kube.statuses import expired

MOST_CHANGES = 4096
"""Kept at most, each with its whole row: some 15 MB."""

MOST_AT_ONCE = 128
"""Handed out at once."""


class EventType(StrEnum):
    """What happened to an object, as a watch sees it."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """An object before and after: ``None`` where it was not there."""

    version: int
    uid: str
    before: ObjectFacts | None
    after: ObjectFacts | None
    stored: StoredWorkload
    """The row after; of what is gone, the closed one."""

    def seen_by(self, selection: ObjectSelection) -> EventType | None:
        """What a watch of the selection sees; an object that leaves it is gone for it."""
        was = self.before is not None and selection.holds(self.before)
        is_now = self.after is not None and selection.holds(self.after)
        if was:
            return EventType.MODIFIED if is_now else EventType.DELETED
        return EventType.ADDED if is_now else None


class TraceLostError(Exception):
    """What happened cannot be told: every client has to list anew."""


class History:
    """The facts of what is live and the latest changes, from what is live at a version on."""

    def __init__(self, version: int, live: Mapping[str, ObjectFacts], *, most: int = MOST_CHANGES) -> None:
        self._most = most
        self._live = dict(live)
        self._names = {_name(facts): uid for uid, facts in self._live.items()}
        self._changes: deque[Change] = deque()
        self.version = version
        """Up to where all is known."""
        self._since = version
        """After which version every change is kept."""

    def differing(self, live: Mapping[str, ObjectFacts]) -> list[str]:
        """Of what is live now, and of what was, the uids that tell something new."""
        found = [
            uid
            for uid, facts in live.items()
            if (known := self._live.get(uid)) is None or known.version < facts.version
        ]
        return [*found, *(uid for uid in self._live if uid not in live)]

    def take(self, upto: int, spoken_of: Iterable[str], rows: Iterable[StoredWorkload]) -> Sequence[Change]:
        """Take in the rows of what was spoken of, up to a version; what is newer will be spoken of again.

        Raises:
            TraceLostError: something is gone and nobody can say what it was; this history is not to be used any more.
        """
        found = {stored.record.uid: stored for stored in rows}
        changes: list[Change] = []
        for uid in spoken_of:
            before = self._live.get(uid)
            stored = found.get(uid)
            if stored is None:
                if before is not None:
                    raise TraceLostError
                continue
            if stored.changed_version > upto:
                continue
            change = self._changed(uid, before, stored)
            if change is not None:
                changes.append(change)
        changes.sort(key=lambda change: change.version)
        for change in changes:
            self._changes.append(change)
        while len(self._changes) > self._most:
            self._since = self._changes.popleft().version
        self.version = max(self.version, upto)
        return changes

    def _changed(self, uid: str, before: ObjectFacts | None, stored: StoredWorkload) -> Change | None:
        facts = facts_of(stored)
        if before is not None and facts.version <= before.version and stored.deleted_at is None:
            return None
        if stored.deleted_at is None:
            self._live[uid] = facts
            # Of one name there is one object to a client; the newer takes its place.
            forerunner = self._live.get(self._names.get(_name(facts), ""))
            self._names[_name(facts)] = uid
            return Change(facts.version, uid, before or forerunner, facts, stored)
        if before is None:
            return None
        del self._live[uid]
        if self._names.get(_name(before)) != uid:
            return None
        del self._names[_name(before)]
        return Change(max(facts.version, before.version), uid, before, None, stored)

    def after(self, version: int, *, most: int = MOST_AT_ONCE) -> Sequence[Change]:
        """The changes after a version, oldest first, so many at most: a slow reader is not to hold on to them all.

        Raises:
            StatusError: 410, the version is too old.
        """
        if version < self._since:
            raise expired(f"too old resource version: {version} ({self._since})")
        if version >= self.version:
            return ()
        place = bisect_right(self._changes, version, key=lambda change: change.version)
        return list(islice(self._changes, place, place + most))


def _name(facts: ObjectFacts) -> tuple[str, str]:
    return facts.values[Attribute.NAMESPACE], facts.values[Attribute.OBJECT_NAME]
