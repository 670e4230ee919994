"""Kinds that an admin taught: a description in plain data, read into an entry of the catalogue.

The description is documented in docs/how-to/teach-a-kind.md; this parser is its definition. It is total: whatever it
is given, it answers with a `Lesson` or with a `Refusal` whose sentence names the field at fault. What it does not
know it refuses, so that a misspelt field is told and not passed over.

Only custom resources can be taught. A kind of Kubernetes itself has its entry or is no workload, and a description
must not make the operator watch Secrets.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import text_at, whole_at
from rollcall.domain.kinds import generic
from rollcall.domain.kinds.descriptions import (
    INNER_PATH,
    LABEL,
    MOST_ITEMS,
    PATH,
    PLURAL,
    TYPE,
    VERSION,
    Fields,
    Lesson,
    Refusal,
    RefusedError,
    body_of,
    teachable,
)
from rollcall.domain.kinds.entry import KindEntry, RequestedPodsHook, Role
from rollcall.domain.kinds.told import ConditionRule, Rule, Said, Telling, Word, all_of, by_convention, with_signals
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.roles import object_at

FRAMEWORKS = frozenset({"MPI", "PyTorch", "TF", "XGBoost", "JAX"})
"""The distributed frameworks of the contract."""

DEFAULT_CLASSES = {Category.BUILD: "build", Category.TRAIN: "train", Category.DEPLOY: "inference"}


def read_lesson(description: Any, source: str) -> Lesson | Refusal:
    """Read one description of a kind. Never raises."""
    try:
        found = Fields(description, "the description")
        entry = _entry(found)
        found.nothing_else()
        return Lesson(source=source, entry=entry, body=body_of(description))
    except (RefusedError, RecursionError, ValueError, TypeError) as error:
        return Refusal(source=source, why=f"{error or type(error).__name__}.")


def _entry(fields: Fields) -> KindEntry:
    group, kind = fields.text("group"), fields.text("kind")
    if group is None or kind is None:
        raise RefusedError("the description names no group or no kind")
    key = teachable(group, kind)
    category = _one_of(fields, "category", {one.value: one for one in Category}) or Category.TRAIN
    framework = _one_of(fields, "framework", {name: name for name in FRAMEWORKS})
    roles = tuple(_role(item, name) for item, name in fields.each("roles"))
    priority, pods = fields.inner("priority"), fields.inner("pods")
    default_class = None if priority is None else priority.text("default")
    ignored = fields.truth("ignored", default=False)
    entry = KindEntry(
        key=key,
        versions=fields.texts("versions", VERSION),
        plural=fields.text("plural", PLURAL) or "",
        category=category,
        signals=generic.signals,
        type=fields.text("type", TYPE) or "",
        distributed_framework=framework,
        roles=roles,
        role_labels=fields.texts("roleLabels", LABEL),
        completed_at=fields.text("completedAt", PATH),
        priority_labels=() if priority is None else priority.texts("labels", LABEL),
        priority_paths=() if priority is None else priority.texts("paths", PATH),
        default_priority_class=default_class or DEFAULT_CLASSES[category],
        recovers=fields.truth("recovers", default=category is not Category.TRAIN),
        requested_pods=None if pods is None else _requested_pods(pods),
        watched=not ignored,
        ignored=ignored,
    )
    required = None if pods is None else pods.text("required", PATH)
    stops, status = [_stop(item, name) for item, name in fields.each("stop")], fields.inner("status")
    for inner in (priority, pods):
        if inner is not None:
            inner.nothing_else()
    telling = Telling(
        rules={},
        asked_to_stop=lambda obj: next((said for stop in stops if (said := stop(obj)) is not None), None),
        required=lambda obj: count_at(obj, required),
    )
    if status is None:
        return by_convention(entry, telling)
    return with_signals(entry, _with_status(telling, status))


def _one_of(fields: Fields, field: str, known: Mapping[str, Any]) -> Any:
    value = fields.text(field)
    if value is not None and value not in known:
        raise RefusedError(f"{field}, {value[:80]!r}, is none of {', '.join(sorted(known))}")
    return None if value is None else known[value]


def _role(item: Any, name: str) -> Role:
    fields = Fields(item, name)
    each = fields.text("each", PATH)
    shape = PATH if each is None else INNER_PATH
    template, pod_spec = fields.text("template", shape), fields.text("podSpec", shape)
    if (template is None) is (pod_spec is None):
        raise RefusedError(f"{name} has neither or both of template and podSpec")
    default = fields.take("default")
    if default is not None and whole_at({"default": default}, "default") is None:
        raise RefusedError(f"default of {name} is no count")
    role = Role(
        name=(fields.text("name") or "").lower(),
        template=template or pod_spec or "",
        is_pod_spec=pod_spec is not None,
        replicas=fields.text("replicas", shape),
        default_replicas=1 if default is None else default,
        each=each,
        each_name=fields.text("eachName", INNER_PATH) or "name",
    )
    fields.nothing_else()
    return role


def _requested_pods(fields: Fields) -> RequestedPodsHook:
    least, most = fields.text("min", PATH), fields.text("max", PATH)

    def requested(obj: ObjectFacts, number: int | None) -> RequestedPods:
        return RequestedPods(number=number, min=count_at(obj, least), max=count_at(obj, most))

    return requested


def count_at(obj: ObjectFacts, path: str | None) -> int | None:
    """The count at a path that starts with ``spec`` or ``status``."""
    return None if path is None else whole_at({"count": object_at(obj, path)}, "count")


# Stops


def _stop(item: Any, name: str) -> Callable[[ObjectFacts], str | None]:
    fields = Fields(item, name)
    path, values = fields.text("path", PATH), _values(fields, "is", name, otherwise=(True,))
    fields.nothing_else()
    if path is None:
        raise RefusedError(f"{name} has no path")

    def stop(obj: ObjectFacts) -> str | None:
        found = object_at(obj, path)
        if not is_among(found, values):
            return None
        return f"suspended by {path}" if found is True else f"stopped by {path}: {found}"

    return stop


def _values(fields: Fields, field: str, name: str, *, otherwise: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
    value = fields.take(field)
    if value is None:
        if otherwise is None:
            raise RefusedError(f"{name} has a path and no value to compare with")
        return otherwise
    values = tuple(value) if isinstance(value, list) else (value,)
    if not values or len(values) > MOST_ITEMS or not all(isinstance(one, str | int | float | bool) for one in values):
        raise RefusedError(f"{field} of {name} is neither a plain value nor a list of them")
    return values


def is_among(found: Any, values: tuple[Any, ...]) -> bool:
    """Whether a value is one of these; true is not 1."""
    return any(isinstance(found, bool) == isinstance(one, bool) and found == one for one in values)


# Statuses


def _with_status(telling: Telling, fields: Fields) -> Telling:
    words = fields.texts("word", PATH) or ("status.phase", "status.state")
    counts = fields.inner("counts")
    ready, existing = (None, None) if counts is None else (counts.text("ready", PATH), counts.text("existing", PATH))
    if counts is not None:
        counts.nothing_else()
    rules: dict[Word, tuple[Rule, ...]] = {}
    denied: list[Rule] = []
    for word in Word:
        found = [_rule(item, name, words) for item, name in fields.each(word.value)]
        if found:
            rules[word] = tuple(all_of(parts) for parts in found)
        if word is Word.READY:
            denied = [part.denied for parts in found for part in parts if isinstance(part, ConditionRule)]
    fields.nothing_else()
    if not rules and ready is None:
        raise RefusedError("the status of the description gives no meaning to anything")
    return replace(
        telling,
        rules=rules,
        ready_denied=tuple(denied),
        raw_phase=lambda obj: _word_at(obj, words),
        ready=lambda obj: count_at(obj, ready),
        existing=lambda obj: count_at(obj, existing),
    )


def _word_at(obj: ObjectFacts, paths: tuple[str, ...]) -> str | None:
    """The framework's own word: the first text at one of the paths."""
    return next((found for path in paths if isinstance(found := object_at(obj, path), str) and found), None)


