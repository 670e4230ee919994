"""Which kinds there are. Every module of this package that has ``ENTRIES`` is part of it: one file makes a kind.

A catalogue is a value: the built-in one, or that and the kinds an admin taught (`rollcall.teaching`). The functions of
this module ask the built-in one.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from functools import lru_cache

from rollcall.domain import kinds
from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.kinds.entry import KindEntry


class Catalogue:
    """Entries by kind; never changed once made."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[KindEntry]) -> None:
        """Raises ValueError where two entries are of one kind."""
        found: dict[KindKey, KindEntry] = {}
        for entry in entries:
            if entry.key in found:
                raise ValueError(f"two entries of the catalogue for {entry.key.kind} of group {entry.key.group!r}")
            found[entry.key] = entry
        self._entries = found

    def with_entries(self, more: Iterable[KindEntry]) -> "Catalogue":
        """This one and more entries, of kinds it does not have."""
        return Catalogue((*self._entries.values(), *more))

    def entry_for(self, key: KindKey) -> KindEntry | None:
        """The entry of a kind, ``None`` for one the catalogue does not know."""
        return self._entries.get(key)

    def all_entries(self) -> tuple[KindEntry, ...]:
        """Every entry, by group and kind."""
        return tuple(sorted(self._entries.values(), key=lambda entry: (entry.key.group, entry.key.kind)))

    def is_catalogued(self, key: KindKey) -> bool:
        """Whether the kind can be a workload of the catalogue."""
        entry = self._entries.get(key)
        return entry is not None and not entry.ignored

    def is_ignored(self, key: KindKey) -> bool:
        """Whether the kind and its pods are never workloads, such as a DaemonSet's."""
        entry = self._entries.get(key)
        return entry is not None and entry.ignored

    def is_template(self, obj: ObjectFacts) -> bool:
        """Whether the object is only a template for others of its kind, and so no workload."""
        entry = self._entries.get(obj.meta.key)
        return entry is not None and entry.is_template is not None and entry.is_template(obj)

    def watched_entries(self) -> tuple[KindEntry, ...]:
        """The entries the operator watches, where discovery serves them."""
        return tuple(entry for entry in self.all_entries() if entry.watched)


@lru_cache(maxsize=1)
def built_in() -> Catalogue:
    """The kinds that have a file in this package."""
    modules = sorted(info.name for info in pkgutil.iter_modules(kinds.__path__))
    found = [importlib.import_module(f"{kinds.__name__}.{name}") for name in modules]
    return Catalogue(entry for module in found for entry in getattr(module, "ENTRIES", ()))


def entry_for(key: KindKey) -> KindEntry | None:
    """The built-in entry of a kind, ``None`` for one the catalogue does not know."""
    return built_in().entry_for(key)


def all_entries() -> tuple[KindEntry, ...]:
    """Every built-in entry, by group and kind."""
    return built_in().all_entries()


def is_catalogued(key: KindKey) -> bool:
    """Whether the kind can be a workload of the built-in catalogue."""
    return built_in().is_catalogued(key)


def is_ignored(key: KindKey) -> bool:
    """Whether the kind and its pods are never workloads by the built-in catalogue."""
    return built_in().is_ignored(key)


def is_template(obj: ObjectFacts) -> bool:
    """Whether the object is only a template by the built-in catalogue."""
    return built_in().is_template(obj)


def watched_entries() -> tuple[KindEntry, ...]:
    """The built-in entries the operator watches, where discovery serves them."""
    return built_in().watched_entries()
