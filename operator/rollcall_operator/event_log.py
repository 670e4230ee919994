"""Kubernetes events on their way to the database: beside the view, never in front of it.

They wait in a queue of their own, bounded, are written in batches of their own, and are the one thing that may be
dropped: which is counted. An event is one object that is changed in place, so that what waits is bounded by events and
not by how often they happen.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.domain.events import EVENT, KubernetesEvent, read_event
from rollcall.errors import DataRefused, StoreError, StoreUnavailable
from rollcall.store.engine import store_errors
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall_operator.cluster_state import ClusterState
from rollcall_operator.measures import Measures

MOST_WAITING = 10_000
"""Events in memory; the oldest make room for the newest."""

BATCH = 500
INTERVAL_SECONDS = 0.5

HOLD = timedelta(seconds=5)
"""How long an event waits for the object that it is about: the two come by different watches. After that the rows are
asked, which know what has gone."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    event: KubernetesEvent
    until: datetime


class EventLog:
    """Takes events in and writes those that are on a workload."""

    def __init__(
        self,
        state: ClusterState,
        engine: AsyncEngine,
        cluster_id: str,
        *,
        clock: Callable[[], datetime],
        measures: Measures,
    ) -> None:
        self._state = state
        self._engine = engine
        self._cluster_id = cluster_id
        self._clock = clock
        self._measures = measures
        self._waiting: OrderedDict[str, KubernetesEvent] = OrderedDict()
        """By uid, the longest waiting first."""
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """Events of objects that are not known (yet)."""
        self._most = BATCH
        """What the next flush takes: less after a refusal, to find the one that cannot be written."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting) + len(self._held)

    def observe(self, obj: Mapping[str, Any]) -> None:
        """Take in an Event object; waits for nothing."""
        self._measures.events.labels(EVENT.group, EVENT.kind).inc()
        event = read_event(obj)
        if event is None or not self._may_be_shown(event.involved.namespace):
            return
        held = self._held.get(event.uid)
        if held is not None:
            self._held[event.uid] = _Held(event, held.until)
            return
        self._waiting[event.uid] = event
        if len(self) > MOST_WAITING:
            (self._waiting if len(self._waiting) > 1 else self._held).popitem(last=False)
            self._measures.kubernetes_events_dropped.inc()

    def _may_be_shown(self, namespace: str) -> bool:
        """Whether there may be records of the namespace: one that is not known yet may turn out to be a project's."""
        return bool(namespace) and (
            self._state.is_shown(namespace) or namespace not in self._state.surroundings.namespaces
        )

    async def run(self) -> None:
        """Write until cancelled; the pause grows with each failure."""
        pause = INTERVAL_SECONDS
        while True:
            try:
                is_full = await self.flush() >= self._most
            except StoreUnavailable as error:
                pause = min(max(pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                log.warning("events_not_written", error=str(error), waiting=len(self))
            else:
                # A full batch lets the others have their turn, and goes on.
                pause = 0 if is_full else INTERVAL_SECONDS
            self._measures.kubernetes_events_waiting.set(len(self))
            await asyncio.sleep(pause)

    async def flush(self) -> int:
        """Write one batch; returns how many events were in it.

        What the database refuses for another reason than being away is dropped and counted: it would refuse it again.
        A batch that is refused for its data waits again, to be taken by halves until the one at fault stands alone.

        Raises:
            StoreUnavailable: nothing was written; what was taken waits again, as far as there is room.
        """
        now = self._clock()
        batch = self._take(now)
        if not batch:
            return 0
        try:
            with store_errors():
                async with self._engine.begin() as connection:
                    written = await write_events(connection, self._cluster_id, batch, observed_at=now)
        except StoreUnavailable:
            self._put_back(batch)
            raise
        except StoreError as error:
            if isinstance(error, DataRefused) and len(batch) > 1:
                self._put_back(batch)
                self._most = len(batch) // 2
                return len(batch)
            self._measures.kubernetes_events_dropped.inc(len(batch))
            log.warning("events_dropped", number=len(batch), error=str(error))
        else:
            self._measures.kubernetes_events_written.inc(written)
            self._most = min(self._most * 2, BATCH)
        return len(batch)

    def _take(self, now: datetime) -> list[OwnedEvent]:
        """Take the longest waiting of those whose workload is known, or will not be known any more."""
        batch: list[OwnedEvent] = []
        while self._held and len(batch) < self._most:
            uid, held = next(iter(self._held.items()))
            if held.until > now:
                break
            del self._held[uid]
            batch.append(OwnedEvent(event=held.event, workload_uid=self._owner_of(held.event)))
        looked_at = 0
        while self._waiting and len(batch) < self._most and looked_at < BATCH:
            looked_at += 1
            uid, event = self._waiting.popitem(last=False)
            owner = self._owner_of(event)
            if owner is None:
                self._held[uid] = _Held(event, now + HOLD)
            else:
                batch.append(OwnedEvent(event=event, workload_uid=owner))
        return batch

    def _owner_of(self, event: KubernetesEvent) -> str | None:
        return self._state.workload_of(event.involved.uid)

    def _put_back(self, batch: list[OwnedEvent]) -> None:
        """Before all that has come since; what has come of the same event since is newer."""
        for owned in reversed(batch):
            event = owned.event
            if event.uid in self._waiting or event.uid in self._held:
                continue
            if len(self) >= MOST_WAITING:
                self._measures.kubernetes_events_dropped.inc()
                continue
            self._waiting[event.uid] = event
            self._waiting.move_to_end(event.uid, last=False)
