"""Workloads of many pods: one transaction holds only so many rows, and none waits behind the others."""

from datetime import UTC, datetime

import pytest
from bench.served import RUNNING, JobLife, Versions, surroundings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.domain.facts import DomainSettings
from rollcall_operator.cluster_state import ClusterState
from rollcall_operator.flusher import PODS_EACH, Flusher
from rollcall_operator.measures import Measures

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
BATCH = 4
PODS = 3 * PODS_EACH
"""Of each workload: two of them are more than one transaction takes."""


async def test_workloads_of_many_pods_are_written_in_turn(engine: AsyncEngine) -> None:
    state = ClusterState(DomainSettings(), all_namespaces=False)
    flusher = Flusher(
        state,
        engine,
        "c1",
        settings=DomainSettings(),
        batch_size=BATCH,
        clock=lambda: NOW,
        measures=Measures(),
    )
    versions = Versions()
    jobs = [JobLife(number, PODS, versions) for number in range(5)]
    seen = [*surroundings(), *(next(job.changes()) for job in jobs)]
    seen += [job.pod(number, RUNNING) for job in jobs for number in range(PODS)]
    for change in seen:
        state.observe(change.key, change.event, change.obj, at=NOW)

    async def written() -> tuple[list[str], int]:
        async with engine.connect() as connection:
            names = (await connection.execute(text("SELECT name FROM workloads ORDER BY name"))).scalars().all()
            return list(names), (await connection.execute(text("SELECT count(*) FROM pods"))).scalar_one()

    await flusher.flush()
    assert await written() == (["train-0", "train-1"], 2 * PODS)
    await flusher.flush()
    assert await written() == (["train-0", "train-1", "train-2", "train-3"], 4 * PODS)
    await flusher.flush()
    assert await written() == ([f"train-{number}" for number in range(5)], 5 * PODS)
    assert await flusher.flush() == 0
