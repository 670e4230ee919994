"""The catalogue of kinds, their categories and priorities as listings: no table's rows, but asked in the same way."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Text, column, select, values
from sqlalchemy.sql.selectable import Subquery

from rollcall.store.fields import PlaceField
from rollcall.store.listings import Listing

_WORD = Text(collation="C")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKind:
    """A kind that can be a workload."""

    id: str
    name: str
    group_name: str
    category: str
    category_id: str
    priority: str
    priority_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCategory:
    """What workloads are for."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPriority:
    """A PriorityClass that is known by name."""

    id: str
    name: str
    value: int


class KindField(PlaceField):
    """The contract's names."""

    NAME = "name"
    GROUP = "group"


class PriorityField(PlaceField):
    """The contract's names, as far as a priority has them."""

    NAME = "name"
    VALUE = "value"


def kinds(records: Iterable[ListedKind]) -> Listing[ListedKind]:
    """These kinds, by name."""
    return Listing(
        rows=_rows("kinds", ListedKind, list(records)),
        record=ListedKind,
        columns={KindField.NAME: "name", KindField.GROUP: "group_name"},
        identity=("name", "group_name"),
    )


def categories(records: Iterable[ListedCategory]) -> Listing[ListedCategory]:
    """These categories, by name."""
    rows = _rows("categories", ListedCategory, list(records))
    return Listing(rows=rows, record=ListedCategory, columns={}, identity=("name",))


def priorities(records: Iterable[ListedPriority]) -> Listing[ListedPriority]:
    """These priorities, by name."""
    return Listing(
        rows=_rows("priorities", ListedPriority, list(records)),
        record=ListedPriority,
        columns={PriorityField.NAME: "name", PriorityField.VALUE: "value"},
        identity=("name",),
    )


Record = TypeVar("Record", ListedKind, ListedCategory, ListedPriority)


def _rows(name: str, record: type[Record], records: Sequence[Record]) -> Subquery:
    types: list[Any] = [BigInteger() if one.type is int else _WORD for one in fields(record)]
    columns = [column(one.name, kind) for one, kind in zip(fields(record), types, strict=True)]
    rows = values(*columns, name=name).data([astuple(one) for one in records])
    # Only a table's column has its collation by itself.
    ordered = [
        rows.c[one.name] if kind is not _WORD else rows.c[one.name].collate("C").label(one.name)
        for one, kind in zip(fields(record), types, strict=True)
    ]
    return select(*ordered).subquery(f"listed_{name}")
