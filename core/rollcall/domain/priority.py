"""Which PriorityClass a workload has, what it is worth, and whether it may be preempted."""

from collections.abc import Iterable, Mapping

from rollcall.domain.facts import Meta, PodFacts

KNOWN_CLASSES: Mapping[str, int] = {
    "very-low": 25,
    "low": 40,
    "train": 50,
    "medium-low": 65,
    "build-preemptible": 75,
    "interactive-preemptible": 75,
    "medium": 80,
    "medium-high": 90,
    "build": 100,
    "high": 125,
    "inference": 125,
    "very-high": 150,
}
"""The classes that schedulers for GPUs bring along, for clusters whose PriorityClasses are not read."""

NON_PREEMPTIBLE_FROM = 100
"""From this value on a workload may not be preempted, unless its label says otherwise."""

PRIORITY_LABEL = "priorityClassName"
"""Names the class on any owner or pod, ahead of the spec."""

PREEMPTIBILITY_LABEL = "kai.scheduler/preemptibility"

_PREEMPTIBILITY = {"preemptible": True, "non-preemptible": False}


def class_name(asked: str | None, owners: Iterable[Meta], pods: Iterable[PodFacts], default: str) -> str:
    """The PriorityClass: the label on an owner, then on a pod, then the spec, then the pods', then the default.

    The owners are the top owner and what it owns, in the order of being asked.
    """
    labelled = next((label for meta in owners if (label := meta.labels.get(PRIORITY_LABEL))), None)
    if labelled:
        return labelled
    of_pods = ""
    for pod in pods:
        labelled = pod.meta.labels.get(PRIORITY_LABEL)
        if labelled:
            return labelled
        of_pods = of_pods or pod.priority_class_name or ""
    return asked or of_pods or default


def value_of(name: str, classes: Mapping[str, int], pods: Iterable[PodFacts]) -> int | None:
    """What the class is worth: as the cluster says, as its admission wrote into a pod, or as it is known to be."""
    if name in classes:
        return classes[name]
    for pod in pods:
        if pod.priority is not None and pod.priority_class_name == name:
            return pod.priority
    return KNOWN_CLASSES.get(name)


def is_preemptible(value: int | None, owners: Iterable[Meta], pods: Iterable[PodFacts]) -> bool | None:
    """Whether it may be preempted; ``None`` where neither a label nor a value tells."""
    for labels in (*(meta.labels for meta in owners), *(pod.meta.labels for pod in pods)):
        said = _PREEMPTIBILITY.get(labels.get(PREEMPTIBILITY_LABEL, ""))
        if said is not None:
            return said
    return None if value is None else value < NON_PREEMPTIBLE_FROM
