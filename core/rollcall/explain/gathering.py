"""Joining given objects into the views that the domain derives from: what the operator's state does, offline."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollcall.domain.claims import read_claim, read_claim_template
from rollcall.domain.facts import (
    ClaimFacts,
    DomainSettings,
    KindKey,
    Meta,
    NamespaceFacts,
    NodeFacts,
    ObjectFacts,
    OwnerReference,
    PodFacts,
    WorkloadView,
)
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.ownership import OwnerWalk, ignored_because
from rollcall.domain.reading import read_namespace, read_node, read_object, read_pod

_CORE_GROUPS = frozenset({"", "rbac.authorization.k8s.io", "apiextensions.k8s.io", "coordination.k8s.io"})
"""Groups whose objects, Pods aside, are never workloads."""


_CLAIMS_GROUP = "resource.k8s.io/"


@dataclass(slots=True)
class Given:
    """The objects by what they are."""

    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    namespaces: dict[str, NamespaceFacts] = field(default_factory=dict)
    pods: dict[str, PodFacts] = field(default_factory=dict)
    others: dict[str, ObjectFacts] = field(default_factory=dict)
    claims: dict[str, dict[str, ClaimFacts]] = field(default_factory=lambda: defaultdict(dict))
    """ResourceClaims by namespace and name."""
    claim_templates: dict[str, dict[str, ClaimFacts]] = field(default_factory=lambda: defaultdict(dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The views found, and a sentence for each object that is none of a workload's."""

    views: tuple[WorkloadView, ...]
    left_out: tuple[str, ...]


def gather(
    objects: Iterable[Mapping[str, Any]], settings: DomainSettings, catalogue: Catalogue | None = None
) -> Gathered:
    """Join pods, children and nodes to their top owners; the order of the objects does not matter to the views."""
    kinds = catalogue or built_in()
    given = Given()
    left_out = [
        f"a {item.get('kind')} has no metadata to go by." for item in objects if not _sort_in(item, given, settings)
    ]
    index = _Index(given, kinds)
    tops: dict[str, Meta] = {}
    pods_of: dict[str, list[PodFacts]] = defaultdict(list)
    children_of: dict[str, list[ObjectFacts]] = defaultdict(list)
    for pod in given.pods.values():
        if why := ignored_because(pod, settings, kinds.is_ignored):
            left_out.append(f"Pod {pod.meta.name} is never a workload's: {why}.")
            continue
        top = index.top_of(pod.meta)
        tops[top.uid] = top
        pods_of[top.uid].append(pod)
    for found in given.others.values():
        top = index.top_of(found.meta)
        if top.uid != found.meta.uid:
            tops.setdefault(top.uid, top)
            children_of[top.uid].append(found)
        elif kinds.is_template(found):
            left_out.append(f"{found.meta.kind} {found.meta.name} is a template, no workload.")
        elif found.meta.uid in tops or _may_be_workload(found.meta, kinds):
            tops.setdefault(found.meta.uid, found.meta)
        else:
            left_out.append(f"{found.meta.kind} {found.meta.name} is no workload.")
    views = [
        WorkloadView(
            top=given.others.get(uid),
            top_is_pod=uid in given.pods,
            top_reference=None if uid in given.others or uid in given.pods else top,
            children=tuple(sorted(children_of[uid], key=lambda child: (str(child.meta.created_at), child.meta.name))),
            pods=tuple(sorted(pods_of[uid], key=lambda pod: pod.meta.name)),
            nodes=given.nodes,
            namespace=given.namespaces.get(top.namespace or ""),
            claims=given.claims.get(top.namespace or "", {}),
            claim_templates=given.claim_templates.get(top.namespace or "", {}),
            catalogue=kinds,
        )
        for uid, top in sorted(tops.items(), key=lambda item: (item[1].namespace or "", item[1].name, item[0]))
    ]
    return Gathered(views=tuple(views), left_out=tuple(left_out))


def _sort_in(item: Mapping[str, Any], given: Given, settings: DomainSettings) -> bool:
    """Read one object into its place; ``False`` where nothing can be kept of it."""
    api_version, kind = str(item.get("apiVersion")), item.get("kind")
    if api_version.startswith(_CLAIMS_GROUP) and kind in ("ResourceClaim", "ResourceClaimTemplate"):
        return _sort_in_claim(item, given, settings)
    match "" if "/" in api_version else kind:
        case "Node":
            node = read_node(item, settings)
            if node is not None:
                given.nodes[node.meta.name] = node
            return node is not None
        case "Namespace":
            namespace = read_namespace(item, settings)
            if namespace is not None:
                given.namespaces[namespace.meta.name] = namespace
            return namespace is not None
        case "Pod":
            pod = read_pod(item, settings)
            if pod is not None:
                given.pods[pod.meta.uid] = pod
            return pod is not None
        case _:
            found = read_object(item)
            if found is not None:
                given.others[found.meta.uid] = found
            return found is not None


def _sort_in_claim(item: Mapping[str, Any], given: Given, settings: DomainSettings) -> bool:
    of_pods = item.get("kind") == "ResourceClaimTemplate"
    claim = read_claim_template(item, settings) if of_pods else read_claim(item, settings)
    if claim is not None:
        kept = given.claim_templates if of_pods else given.claims
        kept[claim.namespace or ""][claim.name] = claim
    return claim is not None


def _may_be_workload(meta: Meta, kinds: Catalogue) -> bool:
    if kinds.is_catalogued(meta.key):
        return True
    if kinds.is_ignored(meta.key) or meta.api_group in _CORE_GROUPS:
        return False
    # Of an unknown group: a custom resource in a namespace may well be one.
    return "." in meta.api_group and not meta.api_group.endswith(".k8s.io") and meta.namespace is not None


class _Index:
    """Owners among the given objects, by uid; by kind and name where a manifest never had one."""

    def __init__(self, given: Given, kinds: Catalogue) -> None:
        self._kinds = kinds
        metas = [*(pod.meta for pod in given.pods.values()), *(found.meta for found in given.others.values())]
        self._by_uid = {meta.uid: meta for meta in metas}
        self._by_name = {(meta.key, meta.namespace, meta.name): meta for meta in metas}

    def top_of(self, start: Meta) -> Meta:
        walk = OwnerWalk(start, self._kinds.is_catalogued)
        while (owner := walk.next_owner()) is not None:
            meta = self._find(owner, start.namespace)
            if meta is None:
                walk.not_found(owner)
            else:
                walk.found(meta)
        return walk.top()

    def _find(self, owner: OwnerReference, namespace: str | None) -> Meta | None:
        if owner.uid in self._by_uid:
            return self._by_uid[owner.uid]
        group = owner.api_version.rpartition("/")[0]
        return self._by_name.get((KindKey(group=group, kind=owner.kind), namespace, owner.name))
