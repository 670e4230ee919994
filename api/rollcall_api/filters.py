"""The contract's filters: from the text of ``filterBy`` and ``search`` to terms and words. No SQL here.

A term is a field's name, directly followed by an operator, directly followed by a value; there is no quoting. Terms
come in an array whose separator is a comma, so a fragment that is no term belongs to the value before it, comma and
all. A fragment that looks like a term and is none (an unknown field, nothing after the operator) is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rollcall.store.fields import AnyField, Field, FieldKind, PlaceField, PodField
from rollcall.store.filters import COMPARING, Operator, Span, Term, Value
from rollcall_api.query_strings import described, shown
from rollcall_api.refusals import RefusalError, bad_parameter

Fields = type[Field] | type[PodField] | type[PlaceField]
"""Whose fields are filtered by."""

MOST_TERMS = 50
MOST_WORDS = 20

_OPERATORS = "|".join(re.escape(operator) for operator in Operator)
_LIKE_A_TERM = re.compile(rf"([A-Za-z0-9_]+)({_OPERATORS})(.*)", re.ASCII | re.DOTALL)
_NUMBER = r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?"
_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR = r"(?:[01][0-9]|2[0-3])"
_TIME = rf"{_HOUR}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?"
_ZONE = rf"Z|[+-]{_HOUR}:?[0-5][0-9]"
_A_NUMBER = re.compile(_NUMBER, re.ASCII)
# Where a plus was not percent-encoded it has become a blank, and nothing else can stand there.
_AN_INSTANT = re.compile(rf"({_DATE})(?:[Tt ]({_TIME})([zZ]|[+\- ][0-9]{{2}}:?[0-9]{{2}})?)?", re.ASCII)
_FINEST_DIGITS = 6


def read_filters(items: Iterable[str], fields: Fields = Field) -> tuple[Term, ...]:
    """The terms of an array's items, each of one of the fields.

    Raises:
        RefusalError: 400, naming the term.
    """
    return tuple(_term(field, operator, text) for field, operator, text in _split(items, fields))


def read_search(values: Sequence[str]) -> tuple[str, ...]:
    """The words that are searched for; each but once, however often it is given.

    Raises:
        RefusalError: 400, there are too many.
    """
    words = tuple(dict.fromkeys(word for value in values for word in value.split()))
    if len(words) > MOST_WORDS:
        raise bad_parameter("search", f"has more than {MOST_WORDS} words")
    return words


def written(term: Term) -> str:
    """A term as text that reads as the same term."""
    match term.value:
        case Span(start=start, end=end):
            value = _written_instant(start, end - start)
        case Decimal():
            value = f"{term.value:f}"
        case _:
            value = term.value
    return f"{term.field}{term.operator}{value}"


def _split(items: Iterable[str], fields: Fields) -> list[tuple[AnyField, Operator, str]]:
    """Field, operator and the text of the value of each term, what a comma had cut put together again."""
    known: Mapping[str, AnyField] = {field.value: field for field in fields}
    found: list[tuple[AnyField, Operator, list[str]]] = []
    for item in items:
        like_a_term = _LIKE_A_TERM.fullmatch(item)
        if like_a_term is None:
            if not found:
                raise _refused(item, "it is not a field, one of " + " ".join(Operator) + ", and a value")
            found[-1][2].append(item)
            continue
        name, operator, value = like_a_term.groups()
        if name not in known:
            raise _refused(item, f"{shown(name)} is not a field to filter by")
        if not value:
            raise _refused(item, "it has no value")
        if len(found) == MOST_TERMS:
            raise bad_parameter("filterBy", f"has more than {MOST_TERMS} terms")
        found.append((known[name], Operator(operator), [value]))
    return [(field, operator, ",".join(pieces)) for field, operator, pieces in found]


def _term(field: AnyField, operator: Operator, text: str) -> Term:
    written_so = f"{field}{operator}{text}"
    if field.kind is FieldKind.TEXT:
        return Term(field=field, operator=operator, value=text)
    if operator not in COMPARING:
        what = "a number" if field.kind is FieldKind.NUMBER else "an instant"
        raise _refused(written_so, f"{field} is {what}, which has only {' '.join(COMPARING)}")
    value: Value | None
    if field.kind is FieldKind.NUMBER:
        value, wanted = _number(text), "a number such as 2 or 0.5"
    else:
        value, wanted = _span(text), "a date or an instant in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z"
    if value is None:
        raise _refused(written_so, f"its value is not {wanted}")
    return Term(field=field, operator=operator, value=value)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _A_NUMBER.fullmatch(text) else None


def _span(text: str) -> Span | None:
    """The instant with its precision; without a zone it is in UTC, and finer than a microsecond is cut off."""
    found = _AN_INSTANT.fullmatch(text)
    if found is None:
        return None
    date, time, zone = found.groups()
    written_out = date if time is None else f"{date}T{time[: len('hh:mm:ss.') + _FINEST_DIGITS]}"
    if zone is not None:
        written_out += zone.upper().replace(" ", "+")
    try:
        given = datetime.fromisoformat(written_out)
        start = (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
        return Span(start=start, end=start + _precision(time))
    except (ValueError, OverflowError):
        return None


def _precision(time: str | None) -> timedelta:
    if time is None:
        return timedelta(days=1)
    if time.count(":") == 1:
        return timedelta(minutes=1)
    digits = len(time.partition(".")[2])
    return timedelta(microseconds=10 ** (_FINEST_DIGITS - min(digits, _FINEST_DIGITS)))


def _written_instant(start: datetime, precision: timedelta) -> str:
    naive = start.replace(tzinfo=None)
    if precision == timedelta(days=1):
        return naive.date().isoformat()
    if precision == timedelta(minutes=1):
        return naive.isoformat(timespec="minutes") + "Z"
    digits = _FINEST_DIGITS + 1 - len(str(precision // timedelta(microseconds=1)))
    seconds, _, fraction = naive.isoformat(timespec="microseconds").partition(".")
    return seconds + (f".{fraction[:digits]}" if digits else "") + "Z"


def _refused(term: str, why: str) -> RefusalError:
    return bad_parameter("filterBy", f"has the term {shown(term)}: {why}")


def _pattern(fields: Fields) -> str:
    """What a term looks like, by kind of field."""
    comparing = "|".join(re.escape(operator) for operator in COMPARING)
    value = {
        FieldKind.TEXT: rf"(?:{_OPERATORS})[^,].*",
        FieldKind.NUMBER: rf"(?:{comparing}){_NUMBER}",
        FieldKind.INSTANT: rf"(?:{comparing}){_DATE}(?:T{_TIME}(?:{_ZONE})?)?",
    }
    named = {kind: [field.value for field in fields if field.kind is kind] for kind in FieldKind}
    kinds = (f"(?:{'|'.join(names)}){value[kind]}" for kind, names in named.items() if names)
    return f"^(?:{'|'.join(kinds)})$"


def filter_by(fields: Fields) -> dict[str, Any]:
    """What :func:`read_filters` reads, for the OpenAPI document."""
    return {
        **described(
            "filterBy",
            {"type": "array", "maxItems": MOST_TERMS, "items": {"type": "string", "pattern": _pattern(fields)}},
            "Terms that must all match: a field, an operator (`==` `!=` `<=` `>=`, and for text `=@` contains, `!@` "
            "does not contain, `=^` starts with, `=$` ends with, regardless of case) and a value. An instant is "
            "compared at the precision given. A missing value matches only `!=` and `!@`. A fragment that is no term "
            "belongs to the value before it, comma and all.",
        ),
        "style": "form",
        "explode": False,
    }


def search_for(places: str) -> dict[str, Any]:
    """What :func:`read_search` reads, for the OpenAPI document."""
    return described(
        "search", {"type": "string"}, f"Words (at most {MOST_WORDS}), each found in {places}, regardless of case."
    )
