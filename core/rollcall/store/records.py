"""What goes into the store and comes out of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollcall.domain.records import PodRecord, WorkloadRecord


class DeletionSeen(StrEnum):
    """How a deletion was noticed."""

    EXACT = "exact"
    """As an event: the instant is right, and a uid never comes back."""
    LATE = "late"
    """By a sweep: it went at some time before; a strictly newer observation would open the record again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A workload or a pod that is no more."""

    uid: str
    observed_version: int
    at: datetime
    seen: DeletionSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction writes, in this order: workloads, pods, then what is gone."""

    workloads: tuple[WorkloadRecord, ...] = ()
    pods: tuple[PodRecord, ...] = ()
    gone_workloads: tuple[Gone, ...] = ()
    gone_pods: tuple[Gone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What a batch came to."""

    workloads_written: int
    workloads_refused: int
    """Older than what was there."""
    pods_written: int
    workloads_closed: int
    pods_closed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWorkload:
    """A live row, as far as the sweep needs it."""

    uid: str
    api_group: str
    kind: str
    namespace: str
    name: str
    observed_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWorkload:
    """A row of `workloads` or `deleted_workloads`, with its totals as of the statement's instant."""

    record: WorkloadRecord
    cluster_id: str
    phase_updated_at: datetime
    k8s_phase_updated_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    deletion_seen: DeletionSeen | None
    pending_seconds: int
    running_seconds: int
    changed_version: int
    """Of its cluster's changes, the one that this row is as of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPod:
    """A row of `pods` or `deleted_pods` and what its workload's row says of it; ``None`` where that is not kept."""

    record: PodRecord
    cluster_id: str
    updated_at: datetime
    deleted_at: datetime | None
    workload_name: str | None
    project_id: str | None
    project_name: str | None
    workload_priority_class_name: str | None
