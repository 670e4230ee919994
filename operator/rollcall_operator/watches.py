"""kopf, made an observer: handlers that hand each event to one door and do nothing else.

Registered on a registry of its own. Nothing is ever written to an object: no diff base, no progress, no posting, no
finalizers (only ``on.event`` handlers are registered, and they return ``None``).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import kopf

from rollcall.domain.facts import KindKey
from rollcall_operator.cluster_state import EventType
from rollcall_operator.life import WATCH_SECONDS

Door = Callable[[KindKey, EventType, Mapping[str, Any]], None]

CHUNK = 500
"""Objects in one page of an initial list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedKind:
    """A kind to watch: the key, and the plural by which the API serves it."""

    key: KindKey
    plural: str


class _NoDiffBase(kopf.DiffBaseStorage):
    """No diff base, and no deep copy of every object to make one from."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""


class _NoProgress(kopf.ProgressStorage):
    """No progress, and no deep copy to clear it from."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing was kept."""

    def touch(self, **_: Any) -> None:
        """Nothing is kept."""

    def clear(self, *, essence: Any) -> Any:
        return essence


def observer_settings() -> kopf.OperatorSettings:
    """Kopf's settings for reading only, in pages, with watches that are reopened often enough to be seen alive."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.watching.chunk_size = CHUNK
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 60
    # A dead API server is waited for: the watchdog decides when that has lasted too long.
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30, 30, 30, 30, 30)
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.execution.max_workers = 1
    return settings


def build_registry(kinds: Iterable[WatchedKind], door: Door, login: Callable[..., Any]) -> kopf.OperatorRegistry:
    """A registry with one handler a kind, and our credentials as the only login."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, id="rollcall", errors=kopf.ErrorsMode.TEMPORARY)(login)
    for kind in kinds:
        # A group of "" is the core API; the version is whichever the cluster prefers.
        kopf.on.event(kind.key.group, kind.plural, registry=registry, id="observe")(_handler(kind.key, door))
    return registry


def _handler(key: KindKey, door: Door) -> Callable[..., Any]:
    async def observe(event: Any, **_: Any) -> None:
        deleted = event.get("type") == "DELETED"
        door(key, EventType.DELETED if deleted else EventType.SEEN, event["object"])

    return observe
