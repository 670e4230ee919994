"""What expressions work on: plain JSON, in jq's order and arithmetic, within bounds."""

import json
from collections.abc import Callable
from typing import Any

MOST_STEPS = 20_000
"""How many values one evaluation may make."""

_MOST_LENGTH = 10_000
_MOST_NUMBER = 2.0**63


class NothingError(Exception):
    """Where jq would fail; nothing comes out."""


class Budget:
    """What is left of the steps of one evaluation."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        """Take some steps.

        Raises:
            NothingError: there are none left; nor will there be.
        """
        self._left -= steps
        if self._left < 0:
            raise NothingError


def worded(value: Any) -> str:
    """A value as it is compared with a text: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def is_true(value: Any) -> bool:
    """Everything but null and false."""
    return value is not None and value is not False


def is_number(value: Any) -> bool:
    """Python takes True for 1; jq does not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def member(value: Any, name: Any) -> Any:
    """What stands under a key of an object or at a place of a list."""
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(name, str):
        return value.get(name)
    if isinstance(value, list) and is_number(name) and abs(name) < _MOST_NUMBER:
        at = int(name)
        return value[at] if -len(value) <= at < len(value) else None
    raise NothingError


def elements(value: Any, budget: Budget) -> list[Any]:
    """The elements of a list, the values of an object."""
    if not isinstance(value, dict | list):
        raise NothingError
    budget.spend(len(value))
    return list(value.values()) if isinstance(value, dict) else value


def order(value: Any) -> tuple[int, Any]:
    """Jq's order of values: null, false, true, numbers, texts, lists, objects."""
    if value is None or isinstance(value, bool):
        return (0 if value is None else 1 + value, 0)
    if is_number(value):
        return (3, value)
    if isinstance(value, str):
        return (4, value)
    return (5, json.dumps(value, sort_keys=True, default=str)[:_MOST_LENGTH])


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda first, second: first < second,
    "<=": lambda first, second: first <= second,
    ">": lambda first, second: first > second,
    ">=": lambda first, second: first >= second,
}


def binary(sign: str, first: Any, second: Any) -> Any:
    """A comparison or an arithmetic operation."""
    if sign in ("==", "!="):
        same = isinstance(first, bool) == isinstance(second, bool) and first == second
        return same is (sign == "==")
    if sign in _COMPARISONS:
        return bool(_COMPARISONS[sign](order(first), order(second)))
    if sign == "+":
        return added(first, second)
    if not (_counts(first) and _counts(second)):
        raise NothingError
    if sign == "-":
        return _in_bounds(first - second)
    if sign == "*":
        return _in_bounds(first * second)
    if second == 0:
        raise NothingError
    return _in_bounds(first / second)


def added(first: Any, second: Any) -> Any:
    """Numbers summed, texts and lists joined; null changes nothing."""
    if first is None or second is None:
        return second if first is None else first
    if _counts(first) and _counts(second):
        return _in_bounds(first + second)
    for sort in (str, list):
        if isinstance(first, sort) and isinstance(second, sort) and len(first) + len(second) <= _MOST_LENGTH:
            return [*first, *second] if sort is list else f"{first}{second}"
    raise NothingError


def _counts(value: Any) -> bool:
    return is_number(value) and -_MOST_NUMBER < value < _MOST_NUMBER


def _in_bounds(number: float) -> float:
    if not -_MOST_NUMBER < number < _MOST_NUMBER:
        raise NothingError
    return int(number) if isinstance(number, float) and number.is_integer() else number
