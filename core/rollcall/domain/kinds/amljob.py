"""AmlJob of Azure Machine Learning: its status is read by convention, its pods decide; only its nodes are counted."""

from dataclasses import replace

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import MOST_PODS, at, whole_at
from rollcall.domain.kinds import generic
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import RequestedPods
from rollcall.domain.signals import Signals

_KEY = KindKey(group="amlarc.azureml.com", kind="AmlJob")
_BY_CONVENTION = generic.entry_of(_KEY, "v1alpha1")
_NODE_COUNT = "job.options.envs.AZUREML_NODE_COUNT"


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    said = _BY_CONVENTION.signals(obj, children, pods)
    # A launcher or a server may stand beside the nodes: never fewer than the pods that live.
    nodes, living = _nodes(obj), sum(pod.is_active for pod in pods)
    return replace(said, required=max(nodes, living)) if nodes is not None and pods else said


def _nodes(obj: ObjectFacts) -> int | None:
    """An environment variable's value, so mostly a text."""
    value = at(obj.spec, _NODE_COUNT)
    if isinstance(value, str):
        digits = value.isascii() and value.isdigit() and len(value) <= len(str(MOST_PODS))
        number = int(value) if digits else None
        return number if number is not None and number <= MOST_PODS else None
    return whole_at(obj.spec, _NODE_COUNT)


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=_nodes(obj))


ENTRIES: tuple[KindEntry, ...] = (
    replace(
        _BY_CONVENTION,
        plural="amljobs",
        words=Words(
            runs="its conditions or its word say so by convention, pods deciding",
            fails="its conditions or its word say so by convention",
            stops="`spec.suspend`",
            asks="`spec.job.options.envs.AZUREML_NODE_COUNT`",
            notes="nothing is published of its status",
        ),
        signals=_signals,
        roles=(),
        requested_pods=_requested_pods,
        watched=True,
    ),
)
