"""Filters and searches: the database finds the rows that a plain reading of the same rows finds."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support.plain_filters import SECONDS, TEXTS, holds, terms, values_for
from support.workload_builders import START, a_workload, uid_of

from rollcall.domain.records import Category, Phase, Resources, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store import tables
from rollcall.store.engine import create_engine
from rollcall.store.fields import Field, FieldKind
from rollcall.store.filters import COMPARING, Operator, Term, matches, term_condition
from rollcall.store.pages import PageQuery, Scope, Selection, workload_count, workload_page
from rollcall.store.records import Batch, DeletionSeen, Gone, StoredWorkload
from rollcall.store.writes import write_batch

pytestmark = pytest.mark.anyio

ROWS = 120
POOLS = ((), ("default",), ("big",), ("big", "small"), ("Big", "a,b"), ("100%",))
NUMBERS = (None, -(2**31), -1, 0, 1, 50, 100, 2**31 - 1)


def drawn(chance: random.Random, number: int, side: str) -> WorkloadRecord:
    """A workload with any of these in any field."""

    def text() -> str:
        return chance.choice(TEXTS)

    def at() -> datetime:
        return START + timedelta(
            seconds=chance.choice(SECONDS), microseconds=chance.choice((0, 0, 1, 500_000, 999_999))
        )

    return a_workload(
        text(),
        uid=uid_of(f"{side}{number}"),
        type=text(),
        category=chance.choice(tuple(Category)),
        namespace=chance.choice(("a", "b", "A")),
        project_id=text(),
        project_name=text(),
        department_id=text(),
        department_name=text(),
        submitted_by=chance.choice((None, text())),
        priority_class_name=text(),
        priority=chance.choice(NUMBERS),
        distributed_framework=chance.choice((None, text())),
        created_at=at(),
        completed_at=chance.choice((None, at())),
        phase=chance.choice(tuple(Phase)),
        current_node_pools=chance.choice(POOLS),
        images=chance.choice(((), ("Trainer:1",), ("trainer:1", "side%car"))),
        allocated=Resources(gpu_micros=chance.choice((0, 0, 1, 142_857, 500_000, 1_000_000, 2_000_000, 2**40))),
    )


@pytest.fixture(scope="module")
async def filled(shared_database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Live and deleted rows of two clusters, drawn by chance, but always the same."""
    chance = random.Random(20_260_101)  # noqa: S311 - no secret
    engine = create_engine(shared_database, application_name="test")
    async with engine.begin() as connection:
        for cluster_id in ("c1", "c2"):
            live = tuple(drawn(chance, number, f"{cluster_id} live") for number in range(ROWS // 2))
            dead = tuple(drawn(chance, number, f"{cluster_id} dead") for number in range(ROWS // 2))
            later = tuple(
                Gone(uid=record.uid, observed_version=99, at=record.created_at, seen=DeletionSeen.EXACT)
                for record in dead
            )
            await write_batch(connection, cluster_id, Batch(workloads=live + dead), observed_at=START)
            closing = Batch(gone_workloads=later)
            await write_batch(connection, cluster_id, closing, observed_at=START + timedelta(days=40))
    yield engine
    await engine.dispose()


def reading(field: Field) -> Callable[[StoredWorkload], Any]:
    """What a field is in the contract's object, in Python's types."""
    record_names = {
        Field.TYPE: "type",
        Field.NAME: "name",
        Field.PROJECT_ID: "project_id",
        Field.PROJECT_NAME: "project_name",
        Field.DEPARTMENT_ID: "department_id",
        Field.DEPARTMENT_NAME: "department_name",
        Field.CREATED_AT: "created_at",
        Field.SUBMITTED_BY: "submitted_by",
        Field.COMPLETED_AT: "completed_at",
        Field.DISTRIBUTED_FRAMEWORK: "distributed_framework",
        Field.PRIORITY: "priority",
        Field.PRIORITY_CLASS_NAME: "priority_class_name",
    }
    if field in record_names:
        return lambda row: getattr(row.record, record_names[field])
    others: dict[Field, Callable[[StoredWorkload], Any]] = {
        Field.CLUSTER_ID: lambda row: row.cluster_id,
        Field.DELETED_AT: lambda row: row.deleted_at,
        Field.PHASE: lambda row: row.record.phase.value,
        Field.NODE_POOL: lambda row: list(row.record.current_node_pools),
        Field.ALLOCATED_GPU: lambda row: Decimal(row.record.allocated.gpu_micros) / 1_000_000,
        Field.PHASE_UPDATED_AT: lambda row: row.phase_updated_at,
        Field.CATEGORY: lambda row: row.record.category.value,
        Field.TOTAL_PENDING_TIME_SECONDS: lambda row: row.pending_seconds,
        Field.TOTAL_RUNNING_TIME_SECONDS: lambda row: row.running_seconds,
    }
    return others.get(field, lambda _: None)


def searched(row: StoredWorkload) -> Sequence[str]:
    """What a search reads."""
    record = row.record
    return [
        *(record.name, record.type, record.namespace, record.project_name, record.department_name),
        *(record.submitted_by or "", record.phase.value, *record.current_node_pools, *record.images),
    ]


def is_found(row: StoredWorkload, words: Sequence[str]) -> bool:
    return all(any(word.encode().lower() in text.encode().lower() for text in searched(row)) for word in words)


async def all_of(connection: AsyncConnection, selection: Selection) -> list[StoredWorkload]:
    """Every row of a selection, by its pages."""
    query = PageQuery(
        deleted=selection.deleted, scope=selection.scope, terms=selection.terms, words=selection.words, limit=500
    )
    page = await workload_page(connection, query)
    assert not page.has_more
    return list(page.workloads)


@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
@pytest.mark.parametrize("field", list(Field))
async def test_every_operator_of_every_field_finds_what_a_plain_reading_finds(
    filled: AsyncEngine, field: Field, *, deleted: bool
) -> None:
    read = reading(field)
    operators = list(Operator) if field.kind is FieldKind.TEXT else COMPARING
    found_by: dict[Operator, set[int]] = {}
    # One transaction: what grows with time stands still in it.
    async with filled.begin() as connection:
        rows = await all_of(connection, Selection(deleted=deleted))
        assert len(rows) == ROWS
        there = [read(row) for row in rows]
        there = [value for each in there for value in (each if isinstance(each, list) else [each])]
        for operator in operators:
            for value in values_for(field, sorted({*there} - {None})):
                selection = Selection(deleted=deleted, terms=(Term(field=field, operator=operator, value=value),))
                table = selection.table
                seen = set((await connection.execute(select(table.c.uid).where(*selection.conditions))).scalars())
                wanted = {row.record.uid for row in rows if holds(read(row), operator, value)}
                assert seen == wanted, (operator, value)
                found_by.setdefault(operator, set()).add(len(wanted))
    if there and set(there) != {None}:
        assert all(found_by[operator] - {0} for operator in operators), "an operator that finds nothing proves little"
    else:
        assert found_by.pop(Operator.UNEQUAL) == {ROWS}
        assert found_by.pop(Operator.LACKS, {ROWS}) == {ROWS}
        assert set().union(*found_by.values()) == {0}


WORDS = st.sampled_from(["a", "TRAIN", "100%", "_", "\\", "big", "trainer:1", "running", "É", "é", "'", "no-such"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    terms=st.lists(terms(Field), max_size=3),
    words=st.lists(WORDS, max_size=2, unique=True),
    namespaces=st.none() | st.frozensets(st.sampled_from("abA"), max_size=2),
    deleted=st.booleans(),
)
async def test_terms_words_and_scope_narrow_page_and_count_alike(
    filled: AsyncEngine, terms: list[Term], words: list[str], namespaces: frozenset[str] | None, *, deleted: bool
) -> None:
    selection = Selection(deleted=deleted, scope=Scope(namespaces=namespaces), terms=tuple(terms), words=tuple(words))
    async with filled.begin() as connection:
        rows = await all_of(connection, Selection(deleted=deleted))
        seen = await all_of(connection, selection)
        count, _ = await workload_count(connection, selection)
    wanted = [
        row
        for row in rows
        if (namespaces is None or row.record.namespace in namespaces)
        and all(holds(reading(term.field)(row), term.operator, term.value) for term in terms)
        and is_found(row, words)
    ]
    assert seen == wanted
    assert count == len(wanted)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ("ab",),
        ("TRAIN",),
        ("100%",),
        ("%",),
        ("_",),
        ("\\",),
        ("a\\%b",),
        ("trainer:1", "big"),
        ("side%car",),
        ("unknown",),
        ("É",),
        ("'", "a"),
    ],
)
async def test_a_search_finds_each_word_somewhere(
    filled: AsyncEngine, words: tuple[str, ...], *, deleted: bool
) -> None:
    async with filled.begin() as connection:
        rows = await all_of(connection, Selection(deleted=deleted))
        seen = await all_of(connection, Selection(deleted=deleted, words=words))
    assert seen == [row for row in rows if is_found(row, words)]
    assert 0 < len(seen) < len(rows)


async def test_a_word_is_not_found_across_two_columns(filled: AsyncEngine) -> None:
    async with filled.begin() as connection:
        rows = await all_of(connection, Selection())
        across = {"".join(searched(row)[1:3]) for row in rows}
        words = next((word,) for word in sorted(across) if not any(is_found(row, (word,)) for row in rows))
        assert await all_of(connection, Selection(words=words)) == []


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("operator", Operator)
def test_the_phases_that_match_are_found_without_the_database(phase: Phase, operator: Operator) -> None:
    for value in ("Running", "running", "ing", "R", "Pending", "zzz"):
        assert matches(operator, phase.value, value) is holds(phase.value, operator, value)


@pytest.mark.parametrize(
    "term",
    [
        Term(field=Field.PRIORITY, operator=Operator.CONTAINS, value=Decimal(1)),
        Term(field=Field.IDLE_GPUS, operator=Operator.ENDS, value=Decimal(1)),
        Term(field=Field.PRIORITY, operator=Operator.EQUAL, value="1"),
        Term(field=Field.NAME, operator=Operator.EQUAL, value=Decimal(1)),
        Term(field=Field.CREATED_AT, operator=Operator.EQUAL, value="2026-01-01"),
    ],
)
def test_a_term_that_makes_no_sense_is_a_fault_of_the_callers(term: Term) -> None:
    with pytest.raises(TypeError):
        term_condition(term, tables.workloads)
