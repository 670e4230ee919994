"""The objects of the simulated cluster: one growing resourceVersion, and a history for watches to resume from."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from rollcall_demo.resources import SERVED, Resource

Json = dict[str, Any]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY = 2_000
"""Changes kept of each kind; a watch that asks for older ones is told 410."""


def copied(value: Any) -> Any:
    """A copy of plain JSON that shares nothing with it; several times as fast as ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


class ExpiredError(Exception):
    """The version asked for is older than the history."""


class ConflictError(Exception):
    """The object exists already, or is no longer what the writer read."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a watch."""

    version: int
    type: ChangeType
    object: Json


class Objects:
    """All objects. What was handed out never changes: each write stores a copy, or what the writer gives away."""

    def __init__(self, *, first_version: int = 1, history: int = HISTORY) -> None:
        self.version = first_version
        self._history = history
        self._objects: dict[Resource, dict[tuple[str, str], Json]] = {resource: {} for resource in SERVED}
        self._changes: dict[Resource, deque[Change]] = {resource: deque() for resource in SERVED}
        self._forgotten = dict.fromkeys(SERVED, 0)
        self._listeners: set[asyncio.Event] = set()

    def get(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """One object, not to be changed by the caller."""
        return self._objects[resource].get((namespace or "", name))

    def all(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """The objects of a kind, in the order of namespace and name."""
        held = self._objects[resource]
        return [held[key] for key in sorted(held) if namespace is None or key[0] == namespace]

    def create(self, resource: Resource, obj: Mapping[str, Any]) -> Json:
        """Add an object; what was stored.

        Raises:
            ConflictError: there is one of this name.
        """
        if self._key(obj) in self._objects[resource]:
            raise ConflictError(f'{resource.plural} "{obj["metadata"]["name"]}" already exists')
        return self._store(resource, copied(dict(obj)), "ADDED")

    def update(
        self, resource: Resource, obj: Mapping[str, Any], *, version: str | None = None, given_away: bool = False
    ) -> Json:
        """Replace an object; ``generation`` grows where the spec changed. What is given away nobody changes any more.

        Raises:
            ConflictError: ``version`` is given and is not the stored one's.
            KeyError: there is none.
        """
        current = self._objects[resource][self._key(obj)]
        if version is not None and version != current["metadata"]["resourceVersion"]:
            raise ConflictError("the object has been modified; please apply your changes to the latest version")
        return self._store(resource, obj if given_away else copied(dict(obj)), "MODIFIED", current)

    def delete(self, resource: Resource, namespace: str | None, name: str) -> None:
        """Remove an object; nothing happens where there is none."""
        gone = self._objects[resource].pop((namespace or "", name), None)
        if gone is not None:
            self._record(resource, "DELETED", copied(gone))

    def oldest(self, resource: Resource) -> int:
        """The oldest version since which all changes of a kind are known."""
        return self._forgotten[resource]

    def changes_since(self, resource: Resource, version: int) -> list[Change]:
        """What happened to a kind after a version.

        Raises:
            ExpiredError: the history does not reach back so far.
        """
        if version < self._forgotten[resource]:
            raise ExpiredError
        newer: list[Change] = []
        for change in reversed(self._changes[resource]):
            if change.version <= version:
                break
            newer.append(change)
        return newer[::-1]

    def forget_history(self) -> None:
        """Make every version handed out so far too old to resume from, as compaction does after a busy time."""
        self.version += 1
        for resource in SERVED:
            self._changes[resource].clear()
            self._forgotten[resource] = self.version

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set by every change; the listener clears it."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    def wake_listeners(self) -> None:
        """Let every listener look up."""
        for event in self._listeners:
            event.set()

    @staticmethod
    def _key(obj: Mapping[str, Any]) -> tuple[str, str]:
        return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]

    def _store(
        self, resource: Resource, obj: Mapping[str, Any], change: ChangeType, before: Json | None = None
    ) -> Json:
        stored: Json = dict(obj)
        metadata = stored["metadata"] = dict(stored["metadata"])
        if "spec" in stored:
            generation = before["metadata"].get("generation", 1) if before is not None else 1
            changed = before is not None and before.get("spec") != stored["spec"]
            metadata["generation"] = generation + 1 if changed else generation
        self._objects[resource][self._key(stored)] = stored
        self._record(resource, change, stored)
        return stored

    def _record(self, resource: Resource, change: ChangeType, stored: Json) -> None:
        self.version += 1
        stored["metadata"]["resourceVersion"] = str(self.version)
        changes = self._changes[resource]
        changes.append(Change(self.version, change, stored))
        if len(changes) > self._history:
            self._forgotten[resource] = changes.popleft().version
        self.wake_listeners()
