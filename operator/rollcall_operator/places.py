"""What is written of the cluster beside workloads: that it is watched, its projects, node pools and nodes."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rollcall.cluster_access import KUBE_SYSTEM, METADATA, get_json, uid_of_cluster
from rollcall.domain.facts import DomainSettings, NamespaceFacts, NodeFacts
from rollcall.domain.fields import instant_at, text_at
from rollcall.domain.projects import department_of
from rollcall.errors import ClusterError
from rollcall.store.engine import store_errors
from rollcall.store.memory import touch_cluster
from rollcall.store.places import NodePool, ProjectNamespace, write_node_pools, write_nodes, write_projects
from rollcall_operator.surroundings import Surroundings

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""For an object without a creation, which no API server lets be, and for a namespace that may not be read."""


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIdentity:
    """Which cluster it is, and what it says of itself."""

    id: str
    name: str
    created_at: datetime | None = None
    """When its namespace kube-system was made; ``None`` where that could not be read."""
    kubernetes_version: str | None = None


async def read_identity(session: aiohttp.ClientSession, server: str, *, id: str | None, name: str) -> ClusterIdentity:  # noqa: A002
    """Ask the cluster who it is; where the admin gave the ``id``, no answer is one as well.

    Raises:
        ClusterError: it gave no uid, and there is none else.
    """
    try:
        found = await get_json(session, server, KUBE_SYSTEM, accept=METADATA)
    except ClusterError:
        if id is None:
            raise
        found = {}
    uid = id or uid_of_cluster(found)
    try:
        version = text_at(await get_json(session, server, "/version"), "gitVersion")
    except ClusterError as error:
        log.warning("cluster_version_unknown", error=str(error))
        version = None
    return ClusterIdentity(
        id=uid, name=name, created_at=instant_at(found, "metadata.creationTimestamp"), kubernetes_version=version
    )


class Places:
    """Writes what surrounds workloads, each part only when it differs from what was written last."""

    def __init__(
        self, surroundings: Surroundings, engine: AsyncEngine, identity: ClusterIdentity, settings: DomainSettings
    ) -> None:
        self._surroundings = surroundings
        self._engine = engine
        self._identity = identity
        self._settings = settings
        self._projects: tuple[ProjectNamespace, ...] | None = None
        self._pools: tuple[NodePool, ...] | None = None
        self._nodes: dict[str, NodeFacts] | None = None
        """By uid; ``None`` before the first write, which takes over the rows of an earlier operator."""

    async def write(self, watches_observed_at: datetime) -> None:
        """Bring the database up to date, in one transaction.

        Raises:
            StoreError: nothing was written; the next call tries again.
        """
        projects = projects_of(self._surroundings, self._settings)
        nodes = {node.meta.uid: node for node in self._surroundings.nodes.values()}
        pools = node_pools_of(nodes.values())
        with store_errors():
            async with self._engine.begin() as connection:
                identity = self._identity
                await touch_cluster(
                    connection,
                    cluster_id=identity.id,
                    name=identity.name,
                    watches_observed_at=watches_observed_at,
                    created_at=identity.created_at,
                    kubernetes_version=identity.kubernetes_version,
                )
                if projects != self._projects:
                    await write_projects(connection, identity.id, projects)
                if pools != self._pools:
                    await write_node_pools(connection, identity.id, pools)
                await self._write_nodes(connection, nodes)
        self._projects, self._pools, self._nodes = projects, pools, nodes

    async def _write_nodes(self, connection: AsyncConnection, nodes: dict[str, NodeFacts]) -> None:
        known = self._nodes or {}
        # What is the very object has not been seen again since; a heartbeat makes another one that says the same.
        changed = [node for uid, node in nodes.items() if known.get(uid) is not node]
        if self._nodes is None or changed or nodes.keys() != known.keys():
            await write_nodes(connection, self._identity.id, changed, present=nodes.keys())


def projects_of(surroundings: Surroundings, settings: DomainSettings) -> tuple[ProjectNamespace, ...]:
    """The namespaces whose workloads are recorded, by name."""
    shown = [_project(one, settings) for name, one in surroundings.namespaces.items() if surroundings.is_shown(name)]
    shown += [
        ProjectNamespace(
            namespace=name, project_id=name, department_id=department_of(None, settings), created_at=LONG_AGO
        )
        for name in surroundings.unread
        if surroundings.is_shown(name)
    ]
    return tuple(sorted(shown, key=lambda project: project.namespace))


def _project(namespace: NamespaceFacts, settings: DomainSettings) -> ProjectNamespace:
    return ProjectNamespace(
        namespace=namespace.meta.name,
        project_id=namespace.project or namespace.meta.name,
        department_id=department_of(namespace, settings),
        created_at=namespace.meta.created_at or LONG_AGO,
    )


def node_pools_of(nodes: Iterable[NodeFacts]) -> tuple[NodePool, ...]:
    """The pools that nodes are in, by name."""
    pools: dict[str, list[NodeFacts]] = defaultdict(list)
    for node in nodes:
        pools[node.node_pool].append(node)
    return tuple(
        NodePool(
            name=name,
            nodes=len(members),
            gpu_micros=sum(node.gpu_micros for node in members),
            label=min((node.pool_label for node in members if node.pool_label), default=None),
            created_at=min(node.meta.created_at or LONG_AGO for node in members),
        )
        for name, members in sorted(pools.items())
    )
