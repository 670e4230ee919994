"""One pure function from what was observed of a workload to its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rollcall.domain.facts import DomainSettings, WorkloadView
from rollcall.domain.records import PodRecord, Remembered, RememberedPod, WorkloadRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The outcome of one derivation."""

    workload: WorkloadRecord
    pods: tuple[PodRecord, ...]
    revisit_at: datetime | None
    """When time alone may change the outcome (a grace period's end); ``None`` where only an event can."""
    signals: tuple[str, ...]
    """What the kind's entry and the pod layer said, as sentences, for ``rollcall explain --why``."""


def derive(
    view: WorkloadView,
    *,
    now: datetime,
    remembered: Remembered,
    remembered_pods: Mapping[str, RememberedPod],
    floor_version: int = 0,
    settings: DomainSettings,
) -> Derivation:
    """Derive the record of one workload and of its pods.

    Total: any view yields a record; what is odd about it stands in ``problems`` and, where nothing better is known,
    in the phase ``Unknown``. ``remembered_pods`` is keyed by pod uid. ``floor_version`` is the resourceVersion of
    the newest complete list: the record's version is never below it, so that a pod that vanished unseen cannot make
    a newer record look older.
    """
    raise NotImplementedError
