"""A view of five hundred projects with something of everything in each, so that every endpoint has what to show."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from support.places import a_node, a_pool
from support.workload_builders import START, a_pod, a_project, a_request, a_workload, an_event, uid_of

from rollcall.contract import made_id
from rollcall.domain.records import Phase, PodRecord, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall.store.memory import touch_cluster
from rollcall.store.places import write_node_pools, write_nodes, write_projects
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch

CLUSTER = uid_of("cluster")
KEPT_SECONDS = 2
"""How long the asking API keeps what it was told of a caller."""

TOKEN = "the-token-of-one-who-may-list-everything"


@dataclass(frozen=True, slots=True)
class Project:
    """A namespace, and what is in it: a live workload with a pod, and the same once more, deleted."""

    number: int

    @property
    def namespace(self) -> str:
        """Its name, which sorts as the number does."""
        return f"runai-team-{self.number:03}"

    @property
    def id(self) -> str:
        """What the contract calls the project."""
        return f"team-{self.number:03}"

    def ids(self, *, deleted: bool = False) -> dict[str, str]:
        """The value of each path parameter that names something of the project, or something that all see."""
        state = "gone" if deleted else "live"
        return {
            "workloadId": uid_of(f"{state}-{self.number:03}"),
            "podId": uid_of(f"{state}-{self.number:03}-0"),
            "clusterUuid": CLUSTER,
            "projectId": self.id,
            "departmentId": "default",
            "workloadTypeId": made_id("workload type", "batch", "Job"),
            "categoryId": made_id("workload category", "Train"),
        }

    def workload(self, *, deleted: bool = False) -> WorkloadRecord:
        """Its workload."""
        phase = (Phase.RUNNING, Phase.PENDING, Phase.FAILED, Phase.COMPLETED)[self.number % 4]
        runs = phase is Phase.RUNNING
        return a_workload(
            f"{'gone' if deleted else 'live'}-{self.number:03}",
            **self._place(),
            project_id=self.id,
            project_name=self.id,
            phase=phase,
            running_since=START if runs else None,
            running_pods=int(runs),
            allocated=a_request(self.number % 3).requests,
            current_node_pools=("big", "small")[: self.number % 3],
            submitted_by=None if self.number % 5 == 0 else f"user-{self.number % 7}@example.com",
            created_at=START + timedelta(seconds=self.number),
        )

    def pod(self, *, deleted: bool = False) -> PodRecord:
        """The workload's pod."""
        state = "gone" if deleted else "live"
        return a_pod(f"{state}-{self.number:03}-0", workload=f"{state}-{self.number:03}", **self._place())

    def event(self, *, deleted: bool = False) -> OwnedEvent:
        """An event of the workload."""
        name = self.workload(deleted=deleted).name
        return OwnedEvent(event=an_event(f"event-of-{name}"), workload_uid=uid_of(name))

    def _place(self) -> dict[str, Any]:
        return {"namespace": self.namespace}


PROJECTS = tuple(map(Project, range(500)))

UNKNOWN = {name: uid_of(f"no {name}") for name in PROJECTS[0].ids()}
"""A well-formed id of nothing, for each path parameter."""


def fill(
    database: DatabaseSettings,
    *,
    cluster_id: str = CLUSTER,
    projects: Sequence[Project] = PROJECTS,
    observed_at: datetime = START,
) -> None:
    """Write all of it, or these projects alone, by the operator's own statements."""
    asyncio.run(_fill(database, cluster_id, projects, observed_at))


async def _fill(
    database: DatabaseSettings, cluster_id: str, projects: Sequence[Project], observed_at: datetime
) -> None:
    alive = Batch(
        workloads=tuple(found.workload(deleted=gone) for found in projects for gone in (False, True)),
        pods=tuple(found.pod(deleted=gone) for found in projects for gone in (False, True)),
    )
    gone_at = START + timedelta(hours=1)
    gone = {"observed_version": 99, "at": gone_at, "seen": DeletionSeen.EXACT}
    closed = Batch(
        gone_workloads=tuple(Gone(uid=found.workload(deleted=True).uid, **gone) for found in projects),
        gone_pods=tuple(Gone(uid=found.pod(deleted=True).uid, **gone) for found in projects),
    )
    engine = create_engine(database, application_name="test")
    try:
        async with engine.begin() as connection:
            await touch_cluster(connection, cluster_id=cluster_id, name="test", watches_observed_at=observed_at)
            namespaces = [a_project(found.namespace, found.id) for found in projects]
            await write_projects(connection, cluster_id, namespaces)
            await write_node_pools(connection, cluster_id, [a_pool("big"), a_pool("small")])
            node = a_node("gpu-1")
            await write_nodes(connection, cluster_id, [node], present={node.meta.uid})
            await write_batch(connection, cluster_id, alive, observed_at=START)
            await write_batch(connection, cluster_id, closed, observed_at=gone_at)
            events = [found.event(deleted=deleted) for found in projects for deleted in (False, True)]
            await write_events(connection, cluster_id, events, observed_at=gone_at)
    finally:
        await engine.dispose()
