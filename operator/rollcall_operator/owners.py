"""Reading the metadata of owners that no watch brings: once per owner, single-flight, remembered for a while."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import structlog

from rollcall.cluster_access import METADATA, ApiStatusError, get_json
from rollcall.domain.facts import KindKey, Meta, OwnerReference
from rollcall.domain.ownership import key_of, reference_meta
from rollcall.domain.placing import Missing
from rollcall.domain.reading import read_meta
from rollcall.errors import ClusterError
from rollcall_operator.cluster_state import ClusterState
from rollcall_operator.discovery import ServedKind, served_kinds

PATIENCE = timedelta(seconds=5)
"""How long an owner of a watched kind may take to arrive by its watch before it is read."""

GONE_FOR = timedelta(seconds=60)
FORBIDDEN_FOR = timedelta(minutes=10)
FOUND_FOR = timedelta(minutes=10)
"""How long each answer holds; then the next object that needs the owner asks again."""

_Asked = tuple[str | None, str]
"""The namespace of the reference, and the owner's uid."""

_HOLDS = {Missing.GONE: GONE_FOR, Missing.FORBIDDEN: FORBIDDEN_FOR}
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
        self._first_missed: dict[_Asked, datetime] = {}
        self._holds_until: dict[str, datetime] = {}
        """By what the state keeps the answer under."""
        self._refused: dict[_Asked, tuple[datetime, OwnerReference]] = {}
        """Until when it is taken for granted that an owner may not be read."""
        self._discovered: dict[str, tuple[datetime, dict[KindKey, ServedKind]]] = {}
        self._reported: set[KindKey] = set()

    async def read_missing(self) -> int:
        """One round: read each owner that is due, once however many members wait for it; returns how many."""
        now = self._clock()
        wanted: dict[_Asked, OwnerReference] = {}
        for member, owner in self._state.unresolved.items():
            facts = self._state.pods.get(member) or self._state.objects.get(member)
            if facts is not None:
                wanted.setdefault((facts.meta.namespace, owner.uid), owner)
        for asked in self._first_missed.keys() - wanted.keys():
            del self._first_missed[asked]
        due = {
            asked: owner
            for asked, owner in wanted.items()
            if not self._watched(key_of(owner)) or now - self._first_missed.setdefault(asked, now) >= PATIENCE
        }
        due |= self._forget_old(now)
        places = list(due.items())
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            await asyncio.gather(*(self._read(owner, namespace) for (namespace, _), owner in some))
        return len(places)

    def _forget_old(self, now: datetime) -> dict[_Asked, OwnerReference]:
        """Drop answers that hold no longer; returns refused owners to ask for again: they may be readable by now."""
        for key in [key for key, until in self._holds_until.items() if until <= now]:
            del self._holds_until[key]
            self._state.belonging.looked_up.pop(key, None)
        again = {asked: owner for asked, (until, owner) in self._refused.items() if until <= now}
        for asked in again:
            del self._refused[asked]
        return {asked: owner for asked, owner in again.items() if self._state.belonging.is_asked_for(asked[1])}

    async def _read(self, owner: OwnerReference, namespace: str | None) -> None:
        try:
            found = await self._look_up(owner, namespace)
        except ClusterError as error:
            # Neither yes nor no: nothing is published under a wrong top; the next round asks again.
            log.warning("owner_read_failed", kind=owner.kind, error=str(error))
            return
        until = self._clock() + (_HOLDS[found] if isinstance(found, Missing) else FOUND_FOR)
        self._holds_until[f"{namespace}/{owner.uid}" if isinstance(found, Missing) else owner.uid] = until
        if found is Missing.FORBIDDEN:
            self._refused[namespace, owner.uid] = (until, owner)
            key = key_of(owner)
            if key not in self._reported:
                self._reported.add(key)
                log.warning("owner_kind_forbidden", group=key.group, kind=key.kind)
        self._state.learn_owner(owner.uid, found, namespace)

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
            if error.is_refusal:
                # That it lies in no namespace is known all the same, and that it is no workload therefore.
                return Missing.FORBIDDEN if served.namespaced else reference_meta(owner, None)
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
