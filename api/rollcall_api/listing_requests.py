"""What all listings are asked, and how a page of one is answered."""

import re
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from rollcall.store.fields import PlaceField
from rollcall.store.listings import Listing, ListingQuery
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.endpoints import answered, query_of, records_of
from rollcall_api.filters import filter_by, read_filters, read_search, search_for
from rollcall_api.parameters import PAGING, SORTING, order_parameters, place_parameters, read_order, read_place
from rollcall_api.query_strings import items, read_query
from rollcall_api.records import Listed

_MEMBER = re.compile(r"\w+Fields\.(\w+)", re.ASCII)


def read_listing_query(
    raw: bytes, listing: Listing[Any], fields: type[PlaceField], *, orders: bool = True, pages: bool = True
) -> ListingQuery:
    """Which rows a query string asks for, and in which order and which page of them, where these can be asked for.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    selecting = {"filterBy", "search"} if listing.searched else {"filterBy"}
    given = read_query(raw, selecting | (PAGING if pages else set()) | (SORTING if orders else set()))
    if "sortBy" in given:
        given["sortBy"] = [_plain(text, fields) for text in given["sortBy"]]
    return ListingQuery(
        terms=read_filters(items(given, "filterBy"), fields),
        words=read_search(given.get("search", ())),
        **(read_place(given) if pages else {"limit": None}),
        **(read_order(given, fields) if orders else {}),
    )


def _plain(text: str, fields: type[PlaceField]) -> str:
    """A client that is given its own enum's member sends the member's name in Python, such as ``GPUTYPE``."""
    member = _MEMBER.fullmatch(text)
    known = {field.value.upper(): field.value for field in fields}
    return text if member is None else known.get(member[1], text)


def count_parameters(fields: type[PlaceField], searched: str) -> list[dict[str, Any]]:
    """What a count is asked, for the OpenAPI document; nothing is searched where ``searched`` is empty."""
    return [filter_by(fields), *([search_for(searched)] if searched else [])]


def page_parameters(things: str, fields: type[PlaceField], searched: str) -> list[dict[str, Any]]:
    """What a list is asked, for the OpenAPI document."""
    paging = (*place_parameters(things), *order_parameters(things, fields))
    return [*paging, *count_parameters(fields, searched)]


async def listed(
    request: Request,
    listing: Listing[Listed],
    fields: type[PlaceField],
    key: str,
    render: Callable[[Listed], dict[str, Any]],
) -> Response:
    """A page under its key; ``next`` is there when more follow."""
    query = read_listing_query(query_of(request), listing, fields)
    page = await records_of(request).listed(listing, query)
    body: dict[str, Any] = {key: [render(one) for one in page.records]}
    if page.has_more:
        body["next"] = query.offset + len(page.records)
    return json_response(body, headers=freshness_header(page.observed_at))


async def counted(request: Request, listing: Listing[Any], fields: type[PlaceField]) -> Response:
    """How many there are."""
    query = read_listing_query(query_of(request), listing, fields, orders=False, pages=False)
    return answered(await records_of(request).counted(listing, query))
