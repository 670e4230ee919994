"""The answers about metrics as models, for the OpenAPI document."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from rollcall_api.metric_queries import MetricType, PodMetricType
from rollcall_api.models import Model

Number = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=["0.5"])]
"""Decimal digits."""


class Sample(Model):
    """A value at an instant."""

    timestamp: datetime
    value: Number


class Measurement(Model):
    """One type's samples in ascending order; an instant of which nothing is known is left out."""

    type: MetricType
    values: list[Sample]


class HistogramSample(Model):
    """The requests that took at most so many seconds, by the bound of each bucket; or percentiles by their names."""

    timestamp: datetime
    data: dict[str, Number] = Field(examples=[{"0.5": "3", "1": "8", "+Inf": "9"}, {"p50": "0.7", "p90": "1"}])


class Histogram(Model):
    """One type's histograms or percentiles in ascending order."""

    type: MetricType
    values: list[HistogramSample]


class Metrics(Model):
    """The types that were asked for, in that order: ``histogram`` where any of them is one, and without them."""

    measurements: list[Measurement]
    histogram: list[Histogram] | None = None


class MetricError(Model):
    """Why one type could not be read."""

    type: MetricType
    message: str


class MeasuredPart(Metrics):
    """What could be read, and why the other types could not."""

    errors: list[MetricError]


class GpuLabels(Model):
    """Which of the node's GPUs it is."""

    gpu: str = Field(examples=["0"])


class PodMeasurement(Model):
    """One type's samples in ascending order, or those of one GPU of the pod."""

    type: PodMetricType
    labels: GpuLabels | None = None
    values: list[Sample]


class PodHistogram(Model):
    """One type's histograms or percentiles in ascending order."""

    type: PodMetricType
    values: list[HistogramSample]


class PodMetrics(Model):
    """As of a workload; a type that is per GPU has a measurement for each that the pod used."""

    measurements: list[PodMeasurement]
    histogram: list[PodHistogram] | None = None


class PodMetricError(Model):
    """Why one type could not be read."""

    type: PodMetricType
    message: str


class PodMeasuredPart(PodMetrics):
    """What could be read, and why the other types could not."""

    errors: list[PodMetricError]
