"""How each kind stands with this operator, and what follows: what must be there, what is waited for, when it ends."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from rollcall.domain.facts import KindKey
from rollcall.errors import ClusterError, RollcallError
from rollcall_operator.cluster_state import POD, ClusterState
from rollcall_operator.life import Clock, WatchLife
from rollcall_operator.stopping import Answer, Stopping
from rollcall_operator.surroundings import NAMESPACE, NODE
from rollcall_operator.sweep import Lists, Standing, Sweeper
from rollcall_operator.watches import WatchedKind, Watches

BEGIN_SECONDS = 15.0
"""How long the start is patient with an API server."""

_NEEDED = (NAMESPACE, NODE, POD)
"""Without these there is no view; any other kind that may not be listed is known by its pods alone."""

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

    def __init__(self, kinds: Iterable[WatchedKind], sweeper: Sweeper, life: WatchLife, *, clock: Clock) -> None:
        self._kinds = tuple(kinds)
        self._sweeper = sweeper
        self._life = life
        self._clock = clock
        self._by_kind: dict[KindKey, Standing] = {}

    def is_listed(self, key: KindKey) -> bool:
        """Whether a kind was listed."""
        return self._by_kind.get(key) is Standing.LISTED

    @property
    def allowed(self) -> list[WatchedKind]:
        """The kinds that were not refused."""
        return [kind for kind in self._kinds if self._by_kind.get(kind.key) is not Standing.FORBIDDEN]

    async def begin(self) -> Lists:
        """Find out what may be listed.

        Rights that were granted a moment ago are not yet known to every API server: a refusal is asked about again.

        Raises:
            ClusterError: the API server gave no answer, or what is needed may not be listed.
        """
        lists = await patiently(self._list_needed)
        self._take(lists.standings)
        return lists

    async def _list_needed(self) -> Lists:
        lists = await self._sweeper.list_all()
        refused = [key.kind for key in _NEEDED if lists.by_kind[key].standing is not Standing.LISTED]
        if refused:
            raise ClusterError(
                f"The operator may not list and watch {', '.join(refused)}; see deploy/manifests/operator-rights.yaml."
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
                self._take(lists.standings)
        log.info("first_lists_complete", **state.size)

    async def look_for_ever(self, watches: Watches, interval_seconds: float) -> None:
        """Keep the watchdog from waiting for kinds that have gone; a standby has one too.

        Raises:
            MustRestartError: a kind that was refused may be listed by now.
        """
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                self._take(await self._sweeper.standings())
                watches.follow(self._sweeper.served.values())
            except ClusterError as error:
                log.warning("discovery_failed", error=str(error))

    def _take(self, standings: Mapping[KindKey, Standing]) -> None:
        for kind in self._kinds:
            standing = standings[kind.key]
            if standing is Standing.LISTED and self._by_kind.get(kind.key) is Standing.FORBIDDEN:
                raise MustRestartError(
                    f"{kind.key.kind} may now be listed; the operator must be started again to watch it."
                )
            if standing is Standing.LISTED:
                self._life.expect(kind.key, kind.plural)
            elif standing is not Standing.FAILED:
                self._life.release(kind.key)
            self._by_kind[kind.key] = standing
