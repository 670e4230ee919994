"""Signals of kinds that are described by data: by the words that a description gives to what stands in a status.

A description (an entry that an admin taught, a Karta) says which conditions, words and values mean what; this module
turns that into signals for the one ladder. What several words say at once, the ladder decides: a failure before a
success, both before a stop. No word and no count without pods is Unknown: a description that has a gap shows it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import MOST_PODS, elements_at, instant_at, sentence_of
from rollcall.domain.kinds import generic
from rollcall.domain.kinds.entry import KindEntry, SignalsHook
from rollcall.domain.kinds.lifecycle import held_by_queue
from rollcall.domain.pods import JudgedPod
from rollcall.domain.roles import find_roles
from rollcall.domain.signals import Signals, Verdict


class Word(StrEnum):
    """What a status can mean, in the words of a description."""

    COMPLETED = "completed"
    FAILED = "failed"
    FAILED_FOR_NOW = "failedForNow"
    """Failed, but upstream takes it back."""
    CANCELLED = "cancelled"
    STOPPING = "stopping"
    STOPPED = "stopped"
    RESUMING = "resuming"
    WAITING = "waiting"
    NOT_READY = "notReady"
    READY = "ready"
    DEGRADED = "degraded"
    UPDATING = "updating"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A rule that holds: what the object says beside it."""

    message: str | None = None
    at: datetime | None = None


