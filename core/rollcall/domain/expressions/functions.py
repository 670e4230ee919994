"""The functions of jq that are read here."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rollcall.domain.expressions.values import (
    Budget,
    NothingError,
    added,
    elements,
    is_number,
    is_true,
    member,
    order,
    worded,
)

Arguments = Sequence[Callable[[Any], Iterator[Any]]]
"""Each an expression: an input to what comes out."""

Function = Callable[[Any, Arguments, Budget], Iterator[Any]]
"""(input, arguments, budget) to what comes out."""


def _itself(value: Any) -> Iterator[Any]:
    yield value


def _length(value: Any, _arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    if isinstance(value, bool):
        raise NothingError
    if value is None:
        yield 0
    else:
        yield abs(value) if is_number(value) else len(value)


def _select(value: Any, arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    for found in arguments[0](value):
        if is_true(found):
            yield value


def _map(value: Any, arguments: Arguments, budget: Budget) -> Iterator[Any]:
    yield [found for element in elements(value, budget) for found in arguments[0](element)]


def _any(value: Any, arguments: Arguments, budget: Budget) -> Iterator[Any]:
    test = arguments[0] if arguments else _itself
    yield any(is_true(it) for element in elements(value, budget) for it in test(element))


def _all(value: Any, arguments: Arguments, budget: Budget) -> Iterator[Any]:
    test = arguments[0] if arguments else _itself
    yield all(is_true(it) for element in elements(value, budget) for it in test(element))


def _any_of(value: Any, arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    yield any(is_true(it) for element in arguments[0](value) for it in arguments[1](element))


def _all_of(value: Any, arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    yield all(is_true(it) for element in arguments[0](value) for it in arguments[1](element))


def _in_case(change: Callable[[str], str]) -> Function:
    def function(value: Any, _arguments: Arguments, _budget: Budget) -> Iterator[Any]:
        if not isinstance(value, str):
            raise NothingError
        yield change(value)

    return function


def _keys(value: Any, _arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    if isinstance(value, dict):
        yield sorted(key for key in value if isinstance(key, str))
    elif isinstance(value, list):
        yield list(range(len(value)))
    else:
        raise NothingError


def _to_entries(value: Any, _arguments: Arguments, budget: Budget) -> Iterator[Any]:
    if not isinstance(value, dict):
        raise NothingError
    budget.spend(len(value))
    yield [{"key": key, "value": inner} for key, inner in value.items()]


def _add(value: Any, _arguments: Arguments, budget: Budget) -> Iterator[Any]:
    total: Any = None
    for element in elements(value, budget):
        total = added(total, element)
    yield total


def _least(value: Any, _arguments: Arguments, budget: Budget) -> Iterator[Any]:
    yield min(elements(value, budget), key=order, default=None)


def _greatest(value: Any, _arguments: Arguments, budget: Budget) -> Iterator[Any]:
    yield max(elements(value, budget), key=order, default=None)


def _first(value: Any, arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    if not arguments:
        yield member(value, 0)
        return
    for found in arguments[0](value):
        yield found
        return


def _has(value: Any, arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    for key in arguments[0](value):
        if isinstance(value, dict) and isinstance(key, str):
            yield key in value
        elif isinstance(value, list) and is_number(key):
            yield 0 <= key < len(value)
        else:
            raise NothingError


def _with_affix(test: Callable[[str, str], bool]) -> Function:
    def function(value: Any, arguments: Arguments, _budget: Budget) -> Iterator[Any]:
        for affix in arguments[0](value):
            if not (isinstance(value, str) and isinstance(affix, str)):
                raise NothingError
            yield test(value, affix)

    return function


def _to_number(value: Any, _arguments: Arguments, _budget: Budget) -> Iterator[Any]:
    if is_number(value):
        yield value
    elif isinstance(value, str) and re.fullmatch(r"-?\d{1,18}(\.\d{1,9})?", value):
        yield float(value) if "." in value else int(value)
    else:
        raise NothingError


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)

FUNCTIONS: dict[tuple[str, int], Function] = {
    ("not", 0): lambda value, _arguments, _budget: iter((not is_true(value),)),
    ("empty", 0): lambda _value, _arguments, _budget: iter(()),
    ("length", 0): _length,
    ("keys", 0): _keys,
    ("to_entries", 0): _to_entries,
    ("add", 0): _add,
    ("min", 0): _least,
    ("max", 0): _greatest,
    ("first", 0): _first,
    ("first", 1): _first,
    ("last", 0): lambda value, _arguments, _budget: iter((member(value, -1),)),
    ("any", 0): _any,
    ("any", 1): _any,
    ("any", 2): _any_of,
    ("all", 2): _all_of,
    ("ascii_downcase", 0): _in_case(str.lower),
    ("ascii_upcase", 0): _in_case(str.upper),
    ("all", 0): _all,
    ("all", 1): _all,
    ("select", 1): _select,
    ("map", 1): _map,
    ("has", 1): _has,
    ("startswith", 1): _with_affix(str.startswith),
    ("endswith", 1): _with_affix(str.endswith),
    ("tostring", 0): lambda value, _arguments, _budget: iter((worded(value),)),
    ("tonumber", 0): _to_number,
    ("type", 0): lambda value, _arguments, _budget: iter(
        (next((name for sort, name in _TYPES if isinstance(value, sort)), "null"),)
    ),
}
"""By name and number of arguments."""
