"""The rights that the operator needs, as they follow from what it watches and looks up.

The one source of ``deploy/manifests/operator-rights.yaml``, of ``operator-namespace-rights.yaml`` beside it and of the
chart's rules (``make docs`` writes them). Whatever is watched, or stands between pods and a workload, is in the rights
because it is in the catalogue or in `watched.watched_kinds`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rollcall.domain.events import EVENT
from rollcall.domain.kinds.entry import KindEntry
from rollcall_operator.surroundings import NAMESPACE, NODE, PRIORITY_CLASS
from rollcall_operator.watches import DEFINITION, WatchedKind

WATCH = ("list", "watch")
LOOK_UP = ("get",)
WATCH_AND_LOOK_UP = ("get", *WATCH)
"""Of what may own something: who is met by its child first is looked up."""

_EVENT = WatchedKind(key=EVENT, plural="events")

LEARN = ("list",)
_KARTAS = (("optimization.nvidia.com", "resourceinterfaces"), ("run.ai", "kartas"))
"""Descriptions of further kinds."""

_CLUSTER_SCOPED = {
    (NAMESPACE.group, "namespaces"),
    (NODE.group, "nodes"),
    (PRIORITY_CLASS.group, "priorityclasses"),
    (DEFINITION.key.group, DEFINITION.plural),
    *_KARTAS,
}
"""What lies in no namespace, so that no Role reaches it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done with some kinds of a group."""

    group: str
    plurals: tuple[str, ...]
    verbs: tuple[str, ...]


def rules(watched: Iterable[WatchedKind], entries: Iterable[KindEntry]) -> tuple[Rule, ...]:
    """Every rule, by group: what is watched first, then what is only looked up."""
    known = tuple(entries)
    # Which cluster it is, the namespace kube-system says.
    looked_up = {NAMESPACE, *(entry.key for entry in known)}
    by_verbs: dict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
    for kind in (*watched, DEFINITION, _EVENT):
        by_verbs[kind.key.group, WATCH_AND_LOOK_UP if kind.key in looked_up else WATCH].add(kind.plural)
    for entry in known:
        for between in entry.between:
            if between.plural not in by_verbs[between.key.group, WATCH_AND_LOOK_UP]:
                by_verbs[between.key.group, LOOK_UP].add(between.plural)
    found = [Rule(group, tuple(sorted(plurals)), verbs) for (group, verbs), plurals in by_verbs.items() if plurals]
    found += [Rule(group, (plural,), LEARN) for group, plural in _KARTAS]
    return tuple(sorted(found, key=_order))


def namespace_rules(watched: Iterable[WatchedKind], entries: Iterable[KindEntry]) -> tuple[Rule, ...]:
    """What a Role in each named namespace holds: of :func:`rules` what lies in one, and to read the namespace."""
    found: list[Rule] = []
    for rule in rules(watched, entries):
        plurals = tuple(plural for plural in rule.plurals if (rule.group, plural) not in _CLUSTER_SCOPED)
        if plurals:
            found.append(Rule(rule.group, plurals, rule.verbs))
    # A Role covers the namespace that it is in by GET alone: who lists namespaces lists them all.
    found.append(Rule(NAMESPACE.group, ("namespaces",), LOOK_UP))
    return tuple(sorted(found, key=_order))


def _order(rule: Rule) -> tuple[bool, str]:
    return rule.verbs == LOOK_UP, rule.group
