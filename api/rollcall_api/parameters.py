"""What the list and the count are asked: their query parameters."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rollcall.store.pages import PageQuery, Scope, SortKey
from rollcall_api.query_strings import boolean, described, one, read_query, shown, whole_number
from rollcall_api.refusals import bad_parameter

DEFAULT_LIMIT = 50
MOST_LIMIT = 500
MOST_OFFSET = 2**31 - 1
"""The contract's int32."""


class SortOrder(StrEnum):
    """The direction of a page's order."""

    ASCENDING = "asc"
    DESCENDING = "desc"


def read_page_query(raw: bytes, scope: Scope) -> PageQuery:
    """Which page a list's query string asks for, of what the caller may see.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, {"deleted", "offset", "limit", "sortBy", "sortOrder", "filterBy", "search"})
    _refuse_what_is_not_built(given)
    return PageQuery(
        deleted=one(given, "deleted", boolean, default=False),
        offset=one(given, "offset", whole_number(0, MOST_OFFSET), default=0),
        limit=one(given, "limit", whole_number(1, MOST_LIMIT), default=DEFAULT_LIMIT),
        sort=one(given, "sortBy", _sort_key, default=SortKey.CREATED_AT),
        descending=one(given, "sortOrder", _sort_order, default=SortOrder.ASCENDING) is SortOrder.DESCENDING,
        scope=scope,
    )


def read_deleted(raw: bytes) -> bool:
    """Whether a count is of the deleted workloads.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, {"deleted", "filterBy", "search"})
    _refuse_what_is_not_built(given)
    return one(given, "deleted", boolean, default=False)


def _refuse_what_is_not_built(given: Mapping[str, Sequence[str]]) -> None:
    """An empty array or word asks for nothing; an answer that ignored anything else would be a wrong one."""
    for name in ("filterBy", "search"):
        if any(value.strip(", ") for value in given.get(name, ())):
            raise bad_parameter(name, "is not supported yet")


def _sort_key(name: str, text: str) -> SortKey:
    try:
        return SortKey(text)
    except ValueError:
        raise bad_parameter(name, f"must be one of {', '.join(SortKey)}, not {shown(text)}") from None


def _sort_order(name: str, text: str) -> SortOrder:
    try:
        return SortOrder(text)
    except ValueError:
        raise bad_parameter(name, f"must be asc or desc, not {shown(text)}") from None


_DELETED = described("deleted", {"type": "boolean", "default": False}, "The deleted workloads instead of the live.")
_FILTER_BY: dict[str, Any] = {
    **described("filterBy", {"type": "array", "items": {"type": "string"}}, "Not supported yet: only empty."),
    "style": "form",
    "explode": False,
}
_SEARCH = described("search", {"type": "string"}, "Not supported yet: only empty.")

COUNT_PARAMETERS = (_DELETED, _FILTER_BY, _SEARCH)
"""What :func:`read_deleted` reads, for the OpenAPI document."""

LIST_PARAMETERS = (
    _DELETED,
    described(
        "offset",
        {"type": "integer", "format": "int32", "minimum": 0, "maximum": MOST_OFFSET, "default": 0},
        "Workloads to skip: `next` of the page before.",
    ),
    described(
        "limit",
        {"type": "integer", "format": "int32", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT},
        "Workloads on the page at most.",
    ),
    described(
        "sortBy",
        {"type": "string", "enum": [key.value for key in SortKey], "default": SortKey.CREATED_AT.value},
        "What the page is sorted by; the id decides between equals.",
    ),
    described(
        "sortOrder",
        {"type": "string", "enum": [order.value for order in SortOrder], "default": SortOrder.ASCENDING.value},
        "The direction; workloads without a value come last either way.",
    ),
    _FILTER_BY,
    _SEARCH,
)
"""What :func:`read_page_query` reads, for the OpenAPI document."""
