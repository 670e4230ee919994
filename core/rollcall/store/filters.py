"""Filters as conditions on a table's typed columns. Every value is a parameter of the statement, none is its text.

A null never matches a positive operator; it does match ``!=`` and ``!@``. Of a list-valued field any element may
match; for ``!=`` and ``!@`` none may. What is compared regardless of case is so for the letters of ASCII, as text
compares by code point everywhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    SmallInteger,
    Table,
    Text,
    all_,
    and_,
    any_,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)

from rollcall.store.fields import AnyField, Field, FieldKind, PlaceField, field_value
from rollcall.store.rows import PHASE_ORDER

_WORD = Text(collation="C")
_INSTANT = DateTime(timezone=True)
_MICROS = 1_000_000
_MOST_INT64 = 2**63 - 1
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_LOWERED = str.maketrans(_UPPER, _LOWER)
_LAST_CHARACTER = "\U0010ffff"


class Operator(StrEnum):
    """How a field is compared with a value: the contract's operators."""

    EQUAL = "=="
    UNEQUAL = "!="
    AT_MOST = "<="
    AT_LEAST = ">="
    CONTAINS = "=@"
    LACKS = "!@"
    STARTS = "=^"
    ENDS = "=$"


COMPARING = (Operator.EQUAL, Operator.UNEQUAL, Operator.AT_MOST, Operator.AT_LEAST)
"""The operators of numbers and instants; text has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An instant at the precision given: from its first moment to before the first one after it."""

    start: datetime
    end: datetime


Value = str | Decimal | Span
"""By the field's kind: text, a number, an instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One condition on one field."""

    field: AnyField
    operator: Operator
    value: Value


def term_condition(term: Term, table: Table) -> ColumnElement[bool]:
    """The rows of the table that a term matches.

    Raises:
        TypeError: the term's operator or value is none of its field's.
    """
    if isinstance(term.field, PlaceField):
        raise TypeError(f"{term.field} is no field of workloads or pods")
    column = field_value(term.field, table)
    if term.field.kind is not FieldKind.TEXT and term.operator not in COMPARING:
        raise TypeError(f"{term.field} is not compared by {term.operator}")
    if column is None:
        return true() if term.operator in _NEGATIVE else false()
    match term.field.kind, term.value:
        case FieldKind.NUMBER, Decimal() if term.field is Field.ALLOCATED_GPU:
            return _number(column, term.operator, term.value * _MICROS)
        case FieldKind.TEXT, str() if term.field is Field.PHASE:
            return _phase(column, term.operator, term.value)
        case FieldKind.TEXT, str() if term.field is Field.NODE_POOL:
            return _any_element(column, term.operator, term.value)
        case _:
            return comparison(column, term)


def comparison(column: ColumnElement[Any], term: Term) -> ColumnElement[bool]:
    """A column that holds the term's field as it is, against the term's value.

    Raises:
        TypeError: the value is none of the field's.
    """
    match term.field.kind, term.value:
        case FieldKind.NUMBER, Decimal():
            return _number(column, term.operator, term.value)
        case FieldKind.INSTANT, Span():
            return _instant(column, term.operator, term.value)
        case FieldKind.TEXT, str():
            return _text(column, term.operator, term.value)
        case _:
            raise TypeError(f"{term.value!r} is no value of {term.field}")


def search_condition(words: Sequence[str], table: Table) -> ColumnElement[bool]:
    """The rows that hold each word in one of the columns that a search reads, regardless of case."""
    searched = [table.c[name] for name in _SEARCHED[table.name.removeprefix("deleted_")]]
    is_list = [isinstance(column.type, ARRAY) for column in searched]
    texts = [
        func.array_to_string(one, _SEPARATOR) if many else one for one, many in zip(searched, is_list, strict=True)
    ]
    return holds_words(words, texts)


