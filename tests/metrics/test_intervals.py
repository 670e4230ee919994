"""What a workload's pods asked for and held: exact at every instant, from the pods' lives as they were recorded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Select, event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.observed import CREATED, NOW, obj, observe, pod, template
from support.workload_builders import START, a_pod, a_request, a_workload, uid_of

from rollcall.domain.records import Limits, PodRecord, PodState, ResourceRequest, Resources
from rollcall.store.intervals import (
    PodInterval,
    WorkloadPods,
    held_gpus_at,
    pod_statement,
    pods_at,
    pods_statement,
    requested_at,
    running_pods_at,
    workload_pods,
)
from rollcall.store.memory import touch_cluster
from rollcall.store.pages import EVERYTHING, Scope
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

CLUSTER = uid_of("cluster")
GPU = 1_000_000


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def gone(name: str, minutes: float) -> Gone:
    return Gone(uid=uid_of(name), observed_version=99, at=at(minutes), seen=DeletionSeen.EXACT)


async def write(engine: AsyncEngine, *batches: Batch, cluster_id: str = CLUSTER) -> None:
    async with engine.begin() as connection:
        for batch in batches:
            await write_batch(connection, cluster_id, batch, observed_at=START)
        await touch_cluster(connection, cluster_id=cluster_id, name="test", watches_observed_at=START)


async def read(
    engine: AsyncEngine, *, name: str = "train", start: float = 0, end: float = 100, scope: Scope = EVERYTHING
) -> WorkloadPods | None:
    async with engine.connect() as connection:
        return await workload_pods(connection, uid_of(name), scope, start=at(start), end=at(end))


async def pods_of(engine: AsyncEngine, name: str = "train", *, start: float = 0, end: float = 100) -> list[PodInterval]:
    found = await read(engine, name=name, start=start, end=end)
    assert found is not None
    return sorted(found.pods, key=lambda pod: pod.name)


def ended(name: str, *, minutes: float, **changes: object) -> PodRecord:
    """A pod that ran to its end, as the operator writes it: it holds nothing any more."""
    return a_pod(
        name,
        k8s_phase="Succeeded",
        state=PodState.SUCCEEDED,
        allocated=Resources(),
        allocated_while_bound=a_request().requests,
        ended_at=at(minutes),
        **changes,
    )


async def test_every_pod_counts_from_its_creation_until_it_is_gone(engine: AsyncEngine) -> None:
    there = a_pod("a", created_at=at(10), bound_at=at(11), ready_at=at(12), containers=(("main", "i", at(11.5)),))
    waiting = a_pod(
        "b",
        created_at=at(20),
        bound_at=None,
        ready_at=None,
        k8s_phase="Pending",
        state=PodState.UNSCHEDULED,
        allocated=Resources(),
        containers=(("main", "i", None),),
    )
    await write(engine, Batch(workloads=(a_workload(),), pods=(there, waiting)))
    pods = await pods_of(engine)
    instants = [at(9), at(10), at(11), at(11.4), at(11.5), at(19), at(20), at(99)]
    assert pods_at(pods, instants) == [0, 1, 1, 1, 1, 1, 2, 2]
    assert held_gpus_at(pods, instants) == [0, 0, GPU, GPU, GPU, GPU, GPU, GPU]
    assert running_pods_at(pods, instants) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert requested_at(pods, instants, lambda pod: pod.requested_cpu_millis) == [0, *[500] * 5, 1000, 1000]


async def test_what_ended_is_there_but_asks_for_and_holds_nothing(engine: AsyncEngine) -> None:
    batch = Batch(workloads=(a_workload(),), pods=(ended("a", minutes=30),))
    await write(engine, batch, Batch(gone_pods=(gone("a", 40),)))
    pods = await pods_of(engine)
    instants = [at(29), at(30), at(39), at(40)]
    assert pods_at(pods, instants) == [1, 1, 1, 0]
    assert running_pods_at(pods, instants) == [1, 0, 0, 0]
    assert held_gpus_at(pods, instants) == [GPU, 0, 0, 0]
    assert requested_at(pods, instants, lambda pod: pod.requested_memory_bytes) == [2**30, 0, 0, 0]


async def test_a_pod_that_vanished_held_all_of_it_until_then(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(),), pods=(a_pod("a"),)), Batch(gone_pods=(gone("a", 40),)))
    pods = await pods_of(engine)
    assert held_gpus_at(pods, [at(39), at(40)]) == [GPU, 0]
    assert running_pods_at(pods, [at(39), at(40)]) == [1, 0]


async def test_what_an_ended_pod_held_follows_from_its_object(engine: AsyncEngine) -> None:
    """From the operator's own derivation: a row of a pod that is over tells what it had held."""
    top = obj("Job", {"template": template(), "completions": 1})
    derived = observe(top, pod("w-0", "succeeded", owner=top), pod("w-1", "evicted", owner=top, node=""))
    await write(engine, Batch(workloads=(derived.workload,), pods=derived.pods))
    async with engine.connect() as connection:
        uid = derived.workload.uid
        found = await workload_pods(connection, uid, EVERYTHING, start=CREATED, end=NOW + timedelta(days=1))
    assert found is not None
    assert {one.allocated.gpu_micros for one in derived.pods} == {0}
    instants = [CREATED + timedelta(seconds=30), NOW - timedelta(minutes=6), NOW]
    assert [held_gpus_at([one], instants) for one in found.pods if one.name == "w-0"] == [[GPU, GPU, 0]]


