"""Where pods are: on which node, and how many in each namespace."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from rollcall.domain.facts import PodFacts


class PodPlaces:
    """Of pods that are not ignored."""

    def __init__(self) -> None:
        self.in_namespace: Counter[str] = Counter()
        """How many there are; none is no entry."""
        self._on: dict[str, set[str]] = defaultdict(set)

    def saw(self, before: PodFacts | None, pod: PodFacts) -> None:
        """A pod came, or changed from what it was."""
        if before is None:
            self.in_namespace[pod.meta.namespace or ""] += 1
        elif before.node_name != pod.node_name:
            self._leave(before)
        if pod.node_name is not None:
            self._on[pod.node_name].add(pod.meta.uid)

    def lost(self, pod: PodFacts) -> None:
        """A pod is gone."""
        self._leave(pod)
        namespace = pod.meta.namespace or ""
        self.in_namespace[namespace] -= 1
        if not self.in_namespace[namespace]:
            del self.in_namespace[namespace]

    def on(self, node: str) -> Iterable[str]:
        """The uids of the pods of a node."""
        return self._on.get(node, ())

    def _leave(self, pod: PodFacts) -> None:
        there = self._on.get(pod.node_name or "")
        if there is not None:
            there.discard(pod.meta.uid)
            if not there:
                del self._on[pod.node_name or ""]
