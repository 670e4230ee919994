"""ReplicaSet: a workload only where no Deployment owns it."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import sentence_of, true_condition, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import replicas_wanted, scaled_to_nothing, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    wanted = replicas_wanted(obj)
    existing = whole_at(status, "replicas") or 0
    available = whole_at(status, "availableReplicas") or 0
    denied = true_condition(status, "ReplicaFailure")
    said = None if denied is None else sentence_of(denied) or "ReplicaFailure"
    serving = any(pod.is_ready for pod in pods) if pods else available > 0
    surplus = None
    if wanted is not None and existing > wanted:
        surplus = f"{existing} pods where {wanted} are wanted"
    return Signals(
        raw_phase="ReplicaFailure" if said is not None else None,
        failed=None if said is None or serving else Verdict(message=said),
        stop=scaled_to_nothing(wanted).sentence,
        unobserved=unobserved(obj, writes_generation=True),
        required=wanted,
        existing=existing,
        ready=available,
        degraded=said if serving else None,
        surplus=surplus,
        holdup=said,
        unreadable="spec.replicas is no count" if wanted is None else None,
    )


ENTRIES = (
    KindEntry(
        key=KindKey(group="apps", kind="ReplicaSet"),
        versions=("v1",),
        plural="replicasets",
        words=Words(
            runs="`readyReplicas` reaches `spec.replicas`, pods deciding",
            fails="condition ReplicaFailure with nothing ready",
            stops="`spec.replicas: 0`",
        ),
        category=Category.TRAIN,
        signals=_signals,
        roles=(Role(template="spec.template", replicas="spec.replicas"),),
        priority_paths=("spec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