def holds_words(words: Sequence[str], texts: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Whether each word is in one of the texts, regardless of case."""
    if not words:
        return true()
    # One text of them all, so that it is put together once a row and not once a word. No word holds the separator.
    haystack = func.lower(func.concat_ws(_SEPARATOR, *texts).collate("C"))
    patterns = [f"%{_escaped(_lowered(word))}%" for word in words]
    return haystack.op("LIKE", is_comparison=True)(all_(literal(patterns, ARRAY(Text))))


_SEPARATOR = "\n"
_SEARCHED = {
    "workloads": (
        *("name", "type", "namespace", "project_name", "department_name", "submitted_by", "phase"),
        *("node_pools", "images"),
    ),
    "pods": ("name", "namespace", "role", "node_name", "node_pool", "k8s_phase"),
}
_NEGATIVE = (Operator.UNEQUAL, Operator.LACKS)


def _number(column: ColumnElement[Any], operator: Operator, value: Decimal) -> ColumnElement[bool]:
    """Whole numbers against any number: rounded here, so that an index on the column can still be read."""
    low, high = int(value.to_integral_value(ROUND_FLOOR)), int(value.to_integral_value(ROUND_CEILING))
    match operator:
        case Operator.AT_LEAST:
            return false() if high > _MOST_INT64 else column >= _int64(high)
        case Operator.AT_MOST:
            return false() if low < -_MOST_INT64 else column <= _int64(low)
        case _:
            same = low == high and abs(low) <= _MOST_INT64
            if operator is Operator.EQUAL:
                return column == _int64(low) if same else false()
            return column.is_distinct_from(_int64(low)) if same else true()


def _int64(number: int) -> ColumnElement[int]:
    return literal(max(-_MOST_INT64, min(number, _MOST_INT64)), BigInteger)


def _instant(column: ColumnElement[Any], operator: Operator, value: Span) -> ColumnElement[bool]:
    start, end = literal(value.start, _INSTANT), literal(value.end, _INSTANT)
    match operator:
        case Operator.AT_LEAST:
            return column >= start
        case Operator.AT_MOST:
            return column < end
        case Operator.EQUAL:
            return and_(column >= start, column < end)
        case _:
            return or_(column.is_(null()), column < start, column >= end)


def _phase(column: ColumnElement[Any], operator: Operator, value: str) -> ColumnElement[bool]:
    """The phases are few and known: which of them match is found here, and an index by phase will do."""
    places = [place for phase, place in PHASE_ORDER.items() if matches(operator, phase.value, value)]
    if not places:
        return false()
    if len(places) == 1:
        # An equality, and not a list of one: only then does an index by phase yield the rows in order.
        return column == literal(places[0], SmallInteger)
    return column == any_(literal(places, ARRAY(SmallInteger)))


def matches(operator: Operator, text: str, value: str) -> bool:
    """Whether a text matches, as the database would say."""
    match operator:
        case Operator.EQUAL:
            return text == value
        case Operator.UNEQUAL:
            return text != value
        case Operator.AT_MOST:
            return text <= value
        case Operator.AT_LEAST:
            return text >= value
        case Operator.CONTAINS:
            return _lowered(value) in _lowered(text)
        case Operator.LACKS:
            return _lowered(value) not in _lowered(text)
        case Operator.STARTS:
            return _lowered(text).startswith(_lowered(value))
        case Operator.ENDS:
            return _lowered(text).endswith(_lowered(value))


def _text(column: ColumnElement[Any], operator: Operator, value: str) -> ColumnElement[bool]:
    match operator:
        case Operator.UNEQUAL:
            return column.is_distinct_from(literal(value, _WORD))
        case Operator.LACKS:
            return func.coalesce(not_(_TESTS[Operator.CONTAINS](column, value)), true())
        case _:
            return _TESTS[operator](column, value)


def _any_element(column: ColumnElement[Any], operator: Operator, value: str) -> ColumnElement[bool]:
    match operator:
        case Operator.EQUAL:
            return literal(value, _WORD) == any_(column)
        case Operator.UNEQUAL:
            return not_(literal(value, _WORD) == any_(column))
        case Operator.LACKS:
            return not_(_any_element(column, Operator.CONTAINS, value))
        case _:
            elements = func.unnest(column).table_valued(Column("element", _WORD), name="elements").render_derived()
            return select(elements.c.element).where(_TESTS[operator](elements.c.element, value)).exists()


def _starts(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """From the prefix to before the next one: a range, which an index holds whatever the plan knows of the value."""
    text, prefix = func.lower(column), _lowered(value)
    after = _next_prefix(prefix)
    from_it = text >= literal(prefix, _WORD)
    return from_it if after is None else and_(from_it, text < literal(after, _WORD))


def _next_prefix(prefix: str) -> str | None:
    """The least text by code point that is greater than all that start so; none for the last characters there are."""
    kept = prefix.rstrip(_LAST_CHARACTER)
    if not kept:
        return None
    code = ord(kept[-1]) + 1
    # Surrogates are no characters.
    return kept[:-1] + chr(0xE000 if code == 0xD800 else code)  # noqa: PLR2004


def _ends(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    return func.right(func.lower(column), len(value)) == literal(_lowered(value), _WORD)


_TESTS: dict[Operator, Callable[[ColumnElement[Any], str], ColumnElement[bool]]] = {
    Operator.EQUAL: lambda column, value: column == literal(value, _WORD),
    Operator.AT_MOST: lambda column, value: column <= literal(value, _WORD),
    Operator.AT_LEAST: lambda column, value: column >= literal(value, _WORD),
    Operator.CONTAINS: lambda column, value: func.strpos(func.lower(column), literal(_lowered(value), _WORD)) > 0,
    Operator.STARTS: _starts,
    Operator.ENDS: _ends,
}


def _lowered(text: str) -> str:
    """What ``lower`` makes of text that compares by code point."""
    return text.translate(_LOWERED)


def _escaped(text: str) -> str:
    """Text in a LIKE pattern that stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
