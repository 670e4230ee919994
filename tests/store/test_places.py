"""What the operator writes of its cluster beside workloads: rows that follow, and change only when something did."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.places import a_node, a_pool, changed
from support.workload_builders import START, a_project

from rollcall.domain.facts import NodeFacts, NodeStatus
from rollcall.store import tables
from rollcall.store.memory import touch_cluster
from rollcall.store.places import write_node_pools, write_nodes, write_projects

pytestmark = pytest.mark.anyio


async def rows(engine: AsyncEngine, name: str, order: str = "name") -> list[dict[str, Any]]:
    """The rows of a table as they are, with the transaction that wrote each last."""
    table = tables.metadata.tables[name]
    statement = select(table, text(f"{name}.xmin::text AS written_by")).order_by(text(order))
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def write(engine: AsyncEngine, *nodes: NodeFacts, cluster: str = "c1", present: set[str] | None = None) -> None:
    async with engine.begin() as connection:
        uids = {node.meta.uid for node in nodes} if present is None else present
        await write_nodes(connection, cluster, nodes, present=uids)


async def test_a_node_is_written_whole(engine: AsyncEngine) -> None:
    await write(engine, a_node())
    (row,) = await rows(engine, "nodes")
    assert (row["status"], row["node_pool"], row["gpu_count"], row["gpu_micros"]) == ("Ready", "big", 8, 8_000_000)
    assert (row["cpu_millis"], row["memory_bytes"]) == (64_000, 512 * 2**30)
    assert row["gpu_memory_bytes"] == 8 * 81920 * 2**20
    assert row["created_at"] == START


async def test_only_a_change_is_written(engine: AsyncEngine) -> None:
    node = a_node()
    await write(engine, node)
    (before,) = await rows(engine, "nodes")
    # A heartbeat makes a new version that says the same.
    await write(engine, changed(node))
    assert await rows(engine, "nodes") == [before]
    await write(engine, changed(changed(node), status=NodeStatus.NOT_READY))
    (after,) = await rows(engine, "nodes")
    assert after["status"] == "NotReady"
    assert after["updated_at"] > before["updated_at"]


async def test_an_older_look_at_a_node_loses(engine: AsyncEngine) -> None:
    node = a_node()
    await write(engine, changed(node, status=NodeStatus.NOT_READY))
    await write(engine, node)
    assert [row["status"] for row in await rows(engine, "nodes")] == ["NotReady"]


async def test_what_is_not_present_goes_in_its_own_cluster_alone(engine: AsyncEngine) -> None:
    stays, goes = a_node("stays"), a_node("goes")
    await write(engine, stays, goes)
    await write(engine, stays, goes, cluster="c2")
    await write(engine, present={stays.meta.uid})
    found = [(row["cluster_id"], row["name"]) for row in await rows(engine, "nodes", "cluster_id, name")]
    assert found == [("c1", "stays"), ("c2", "goes"), ("c2", "stays")]
    await write(engine, present=set())
    assert {row["cluster_id"] for row in await rows(engine, "nodes")} == {"c2"}


async def test_node_pools_follow_and_keep_their_creation(engine: AsyncEngine) -> None:
    later = START + timedelta(days=1)
    for pools in ([a_pool(), a_pool("small")], [a_pool(created_at=later)], [a_pool(created_at=later)]):
        async with engine.begin() as connection:
            await write_node_pools(connection, "c1", pools)
            await write_node_pools(connection, "c2", [a_pool()])
    first = await rows(engine, "node_pools", "cluster_id")
    assert [(row["cluster_id"], row["name"], row["created_at"]) for row in first] == [
        ("c1", "big", START),
        ("c2", "big", START),
    ]
    assert first[0]["updated_at"] == first[1]["updated_at"], "neither has changed since both were made"
    async with engine.begin() as connection:
        await write_node_pools(connection, "c1", [a_pool(nodes=2)])
    (second,) = [row for row in await rows(engine, "node_pools") if row["cluster_id"] == "c1"]
    assert (second["nodes"], second["updated_at"] > first[0]["updated_at"]) == (2, True)


async def test_a_namespace_that_is_no_project_any_more_is_kept_as_gone(engine: AsyncEngine) -> None:
    a, b = a_project("ns-a", "a"), a_project("ns-b", "b")
    for projects in ([a, b], [a], [a]):
        async with engine.begin() as connection:
            await write_projects(connection, "c1", projects)
    kept, gone = await rows(engine, "projects", "namespace")
    assert kept["gone_at"] is None
    assert gone["gone_at"] == gone["updated_at"] > kept["updated_at"]
    async with engine.begin() as connection:
        await write_projects(connection, "c1", [a, b])
    again = await rows(engine, "projects", "namespace")
    assert again[0] == kept
    assert again[1]["gone_at"] is None


async def test_what_is_known_of_a_cluster_is_not_forgotten_by_who_does_not_know_it(engine: AsyncEngine) -> None:
    known = {"created_at": START, "kubernetes_version": "v1.35.0"}
    for more in (known, {}):
        async with engine.begin() as connection:
            await touch_cluster(connection, cluster_id="c1", name="c", watches_observed_at=START, **more)  # type: ignore[arg-type]
    (row,) = await rows(engine, "clusters")
    assert {key: row[key] for key in known} == known


async def test_the_release_before_writes_on_the_new_schema(engine: AsyncEngine) -> None:
    """It knows none of the new columns, replaces its pools every second, and leaves nodes alone."""
    statements = (
        "INSERT INTO clusters (cluster_id, name, observed_at) VALUES ('c1', 'c', now())",
        "DELETE FROM node_pools WHERE cluster_id = 'c1'",
        "INSERT INTO node_pools (cluster_id, name, nodes, gpu_micros) VALUES ('c1', 'big', 1, 8000000)",
        "INSERT INTO projects VALUES ('c1', 'ns-a', 'a', 'a', 'default')",
    )
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    assert (await rows(engine, "projects", "namespace"))[0]["gone_at"] is None
    async with engine.begin() as connection:
        await write_node_pools(connection, "c1", [a_pool()])
        await write_projects(connection, "c1", [a_project("ns-a", "a")])
    assert [(row["label"], row["created_at"]) for row in await rows(engine, "node_pools")] == [
        ("kai.scheduler/node-pool", START)
    ]
    assert [row["created_at"] for row in await rows(engine, "projects", "namespace")] == [START]
