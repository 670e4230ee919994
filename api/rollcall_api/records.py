"""What the API reads: the store's pages, as answers of the contract, once the schema is known to be this release's."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rollcall.contract import Setting, detailed_workload_json, workload_json
from rollcall.domain.events import KubernetesEvent
from rollcall.pod_contract import pod_json
from rollcall.store.engine import store_errors
from rollcall.store.event_pages import EventPage, EventQuery, PhaseChange, workload_events, workload_history
from rollcall.store.intervals import WorkloadPods, workload_pod, workload_pods
from rollcall.store.listings import Listing, ListingPage, ListingQuery, listing_count, listing_page
from rollcall.store.node_telemetry import NodeTelemetryQuery, node_telemetry
from rollcall.store.pages import (
    PageQuery,
    Scope,
    Selection,
    freshest,
    known_namespaces,
    workload_by_id,
    workload_count,
    workload_page,
)
from rollcall.store.pods import PodPage, PodQuery, pod_count, pod_page
from rollcall.store.records import StoredWorkload
from rollcall.store.schema import check_schema
from rollcall.store.telemetry import Telemetry, TelemetryQuery, workload_telemetry

Listed = TypeVar("Listed")


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and the instant of the oldest watch behind it."""

    body: dict[str, Any]
    observed_at: datetime | None


class Records:
    """The view of the store, read one statement at a time."""

    def __init__(self, engine: AsyncEngine, *, tenant_id: int) -> None:
        # Each read is one statement: a transaction around it would cost two more round trips.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.tenant_id = tenant_id
        self._schema_known = False

    async def page(self, query: PageQuery) -> Answer:
        """A page of workloads; ``next`` is there when more follow."""
        async with self._connection() as connection:
            page = await workload_page(connection, query)
        body: dict[str, Any] = {"workloads": [self._rendered(found) for found in page.workloads]}
        if page.has_more:
            body["next"] = query.offset + len(page.workloads)
        return Answer(body, page.observed_at)

    async def one(self, uid: str, scope: Scope) -> Answer | None:
        """One workload, live or deleted, where it is in scope."""
        async with self._connection() as connection:
            found, observed_at = await workload_by_id(connection, uid, scope)
        return None if found is None else Answer(self._rendered(found, detailed=True), observed_at)

    async def count(self, selection: Selection) -> Answer:
        """How many workloads there are, exactly."""
        async with self._connection() as connection:
            count, observed_at = await workload_count(connection, selection)
        return Answer({"count": count}, observed_at)

    async def pods(self, query: PodQuery, *, full: bool) -> Answer:
        """A page of pods; ``next`` is there when more follow."""
        async with self._connection() as connection:
            page = await pod_page(connection, query)
        return self._pods(query, page, full=full)

    async def workload_pods(self, query: PodQuery) -> Answer | None:
        """A page of one workload's pods, where it is in scope."""
        async with self._connection() as connection:
            page = await pod_page(connection, query)
        return self._pods(query, page) if page.workload_is_known else None

    async def pod_count(self, query: PodQuery) -> Answer:
        """How many pods there are, exactly."""
        async with self._connection() as connection:
            count, observed_at = await pod_count(connection, query)
        return Answer({"count": count}, observed_at)

    async def pods_between(self, uid: str, scope: Scope, *, start: datetime, end: datetime) -> WorkloadPods | None:
        """The pods that one workload in scope had between two instants, live or deleted."""
        async with self._connection() as connection:
            return await workload_pods(connection, uid, scope, start=start, end=end)

    async def events(self, query: EventQuery) -> EventPage[KubernetesEvent] | None:
        """A page of one workload's Kubernetes events, where it is in scope, live or deleted."""
        async with self._connection() as connection:
            return await workload_events(connection, query)

    async def history(self, query: EventQuery) -> EventPage[KubernetesEvent | PhaseChange] | None:
        """A page of one workload's changes of phase and events, where it is in scope, live or deleted."""
        async with self._connection() as connection:
            return await workload_history(connection, query)

    async def pod(self, workload_uid: str, uid: str, scope: Scope) -> WorkloadPods | None:
        """One pod of a workload in scope, live or deleted, whenever it was."""
        async with self._connection() as connection:
            return await workload_pod(connection, workload_uid, uid, scope)

    async def telemetry(self, query: TelemetryQuery) -> Telemetry:
        """Sums over the live workloads."""
        async with self._connection() as connection:
            return await workload_telemetry(connection, query)

    async def listed(self, listing: Listing[Listed], query: ListingQuery) -> ListingPage[Listed]:
        """A page of what there is little of."""
        async with self._connection() as connection:
            return await listing_page(connection, listing, query)

    async def counted(self, listing: Listing[Any], query: ListingQuery) -> Answer:
        """How many of them there are, exactly."""
        async with self._connection() as connection:
            count, observed_at = await listing_count(connection, listing, query)
        return Answer({"count": count}, observed_at)

    async def node_telemetry(self, query: NodeTelemetryQuery) -> Telemetry:
        """Sums over the nodes."""
        async with self._connection() as connection:
            return await node_telemetry(connection, query)

    async def namespaces(self, clusters: frozenset[str] | None) -> tuple[str, ...]:
        """Every namespace that was ever a project's in these clusters; ``None`` is all of them."""
        async with self._connection() as connection:
            return await known_namespaces(connection, clusters)

    async def verify(self, clusters: frozenset[str] | None = None) -> datetime | None:
        """How fresh the view of that of these clusters is which is seen best, after a look at the schema.

        Raises:
            StoreUnavailable: the database is away.
            SchemaNotHead: its schema is not this release's; nothing is read until it is.
        """
        self._schema_known = False
        async with self._connection() as connection:
            return await freshest(connection, clusters)

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for one statement, for other ways of reading than these.

        Raises:
            StoreError: there is none to be had, or the schema is not this release's.
        """
        return self._connection()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        with store_errors():
            async with self._engine.connect() as connection:
                if not self._schema_known:
                    await check_schema(connection)
                    self._schema_known = True
                yield connection

    def _pods(self, query: PodQuery, page: PodPage, *, full: bool = False) -> Answer:
        body: dict[str, Any] = {"pods": [pod_json(found, tenant_id=self.tenant_id, full=full) for found in page.pods]}
        if page.has_more:
            body["next"] = query.offset + len(page.pods)
        return Answer(body, page.observed_at)

    def _rendered(self, stored: StoredWorkload, *, detailed: bool = False) -> dict[str, Any]:
        return (detailed_workload_json if detailed else workload_json)(
            stored.record,
            Setting(
                tenant_id=self.tenant_id,
                cluster_id=stored.cluster_id,
                phase_updated_at=stored.phase_updated_at,
                k8s_phase_updated_at=stored.k8s_phase_updated_at,
                updated_at=stored.updated_at,
                deleted_at=stored.deleted_at,
                pending_seconds=stored.pending_seconds,
                running_seconds=stored.running_seconds,
            ),
        )
