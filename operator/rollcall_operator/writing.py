"""What the operator does while it leads: flush, sweep, keep events, say how fresh the view is, drop what is old."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.errors import ClusterError, StoreError, StoreUnavailable
from rollcall.settings import Settings
from rollcall.store.engine import create_engine, store_errors
from rollcall.store.memory import load_remembered, load_remembered_pods
from rollcall.store.retention import drop_expired, drop_expired_events, make_partitions
from rollcall.store.schema import check_schema
from rollcall_operator.cluster_state import ClusterState
from rollcall_operator.event_log import EventLog
from rollcall_operator.event_watch import EventWatch
from rollcall_operator.flusher import Flusher
from rollcall_operator.life import Clock, WatchLife
from rollcall_operator.measures import Measures
from rollcall_operator.places import ClusterIdentity, Places
from rollcall_operator.stopping import Stopping
from rollcall_operator.sweep import Sweeper

TOUCH_SECONDS = 1.0
"""How often the view's freshness is written."""

_RETENTION_SECONDS = 3600.0

_SETTLE_SECONDS = 1.0
"""From a kind's second list to the sweep: what broke one watch mostly broke others."""

log = structlog.get_logger(__name__)


class Writing:
    """Everything that goes to the database."""

    def __init__(
        self,
        settings: Settings,
        state: ClusterState,
        life: WatchLife,
        measures: Measures,
        *,
        stopping: Stopping,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._state = state
        self._life = life
        self._measures = measures
        self._stopping = stopping
        self._clock = clock
        self._engine: AsyncEngine = create_engine(settings.database, application_name="rollcall-operator")
        self.database_ok = True
        """Whether the database answered when it was asked last."""

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def check_schema(self) -> None:
        """Look whether the database has the schema of this release; where it is away, that is for later.

        Raises:
            StoreError: it has another.
        """
        try:
            await self._check_schema()
        except StoreUnavailable as error:
            self.database_ok = False
            log.warning("start_delayed", error=str(error))

    async def run(
        self,
        identity: ClusterIdentity,
        sweeper: Sweeper,
        event_watches: Sequence[EventWatch],
        *,
        began: Callable[[], None],
    ) -> None:
        """Write until the operator is stopped, then what is waiting; ``began`` is called when all is up to date."""
        operator = self._settings.operator
        domain = self._settings.cluster.domain()
        flusher = Flusher(
            self._state,
            self._engine,
            identity.id,
            settings=domain,
            batch_size=operator.batch_size,
            clock=self._clock,
            measures=self._measures,
        )
        places = Places(self._state.surroundings, self._engine, identity, domain)
        await self._until_stopped(self._check_schema)
        await self._until_stopped(lambda: self._remember(flusher, identity.id))
        await self._until_stopped(lambda: self._sweep(sweeper, identity.id))
        began()
        log.info("writing_started", cluster_id=identity.id)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._sweep_for_ever(sweeper, identity.id)),
                group.create_task(self._touch_for_ever(places)),
                group.create_task(self._retain_for_ever()),
                *(group.create_task(step) for step in self._keep_events(event_watches, identity.id)),
            ]
            await flusher.run(operator.flush_interval_seconds, self._stopping.asked)
            for task in tasks:
                task.cancel()

    def _keep_events(self, watches: Sequence[EventWatch], cluster_id: str) -> tuple[Coroutine[Any, Any, None], ...]:
        """What reads Kubernetes events and what writes them; nothing else waits for either."""
        if not self._settings.operator.events:
            return ()
        events = EventLog(self._state, self._engine, cluster_id, clock=self._clock, measures=self._measures)
        read = dict.fromkeys(range(len(watches)), 0)

        def watching(place: int, answer: int) -> None:
            read[place] = answer
            self._measures.kubernetes_events_watched.set(min(read.values()))

        reading = enumerate(watches)
        return events.run(), *(
            watch.run(events.observe, watching=functools.partial(watching, place)) for place, watch in reading
        )

    async def _until_stopped(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Try a step of the start until it works: the database or the API server may be away just now."""
        pause = 0.5
        while not self._stopping.asked.is_set():
            try:
                await self._stopping.unless(step())
            except (StoreUnavailable, ClusterError) as error:
                self.database_ok = not isinstance(error, StoreError)
                log.warning("start_delayed", error=str(error))
                await self._stopping.sleep(pause)
                pause = min(pause * 2, 30.0)
            else:
                self.database_ok = True
                return

    async def _check_schema(self) -> None:
        with store_errors():
            async with self._engine.connect() as connection:
                await check_schema(connection)

    async def _remember(self, flusher: Flusher, cluster_id: str) -> None:
        with store_errors():
            async with self._engine.begin() as connection:
                flusher.remembered = await load_remembered(connection, cluster_id)
                flusher.remembered_pods = await load_remembered_pods(connection, cluster_id)
                await make_partitions(connection, now=self._clock())
        flusher.remembered_at_start = set(flusher.remembered)
        flusher.pods_at_start = {uid for pods in flusher.remembered_pods.values() for uid in pods}
        self._state.may_be_stored = flusher.may_be_stored

    async def _sweep(self, sweeper: Sweeper, cluster_id: str) -> None:
        closed = await sweeper.sweep(self._engine, cluster_id)
        self._measures.sweeps.labels("done").inc()
        if closed:
            log.info("late_deletions_found", number=closed)

    async def _sweep_for_ever(self, sweeper: Sweeper, cluster_id: str) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.operator.sweep_interval_seconds):
                    await self._life.relisted.wait()
                    await asyncio.sleep(_SETTLE_SECONDS)
            self._life.relisted.clear()
            try:
                await self._sweep(sweeper, cluster_id)
            except (StoreError, ClusterError) as error:
                self._measures.sweeps.labels("failed").inc()
                log.warning("sweep_failed", error=str(error))

    async def _touch_for_ever(self, places: Places) -> None:
        while True:
            oldest = self._life.oldest()
            try:
                if oldest is not None:
                    await places.write(oldest)
                self.database_ok = True
            except StoreUnavailable:
                self.database_ok = False
            except StoreError as error:
                log.warning("touch_failed", error=str(error))
            await asyncio.sleep(TOUCH_SECONDS)

    async def _retain_for_ever(self) -> None:
        operator = self._settings.operator
        while True:
            now = self._clock()
            try:
                with store_errors():
                    async with self._engine.begin() as connection:
                        await make_partitions(connection, now=now)
                        dropped = await drop_expired(connection, before=now - timedelta(days=operator.retention_days))
                        dropped += await drop_expired_events(
                            connection, before=now - timedelta(days=operator.event_retention_days)
                        )
                if dropped:
                    log.info("partitions_dropped", names=dropped)
            except StoreError as error:
                log.warning("retention_failed", error=str(error))
            await asyncio.sleep(_RETENTION_SECONDS)
