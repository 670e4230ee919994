"""Joining given objects into the views that the domain derives from: what the operator's state does, offline."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from rollcall.domain.autoscaling import AUTOSCALING_KINDS, AutoscalerIndex
from rollcall.domain.claims import read_claim, read_claim_template
from rollcall.domain.exposing import EXPOSING_KINDS
from rollcall.domain.exposure_index import ExposureIndex
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
from rollcall.domain.node_reading import read_node
from rollcall.domain.ownership import ignored_because, key_of
from rollcall.domain.placing import Missing, Name, names_of, newest, place
from rollcall.domain.queue_index import QueueIndex
from rollcall.domain.queue_reading import read_queue
from rollcall.domain.queues import QUEUE_KINDS
from rollcall.domain.reading import read_meta, read_namespace, read_object, read_pod

_CORE_GROUPS = frozenset({"", "rbac.authorization.k8s.io", "apiextensions.k8s.io", "coordination.k8s.io"})
"""Groups whose objects, Pods aside, are never workloads."""


_CLAIMS_GROUP = "resource.k8s.io/"
_MADE_FROM_A_NAME = 5


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
    queued: QueueIndex = field(default_factory=QueueIndex)
    exposed: ExposureIndex = field(default_factory=ExposureIndex)
    scaled: AutoscalerIndex = field(default_factory=AutoscalerIndex)


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
    problems_of: dict[str, set[str]] = defaultdict(set)
    for pod in given.pods.values():
        found = place(pod.meta, index, kinds)
        why = ignored_because(pod, settings, kinds.is_ignored) or found.ignored
        if why is not None or found.top is None:
            left_out.append(f"Pod {pod.meta.name} is never a workload's: {why.sentence if why else 'it has no place'}.")
            continue
        tops[found.top.uid] = found.top
        pods_of[found.top.uid].append(pod)
        problems_of[found.top.uid].update(found.problems)
    for other in given.others.values():
        found = place(other.meta, index, kinds)
        top = found.top or other.meta
        if top.uid != other.meta.uid:
            if kinds.is_catalogued(other.meta.key):
                tops.setdefault(top.uid, top)
                children_of[top.uid].append(other)
        elif kinds.is_template(other):
            left_out.append(f"{other.meta.kind} {other.meta.name} is a template, no workload.")
        elif other.meta.uid in tops or _may_be_workload(other.meta, kinds):
            tops.setdefault(other.meta.uid, other.meta)
        else:
            left_out.append(f"{other.meta.kind} {other.meta.name} is no workload.")
        problems_of[top.uid].update(found.problems)
    views = [
        WorkloadView(
            top=given.others.get(uid),
            top_is_pod=uid in given.pods,
            top_reference=None if uid in given.others or uid in given.pods else top,
            children=tuple(sorted(children_of[uid], key=lambda child: (str(child.meta.created_at), child.meta.name))),
            pods=tuple(sorted(pods_of[uid], key=lambda pod: (pod.meta.uid != top.uid, pod.meta.name))),
            problems=tuple(sorted(problems_of[uid])),
            nodes=given.nodes,
            namespace=given.namespaces.get(top.namespace or ""),
            claims=given.claims.get(top.namespace or "", {}),
            claim_templates=given.claim_templates.get(top.namespace or "", {}),
            exposures=given.exposed.of(top.namespace),
            autoscaler=given.scaled.of(top),
            queues=given.queued.of(
                (top, *(child.meta for child in children_of[uid]), *(pod.meta for pod in pods_of[uid]))
            ),
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
    key = KindKey(group=api_version.rpartition("/")[0], kind=str(kind))
    if key in QUEUE_KINDS:
        return _sort_in_queued(key, item, given)
    if key in EXPOSING_KINDS:
        given.exposed.saw(key, item)
        return read_meta(item) is not None
    if key in AUTOSCALING_KINDS:
        given.scaled.saw(item)
        return read_meta(item) is not None
    return _sort_in_object(item, given, settings)


def _sort_in_object(item: Mapping[str, Any], given: Given, settings: DomainSettings) -> bool:
    match "" if "/" in str(item.get("apiVersion")) else item.get("kind"):
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
            found = read_object(item, settings)
            if found is not None:
                given.others[found.meta.uid] = found
            return found is not None


def _sort_in_queued(key: KindKey, item: Mapping[str, Any], given: Given) -> bool:
    queued = read_queue(key, item)
    if queued is not None:
        given.queued.saw(queued)
    return queued is not None


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
        metas = [*(pod.meta for pod in given.pods.values()), *(found.meta for found in given.others.values())]
        self._by_uid = {meta.uid: meta for meta in metas}
        self._by_address = {(meta.key, meta.namespace, meta.name): meta for meta in metas if _is_made_up(meta.uid)}
        self._by_name: dict[Name, list[Meta]] = defaultdict(list)
        for meta in metas:
            for name in names_of(meta, kinds):
                self._by_name[name].append(meta)

    def owner(self, owner: OwnerReference, namespace: str | None) -> Meta | Missing | None:
        """The metadata behind a reference; what was not given is gone."""
        found = self._by_uid.get(owner.uid)
        return found or self._by_address.get((key_of(owner), namespace, owner.name)) or Missing.GONE

    def seen(self, uid: str) -> Meta | None:
        """The metadata of what was given."""
        return self._by_uid.get(uid)

    def named(self, name: Name) -> Meta | None:
        """The given object of that name."""
        return newest(self._by_name.get(name, ()))


def _is_made_up(uid: str) -> bool:
    """Whether the uid was made from kind and name (`rollcall.explain.documents`), for the manifest had none."""
    try:
        return UUID(uid).version == _MADE_FROM_A_NAME
    except ValueError:
        return False
