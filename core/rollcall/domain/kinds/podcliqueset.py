"""PodCliqueSet of Grove, and PodGangSet as older versions call it: replicas of cliques of pods, without a phase.

``lastErrors`` shows passing errors of an ordinary start and is not looked at.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts, PodFacts
from rollcall.domain.fields import MOST_PODS, at, elements_at, is_absurd, mapping_at, text_at, true_condition, whole_at
from rollcall.domain.kinds.entry import FoundRole, Intermediate, KindEntry, Words
from rollcall.domain.kinds.lifecycle import replicas_wanted, scaled_to_nothing, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_CLIQUE_LABEL = "grove.io/podclique"


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    wanted = replicas_wanted(obj)
    each = _pods_of_a_replica(obj, least=True)
    required = None if wanted is None or each is None else min(wanted * each, MOST_PODS)
    existing = whole_at(status, "replicas") or 0
    available = whole_at(status, "availableReplicas") or 0
    updated = whole_at(status, "updatedReplicas") or 0
    broken = _broken_gangs(obj)
    serving = any(pod.is_ready for pod in pods) if pods else available > 0
    surplus = behind = None
    if wanted is not None:
        if existing > wanted:
            surplus = f"{existing} replicas where {wanted} are wanted"
        if status and updated < wanted and text_at(obj.spec, "updateStrategy.type") != "OnDelete":
            behind = f"{updated} of {wanted} replicas updated"
    updating = true_condition(status, "UpdateInProgress")
    return Signals(
        raw_phase="UpdateInProgress" if updating is not None else None,
        failed=Verdict(message=broken) if broken is not None and not serving else None,
        stop=scaled_to_nothing(wanted).sentence,
        unobserved=unobserved(obj, writes_generation=True),
        required=required,
        existing=existing * (each or 1),
        ready=available * (each or 1),
        degraded=broken if serving else None,
        surplus=surplus,
        behind=behind,
        unreadable="spec.replicas or those of a clique are no counts" if required is None else None,
    )


def _broken_gangs(obj: ObjectFacts) -> str | None:
    failed = [
        text_at(gang, "name") or "unnamed"
        for gang in elements_at(obj.status, "podGangStatuses")
        if text_at(gang, "phase") == "Failed"
    ]
    return f"gang {', '.join(sorted(failed))} failed" if failed else None


def _cliques(obj: ObjectFacts) -> tuple[Mapping[str, Any], ...]:
    return elements_at(obj.spec, "template.cliques")


def _groups(obj: ObjectFacts) -> tuple[Mapping[str, Any], ...]:
    """The scaling groups, by their name in the object and in Grove's code."""
    return (
        *elements_at(obj.spec, "template.podCliqueScalingGroups"),
        *elements_at(obj.spec, "template.podCliqueScalingGroupConfigs"),
    )


def _pods_of_a_clique(obj: ObjectFacts, clique: Mapping[str, Any], *, least: bool = False) -> int | None:
    """The pods of a clique in one replica of the set; ``least``: where an autoscaler may take some away."""
    name = text_at(clique, "name")
    number = _count(clique, "spec.replicas", "spec.autoScalingConfig.minReplicas" if least else None)
    for group in _groups(obj):
        members = at(group, "cliqueNames")
        if number is not None and name is not None and isinstance(members, list) and name in members:
            times = _count(group, "replicas", "scaleConfig.minReplicas" if least else None)
            number = None if times is None else min(number * times, MOST_PODS)
    return number


def _count(of: Mapping[str, Any], path: str, least: str | None) -> int | None:
    if is_absurd(of, path):
        return None
    number = whole_at(of, path)
    number = 1 if number is None else number
    floor = None if least is None else whole_at(of, least)
    return number if floor is None else min(number, floor)


def _pods_of_a_replica(obj: ObjectFacts, *, least: bool = False) -> int | None:
    numbers = [_pods_of_a_clique(obj, clique, least=least) for clique in _cliques(obj)]
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    wanted = replicas_wanted(obj)
    found: list[FoundRole] = []
    for clique in _cliques(obj):
        spec = mapping_at(clique, "spec.podSpec")
        if not elements_at(spec, "containers"):
            continue
        each = _pods_of_a_clique(obj, clique)
        number = None if wanted is None or each is None else min(wanted * each, MOST_PODS)
        metadata = {"annotations": mapping_at(clique, "annotations"), "labels": mapping_at(clique, "labels")}
        found.append(FoundRole((text_at(clique, "name") or "").lower(), {"metadata": metadata, "spec": spec}, number))
    return tuple(found)


def _role_of(pod: PodFacts, roles: tuple[FoundRole, ...]) -> str | None:
    """A PodClique's name ends with that of its clique; of two that fit the longer one is meant."""
    full = pod.meta.labels.get(_CLIQUE_LABEL, "").lower()
    fitting = [role.name for role in roles if role.name and full.endswith(f"-{role.name}")]
    return max(fitting, key=len, default=None)


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    least, wanted = _pods_of_a_replica(obj, least=True), replicas_wanted(obj)
    if number is None or least is None or wanted is None or least * wanted == number:
        return RequestedPods(number=number)
    return RequestedPods(number=number, min=min(least * wanted, MOST_PODS))


def _entry(kind: str, plural: str) -> KindEntry:
    return KindEntry(
        key=KindKey(group="grove.io", kind=kind),
        versions=("v1alpha1",),
        plural=plural,
        words=Words(
            runs="the pods of all cliques, or the least that scaling allows, are ready",
            fails="a gang failed and nothing serves; while something serves that is Degraded",
            stops="`spec.replicas: 0`",
            asks="`spec.replicas` times the pods of each clique times `replicas` of its scaling group",
            notes="`lastErrors` shows passing errors of a start and is not looked at",
        ),
        between=(
            Intermediate(key=KindKey(group="grove.io", kind="PodClique"), plural="podcliques"),
            Intermediate(key=KindKey(group="grove.io", kind="PodCliqueScalingGroup"), plural="podcliquescalinggroups"),
        ),
        category=Category.DEPLOY,
        signals=_signals,
        find_roles=_roles,
        role_of=_role_of,
        requested_pods=_requested_pods,
        pods_per_replica=_pods_of_a_replica,
        priority_paths=("spec.template.priorityClassName",),
        recovers=True,
    )


ENTRIES = (_entry("PodCliqueSet", "podcliquesets"), _entry("PodGangSet", "podgangsets"))
