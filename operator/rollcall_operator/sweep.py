"""The comparison of what is listed with what is held and stored: deletions that no watch told of are found here.

Each kind's list is complete or is not used: a failed or forbidden list closes nothing.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

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
from rollcall_operator.life import Watch
from rollcall_operator.listing import Listed, Lists, Standing, merged
from rollcall_operator.reach import EVERYWHERE, Reach
from rollcall_operator.surroundings import NAMESPACE, NODE
from rollcall_operator.watches import DEFINITION, WatchedKind

UNSERVED_FOR = timedelta(seconds=10)
"""How long discovery must have been without a kind before its rows are closed: an API server that starts up, or one of
several that knows a CRD a little later, leaves kinds out that are there."""

_ANY_VERSION = sys.maxsize

log = structlog.get_logger(__name__)


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
        reach: Reach = EVERYWHERE,
        gone: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """``gone`` are named namespaces that are not there any more: whatever was in them is gone as well."""
        self._state = state
        self._session = session
        self._server = server
        self._kinds = tuple(kinds)
        # Beside what is swept; where it is named namespaces that are watched, kopf watches no definitions.
        self._beside = (DEFINITION,) if reach.is_whole else ()
        self._clock = clock
        self._reach = reach
        self._gone = gone
        self._told: set[Watch] = set()
        self._refused: dict[Watch, str] = {}
        """The right that was missing when it was tried last."""
        self._watchable: set[Watch] = set()
        """What was proven once to be watched: whether it lives on is for the watchdog to say."""
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
        self._tell_refusals()
        return lists

    async def standings(self) -> dict[KindKey, Listed]:
        """How each kind stands, by discovery and a list of one; what was listed is not told.

        Raises:
            ClusterError: discovery gave no answer.
        """
        found: dict[KindKey, Listed] = {}
        for key, served in (await self._served((*self._kinds, *self._beside))).items():
            listed = Listed(standing=Standing.NOT_SERVED) if served is None else await self._list(served, limit=1)
            found[key] = replace(listed, uids=frozenset())
        self._tell_refusals()
        return found

    def parts_of(self, key: KindKey) -> tuple[str | None, ...]:
        """Where a kind is listed, or will be once it is served: kinds of workloads lie in namespaces."""
        served = self.served.get(key)
        return self._reach.parts(namespaced=served is None or served.namespaced)

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
        parts = self._reach.parts(namespaced=served.namespaced)
        return merged({part: await self._list_part(served, part, limit=limit) for part in parts})

    async def _list_part(self, served: ServedKind, namespace: str | None, *, limit: int | None) -> Listed:
        uids: set[str] = set()
        version = 0
        path = served.list_path(namespace)
        try:
            async for items, page_version in list_metadata(self._session, self._server, path, limit=limit):
                version = version or page_version
                for item in items:
                    uid = (item.get("metadata") or {}).get("uid")
                    if uid:
                        uids.add(uid)
        except ApiStatusError as error:
            if error.is_refusal:
                return self._forbidden(served, namespace, verb="list")
            log.warning("list_failed", kind=served.key.kind, status=error.status)
            return Listed(standing=Standing.FAILED)
        except ClusterError as error:
            log.warning("list_failed", kind=served.key.kind, error=str(error))
            return Listed(standing=Standing.FAILED)
        watch = (served.key, namespace)
        if watch not in self._watchable and not await self._may_watch(served, namespace, version):
            return self._forbidden(served, namespace, verb="watch")
        self._refused.pop(watch, None)
        return Listed(standing=Standing.LISTED, uids=frozenset(uids), version=version)

    async def _may_watch(self, served: ServedKind, namespace: str | None, version: int) -> bool:
        try:
            await prove_watch(self._session, self._server, served.list_path(namespace), version=version)
        except ApiStatusError as error:
            return not error.is_refusal
        except ClusterError:
            return True  # for all that is known; it is asked again
        self._watchable.add((served.key, namespace))
        return True

    def _forbidden(self, served: ServedKind, namespace: str | None, *, verb: str) -> Listed:
        self._refused[served.key, namespace] = f"{verb} {served.plural}"
        return Listed(standing=Standing.FORBIDDEN)

    def _tell_refusals(self) -> None:
        """Say once which right is missing, until it no longer is: of a namespace without its pods, for these alone."""
        self._told &= self._refused.keys()
        for watch, right in self._refused.items():
            key, namespace = watch
            is_beside = namespace is not None and key != POD and (POD, namespace) in self._refused
            if watch in self._told or is_beside:
                continue
            self._told.add(watch)
            where = {} if namespace is None else {"namespace": namespace}
            # With Roles alone, that is how it is meant.
            tell = log.info if namespace is None and not self._reach.is_whole else log.warning
            tell("kind_forbidden", group=key.group, kind=key.kind, right=right, **where)

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
        gone_namespaces = self._gone()
        for key, listed in lists.by_kind.items():
            held = {uid: facts.meta for uid, facts in _held(state, key).items() if facts.meta.key == key}
            missing = [
                uid for uid, meta in held.items() if uid not in listed.uids and meta.namespace not in listed.refused
            ]
            if gone_namespaces:
                left = [uid for uid, meta in held.items() if meta.namespace in gone_namespaces]
                closed += state.forget_unseen(left, version=_ANY_VERSION, at=now)
            if listed.standing is Standing.LISTED:
                self._keep_listed(key, listed)
                closed += state.forget_unseen(missing, version=listed.version, at=now)
                state.floor_version = max(state.floor_version, listed.version)
            elif self._is_unserved(key, listed):
                closed += state.forget_unseen(missing, version=newest, at=now)
        for uid, row in rows.items():
            if uid in state.ended or not (self._is_out_of_sight(row, gone_namespaces) or self._is_gone(row, lists)):
                continue
            version = max(row.observed_version, state.floor_version)
            gone = Gone(uid=uid, observed_version=version, at=now, seen=DeletionSeen.LATE)
            state.ended[uid] = Ending(gone=gone, view=None)
            closed += 1
        listed_pods = lists.by_kind.get(POD) or Listed(standing=Standing.NOT_SERVED)
        for uid, workload in pods.items():
            if uid in listed_pods.uids or uid in state.pods or uid in state.gone_pods:
                continue
            its = rows.get(workload)
            if self._is_pod_gone(its, listed_pods) or (its and self._is_out_of_sight(its, gone_namespaces)):
                state.gone_pods[uid] = Gone(
                    uid=uid, observed_version=state.floor_version, at=now, seen=DeletionSeen.LATE
                )
        state.forget_owners()
        return closed

    def _is_pod_gone(self, row: OpenWorkload | None, listed: Listed) -> bool:
        """Whether a pod that is not listed is gone. Where its workload's row is closed, its namespace is not known."""
        if row is None:
            return listed.standing is Standing.LISTED and not listed.refused
        return listed.standing_in(row.namespace) is Standing.LISTED

    def _keep_listed(self, key: KindKey, listed: Listed) -> None:
        """Forget what leaves no deletion behind."""
        state = self._state
        if key in (NODE, NAMESPACE):
            state.forget_around(key, listed.uids, version=listed.version)
        elif key == POD and not listed.refused - self._gone():
            # What is kept of them does not say in which namespace they are.
            state.holdings.keep_only(listed.uids, version=listed.version)
            state.keep_ignored(listed.uids, version=listed.version)

    def _is_unserved(self, key: KindKey, listed: Listed) -> bool:
        since = self._unserved_since.get(key)
        return listed.standing is Standing.NOT_SERVED and since is not None and self._clock() - since >= UNSERVED_FOR

    def _is_out_of_sight(self, row: OpenWorkload, gone_namespaces: frozenset[str]) -> bool:
        """Whether a row is of a namespace that is not watched any more, or not there: nobody else would close it."""
        return not self._reach.covers(row.namespace) or row.namespace in gone_namespaces

    def _is_gone(self, row: OpenWorkload, lists: Lists) -> bool:
        state = self._state
        key = KindKey(group=row.api_group, kind=row.kind)
        listed = lists.by_kind.get(key)
        if listed is None:
            # Known by its pods alone.
            pods = lists.by_kind.get(POD)
            is_listed = pods is not None and pods.standing_in(row.namespace) is Standing.LISTED
            return is_listed and state.view(row.uid) is None
        match listed.standing_in(row.namespace):
            case Standing.LISTED:
                if state.is_hidden(row.uid):
                    return True  # written when it was not known to be part of another
                in_memory = row.uid in state.objects or row.uid in state.pods
                return row.uid not in listed.uids and not in_memory
            case Standing.NOT_SERVED:
                return self._is_unserved(key, listed) and row.uid not in state.objects
            case _:
                return False
