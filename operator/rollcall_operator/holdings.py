"""The view's invariant as it stands, kept up pod by pod so that a scrape counts nothing anew.

What workloads hold is what their records said when they were last written; what is bound and what ignored pods hold is
taken from the pods themselves. Where the two differ for longer than a flush, pods were lost on the way.
`rollcall.domain.balance` says the same of a whole cluster at once.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollcall.domain.accounting import held_by
from rollcall.domain.claims import allocated_micros
from rollcall.domain.facts import ClaimFacts, NodeFacts, PodFacts
from rollcall.domain.node_pools import DEFAULT_POOL
from rollcall.domain.ownership import reserves_gpu


@dataclass(frozen=True, slots=True)
class _Held:
    pod: PodFacts
    ignored: bool
    gpu_micros: int


class Holdings:
    """GPUs held by the pods of a cluster and by the records of its workloads, in micro-GPUs."""

    def __init__(self, nodes: Mapping[str, NodeFacts], claims: Mapping[str, Mapping[str, ClaimFacts]]) -> None:
        """``nodes`` by name and ``claims`` by namespace and name, as the state keeps them."""
        self._nodes = nodes
        self._claims = claims
        self._held: dict[str, _Held] = {}
        """By uid, pods that hold GPUs; most pods of a DaemonSet do not."""
        self._on: dict[str, set[str]] = {}
        self._bound: Counter[str] = Counter()
        self._ignored = 0
        self._by_namespace: Counter[str] = Counter()
        """Of pods that are not ignored: their namespace may not be shown."""
        self._recorded: dict[str, int] = {}
        self.recorded = 0
        """On the records of all open workloads."""

    def saw(self, pod: PodFacts, *, ignored: bool) -> None:
        """A pod as it is now."""
        self.lost(pod.meta.uid)
        node_name = pod.node_name
        if node_name is None or reserves_gpu(pod.meta):
            return
        claimed = 0
        if pod.claims:
            known = self._claims.get(pod.meta.namespace or "", {})
            claimed = allocated_micros((pod,), known).get(pod.meta.uid, 0)
        micros = held_by(pod, self._nodes.get(node_name), claimed_micros=claimed).gpu_micros
        # Shares of a time-sliced device are no GPUs now, and are once its node is not sliced any more.
        if micros or pod.claims or pod.request.requests.gpu_memory_bytes or pod.shareable_micros:
            self._held[pod.meta.uid] = _Held(pod, ignored, micros)
            self._on.setdefault(node_name, set()).add(pod.meta.uid)
            self._count(pod, micros, ignored=ignored)

    def lost(self, uid: str) -> None:
        """A pod is gone."""
        held = self._held.pop(uid, None)
        if held is None or held.pod.node_name is None:
            return
        there = self._on[held.pod.node_name]
        there.discard(uid)
        if not there:
            del self._on[held.pod.node_name]
        self._count(held.pod, -held.gpu_micros, ignored=held.ignored)

    def node_changed(self, name: str) -> None:
        """What shares of its GPUs come to may have changed."""
        for uid in tuple(self._on.get(name, ())):
            self.claim_changed(uid)

    def claim_changed(self, uid: str) -> None:
        """What a pod holds by its claims may have changed."""
        held = self._held.get(uid)
        if held is not None:
            self.saw(held.pod, ignored=held.ignored)

    def keep_only(self, uids: frozenset[str], *, version: int) -> None:
        """Forget the pods that a complete list at ``version`` did not hold."""
        for uid, held in tuple(self._held.items()):
            if uid not in uids and held.pod.meta.resource_version <= version:
                self.lost(uid)

    def record(self, uid: str, gpu_micros: int) -> None:
        """The record of a workload was written."""
        self.recorded += gpu_micros - self._recorded.get(uid, 0)
        self._recorded[uid] = gpu_micros

    def close(self, uid: str) -> None:
        """The record of a workload was closed."""
        self.recorded -= self._recorded.pop(uid, 0)

    def ignored(self, is_shown: Callable[[str], bool]) -> int:
        """Held by pods that are never on a record: ignored ones, and those of namespaces that are not shown."""
        hidden = sum(micros for namespace, micros in self._by_namespace.items() if not is_shown(namespace))
        return self._ignored + hidden

    def bound(self) -> dict[str, int]:
        """Held on the nodes, by node pool; every pool is there."""
        pools = Counter({node.node_pool: 0 for node in self._nodes.values()})
        for name, micros in self._bound.items():
            node = self._nodes.get(name)
            pools[DEFAULT_POOL if node is None else node.node_pool] += micros
        return dict(pools)

    def _count(self, pod: PodFacts, micros: int, *, ignored: bool) -> None:
        self._bound[pod.node_name or ""] += micros
        if ignored:
            self._ignored += micros
        else:
            self._by_namespace[pod.meta.namespace or ""] += micros
