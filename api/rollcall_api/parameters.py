"""Query parameters, read strictly: what is not understood is refused by name, what is not known is ignored.

The reading is ours and not the framework's, because the contract's is neither lenient nor standard: clients send
``True`` for a boolean, and a number such as ``1_0`` is none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from rollcall.store.pages import PageQuery, Scope, SortKey
from rollcall_api.refusals import RefusalError, bad_parameter

DEFAULT_LIMIT = 50
MOST_LIMIT = 500
MOST_OFFSET = 2**31 - 1
"""The contract's int32."""

MOST_QUERY_BYTES = 32 * 1024
MOST_PARAMETERS = 1_000

_SHOWN = 64
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}

_Value = TypeVar("_Value")


class SortOrder(StrEnum):
    """The direction of a page's order."""

    ASCENDING = "asc"
    DESCENDING = "desc"


def read_page_query(raw: bytes, scope: Scope) -> PageQuery:
    """Which page a list's query string asks for, of what the caller may see.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = _given(raw, {"deleted", "offset", "limit", "sortBy", "sortOrder", "filterBy", "search"})
    _refuse_what_is_not_built(given)
    return PageQuery(
        deleted=_one(given, "deleted", _boolean, default=False),
        offset=_one(given, "offset", _whole_number(0, MOST_OFFSET), default=0),
        limit=_one(given, "limit", _whole_number(1, MOST_LIMIT), default=DEFAULT_LIMIT),
        sort=_one(given, "sortBy", _sort_key, default=SortKey.CREATED_AT),
        descending=_one(given, "sortOrder", _sort_order, default=SortOrder.ASCENDING) is SortOrder.DESCENDING,
        scope=scope,
    )


def read_deleted(raw: bytes) -> bool:
    """Whether a count is of the deleted workloads.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = _given(raw, {"deleted", "filterBy", "search"})
    _refuse_what_is_not_built(given)
    return _one(given, "deleted", _boolean, default=False)


def _given(raw: bytes, known: set[str]) -> dict[str, list[str]]:
    """The values of the known parameters, in order, decoded as form data."""
    if len(raw) > MOST_QUERY_BYTES:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"The query string is longer than {MOST_QUERY_BYTES} bytes.")
    if raw.count(b"&") >= MOST_PARAMETERS:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"There are more than {MOST_PARAMETERS} parameters.")
    given: dict[str, list[str]] = {}
    for pair in raw.split(b"&"):
        key, _, value = pair.partition(b"=")
        name = _decoded(key)
        if name not in known:
            continue
        text = _decoded(value)
        if text is None:
            raise bad_parameter(name, "is not percent-encoded UTF-8")
        if "\x00" in text:
            raise bad_parameter(name, "holds a NUL")
        given.setdefault(name, []).append(text)
    return given


def _decoded(raw: bytes) -> str | None:
    if _BROKEN_ESCAPE.search(raw):
        return None
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        return None


def _refuse_what_is_not_built(given: Mapping[str, Sequence[str]]) -> None:
    """An empty array or word asks for nothing; an answer that ignored anything else would be a wrong one."""
    for name in ("filterBy", "search"):
        if any(value.strip(", ") for value in given.get(name, ())):
            raise bad_parameter(name, "is not supported yet")


def _one(given: Mapping[str, list[str]], name: str, read: Callable[[str, str], _Value], *, default: _Value) -> _Value:
    values = given.get(name)
    if values is None:
        return default
    if len(set(values)) > 1:
        raise bad_parameter(name, "is given more than once")
    return read(name, values[0])


def _boolean(name: str, text: str) -> bool:
    if text not in _BOOLEANS:
        raise bad_parameter(name, f"must be true or false, not {_shown(text)}")
    return _BOOLEANS[text]


def _whole_number(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise bad_parameter(name, f"must be a whole number from {least} to {most}, not {_shown(text)}")
        return int(text)

    return read


def _sort_key(name: str, text: str) -> SortKey:
    try:
        return SortKey(text)
    except ValueError:
        raise bad_parameter(name, f"must be one of {', '.join(SortKey)}, not {_shown(text)}") from None


def _sort_order(name: str, text: str) -> SortOrder:
    try:
        return SortOrder(text)
    except ValueError:
        raise bad_parameter(name, f"must be asc or desc, not {_shown(text)}") from None


def _shown(text: str) -> str:
    """What was given, short enough for a sentence."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _described(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": dict(schema), "description": description}


_DELETED = _described("deleted", {"type": "boolean", "default": False}, "The deleted workloads instead of the live.")
_FILTER_BY: dict[str, Any] = {
    **_described("filterBy", {"type": "array", "items": {"type": "string"}}, "Not supported yet: only empty."),
    "style": "form",
    "explode": False,
}
_SEARCH = _described("search", {"type": "string"}, "Not supported yet: only empty.")

COUNT_PARAMETERS = (_DELETED, _FILTER_BY, _SEARCH)
"""What :func:`read_deleted` reads, for the OpenAPI document."""

LIST_PARAMETERS = (
    _DELETED,
    _described(
        "offset",
        {"type": "integer", "format": "int32", "minimum": 0, "maximum": MOST_OFFSET, "default": 0},
        "Workloads to skip: `next` of the page before.",
    ),
    _described(
        "limit",
        {"type": "integer", "format": "int32", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT},
        "Workloads on the page at most.",
    ),
    _described(
        "sortBy",
        {"type": "string", "enum": [key.value for key in SortKey], "default": SortKey.CREATED_AT.value},
        "What the page is sorted by; the id decides between equals.",
    ),
    _described(
        "sortOrder",
        {"type": "string", "enum": [order.value for order in SortOrder], "default": SortOrder.ASCENDING.value},
        "The direction; workloads without a value come last either way.",
    ),
    _FILTER_BY,
    _SEARCH,
)
"""What :func:`read_page_query` reads, for the OpenAPI document."""
