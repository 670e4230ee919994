"""The endpoints of workload types, their categories and priorities: the built-in catalogue of kinds."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response
from pydantic import Field

from rollcall.contract import made_id
from rollcall.domain.kinds.catalogue import all_entries
from rollcall.domain.priority import KNOWN_CLASSES
from rollcall.domain.records import Category
from rollcall.store.kind_listings import (
    KindField,
    ListedCategory,
    ListedKind,
    ListedPriority,
    PriorityField,
    categories,
    kinds,
    priorities,
)
from rollcall.store.listings import Listing, ListingQuery
from rollcall.store.pages import Scope
from rollcall_api.answers import freshness_header, json_response
from rollcall_api.endpoints import BEARER, query_of, records_of, responses, scope_of, uuid_of
from rollcall_api.filters import filter_by
from rollcall_api.listing_requests import read_listing_query
from rollcall_api.models import Model
from rollcall_api.parameters import order_parameters
from rollcall_api.query_strings import boolean, described, in_path, one, read_query
from rollcall_api.records import Listed
from rollcall_api.refusals import not_found

router = APIRouter(prefix="/api/v1", tags=["Workload types"], dependencies=[Security(BEARER)])

CORE_GROUP = "core"
"""What the group of Pods is called: the contract's groups have at least a letter."""

NATIVE_GROUP = "run.ai"
"""The group of the kinds that are not external to the contract's own product."""

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class WorkloadType(Model):
    """A kind that can be a workload; ``name`` is its Kubernetes kind."""

    id: Uuid
    name: str = Field(examples=["Job"])
    group: str = Field(examples=["batch"])
    categoryId: Uuid  # noqa: N815 - the contract's names
    categoryName: Category  # noqa: N815
    priorityId: Uuid  # noqa: N815
    priorityName: str = Field(description="What its workloads have that name none.")  # noqa: N815


class WorkloadTypeList(Model):
    """All of them, by name."""

    types: list[WorkloadType]


class WorkloadCategory(Model):
    """What workloads are for."""

    id: Uuid
    name: Category


class WorkloadCategoryList(Model):
    """All of them."""

    categories: list[WorkloadCategory]


class WorkloadPriority(Model):
    """A PriorityClass that is known by its name."""

    id: Uuid
    name: str
    value: int = Field(ge=0)


class WorkloadPriorityList(Model):
    """All of them."""

    priorities: list[WorkloadPriority]


@lru_cache(maxsize=1)
def all_kinds() -> Listing[ListedKind]:
    """Every built-in kind that can be a workload."""
    return kinds(
        ListedKind(
            id=made_id("workload type", entry.key.group, entry.key.kind),
            name=entry.key.kind,
            group_name=entry.key.group or CORE_GROUP,
            category=entry.category.value,
            category_id=_category_id(entry.category),
            priority=entry.default_priority_class,
            priority_id=_priority_id(entry.default_priority_class),
        )
        for entry in all_entries()
        if not entry.ignored
    )


@lru_cache(maxsize=1)
def all_categories() -> Listing[ListedCategory]:
    """Every category."""
    return categories(ListedCategory(id=_category_id(one), name=one.value) for one in Category)


@lru_cache(maxsize=1)
def all_priorities() -> Listing[ListedPriority]:
    """Every PriorityClass that is known by its name."""
    return priorities(
        ListedPriority(id=_priority_id(name), name=name, value=value) for name, value in KNOWN_CLASSES.items()
    )


def _category_id(category: Category) -> str:
    return made_id("workload category", category.value)


def _priority_id(name: str) -> str:
    return made_id("workload priority", name)


