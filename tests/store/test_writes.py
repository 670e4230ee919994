"""Guarded writes: the newer observation stands, deletions are kept, time is added up."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_pod, a_request, a_workload, uid_of

from rollcall.domain.attachments import Connection, ConnectionType, Datasource, DatasourceType, Tool, Topology
from rollcall.domain.records import (
    OrgType,
    Phase,
    PhaseReason,
    PhaseSource,
    Resources,
    SchedulingMessage,
    WorkloadRecord,
)
from rollcall.store.memory import load_remembered, load_remembered_pods, open_pods, open_workloads
from rollcall.store.pages import EVERYTHING, PageQuery, workload_by_id, workload_page
from rollcall.store.records import Batch, DeletionSeen, Gone, StoredWorkload, WriteResult
from rollcall.store.tables import phase_changes
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio
CLUSTER = "c1"


async def write(engine: AsyncEngine, batch: Batch, *, after: float = 0) -> WriteResult:
    async with engine.begin() as connection:
        return await write_batch(connection, CLUSTER, batch, observed_at=START + timedelta(seconds=after))


async def stored(engine: AsyncEngine, name: str = "train") -> StoredWorkload:
    async with engine.connect() as connection:
        found, _ = await workload_by_id(connection, uid_of(name), EVERYTHING)
    assert found is not None
    return found


def gone(name: str = "train", *, version: int = 99, after: float = 60, seen: DeletionSeen = DeletionSeen.EXACT) -> Gone:
    return Gone(uid=uid_of(name), observed_version=version, at=START + timedelta(seconds=after), seen=seen)


async def test_a_record_comes_back_as_it_was_written(engine: AsyncEngine) -> None:
    record = a_workload(
        phase=Phase.RUNNING,
        allocated=Resources(gpu_micros=1_500_000, cpu_millis=2, extended=(("nvidia.com/mig-1g.5gb", 3),)),
        current_node_pools=("b", "a"),
        additional_fields=(("framework", "Ray"),),
        datasources=(
            Datasource(type=DatasourceType.PVC, name="data"),
            Datasource(type=DatasourceType.NFS, name="nas:/export"),
        ),
        environment=(("Z", "1"), ("A", "")),
        urls=("https://llm.example.com",),
        connections=(
            Connection(name="llm", type=ConnectionType.EXTERNAL_URL, url="https://llm.example.com"),
            Connection(name="llm/tb", type=ConnectionType.NODE_PORT, tool=Tool.TENSORBOARD, container_port=6006),
        ),
        topology=Topology(name="dc", required="rack"),
        phase_reason=PhaseReason.OVER_LIMIT,
        pending_scheduling_messages=(
            SchedulingMessage(node_pool="big", phase_reason=PhaseReason.OVER_LIMIT, reason="OverLimit"),
            SchedulingMessage(
                node_pool="small",
                phase_reason=PhaseReason.NON_PREEMPTIBLE_OVER_QUOTA,
                reason="NonPreemptibleOverQuota",
                org_type=OrgType.PROJECT,
                user_message="no quota",
            ),
        ),
        problems=("odd: \u00e9\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),),
    )
    await write(engine, Batch(workloads=(record,)))
    assert (await stored(engine)).record == record


async def test_what_a_workload_does_not_have_takes_no_room(engine: AsyncEngine) -> None:
    record = a_workload()
    await write(engine, Batch(workloads=(record,)))
    async with engine.connect() as connection:
        (details,) = (await connection.execute(text("SELECT details FROM workloads"))).one()
    assert not {"datasources", "environment", "urls", "connections", "topology", "schedulingMessages"} & set(details)
    assert (await stored(engine)).record == record


async def test_a_nul_is_replaced_not_refused(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(phase_message="a\x00b"),)))
    assert (await stored(engine)).record.phase_message == "a\ufffdb"


async def test_what_says_nothing_new_is_no_update(engine: AsyncEngine) -> None:
    written = Batch(workloads=(a_workload(),), pods=(a_pod(),))
    await write(engine, written)
    newer = Batch(workloads=(a_workload(observed_version=11),), pods=(a_pod(resource_version=11),))
    await write(engine, newer, after=60)
    assert (await stored(engine)).updated_at == START
    await write(engine, Batch(workloads=(a_workload(observed_version=12, phase_message="else"),)), after=90)
    assert (await stored(engine)).updated_at == START + timedelta(seconds=90)


@pytest.mark.parametrize(("seen", "kept"), [(DeletionSeen.EXACT, Phase.RUNNING), (DeletionSeen.LATE, Phase.PENDING)])
async def test_pods_alone_say_nothing_of_what_was_seen_to_go(
    engine: AsyncEngine, seen: DeletionSeen, kept: Phase
) -> None:
    await write(engine, Batch(workloads=(a_workload(phase=Phase.RUNNING),)))
    await write(engine, Batch(gone_workloads=(gone(version=11, seen=seen),)))
    by_pods = a_workload(phase=Phase.PENDING, phase_source=PhaseSource.PODS, observed_version=20)
    await write(engine, Batch(workloads=(by_pods,)), after=90)
    assert (await stored(engine)).record.phase is kept


async def test_an_older_observation_loses(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(phase=Phase.RUNNING, observed_version=20),)))
    result = await write(engine, Batch(workloads=(a_workload(phase=Phase.PENDING, observed_version=19),)))
    assert (result.workloads_written, result.workloads_refused) == (0, 1)
    assert (await stored(engine)).record.phase is Phase.RUNNING


async def test_the_same_version_writes_again(engine: AsyncEngine) -> None:
    """Time alone can change a record: the end of a grace period."""
    await write(engine, Batch(workloads=(a_workload(observed_version=20),)))
    result = await write(engine, Batch(workloads=(a_workload(phase=Phase.FAILED, observed_version=20),)))
    assert result.workloads_written == 1
    assert (await stored(engine)).record.phase is Phase.FAILED


async def test_stays_in_pending_and_running_add_up(engine: AsyncEngine) -> None:
    for version, (phase, after) in enumerate(
        [(Phase.PENDING, 0), (Phase.RUNNING, 30), (Phase.PENDING, 90), (Phase.RUNNING, 100), (Phase.COMPLETED, 150)], 1
    ):
        await write(engine, Batch(workloads=(a_workload(phase=phase, observed_version=version),)), after=after)
    found = await stored(engine)
    assert (found.pending_seconds, found.running_seconds) == (40, 110)
    assert found.phase_updated_at == START + timedelta(seconds=150)


async def test_each_change_of_phase_is_noted_once(engine: AsyncEngine) -> None:
    for version, phase in enumerate([Phase.PENDING, Phase.PENDING, Phase.RUNNING, Phase.RUNNING], 1):
        await write(engine, Batch(workloads=(a_workload(phase=phase, observed_version=version),)), after=version)
    async with engine.connect() as connection:
        rows = (await connection.execute(select(phase_changes.c.phase).order_by(phase_changes.c.at))).scalars().all()
    assert rows == ["Pending", "Running"]


async def test_a_deleted_record_keeps_its_last_phase_and_holds_nothing(engine: AsyncEngine) -> None:
    running = a_workload(
        phase=Phase.RUNNING, phase_message="fine", running_pods=2, allocated=a_request().requests, observed_version=11
    )
    await write(engine, Batch(workloads=(running,)))
    deleting = replace(running, phase=Phase.DELETING, phase_message="finalizers", observed_version=12)
    await write(engine, Batch(workloads=(deleting,)), after=10)
    result = await write(engine, Batch(gone_workloads=(gone(version=13),)), after=61)
    assert result.workloads_closed == 1
    found = await stored(engine)
    assert (found.record.phase, found.record.phase_message) == (Phase.RUNNING, "fine")
    assert (found.deleted_at, found.deletion_seen) == (START + timedelta(seconds=60), DeletionSeen.EXACT)
    assert (found.record.running_pods, found.record.allocated) == (0, Resources())
    async with engine.connect() as connection:
        assert (await workload_page(connection, PageQuery())).workloads == ()
        assert len((await workload_page(connection, PageQuery(deleted=True))).workloads) == 1


async def test_written_and_gone_in_one_batch_is_recorded(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(),), gone_workloads=(gone(),)))
    assert (await stored(engine)).deleted_at is not None


async def test_an_exact_deletion_is_final(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(),), gone_workloads=(gone(version=20),)))
    result = await write(engine, Batch(workloads=(a_workload(observed_version=500),)), after=90)
    assert result.workloads_closed == 0
    found = await stored(engine)
    assert (found.deleted_at, found.deletion_seen) == (START + timedelta(seconds=60), DeletionSeen.EXACT)


async def test_an_end_that_comes_after_the_deletion_is_not_lost(engine: AsyncEngine) -> None:
    """Its writer was slow and another one's sweep closed the row: the row tells the end all the same."""
    running = a_workload(phase=Phase.RUNNING, observed_version=10)
    await write(engine, Batch(workloads=(running,), gone_workloads=(gone(version=20, seen=DeletionSeen.LATE),)))
    failed = a_workload(phase=Phase.FAILED, phase_message="exit code 1", observed_version=15, running_pods=1)
    result = await write(engine, Batch(workloads=(failed,)), after=90)
    assert (result.workloads_written, result.workloads_closed) == (1, 0)
    found = await stored(engine)
    assert (found.record.phase, found.record.phase_message) == (Phase.FAILED, "exit code 1")
    assert (found.deleted_at, found.deletion_seen) == (START + timedelta(seconds=60), DeletionSeen.LATE)
    assert (found.running_seconds, found.phase_updated_at) == (60, START + timedelta(seconds=60))
    assert (found.record.running_pods, found.record.allocated) == (0, Resources())


