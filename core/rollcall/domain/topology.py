"""The topology that a workload asks to be placed by, as annotations of schedulers and queues say it.

A PodGroup has the same three values, taken from these annotations; it is not read.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rollcall.domain.attachments import Topology
from rollcall.domain.facts import Meta, PodFacts
from rollcall.domain.fields import mapping_at
from rollcall.domain.kinds.entry import FoundRole

_NAME = "kai.scheduler/topology"
_PREFERRED = ("kai.scheduler/topology-preferred-placement", "kueue.x-k8s.io/podset-preferred-topology")
_REQUIRED = ("kai.scheduler/topology-required-placement", "kueue.x-k8s.io/podset-required-topology")
_EXCLUSIVE = ("alpha.jobset.sigs.k8s.io/exclusive-topology", "leaderworkerset.sigs.k8s.io/exclusive-topology")
"""One domain of the level for each job or group alone: required as well."""

TOPOLOGY_ANNOTATIONS = frozenset({_NAME, *_PREFERRED, *_REQUIRED, *_EXCLUSIVE})


def topology_of(meta: Meta, roles: Iterable[FoundRole], pods: Iterable[PodFacts]) -> Topology | None:
    """By the object, else by the first role's template that says anything, else by a pod."""
    found = _read(meta.annotations)
    if found is None:
        found = next((said for role in roles if (said := _read(_of_template(role))) is not None), None)
    if found is None:
        found = next((said for pod in pods if (said := _read(pod.meta.annotations)) is not None), None)
    return found


def _of_template(role: FoundRole) -> Mapping[str, Any]:
    return mapping_at(role.template, "metadata.annotations")


def _read(annotations: Mapping[str, Any]) -> Topology | None:
    if not annotations or TOPOLOGY_ANNOTATIONS.isdisjoint(annotations):
        return None
    found = Topology(
        name=_first(annotations, (_NAME,)),
        preferred=_first(annotations, _PREFERRED),
        required=_first(annotations, (*_REQUIRED, *_EXCLUSIVE)),
    )
    return None if found == Topology() else found


def _first(annotations: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    # The keys have dots: they are no paths.
    return next((value for key in keys if isinstance(value := annotations.get(key), str) and value), None)
