"""How PostgreSQL answers a statement: which tables and indexes it reads, and how many rows it touches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL answered a statement."""

    nodes: tuple[dict[str, Any], ...]
    of: str
    """What is in the names of the tables that are asked about."""

    @property
    def indexes(self) -> set[str]:
        """The indexes read."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def read_whole(self) -> set[str]:
        """The tables read without an index, empty ones left out: there it is the best way."""
        return {
            node["Relation Name"]
            for node in self.nodes
            if node["Node Type"] == "Seq Scan" and self.of in node["Relation Name"] and touched(node)
        }

    @property
    def touched(self) -> int:
        """The rows that were read at all, thrown away or not."""
        return sum(touched(node) for node in self.nodes if self.of in node.get("Relation Name", ""))

    @property
    def sorted_rows(self) -> int:
        """The most rows that any one sort was given."""
        sorts = (node for node in self.nodes if node["Node Type"] in ("Sort", "Incremental Sort"))
        return max(int(child["Actual Rows"] * child["Actual Loops"]) for node in sorts for child in node["Plans"])


def touched(node: dict[str, Any]) -> int:
    """The rows that one step read, thrown away or not."""
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan, itself first."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


async def plan_of(engine: AsyncEngine, statement: Select[Any], *, of: str = "workloads") -> Plan:
    """How PostgreSQL answers a statement; it is executed."""
    compiled = statement.compile(dialect=engine.dialect)
    async with engine.connect() as connection:
        asked = "EXPLAIN (ANALYZE, FORMAT JSON) " + compiled.string
        found = (await connection.exec_driver_sql(asked, compiled.params)).scalar_one()
    return Plan(nodes=tuple(nodes_of(found[0]["Plan"])), of=of)
