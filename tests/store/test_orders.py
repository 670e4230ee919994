"""The same observations in any order, in any batches, by one writer or two, end in the same rows.

What the rows must be is worked out here from the set of observations alone: the newest of each object, its deletion,
and the last phase that was not Deleting. Instants of when things were noticed are left out, and so is the history of
phases: they tell what was seen when, which is what the order decides.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from support.workload_builders import START, a_pod, a_workload, uid_of

from rollcall.domain.records import Phase, PodRecord, ResourceRequest, Resources, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.pages import PageQuery, workload_page
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.tables import metadata
from rollcall.store.writes import write_batch

Answer = TypeVar("Answer")
NAMES = ("a", "b")


@dataclass(frozen=True)
class GonePod:
    """A pod's deletion, told from a workload's."""

    gone: Gone


Observation = WorkloadRecord | Gone | PodRecord | GonePod


class Store:
    """A database of this module's own, and the loop that its connections live in."""

    def __init__(self, database: DatabaseSettings) -> None:
        self.runner = asyncio.Runner()
        self.engine = create_engine(database, application_name="test")

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(work)

    def close(self) -> None:
        self.run(self.engine.dispose())
        self.runner.close()

    async def empty(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))

    async def write(self, batches: list[Batch]) -> None:
        for place, batch in enumerate(batches):
            async with self.engine.begin() as connection:
                await write_batch(connection, "c1", batch, observed_at=START + timedelta(seconds=100 + place))
            await asyncio.sleep(0)

    async def rows(self) -> dict[str, Any]:
        """All that the observations must have led to."""
        async with self.engine.connect() as connection:
            live = await workload_page(connection, PageQuery())
            deleted = await workload_page(connection, PageQuery(deleted=True))
            pods = await connection.execute(text("SELECT uid, resource_version, ended_at FROM pods"))
            gone_pods = await connection.execute(
                text("SELECT uid, resource_version, ended_at, deleted_at, deletion_seen FROM deleted_pods")
            )
            tombstones = await connection.execute(text("SELECT uid, at, seen FROM tombstones"))
            return {
                "live": {row.record.uid: row.record for row in live.workloads},
                "deleted": {
                    row.record.uid: (row.record, row.deleted_at, row.deletion_seen) for row in deleted.workloads
                },
                "pods": {tuple(row) for row in pods},
                "deleted pods": {tuple(row) for row in gone_pods},
                "tombstones": {tuple(row) for row in tombstones},
            }


@pytest.fixture(scope="module")
def store(shared_database: DatabaseSettings) -> Iterator[Store]:
    store = Store(shared_database)
    yield store
    store.close()


def deletion_of(name: str, seen: DeletionSeen) -> st.SearchStrategy[Gone]:
    # An exact deletion is seen before the sweep that would have found it.
    base = 40 if seen is DeletionSeen.EXACT else 60
    return st.builds(
        lambda version: Gone(
            uid=uid_of(name),
            observed_version=version,
            at=START + timedelta(seconds=base + version),
            seen=seen,
        ),
        st.integers(0, 10),
    )


def deletions_of(name: str) -> st.SearchStrategy[list[Gone]]:
    none: st.SearchStrategy[list[Gone]] = st.just([])
    one_exact = deletion_of(name, DeletionSeen.EXACT).map(lambda gone: [gone])
    one_late = deletion_of(name, DeletionSeen.LATE).map(lambda gone: [gone])
    return st.tuples(none | one_exact, none | one_late).map(lambda both: both[0] + both[1])


def versions(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 9), unique=True, max_size=most)


@st.composite
def observations(draw: st.DrawFn) -> list[Observation]:
    found: list[Observation] = []
    for name in NAMES:
        for version in draw(versions(4)):
            phase = draw(st.sampled_from([Phase.PENDING, Phase.RUNNING, Phase.FAILED, Phase.DELETING]))
            found.append(
                a_workload(
                    name,
                    phase=phase,
                    phase_message=f"at {version}",
                    running_pods=version,
                    allocated=Resources(gpu_micros=version),
                    observed_version=version,
                )
            )
        found += draw(deletions_of(name))
        pod = f"{name}-0"
        found += [a_pod(pod, workload=name, resource_version=version) for version in draw(versions(3))]
        found += [GonePod(gone) for gone in draw(deletions_of(pod))]
    return draw(st.permutations(found))


