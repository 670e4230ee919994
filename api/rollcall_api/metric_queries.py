"""What a request for metrics asks for: which types, and at which instants."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from rollcall_api.query_strings import described, items, one, read_query, shown, whole_number
from rollcall_api.refusals import bad_parameter

MOST_SAMPLES = 1_000
DEFAULT_SAMPLES = 20

_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)([Zz]|[-+ ][0-9]{2}:?[0-9]{2})?)?"
)
_MICROSECOND = timedelta(microseconds=1)


class MetricType(StrEnum):
    """What can be measured of a workload: the contract's names."""

    GPU_UTILIZATION = "GPU_UTILIZATION"
    GPU_MEMORY_USAGE_BYTES = "GPU_MEMORY_USAGE_BYTES"
    GPU_MEMORY_REQUEST_BYTES = "GPU_MEMORY_REQUEST_BYTES"
    CPU_USAGE_CORES = "CPU_USAGE_CORES"
    CPU_REQUEST_CORES = "CPU_REQUEST_CORES"
    CPU_LIMIT_CORES = "CPU_LIMIT_CORES"
    CPU_MEMORY_USAGE_BYTES = "CPU_MEMORY_USAGE_BYTES"
    CPU_MEMORY_REQUEST_BYTES = "CPU_MEMORY_REQUEST_BYTES"
    CPU_MEMORY_LIMIT_BYTES = "CPU_MEMORY_LIMIT_BYTES"
    POD_COUNT = "POD_COUNT"
    RUNNING_POD_COUNT = "RUNNING_POD_COUNT"
    GPU_ALLOCATION = "GPU_ALLOCATION"
    NIM_NUM_REQUESTS_RUNNING = "NIM_NUM_REQUESTS_RUNNING"
    NIM_NUM_REQUESTS_WAITING = "NIM_NUM_REQUESTS_WAITING"
    NIM_NUM_REQUEST_MAX = "NIM_NUM_REQUEST_MAX"
    NIM_REQUEST_SUCCESS_TOTAL = "NIM_REQUEST_SUCCESS_TOTAL"
    NIM_REQUEST_FAILURE_TOTAL = "NIM_REQUEST_FAILURE_TOTAL"
    NIM_GPU_CACHE_USAGE_PERC = "NIM_GPU_CACHE_USAGE_PERC"
    NIM_TIME_TO_FIRST_TOKEN_SECONDS = "NIM_TIME_TO_FIRST_TOKEN_SECONDS"  # noqa: S105 - no password
    NIM_E2E_REQUEST_LATENCY_SECONDS = "NIM_E2E_REQUEST_LATENCY_SECONDS"
    NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES = "NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES"  # noqa: S105 - same
    NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES = "NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES"
    NVLINK_BANDWIDTH_TOTAL = "NVLINK_BANDWIDTH_TOTAL"


class PodMetricType(StrEnum):
    """What can be measured of a pod: the contract's names."""

    GPU_UTILIZATION_PER_GPU = "GPU_UTILIZATION_PER_GPU"
    GPU_UTILIZATION = "GPU_UTILIZATION"
    GPU_MEMORY_USAGE_BYTES_PER_GPU = "GPU_MEMORY_USAGE_BYTES_PER_GPU"
    GPU_MEMORY_USAGE_BYTES = "GPU_MEMORY_USAGE_BYTES"
    CPU_USAGE_CORES = "CPU_USAGE_CORES"
    CPU_MEMORY_USAGE_BYTES = "CPU_MEMORY_USAGE_BYTES"
    GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU = "GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU"
    GPU_SM_ACTIVITY_PER_GPU = "GPU_SM_ACTIVITY_PER_GPU"
    GPU_SM_OCCUPANCY_PER_GPU = "GPU_SM_OCCUPANCY_PER_GPU"
    GPU_TENSOR_ACTIVITY_PER_GPU = "GPU_TENSOR_ACTIVITY_PER_GPU"
    GPU_FP64_ENGINE_ACTIVITY_PER_GPU = "GPU_FP64_ENGINE_ACTIVITY_PER_GPU"
    GPU_FP32_ENGINE_ACTIVITY_PER_GPU = "GPU_FP32_ENGINE_ACTIVITY_PER_GPU"
    GPU_FP16_ENGINE_ACTIVITY_PER_GPU = "GPU_FP16_ENGINE_ACTIVITY_PER_GPU"
    GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU = "GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU"
    GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU = "GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU"
    GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU = "GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU"
    GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU = "GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU"
    GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU = "GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU"
    GPU_SWAP_MEMORY_BYTES_PER_GPU = "GPU_SWAP_MEMORY_BYTES_PER_GPU"
    NIM_NUM_REQUESTS_RUNNING = "NIM_NUM_REQUESTS_RUNNING"
    NIM_NUM_REQUESTS_WAITING = "NIM_NUM_REQUESTS_WAITING"
    NIM_NUM_REQUEST_MAX = "NIM_NUM_REQUEST_MAX"
    NIM_REQUEST_SUCCESS_TOTAL = "NIM_REQUEST_SUCCESS_TOTAL"
    NIM_REQUEST_FAILURE_TOTAL = "NIM_REQUEST_FAILURE_TOTAL"
    NIM_GPU_CACHE_USAGE_PERC = "NIM_GPU_CACHE_USAGE_PERC"
    NIM_TIME_TO_FIRST_TOKEN_SECONDS = "NIM_TIME_TO_FIRST_TOKEN_SECONDS"  # noqa: S105 - no password
    NIM_E2E_REQUEST_LATENCY_SECONDS = "NIM_E2E_REQUEST_LATENCY_SECONDS"
    NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES = "NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES"  # noqa: S105 - same
    NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES = "NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES"
    NVLINK_BANDWIDTH_TOTAL = "NVLINK_BANDWIDTH_TOTAL"
    NVLINK_BANDWIDTH_TOTAL_PER_GPU = "NVLINK_BANDWIDTH_TOTAL_PER_GPU"