def _rule(item: Any, name: str, words: tuple[str, ...]) -> tuple[Rule, ...]:
    """What must hold together; a plain text is the framework's own word."""
    if isinstance(item, str):
        return (_word_rule((item,), words),)
    fields = Fields(item, name)
    parts: list[Rule] = []
    if meant := fields.texts("word"):
        parts.append(_word_rule(meant, words))
    condition = fields.text("condition")
    if condition is not None:
        parts.append(_condition_rule(condition, fields, name))
    path = fields.text("path", PATH)
    if path is not None:
        parts.append(_value_rule(path, _values(fields, "is", name)))
    fields.nothing_else()
    if not parts:
        raise RefusedError(f"{name} has neither word, condition nor path")
    return tuple(parts)


def _word_rule(meant: tuple[str, ...], paths: tuple[str, ...]) -> Rule:
    known = frozenset(generic.plain_word(word) for word in meant)

    def rule(obj: ObjectFacts) -> Said | None:
        word = _word_at(obj, paths)
        if word is None or generic.plain_word(word) not in known:
            return None
        return Said(message=text_at(obj.status, "message") or f"the object says {word}")

    return rule


def _condition_rule(condition: str, fields: Fields, name: str) -> ConditionRule:
    status = fields.take("status")
    # YAML reads an unquoted True as a truth value.
    spelled = {None: "True", True: "True", False: "False"}.get(status, status) if _is_plain(status) else None
    if spelled not in ("True", "False", "Unknown"):
        raise RefusedError(f"status of {name} is none of True, False, Unknown")
    return ConditionRule(type=condition, status=spelled, reasons=frozenset(fields.texts("reason")))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool)


def _value_rule(path: str, values: tuple[Any, ...]) -> Rule:
    def rule(obj: ObjectFacts) -> Said | None:
        found = object_at(obj, path)
        return Said(message=f"{path} is {found}") if is_among(found, values) else None

    return rule