Rule = Callable[[ObjectFacts], Said | None]
"""An object to what it says where the rule holds, else ``None``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRule:
    """A condition of a type, with a status and maybe a reason."""

    type: str
    status: str | None = "True"
    reasons: frozenset[str] = frozenset()
    path: Callable[[ObjectFacts], tuple[Mapping[str, Any], ...]] = lambda obj: elements_at(obj.status, "conditions")
    """Where conditions stand."""
    names: tuple[str, str, str, str] = ("type", "status", "reason", "message")
    """What a condition calls these."""

    def __call__(self, obj: ObjectFacts) -> Said | None:
        """Whether it is there with that status and reason."""
        found = self._find(obj)
        if found is None:
            return None
        if self.status is not None and found.get(self.names[1]) != self.status:
            return None
        if self.reasons and found.get(self.names[2]) not in self.reasons:
            return None
        return self._said(found)

    def denied(self, obj: ObjectFacts) -> Said | None:
        """Whether it is there with another status."""
        found = self._find(obj)
        if found is None or self.status is None or found.get(self.names[1]) == self.status:
            return None
        said = self._said(found)
        return said if said.message else replace(said, message=f"{self.type} is {found.get(self.names[1])}")

    def _find(self, obj: ObjectFacts) -> Mapping[str, Any] | None:
        return next((found for found in self.path(obj) if found.get(self.names[0]) == self.type), None)

    def _said(self, found: Mapping[str, Any]) -> Said:
        spelled = {"reason": found.get(self.names[2]), "message": found.get(self.names[3])}
        return Said(message=sentence_of(spelled), at=instant_at(found, "lastTransitionTime"))


def all_of(rules: tuple[Rule, ...]) -> Rule:
    """Holds where each of them does; says what the first that says anything says."""
    if len(rules) == 1:
        return rules[0]

    def rule(obj: ObjectFacts) -> Said | None:
        said = [found for one in rules if (found := one(obj)) is not None]
        if len(said) < len(rules):
            return None
        return next((one for one in said if one.message or one.at), said[0])

    return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """All that a description says of statuses."""

    rules: Mapping[Word, tuple[Rule, ...]]
    ready_denied: tuple[Rule, ...] = ()
    """Conditions that would mean ready and are there with another status: not ready."""
    raw_phase: Callable[[ObjectFacts], str | None] = lambda _: None
    asked_to_stop: Callable[[ObjectFacts], str | None] = lambda _: None
    """Why the spec asks for a stop."""
    required: Callable[[ObjectFacts], int | None] = lambda _: None
    """How many pods Running needs; without an answer as many as its roles ask for."""
    ready: Callable[[ObjectFacts], int | None] = lambda _: None
    existing: Callable[[ObjectFacts], int | None] = lambda _: None
    ready_first: bool = False
    """Whether ready outweighs not ready where both hold, for descriptions whose early words stay."""


def with_signals(entry: KindEntry, telling: Telling) -> KindEntry:
    """The entry, which says what it was told to."""
    return replace(entry, signals=_hook(entry, telling))


def by_convention(entry: KindEntry, telling: Telling) -> KindEntry:
    """The entry, which is read as a kind without one; of what it was told only the stops and the pods count."""

    def signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
        said = generic.signals(obj, children, pods)
        required = telling.required(obj)
        if required is None:
            required = asked_pods(entry, obj)
        said = replace(
            said, success_satisfies=not entry.recovers, required=said.required if required is None else required
        )
        asked = telling.asked_to_stop(obj)
        if asked is None or said.stop is not None:
            return said
        held = held_by_queue(obj)
        return replace(said, stop=asked if held is None else held.sentence, queued=held is not None)

    return replace(entry, signals=signals)


def asked_pods(entry: KindEntry, obj: ObjectFacts) -> int | None:
    """How many pods the roles of an object ask for together, ``None`` where one of them does not tell.

    Follows from the object alone, and is asked at every change of its pods.
    """
    known: tuple[KindEntry, int | None] | None = obj.worked_out.get(_ASKED_PODS)
    if known is None or known[0] is not entry:
        known = obj.worked_out[_ASKED_PODS] = (entry, _asked_pods(entry, obj))
    return known[1]


_ASKED_PODS = "asked pods by description"


def _asked_pods(entry: KindEntry, obj: ObjectFacts) -> int | None:
    numbers = [role.replicas for role in find_roles(entry, obj)]
    known = [number for number in numbers if number is not None]
    return min(sum(known), MOST_PODS) if numbers and len(known) == len(numbers) else None


def _hook(entry: KindEntry, telling: Telling) -> SignalsHook:
    def signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
        return _signals(entry, telling, obj)

    return signals


def _signals(entry: KindEntry, telling: Telling, obj: ObjectFacts) -> Signals:
    said = _what_is_said(telling, obj)
    failed, lasting = said.get(Word.FAILED), True
    if failed is None:
        failed, lasting = said.get(Word.FAILED_FOR_NOW), False
    completed, cancelled = said.get(Word.COMPLETED), said.get(Word.CANCELLED)
    stop, queued = _stop(telling, obj, said)
    required = telling.required(obj)
    ready, existing = telling.ready(obj), telling.existing(obj)
    serves_in_part = Word.DEGRADED in said or Word.UPDATING in said
    if ready is None and serves_in_part:
        ready = 1
    if existing is None and Word.STOPPING in said:
        existing = 1
    return Signals(
        raw_phase=telling.raw_phase(obj),
        failed=None if failed is None else _verdict(failed, "failed by its own word", holds=lasting),
        completed=None if completed is None else Verdict(at=completed.at),
        stopped=None if cancelled is None else _verdict(cancelled, "cancelled"),
        stop=stop,
        queued=queued,
        resuming=_sentence(said.get(Word.RESUMING), "resuming by its own word"),
        unobserved=generic.unobserved_by_convention(obj),
        required=asked_pods(entry, obj) if required is None else required,
        success_satisfies=not entry.recovers,
        existing=existing,
        ready=ready,
        says_ready=_says_ready(said),
        not_ready=_sentence(said.get(Word.NOT_READY), "not ready by its own word"),
        degraded=_sentence(said.get(Word.DEGRADED), "degraded by its own word"),
        surplus=_sentence(said.get(Word.UPDATING), "updating by its own word"),
        waiting=_sentence(said.get(Word.WAITING), "waiting by its own word"),
        unreadable=None
        if said or ready is not None or not obj.status
        else "nothing in its status has a meaning by its description",
    )


def _what_is_said(telling: Telling, obj: ObjectFacts) -> dict[Word, Said]:
    said: dict[Word, Said] = {}
    for word, rules in telling.rules.items():
        found = next((found for rule in rules if (found := rule(obj)) is not None), None)
        if found is not None:
            said[word] = found
    if Word.READY not in said and Word.NOT_READY not in said:
        denied = next((found for rule in telling.ready_denied if (found := rule(obj)) is not None), None)
        if denied is not None:
            said[Word.NOT_READY] = denied
    if telling.ready_first and Word.READY in said:
        said.pop(Word.NOT_READY, None)
    return said


def _stop(telling: Telling, obj: ObjectFacts, said: Mapping[Word, Said]) -> tuple[str | None, bool]:
    """(why it is to stand still, whether it only waits in a queue)."""
    asked = telling.asked_to_stop(obj)
    if asked is None and Word.RESUMING in said:
        return None, False
    own = said.get(Word.STOPPED) or said.get(Word.STOPPING)
    if asked is None and own is None:
        return None, False
    held = held_by_queue(obj)
    if held is not None:
        return held.sentence, held.queued
    return asked or _sentence(own, "stopped by its own word"), False


def _says_ready(said: Mapping[Word, Said]) -> bool | None:
    if {Word.NOT_READY, Word.DEGRADED, Word.UPDATING} & said.keys():
        return False
    return True if Word.READY in said else None


def _sentence(said: Said | None, otherwise: str) -> str | None:
    return None if said is None else said.message or otherwise


def _verdict(said: Said, otherwise: str, *, holds: bool = True) -> Verdict:
    return Verdict(message=said.message or otherwise, at=said.at, holds=holds)
