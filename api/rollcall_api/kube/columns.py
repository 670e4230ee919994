"""The columns that kubectl prints: a server-side Table."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rollcall.contract import decimal
from rollcall.domain.records import WorkloadRecord
from rollcall.store.records import StoredWorkload

TABLE_KIND = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
_MICROS = 1_000_000
_NARROW, _WIDE = 0, 1


def _column(name: str, description: str, *, priority: int = _NARROW, form: str = "") -> dict[str, Any]:
    return {"name": name, "type": "string", "format": form, "description": description, "priority": priority}


COLUMNS: Sequence[Mapping[str, Any]] = (
    _column("Name", "The workload's name, kind and group.", form="name"),
    _column("Type", "What kind of workload it is."),
    _column("Phase", "Where in its life it is."),
    _column("Pods", "Pods that are ready, of those that are wanted."),
    _column("GPUs", "GPUs that it holds, of those that it asks for."),
    _column("Node Pools", "Where its pods are."),
    _column("Age", "Time since it was created."),
    _column("Submitter", "On whose behalf it runs.", priority=_WIDE),
    _column("Priority", "Its priority class.", priority=_WIDE),
    _column("Images", "Its containers' images.", priority=_WIDE),
    _column("Message", "Why it is in this phase.", priority=_WIDE),
)


def cells_of(stored: StoredWorkload, name: str, now: datetime) -> list[str]:
    """One row's cells, in the order of :data:`COLUMNS`."""
    record = stored.record
    return [
        name,
        record.type,
        record.phase.value,
        _pods(record),
        _gpus(record),
        ",".join(record.current_node_pools) or "<none>",
        human_duration((now - record.created_at).total_seconds()),
        record.submitted_by or "<none>",
        record.priority_class_name or "<none>",
        ",".join(record.images) or "<none>",
        _one_line(record.phase_message or ""),
    ]


def _pods(record: WorkloadRecord) -> str:
    asked = record.requested_pods
    wanted = None if asked is None else asked.number
    return f"{record.ready_pods}/{'-' if wanted is None else wanted}"


def _gpus(record: WorkloadRecord) -> str:
    asked = record.workload_requested or record.pods_requested
    return f"{decimal(record.allocated.gpu_micros, _MICROS)}/{decimal(asked.requests.gpu_micros, _MICROS)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
_STEPS = (
    # Up to so many of a unit: that unit, and where it is few of them the next smaller one beside it.
    (120, "s", None),
    (10 * 60, "m", "s"),
    (3 * 3600, "m", None),
    (8 * 3600, "h", "m"),
    (48 * 3600, "h", None),
    (8 * 86400, "d", "h"),
    (2 * 365 * 86400, "d", None),
    (8 * 365 * 86400, "y", "d"),
)


def human_duration(seconds: float) -> str:
    """A duration as kubectl's ages are written: two units where the larger is few, else one."""
    whole = max(int(seconds), 0)
    for limit, large, small in _STEPS:
        if whole < limit:
            many, rest = divmod(whole, _SECONDS[large])
            beside = 0 if small is None else rest // _SECONDS[small]
            return f"{many}{large}" + (f"{beside}{small}" if beside else "")
    return f"{whole // _SECONDS['y']}y"