Kind = TypeVar("Kind", MetricType, PodMetricType)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsQuery(Generic[Kind]):
    """Types, each once, in the order asked for; and the samples of the time between two instants."""

    types: tuple[Kind, ...]
    start: datetime
    end: datetime
    samples: int

    @property
    def instants(self) -> tuple[datetime, ...]:
        """As many instants as samples, evenly apart, the last one at the end."""
        whole = (self.end - self.start) // _MICROSECOND
        return tuple(
            self.start + timedelta(microseconds=whole * place // self.samples) for place in range(1, self.samples + 1)
        )


def read_metrics_query(raw: bytes, kinds: type[Kind]) -> MetricsQuery[Kind]:
    """What a query string asks for of a workload or of a pod, as ``kinds`` says.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, {"metricType", "start", "end", "numberOfSamples"})
    types = _types(items(given, "metricType"), kinds)
    start, end = (_required_instant(given, name) for name in ("start", "end"))
    if start >= end:
        raise bad_parameter("start", "must be before end")
    samples = one(given, "numberOfSamples", whole_number(0, MOST_SAMPLES), default=DEFAULT_SAMPLES)
    return MetricsQuery(types=types, start=start, end=end, samples=samples)


def _types(names: Sequence[str], kinds: type[Kind]) -> tuple[Kind, ...]:
    # A client that is handed its own enum outside of a list sends the Python name of it.
    prefix = "WorkloadMetricType." if kinds is MetricType else "PodMetricType."
    found: dict[Kind, None] = {}
    for name in names:
        try:
            found[kinds(name.removeprefix(prefix))] = None
        except ValueError:
            raise bad_parameter("metricType", f"must be of {', '.join(kinds)}, not {shown(name)}") from None
    if not found:
        raise bad_parameter("metricType", "is required")
    return tuple(found)


def _required_instant(given: Mapping[str, list[str]], name: str) -> datetime:
    def missing(name: str) -> datetime:
        raise bad_parameter(name, "is required")

    return one(given, name, read_instant, default=None) or missing(name)


def read_instant(name: str, text: str) -> datetime:
    """An ISO 8601 instant in UTC; one without a zone is UTC, a bare date is the start of that day.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    found = _INSTANT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        date, time, zone = found.groups()
        # A plus that was not percent-encoded arrives as a space.
        zone = (zone or "Z").upper().replace(" ", "+")
        return datetime.fromisoformat(f"{date}T{(time or '00:00').replace(',', '.')}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(name, f"must be an ISO 8601 instant, not {shown(text)}") from None


def _required(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {**described(name, schema, description), "required": True}


def metrics_parameters(kinds: type[Kind]) -> tuple[dict[str, Any], ...]:
    """What :func:`read_metrics_query` reads, for the OpenAPI document."""
    types = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": [kind.value for kind in kinds]}}
    return (
        {
            **_required("metricType", types, "What is measured; several with commas between them."),
            "style": "form",
            "explode": False,
        },
        _required("start", {"type": "string", "format": "date-time"}, "The samples come after this instant."),
        _required("end", {"type": "string", "format": "date-time"}, "The instant of the last sample."),
        described(
            "numberOfSamples",
            {"type": "integer", "minimum": 0, "maximum": MOST_SAMPLES, "default": DEFAULT_SAMPLES},
            "How many samples, evenly apart.",
        ),
    )
