"""What surrounds workloads when watches break: what went unseen is forgotten, what comes late changes nothing."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.operator_in_hand import Life

from rollcall.domain.facts import KindKey
from rollcall_operator.cluster_state import EventType
from rollcall_operator.places import ClusterIdentity, Places
from rollcall_operator.surroundings import NAMESPACE, NODE

pytestmark = pytest.mark.anyio

PROJECT = {"kai/project": "lab"}


@pytest.fixture
def life(engine: AsyncEngine) -> Life:
    """A cluster with one project and two nodes."""
    life = Life(engine)
    life.see(NAMESPACE, "lab", labels=PROJECT)
    life.see(NODE, "gpu-1")
    life.see(NODE, "gpu-2")
    return life


def places_of(life: Life, engine: AsyncEngine) -> Places:
    return Places(life.state.surroundings, engine, ClusterIdentity(id="c1", name="c"), life.state._settings)  # noqa: SLF001


async def written(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(statement))).scalars())


NODES = "SELECT name FROM nodes ORDER BY name"
PROJECTS = "SELECT namespace FROM projects WHERE gone_at IS NULL"


@pytest.mark.parametrize(("key", "statement", "left"), [(NODE, NODES, ["gpu-2"]), (NAMESPACE, PROJECTS, [])])
async def test_what_a_complete_list_does_not_hold_is_gone(
    life: Life, engine: AsyncEngine, key: KindKey, statement: str, left: list[str]
) -> None:
    places = places_of(life, engine)
    await places.write(life.now)
    assert len(await written(engine, statement)) == len(left) + 1
    life.state.forget_around(key, frozenset({"gpu-2"}), version=life.version)
    await places.write(life.now)
    assert await written(engine, statement) == left


async def test_what_is_newer_than_the_list_stays(life: Life, engine: AsyncEngine) -> None:
    listed_at = life.version
    life.see(NODE, "gpu-3")
    life.state.forget_around(NODE, frozenset({"gpu-1", "gpu-2"}), version=listed_at)
    await places_of(life, engine).write(life.now)
    assert await written(engine, NODES) == ["gpu-1", "gpu-2", "gpu-3"]


async def test_the_end_of_a_node_that_came_back_is_no_end(life: Life, engine: AsyncEngine) -> None:
    old = life.see(NODE, "gpu-1")
    life.see(NODE, "gpu-1")
    life.state.observe(NODE, EventType.DELETED, old, at=life.now)
    await places_of(life, engine).write(life.now)
    assert await written(engine, NODES) == ["gpu-1", "gpu-2"]


async def test_an_operator_that_starts_takes_over_the_rows_of_the_one_before(life: Life, engine: AsyncEngine) -> None:
    await places_of(life, engine).write(life.now)
    again = Life(engine)
    again.version = life.version
    again.see(NODE, "gpu-2")
    await places_of(again, engine).write(again.now)
    assert await written(engine, NODES) == ["gpu-2"]
    assert await written(engine, PROJECTS) == []


async def test_nothing_is_written_again_that_has_not_changed(life: Life, engine: AsyncEngine) -> None:
    places = places_of(life, engine)
    await places.write(life.now)
    statement = (
        "SELECT xmin::text FROM nodes UNION ALL SELECT xmin::text FROM node_pools"
        " UNION ALL SELECT xmin::text FROM projects"
    )
    before = await written(engine, statement)
    life.see(NODE, "gpu-1")
    await places.write(life.now)
    assert await written(engine, statement) == before
