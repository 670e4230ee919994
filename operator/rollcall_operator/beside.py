"""What stands beside workloads and is told on their records: what queues say, what exposes pods, what scales them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rollcall.domain.autoscaling import AUTOSCALING_KINDS, AutoscalerIndex
from rollcall.domain.exposing import EXPOSING_KINDS, IngressFacts, ServiceFacts
from rollcall.domain.exposure import Exposure
from rollcall.domain.exposure_index import ExposureIndex
from rollcall.domain.facts import Address, AutoscalerFacts, KindKey, PodFacts, QueueFacts
from rollcall.domain.queue_index import QueueIndex
from rollcall.domain.queue_reading import read_queue
from rollcall.domain.queues import QUEUE_KINDS

Facts = QueueFacts | ServiceFacts | IngressFacts | AutoscalerFacts

KINDS = frozenset((*QUEUE_KINDS, *EXPOSING_KINDS, *AUTOSCALING_KINDS))


class Beside:
    """Facts by uid. Each method says whom a change concerns: uids of pods, of objects, or of tops."""

    def __init__(
        self,
        pods: Mapping[str, PodFacts],
        addressed: Callable[[Address], Iterable[str]],
        *,
        is_complete: Callable[[], bool],
    ) -> None:
        """``pods`` are those that are there; ``addressed`` has the tops that an autoscaler's target names.

        ``is_complete``: whether the first lists are.
        """
        self._pods = pods
        self._addressed = addressed
        self._is_complete = is_complete
        self.queued = QueueIndex()
        self.exposed = ExposureIndex()
        self.scaled = AutoscalerIndex()

    def held(self, key: KindKey) -> Mapping[str, Facts]:
        """What was seen of a kind, and of those that are kept with it."""
        if key in QUEUE_KINDS:
            return self.queued.facts
        return self.exposed.facts if key in EXPOSING_KINDS else self.scaled.facts

    def saw(self, key: KindKey, obj: Mapping[str, Any], uid: str, *, deleted: bool) -> Iterable[str]:
        """Take in one object."""
        if key in EXPOSING_KINDS:
            return self._selected(self.exposed.lost(uid) if deleted else self.exposed.saw(key, obj))
        if key in AUTOSCALING_KINDS:
            return self._scaled(self.scaled.lost(uid) if deleted else self.scaled.saw(obj))
        facts = read_queue(key, obj)
        if facts is None:
            return ()
        return self.queued.lost(facts.meta.uid) if deleted else self.queued.saw(facts)

    def forget(self, uid: str, *, version: int) -> Iterable[str]:
        """Drop what a complete list at ``version`` did not hold."""
        if (queued := self.queued.facts.get(uid)) is not None and queued.meta.resource_version <= version:
            return self.queued.lost(uid)
        if (exposing := self.exposed.facts.get(uid)) is not None and exposing.meta.resource_version <= version:
            return self._selected(self.exposed.lost(uid))
        if (scaling := self.scaled.facts.get(uid)) is not None and scaling.meta.resource_version <= version:
            return self._scaled(self.scaled.lost(uid))
        return ()

    def _selected(self, changed: Iterable[Exposure]) -> Iterable[str]:
        changed = tuple(changed)
        # Until the first lists are complete nothing is derived, and all is marked anyway.
        if not changed or not self._is_complete():
            return ()
        return (uid for uid, pod in self._pods.items() if any(one.selects(pod.meta.labels) for one in changed))

    def _scaled(self, targets: Iterable[Address]) -> Iterable[str]:
        return (uid for target in targets for uid in self._addressed(target))
