"""Descriptions of kinds: what reading one comes to, and its fields taken one by one."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.entry import KindEntry

MOST_ITEMS = 100
"""Longest list or mapping in a description."""

PATH = re.compile(r"(spec|status)(\.[A-Za-z0-9_/-]+){1,20}")
INNER_PATH = re.compile(r"[A-Za-z0-9_/-]+(\.[A-Za-z0-9_/-]+){0,19}")
_GROUP = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
PLURAL = re.compile(r"[a-z][a-z0-9]{0,62}")
VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
TYPE = re.compile(r"[A-Z][a-z0-9]*([A-Z][a-z0-9]*)*")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,316}")
_ANY = re.compile(r"(?s).{1,300}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A kind that was taught."""

    source: str
    """Where the description stands."""
    entry: KindEntry
    body: str
    """The description in one spelling, so that two readings of it can be compared."""
    notes: tuple[str, ...] = ()
    """What of it is not read, as sentences."""
    of_karta: bool = False
    """Whether it was not written for Rollcall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A description that taught nothing."""

    source: str
    why: str


class RefusedError(Exception):
    """Something in a description is not understood; a sentence without a full stop."""


def body_of(description: Any) -> str:
    """A description in one spelling."""
    return json.dumps(description, sort_keys=True, default=str)


def teachable(group: str, kind: str) -> KindKey:
    """The key of a kind that may be taught.

    Raises:
        RefusedError: it is no name of a kind, or one of Kubernetes itself.
    """
    if not _GROUP.fullmatch(group) or not _KIND.fullmatch(kind):
        raise RefusedError(f"{kind[:80]!r} of group {group[:80]!r} is no name of a kind")
    own = "." not in group or (group.endswith(".k8s.io") and not group.endswith((".sigs.k8s.io", ".x-k8s.io")))
    if own:
        raise RefusedError(f"{kind} of group {group!r} is a kind of Kubernetes; only custom resources can be taught")
    return KindKey(group=group, kind=kind)


class Fields:
    """A mapping whose fields are taken one by one; what is left over is a fault."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, Mapping):
            raise RefusedError(f"{name} is no mapping")
        if len(value) > MOST_ITEMS:
            raise RefusedError(f"{name} has more than {MOST_ITEMS} fields")
        self._left = dict(value)
        self.name = name

    def take(self, field: str) -> Any:
        """The field as it stands, ``None`` where it is absent."""
        return self._left.pop(field, None)

    def text(self, field: str, shape: re.Pattern[str] = _ANY) -> str | None:
        """A text of that shape."""
        value = self.take(field)
        return None if value is None else _text(value, f"{field} of {self.name}", shape)

    def texts(self, field: str, shape: re.Pattern[str] = _ANY) -> tuple[str, ...]:
        """A list of texts of that shape; a single one counts as a list of it."""
        value = self.take(field)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if len(items) > MOST_ITEMS:
            raise RefusedError(f"{field} of {self.name} has more than {MOST_ITEMS} elements")
        return tuple(_text(item, f"{field} of {self.name}", shape) for item in items)

    def truth(self, field: str, *, default: bool) -> bool:
        """True or false."""
        value = self.take(field)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise RefusedError(f"{field} of {self.name} is neither true nor false")
        return value

    def inner(self, field: str) -> "Fields | None":
        """A mapping."""
        value = self.take(field)
        return None if value is None else Fields(value, f"{field} of {self.name}")

    def each(self, field: str) -> "list[tuple[Any, str]]":
        """The elements of a list, each with its name; a single one counts as a list of it."""
        value = self.take(field)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if len(items) > MOST_ITEMS:
            raise RefusedError(f"{field} of {self.name} has more than {MOST_ITEMS} elements")
        return [(item, f"{field}[{number}] of {self.name}") for number, item in enumerate(items)]

    def nothing_else(self) -> None:
        """Refuse what was not taken: it is misspelt, or of a later release."""
        if self._left:
            raise RefusedError(f"{self.name} has a field that is not known: {str(next(iter(self._left)))[:80]!r}")


def _text(value: Any, name: str, shape: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not value:
        raise RefusedError(f"{name} is no text")
    if not shape.fullmatch(value):
        expected = "a path such as spec.template" if shape in (PATH, INNER_PATH) else "what belongs there"
        raise RefusedError(f"{name}, {value[:80]!r}, is not {expected}")
    return value
