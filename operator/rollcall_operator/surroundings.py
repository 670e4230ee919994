"""What surrounds workloads as last seen: nodes, namespaces, priority classes and claims of devices.

Each method takes in one object and says whose records may have changed for it.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.claims import read_claim, read_claim_template
from rollcall.domain.facts import ClaimFacts, DomainSettings, KindKey, NamespaceFacts, NodeFacts
from rollcall.domain.node_reading import read_node
from rollcall.domain.reading import read_namespace, read_object

NODE = KindKey(group="", kind="Node")
NAMESPACE = KindKey(group="", kind="Namespace")
PRIORITY_CLASS = KindKey(group="scheduling.k8s.io", kind="PriorityClass")
CLAIM = KindKey(group="resource.k8s.io", kind="ResourceClaim")
CLAIM_TEMPLATE = KindKey(group="resource.k8s.io", kind="ResourceClaimTemplate")


class Surroundings:
    """Facts by name: what pods and namespaces refer to has no uid there."""

    def __init__(self, settings: DomainSettings, *, all_namespaces: bool) -> None:
        self._settings = settings
        self._all_namespaces = all_namespaces
        self.nodes: dict[str, NodeFacts] = {}
        self.namespaces: dict[str, NamespaceFacts] = {}
        self.priority_classes: dict[str, int] = {}
        self.unread: frozenset[str] = frozenset()
        """Namespaces that were named for watching and may not be read themselves."""
        self.claims: dict[str, dict[str, ClaimFacts]] = {}
        """ResourceClaims by namespace and name."""
        self.claim_templates: dict[str, dict[str, ClaimFacts]] = {}

    def saw_node(self, obj: Mapping[str, Any], *, deleted: bool) -> str | None:
        """Take in a node; its name, where what its pods' records show of it has changed."""
        node = read_node(obj, self._settings)
        if node is None:
            return None
        name = node.meta.name
        before = self.nodes.get(name)
        if before is not None and _is_older(node, before):
            return None
        if deleted:
            self.nodes.pop(name, None)
        else:
            self.nodes[name] = node
        return name if deleted or before is None or _matters(before) != _matters(node) else None

    def saw_namespace(self, obj: Mapping[str, Any], *, deleted: bool) -> str | None:
        """Take in a namespace; its name, where its labels have changed."""
        namespace = read_namespace(obj, self._settings)
        if namespace is None:
            return None
        name = namespace.meta.name
        before = self.namespaces.get(name)
        if before is not None and _is_older(namespace, before):
            return None
        if deleted:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = namespace
        return name if deleted or before is None or before.meta.labels != namespace.meta.labels else None

    def saw_priority_class(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        """Take in a PriorityClass; what it is worth never changes."""
        facts = read_object(obj)
        value = obj.get("value")
        if facts is None:
            return
        if deleted or not isinstance(value, int):
            self.priority_classes.pop(facts.meta.name, None)
        else:
            self.priority_classes[facts.meta.name] = value

    def saw_claim(self, key: KindKey, obj: Mapping[str, Any], *, deleted: bool) -> set[str]:
        """Take in a claim or a template of claims; the uids of its users.

        A template has none: it is read before the pods that are made with it.
        """
        read, kept = (read_claim, self.claims) if key == CLAIM else (read_claim_template, self.claim_templates)
        claim = read(obj, self._settings)
        if claim is None:
            return set()
        namespace = claim.namespace or ""
        there = kept.setdefault(namespace, {})
        before = there.pop(claim.name, None)
        if not deleted:
            there[claim.name] = claim
        elif not there:
            del kept[namespace]
        return {*(before.reserved_for if before is not None else ()), *claim.reserved_for}

    def keep_only(self, key: KindKey, uids: frozenset[str], *, version: int) -> list[str]:
        """Drop the nodes or the namespaces that a complete list at ``version`` did not hold; their names."""
        known: dict[str, NodeFacts] | dict[str, NamespaceFacts] = self.nodes if key == NODE else self.namespaces
        metas = [facts.meta for facts in known.values()]
        gone = [meta.name for meta in metas if meta.uid not in uids and meta.resource_version <= version]
        for name in gone:
            del known[name]
        return gone

    def is_shown(self, namespace: str | None) -> bool:
        """Whether workloads of the namespace are recorded: it is a project's, or all are.

        One that may not be read is recorded as well: it was named by the admin, and nothing says that it is no project.
        """
        if namespace is None or namespace in self._settings.ignored_namespaces:
            return False
        if self._all_namespaces or namespace in self.unread:
            return True
        found = self.namespaces.get(namespace)
        return found is not None and found.project is not None


def _is_older(seen: NodeFacts | NamespaceFacts, known: NodeFacts | NamespaceFacts) -> bool:
    """Whether something was seen before what is known, which may be another object of the same name."""
    return seen.meta.resource_version < known.meta.resource_version


def _matters(node: NodeFacts) -> tuple[object, ...]:
    """What of a node shows on the records of its pods."""
    devices = (node.gpu_product, node.gpu_memory_bytes, node.time_sliced, node.part_memory_bytes)
    return (node.ready, node.node_pool, node.address, *devices)