@router.get(
    "/workload-types",
    operation_id="list_workload_types",
    summary="List workload types",
    response_model=WorkloadTypeList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={
        "parameters": [
            described("externalTypesOnly", {"type": "boolean", "default": False}, "Leave out the group `run.ai`."),
            filter_by(KindField),
        ]
    },
)
async def list_workload_types(request: Request) -> Response:
    """All built-in kinds, for whoever may see workloads somewhere."""
    scope = await scope_of(request)
    raw, listing = query_of(request), all_kinds()
    if one(read_query(raw, {"externalTypesOnly"}), "externalTypesOnly", boolean, default=False):
        listing = replace(listing, conditions=(listing.rows.c.group_name != NATIVE_GROUP,))
    query = read_listing_query(raw, listing, KindField, orders=False, pages=False)
    return await _all(request, scope, listing, query, "types", _type_json)


@router.get(
    "/workload-types/{workloadTypeId}",  # noqa: FAST003 - read from the path by uuid_of
    operation_id="get_workload_type",
    summary="One workload type",
    response_model=WorkloadType,
    responses=responses(401, 403, 404, 503),
    openapi_extra={"parameters": [in_path("workloadTypeId", "The workload type's id.", format="uuid")]},
)
async def get_workload_type(request: Request) -> Response:
    """One built-in kind by its id."""
    scope = await scope_of(request)
    return await _one(request, scope, all_kinds(), "workloadTypeId", "workload type", _type_json)


@router.get(
    "/workload-categories",
    operation_id="list_categories",
    summary="List workload categories",
    response_model=WorkloadCategoryList,
    responses=responses(401, 403, 503),
)
async def list_categories(request: Request) -> Response:
    """All categories, for whoever may see workloads somewhere."""
    scope = await scope_of(request)
    return await _all(request, scope, all_categories(), ListingQuery(limit=None), "categories", asdict)


@router.get(
    "/workload-categories/{categoryId}",  # noqa: FAST003 - read from the path by uuid_of
    operation_id="get_category_by_id",
    summary="One workload category",
    response_model=WorkloadCategory,
    responses=responses(401, 403, 404, 503),
    openapi_extra={"parameters": [in_path("categoryId", "The workload category's id.", format="uuid")]},
)
async def get_category(request: Request) -> Response:
    """One category by its id."""
    scope = await scope_of(request)
    return await _one(request, scope, all_categories(), "categoryId", "workload category", asdict)


@router.get(
    "/workload-priorities",
    operation_id="get_workload_priorities",
    summary="List workload priorities",
    response_model=WorkloadPriorityList,
    responses=responses(400, 401, 403, 503),
    openapi_extra={"parameters": [*order_parameters("priorities", PriorityField), filter_by(PriorityField)]},
)
async def get_workload_priorities(request: Request) -> Response:
    """The PriorityClasses whose value is known where a cluster's are not read."""
    scope = await scope_of(request)
    listing = all_priorities()
    query = read_listing_query(query_of(request), listing, PriorityField, pages=False)
    return await _all(request, scope, listing, query, "priorities", asdict)


async def _all(
    request: Request,
    scope: Scope,
    listing: Listing[Listed],
    query: ListingQuery,
    key: str,
    render: Callable[[Listed], dict[str, Any]],
) -> Response:
    page = await records_of(request).listed(replace(listing, clusters=scope.clusters), query)
    return json_response({key: [render(found) for found in page.records]}, headers=freshness_header(page.observed_at))


async def _one(
    request: Request,
    scope: Scope,
    listing: Listing[Listed],
    parameter: str,
    what: str,
    render: Callable[[Listed], dict[str, Any]],
) -> Response:
    wanted = listing.rows.c.id == uuid_of(request, parameter, what)
    found = replace(listing, conditions=(wanted,), clusters=scope.clusters)
    page = await records_of(request).listed(found, ListingQuery(limit=1))
    if not page.records:
        raise not_found(what)
    return json_response(render(page.records[0]), headers=freshness_header(page.observed_at))


def _type_json(kind: ListedKind) -> dict[str, Any]:
    return {
        "id": kind.id,
        "name": kind.name,
        "group": kind.group_name,
        "categoryId": kind.category_id,
        "categoryName": kind.category,
        "priorityId": kind.priority_id,
        "priorityName": kind.priority,
    }
