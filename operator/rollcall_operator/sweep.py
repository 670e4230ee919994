"""The comparison of what is listed with what is held and stored: deletions that no watch told of are found here.

Each kind's list is complete or is not used: a failed or forbidden list closes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import aiohttp
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.cluster_access import ApiStatusError, list_metadata, prove_watch
from rollcall.domain.facts import KindKey, ObjectFacts, PodFacts
from rollcall.errors import ClusterError
from rollcall.store.engine import store_errors
from rollcall.store.memory import open_pods, open_workloads
from rollcall.store.records import DeletionSeen, Gone, OpenWorkload
from rollcall_operator.beside import KINDS as KINDS_BESIDE
from rollcall_operator.beside import Facts as FactsBeside
from rollcall_operator.cluster_state import POD, ClusterState, Ending
from rollcall_operator.discovery import ServedKind, served_kinds
from rollcall_operator.surroundings import NAMESPACE, NODE
from rollcall_operator.watches import DEFINITION, WatchedKind

UNSERVED_FOR = timedelta(seconds=10)
"""How long discovery must have been without a kind before its rows are closed: an API server that starts up, or one of
several that knows a CRD a little later, leaves kinds out that are there."""

_FORBIDDEN = (401, 403)

log = structlog.get_logger(__name__)


class Standing(StrEnum):
    """How a kind stands with this operator."""

    LISTED = "listed"
    """It may be watched as well."""
    FORBIDDEN = "forbidden"
    """It may not be listed, or not watched: a view that is as old as its last list would be no view."""
    NOT_SERVED = "not_served"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What listing one kind came to."""

    standing: Standing
    uids: frozenset[str] = frozenset()
    version: int = 0


@dataclass(slots=True)
class Lists:
    """What listing every kind came to."""

    by_kind: dict[KindKey, Listed] = field(default_factory=dict)

    @property
    def standings(self) -> dict[KindKey, Standing]:
        """How each kind stands."""
        return {key: listed.standing for key, listed in self.by_kind.items()}

    @property
    def uids(self) -> frozenset[str]:
        """All that was listed."""
        return frozenset[str]().union(*(listed.uids for listed in self.by_kind.values()))


def _held(state: ClusterState, key: KindKey) -> Mapping[str, ObjectFacts | PodFacts | FactsBeside]:
    """Where the state keeps what was seen of a kind."""
    if key == POD:
        return state.pods
    return state.beside.held(key) if key in KINDS_BESIDE else state.objects


