"""kopf's settings for an observer: it reads in pages, writes nothing to any object, and keeps no copy of one."""

from typing import Any

import kopf

CHUNK = 500
"""Objects in one page of an initial list."""


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


def observer_settings(watch_seconds: int) -> kopf.OperatorSettings:
    """Kopf's settings for reading only, in pages, with watches that are reopened every so many seconds."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.watching.chunk_size = CHUNK
    settings.watching.server_timeout = watch_seconds
    # A server that accepts and says nothing: its watch should have ended by now.
    settings.watching.inactivity_timeout = watch_seconds + 10
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 60
    # A dead API server is waited for: the watchdog decides when that has lasted too long.
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30, 30, 30, 30, 30)
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.execution.max_workers = 1
    # It would kill the process so long after one of kopf's starts has ended.
    settings.process.ultimate_exiting_timeout = None
    return settings
