"""Total readers of what stands in a queue: Kueue's Workloads (v1beta1, v1beta2), PodGroups of KAI and of Volcano."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rollcall.domain.facts import KindKey, Meta, QueueFacts, QueueStanding, QueueWord
from rollcall.domain.fields import (
    EMPTY,
    at,
    condition_of,
    conditions_of,
    elements_at,
    instant_at,
    mapping_at,
    text_at,
    true_condition,
)
from rollcall.domain.queues import KAI_POD_GROUP, KUEUE_WORKLOAD, VOLCANO_POD_GROUP
from rollcall.domain.reading import clean_text, read_meta
from rollcall.domain.records import OrgType, PhaseReason

TOP_OWNER_ANNOTATION = "kai.scheduler/top-owner-metadata"
"""YAML on KAI's PodGroups: name, uid, group, version and kind of what they stand for."""

MOST_WORDS = 20
_MOST_MESSAGE = 900
"""Characters of one message: with the words around it a phase message still holds it."""

_MOST_DIGITS = 18

_UID = re.compile(r"^uid:[ \t]*[\"']?([0-9A-Za-z.-]{1,128})[\"']?[ \t]*$", re.MULTILINE)
_DEACTIVATED = ("Deactivated", "InactiveWorkload")
"""How Kueue's reasons of an eviction that is a deactivation begin; the second until 0.10."""

_OVER_QUOTA_REASONS = frozenset({"WaitingForQuota", "ExceedsMaxQuota"})
_OVER_QUOTA_WORDS = ("insufficient unused quota", "insufficient quota", "borrowing limit", "maximum capacity")
_COHORT = "in cohort"


def read_queue(key: KindKey, obj: Mapping[str, Any]) -> QueueFacts | None:
    """What an object of one of the queues' kinds says; ``None`` without a uid, or of any other kind."""
    reader = _READERS.get(key)
    meta = read_meta(obj) if reader is not None else None
    if reader is None or meta is None:
        return None
    return reader(meta, obj)


def _facts(
    meta: Meta, obj: Mapping[str, Any], queue: str | None, standing: QueueStanding, words: Iterable[QueueWord]
) -> QueueFacts:
    about = [owner.uid for owner in meta.owners]
    described = mapping_at(obj, "metadata.annotations").get(TOP_OWNER_ANNOTATION)
    named = _UID.search(described) if isinstance(described, str) else None
    if named is not None:
        about.append(named[1])
    return QueueFacts(
        meta=meta,
        about=tuple(dict.fromkeys(about)),
        queue=queue,
        standing=standing,
        words=tuple(words)[:MOST_WORDS],
    )


# Kueue


def _read_kueue(meta: Meta, obj: Mapping[str, Any]) -> QueueFacts:
    status = mapping_at(obj, "status")
    queue = _text(obj, "spec.queueName")
    if true_condition(status, "Finished") is not None:
        return _facts(meta, obj, queue, QueueStanding.OVER, ())
    evicted = true_condition(status, "Evicted")
    if _is_deactivated(obj, status, evicted):
        target = evicted or true_condition(status, "DeactivationTarget") or EMPTY
        why = _text(target, "message")
        said = f"deactivated in {_queue(queue)}"
        word = QueueWord(sentence=f"{said}: {why}" if why else said, reason=_text(target, "reason"), message=why)
        return _facts(meta, obj, queue, QueueStanding.OFF, (word,))
    if evicted is None and true_condition(status, "Admitted") is not None:
        return _facts(meta, obj, queue, QueueStanding.LET, ())
    return _facts(meta, obj, queue, QueueStanding.HELD, (_kueue_word(status, queue, evicted),))


def _is_deactivated(obj: Mapping[str, Any], status: Mapping[str, Any], evicted: Mapping[str, Any] | None) -> bool:
    if at(obj, "spec.active") is False:
        return True
    reason = text_at(evicted, "reason") if evicted is not None else None
    if reason is None or not reason.startswith(_DEACTIVATED):
        return False
    # Activated again it is told from before by Requeued alone.
    return true_condition(status, "Requeued") is None


def _kueue_word(status: Mapping[str, Any], queue: str | None, evicted: Mapping[str, Any] | None) -> QueueWord:
    why: str | None
    reserved = condition_of(status, "QuotaReserved") or EMPTY
    if evicted is None and reserved.get("status") == "True":
        checks = [check for check in elements_at(status, "admissionChecks") if check.get("state") != "Ready"]
        names = ", ".join(_text(check, "name") or "unnamed" for check in checks) or "admission"
        why = "; ".join(dict.fromkeys(text for check in checks if (text := _text(check, "message")))) or None
        said = f"quota reserved in {_queue(queue)}, waiting for {names}"
        return QueueWord(sentence=f"{said}: {why}" if why else said, reason="AdmissionCheck", message=why)
    why = _text(reserved, "message") if reserved.get("status") == "False" else None
    cause = _text(evicted, "message") if evicted is not None else None
    reason = _text(reserved, "reason") if why else None
    found = "; ".join(dict.fromkeys(text for text in (cause, why) if text)) or None
    over = reason in _OVER_QUOTA_REASONS or any(part in (why or "") for part in _OVER_QUOTA_WORDS)
    # Quota that is reserved for others or that nobody has: to run it now would exceed what its queue may hold.
    return QueueWord(
        sentence=f"waiting for quota in {_queue(queue)}" + (f": {found}" if found else ""),
        reason=reason or (_text(evicted, "reason") if evicted is not None else None),
        message=found,
        phase_reason=PhaseReason.OVER_LIMIT if over else None,
        org_type=None if not over else OrgType.DEPARTMENT if _COHORT in (why or "") else OrgType.PROJECT,
        at=instant_at(reserved, "lastTransitionTime"),
    )


