"""When each watch last showed life: an event, or an answer of the API server to its list or to its (re)opened watch.

kopf shows handlers neither bookmarks nor silence. But each watch is opened for :func:`watch_seconds` at most, so a
watch that lives asks again within that time; aiohttp tells of every such answer. A watch whose task has died asks no
more, and its age grows.

A list that is asked for again says that a watch had a gap: what was deleted in it, only a sweep can find.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace

import aiohttp

from rollcall.domain.facts import KindKey

Clock = Callable[[], datetime]
"""The shell's clock: aware instants."""

LONGEST_WATCH_SECONDS = 30

_PATH = re.compile(r"^/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)$")

Watch = tuple[KindKey, str | None]
"""A kind, and the namespace in which it is watched; ``None`` is everywhere at once."""


def watch_seconds(limit_seconds: float) -> int:
    """How long a watch stays open at most, and with it the longest age of a healthy one: well within the limit."""
    return max(1, min(LONGEST_WATCH_SECONDS, int(limit_seconds / 4)))


class WatchLife:
    """The last sign of life of each watch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str], KindKey] = {}
        self._seen: dict[Watch, datetime] = {}
        self._listed: set[Watch] = set()
        self.relisted = asyncio.Event()
        """Set when a kind is listed again; whoever sweeps clears it."""

    def expect(self, key: KindKey, plural: str, namespace: str | None = None) -> None:
        """From now on this watch must show life."""
        self._kinds[key.group, plural] = key
        self._seen.setdefault((key, namespace), self._clock())

    def release(self, key: KindKey, namespace: str | None = None) -> None:
        """The kind is no longer served, or may not be listed: its silence is no fault."""
        self._seen.pop((key, namespace), None)

    def note(self, key: KindKey, namespace: str | None = None) -> None:
        """An event was seen."""
        if (key, namespace) in self._seen:
            self._seen[key, namespace] = self._clock()

    def oldest(self) -> datetime | None:
        """The instant of the oldest watch's last sign of life; ``None`` where nothing is watched."""
        return min(self._seen.values(), default=None)

    def ages(self) -> dict[KindKey, float]:
        """Seconds since each kind's last sign of life; of several watches, the one that is silent longest counts."""
        now = self._clock()
        found: dict[KindKey, float] = {}
        for (key, _), seen in self._seen.items():
            found[key] = max(found.get(key, 0.0), (now - seen).total_seconds())
        return found

    def dead(self, limit_seconds: float) -> tuple[KindKey, ...]:
        """The kinds whose watch has shown no life for longer than the limit."""
        return tuple(key for key, age in self.ages().items() if age > limit_seconds)

    def trace(self) -> aiohttp.TraceConfig:
        """What tells of answers; to be given to the session that kopf uses."""
        config = aiohttp.TraceConfig()
        config.on_request_end.append(self._on_request_end)
        return config

    async def _on_request_end(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        if params.response.status != 200:  # noqa: PLR2004 - HTTP
            return
        match = _PATH.match(params.url.path)
        if match is not None:
            key = self._kinds.get((match["group"] or "", match["plural"]))
            if key is not None:
                self.note(key, match["namespace"])
                if not {"watch", "continue"} & params.url.query.keys():
                    self._note_list((key, match["namespace"]))

    def _note_list(self, watch: Watch) -> None:
        if watch in self._listed:
            self.relisted.set()
        self._listed.add(watch)
