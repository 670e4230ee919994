"""What is answered about what happened to a workload, as models: what ``/openapi.json`` says."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from rollcall.domain.records import Phase
from rollcall_api.models import Int32, Model


class EventType(StrEnum):
    """What kind of news an event is."""

    NORMAL = "Normal"
    WARNING = "Warning"


class InvolvedObject(Model):
    """The Kubernetes object that an event is about."""

    uid: str
    kind: str
    name: str
    namespace: str


class Event(Model):
    """A Kubernetes event. ``createdAt`` is when it happened last, ``count`` how often."""

    id: str
    clusterId: str = Field(json_schema_extra={"format": "uuid"})  # noqa: N815 - the contract's names
    createdAt: datetime  # noqa: N815
    type: EventType
    reason: str = Field(default="", examples=["FailedScheduling"])
    message: str
    source: str = Field(default="", examples=["default-scheduler"])
    count: Int32
    involvedObject: InvolvedObject  # noqa: N815


class EventList(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    events: list[Event]
    next: int = 0


class HistoryRecordType(StrEnum):
    """What a record of the history is about."""

    EVENT = "Event"
    PHASE_UPDATE = "PhaseUpdate"


class HistoryRecordMeta(Model):
    """When it happened, and what it is about."""

    creationTimestamp: datetime  # noqa: N815
    type: HistoryRecordType


class PhaseUpdate(Model):
    """A phase that the workload took on, and why."""

    phase: Phase
    phaseMessage: str  # noqa: N815


class HistoryRecordSpec(Model):
    """What happened: one of the two."""

    event: Event | None
    phaseUpdate: PhaseUpdate | None  # noqa: N815


class HistoryRecord(Model):
    """One thing that happened to the workload."""

    meta: HistoryRecordMeta
    spec: HistoryRecordSpec


class History(Model):
    """A page. ``next`` is the next page's offset; left out on the last page."""

    records: list[HistoryRecord]
    next: int = 0
