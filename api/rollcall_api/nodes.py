"""The endpoints of nodes: whoever may list the originals may see these."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response

from rollcall.contract import decimal
from rollcall.store.listings import Listing
from rollcall.store.node_telemetry import NodeGroupKey, NodeMeasure, NodeTelemetryQuery
from rollcall.store.pages import Scope
from rollcall.store.place_listings import ListedNode, NodeField, in_cluster, nodes
from rollcall_api.endpoints import BEARER, nodes_scope_of, query_of, records_of, responses
from rollcall_api.listing_requests import count_parameters, counted, listed, page_parameters
from rollcall_api.models import Count
from rollcall_api.place_answers import node_json
from rollcall_api.place_models import NodeList
from rollcall_api.places import CLUSTER_UUID, known_cluster
from rollcall_api.query_strings import described, items, one, read_query, word
from rollcall_api.refusals import bad_parameter
from rollcall_api.telemetry_answers import (
    IN_TWO_FORMS,
    MOST_GROUPS,
    Sum,
    TelemetryResponse,
    array,
    telemetry_answer,
)

router = APIRouter(prefix="/api/v1", tags=["Nodes"], dependencies=[Security(BEARER)])

MEASURED = ("IDLE_ALLOCATED_GPUS", "USED_CPU_CORES", "USED_CPU_MEMORY_BYTES", "USED_GPU_MEMORY_BYTES")
"""The contract's other types: of nodes nothing is measured."""

_SEARCHED = "the name, the node pool, the status or the GPU type"
_NODE_NAME = described("nodeName", {"type": "string"}, "Only the node of this name.")
_FORBIDDEN = {"description": "The caller may not list the cluster's nodes."}


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    found = responses(*statuses)
    return {**found, 403: {**found[403], **_FORBIDDEN}}


@router.get(
    "/nodes",
    operation_id="get_tenant_nodes",
    summary="List nodes",
    response_model=NodeList,
    responses=_responses(400, 401, 403, 503),
    openapi_extra={"parameters": page_parameters("nodes", NodeField, _SEARCHED)},
)
async def get_nodes(request: Request) -> Response:
    """A page of the nodes of all clusters that are shown."""
    return await listed(request, nodes(await nodes_scope_of(request)), NodeField, "nodes", node_json)


@router.get(
    "/nodes/count",
    operation_id="count_tenant_nodes",
    summary="Count nodes",
    response_model=Count,
    responses=_responses(400, 401, 403, 503),
    openapi_extra={"parameters": count_parameters(NodeField, _SEARCHED)},
)
async def count_nodes(request: Request) -> Response:
    """How many nodes there are."""
    return await counted(request, nodes(await nodes_scope_of(request)), NodeField)


NODE_TELEMETRY_PARAMETERS = (
    {
        **described(
            "telemetryType",
            {"type": "string", "enum": [measure.value for measure in NodeMeasure]},
            "What is summed. Allocated is what workloads hold, free what they do not hold of ready nodes.",
        ),
        "required": True,
    },
    array("groupBy", NodeGroupKey, "What the sums are split by.", maxItems=MOST_GROUPS),
    described("clusterId", {"type": "string", "format": "uuid"}, "Only nodes of this cluster."),
    described("nodepoolName", {"type": "string"}, "Only nodes of this node pool."),
)
"""What :func:`read_node_telemetry_query` reads, for the OpenAPI document."""


def read_node_telemetry_query(raw: bytes, scope: Scope) -> NodeTelemetryQuery:
    """What a query string asks to be summed.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    given = read_query(raw, {found["name"] for found in NODE_TELEMETRY_PARAMETERS})
    measure = one(given, "telemetryType", _measure, default=None)
    if measure is None:
        raise bad_parameter("telemetryType", f"is missing; it must be one of {', '.join(NodeMeasure)}")
    group_by = [word(NodeGroupKey)("groupBy", item) for item in items(given, "groupBy")]
    if len(group_by) > MOST_GROUPS:
        raise bad_parameter("groupBy", f"must name at most {MOST_GROUPS}, not {len(group_by)}")
    return NodeTelemetryQuery(
        measure=measure,
        group_by=tuple(dict.fromkeys(group_by)),
        cluster_id=one(given, "clusterId", _name, default=None),
        node_pool=one(given, "nodepoolName", _name, default=None),
        scope=scope,
    )


def _measure(name: str, text: str) -> NodeMeasure | None:
    # A client that is given its own enum's member sends the member's name in Python.
    plain = text.removeprefix("NodeTelemetryType.")
    if plain in MEASURED:
        raise bad_parameter(name, f"cannot be {plain}: nothing is measured of nodes")
    return word(NodeMeasure)(name, plain)


def _name(_: str, text: str) -> str | None:
    """An id or a name; an empty one asks for nothing."""
    return text or None


@router.get(
    "/nodes/telemetry",
    operation_id="get_node_telemetry",
    summary="Sums over nodes",
    response_model=TelemetryResponse,
    responses={**_responses(400, 401, 403, 503), 200: IN_TWO_FORMS},
    openapi_extra={"parameters": list(NODE_TELEMETRY_PARAMETERS)},
)
async def get_node_telemetry(request: Request) -> Response:
    """How many nodes there are, what they have and what workloads hold of it, exactly."""
    scope = await nodes_scope_of(request)
    query = read_node_telemetry_query(query_of(request), scope)
    found = await records_of(request).node_telemetry(query)
    sums = [
        Sum(decimal(group.sums[0], query.measure.per_unit), tuple(zip(group.values, group.names, strict=True)))
        for group in found.groups
    ]
    return telemetry_answer(request, query.measure, found, keys=[key.value for key in query.group_by], sums=sums)


@router.get(
    "/clusters/{clusterUuid}/nodes",  # noqa: FAST003 - read from the path by known_cluster
    operation_id="get_nodes",
    summary="List nodes of a cluster",
    response_model=NodeList,
    responses=_responses(400, 401, 403, 404, 503),
    openapi_extra={"parameters": [CLUSTER_UUID, _NODE_NAME, *page_parameters("nodes", NodeField, _SEARCHED)]},
)
async def get_nodes_of_cluster(request: Request) -> Response:
    """A page of the nodes of one cluster."""
    return await listed(request, await _nodes_of_cluster(request), NodeField, "nodes", node_json)


@router.get(
    "/clusters/{clusterUuid}/nodes/count",  # noqa: FAST003 - read from the path by known_cluster
    operation_id="count_nodes",
    summary="Count nodes of a cluster",
    response_model=Count,
    responses=_responses(400, 401, 403, 404, 503),
    openapi_extra={"parameters": [CLUSTER_UUID, *count_parameters(NodeField, _SEARCHED)]},
)
async def count_nodes_of_cluster(request: Request) -> Response:
    """How many nodes the cluster has."""
    return await counted(request, await _nodes_of_cluster(request), NodeField)


async def _nodes_of_cluster(request: Request) -> Listing[ListedNode]:
    scope = await nodes_scope_of(request)
    cluster, _ = await known_cluster(request, scope)
    listing = in_cluster(nodes(scope), cluster.cluster_id)
    name = one(read_query(query_of(request), {"nodeName"}), "nodeName", _name, default=None)
    if name is None:
        return listing
    return replace(listing, conditions=(*listing.conditions, listing.rows.c.name == name))
