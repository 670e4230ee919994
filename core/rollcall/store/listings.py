"""Lists of what there is little of, such as nodes and projects: one way to filter, sort, page and count them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, FromClause, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store.fields import PlaceField
from rollcall.store.filters import Term, comparison, holds_words
from rollcall.store.pages import freshness_column, with_freshness

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[Record]):
    """Rows, what of them can be asked for, and the record that each makes."""

    rows: FromClause
    record: type[Record]
    """A dataclass, whose fields are columns of the rows."""
    columns: Mapping[PlaceField, str]
    identity: tuple[str, ...]
    """The columns that decide between equals; never null."""
    searched: tuple[str, ...] = ()
    conditions: tuple[ColumnElement[bool], ...] = ()
    """What the rows must meet, whatever is asked."""
    clusters: frozenset[str] | None = None
    """Those whose watches are behind it; ``None`` is all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingQuery:
    """Which of a listing's rows, in which order."""

    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    offset: int = 0
    limit: int | None = 50
    """``None``: all of them."""
    sort: PlaceField | None = None
    """``None``: by what decides between equals."""
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPage(Generic[Record]):
    """A page, whether more follow, and the oldest watch behind the view."""

    records: tuple[Record, ...]
    has_more: bool
    observed_at: datetime | None


async def listing_page(
    connection: AsyncConnection, listing: Listing[Record], query: ListingQuery
) -> ListingPage[Record]:
    """One page, in one statement."""
    rows = (await connection.execute(listing_statement(listing, query))).mappings().all()
    names = [one.name for one in fields(listing.record)]  # type: ignore[arg-type]
    # The freshness comes as a row of its own, so that an empty page has it too.
    found = [row for row in rows if row[listing.identity[0]] is not None]
    return ListingPage(
        records=tuple(listing.record(**{name: row[name] for name in names}) for row in found[: query.limit]),
        has_more=query.limit is not None and len(found) > query.limit,
        observed_at=rows[0]["observed_at"] if rows else None,
    )


def listing_statement(listing: Listing[Any], query: ListingQuery) -> Select[Any]:
    """The statement behind a page; one row more than the limit tells whether more follow."""
    rows = listing.rows
    page = (
        select(*rows.c)
        .where(*_conditions(listing, query))
        .order_by(*_order(listing, query, rows))
        .offset(query.offset)
        .limit(None if query.limit is None else query.limit + 1)
        .subquery("page")
    )
    return with_freshness(page, listing.clusters).order_by(*_order(listing, query, page))


async def listing_count(
    connection: AsyncConnection, listing: Listing[Any], query: ListingQuery
) -> tuple[int, datetime | None]:
    """How many there are, exactly, and the view's freshness; one statement."""
    count = select(func.count()).select_from(listing.rows).where(*_conditions(listing, query)).scalar_subquery()
    row = (await connection.execute(select(count, freshness_column(listing.clusters)))).one()
    return int(row[0]), row[1]


def _conditions(listing: Listing[Any], query: ListingQuery) -> Sequence[ColumnElement[bool]]:
    rows = listing.rows
    terms = (comparison(rows.c[listing.columns[term.field]], term) for term in query.terms)  # type: ignore[index]
    words = holds_words(query.words, [rows.c[name] for name in listing.searched])
    return (*listing.conditions, *terms, words)


def _order(listing: Listing[Any], query: ListingQuery, rows: FromClause) -> list[ColumnElement[Any]]:
    """The sort key, nulls last in both directions, then what decides between equals, so that the order is total."""
    names = [*([] if query.sort is None else [listing.columns[query.sort]]), *listing.identity]
    ordered = [rows.c[name].desc() if query.descending else rows.c[name].asc() for name in dict.fromkeys(names)]
    return [key.nulls_last() for key in ordered]
