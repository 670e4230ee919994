"""The view's invariant: what workloads and ignored pods hold together is what is bound on the nodes.

Whatever is missing on one side was dropped on the way to a record, or counted twice. Pods that reserve a GPU for those
who share it are on neither side: the shares are counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollcall.domain import claims, totals
from rollcall.domain.accounting import held_by, is_bound
from rollcall.domain.facts import ClaimFacts, DomainSettings, NodeFacts, PodFacts
from rollcall.domain.node_pools import DEFAULT_POOL
from rollcall.domain.ownership import ignored_because, reserves_gpu
from rollcall.domain.records import Resources

NO_CLAIMS: Mapping[str, Mapping[str, ClaimFacts]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Both sides of the invariant."""

    workloads: Resources
    """Allocated, over the records of all workloads."""
    ignored: Resources
    """Allocated, over pods that are never a workload's."""
    bound: Mapping[str, Resources]
    """Held by the pods on the nodes, by node pool."""

    @property
    def missing_gpu_micros(self) -> int:
        """What is bound and on no record; below 0 where records hold more than the nodes."""
        bound = sum(pool.gpu_micros for pool in self.bound.values())
        return bound - self.workloads.gpu_micros - self.ignored.gpu_micros

    @property
    def holds(self) -> bool:
        """Whether both sides are equal in every resource."""
        return totals.add_resources((self.workloads, self.ignored)) == totals.add_resources(self.bound.values())


def balance(
    allocated: Iterable[Resources],
    pods: Iterable[PodFacts],
    nodes: Mapping[str, NodeFacts],
    settings: DomainSettings,
    claims_by_namespace: Mapping[str, Mapping[str, ClaimFacts]] = NO_CLAIMS,
) -> Balance:
    """Weigh what the records of workloads say is allocated against all pods of the cluster."""
    counted = [pod for pod in pods if is_bound(pod) and not reserves_gpu(pod.meta)]
    claimed = _claimed_micros(counted, claims_by_namespace)
    by_pool: dict[str, list[Resources]] = defaultdict(list)
    ignored: list[Resources] = []
    for pod in counted:
        node = nodes.get(pod.node_name or "")
        held = held_by(pod, node, claimed_micros=claimed.get(pod.meta.uid, 0))
        by_pool[DEFAULT_POOL if node is None else node.node_pool].append(held)
        if ignored_because(pod, settings) is not None:
            ignored.append(held)
    return Balance(
        workloads=totals.add_resources(allocated),
        ignored=totals.add_resources(ignored),
        bound={pool: totals.add_resources(held) for pool, held in sorted(by_pool.items())},
    )


def _claimed_micros(
    pods: Iterable[PodFacts], claims_by_namespace: Mapping[str, Mapping[str, ClaimFacts]]
) -> dict[str, int]:
    by_namespace: dict[str, list[PodFacts]] = defaultdict(list)
    for pod in pods:
        if pod.claims:
            by_namespace[pod.meta.namespace or ""].append(pod)
    found: dict[str, int] = {}
    for namespace, claiming in by_namespace.items():
        found |= claims.allocated_micros(claiming, claims_by_namespace.get(namespace, {}))
    return found
