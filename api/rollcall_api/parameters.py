"""What the list and the count are asked: their query parameters."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from rollcall.store.fields import Field
from rollcall.store.pages import PageQuery, Scope, Selection
from rollcall_api.filters import FILTER_BY, SEARCH, read_filters, read_search
from rollcall_api.query_strings import boolean, described, items, one, read_query, shown, whole_number
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
    return PageQuery(
        **_selected(given, scope),
        offset=one(given, "offset", whole_number(0, MOST_OFFSET), default=0),
        limit=one(given, "limit", whole_number(1, MOST_LIMIT), default=DEFAULT_LIMIT),
        sort=one(given, "sortBy", _sort_key, default=Field.CREATED_AT),
        descending=one(given, "sortOrder", sort_order, default=SortOrder.ASCENDING) is SortOrder.DESCENDING,
    )


def read_selection(raw: bytes, scope: Scope) -> Selection:
    """What a count's query string asks for, of what the caller may see.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    return Selection(**_selected(read_query(raw, {"deleted", "filterBy", "search"}), scope))


def _selected(given: Mapping[str, list[str]], scope: Scope) -> dict[str, Any]:
    return {
        "deleted": one(given, "deleted", boolean, default=False),
        "scope": scope,
        "terms": read_filters(items(given, "filterBy")),
        "words": read_search(given.get("search", ())),
    }


def _sort_key(name: str, text: str) -> Field:
    try:
        return Field(text)
    except ValueError:
        raise bad_parameter(name, f"must be one of {', '.join(Field)}, not {shown(text)}") from None


def sort_order(name: str, text: str) -> SortOrder:
    """The direction of a page's order.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    try:
        return SortOrder(text)
    except ValueError:
        raise bad_parameter(name, f"must be asc or desc, not {shown(text)}") from None


_DELETED = described("deleted", {"type": "boolean", "default": False}, "The deleted workloads instead of the live.")

COUNT_PARAMETERS = (_DELETED, FILTER_BY, SEARCH)
"""What :func:`read_selection` reads, for the OpenAPI document."""

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
        {"type": "string", "enum": [key.value for key in Field], "default": Field.CREATED_AT.value},
        "What the page is sorted by; the id decides between equals.",
    ),
    described(
        "sortOrder",
        {"type": "string", "enum": [order.value for order in SortOrder], "default": SortOrder.ASCENDING.value},
        "The direction; workloads without a value come last either way.",
    ),
    FILTER_BY,
    SEARCH,
)
"""What :func:`read_page_query` reads, for the OpenAPI document."""
