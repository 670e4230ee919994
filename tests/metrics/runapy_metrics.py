"""A session of the official client about metrics alone: run by the Python of an environment that has it.

Usage: python runapy_metrics.py ADDRESS WORKLOAD_ID POD_ID OTHER_POD_ID; prints what it saw, for a client of every kind.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runai import models

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))

from runapy_session import KINDS, Session

HOUR = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2026, 1, 1, 1, tzinfo=UTC), "number_of_samples": 2}
UNANSWERED = "GPU_SWAP_MEMORY_BYTES_PER_GPU"


def accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, once the client's own model has taken it."""
    model = getattr(models, "MetricsCompositeResponse", None) or models.MetricsResponse
    model.from_dict(answer)
    return answer


async def run(kind: str, address: str, workload_id: str, pod_id: str, other_pod_id: str) -> dict[str, Any]:
    """Everything that this version knows to ask about metrics."""
    session = Session(kind, address)
    of_pod = session.client.workloads.pods.get_workload_pod_metrics
    pod_types = [found for found in models.PodMetricType if found.value != UNANSWERED]
    known = [found for found in models.PodMetricType if found.value == UNANSWERED]
    asked = {"metric_type": list(models.WorkloadMetricType), **HOUR}
    try:
        return {
            "types": [found.value for found in models.WorkloadMetricType],
            "pod_types": [found.value for found in pod_types],
            "workload": accepted(await session.ask(session.workloads.get_workload_metrics, workload_id, **asked)),
            "pod": accepted(await session.ask(of_pod, workload_id, pod_id, metric_type=pod_types, **HOUR)),
            "bare": accepted(
                await session.ask(
                    of_pod, workload_id, pod_id, metric_type=models.PodMetricType.GPU_UTILIZATION_PER_GPU, **HOUR
                )
            ),
            "part": [
                accepted(
                    await session.ask(of_pod, workload_id, pod_id, metric_type=[one, pod_types[0]], **HOUR, status=207)
                )
                for one in known
            ],
            "other_pod": await session.fault(of_pod, workload_id, other_pod_id, metric_type=pod_types, **HOUR),
            "no_time": await session.fault(
                of_pod, workload_id, pod_id, metric_type=pod_types, start=HOUR["end"], end=HOUR["start"]
            ),
        }
    finally:
        await session.close()


if __name__ == "__main__":
    json.dump({kind: asyncio.run(run(kind, *sys.argv[1:])) for kind in KINDS}, sys.stdout)
