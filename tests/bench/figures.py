"""What a benchmark hands back: figures with their units, and what they were measured with."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what it is of, which property of that, and its unit."""

    of: str
    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one benchmark came to."""

    benchmark: str
    title: str
    figures: tuple[Figure, ...]
    sizes: Mapping[str, object]
    notes: tuple[str, ...] = ()
    stands_on: Mapping[str, str] = field(default_factory=dict)
    """Programs beside our own, with their versions."""

    def value(self, of: str, name: str) -> float:
        """The value of one figure."""
        (found,) = [figure.value for figure in self.figures if (figure.of, figure.name) == (of, name)]
        return found


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; NaN of none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(of: str, values: Sequence[float], unit: str, *, scale: float = 1.0) -> tuple[Figure, ...]:
    """Median, p99 and the largest of some values."""
    return (
        Figure(of, "p50", quantile(values, 0.5) * scale, unit),
        Figure(of, "p99", quantile(values, 0.99) * scale, unit),
        Figure(of, "max", quantile(values, 1.0) * scale, unit),
        Figure(of, "samples", len(values), ""),
    )


def shown(value: float) -> str:
    """A number with about three digits that count."""
    if math.isnan(value):
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
