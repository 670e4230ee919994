"""Filters read plainly: what a term must find of a value, the values that are worth a try, and terms by chance."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from support.workload_builders import START

from rollcall.store.fields import AnyField, Field, FieldKind, PodField
from rollcall.store.filters import COMPARING, Operator, Span, Term, Value

TEXTS = (
    *("a", "A", "ab", "AB", "b", "train", "Train-1", "train-2", "a,b", ""),
    *("100%", "a_b", "axb", "\\", "a\\%b", "'", '"', "a b", "a\nb"),
    *("é", "É", "ß", "SS", "İ", "i\u0307", "\u212a", "k", "Ω"),
    *("\ud7ff", "\ue000", "x\U0010ffff", "\U0010ffff"),
)
"""Texts that a careless comparison confuses: case, wildcards, escapes, and both sides of the surrogates' gap."""
SECONDS = (0, 0, 1, 59, 60, 3600, 86399, 86400, 86400 * 31)


def holds(found: Any, operator: Operator, value: Any) -> bool:
    """A plain reading of the contract's section 0."""
    if isinstance(found, list):
        if operator in (Operator.UNEQUAL, Operator.LACKS):
            return all(holds(element, operator, value) for element in found)
        return any(holds(element, operator, value) for element in found)
    if found is None:
        return operator in (Operator.UNEQUAL, Operator.LACKS)
    if isinstance(value, Span):
        return {
            Operator.EQUAL: value.start <= found < value.end,
            Operator.UNEQUAL: not value.start <= found < value.end,
            Operator.AT_LEAST: found >= value.start,
            Operator.AT_MOST: found < value.end,
        }[operator]
    if isinstance(value, Decimal):
        return {
            Operator.EQUAL: found == value,
            Operator.UNEQUAL: found != value,
            Operator.AT_LEAST: found >= value,
            Operator.AT_MOST: found <= value,
        }[operator]
    # As bytes: UTF-8 keeps the order of code points, and lower() of bytes is of ASCII.
    there, wanted = found.encode(), value.encode()
    return {
        Operator.EQUAL: there == wanted,
        Operator.UNEQUAL: there != wanted,
        Operator.AT_LEAST: there >= wanted,
        Operator.AT_MOST: there <= wanted,
        Operator.CONTAINS: wanted.lower() in there.lower(),
        Operator.LACKS: wanted.lower() not in there.lower(),
        Operator.STARTS: there.lower().startswith(wanted.lower()),
        Operator.ENDS: there.lower().endswith(wanted.lower()),
    }[operator]


def spans(at: datetime) -> list[Span]:
    """The instant at every precision."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    precisions = [timedelta(microseconds=10**digits) for digits in range(7)]
    return [
        Span(start=day, end=day + timedelta(days=1)),
        Span(start=at.replace(second=0, microsecond=0), end=at.replace(second=0, microsecond=0) + timedelta(minutes=1)),
        *(Span(start=start, end=start + each) for each in precisions for start in [day + (at - day) // each * each]),
    ]


FAR = (Decimal(-(10**17)), Decimal(10**17), Decimal("0.5"), Decimal("-0.0000001"), Decimal("1.0000001"), Decimal("-0"))


def values_for(field: AnyField, found: Sequence[Any]) -> list[Value]:
    """Values that some rows have, and some that none has."""
    if field.kind is FieldKind.INSTANT:
        instants = [at for at in (START, START + timedelta(days=1), *found[:3]) if at is not None]
        return [span for at in instants for span in spans(at)]
    if field.kind is FieldKind.NUMBER:
        return [*FAR, *(Decimal(number) for number in found[:6] if number is not None)]
    texts = [text for text in found[:8] if text] + ["A", "%", "_", "no such", "Running", "ing", "\U0010ffff"]
    return [*texts, texts[0][:1], texts[0][-1:], texts[0].swapcase()]


def terms(fields: type[Field] | type[PodField]) -> st.SearchStrategy[Term]:
    """Any term of these fields."""
    texts = st.sampled_from(TEXTS).filter(bool) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: "\x00" not in text
    )
    numbers = st.sampled_from(FAR) | st.integers(-3, 200).map(Decimal) | st.decimals(-3, 3, places=7)
    instants = st.builds(
        lambda seconds, place: spans(START + timedelta(seconds=seconds))[place],
        st.sampled_from(SECONDS),
        st.integers(0, 8),
    )
    by_kind = {FieldKind.TEXT: texts, FieldKind.NUMBER: numbers, FieldKind.INSTANT: instants}

    def of(field: AnyField) -> st.SearchStrategy[Term]:
        operators = list(Operator) if field.kind is FieldKind.TEXT else COMPARING
        values: st.SearchStrategy[Value] = by_kind[field.kind]
        return st.builds(Term, field=st.just(field), operator=st.sampled_from(operators), value=values)

    return st.sampled_from(list(fields)).flatmap(of)
