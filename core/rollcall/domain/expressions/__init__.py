"""A part of jq, total: the expressions that definitions of kinds are written in, over plain JSON.

Paths (``.spec.groups[].replicas``, ``.metadata.labels["a/b"]``, ``.x?``), literals, ``//``, comparisons, ``and``,
``or``, ``not``, sums and products, ``|``, ``,``, ``[…]``, ``{}``, ``if … then … else … end`` and some functions.
Neither variables, objects with fields, ``reduce``, regular expressions nor definitions of functions: an expression with
one of these is refused by `compiled` in a sentence. Evaluation never raises and is bounded: where jq would fail,
nothing comes out.
"""

from rollcall.domain.expressions.evaluation import Expression, compiled
from rollcall.domain.expressions.parser import ExpressionError
from rollcall.domain.expressions.values import worded

__all__ = ["Expression", "ExpressionError", "compiled", "worded"]
