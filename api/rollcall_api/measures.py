"""What each measured type is: the query of the settings that tells it, and how the series of pods become the answer's.

Pure: what Prometheus answered goes in, series come out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any

from rollcall.store.intervals import PodInterval
from rollcall_api.metric_queries import PodMetricType

Series = list[tuple[datetime, Decimal]]
"""Values in ascending order; an instant at which nothing was measured is left out."""

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}

_GPU = 1_000_000
_MILLISECOND = timedelta(milliseconds=1)

_ByPod = dict[str, dict[int, Decimal]]
"""The values of each pod by their places in the grid."""


class Fold(Enum):
    """How the values of several pods at one instant become one."""

    SUM = "sum"
    MEAN = "mean"
    MEAN_BY_GPUS = "mean, each pod by the GPUs that it holds"


class Shape(Enum):
    """What an answer holds of a type."""

    ONE = "one series"
    PER_GPU = "one for each GPU"
    BUCKETS = "a histogram"
    PERCENTILES = "percentiles of a histogram"


_LABEL = {Shape.PER_GPU: "gpu", Shape.BUCKETS: "le", Shape.PERCENTILES: "le"}
"""What tells the series of one pod apart, where it has several."""

MOST_SERIES = {Shape.ONE: 1, Shape.PER_GPU: 16, Shape.BUCKETS: 16, Shape.PERCENTILES: 16}
"""How many series a pod is reckoned to have: GPUs of a node, buckets of a histogram."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One type: the field of the settings that holds its query, and how it is read."""

    query: str
    fold: Fold = Fold.SUM
    shape: Shape = Shape.ONE


def _measure(kind: PodMetricType) -> Measure:
    query = f"{kind.value.lower()}_query"
    if kind.value.endswith("_PER_GPU"):
        return Measure(query, shape=Shape.PER_GPU)
    if kind.value.endswith("_PERCENTILES"):
        return Measure(query, shape=Shape.PERCENTILES)
    return Measure(query)


MEASURES: Mapping[str, Measure] = {
    **{kind: _measure(kind) for kind in PodMetricType},
    PodMetricType.GPU_UTILIZATION: Measure("gpu_utilization_query", Fold.MEAN_BY_GPUS),
    PodMetricType.GPU_MEMORY_USAGE_BYTES: Measure("gpu_memory_query"),
    PodMetricType.CPU_USAGE_CORES: Measure("cpu_query"),
    PodMetricType.CPU_MEMORY_USAGE_BYTES: Measure("memory_query"),
    PodMetricType.NIM_GPU_CACHE_USAGE_PERC: Measure("nim_gpu_cache_usage_perc_query", Fold.MEAN),
    PodMetricType.NIM_TIME_TO_FIRST_TOKEN_SECONDS: Measure(
        "nim_time_to_first_token_seconds_query", shape=Shape.BUCKETS
    ),
    PodMetricType.NIM_E2E_REQUEST_LATENCY_SECONDS: Measure(
        "nim_e2e_request_latency_seconds_query", shape=Shape.BUCKETS
    ),
}
"""Every measured type by its name: what is measured of a workload has the name that it has of a pod."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants that are asked about, evenly apart: from the first at which any pod was there to the last."""

    instants: Sequence[datetime]

    @property
    def step(self) -> timedelta:
        """The time between two of them, in whole milliseconds, as Prometheus counts."""
        apart = (self.instants[-1] - self.instants[0]) / max(len(self.instants) - 1, 1)
        return max(round(apart / _MILLISECOND), 1) * _MILLISECOND

    def place(self, seconds: float) -> int:
        """Which of the instants one of Prometheus's is, however its milliseconds were rounded."""
        return round((seconds - self.instants[0].timestamp()) / self.step.total_seconds())


