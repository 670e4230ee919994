"""The named namespaces themselves, read one by one: a Role lets nobody list or watch them.

A Role goes with its namespace. So a deleted namespace does not answer that it is not there: it answers, to this and to
every other request in it, that this is forbidden. A namespace is taken for gone where it says that it is not there, and
where nothing of it may be read for :data:`GONE_AFTER`. That a Role alone was taken away comes to the same: nothing more
is known of what is in there, and it would be told as live for ever.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog

from rollcall.cluster_access import ApiStatusError, get_json
from rollcall.domain.facts import KindKey
from rollcall.domain.fields import text_at
from rollcall.errors import ClusterError
from rollcall_operator.cluster_state import EventType
from rollcall_operator.life import Clock, WatchLife
from rollcall_operator.surroundings import NAMESPACE

INTERVAL_SECONDS = 10.0
"""How often each namespace is read."""

GONE_AFTER = timedelta(seconds=60)
"""Rights that are given anew, as an upgrade of a chart may do it, are back by then."""

_FORBIDDEN = 403
_NOT_FOUND = 404
_AT_ONCE = 8

_NOT_READABLE = "namespace_not_readable"
_RIGHTS = "deploy/manifests/operator-namespace-rights.yaml"

Door = Callable[[KindKey, EventType, Mapping[str, Any]], None]

log = structlog.get_logger(__name__)


class UnreadError(ClusterError):
    """A namespace may not be read while its pods may."""


class Namespaces:
    """What was read of each namespace last."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: str,
        names: tuple[str, ...],
        *,
        door: Door,
        unread: Callable[[frozenset[str]], None],
        life: WatchLife,
        clock: Clock,
    ) -> None:
        """``door`` is the watches' own; ``unread`` hears of which namespaces nothing is known but what is in them."""
        self._session = session
        self._server = server
        self._names = names
        self._door = door
        self._tell_unread = unread
        self._life = life
        self._clock = clock
        self._seen: dict[str, Mapping[str, Any]] = {}
        self._unread: set[str] = set()
        self._not_found: set[str] = set()
        self._refused_since: dict[str, datetime] = {}
        """Of those in which nothing may be read."""
        self._reachable = {name: asyncio.Event() for name in names}
        for event in self._reachable.values():
            event.set()
        self._told: dict[str, str] = {}

    @property
    def gone(self) -> frozenset[str]:
        """The namespaces that are not there any more."""
        now = self._clock()
        refused = {name for name, since in self._refused_since.items() if now - since >= GONE_AFTER}
        return frozenset(self._not_found | refused)

    async def within_reach(self, name: str) -> None:
        """Wait until something in a namespace may be read."""
        await self._reachable[name].wait()

    async def begin(self) -> None:
        """Read each once.

        Raises:
            UnreadError: one may not be read, but for this goes on; rights that were given a moment ago may not yet be
                known to every API server.
            ClusterError: there was no answer.
        """
        self._life.expect(NAMESPACE, "namespaces")
        await self._read_all()
        unread = sorted(name for name, what in self._told.items() if what == _NOT_READABLE)
        if unread:
            raise UnreadError(f"The operator may not read the namespace {', '.join(unread)}.")

    async def run(self) -> None:
        """Read each again and again; whether there are answers at all is for the watchdog to say."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            before = self.gone
            try:
                await self._read_all()
            except ClusterError as error:
                log.warning("namespaces_not_read", error=str(error))
            if self.gone - before:
                # What is left of them is closed by a sweep.
                self._life.relisted.set()

    async def _read_all(self) -> None:
        for start in range(0, len(self._names), _AT_ONCE):
            await asyncio.gather(*(self._read(name) for name in self._names[start : start + _AT_ONCE]))
        self._tell_unread(frozenset(self._unread))
        self._life.note(NAMESPACE)

    async def _read(self, name: str) -> None:
        path = f"/api/v1/namespaces/{quote(name, safe='')}"
        try:
            found = await get_json(self._session, self._server, path)
        except ApiStatusError as error:
            if error.status == _NOT_FOUND:
                self._take_missing(name)
            elif error.status == _FORBIDDEN:
                await self._take_refusal(name, path)
            else:
                raise
        else:
            self._take(name, found)

    def _take(self, name: str, found: Mapping[str, Any]) -> None:
        self._take_reach(name)
        self._not_found.discard(name)
        self._unread.discard(name)
        self._told.pop(name, None)
        if _version_of(found) != _version_of(self._seen.get(name, {})):
            self._seen[name] = found
            self._door(NAMESPACE, EventType.SEEN, found)

    def _take_missing(self, name: str) -> None:
        self._take_reach(name)
        self._not_found.add(name)
        self._unread.discard(name)
        self._tell(name, "namespace_not_found", "It is watched once it is there.")
        self._lose(name)

    async def _take_refusal(self, name: str, path: str) -> None:
        """The namespace may not be read; whether its pods may be says what that means.

        Where they may, its Role lacks a right, and the view goes on with what is known of the namespace. If that is
        nothing, its workloads are recorded: an admin named it. Their project is what it is where there is no label.
        """
        try:
            await get_json(self._session, self._server, f"{path}/pods", params={"limit": "1"})
        except ApiStatusError as error:
            if error.status != _FORBIDDEN:
                raise
            self._unread.discard(name)
            self._reachable[name].clear()
            # One that was seen on its way out is waited for no longer.
            patience = timedelta() if _is_terminating(self._seen.get(name, {})) else GONE_AFTER
            self._refused_since.setdefault(name, self._clock() - GONE_AFTER + patience)
            self._tell(name, "namespace_out_of_reach", f"It is gone, or lacks the Role of {_RIGHTS}.")
            if name in self.gone:
                self._lose(name)
        else:
            self._take_reach(name)
            if name not in self._seen:
                self._unread.add(name)
            self._tell(name, _NOT_READABLE, f"Its labels are not known: its Role is not that of {_RIGHTS}.")

    def _take_reach(self, name: str) -> None:
        self._refused_since.pop(name, None)
        self._reachable[name].set()

    def _lose(self, name: str) -> None:
        seen = self._seen.pop(name, None)
        if seen is not None:
            self._door(NAMESPACE, EventType.DELETED, seen)

    def _tell(self, name: str, what: str, why: str) -> None:
        """Say it once, until it is over."""
        if self._told.get(name) != what:
            self._told[name] = what
            log.warning(what, namespace=name, why=why)


def _version_of(namespace: Mapping[str, Any]) -> str | None:
    return text_at(namespace, "metadata.resourceVersion")


def _is_terminating(namespace: Mapping[str, Any]) -> bool:
    return text_at(namespace, "metadata.deletionTimestamp") is not None
