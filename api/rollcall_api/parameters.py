"""What the lists and the counts are asked: their query parameters."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from rollcall.store.fields import AnyField, Field
from rollcall.store.pages import PageQuery, Scope, Selection
from rollcall_api.filters import Fields, filter_by, read_filters, read_search, search_for
from rollcall_api.query_strings import boolean, described, items, one, read_query, shown, whole_number, word
from rollcall_api.refusals import bad_parameter

DEFAULT_LIMIT = 50
MOST_LIMIT = 500
MOST_OFFSET = 2**31 - 1
"""The contract's int32."""

SELECTING = frozenset({"deleted", "filterBy", "search"})
"""The parameters that :func:`read_selected` reads."""

PAGING = frozenset({"offset", "limit"})
"""The parameters that :func:`read_place` reads."""

SORTING = frozenset({"sortBy", "sortOrder"})
"""The parameters that :func:`read_order` reads."""


class SortOrder(StrEnum):
    """The direction of a page's order."""

    ASCENDING = "asc"
    DESCENDING = "desc"


def read_page_query(raw: bytes, scope: Scope) -> PageQuery:
    """Which page a list's query string asks for, of what the caller may see.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, SELECTING | PAGING | SORTING)
    return PageQuery(**read_selected(given, scope, Field), **read_place(given), **read_order(given, Field))


def read_selection(raw: bytes, scope: Scope) -> Selection:
    """What a count's query string asks for, of what the caller may see.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    return Selection(**read_selected(read_query(raw, SELECTING), scope, Field))


def read_selected(given: Mapping[str, list[str]], scope: Scope, fields: Fields) -> dict[str, Any]:
    """Which rows are asked for, as arguments of a selection."""
    return {
        "deleted": one(given, "deleted", boolean, default=False),
        "scope": scope,
        "terms": read_filters(items(given, "filterBy"), fields),
        "words": read_search(given.get("search", ())),
    }


def read_place(given: Mapping[str, list[str]]) -> dict[str, Any]:
    """Which part of them, as arguments of a page's query."""
    return {
        "offset": one(given, "offset", whole_number(0, MOST_OFFSET), default=0),
        "limit": one(given, "limit", whole_number(1, MOST_LIMIT), default=DEFAULT_LIMIT),
    }


def read_order(given: Mapping[str, list[str]], fields: Fields) -> dict[str, Any]:
    """In which order, as arguments of a page's query."""
    return {
        "sort": one(given, "sortBy", word(fields), default=default_sort(fields)),
        "descending": one(given, "sortOrder", sort_order, default=SortOrder.ASCENDING) is SortOrder.DESCENDING,
    }


def sort_order(name: str, text: str) -> SortOrder:
    """The direction of a page's order.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    try:
        return SortOrder(text)
    except ValueError:
        raise bad_parameter(name, f"must be asc or desc, not {shown(text)}") from None


def default_sort(fields: Fields) -> AnyField:
    """What is sorted by where nothing is said: the creation, or the first field of what has none."""
    known: list[AnyField] = list(fields)
    return next((field for field in known if field.value == Field.CREATED_AT.value), known[0])


def selection_parameters(things: str, fields: Fields, searched: str) -> tuple[dict[str, Any], ...]:
    """What :func:`read_selected` reads, for the OpenAPI document."""
    return (deleted_parameter(things), filter_by(fields), search_for(searched))


def deleted_parameter(things: str) -> dict[str, Any]:
    """The choice between what is there and what was, for the OpenAPI document."""
    return described("deleted", {"type": "boolean", "default": False}, f"The deleted {things} instead of the live.")


def place_parameters(things: str) -> tuple[dict[str, Any], ...]:
    """What :func:`read_place` reads, for the OpenAPI document."""
    return (
        described(
            "offset",
            {"type": "integer", "format": "int32", "minimum": 0, "maximum": MOST_OFFSET, "default": 0},
            f"{things.capitalize()} to skip: `next` of the page before.",
        ),
        described(
            "limit",
            {"type": "integer", "format": "int32", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT},
            f"{things.capitalize()} on the page at most.",
        ),
    )


def order_parameters(things: str, fields: Fields) -> tuple[dict[str, Any], ...]:
    """What :func:`read_order` reads, for the OpenAPI document."""
    return (
        described(
            "sortBy",
            {"type": "string", "enum": [key.value for key in fields], "default": default_sort(fields).value},
            "What the page is sorted by; between equals the creation decides, then the id.",
        ),
        described(
            "sortOrder",
            {"type": "string", "enum": [order.value for order in SortOrder], "default": SortOrder.ASCENDING.value},
            f"The direction; {things} without a value come last either way.",
        ),
    )


_SEARCHED = "the name, type, namespace, project, department, submittedBy, phase, a node pool or an image"

COUNT_PARAMETERS = selection_parameters("workloads", Field, _SEARCHED)
"""What :func:`read_selection` reads, for the OpenAPI document."""

LIST_PARAMETERS = (
    COUNT_PARAMETERS[0],
    *place_parameters("workloads"),
    *order_parameters("workloads", Field),
    *COUNT_PARAMETERS[1:],
)
"""What :func:`read_page_query` reads, for the OpenAPI document."""
