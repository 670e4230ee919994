"""The statuses of a Karta, read into rules: by phase, by conditions, by expression, all of one matcher together."""

from collections.abc import Callable, Mapping
from typing import Any

from rollcall.domain.expressions import Expression, worded
from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import at, elements_at, mapping_at, text_at
from rollcall.domain.kinds.karta_paths import Paths, document_of, json_value
from rollcall.domain.kinds.taught import is_among
from rollcall.domain.kinds.told import ConditionRule, Rule, Said, Telling, Word, all_of

_WORDS = {
    "failed": Word.FAILED,
    "completed": Word.COMPLETED,
    "suspended": Word.STOPPED,
    "suspending": Word.STOPPING,
    "resuming": Word.RESUMING,
    "running": Word.READY,
    "degraded": Word.DEGRADED,
    "initializing": Word.NOT_READY,
}
_FIELDS = (("typeFieldName", "type"), ("statusFieldName", "status"), ("reasonFieldName", "reason"))
_MOST_MATCHERS = 50

_Stop = Callable[[ObjectFacts], str | None]


def read_telling(definition: Mapping[str, Any], stop: _Stop, paths: Paths) -> Telling:
    """What the statuses of a description mean. Without a rule that is understood it tells nothing."""
    phase = paths.read(definition, "phaseDefinition.path", "the status")
    conditions = paths.read(definition, "conditionsDefinition.path", "the status")
    names = mapping_at(definition, "conditionsDefinition")
    spelled = tuple(text_at(names, field) or otherwise for field, otherwise in _FIELDS)
    message = text_at(names, "messageFieldName") or "message"
    rules: dict[Word, tuple[Rule, ...]] = {}
    denied: list[Rule] = []
    for status, word in _WORDS.items():
        found: list[Rule] = []
        for matcher in elements_at(definition, f"statusMappings.{status}")[:_MOST_MATCHERS]:
            parts = _parts(matcher, status, phase, conditions, (*spelled, message), paths)
            if not parts:
                continue
            found.append(all_of(tuple(parts)))
            if word is Word.READY:
                denied.extend(part.denied for part in parts if isinstance(part, ConditionRule))
        if found:
            rules[word] = tuple(found)
    return Telling(
        rules=rules,
        ready_denied=tuple(denied),
        raw_phase=lambda obj: _phase_of(phase, obj),
        asked_to_stop=stop,
        ready_first=True,
    )


def read_stop(root: Mapping[str, Any], paths: Paths) -> _Stop:
    """A stop is asked where every suspend action is as if done; one that sets null says nothing."""
    actions: list[tuple[Expression, Any]] = []
    for action in elements_at(root, "suspendDefinition.suspendActions")[:_MOST_MATCHERS]:
        path = paths.read(action, "path", "a suspend action")
        is_json, value = json_value(action.get("value"))
        if path is None or not is_json or value is None:
            return lambda _: None
        actions.append((path, value))

    def stop(obj: ObjectFacts) -> str | None:
        document = document_of(obj)
        if not actions or not all(is_among(path.first(document), (value,)) for path, value in actions):
            return None
        return f"suspended by {actions[0][0].text.lstrip('.')}"

    return stop


def _phase_of(phase: Expression | None, obj: ObjectFacts) -> str | None:
    found = None if phase is None else phase.first(document_of(obj))
    return found if isinstance(found, str) and found else None


def _parts(
    matcher: Mapping[str, Any],
    status: str,
    phase: Expression | None,
    conditions: Expression | None,
    names: tuple[str, ...],
    paths: Paths,
) -> list[Rule]:
    """What one matcher asks for; empty where a part of it is not understood, for then it means something else."""
    parts: list[Rule] = []
    word = text_at(matcher, "byPhase")
    if word is not None:
        if phase is None:
            paths.notes.append(f"a phase of {status} has no phaseDefinition")
            return []
        parts.append(_phase_rule(phase, word))
    for expected in elements_at(matcher, "byConditions"):
        condition = _condition_rule(expected, conditions, names)
        if condition is None:
            paths.notes.append(f"a condition of {status} has no type")
            return []
        parts.append(condition)
    if at(matcher, "byExpression") is not None:
        expression = paths.read(matcher, "byExpression.expression", status)
        if expression is None:
            return []
        parts.append(_expression_rule(expression, worded(at(matcher, "byExpression.expectedResult"))))
    return parts


def _phase_rule(phase: Expression, word: str) -> Rule:
    def rule(obj: ObjectFacts) -> Said | None:
        if _phase_of(phase, obj) != word:
            return None
        return Said(message=text_at(obj.status, "message") or f"the object says {word}")

    return rule


def _condition_rule(
    expected: Mapping[str, Any], conditions: Expression | None, names: tuple[str, ...]
) -> ConditionRule | None:
    condition_type = text_at(expected, "type")
    if condition_type is None:
        return None
    reason = text_at(expected, "reason")
    kind, status, spelled_reason, message = names

    def found_at(obj: ObjectFacts) -> tuple[Mapping[str, Any], ...]:
        if conditions is None:
            return elements_at(obj.status, "conditions")
        return elements_at({"conditions": conditions.first(document_of(obj))}, "conditions")

    return ConditionRule(
        type=condition_type,
        status=text_at(expected, "status"),
        reasons=frozenset() if reason is None else frozenset({reason}),
        path=found_at,
        names=(kind, status, spelled_reason, message),
    )


def _expression_rule(expression: Expression, wanted: str) -> Rule:
    def rule(obj: ObjectFacts) -> Said | None:
        found = expression.values(document_of(obj))
        return Said() if found and worded(found[0]) == wanted else None

    return rule