async def test_a_row_of_an_earlier_release_falls_back_on_the_request(engine: AsyncEngine) -> None:
    old = ended("a", minutes=30, requested=a_request(3))
    await write(engine, Batch(workloads=(a_workload(),), pods=(PodRecord(**{**_fields(old), **_FORGOTTEN}),)))
    assert held_gpus_at(await pods_of(engine), [at(29), at(30)]) == [3 * GPU, 0]


async def test_what_was_held_may_be_less_than_what_was_asked_for(engine: AsyncEngine) -> None:
    nothing = PodRecord(**{**_fields(ended("a", minutes=30)), "allocated_while_bound": Resources(cpu_millis=1)})
    await write(engine, Batch(workloads=(a_workload(),), pods=(nothing,)))
    assert held_gpus_at(await pods_of(engine), [at(29)]) == [0]


_FORGOTTEN = {"allocated_while_bound": None}


def _fields(record: PodRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in PodRecord.__dataclass_fields__}


async def test_limits_are_those_that_there_are(engine: AsyncEngine) -> None:
    limits = Limits(cpu_millis=2500, memory_bytes=2**31)
    limited = a_pod("a", requested=ResourceRequest(requests=a_request().requests, limits=limits))
    await write(engine, Batch(workloads=(a_workload(),), pods=(limited, a_pod("b"))))
    pods = await pods_of(engine)
    assert [pod.cpu_limit_millis for pod in pods] == [2500, None]
    assert [pod.memory_limit_bytes for pod in pods] == [2**31, None]


@pytest.mark.parametrize(
    ("phase", "changes", "wanted"),
    [
        ("Running", {"ready_at": at(5)}, at(5)),
        ("Running", {"ready_at": at(5), "containers": (("a", "i", at(4)), ("b", "i", at(3)), ("c", "i", None))}, at(3)),
        ("Running", {"ready_at": at(5), "containers": (("a", "i", at(9)),)}, at(5)),
        ("Running", {"bound_at": at(2)}, at(2)),
        ("Running", {"bound_at": None, "created_at": at(1)}, at(1)),
        ("Pending", {"bound_at": at(2)}, None),
        ("Failed", {"bound_at": at(2), "ended_at": at(9)}, None),
        ("Succeeded", {"bound_at": at(2), "ended_at": at(9)}, at(2)),
    ],
)
async def test_a_pod_runs_from_its_first_known_sign(
    engine: AsyncEngine, phase: str, changes: dict[str, object], wanted: datetime | None
) -> None:
    known = {"ready_at": None, "containers": (), "k8s_phase": phase, **changes}
    await write(engine, Batch(workloads=(a_workload(),), pods=(a_pod("a", **known),)))
    (found,) = await pods_of(engine)
    assert found.running_at == wanted


async def test_only_the_pods_of_the_interval_are_read(engine: AsyncEngine) -> None:
    pods = (a_pod("early"), a_pod("late", created_at=at(60)), a_pod("lasting"), a_pod("others", workload="other"))
    workloads = (a_workload(), a_workload("other"))
    await write(engine, Batch(workloads=workloads, pods=pods), Batch(gone_pods=(gone("early", 20),)))
    assert [pod.name for pod in await pods_of(engine, start=0, end=10)] == ["early", "lasting"]
    assert [pod.name for pod in await pods_of(engine, start=20, end=59)] == ["lasting"]
    assert [pod.name for pod in await pods_of(engine, start=20, end=60)] == ["lasting", "late"]


