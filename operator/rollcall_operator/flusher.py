"""From the dirty set to committed rows: derive, drop what has not changed, write the rest, retry for ever."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.domain.derivation import Derivation, derive
from rollcall.domain.facts import DomainSettings, WorkloadView
from rollcall.domain.records import Phase, PodRecord, Remembered, RememberedPod, WorkloadRecord
from rollcall.errors import DataRefused, StoreError
from rollcall.store.engine import store_errors
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_operator.cluster_state import ClusterState, Ending
from rollcall_operator.measures import Measures

LONGEST_PAUSE_SECONDS = 30.0
"""Between two tries while the database is away."""

PODS_EACH = 10
"""Pods in one transaction at most, for each workload of a full batch; a workload alone may have more.

Five hundred gangs of hundreds of pods in one statement would run out of its time, and do so again at every try.
"""

Waiting = TypeVar("Waiting")

_TERMINAL = frozenset({Phase.COMPLETED, Phase.FAILED})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Taken:
    """What one flush took off the state, to be put back if it fails."""

    tops: tuple[str, ...]
    ended: dict[str, Ending]
    gone_pods: dict[str, Gone]

    def __len__(self) -> int:
        return len(self.tops) + len(self.ended) + len(self.gone_pods)


class Flusher:
    """Writes what has changed. Holds what was written last and what is remembered, by uid."""

    def __init__(
        self,
        state: ClusterState,
        engine: AsyncEngine,
        cluster_id: str,
        *,
        settings: DomainSettings,
        batch_size: int,
        clock: Callable[[], datetime],
        measures: Measures,
    ) -> None:
        self._state = state
        self._engine = engine
        self._cluster_id = cluster_id
        self._settings = settings
        self._batch_size = batch_size
        self._clock = clock
        self._measures = measures
        self.remembered: dict[str, Remembered] = {}
        self.remembered_pods: dict[str, dict[str, RememberedPod]] = {}
        self._written: dict[str, WorkloadRecord] = {}
        self._written_pods: dict[str, PodRecord] = {}
        self.remembered_at_start: set[str] = set()
        """Uids that had a live row when the operator started."""
        self.pods_at_start: set[str] = set()
        """The same of pods."""
        self._revisits: list[tuple[datetime, str]] = []
        self._revisit_at: dict[str, datetime] = {}
        self._most = batch_size
        """What the next flush takes: less after a refusal, to find the one that cannot be written."""
        self._is_cut = False
        """Whether the last flush left a part of what it took for the next one, for its many pods."""

    async def run(self, interval_seconds: float, stopped: asyncio.Event) -> None:
        """Flush until stopped, then once more; the pause grows with each failure."""
        failures = 0
        while not stopped.is_set():
            try:
                wrote = await self.flush()
                failures = 0
            except StoreError as error:
                failures += 1
                wrote = 0
                self._measures.flush_failures.inc()
                log.warning("flush_failed", error=str(error), failures=failures, waiting=len(self._state.dirty))
            if (wrote < self._most and not self._is_cut) or failures:
                await _pause(stopped, _backoff(interval_seconds, failures))
        try:
            while await self.flush():
                pass
        except StoreError as error:
            log.warning("last_flush_failed", error=str(error), waiting=len(self._state.dirty))

    def may_be_stored(self, uid: str) -> bool:
        """Whether the database may hold a live row of a workload or a pod."""
        return any(
            uid in held for held in (self._written, self._written_pods, self.remembered_at_start, self.pods_at_start)
        )

    async def flush(self) -> int:
        """Write one batch; returns how many workloads and deletions were looked at.

        What the database can never take must not hold up the rest: a batch that is refused for its data is halved
        until the one at fault stands alone, and that one is dropped and named in the log.

        Raises:
            StoreError: nothing was written; what was taken is dirty again.
        """
        now = self._clock()
        self._call_revisits(now)
        taken = self._take()
        if not taken:
            return 0
        batch = self._derive(taken, now)
        try:
            if batch != Batch():
                with self._measures.flush_seconds.time(), store_errors():
                    async with self._engine.begin() as connection:
                        result = await write_batch(connection, self._cluster_id, batch, observed_at=now)
                self._measures.count(batch, result)
        except DataRefused as error:
            if len(taken) == 1:
                self._measures.writes_dropped.inc()
                self._forget(batch)
                log.warning("write_dropped", uids=[*taken.tops, *taken.ended, *taken.gone_pods], error=str(error))
                return 1
            self._put_back(taken)
            self._most = len(taken) // 2
        except StoreError:
            self._put_back(taken)
            raise
        else:
            self._settle(batch)
            self._most = min(self._most * 2, self._batch_size)
        return len(taken)

    def _take(self) -> _Taken:
        """Take the longest waiting, deletions first: no more than may be written in one transaction."""
        state = self._state
        ended = _take_from(state.ended, self._most)
        gone_pods = _take_from(state.gone_pods, self._most - len(ended))
        tops = tuple(_take_from(state.dirty, self._most - len(ended) - len(gone_pods)))
        return _Taken(tops=tops, ended=ended, gone_pods=gone_pods)

    def _leave_for_next(self, taken: _Taken, place: int) -> None:
        """Put the rest back, before all that has come since."""
        self._is_cut = True
        self._state.dirty = dict.fromkeys(taken.tops[place:]) | self._state.dirty
        taken.tops = taken.tops[:place]

    def _put_back(self, taken: _Taken) -> None:
        state = self._state
        for uid in taken.tops:
            state.dirty.setdefault(uid)
        state.ended = taken.ended | state.ended
        state.gone_pods = taken.gone_pods | state.gone_pods

    def _derive(self, taken: _Taken, now: datetime) -> Batch:
        workloads: dict[str, WorkloadRecord] = {}
        pods: list[PodRecord] = []
        gone: dict[str, Gone] = {uid: self._raised(ending.gone) for uid, ending in taken.ended.items()}
        self._is_cut = False
        for place, uid in enumerate(taken.tops):
            if len(pods) >= self._batch_size * PODS_EACH:
                self._leave_for_next(taken, place)
                break
            if uid in gone:
                continue
            view = self._state.view(uid)
            if view is None and not self._state.is_hidden(uid):
                self._forget_workload(uid)
                continue
            if view is None or not self._state.is_shown(_namespace_of(view)):
                hidden = self._hide(uid, now)
                if hidden is not None:
                    gone[uid] = hidden
                continue
            derivation = self._derivation(uid, view, now)
            if self._is_new(derivation.workload):
                workloads[uid] = derivation.workload
            pods.extend(pod for pod in derivation.pods if self._is_new_pod(pod))
        for uid, ending in taken.ended.items():
            last = self._last_record(uid, ending, now)
            if last is not None:
                workloads[uid] = last
        return Batch(
            workloads=tuple(workloads.values()),
            pods=tuple(pod for pod in pods if pod.uid not in taken.gone_pods),
            gone_workloads=tuple(gone.values()),
            gone_pods=tuple(taken.gone_pods.values()),
        )

    def _derivation(self, uid: str, view: WorkloadView, now: datetime) -> Derivation:
        with self._measures.derive_seconds.time():
            derivation = derive(
                view,
                now=now,
                remembered=self.remembered.get(uid, Remembered()),
                remembered_pods=self.remembered_pods.get(uid, {}),
                floor_version=self._state.floor_version,
                settings=self._settings,
            )
        # What was seen is remembered whether or not the database can be told just now.
        self.remembered[uid] = Remembered.of(derivation.workload)
        self.remembered_pods[uid] = {
            pod.uid: RememberedPod(
                bound_at=pod.bound_at,
                ready_at=pod.ready_at,
                ended_at=pod.ended_at,
                fatal_since=pod.fatal_since,
                node_pool=pod.node_pool,
            )
            for pod in derivation.pods
        }
        if derivation.revisit_at is None:
            self._revisit_at.pop(uid, None)
        elif derivation.revisit_at != self._revisit_at.get(uid):
            self._revisit_at[uid] = derivation.revisit_at
            heapq.heappush(self._revisits, (derivation.revisit_at, uid))
        return derivation

    def _last_record(self, uid: str, ending: Ending, now: datetime) -> WorkloadRecord | None:
        """What to write before a workload is closed: its end if only the last look tells it, or its first record."""
        if ending.view is None or not self._state.is_shown(_namespace_of(ending.view)):
            return None
        last = self._derivation(uid, ending.view, now).workload
        known = self._written.get(uid)
        if known is None and uid not in self.remembered_at_start:
            return last
        return last if last.phase in _TERMINAL and (known is None or known.phase is not last.phase) else None

    def _raised(self, gone: Gone) -> Gone:
        known = self.remembered.get(gone.uid)
        version = max(gone.observed_version, known.observed_version if known is not None else 0)
        return replace(gone, observed_version=version)

    def _hide(self, uid: str, now: datetime) -> Gone | None:
        """Close the row of a workload whose namespace is no project's any more, or that is part of another by now."""
        if uid not in self._written and uid not in self.remembered_at_start:
            return None
        version = self.remembered.get(uid, Remembered()).observed_version
        return Gone(uid=uid, observed_version=version, at=now, seen=DeletionSeen.LATE)

    def _is_new(self, record: WorkloadRecord) -> bool:
        """Whether the record differs from what was written last in more than its version."""
        if record.uid in self._state.outlived:
            # It is closed, and its last phase stays; what its pods still hold is held.
            self._state.holdings.record(record.uid, record.allocated.gpu_micros)
            return False
        known = self._written.get(record.uid)
        if known is not None and replace(known, observed_version=record.observed_version) == record:
            self._measures.workloads_skipped.inc()
            return False
        return True

    def _is_new_pod(self, record: PodRecord) -> bool:
        known = self._written_pods.get(record.uid)
        return known is None or replace(known, resource_version=record.resource_version) != record

    def _settle(self, batch: Batch) -> None:
        for record in batch.workloads:
            self._written[record.uid] = record
            self._state.holdings.record(record.uid, record.allocated.gpu_micros)
        for pod in batch.pods:
            self._written_pods[pod.uid] = pod
        self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        """Drop what is held of what is gone."""
        for gone in batch.gone_pods:
            self._written_pods.pop(gone.uid, None)
            self.pods_at_start.discard(gone.uid)
        for gone in batch.gone_workloads:
            self._forget_workload(gone.uid)

    def _forget_workload(self, uid: str) -> None:
        if uid in self._state.ended:
            return  # it is yet to be closed
        self._written.pop(uid, None)
        self._state.holdings.close(uid)
        self.remembered.pop(uid, None)
        if uid not in self._state.outlived:
            self.remembered_pods.pop(uid, None)
        self._revisit_at.pop(uid, None)
        self.remembered_at_start.discard(uid)

    def _call_revisits(self, now: datetime) -> None:
        while self._revisits and self._revisits[0][0] <= now:
            at, uid = heapq.heappop(self._revisits)
            if self._revisit_at.get(uid) == at:
                del self._revisit_at[uid]
                self._state.dirty.setdefault(uid)


def _namespace_of(view: WorkloadView) -> str | None:
    if view.top is not None:
        return view.top.meta.namespace
    if view.top_reference is not None:
        return view.top_reference.namespace
    return view.pods[0].meta.namespace if view.pods else None


def _take_from(waiting: dict[str, Waiting], most: int) -> dict[str, Waiting]:
    return {uid: waiting.pop(uid) for uid in list(itertools.islice(waiting, most))}


def _backoff(interval_seconds: float, failures: int) -> float:
    if not failures:
        return interval_seconds
    longest = min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopped.wait()
    except TimeoutError:
        return