def _queue(queue: str | None) -> str:
    return f"queue {queue}" if queue else "its queue"


# KAI


def _read_kai(meta: Meta, obj: Mapping[str, Any]) -> QueueFacts:
    queue = _text(obj, "spec.queue")
    conditions = [
        condition
        for condition in elements_at(obj, "status.schedulingConditions")
        if condition.get("status") in (None, "True") and condition.get("type") in (None, "UnschedulableOnNodePool")
    ]
    # The pool that was tried last is told first.
    conditions.sort(key=_transition, reverse=True)
    words = [word for condition in conditions for word in _kai_words(condition, queue)]
    return _facts(meta, obj, queue, QueueStanding.HELD if words else QueueStanding.LET, words)


def _transition(condition: Mapping[str, Any]) -> int:
    value = text_at(condition, "transitionID") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else -1


def _kai_words(condition: Mapping[str, Any], queue: str | None) -> list[QueueWord]:
    pool = _text(condition, "nodePool")
    return [
        QueueWord(
            sentence=_kai_sentence(explained, pool),
            reason=_text(explained, "reason"),
            message=_text(explained, "message"),
            phase_reason=_REASONS.get(text_at(explained, "reason") or ""),
            org_type=_org_type(explained, queue),
            node_pool=pool,
            at=instant_at(condition, "lastTransitionTime"),
        )
        # Until the reasons were a list there was one, in the condition itself.
        for explained in elements_at(condition, "reasons") or (condition,)
    ]


def _kai_sentence(explained: Mapping[str, Any], pool: str | None) -> str:
    reason, message = _text(explained, "reason"), _text(explained, "message")
    if message and reason and reason != "Unschedulable":
        said = f"{reason}: {message}"
    else:
        said = message or reason or "cannot be scheduled"
    return said if pool in (None, "default") else f"{said} (node pool {pool})"


def _org_type(explained: Mapping[str, Any], queue: str | None) -> OrgType | None:
    """Whose queue is in the way: that of the project, or one above it."""
    named = text_at(explained, "details.queueDetails.name")
    if named is None or queue is None:
        return None
    return OrgType.PROJECT if named == queue else OrgType.DEPARTMENT


_REASONS = {reason.value: reason for reason in PhaseReason}


# Volcano


def _read_volcano(meta: Meta, obj: Mapping[str, Any]) -> QueueFacts:
    status = mapping_at(obj, "status")
    queue = _text(obj, "spec.queue")
    phase = text_at(status, "phase")
    if phase == "Completed":
        return _facts(meta, obj, queue, QueueStanding.OVER, ())
    if phase == "Running":
        return _facts(meta, obj, queue, QueueStanding.LET, ())
    latest = _latest(status)
    if latest is not None:
        reason, message = _text(latest, "reason"), _text(latest, "message")
        said = ": ".join(text for text in (reason, message) if text) or "Unschedulable"
        word = QueueWord(sentence=said, reason=reason, message=message, at=instant_at(latest, "lastTransitionTime"))
        return _facts(meta, obj, queue, QueueStanding.HELD, (word,))
    if phase in (None, "Pending") and true_condition(status, "Scheduled") is None:
        word = QueueWord(sentence=f"waiting in {_queue(queue)}", reason="Pending", message=None)
        return _facts(meta, obj, queue, QueueStanding.HELD, (word,))
    return _facts(meta, obj, queue, QueueStanding.LET, ())


def _latest(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The condition Unschedulable, unless Scheduled came after it."""
    found: Mapping[str, Any] | None = None
    for condition_type, condition in conditions_of(status):
        if condition.get("status") != "True" or condition_type not in ("Unschedulable", "Scheduled"):
            continue
        before, now = (instant_at(one, "lastTransitionTime") for one in (found or EMPTY, condition))
        if found is None or before is None or now is None or now >= before:
            found = condition
    return found if found is not None and found.get("type") == "Unschedulable" else None


def _text(root: Mapping[str, Any], path: str) -> str | None:
    return clean_text(text_at(root, path), most=_MOST_MESSAGE) or None


_READERS: Mapping[KindKey, Callable[[Meta, Mapping[str, Any]], QueueFacts]] = {
    KUEUE_WORKLOAD: _read_kueue,
    KAI_POD_GROUP: _read_kai,
    VOLCANO_POD_GROUP: _read_volcano,
}
