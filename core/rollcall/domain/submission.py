"""Who submitted a workload, as far as its metadata tells."""

from collections.abc import Iterable

from rollcall.domain.facts import Meta, PodFacts

SUBMITTER_ANNOTATIONS = ("user",)
"""Annotations that name the submitter, the first present wins; GPU schedulers write ``user``."""

SUBMITTER_LABELS = ("user", "workflows.argoproj.io/creator")
"""Labels that do, asked after the annotations."""


def submitter_of(meta: Meta, pods: Iterable[PodFacts]) -> str | None:
    """The submitter by the top owner's metadata, then by a pod's; ``None`` where neither says."""
    for described in (meta, *(pod.meta for pod in pods)):
        for key in SUBMITTER_ANNOTATIONS:
            if described.annotations.get(key):
                return described.annotations[key]
        for key in SUBMITTER_LABELS:
            if described.labels.get(key):
                return described.labels[key]
    return None
