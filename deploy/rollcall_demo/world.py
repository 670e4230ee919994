"""The simulated cluster as its controllers see it: one clock, one chance, and writes that wake whoever must know."""

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rollcall_demo.agenda import Agenda
from rollcall_demo.life import Plays, PodPlay
from rollcall_demo.objects import Json, Objects, copied
from rollcall_demo.resources import Resource

RECONCILE_SECONDS = 0.3
"""How long a controller takes to notice that something it owns has changed."""

NOTICE_SECONDS = 1.0
"""How long it takes to notice the object itself: slow enough for eyes to see it unnoticed."""

_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of these Kubernetes makes generated names: no vowels, no words."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The address of an object."""

    resource: Resource
    namespace: str | None
    name: str


@dataclass(slots=True)
class Cast:
    """The plays that the pods of one workload are given, and how many have begun at each place."""

    plays: Plays
    cycles: bool = False
    begun: Counter[str] = field(default_factory=Counter)


Reconciler = Callable[["World", Json], None]


class World:
    """Everything the player's parts share."""

    def __init__(self, objects: Objects, *, seed: int, begins_at: datetime) -> None:
        self.objects = objects
        self.agenda = Agenda()
        self.begins_at = begins_at
        """The instant of the agenda's second 0."""
        self.chance = random.Random(seed)  # noqa: S311 - no secret hangs on it
        self.reconcilers: dict[Resource, Reconciler] = {}
        self.casts: dict[str, Cast] = {}
        """The cast of each workload, by the uid of the top owner."""
        self.since: dict[tuple[str, str], float] = {}
        """Simulated seconds that a controller remembers, by uid and what of."""
        self.plays: dict[str, PodPlay] = {}
        """What each pod with a node plays, by its uid."""
        self._refs: dict[str, Ref] = {}
        self._owned: dict[str, dict[str, Ref]] = {}

    # Time and chance

    @property
    def now(self) -> datetime:
        """This moment."""
        return self.begins_at + timedelta(seconds=self.agenda.seconds)

    def stamp(self) -> str:
        """This moment as Kubernetes writes it."""
        return stamp(self.now)

    def about(self, seconds: float) -> float:
        """So many seconds, more or less."""
        return seconds * self.chance.uniform(0.85, 1.15)

    def uid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """The end of a generated name."""
        return "".join(self.chance.choices(_NAME_LETTERS, k=length))

    # Reading

    def get(self, ref: Ref) -> Json | None:
        """The object, not to be changed."""
        return self.objects.get(ref.resource, ref.namespace, ref.name)

    def owned(self, uid: str, resource: Resource) -> list[Json]:
        """The objects of a kind whose controller has this uid, the oldest first."""
        refs = self._owned.get(uid, {}).values()
        return [obj for ref in refs if ref.resource is resource and (obj := self.get(ref)) is not None]

    def dependents(self, uid: str) -> list[Ref]:
        """The addresses of all that is owned."""
        return list(self._owned.get(uid, {}).values())

    def by_uid(self, uid: str) -> Json | None:
        """The object of a uid."""
        ref = self._refs.get(uid)
        return None if ref is None else self.get(ref)

    def top_uid(self, obj: Json) -> str:
        """The uid at the end of the chain of controllers."""
        owner = controller_uid(obj)
        if owner is None:
            return str(obj["metadata"]["uid"])
        above = self.by_uid(owner)
        return owner if above is None else self.top_uid(above)

    # Writing

    def create(
        self, resource: Resource, metadata: Mapping[str, Any], body: Mapping[str, Any], owner: Json | None = None
    ) -> Json:
        """Add an object with this moment as its creation, a uid unless it has one, and a controller where one is given.

        Raises:
            ConflictError: there is one of this name.
        """
        whole = {"uid": self.uid(), **metadata, "creationTimestamp": self.stamp()}
        if owner is not None:
            whole["ownerReferences"] = [owner_reference(owner)]
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": whole, **body}
        stored = self.objects.create(resource, obj)
        uid = stored["metadata"]["uid"]
        self._refs[uid] = ref_of(resource, stored)
        if owner is not None:
            self._owned.setdefault(owner["metadata"]["uid"], {})[uid] = self._refs[uid]
        self._wake_about(stored)
        return stored

    @contextmanager
    def editing(self, ref: Ref) -> Iterator[Json]:
        """A copy to be changed in place, written back where it was.

        Raises:
            KeyError: there is no such object.
        """
        current = self.get(ref)
        if current is None:
            raise KeyError(ref)
        edited: Json = copied(current)
        yield edited
        if edited != current:
            self._wake_about(self.objects.update(ref.resource, edited, given_away=True))

    def write_status(self, ref: Ref, status: Json) -> None:
        """Replace the status of an object by one that is given away; nothing happens where it is the same.

        Raises:
            KeyError: there is no such object.
        """
        current = self.get(ref)
        if current is None:
            raise KeyError(ref)
        if status != current["status"]:
            whole = {**current, "status": status}
            self._wake_about(self.objects.update(ref.resource, whole, given_away=True))

    def delete(self, ref: Ref) -> None:
        """Remove an object at once, whatever finalizers it has."""
        obj = self.get(ref)
        if obj is None:
            return
        uid = obj["metadata"]["uid"]
        self.objects.delete(ref.resource, ref.namespace, ref.name)
        del self._refs[uid]
        self.plays.pop(uid, None)
        if not self._owned.get(uid):
            self._owned.pop(uid, None)
        owner = controller_uid(obj)
        if owner is not None:
            self._disown(owner, uid)
        self.agenda.end(f"reconcile {uid}")
        for key in [key for key in self.since if key[0] == uid]:
            del self.since[key]
        self._wake_about(obj)

    def _disown(self, owner: str, uid: str) -> None:
        owned = self._owned.get(owner, {})
        owned.pop(uid, None)
        if not owned and owner not in self._refs:
            self._owned.pop(owner, None)

    def size(self) -> dict[str, int]:
        """How much is held of what; none of it may grow for ever."""
        held: dict[str, Sized] = {
            "agenda": self.agenda,
            "casts": self.casts,
            "plays": self.plays,
            "since": self.since,
            "objects": self._refs,
            "owners": self._owned,
        }
        return {name: len(one) for name, one in held.items()}

    # Waking

    def wake(self, uid: str, after: float = RECONCILE_SECONDS) -> None:
        """Let the controller of an object look at it, at the latest after so many seconds."""
        ref = self._refs.get(uid)
        if ref is not None and ref.resource in self.reconcilers:
            self.agenda.call(f"reconcile {uid}", after, lambda: self._reconcile(ref))

    def _wake_about(self, obj: Json) -> None:
        self.wake(obj["metadata"]["uid"], NOTICE_SECONDS)
        owner = controller_uid(obj)
        if owner is not None:
            self.wake(owner)

    def _reconcile(self, ref: Ref) -> None:
        obj = self.get(ref)
        if obj is not None and "deletionTimestamp" not in obj["metadata"]:
            self.reconcilers[ref.resource](self, obj)


def stamp(at: datetime) -> str:
    """An instant as Kubernetes writes it: whole seconds of UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def ref_of(resource: Resource, obj: Json) -> Ref:
    """The address of an object of a kind."""
    return Ref(resource, obj["metadata"].get("namespace"), obj["metadata"]["name"])


def owner_reference(owner: Json) -> Json:
    """The reference of a dependent to its controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_uid(obj: Json) -> str | None:
    """The uid of the controller that owns an object."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference["controller"]:
            return str(reference["uid"])
    return None