def batches_of(observed: list[Observation], sizes: list[int]) -> list[Batch]:
    """Cut into batches of these sizes, over and over; a uid's records never meet in one batch."""
    batches: list[list[Observation]] = [[]]
    spoken: set[str] = set()
    for observation in observed:
        full = len(batches[-1]) >= sizes[len(batches) % len(sizes)]
        uid = observation.uid if isinstance(observation, WorkloadRecord | PodRecord) else ""
        if full or uid in spoken:
            batches.append([])
            spoken = set()
        batches[-1].append(observation)
        spoken |= {uid} - {""}
    return [
        Batch(
            workloads=tuple(one for one in batch if isinstance(one, WorkloadRecord)),
            pods=tuple(one for one in batch if isinstance(one, PodRecord)),
            gone_workloads=tuple(one for one in batch if isinstance(one, Gone)),
            gone_pods=tuple(one.gone for one in batch if isinstance(one, GonePod)),
        )
        for batch in batches
    ]


def deletion_that_stands(gone: list[Gone], newest_version: int | None) -> Gone | None:
    """An exact deletion, else a late one that is no older than the newest observation."""
    for one in sorted(gone, key=lambda one: one.seen):
        if one.seen is DeletionSeen.EXACT or newest_version is None or one.observed_version >= newest_version:
            return one
    return None


def expected(observed: list[Observation]) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "live": {},
        "deleted": {},
        "pods": set(),
        "deleted pods": set(),
        "tombstones": set(),
    }
    for name in NAMES:
        records = sorted(
            (one for one in observed if isinstance(one, WorkloadRecord) and one.uid == uid_of(name)),
            key=lambda record: record.observed_version,
        )
        gone = [one for one in observed if isinstance(one, Gone) and one.uid == uid_of(name)]
        deletion = deletion_that_stands(gone, records[-1].observed_version if records else None)
        if deletion is not None and records:
            named = [record for record in records if record.phase is not Phase.DELETING] or records[-1:]
            closed = replace(
                records[-1],
                phase=named[-1].phase,
                phase_message=named[-1].phase_message,
                running_pods=0,
                allocated=Resources(),
                pods_requested=ResourceRequest(),
            )
            wanted["deleted"][closed.uid] = (closed, deletion.at, deletion.seen)
        elif deletion is not None:
            wanted["tombstones"].add((deletion.uid, deletion.at, deletion.seen))
        elif records:
            wanted["live"][records[-1].uid] = records[-1]
        pods = [one.resource_version for one in observed if isinstance(one, PodRecord) and one.name == f"{name}-0"]
        gone_pods = [one.gone for one in observed if isinstance(one, GonePod) and one.gone.uid == uid_of(f"{name}-0")]
        expect_pod(wanted, uid_of(f"{name}-0"), max(pods, default=None), gone_pods)
    return wanted


def expect_pod(wanted: dict[str, Any], uid: str, version: int | None, gone: list[Gone]) -> None:
    deletion = deletion_that_stands(gone, version)
    ended_at: datetime | None = None
    if deletion is not None and version is not None:
        wanted["deleted pods"].add((uid, version, deletion.at, deletion.at, deletion.seen))
    elif deletion is not None:
        wanted["tombstones"].add((uid, deletion.at, deletion.seen))
    elif version is not None:
        wanted["pods"].add((uid, version, ended_at))


FEW = settings(max_examples=25)
SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@FEW
@given(observed=observations(), sizes=SIZES)
def test_any_order_and_any_batches_end_in_the_same_rows(
    store: Store, observed: list[Observation], sizes: list[int]
) -> None:
    store.run(store.empty())
    store.run(store.write(batches_of(observed, sizes)))
    assert store.run(store.rows()) == expected(observed)


@FEW
@given(observed=observations(), sizes=SIZES, seen_by_both=st.booleans())
def test_two_writers_at_once_end_in_the_same_rows(
    store: Store, observed: list[Observation], sizes: list[int], *, seen_by_both: bool
) -> None:
    mine, others = (observed, observed[::-1]) if seen_by_both else (observed[::2], observed[1::2])

    async def both() -> None:
        await asyncio.gather(store.write(batches_of(mine, sizes)), store.write(batches_of(others, sizes)))

    store.run(store.empty())
    store.run(both())
    assert store.run(store.rows()) == expected(observed)
