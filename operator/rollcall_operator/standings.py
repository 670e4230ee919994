"""How each kind stands with this operator, and what follows: what must be there, what is waited for, when it ends."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from rollcall.domain.facts import KindKey
from rollcall.errors import ClusterError, RollcallError
from rollcall_operator.cluster_state import POD, ClusterState
from rollcall_operator.life import Clock, Watch, WatchLife
from rollcall_operator.listing import Listed, Lists, Standing
from rollcall_operator.reach import Reach
from rollcall_operator.stopping import Answer, Stopping
from rollcall_operator.surroundings import NAMESPACE, NODE
from rollcall_operator.sweep import Sweeper
from rollcall_operator.watches import WatchedKind, Watches

BEGIN_SECONDS = 15.0
"""How long the start is patient with an API server."""

_NEEDED = (NAMESPACE, NODE, POD)
"""Without these there is no view; any other kind that may not be listed is known by its pods alone."""

_NEEDED_IN_NAMESPACES = (POD,)
"""In one of the named namespaces at least: one that is gone does not take the others with it."""

_RELIST_SECONDS = 10.0

log = structlog.get_logger(__name__)


class MustRestartError(RollcallError):
    """Something that is decided at the start has changed."""


async def patiently(step: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Try a step of the start for a while: an API server may be just starting, or hear of rights a little later.

    Raises:
        ClusterError: what the step raised last.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + BEGIN_SECONDS
    while True:
        try:
            return await step()
        except ClusterError:
            if loop.time() > until:
                raise
            await asyncio.sleep(1)


class Standings:
    """What may be listed, as it was found last; told to the watchdog."""

    def __init__(
        self, kinds: Iterable[WatchedKind], sweeper: Sweeper, life: WatchLife, *, reach: Reach, clock: Clock
    ) -> None:
        self._kinds = tuple(kinds)
        self._reach = reach
        self._sweeper = sweeper
        self._life = life
        self._clock = clock
        self._found: dict[Watch, Standing] = {}

    def is_listed(self, key: KindKey) -> bool:
        """Whether a kind was listed, in one namespace at least."""
        return any(self._found.get((key, part)) is Standing.LISTED for part in (None, *self._reach.namespaces))

    def allowed_in(self, namespace: str | None) -> list[WatchedKind]:
        """The kinds that are to be watched in a namespace, or everywhere at once: those that were not refused."""
        return [
            kind
            for kind in self._kinds
            if namespace in self._sweeper.parts_of(kind.key)
            and self._found.get((kind.key, namespace)) is not Standing.FORBIDDEN
        ]

    async def begin(self) -> Lists:
        """Find out what may be listed.

        Rights that were granted a moment ago are not yet known to every API server: a refusal is asked about again.

        Raises:
            ClusterError: the API server gave no answer, or what is needed may not be listed.
        """
        lists = await patiently(self._list_needed)
        self._take(lists.by_kind)
        return lists

    async def _list_needed(self) -> Lists:
        lists = await self._sweeper.list_all()
        needed = _NEEDED if self._reach.is_whole else _NEEDED_IN_NAMESPACES
        refused = [key.kind for key in needed if lists.by_kind[key].standing is not Standing.LISTED]
        if refused and self._reach.is_whole:
            raise ClusterError(
                f"The operator may not list and watch {', '.join(refused)}; see deploy/manifests/operator-rights.yaml."
            )
        if refused:
            raise ClusterError(
                f"The operator may not list and watch {', '.join(refused)} in {', '.join(self._reach.namespaces)}; "
                "see deploy/manifests/operator-namespace-rights.yaml."
            )
        return lists

    async def first_lists(self, state: ClusterState, lists: Lists, stopping: Stopping) -> None:
        """Wait until the watches have brought all that was listed; nothing is decided on half a cluster."""
        moved_at, missing = self._clock(), lists.uids
        while not stopping.asked.is_set() and state.seen is not None:
            before, missing = missing, missing - state.seen
            if not missing:
                state.seen = None
                break
            await asyncio.sleep(0.05)
            if len(missing) < len(before):
                # They are still coming, which in a large cluster takes longer than a list may be old.
                moved_at = self._clock()
            elif self._clock() - moved_at > timedelta(seconds=_RELIST_SECONDS):
                # What was listed may be gone by now.
                lists = await self._sweeper.list_all()
                moved_at, missing = self._clock(), lists.uids
                self._take(lists.by_kind)
        log.info("first_lists_complete", **state.size)

    async def look_for_ever(self, watches: Iterable[Watches], interval_seconds: float) -> None:
        """Keep the watchdog from waiting for kinds that have gone; a standby has one too.

        Raises:
            MustRestartError: a kind that was refused may be listed by now, or the other way round.
        """
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                self._take(await self._sweeper.standings())
                for one in watches:
                    one.follow(self._sweeper.served.values())
            except ClusterError as error:
                log.warning("discovery_failed", error=str(error))

    def _take(self, lists: Mapping[KindKey, Listed]) -> None:
        for kind in self._kinds:
            for part in self._sweeper.parts_of(kind.key):
                self._take_one(kind, part, lists[kind.key].standing_in(part))

    def _take_one(self, kind: WatchedKind, part: str | None, standing: Standing) -> None:
        watch = (kind.key, part)
        what = kind.key.kind if part is None else f"{kind.key.kind} in {part}"
        match self._found.get(watch), standing:
            case Standing.FORBIDDEN, Standing.LISTED:
                raise MustRestartError(f"{what} may now be listed; the operator must be started again to watch it.")
            case Standing.LISTED, Standing.FORBIDDEN if self._reach.is_whole:
                # Of a named namespace it may be that the namespace goes, and its Role before it.
                raise MustRestartError(
                    f"{what} may no longer be listed; the operator must be started again to see what it still may."
                )
        if standing is Standing.LISTED:
            self._life.expect(kind.key, kind.plural, part)
        elif standing is not Standing.FAILED:
            self._life.release(kind.key, part)
        self._found[watch] = standing
