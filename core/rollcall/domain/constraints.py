"""Where the spec of a pod lets it run: the taints it tolerates and the labels of nodes that it asks for.

They are only told, never decided by. What no contract can say (fields of nodes, operators that do not exist) is left
out, and so is a term of which nothing is left: an empty one would mean another thing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rollcall.domain.fields import elements_at, mapping_at

MOST_TERMS = 50
"""How many tolerations, terms and expressions of a term are kept; a scheduler is rarely given five."""

MOST_VALUES = 200
"""How many values of an expression are kept: it may name as many hosts."""

_OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"})
_MOST_SECONDS = 2**63 - 1
_Clean = Callable[[Any], str | None]
_Said = tuple[str | None, str | None, str | None, str | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """One element of ``spec.tolerations``; ``None`` where it says nothing."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    seconds: int | None = None
    """For how long a ``NoExecute`` taint is tolerated; ``None`` is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeExpression:
    """What a label of the node must be."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTerm:
    """Expressions that must all hold; ``weight`` is ``None`` where the term is required."""

    expressions: tuple[NodeExpression, ...]
    weight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """All that a pod's spec says of its node. Of the required terms one has to hold."""

    tolerations: tuple[Toleration, ...] = ()
    required: tuple[NodeTerm, ...] = ()
    preferred: tuple[NodeTerm, ...] = ()


UNCONSTRAINED = Constraints()


def constraints_of(spec: Mapping[str, Any], clean: _Clean) -> Constraints:
    """What a PodSpec says of its node; ``clean`` makes text of it fit to be kept."""
    tolerated = _tolerating(
        tuple(
            (
                clean(one.get("key")),
                clean(one.get("operator")),
                clean(one.get("value")),
                clean(one.get("effect")),
                _whole(one.get("tolerationSeconds")),
            )
            for one in elements_at(spec, "tolerations")[:MOST_TERMS]
        )
    )
    if "affinity" not in spec:
        return tolerated
    affinity = mapping_at(spec, "affinity.nodeAffinity")
    required = elements_at(affinity, "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms")
    preferred = elements_at(affinity, "preferredDuringSchedulingIgnoredDuringExecution")
    return Constraints(
        tolerations=tolerated.tolerations,
        required=_terms([(term, None) for term in required], clean),
        preferred=_terms(
            [(mapping_at(term, "preference"), _whole(term.get("weight")) or 0) for term in preferred], clean
        ),
    )


@lru_cache(maxsize=4096)
def _tolerating(said: tuple[_Said, ...]) -> Constraints:
    """Almost every pod of a cluster tolerates the same few taints: they share what is kept of them."""
    return Constraints(
        tolerations=tuple(
            Toleration(key=key, operator=operator, value=value, effect=effect, seconds=seconds)
            for key, operator, value, effect, seconds in said
        )
    )


def _terms(found: list[tuple[Mapping[str, Any], int | None]], clean: _Clean) -> tuple[NodeTerm, ...]:
    terms = (
        NodeTerm(
            expressions=tuple(
                NodeExpression(key=key, operator=one["operator"], values=_values(one.get("values"), clean))
                for one in elements_at(term, "matchExpressions")[:MOST_TERMS]
                if (key := clean(one.get("key"))) and _is_operator(one.get("operator"))
            ),
            weight=weight,
        )
        for term, weight in found[:MOST_TERMS]
    )
    return tuple(term for term in terms if term.expressions)


def _values(values: Any, clean: _Clean) -> tuple[str, ...]:
    if not isinstance(values, list | tuple):
        return ()
    return tuple(text for value in values[:MOST_VALUES] if (text := clean(value)) is not None)


def _is_operator(word: Any) -> bool:
    return isinstance(word, str) and word in _OPERATORS


def _whole(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_SECONDS
    return value if fits else None
