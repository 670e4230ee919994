"""The answers about metrics as models, for the OpenAPI document."""

from datetime import datetime

from pydantic import Field

from rollcall_api.metric_queries import MetricType
from rollcall_api.models import Model


class Sample(Model):
    """A value, as decimal digits, at an instant."""

    timestamp: datetime
    value: str = Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=["0.5"])


class Measurement(Model):
    """One type's samples in ascending order; an instant of which nothing is known is left out."""

    type: MetricType
    values: list[Sample]


class Metrics(Model):
    """The types that were asked for, in that order."""

    measurements: list[Measurement]


class MetricError(Model):
    """Why one type could not be read."""

    type: MetricType
    message: str


class MeasuredPart(Metrics):
    """What could be read, and why the other types could not."""

    errors: list[MetricError]
