"""The operator's own pipe at full speed: from the door that kopf hands objects to, to committed rows.

No kopf, no API server: this is the most that the rest of the operator can do, in one process with a real PostgreSQL.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, zip_longest
from typing import Any, Self

import psycopg
from bench.figures import Figure, Outcome, quantile
from bench.served import Change, JobLife, Versions, surroundings
from bench.workshop import Workshop

from rollcall.domain.facts import DomainSettings
from rollcall.settings import DatabaseSettings, OperatorSettings
from rollcall.store.engine import create_engine
from rollcall.store.records import Batch
from rollcall_operator.cluster_state import ClusterState
from rollcall_operator.flusher import Flusher
from rollcall_operator.measures import Measures

BATCH = OperatorSettings().batch_size
INTERVAL_SECONDS = OperatorSettings().flush_interval_seconds
MILLIS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much goes through."""

    workloads: int = 1000
    pods_each: int = 4
    rates: tuple[int, ...] = (500, 1000)
    seconds: float = 15.0


async def measure(workshop: Workshop, sizes: Sizes) -> Outcome:
    """Feed whole lives of Jobs: one change a row, as fast as it goes, and at given rates with the delay of each."""
    figures: list[Figure] = []
    for name, run in (("every event its own row", _uncoalesced), ("as fast as it goes", _unbounded)):
        workshop.say(f"pipe, {name}: {sizes.workloads} Jobs of {sizes.pods_each} pods")
        database = workshop.database()
        async with _Pipe(database) as pipe:
            changes = tuple(lives(sizes.workloads, sizes.pods_each))
            started = time.perf_counter()
            await run(pipe, changes)
            seconds = time.perf_counter() - started
            figures += pipe.rates(name, len(changes), seconds)
        _check(database, workloads=sizes.workloads, pods=sizes.workloads * sizes.pods_each)
    for rate in sizes.rates:
        workshop.say(f"pipe, {rate} events/s for {sizes.seconds:g} s")
        async with _Pipe(workshop.database()) as pipe:
            figures += await _paced(pipe, rate, sizes)
    return Outcome(
        benchmark="pipe",
        title="The operator's pipe: from the door to committed rows, in one process, without kopf or an API server",
        figures=tuple(figures),
        sizes={"workloads": sizes.workloads, "pods_each": sizes.pods_each, "seconds": sizes.seconds},
        notes=(
            "`every event its own row` flushes before any workload has changed twice: the worst case.",
            "`as fast as it goes` lets the dirty set take several changes of a workload together, as it does in use.",
            "Delays are from the door to the end of the commit; core is the share of one core that was busy.",
        ),
        stands_on={"PostgreSQL": workshop.postgres_version()},
    )


def lives(workloads: int, pods_each: int, *, at_once: int = BATCH) -> Iterator[Change]:
    """The changes of many Jobs, so many at once in step: each workload changes once before any changes again."""
    versions = Versions()
    jobs = [JobLife(number, pods_each, versions).changes() for number in range(workloads)]
    for start in range(0, workloads, at_once):
        for step in zip_longest(*jobs[start : start + at_once]):
            yield from (change for change in step if change is not None)


class _TimedFlusher(Flusher):
    """Notes when what was observed of a workload is committed."""

    def __init__(self, state: ClusterState, *arguments: Any, **named: Any) -> None:
        super().__init__(state, *arguments, **named)
        self.state = state
        self.waiting: dict[str, list[float]] = defaultdict(list)
        self.delays: list[float] = []
        self.left: set[str] = set()

    async def flush(self) -> int:
        """As ever: what is left to do once the batch is made up is not in it."""
        before, self.waiting = self.waiting, defaultdict(list)
        looked_at = await super().flush()
        now = time.perf_counter()
        for uid, instants in before.items():
            if uid in self.left:
                self.waiting[uid][:0] = instants
            else:
                self.delays += [now - at for at in instants]
        return looked_at

    def _derive(self, taken: Any, now: datetime) -> Batch:
        batch = super()._derive(taken, now)
        self.left = {*self.state.dirty, *self.state.ended}
        return batch


