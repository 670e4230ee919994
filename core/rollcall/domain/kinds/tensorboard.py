"""Tensorboard of Kubeflow: one pod of a Deployment, which shows the logs of training runs.

Its conditions are a log, not a state: each time the first condition of its Deployment has another type, that type is
appended, whether it is True or False. So its last word is shown and not believed; ready replicas and pods decide. What
its pod asks for is the operator's choice and stands nowhere in the object.
"""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import elements_at, text_at, whole_at
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import number_only
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    ready = whole_at(obj.status, "readyReplicas") or 0
    words = [text_at(one, "deploymentState") for one in elements_at(obj.status, "conditions")]
    return Signals(
        raw_phase=words[-1] if words else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=1,
        existing=ready,
        ready=ready,
        holdup="its Deployment may not create its pod" if words[-1:] == ["ReplicaFailure"] else None,
    )


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return number_only(obj, 1)


ENTRIES = (
    KindEntry(
        key=KindKey(group="tensorboard.kubeflow.org", kind="Tensorboard"),
        versions=("v1alpha1",),
        plural="tensorboards",
        words=Words(
            runs="its pod is ready (`readyReplicas`)",
            fails="its pod cannot start for longer than its grace; it says no failure itself",
            stops="nothing but its deletion",
            asks="one; what its pod asks for",
            notes="its conditions are a log of its Deployment's and are not believed",
        ),
        category=Category.BUILD,
        signals=_signals,
        requested_pods=_requested_pods,
        recovers=True,
    ),
)
