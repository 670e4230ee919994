"""What Services and Ingresses expose, kept up as they come and go: by namespace, for whoever has pods there."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.exposing import (
    SERVICE,
    IngressFacts,
    ServiceFacts,
    exposure_of,
    read_ingress,
    read_service,
)
from rollcall.domain.exposure import Exposure
from rollcall.domain.facts import KindKey

Name = tuple[str, str]
"""Namespace and name."""


class ExposureIndex:
    """What is known to be exposed."""

    def __init__(self) -> None:
        self.facts: dict[str, ServiceFacts | IngressFacts] = {}
        """By uid: the Services that may lead to pods, and the Ingresses."""
        self._services: dict[Name, ServiceFacts] = {}
        self._leading: dict[Name, dict[str, IngressFacts]] = {}
        """The Ingresses that lead to a Service, by uid."""
        self._exposed: dict[str, dict[str, Exposure]] = {}
        """By namespace and Service."""
        self._sorted: dict[str, tuple[Exposure, ...]] = {}

    def saw(self, key: KindKey, obj: Mapping[str, Any]) -> tuple[Exposure, ...]:
        """Take in a Service or an Ingress; returns the exposures that are new or no more, whose pods it concerns."""
        facts = read_service(obj) if key == SERVICE else read_ingress(obj)
        uid = _uid_of(obj) if facts is None else facts.meta.uid
        before = self.facts.get(uid)
        if before is None and facts is None:
            return ()
        if before is not None and facts is not None and facts.meta.resource_version < before.meta.resource_version:
            return ()
        names = {*self._drop(uid), *(() if facts is None else self._keep(facts))}
        return self._settle(names)

    def lost(self, uid: str) -> tuple[Exposure, ...]:
        """One of them is gone; returns the exposures that are new or no more."""
        return self._settle(self._drop(uid))

    def of(self, namespace: str | None) -> tuple[Exposure, ...]:
        """What is exposed in a namespace, by the names of its Services."""
        there = self._exposed.get(namespace or "")
        if not there:
            return ()
        found = self._sorted.get(namespace or "")
        if found is None:
            found = self._sorted[namespace or ""] = tuple(there[name] for name in sorted(there))
        return found

    def _keep(self, facts: ServiceFacts | IngressFacts) -> frozenset[Name]:
        """Hold it; returns the Services whose exposure may have changed."""
        namespace = facts.meta.namespace or ""
        self.facts[facts.meta.uid] = facts
        if isinstance(facts, ServiceFacts):
            self._services[namespace, facts.meta.name] = facts
            return frozenset({(namespace, facts.meta.name)})
        names = frozenset((namespace, rule.service) for rule in facts.rules)
        for name in names:
            self._leading.setdefault(name, {})[facts.meta.uid] = facts
        return names

    def _drop(self, uid: str) -> frozenset[Name]:
        facts = self.facts.pop(uid, None)
        if facts is None:
            return frozenset()
        namespace = facts.meta.namespace or ""
        if isinstance(facts, ServiceFacts):
            name = (namespace, facts.meta.name)
            held = self._services.get(name)
            if held is not None and held.meta.uid == uid:
                del self._services[name]
            return frozenset({name})
        names = frozenset((namespace, rule.service) for rule in facts.rules)
        for name in names:
            there = self._leading[name]
            there.pop(uid, None)
            if not there:
                del self._leading[name]
        return names

    def _settle(self, names: frozenset[Name] | set[Name]) -> tuple[Exposure, ...]:
        changed: list[Exposure] = []
        for namespace, name in names:
            service = self._services.get((namespace, name))
            now = None if service is None else exposure_of(service, self._leading.get((namespace, name), {}).values())
            there = self._exposed.setdefault(namespace, {})
            before = there.get(name)
            if before != now:
                changed += [one for one in (before, now) if one is not None]
                self._sorted.pop(namespace, None)
                if now is None:
                    del there[name]
                else:
                    there[name] = now
            if not there:
                del self._exposed[namespace]
        return tuple(changed)


def _uid_of(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata")
    return str(metadata.get("uid")) if isinstance(metadata, Mapping) else ""
