"""Expressions evaluated, within bounds."""

import contextlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from rollcall.domain.expressions.parser import ExpressionError, Node, Parser
from rollcall.domain.expressions.values import Budget, NothingError, binary, elements, is_true, member

MOST_LETTERS = 2000
"""Longer expressions are refused."""


class Expression:
    """An expression that was understood."""

    __slots__ = ("_node", "text")

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._node = node

    def values(self, document: Any) -> tuple[Any, ...]:
        """What comes out, up to the first failure."""
        found: list[Any] = []
        with contextlib.suppress(NothingError, RecursionError):
            found.extend(_evaluate(self._node, document, Budget()))
        return tuple(found)

    def first(self, document: Any) -> Any:
        """The first value, ``None`` where nothing comes out."""
        return next(iter(self.values(document)), None)


@lru_cache(maxsize=4096)
def compiled(text: str) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: it is no jq, or of the part of jq that is not read here.
    """
    if len(text) > MOST_LETTERS:
        raise ExpressionError(f"an expression is longer than {MOST_LETTERS} characters")
    # Some definitions leave the first dot out of a path.
    read = f".{text}" if re.match(r"(spec|status|metadata)\b", text) else text
    try:
        return Expression(text, Parser(read).whole())
    except RecursionError:
        raise ExpressionError(f"the expression {text[:80]!r} is nested too deeply") from None


def _evaluate(node: Node, value: Any, budget: Budget) -> Iterator[Any]:  # noqa: C901, PLR0912 - one case an operator
    budget.spend()
    match node:
        case ("self",):
            yield value
        case ("literal", literal):
            yield literal
        case ("key", base, key):
            for found in _evaluate(base, value, budget):
                for name in _evaluate(key, value, budget):
                    yield member(found, name)
        case ("each", base):
            for found in _evaluate(base, value, budget):
                yield from elements(found, budget)
        case ("pipe", left, right):
            for found in _evaluate(left, value, budget):
                yield from _evaluate(right, found, budget)
        case ("comma", left, right):
            yield from _evaluate(left, value, budget)
            yield from _evaluate(right, value, budget)
        case ("list", inner):
            yield [] if inner is None else _collected(inner, value, budget)
        case ("try", inner):
            yield from _what_comes(inner, value, budget)
        case ("otherwise", left, right):
            there = [found for found in _what_comes(left, value, budget) if is_true(found)]
            yield from there or _evaluate(right, value, budget)
        case ("and", left, right):
            for found in _evaluate(left, value, budget):
                if is_true(found):
                    yield from (is_true(other) for other in _evaluate(right, value, budget))
                else:
                    yield False
        case ("or", left, right):
            for found in _evaluate(left, value, budget):
                if is_true(found):
                    yield True
                else:
                    yield from (is_true(other) for other in _evaluate(right, value, budget))
        case ("binary", sign, left, right):
            for second in _evaluate(right, value, budget):
                for first in _evaluate(left, value, budget):
                    budget.spend()
                    yield binary(sign, first, second)
        case ("if", asked, then, other):
            for found in _evaluate(asked, value, budget):
                yield from _evaluate(then if is_true(found) else other, value, budget)
        case ("call", function, *arguments):
            yield from function(value, [_bound(argument, budget) for argument in arguments], budget)
        case _:
            raise NothingError


def _what_comes(node: Node, value: Any, budget: Budget) -> Iterator[Any]:
    """What comes out until it fails; that is no failure here."""
    try:
        yield from _evaluate(node, value, budget)
    except NothingError:
        budget.spend(0)  # a budget that is spent stays spent


def _collected(node: Node, value: Any, budget: Budget) -> list[Any]:
    return list(_evaluate(node, value, budget))


def _bound(node: Node, budget: Budget) -> Callable[[Any], Iterator[Any]]:
    return lambda value: _evaluate(node, value, budget)
