"""The database away at the start and in the middle, and what it can never take: nothing final is lost."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import COMPLETED, SimulatedCluster

from rollcall.domain.facts import DomainSettings, KindKey
from rollcall.errors import StoreError
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.records import Batch, WriteResult
from rollcall.store.schema import migrate
from rollcall.store.writes import write_batch
from rollcall_demo.resources import JOB
from rollcall_operator import flusher as flushing
from rollcall_operator.cluster_state import ClusterState, EventType
from rollcall_operator.flusher import LONGEST_PAUSE_SECONDS, Flusher
from rollcall_operator.measures import Measures
from rollcall_operator.surroundings import NAMESPACE

OperatorOf = Callable[..., OperatorProcess]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB_KEY = KindKey(group="batch", kind="Job")


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that the test may stop, in a folder that its own user may enter and whose path is short."""
    with tempfile.TemporaryDirectory(prefix="rollcall-") as name, EmbeddedPostgres(Path(name) / "pg") as server:
        yield server


def test_a_database_that_is_away_misses_nothing(
    cluster: SimulatedCluster, operator_of: OperatorOf, own_server: EmbeddedPostgres
) -> None:
    database = DatabaseSettings(dsn=SecretStr(own_server.dsn()))
    migrate(database)
    rows = Rows(database)
    own_server.stop()
    operator = operator_of(database=database)
    # At the start: it watches and waits.
    operator.begin()
    eventually(operator.readiness, lambda answer: "database is away" in answer)
    ended = cluster.a_job("ended-before")
    eventually(lambda: operator.metric('rollcall_objects{sort="objects"}'), lambda number: number == 1)
    cluster.update(JOB, "ended-before", status=COMPLETED)
    cluster.delete(JOB, "ended-before")
    eventually(lambda: operator.metric('rollcall_objects{sort="objects"}'), lambda number: number == 0)
    own_server.start()
    gone = rows.until_deleted("lab", "ended-before")
    assert (gone["uid"], gone["phase"], gone["deletion_seen"]) == (ended, "Completed", "exact")
    eventually(operator.readiness, lambda answer: answer == "ok")
    # In the middle: twice more than one try.
    for name in ("ends", "goes", "changes"):
        cluster.a_job(name)
        rows.until("lab", name, phase="Running")
    jobs = 'rollcall_watch_events_total{group="batch",kind="Job"}'
    seen = operator.metric(jobs)
    own_server.stop()
    cluster.a_job("comes")
    cluster.update(JOB, "ends", status=COMPLETED)
    cluster.delete(JOB, "goes")
    for number in range(300):
        cluster.update(JOB, "changes", metadata=labelled(cluster, "changes", number))
    cluster.a_job("comes-and-goes", COMPLETED)
    cluster.delete(JOB, "comes-and-goes")
    # To the last one: with fewer, some workload may not wait yet.
    eventually(lambda: operator.metric(jobs), lambda number: number >= seen + 305)
    eventually(operator.readiness, lambda answer: "database is away" in answer)
    eventually(lambda: operator.metric("rollcall_flush_failures_total"), lambda number: number >= 2)
    assert operator.metric("rollcall_queue_depth") == 5, "bounded by the number of workloads, not of events"
    own_server.start()
    rows.until("lab", "comes", phase="Running")
    rows.until("lab", "ends", phase="Completed")
    assert rows.until("lab", "changes", phase="Running")["uid"]
    for name, phase in (("goes", "Running"), ("comes-and-goes", "Completed")):
        gone = rows.until_deleted("lab", name)
        assert (gone["phase"], gone["deletion_seen"]) == (phase, "exact")
    eventually(operator.readiness, lambda answer: answer == "ok")
    eventually(lambda: operator.metric("rollcall_queue_depth"), lambda number: number == 0)


def labelled(cluster: SimulatedCluster, name: str, number: int) -> dict[str, object]:
    """The metadata of a Job with another label."""
    job = cluster.do(cluster.server.objects.get, JOB, "lab", name)
    assert job is not None
    return {**job["metadata"], "labels": {"turn": str(number)}}


def test_pauses_grow_and_end_growing() -> None:
    for failures in range(1, 40):
        longest = min(LONGEST_PAUSE_SECONDS, 0.5 * 2**failures)
        for _ in range(20):
            assert longest / 2 <= flushing._backoff(0.2, failures) <= longest  # noqa: SLF001 - it has no other door
    assert flushing._backoff(0.2, 0) == 0.2  # noqa: SLF001 - same


def a_state() -> ClusterState:
    """The state of a cluster with one project."""
    state = ClusterState(DomainSettings(), all_namespaces=False)
    metadata = {"uid": "ns", "name": "lab", "labels": {"kai/project": "lab"}, "resourceVersion": "1"}
    state.observe(NAMESPACE, EventType.SEEN, {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata}, at=NOW)
    return state