class _Pipe:
    """A state and a flusher on a database, while the ``async with`` block runs."""

    def __init__(self, database: DatabaseSettings) -> None:
        settings = DomainSettings()
        self.engine = create_engine(database, application_name="bench")
        self.measures = Measures()
        self.state = ClusterState(settings, all_namespaces=False)
        self.flusher = _TimedFlusher(
            self.state,
            self.engine,
            "c1",
            settings=settings,
            batch_size=BATCH,
            clock=_now,
            measures=self.measures,
        )

    async def __aenter__(self) -> Self:
        for change in surroundings():
            self.observe(change)
        async with self.engine.connect():
            return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.dispose()

    def observe(self, change: Change) -> None:
        """Through the door."""
        self.state.observe(change.key, change.event, change.obj, at=_now())
        if change.workload:
            self.flusher.waiting[change.workload].append(time.perf_counter())

    def rows(self) -> float:
        """Rows written so far: of workloads, of pods, and those moved to the deleted side."""
        return sum(
            sample.value
            for metric in self.measures.registry.collect()
            for sample in metric.samples
            if sample.name
            in {
                "rollcall_workloads_written_total",
                "rollcall_pods_written_total",
                "rollcall_deletions_total",
            }
        )

    def rates(self, of: str, events: int, seconds: float) -> Iterator[Figure]:
        """What went through in so many seconds."""
        yield Figure(of, "events", events / seconds, "1/s")
        yield Figure(of, "rows", self.rows() / seconds, "1/s")


async def _uncoalesced(pipe: _Pipe, changes: Sequence[Change]) -> None:
    seen: set[str] = set()
    for change in changes:
        if change.workload in seen:
            await _drain(pipe)
            seen.clear()
        seen.add(change.workload)
        pipe.observe(change)
    await _drain(pipe)


async def _unbounded(pipe: _Pipe, changes: Sequence[Change]) -> None:
    stopped = asyncio.Event()
    running = asyncio.create_task(pipe.flusher.run(INTERVAL_SECONDS, stopped))
    for start in range(0, len(changes), 50):
        for change in changes[start : start + 50]:
            pipe.observe(change)
        await asyncio.sleep(0)
    stopped.set()
    await running


async def _paced(pipe: _Pipe, rate: int, sizes: Sizes) -> list[Figure]:
    events = int(rate * sizes.seconds)
    each = 4 + 6 * sizes.pods_each
    changes = islice(lives(events // each + BATCH, sizes.pods_each, at_once=100), events)
    stopped = asyncio.Event()
    running = asyncio.create_task(pipe.flusher.run(INTERVAL_SECONDS, stopped))
    started, busy = time.perf_counter(), time.process_time()
    for number, change in enumerate(changes):
        due = started + number / rate
        # Behind time it does not wait, but lets the flusher have its turn.
        if number % 10 == 0 or due > time.perf_counter():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        pipe.observe(change)
    seconds = time.perf_counter() - started
    stopped.set()
    await running
    busy = time.process_time() - busy
    of, delays = f"paced, {rate} events/s", pipe.flusher.delays
    if len(delays) != events:
        raise AssertionError(f"{len(delays)} of {events} events were committed")
    return [
        *pipe.rates(of, events, seconds),
        Figure(of, "p50", quantile(delays, 0.5) * MILLIS, "ms"),
        Figure(of, "p99", quantile(delays, 0.99) * MILLIS, "ms"),
        Figure(of, "max", max(delays) * MILLIS, "ms"),
        Figure(of, "core", busy / seconds * 100, "%"),
    ]


async def _drain(pipe: _Pipe) -> None:
    while await pipe.flusher.flush():
        pass


def _check(database: DatabaseSettings, *, workloads: int, pods: int) -> None:
    """All that lived has gone, and nothing was lost."""
    tables = {"workloads": 0, "pods": 0, "deleted_workloads": workloads, "deleted_pods": pods}
    with psycopg.connect(database.dsn.get_secret_value()) as connection:
        for table, wanted in tables.items():
            (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (-1,)  # noqa: S608
            if found != wanted:
                raise AssertionError(f"{table} holds {found} rows, not {wanted}")


def _now() -> datetime:
    return datetime.now(UTC)
