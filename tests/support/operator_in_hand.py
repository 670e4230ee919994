"""The operator's state and flusher in the test's own hands: no cluster, a real database, a clock that is moved."""

from collections.abc import Sized
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from support.simulated_cluster import RUNNING, a_pod_body, owned_by

from rollcall.domain.facts import DomainSettings, KindKey
from rollcall_demo.resources import JOB, Resource
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.flusher import Flusher
from rollcall_operator.measures import Measures
from rollcall_operator.surroundings import NAMESPACE, NODE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Life:
    """A state, its flusher, and a clock that is moved."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.now = NOW
        self.version = 1
        self.state = ClusterState(DomainSettings(), all_namespaces=False)
        self.state.seen = None  # as after the first lists
        self.flusher = Flusher(
            self.state,
            engine,
            "c1",
            settings=DomainSettings(),
            batch_size=500,
            clock=lambda: self.now,
            measures=Measures(),
        )

    def see(self, key: KindKey, name: str, event: EventType = EventType.SEEN, **obj: Any) -> dict[str, Any]:
        """Let an object be observed; its uid is its name."""
        self.version += 1
        owner = obj.pop("owner", None)
        metadata = {
            "uid": name,
            "name": name,
            "namespace": obj.pop("namespace", "lab"),
            "resourceVersion": str(self.version),
            "labels": obj.pop("labels", {}),
            "ownerReferences": [owner] if owner else [],
        }
        whole = {"apiVersion": obj.pop("api_version", "v1"), "kind": key.kind, "metadata": metadata, **obj}
        self.state.observe(key, event, whole, at=self.now)
        return whole

    async def flush(self) -> None:
        """Write all that waits."""
        while await self.flusher.flush():
            pass

    def gone(self, key: KindKey, obj: dict[str, Any]) -> None:
        """Let an object be seen to go."""
        self.version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        self.state.observe(key, EventType.DELETED, {**obj, "metadata": metadata}, at=self.now)

    def held(self) -> dict[str, int]:
        """The size of everything that grows with workloads."""
        found: dict[str, int] = {}
        parts = (self.state.belonging, self.state.beside.queued, self.state.holdings, self.state._places)  # noqa: SLF001
        for holder in (self.state, *parts, self.state._ignored, self.flusher):  # noqa: SLF001 - all that it keeps
            for name, value in vars(holder).items():
                if isinstance(value, Sized) and not isinstance(value, str):
                    found[f"{type(holder).__name__}.{name}"] = len(value)
        return found


def key_of(resource: Resource) -> KindKey:
    """The kind of a resource."""
    return KindKey(group=resource.group, kind=resource.kind)


def with_one_workload(engine: AsyncEngine) -> Life:
    """A cluster with one project and one live workload."""
    life = Life(engine)
    life.see(NAMESPACE, "lab", labels={"kai/project": "lab"})
    life.see(NODE, "gpu-1", status={"conditions": [{"type": "Ready", "status": "True"}]})
    life.see(key_of(JOB), "live", api_version="batch/v1", status=RUNNING)
    life.see(POD, "live-0", owner=owned_by(JOB, "live", "live"), **a_pod_body())
    return life
