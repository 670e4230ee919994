"""Which clusters the API tells of: its own, unless the settings name others.

Callers are asked about at one cluster's API server, which knows nothing of the namespaces of another cluster of the
same names. So the rows of other clusters are shown only where an admin has said that this one's word holds for them.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp

from rollcall.cluster_access import cluster_uid, find_access
from rollcall.errors import ClusterError
from rollcall.settings import EVERY, Settings
from rollcall_api.remembering import Remembering


class ShownClusters(Protocol):
    """The clusters that anybody is told of."""

    async def ids(self) -> frozenset[str] | None:
        """Their ids; ``None`` is every cluster of the database.

        Raises:
            ClusterError: nobody says which cluster this is.
        """


@dataclass(frozen=True, slots=True)
class NamedClusters:
    """Those that are named; ``None`` is every cluster of the database."""

    named: frozenset[str] | None

    async def ids(self) -> frozenset[str] | None:
        """See :class:`ShownClusters`."""
        return self.named


EVERY_CLUSTER: Final = NamedClusters(None)


class OwnCluster:
    """The cluster whose API server is asked; found out when first needed, so that it need not be there before."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server
        self._found: Remembering[None, str] = Remembering(math.inf)

    async def ids(self) -> frozenset[str]:
        """See :class:`ShownClusters`."""
        try:
            return frozenset({await self._found.answer(None, lambda: cluster_uid(self._session, self._server))})
        except ClusterError as error:
            raise ClusterError(f"ROLLCALL_CLUSTER__ID is not set and cannot be found out: {error}") from error


@asynccontextmanager
async def shown_clusters(settings: Settings) -> AsyncIterator[ShownClusters]:
    """What the settings say, while the block runs."""
    api, own = settings.api, settings.cluster.id
    if EVERY in api.clusters or (not api.clusters and api.authentication == "none"):
        yield EVERY_CLUSTER
    elif api.clusters:
        yield NamedClusters(frozenset(api.clusters))
    elif own:
        yield NamedClusters(frozenset({own}))
    else:
        access = find_access(api.kube_context)
        async with access.session() as session:
            yield OwnCluster(session, access.server)
