"""HorizontalPodAutoscalers: between which bounds they keep the replicas of what they scale.

An autoscaler names what it scales by group, kind and name in its own namespace, never by uid, so it is kept by that
address: the object may come after it, or come again under the same name.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollcall.domain.facts import Address, AutoscalerFacts, KindKey, Meta
from rollcall.domain.fields import MOST_PODS, is_absurd, mapping_at, whole_at
from rollcall.domain.ownership import split_api_version
from rollcall.domain.reading import clean_text, read_identity
from rollcall.domain.records import RequestedPods

AUTOSCALER = KindKey(group="autoscaling", kind="HorizontalPodAutoscaler")
AUTOSCALING_KINDS: Mapping[KindKey, str] = {AUTOSCALER: "horizontalpodautoscalers"}
"""With their plurals; without them the records lack the bounds alone."""

_UNSCALED = frozenset({("", "Pod"), ("batch", "Job"), ("batch", "CronJob")})
"""Kubernetes scales none of these, whatever an autoscaler names; there are too many of them to keep addresses for."""


def read_autoscaler(obj: Mapping[str, Any]) -> AutoscalerFacts | None:
    """An autoscaler of any version; without a target where it names none or its bounds are absurd."""
    meta, spec = read_identity(obj), mapping_at(obj, "spec")
    if meta is None:
        return None
    target = mapping_at(spec, "scaleTargetRef")
    group = split_api_version(clean_text(target.get("apiVersion")) or "")[0]
    kind, name = clean_text(target.get("kind")), clean_text(target.get("name"))
    least, most = whole_at(spec, "minReplicas"), whole_at(spec, "maxReplicas")
    least = 1 if least is None else least
    is_sound = most and least <= most and not is_absurd(spec, "minReplicas")
    if not (is_sound and kind and name):
        return AutoscalerFacts(meta=meta)
    address = (KindKey(group=group, kind=kind), meta.namespace, name)
    return AutoscalerFacts(meta=meta, target=address, least=least, most=most or 0)


def address_of(meta: Meta) -> Address | None:
    """By what an autoscaler would name the object; ``None`` where Kubernetes scales nothing of its kind."""
    return None if (meta.api_group, meta.kind) in _UNSCALED else (meta.key, meta.namespace, meta.name)


def within_bounds(
    asked: RequestedPods | None, autoscaler: AutoscalerFacts | None, pods_per_replica: int | None
) -> RequestedPods | None:
    """What is asked for, with the autoscaler's bounds in pods where the object itself has none."""
    if autoscaler is None or not pods_per_replica:
        return asked
    found = asked or RequestedPods()
    if found.min is not None or found.max is not None:
        return asked  # half of one source and half of another may contradict each other
    least, most = (min(replicas * pods_per_replica, MOST_PODS) for replicas in (autoscaler.least, autoscaler.most))
    return replace(found, min=least, max=most)


class AutoscalerIndex:
    """The autoscalers that are known, by what they scale."""

    def __init__(self) -> None:
        self.facts: dict[str, AutoscalerFacts] = {}
        """By uid."""
        self._scaling: dict[Address, dict[str, None]] = {}

    def saw(self, obj: Mapping[str, Any]) -> frozenset[Address]:
        """Take it in as it is now; returns the addresses of what is scaled in another way than before."""
        facts = read_autoscaler(obj)
        before = None if facts is None else self.facts.get(facts.meta.uid)
        if facts is None or (before is not None and facts.meta.resource_version < before.meta.resource_version):
            return frozenset()
        if before is not None and _says(before) == _says(facts):
            # Its status changes all the time.
            self.facts[facts.meta.uid] = facts
            return frozenset()
        changed = self.lost(facts.meta.uid)
        self.facts[facts.meta.uid] = facts
        if facts.target is None:
            return changed
        self._scaling.setdefault(facts.target, {})[facts.meta.uid] = None
        return changed | {facts.target}

    def lost(self, uid: str) -> frozenset[Address]:
        """It is gone; returns the address of what it scaled."""
        facts = self.facts.pop(uid, None)
        if facts is None or facts.target is None:
            return frozenset()
        there = self._scaling[facts.target]
        del there[uid]
        if not there:
            del self._scaling[facts.target]
        return frozenset({facts.target})

    def of(self, meta: Meta) -> AutoscalerFacts | None:
        """What scales the object; of several, whom Kubernetes lets do nothing, the first by name."""
        address = address_of(meta) if self._scaling else None
        uids = () if address is None else self._scaling.get(address, ())
        return min((self.facts[uid] for uid in uids), key=lambda one: (one.meta.name, one.meta.uid), default=None)


def _says(facts: AutoscalerFacts) -> tuple[object, ...]:
    return (facts.target, facts.least, facts.most, facts.meta.name)
