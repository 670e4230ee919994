"""Reading the metadata of owners that no watch brings: once per uid, single-flight, with a memory of refusals."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import structlog

from rollcall.cluster_access import METADATA, ApiStatusError, get_json
from rollcall.domain.facts import KindKey, Meta, OwnerReference
from rollcall.domain.ownership import key_of
from rollcall.domain.reading import read_meta
from rollcall.errors import ClusterError
from rollcall_operator.cluster_state import ClusterState, Missing
from rollcall_operator.discovery import ServedKind, served_kinds

PATIENCE = timedelta(seconds=5)
"""How long an owner of a watched kind may take to arrive by its watch before it is read."""

GONE_FOR = timedelta(seconds=60)
FORBIDDEN_FOR = timedelta(minutes=10)

_FORBIDDEN = (401, 403)
_NOT_FOUND = 404
_AT_ONCE = 16

log = structlog.get_logger(__name__)


class OwnerReader:
    """Looks up what :class:`ClusterState` says it is missing."""

    def __init__(
        self,
        state: ClusterState,
        session: aiohttp.ClientSession,
        server: str,
        *,
        watched: Callable[[KindKey], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._state = state
        self._session = session
        self._server = server
        self._watched = watched
        self._clock = clock
        self._first_missed: dict[str, datetime] = {}
        self._refused_until: dict[str, datetime] = {}
        self._discovered: dict[str, tuple[datetime, dict[KindKey, ServedKind]]] = {}
        self._reported: set[KindKey] = set()

    async def read_missing(self) -> int:
        """One round: read each owner that is due, once however many members wait for it; returns how many."""
        now = self._clock()
        wanted: dict[str, tuple[OwnerReference, str | None]] = {}
        for member, owner in self._state.unresolved.items():
            facts = self._state.pods.get(member) or self._state.objects.get(member)
            if facts is not None:
                wanted.setdefault(owner.uid, (owner, facts.meta.namespace))
        for uid in self._first_missed.keys() - wanted.keys():
            del self._first_missed[uid]
        for uid in [uid for uid, until in self._refused_until.items() if until <= now]:
            # Asked again: the owner may have been made readable, or have arrived.
            del self._refused_until[uid]
            if isinstance(self._state.looked_up.get(uid), Missing):
                del self._state.looked_up[uid]
        due = [
            (owner, namespace)
            for uid, (owner, namespace) in wanted.items()
            if not self._watched(key_of(owner)) or now - self._first_missed.setdefault(uid, now) >= PATIENCE
        ]
        for start in range(0, len(due), _AT_ONCE):
            await asyncio.gather(*(self._read(owner, namespace) for owner, namespace in due[start : start + _AT_ONCE]))
        return len(due)

    async def _read(self, owner: OwnerReference, namespace: str | None) -> None:
        try:
            found = await self._look_up(owner, namespace)
        except ClusterError as error:
            # Neither yes nor no: nothing is published under a wrong top; the next round asks again.
            log.warning("owner_read_failed", kind=owner.kind, error=str(error))
            return
        if isinstance(found, Missing):
            wait = FORBIDDEN_FOR if found is Missing.FORBIDDEN else GONE_FOR
            self._refused_until[owner.uid] = self._clock() + wait
            key = key_of(owner)
            if found is Missing.FORBIDDEN and key not in self._reported:
                self._reported.add(key)
                log.warning("owner_kind_forbidden", group=key.group, kind=key.kind)
        self._state.learn_owner(owner.uid, found)

    async def _look_up(self, owner: OwnerReference, namespace: str | None) -> Meta | Missing:
        key = key_of(owner)
        served = (await self._kinds_of(key.group)).get(key)
        if served is None:
            return Missing.FORBIDDEN
        try:
            path = served.object_path(namespace, owner.name)
            meta = read_meta(await get_json(self._session, self._server, path, accept=METADATA))
        except ApiStatusError as error:
            if error.status == _NOT_FOUND:
                return Missing.GONE
            if error.status in _FORBIDDEN:
                return Missing.FORBIDDEN
            raise
        if meta is None or meta.uid != owner.uid:
            return Missing.GONE  # the name is used again
        group, _, _ = owner.api_version.rpartition("/")
        # A metadata answer names its own wrapper kind; the reference says what the object is.
        return replace(meta, api_group=group, api_version=owner.api_version, kind=owner.kind)

    async def _kinds_of(self, group: str) -> dict[KindKey, ServedKind]:
        known = self._discovered.get(group)
        now = self._clock()
        if known is None or now - known[0] > GONE_FOR:
            known = (now, await served_kinds(self._session, self._server, frozenset({group})))
            self._discovered[group] = known
        return known[1]
