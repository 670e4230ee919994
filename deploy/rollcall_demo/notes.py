"""The lines under the table: where everything answers, and requests to try in another terminal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rollcall_demo.measuring import Measuring
from rollcall_demo.processes import RollcallProcesses


def notes(processes: RollcallProcesses, measuring: Measuring | None, example: str | None) -> list[str]:
    """All lines; ``example`` is a request for metrics, once there is a workload to ask about."""
    api = processes.api_url
    measured = [] if measuring is None else [f"metrics     simulated, in a Prometheus at {measuring.url}"]
    return [
        f"API         {api}/api/v1/workloads   documented at {api}/docs",
        f"operator    {processes.operator_url}/metrics   logs in {processes.operator.log.parent}",
        *measured,
        "",
        f"curl -s '{api}/api/v1/workloads?limit=3'",
        f"curl -s '{api}/api/v1/workloads/count'",
        f"curl -s '{api}/api/v1/workloads?deleted=true&sortBy=deletedAt&sortOrder=desc&limit=1'",
        *([] if example is None else [example]),
        "",
        "Ctrl-C stops everything.",
    ]


def metrics_example(workloads: Sequence[dict[str, Any]], api: str, now: datetime) -> str | None:
    """A request for how busy the GPUs were of the workload that has run longest; ``None`` where none runs on GPUs."""
    on_gpus = [
        one
        for one in workloads
        if one["phase"] == "Running" and (one.get("allocatedResources", {}).get("gpu") or 0) >= 1
    ]
    if not on_gpus:
        return None
    oldest = min(on_gpus, key=lambda one: (one["createdAt"], one["id"]))
    # Whole minutes, so that the line stands still for as long as it takes to copy it.
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    start = end - timedelta(minutes=5)
    return (
        f"curl -s '{api}/api/v1/workloads/{oldest['id']}/metrics?metricType=GPU_UTILIZATION"
        f"&start={start:%Y-%m-%dT%H:%MZ}&end={end:%Y-%m-%dT%H:%MZ}'"
    )