class Sweeper:
    """Lists, compares, closes."""

    def __init__(
        self,
        state: ClusterState,
        session: aiohttp.ClientSession,
        server: str,
        kinds: Iterable[WatchedKind],
        *,
        clock: Callable[[], datetime],
        beside: Iterable[WatchedKind] = (DEFINITION,),
    ) -> None:
        """``beside`` are kinds that others watch: how they stand is told, and they are not swept."""
        self._state = state
        self._session = session
        self._server = server
        self._kinds = tuple(kinds)
        self._beside = tuple(beside)
        self._clock = clock
        self._reported: set[KindKey] = set()
        self._watchable: set[KindKey] = set()
        """Whose watch was proven once: whether it lives on is for the watchdog to say."""
        self._unserved_since: dict[KindKey, datetime] = {}
        self.served: dict[KindKey, ServedKind] = {}
        """What discovery served when it was asked last."""

    async def list_all(self) -> Lists:
        """List the metadata of every kind.

        Raises:
            ClusterError: discovery gave no answer.
        """
        lists = Lists()
        for key, served in (await self._served(self._kinds)).items():
            lists.by_kind[key] = Listed(standing=Standing.NOT_SERVED) if served is None else await self._list(served)
        return lists

    async def standings(self) -> dict[KindKey, Standing]:
        """How each kind stands, by discovery and a list of one.

        Raises:
            ClusterError: discovery gave no answer.
        """
        found: dict[KindKey, Standing] = {}
        for key, served in (await self._served((*self._kinds, *self._beside))).items():
            found[key] = Standing.NOT_SERVED if served is None else (await self._list(served, limit=1)).standing
        return found

    async def _served(self, kinds: Iterable[WatchedKind]) -> dict[KindKey, ServedKind | None]:
        kinds = tuple(kinds)
        groups = frozenset(kind.key.group for kind in kinds)
        served = await served_kinds(self._session, self._server, groups)
        found = {kind.key: served.get(kind.key) for kind in kinds}
        self.served = {key: kind for key, kind in found.items() if kind is not None}
        since, now = self._unserved_since, self._clock()
        self._unserved_since = {key: since.get(key, now) for key, served in found.items() if served is None}
        return found

    async def _list(self, served: ServedKind, *, limit: int | None = None) -> Listed:
        uids: set[str] = set()
        version = 0
        try:
            async for items, page_version in list_metadata(self._session, self._server, served.path, limit=limit):
                version = version or page_version
                for item in items:
                    uid = (item.get("metadata") or {}).get("uid")
                    if uid:
                        uids.add(uid)
        except ApiStatusError as error:
            if error.status in _FORBIDDEN:
                return self._forbidden(served, verb="list")
            log.warning("list_failed", kind=served.key.kind, status=error.status)
            return Listed(standing=Standing.FAILED)
        except ClusterError as error:
            log.warning("list_failed", kind=served.key.kind, error=str(error))
            return Listed(standing=Standing.FAILED)
        if served.key not in self._watchable and not await self._may_watch(served, version):
            return self._forbidden(served, verb="watch")
        self._reported.discard(served.key)
        return Listed(standing=Standing.LISTED, uids=frozenset(uids), version=version)

    async def _may_watch(self, served: ServedKind, version: int) -> bool:
        try:
            await prove_watch(self._session, self._server, served.path, version=version)
        except ApiStatusError as error:
            return error.status not in _FORBIDDEN
        except ClusterError:
            return True  # for all that is known; it is asked again
        self._watchable.add(served.key)
        return True

    def _forbidden(self, served: ServedKind, *, verb: str) -> Listed:
        """Say once which right is missing."""
        key = served.key
        if key not in self._reported:
            self._reported.add(key)
            log.warning("kind_forbidden", group=key.group, kind=key.kind, right=f"{verb} {served.plural}")
        return Listed(standing=Standing.FORBIDDEN)

    async def sweep(self, engine: AsyncEngine, cluster_id: str) -> int:
        """Compare once; what is gone is dropped from the state and will be closed as late. Returns how many.

        Raises:
            ClusterError: discovery gave no answer; nothing was closed.
            StoreError: the rows could not be read; nothing was closed.
        """
        # Rows first: whatever is written after this is newer than the lists and is left alone.
        with store_errors():
            async with engine.connect() as connection:
                rows = await open_workloads(connection, cluster_id)
                pods = await open_pods(connection, cluster_id)
        lists = await self.list_all()
        return self.compare(lists, rows, pods)

    def compare(self, lists: Lists, rows: dict[str, OpenWorkload], pods: dict[str, str]) -> int:
        """Close what the lists do not hold: in memory, and among the rows."""
        state, now = self._state, self._clock()
        closed = 0
        # A kind that is not served has no list; what was seen of it is older than the newest one.
        newest = max((listed.version for listed in lists.by_kind.values()), default=0)
        for key, listed in lists.by_kind.items():
            held = _held(state, key)
            missing = [uid for uid, facts in held.items() if facts.meta.key == key and uid not in listed.uids]
            if listed.standing is Standing.LISTED:
                self._keep_listed(key, listed)
                closed += state.forget_unseen(missing, version=listed.version, at=now)
                state.floor_version = max(state.floor_version, listed.version)
            elif self._is_unserved(key, listed):
                closed += state.forget_unseen(missing, version=newest, at=now)
        for uid, row in rows.items():
            if uid in state.ended or not self._is_gone(row, lists):
                continue
            version = max(row.observed_version, state.floor_version)
            gone = Gone(uid=uid, observed_version=version, at=now, seen=DeletionSeen.LATE)
            state.ended[uid] = Ending(gone=gone, view=None)
            closed += 1
        listed_pods = lists.by_kind.get(POD)
        if listed_pods is not None and listed_pods.standing is Standing.LISTED:
            for uid in pods:
                if uid not in listed_pods.uids and uid not in state.pods and uid not in state.gone_pods:
                    state.gone_pods[uid] = Gone(
                        uid=uid, observed_version=state.floor_version, at=now, seen=DeletionSeen.LATE
                    )
        state.forget_owners()
        return closed

    def _keep_listed(self, key: KindKey, listed: Listed) -> None:
        """Forget what leaves no deletion behind."""
        state = self._state
        if key in (NODE, NAMESPACE):
            state.forget_around(key, listed.uids, version=listed.version)
        elif key == POD:
            state.holdings.keep_only(listed.uids, version=listed.version)
            state.keep_ignored(listed.uids, version=listed.version)

    def _is_unserved(self, key: KindKey, listed: Listed) -> bool:
        since = self._unserved_since.get(key)
        return listed.standing is Standing.NOT_SERVED and since is not None and self._clock() - since >= UNSERVED_FOR

    def _is_gone(self, row: OpenWorkload, lists: Lists) -> bool:
        state = self._state
        key = KindKey(group=row.api_group, kind=row.kind)
        listed = lists.by_kind.get(key)
        if listed is None:
            # Known by its pods alone.
            pods = lists.by_kind.get(POD)
            return pods is not None and pods.standing is Standing.LISTED and state.view(row.uid) is None
        match listed.standing:
            case Standing.LISTED:
                if state.is_hidden(row.uid):
                    return True  # written when it was not known to be part of another
                in_memory = row.uid in state.objects or row.uid in state.pods
                return row.uid not in listed.uids and not in_memory
            case Standing.NOT_SERVED:
                return self._is_unserved(key, listed) and row.uid not in state.objects
            case _:
                return False
