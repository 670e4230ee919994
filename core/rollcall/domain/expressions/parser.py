"""Expressions read into trees."""

import json
import re
from collections.abc import Iterator
from typing import Any

from rollcall.domain.expressions.functions import FUNCTIONS

_MOST_DEPTH = 40

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)
    | (?P<text>"(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")
    | (?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>//|==|!=|<=|>=|[.\[\](){}|,:?<>+\-*/;])
    )""",
    re.VERBOSE,
)

Node = tuple[Any, ...]
"""An operator and its operands."""


class ExpressionError(Exception):
    """An expression that is not understood; a sentence."""


class Parser:
    """Recursive descent, loosest first: ``|``, ``,``, ``//``, ``or``, ``and``, comparisons, sums, products, paths."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._at = 0
        self._depth = 0

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise self._fault(f"nothing is known of {text[at : at + 10]!r}")
            yield match.lastgroup, match[match.lastgroup]
            at = match.end()

    def _fault(self, why: str) -> ExpressionError:
        return ExpressionError(f"the expression {self._text[:80]!r} is not understood: {why}")

    def whole(self) -> Node:
        """The whole text as one expression.

        Raises:
            ExpressionError: it is no jq, or of the part of jq that is not read here.
        """
        node = self._pipe()
        if self._at < len(self._tokens):
            raise self._fault(f"{self._tokens[self._at][1]!r} is out of place")
        return node

    def _next(self, *signs: str) -> str | None:
        """Take the next token where it is one of these."""
        if self._at < len(self._tokens):
            sort, text = self._tokens[self._at]
            if sort in ("sign", "name") and text in signs:
                self._at += 1
                return text
        return None

    def _must(self, sign: str) -> None:
        if self._next(sign) is None:
            raise self._fault(f"{sign!r} is missing")

    def _pipe(self) -> Node:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._fault("it is nested too deeply")
        left = self._comma()
        if self._next("|"):
            left = ("pipe", left, self._pipe())
        self._depth -= 1
        return left

    def _comma(self) -> Node:
        left = self._otherwise()
        while self._next(","):
            left = ("comma", left, self._otherwise())
        return left

    def _otherwise(self) -> Node:
        parts = [self._either()]
        while self._next("//"):
            parts.append(self._either())
        node = parts.pop()
        while parts:
            node = ("otherwise", parts.pop(), node)
        return node

    def _either(self) -> Node:
        left = self._both()
        while self._next("or"):
            left = ("or", left, self._both())
        return left

    def _both(self) -> Node:
        left = self._compared()
        while self._next("and"):
            left = ("and", left, self._compared())
        return left

    def _compared(self) -> Node:
        left = self._sum()
        sign = self._next("==", "!=", "<=", ">=", "<", ">")
        return ("binary", sign, left, self._sum()) if sign else left

    def _sum(self) -> Node:
        left = self._product()
        while sign := self._next("+", "-"):
            left = ("binary", sign, left, self._product())
        return left

    def _product(self) -> Node:
        left = self._postfix()
        while sign := self._next("*", "/"):
            left = ("binary", sign, left, self._postfix())
        return left

    def _postfix(self) -> Node:
        node = self._primary()
        while self._at < len(self._tokens):
            sort, text = self._tokens[self._at]
            if sort == "field":
                self._at += 1
                node = ("key", node, ("literal", text[1:]))
            elif text == "[" and sort == "sign":
                self._at += 1
                node = self._bracket(node)
            elif text == "." and sort == "sign":
                self._at += 1
                node = self._after_dot(node)
            elif text == "?" and sort == "sign":
                self._at += 1
                node = ("try", node)
            else:
                break
        return node

    def _after_dot(self, node: Node) -> Node:
        if self._at < len(self._tokens):
            sort, text = self._tokens[self._at]
            if sort == "text":
                self._at += 1
                return ("key", node, ("literal", json.loads(text)))
            if self._next("["):
                return self._bracket(node)
        raise self._fault("a path ends with a dot")

    def _bracket(self, node: Node) -> Node:
        if self._next("]"):
            return ("each", node)
        inner = self._pipe()
        self._must("]")
        return ("key", node, inner)

    def _primary(self) -> Node:
        if self._at >= len(self._tokens):
            raise self._fault("it ends too early")
        sort, text = self._tokens[self._at]
        self._at += 1
        if sort == "number":
            return ("literal", float(text) if "." in text else int(text))
        if sort == "text":
            return ("literal", json.loads(text))
        if sort == "field":
            return ("key", ("self",), ("literal", text[1:]))
        if sort == "name":
            return self._named(text)
        return self._signed(text)

    def _signed(self, text: str) -> Node:
        if text == ".":
            at = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
            return self._after_dot(("self",)) if at[0] == "text" or at[1] == "[" else ("self",)
        if text == "(":
            node = self._pipe()
            self._must(")")
            return node
        if text == "[":
            if self._next("]"):
                return ("list", None)
            node = self._pipe()
            self._must("]")
            return ("list", node)
        if text == "{" and self._next("}"):
            return ("literal", {})
        if text == "-":
            return ("binary", "-", ("literal", 0), self._postfix())
        raise self._fault(f"{text!r} is out of place")

    def _named(self, name: str) -> Node:
        if name in _LITERALS:
            return ("literal", _LITERALS[name])
        if name == "if":
            return self._condition()
        arguments: list[Node] = []
        if self._next("("):
            arguments.append(self._pipe())
            while self._next(";"):
                arguments.append(self._pipe())
            self._must(")")
        if (name, len(arguments)) not in FUNCTIONS:
            raise self._fault(f"{name!r} is not read here")
        return ("call", FUNCTIONS[name, len(arguments)], *arguments)

    def _condition(self) -> Node:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._fault("it is nested too deeply")
        asked = self._pipe()
        self._must("then")
        then = self._pipe()
        if self._next("elif"):
            other = self._condition()
        else:
            other = self._pipe() if self._next("else") else ("self",)
            self._must("end")
        self._depth -= 1
        return ("if", asked, then, other)


_LITERALS: dict[str, Any] = {"null": None, "true": True, "false": False}