def see(state: ClusterState, name: str, version: int, event: EventType = EventType.SEEN) -> None:
    """Let a Job be observed; its uid is its name."""
    metadata = {"uid": name, "name": name, "namespace": "lab", "resourceVersion": str(version)}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}, "status": {}}
    state.observe(JOB_KEY, event, job, at=NOW)


def a_flusher(state: ClusterState, engine: AsyncEngine, *, batch_size: int = 500) -> Flusher:
    """A flusher whose clock stands."""
    return Flusher(
        state,
        engine,
        "c1",
        settings=DomainSettings(),
        batch_size=batch_size,
        clock=lambda: NOW,
        measures=Measures(),
    )


@pytest.mark.anyio
@pytest.mark.parametrize("poison", [("job-7",), ("job-0", "job-7", "job-39"), ("gone-3",), ("gone-0", "job-11")])
async def test_what_can_never_be_written_holds_up_nothing_else(
    engine: AsyncEngine, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch, poison: tuple[str, ...]
) -> None:
    async def refusing(
        connection: AsyncConnection, cluster_id: str, batch: Batch, *, observed_at: datetime
    ) -> WriteResult:
        uids = {one.uid for one in (*batch.workloads, *batch.gone_workloads)}
        if uids & set(poison):
            raise DataError("statement", {}, Exception("numeric field overflow"))
        return await write_batch(connection, cluster_id, batch, observed_at=observed_at)

    monkeypatch.setattr(flushing, "write_batch", refusing)
    state = a_state()
    flusher = a_flusher(state, engine, batch_size=32)
    for number in range(40):
        see(state, f"job-{number}", 10 + number)
    for number in range(8):
        see(state, f"gone-{number}", 60)
        see(state, f"gone-{number}", 61, EventType.DELETED)
    turns = 0
    while await flusher.flush():
        turns += 1
    assert turns < 15 * len(poison) + 5
    live = {row["uid"] for row in Rows(database).query("SELECT uid FROM workloads")}
    gone = {row["uid"] for row in Rows(database).query("SELECT uid FROM deleted_workloads")}
    assert live == {f"job-{number}" for number in range(40)} - set(poison)
    assert gone == {f"gone-{number}" for number in range(8)} - set(poison)
    assert (state.waiting, state.gone_pods) == (0, {})


@pytest.mark.anyio
async def test_a_database_that_refuses_everybody_is_waited_for(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights withdrawn, a standby that takes no writes: nothing is wrong with the data, so nothing is dropped."""

    async def refusing(*_: object, **__: object) -> WriteResult:
        raise OperationalError("statement", {}, Exception("cannot execute INSERT in a read-only transaction"))

    monkeypatch.setattr(flushing, "write_batch", refusing)
    state = a_state()
    flusher = a_flusher(state, engine)
    for number in range(3):
        see(state, f"job-{number}", 10)
    see(state, "job-2", 11, EventType.DELETED)
    for _ in range(5):
        with pytest.raises(StoreError):
            await flusher.flush()
    assert state.waiting == 3
    assert set(state.ended) == {"job-2"}


@pytest.mark.anyio
async def test_an_older_observation_loses_whenever_it_comes(engine: AsyncEngine, database: DatabaseSettings) -> None:
    state = a_state()
    flusher = a_flusher(state, engine)
    see(state, "job", 20)
    see(state, "job", 15)
    assert state.objects["job"].meta.resource_version == 20
    await flusher.flush()
    # Another operator that lags behind.
    behind = a_state()
    see(behind, "job", 12)
    assert await a_flusher(behind, engine).flush() == 1
    assert [row["observed_version"] for row in Rows(database).query("SELECT * FROM workloads")] == [20]
    see(state, "job", 30, EventType.DELETED)
    await flusher.flush()
    see(behind, "job", 25)
    await a_flusher(behind, engine).flush()
    assert Rows(database).query("SELECT * FROM workloads") == []


@pytest.mark.anyio
async def test_a_transaction_holds_no_more_than_a_batch(
    engine: AsyncEngine, database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long outage there is much to write; one transaction with all of it would run out of time for ever."""
    sizes: list[int] = []

    async def counting(
        connection: AsyncConnection, cluster_id: str, batch: Batch, *, observed_at: datetime
    ) -> WriteResult:
        sizes.append(len({one.uid for one in (*batch.workloads, *batch.gone_workloads, *batch.gone_pods)}))
        return await write_batch(connection, cluster_id, batch, observed_at=observed_at)

    monkeypatch.setattr(flushing, "write_batch", counting)
    state = a_state()
    for number in range(25):
        see(state, f"live-{number}", 1)
        see(state, f"gone-{number}", 1)
        see(state, f"gone-{number}", 2, EventType.DELETED)
    flusher = a_flusher(state, engine, batch_size=10)
    while await flusher.flush():
        pass
    assert max(sizes) <= 10
    counted = Rows(database).query(
        "SELECT (SELECT count(*) FROM workloads) AS live, (SELECT count(*) FROM deleted_workloads) AS gone"
    )
    assert counted == [{"live": 25, "gone": 25}]
