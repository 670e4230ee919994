"""What the aggregated API reads of the store: the live workloads of its own cluster."""

from collections.abc import Iterable

from rollcall.store.objects import (
    ObjectFacts,
    ObjectPage,
    ObjectSelection,
    Place,
    cluster_version,
    object_by_name,
    object_facts,
    object_page,
    objects_by_uid,
)
from rollcall.store.records import StoredWorkload
from rollcall_api.records import Records


class ObjectReader:
    """Reads of one cluster, each in one statement."""

    def __init__(self, records: Records, cluster_id: str) -> None:
        self.records = records
        self.cluster_id = cluster_id

    async def page(self, selection: ObjectSelection, *, after: Place | None, limit: int) -> ObjectPage:
        """Objects in the order of names."""
        async with self.records.connection() as connection:
            return await object_page(connection, selection, after=after, limit=limit)

    async def one(self, namespace: str, name: str) -> StoredWorkload | None:
        """The object of that name."""
        async with self.records.connection() as connection:
            return await object_by_name(connection, self.cluster_id, namespace, name)

    async def facts(self) -> tuple[int, dict[str, ObjectFacts]]:
        """The cluster's version and the facts of what is live."""
        async with self.records.connection() as connection:
            return await object_facts(connection, self.cluster_id)

    async def by_uid(self, uids: Iterable[str]) -> list[StoredWorkload]:
        """The rows of these, live or deleted last."""
        async with self.records.connection() as connection:
            return await objects_by_uid(connection, self.cluster_id, uids)

    async def version(self) -> int:
        """The cluster's version."""
        async with self.records.connection() as connection:
            return await cluster_version(connection, self.cluster_id)
