"""StatefulSet: it sets no conditions, so counts and pods are all there is."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import text_at, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import replicas_wanted, scaled_to_nothing, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    wanted = replicas_wanted(obj)
    existing = whole_at(status, "replicas") or 0
    ready = whole_at(status, "readyReplicas") or 0
    surplus = None
    if wanted is not None and existing > wanted:
        surplus = f"{existing} pods where {wanted} are wanted"
    return Signals(
        stop=scaled_to_nothing(wanted).sentence,
        unobserved=unobserved(obj, writes_generation=True),
        required=wanted,
        due=_due(obj, wanted, pods),
        existing=existing,
        ready=ready,
        surplus=surplus,
        behind=_behind(obj, wanted),
        growing=f"{existing} of {wanted} pods created" if wanted is not None and existing < wanted else None,
        unreadable="spec.replicas is no count" if wanted is None else None,
    )


def _due(obj: ObjectFacts, wanted: int | None, pods: tuple[JudgedPod, ...]) -> int | None:
    """In order, one pod after the other: a later ordinal is not due before the earlier ones are ready."""
    if wanted is None or text_at(obj.spec, "podManagementPolicy") == "Parallel":
        return wanted
    living = sum(1 for pod in pods if pod.is_active)
    return min(wanted, max(1, living))


def _behind(obj: ObjectFacts, wanted: int | None) -> str | None:
    """A rollout: pods of the new revision are still to be made. One held by the admin is none."""
    if wanted is None or text_at(obj.spec, "updateStrategy.type") == "OnDelete":
        return None
    current, update = text_at(obj.status, "currentRevision"), text_at(obj.status, "updateRevision")
    if update is None or current == update:
        return None
    updated = whole_at(obj.status, "updatedReplicas") or 0
    target = max(0, wanted - (whole_at(obj.spec, "updateStrategy.rollingUpdate.partition") or 0))
    return f"{updated} of {target} pods updated" if updated < target else None


ENTRIES = (
    KindEntry(
        key=KindKey(group="apps", kind="StatefulSet"),
        versions=("v1",),
        plural="statefulsets",
        words=Words(
            runs="`readyReplicas` reaches `spec.replicas`, pods deciding",
            fails="a pod cannot start for longer than its grace and none is ready; it says no failure itself",
            stops="`spec.replicas: 0`",
            notes=(
                "a rollout held by `OnDelete` or a partition is not Updating; pods that start in order are due one by "
                "one"
            ),
        ),
        category=Category.TRAIN,
        signals=_signals,
        roles=(Role(template="spec.template", replicas="spec.replicas"),),
        priority_paths=("spec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
