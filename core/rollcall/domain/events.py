"""Kubernetes events: an Event object in, what is kept of it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any

from rollcall.domain.facts import KindKey
from rollcall.domain.fields import instant_at, mapping_at, whole_at
from rollcall.domain.messages import cap
from rollcall.domain.reading import clean_text

EVENT = KindKey(group="", kind="Event")

MESSAGE_BYTES = 4096
"""The longest message that is kept: whoever may create events can write anything into one."""

_WORD_CHARACTERS = 256
_WARNING, _NORMAL = "Warning", "Normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvolvedObject:
    """What an event is about."""

    uid: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesEvent:
    """One Event object. The API server changes it in place when the same happens again: ``at`` and ``count`` grow."""

    uid: str
    created_at: datetime
    """When the object was made; it never changes."""
    at: datetime
    """When it happened last."""
    count: int
    type: str
    """``Normal`` or ``Warning``."""
    reason: str | None
    message: str
    source: str | None
    """The component that says so."""
    involved: InvolvedObject


def read_event(obj: Mapping[str, Any]) -> KubernetesEvent | None:
    """What is kept of a core/v1 Event; ``None`` where it names no object or no instant: nobody's record has it then.

    Both spellings are read: what was made by events.k8s.io has its instants in ``eventTime`` and ``series``, and its
    component in ``reportingComponent``.
    """
    uid = _word(mapping_at(obj, "metadata"), "uid")
    involved = mapping_at(obj, "involvedObject")
    about = _word(involved, "uid")
    first = instant_at(obj, "firstTimestamp") or instant_at(obj, "eventTime")
    created_at = instant_at(obj, "metadata.creationTimestamp") or first
    if uid is None or about is None or created_at is None:
        return None
    last = instant_at(obj, "series.lastObservedTime") or instant_at(obj, "lastTimestamp") or first or created_at
    message = clean_text(obj.get("message"), most=MESSAGE_BYTES)
    return KubernetesEvent(
        uid=uid,
        created_at=created_at,
        at=last,
        count=whole_at(obj, "series.count") or whole_at(obj, "count") or 1,
        type=_WARNING if obj.get("type") == _WARNING else _NORMAL,
        reason=_word(obj, "reason"),
        message=cap(message or "", MESSAGE_BYTES),
        source=_word(mapping_at(obj, "source"), "component") or _word(obj, "reportingComponent"),
        involved=InvolvedObject(
            uid=about,
            kind=_word(involved, "kind") or "",
            namespace=_word(involved, "namespace") or "",
            name=_word(involved, "name") or "",
        ),
    )


def _word(root: Mapping[str, Any], name: str) -> str | None:
    """A short text; of those that thousands of events share, one copy is kept."""
    text = clean_text(root.get(name), most=_WORD_CHARACTERS)
    return intern(text) if text else None