async def test_a_deletion_that_comes_first_waits_for_its_record(engine: AsyncEngine) -> None:
    await write(engine, Batch(gone_workloads=(gone(version=20),), gone_pods=(gone("train-0"),)))
    await write(engine, Batch(workloads=(a_workload(phase=Phase.FAILED),), pods=(a_pod(),)), after=90)
    found = await stored(engine)
    assert (found.record.phase, found.deletion_seen) == (Phase.FAILED, DeletionSeen.EXACT)
    assert found.deleted_at == START + timedelta(seconds=60)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT ended_at, deleted_at FROM deleted_pods"))
        assert [tuple(row) for row in rows] == [(START + timedelta(seconds=60),) * 2]
        assert (await connection.execute(text("SELECT count(*) FROM tombstones"))).scalar_one() == 0


async def test_a_deletion_noticed_late_and_then_as_an_event_has_the_events_instant(engine: AsyncEngine) -> None:
    late = gone(version=20, after=300, seen=DeletionSeen.LATE)
    running = a_workload(phase=Phase.RUNNING, running_since=START)
    await write(engine, Batch(workloads=(running,), gone_workloads=(late,)), after=0)
    await write(engine, Batch(gone_workloads=(gone(version=15),)), after=310)
    found = await stored(engine)
    assert (found.deleted_at, found.deletion_seen) == (START + timedelta(seconds=60), DeletionSeen.EXACT)
    assert found.running_seconds == 60


