"""What is watched."""

from collections.abc import Mapping

from rollcall.domain.autoscaling import AUTOSCALING_KINDS
from rollcall.domain.exposing import EXPOSING_KINDS
from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.queues import QUEUE_KINDS
from rollcall_operator.cluster_state import POD
from rollcall_operator.surroundings import CLAIM, CLAIM_TEMPLATE, NAMESPACE, NODE, PRIORITY_CLASS
from rollcall_operator.watches import WatchedKind


def watched_kinds(
    catalogue: Catalogue | None = None, plurals: Mapping[KindKey, str] | None = None
) -> tuple[WatchedKind, ...]:
    """What is watched: nodes and namespaces first, pods, then every kind of the catalogue.

    Args:
        catalogue: the kinds; by default those that are built in.
        plurals: where the cluster serves a kind by another plural than its entry has, or it has none.
    """
    kinds = {
        NAMESPACE: WatchedKind(key=NAMESPACE, plural="namespaces"),
        NODE: WatchedKind(key=NODE, plural="nodes"),
        PRIORITY_CLASS: WatchedKind(key=PRIORITY_CLASS, plural="priorityclasses"),
        CLAIM: WatchedKind(key=CLAIM, plural="resourceclaims"),
        CLAIM_TEMPLATE: WatchedKind(key=CLAIM_TEMPLATE, plural="resourceclaimtemplates"),
        POD: WatchedKind(key=POD, plural="pods"),
        **{
            key: WatchedKind(key=key, plural=plural)
            for kinds_beside in (QUEUE_KINDS, EXPOSING_KINDS, AUTOSCALING_KINDS)
            for key, plural in kinds_beside.items()
        },
    }
    for entry in (catalogue or built_in()).watched_entries():
        plural = (plurals or {}).get(entry.key) or entry.plural
        # Without one it is not served yet; once it is, a start will know it.
        if plural:
            kinds.setdefault(entry.key, WatchedKind(key=entry.key, plural=plural))
    return tuple(kinds.values())
