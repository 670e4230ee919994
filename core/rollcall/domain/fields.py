"""Total look-ups in plain JSON: what is absent or of the wrong shape is ``None``, nothing raises."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

EMPTY: Mapping[str, Any] = {}
"""What an absent mapping reads as."""

MOST_PODS = 2**31 - 1
"""The largest count a Kubernetes API object can hold; more is absurd."""


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def at(root: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path below ``root``, ``None`` where any step is absent or no mapping."""
    value: Any = root
    for step in _steps(path):
        # Facts hold plain dicts; asking for the abstract class costs most of a look-up.
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def mapping_at(root: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The mapping at ``path``, empty where there is none."""
    value = at(root, path)
    return value if type(value) is dict or isinstance(value, Mapping) else EMPTY


def text_at(root: Mapping[str, Any], path: str) -> str | None:
    """The non-empty string at ``path``."""
    value = at(root, path)
    return value if isinstance(value, str) and value else None


def texts_at(root: Any, path: str) -> Iterator[str]:
    """The non-empty texts at a path in which ``*`` is each element of a list and each value of a mapping."""
    step, _, rest = path.partition(".")
    if step == "*":
        inner = tuple(root.values()) if isinstance(root, Mapping) else root if isinstance(root, list | tuple) else ()
    else:
        inner = (root.get(step),) if isinstance(root, Mapping) else ()
    for value in inner:
        if rest:
            yield from texts_at(value, rest)
        elif isinstance(value, str) and value:
            yield value


def whole_at(root: Mapping[str, Any], path: str) -> int | None:
    """The count at ``path``: a whole number, not negative, that fits an int32."""
    value = at(root, path)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_PODS:
        return value
    return None


def is_absurd(root: Mapping[str, Any], path: str) -> bool:
    """Whether something stands at ``path`` that is no count."""
    return at(root, path) is not None and whole_at(root, path) is None


def elements_at(root: Mapping[str, Any], path: str) -> tuple[Mapping[str, Any], ...]:
    """The mappings in the list at ``path``; other elements are left out."""
    value = at(root, path)
    if not isinstance(value, list | tuple):
        return ()
    return tuple(element for element in value if type(element) is dict or isinstance(element, Mapping))


def instant_at(root: Mapping[str, Any], path: str) -> datetime | None:
    """The RFC 3339 instant at ``path``."""
    return instant(at(root, path))


def instant(value: Any) -> datetime | None:
    """An RFC 3339 string, or what YAML makes of one, as an aware instant; naive ones in UTC.

    Go's zero time is no instant, nor is one so far off that a grace period after it has no date.
    """
    if isinstance(value, datetime):
        read = value
    elif isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            return None
    else:
        return None
    if not _FIRST_YEAR <= read.year <= _LAST_YEAR:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


_FIRST_YEAR, _LAST_YEAR = 1970, 9000


def conditions_of(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(type, condition) of each well-formed element of ``status.conditions``."""
    for condition in elements_at(status, "conditions"):
        condition_type = condition.get("type")
        if isinstance(condition_type, str):
            yield condition_type, condition


def condition_of(status: Mapping[str, Any], condition_type: str) -> Mapping[str, Any] | None:
    """The condition of that type; an absent one is absent, not False."""
    # Asked a dozen times for each object at every look: nothing is built for it.
    conditions = status.get("conditions")
    if not isinstance(conditions, list | tuple):
        return None
    for condition in conditions:
        if type(condition) is not dict and not isinstance(condition, Mapping):
            continue
        if condition.get("type") == condition_type:
            found: Mapping[str, Any] = condition
            return found
    return None


def true_condition(status: Mapping[str, Any], *condition_types: str) -> Mapping[str, Any] | None:
    """The first of these types whose condition has status True, in the order asked for."""
    for condition_type in condition_types:
        condition = condition_of(status, condition_type)
        if condition is not None and condition.get("status") == "True":
            return condition
    return None


def sentence_of(condition: Mapping[str, Any]) -> str | None:
    """``reason: message`` of a condition, as far as it has them."""
    reason, message = text_at(condition, "reason"), text_at(condition, "message")
    if reason and message:
        return f"{reason}: {message}"
    return message or reason
