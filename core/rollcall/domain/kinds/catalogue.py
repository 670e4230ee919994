"""Which kinds there are. Every module of this package that has ``ENTRIES`` is part of it: one file makes a kind."""

import importlib
import pkgutil
from functools import lru_cache

from rollcall.domain import kinds
from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.kinds.entry import KindEntry


@lru_cache(maxsize=1)
def _catalogue() -> dict[KindKey, KindEntry]:
    found: dict[KindKey, KindEntry] = {}
    for module_info in sorted(pkgutil.iter_modules(kinds.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{kinds.__name__}.{module_info.name}")
        for entry in getattr(module, "ENTRIES", ()):
            if entry.key in found:
                raise ValueError(f"two entries of the catalogue for {entry.key.kind} of group {entry.key.group!r}")
            found[entry.key] = entry
    return found


def entry_for(key: KindKey) -> KindEntry | None:
    """The entry of a kind, ``None`` for one the catalogue does not know."""
    return _catalogue().get(key)


def all_entries() -> tuple[KindEntry, ...]:
    """Every entry, by group and kind."""
    return tuple(sorted(_catalogue().values(), key=lambda entry: (entry.key.group, entry.key.kind)))


def is_catalogued(key: KindKey) -> bool:
    """Whether the kind can be a workload of the catalogue."""
    entry = _catalogue().get(key)
    return entry is not None and not entry.ignored


def is_ignored(key: KindKey) -> bool:
    """Whether the kind and its pods are never workloads, such as a DaemonSet's."""
    entry = _catalogue().get(key)
    return entry is not None and entry.ignored


def is_template(obj: ObjectFacts) -> bool:
    """Whether the object is only a template for others of its kind, and so no workload."""
    entry = _catalogue().get(obj.meta.key)
    return entry is not None and entry.is_template is not None and entry.is_template(obj)


def watched_entries() -> tuple[KindEntry, ...]:
    """The entries the operator watches, where discovery serves them."""
    return tuple(entry for entry in all_entries() if entry.watched)