@pytest.mark.parametrize(("version", "reopened"), [(19, False), (20, False), (21, True)])
async def test_a_late_deletion_is_taken_back_only_by_something_newer(
    engine: AsyncEngine, version: int, *, reopened: bool
) -> None:
    late = gone(version=20, seen=DeletionSeen.LATE)
    await write(engine, Batch(workloads=(a_workload(observed_version=15),), gone_workloads=(late,)))
    await write(engine, Batch(workloads=(a_workload(observed_version=version),)), after=70)
    assert ((await stored(engine)).deleted_at is None) is reopened


async def test_a_sweep_older_than_the_row_closes_nothing(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(observed_version=30),)))
    result = await write(engine, Batch(gone_workloads=(gone(version=29, seen=DeletionSeen.LATE),)))
    assert result.workloads_closed == 0
    assert (await stored(engine)).deleted_at is None


OBSERVATIONS: tuple[Batch, ...] = (
    Batch(workloads=(a_workload(phase=Phase.PENDING, observed_version=1),), pods=(a_pod(resource_version=1),)),
    Batch(workloads=(a_workload(phase=Phase.RUNNING, observed_version=2),), pods=(a_pod(resource_version=2),)),
    Batch(workloads=(a_workload(phase=Phase.FAILED, observed_version=3),)),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_any_order_of_the_same_observations_ends_in_the_same_row(
    engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    for place in order:
        await write(engine, OBSERVATIONS[place], after=place)
    assert (await stored(engine)).record.phase is Phase.FAILED
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT resource_version FROM pods"))).scalars().all() == [2]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_deletion_wins_in_any_order(engine: AsyncEngine, order: tuple[int, ...]) -> None:
    steps = (
        OBSERVATIONS[0],
        OBSERVATIONS[1],
        Batch(gone_workloads=(gone(version=3),), gone_pods=(gone("train-0", version=3),)),
    )
    for place in order:
        await write(engine, steps[place], after=place)
    async with engine.connect() as connection:
        assert (await workload_page(connection, PageQuery())).workloads == ()
        assert await open_pods(connection, CLUSTER) == {}


async def test_the_operators_memory_comes_back(engine: AsyncEngine) -> None:
    record = a_workload(
        phase=Phase.RUNNING, running_since=START, current_node_pools=("big",), completed_at=None, observed_version=7
    )
    pod = a_pod(fatal_since=START + timedelta(seconds=5))
    await write(engine, Batch(workloads=(record,), pods=(pod,)))
    async with engine.connect() as connection:
        remembered = (await load_remembered(connection, CLUSTER))[record.uid]
        pods = (await load_remembered_pods(connection, CLUSTER))[record.uid]
        assert set(await open_workloads(connection, CLUSTER)) == {record.uid}
        assert await load_remembered(connection, "another cluster") == {}
    assert (remembered.phase, remembered.running_since, remembered.observed_version) == (Phase.RUNNING, START, 7)
    assert remembered.workload_requested == record.workload_requested
    assert pods[pod.uid].fatal_since == pod.fatal_since
    assert pods[pod.uid].node_pool == "big"


async def test_a_pod_that_vanished_ended_then(engine: AsyncEngine) -> None:
    await write(engine, Batch(pods=(a_pod(),)))
    await write(engine, Batch(gone_pods=(gone("train-0"),)))
    async with engine.connect() as connection:
        ended: datetime = (await connection.execute(text("SELECT ended_at FROM deleted_pods"))).scalar_one()
    assert ended == START + timedelta(seconds=60)


async def test_five_hundred_workloads_are_one_batch(engine: AsyncEngine) -> None:
    records: tuple[WorkloadRecord, ...] = tuple(a_workload(f"w{number}") for number in range(500))
    result = await write(engine, Batch(workloads=records))
    assert result.workloads_written == 500