async def test_a_deleted_workload_keeps_its_pods_and_another_clusters_are_not_its(engine: AsyncEngine) -> None:
    both = Batch(gone_workloads=(gone("train", 50),), gone_pods=(gone("a", 50),))
    await write(engine, Batch(workloads=(a_workload(),), pods=(a_pod("a"),)), both)
    await write(engine, Batch(pods=(a_pod("stray"),)), cluster_id="another")
    found = await read(engine)
    assert found is not None
    assert (found.cluster_id, found.observed_at) == (CLUSTER, START)
    assert [pod.name for pod in found.pods] == ["a"]


async def test_no_pods_are_not_no_workload(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(),)))
    found = await read(engine)
    assert found is not None
    assert found.pods == ()
    assert await read(engine, name="nobody") is None
    assert await read(engine, scope=Scope(namespaces=frozenset({"another"}))) is None
    assert await read(engine, scope=Scope(namespaces=frozenset({"another", "runai-team-a"}))) is not None


async def test_all_of_it_is_one_statement(engine: AsyncEngine) -> None:
    await write(engine, Batch(workloads=(a_workload(),), pods=(a_pod("a"), a_pod("b"))))
    statements: list[str] = []

    def note(_connection, _cursor, statement, _parameters, _context, _many) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await read(engine)
    assert len(statements) == 1


minutes = st.integers(0, 12).map(at)
lives = st.builds(
    PodInterval,
    namespace=st.just("n"),
    name=st.just("p"),
    created_at=minutes,
    bound_at=st.none() | minutes,
    running_at=st.none() | minutes,
    counts_until=st.none() | minutes,
    gone_at=st.none() | minutes,
    requested_gpu_memory_bytes=st.integers(0, 5),
    requested_cpu_millis=st.integers(0, 5),
    requested_memory_bytes=st.integers(0, 5),
    cpu_limit_millis=st.none(),
    memory_limit_bytes=st.none(),
    held_gpu_micros=st.integers(0, 5),
)


@given(st.lists(lives, max_size=8), st.lists(minutes, max_size=15).map(sorted))
def test_sums_are_what_asking_every_pod_at_every_instant_gives(
    pods: Sequence[PodInterval], instants: Sequence[datetime]
) -> None:
    def total(start: str, end: str, amount: str | None) -> list[int]:
        return [
            sum(
                getattr(pod, amount) if amount else 1
                for pod in pods
                if getattr(pod, start) is not None
                and getattr(pod, start) <= instant
                and (getattr(pod, end) is None or instant < getattr(pod, end))
            )
            for instant in instants
        ]

    assert pods_at(pods, instants) == total("created_at", "gone_at", None)
    assert running_pods_at(pods, instants) == total("running_at", "counts_until", None)
    assert held_gpus_at(pods, instants) == total("bound_at", "counts_until", "held_gpu_micros")
    asked = requested_at(pods, instants, lambda pod: pod.requested_cpu_millis)
    assert asked == total("created_at", "counts_until", "requested_cpu_millis")


@pytest.mark.parametrize(
    "statement",
    [
        pods_statement(uid_of("w7"), EVERYTHING, start=at(0), end=at(100)),
        pod_statement(uid_of("w7"), uid_of("live-7"), EVERYTHING),
        pod_statement(uid_of("w7"), uid_of("gone-7"), EVERYTHING),
    ],
    ids=["all", "live", "gone"],
)
async def test_a_workloads_pods_are_found_by_index_on_both_sides(engine: AsyncEngine, statement: Select[Any]) -> None:
    names = [f"{side}-{number}" for side in ("live", "gone") for number in range(1000)]
    pods = tuple(a_pod(name, workload=f"w{place % 200}") for place, name in enumerate(names))
    workloads = tuple(a_workload(f"w{number}") for number in range(200))
    closed = tuple(gone(name, 1) for name in names if name.startswith("gone"))
    await write(engine, Batch(workloads=workloads, pods=pods), Batch(gone_pods=closed))
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE"))
        compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
        asked = f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled.string}"
        plan = (await connection.exec_driver_sql(asked, compiled.params)).scalar_one()[0]["Plan"]
    touched: dict[str, int] = {}

    def walk(node: dict[str, Any]) -> None:
        table = node.get("Relation Name", "")
        if "pods" in table:
            assert node["Node Type"] != "Seq Scan" or not node["Actual Rows"]
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            touched[table.partition("_")[0]] = touched.get(table.partition("_")[0], 0) + int(rows)
        for child in node.get("Plans", ()):
            walk(child)

    walk(plan)
    assert touched.keys() == {"pods", "deleted"}
    assert max(touched.values()) <= 5  # of 1 000 on each side