def read_series(
    measure: Measure, answer: Sequence[Mapping[str, Any]], pods: Sequence[PodInterval], grid: Grid
) -> dict[str, Series]:
    """The type's series by what tells them apart: nothing, a GPU's index, a bucket's upper bound or a percentile.

    Raises:
        KeyError, TypeError, ValueError: the answer holds something else than the series of a :class:`Measure`.
    """
    found: defaultdict[str, _ByPod] = defaultdict(lambda: defaultdict(dict))
    for series in answer:
        values = found[_key(measure.shape, series["metric"])][series["metric"]["pod"]]
        for seconds, text in series["values"]:
            place = grid.place(seconds)
            # What is no number is none.
            if isfinite(float(text)) and 0 <= place < len(grid.instants):
                # As a float would be written, so that no text can be long.
                values[place] = Decimal(repr(float(text)))
    folded = {key: dict(_folded(measure.fold, found[key], pods, grid)) for key in sorted(found, key=_order)}
    if measure.shape is Shape.PERCENTILES:
        folded = _percentiles(folded)
    return {
        key: [(grid.instants[place], Decimal(repr(float(value)))) for place, value in sorted(values.items())]
        for key, values in folded.items()
        if values
    }


def _key(shape: Shape, labels: Mapping[str, str]) -> str:
    if shape is Shape.ONE:
        return ""
    text = labels[_LABEL[shape]]
    if shape is Shape.PER_GPU:
        return text
    # Servers write 1, 1.0 or 1e+00.
    bound = float(text)
    return f"{bound:.15g}" if isfinite(bound) else "+Inf"


def _order(key: str) -> tuple[float, str]:
    """Numbers as numbers, what is none after them."""
    try:
        return float(key or 0), key
    except ValueError:
        return float("inf"), key


def _folded(fold: Fold, by_pod: _ByPod, pods: Sequence[PodInterval], grid: Grid) -> Iterator[tuple[int, Decimal]]:
    """One value an instant over the pods that are there.

    A name may have been others' before and after: only while a pod of the workload bears it, it is the workload's.
    """
    totals: defaultdict[int, Decimal] = defaultdict(Decimal)
    weights: defaultdict[int, int] = defaultdict(int)
    for pod in pods:
        weight = (pod.held_gpu_micros or _GPU) if fold is Fold.MEAN_BY_GPUS else 1
        for place, value in by_pod.get(pod.name, {}).items():
            if _is_there(pod, grid.instants[place]):
                totals[place] += value * weight
                weights[place] += weight
    for place, total in totals.items():
        yield place, total if fold is Fold.SUM else total / weights[place]


def _is_there(pod: PodInterval, instant: datetime) -> bool:
    return pod.created_at <= instant and (pod.counts_until is None or instant < pod.counts_until)


def _percentiles(buckets: Mapping[str, Mapping[int, Decimal]]) -> dict[str, dict[int, Decimal]]:
    """The percentiles at each instant; none where nothing was counted."""
    at: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for bound, counts in buckets.items():
        for place, count in counts.items():
            at[place].append((float(bound), float(count)))
    found: dict[str, dict[int, Decimal]] = {name: {} for name in PERCENTILES}
    for place, counted in at.items():
        for name, share in PERCENTILES.items():
            value = quantile(share, counted)
            if value is not None:
                found[name][place] = Decimal(repr(value))
    return found


def quantile(share: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """What a share of the observations is at most, as PromQL's ``histogram_quantile`` estimates it.

    Args:
        share: above 0, below 1.
        buckets: upper bounds in ascending order, the last one infinite, and how many observations are up to each.
    """
    bounds = [bound for bound, _ in buckets]
    counts = _never_falling(count for _, count in buckets)
    if len(buckets) < 2 or isfinite(bounds[-1]) or not counts[-1]:  # noqa: PLR2004 - without an edge nothing is told
        return None
    rank = share * counts[-1]
    # The share of next to nothing is nothing: a bucket that holds no observation is not where one lies.
    place = next(place for place, count in enumerate(counts) if count and count >= rank)
    if place == len(buckets) - 1:
        return bounds[-2]
    if place == 0 and bounds[0] <= 0:
        return bounds[0]
    lower, before = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    # As a quotient of floats it may be more than the bound by the last digit.
    return min(bounds[place], lower + (bounds[place] - lower) * ((rank - before) / (counts[place] - before)))


def _never_falling(counts: Iterable[float]) -> list[float]:
    """Scrapes and rates are not exact; a bucket holds what the one before it holds."""
    found: list[float] = []
    for count in counts:
        found.append(max(count, found[-1] if found else 0.0))
    return found
