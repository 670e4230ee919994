"""Deployment."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, condition_of, sentence_of, true_condition, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import replicas_wanted, scaled_to_nothing, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    wanted = replicas_wanted(obj)
    existing = whole_at(status, "replicas") or 0
    updated = whole_at(status, "updatedReplicas") or 0
    available = whole_at(status, "availableReplicas") or 0
    stop = scaled_to_nothing(wanted)
    failed, degraded = _troubles(obj, pods, serving=_serving(pods, available))
    denied = true_condition(status, "ReplicaFailure")
    surplus = behind = None
    if wanted is not None and existing > wanted:
        surplus = f"{existing} pods where {wanted} are wanted, {updated} of them updated"
    # A rollout that its owner holds is none under way, as with the partition of a StatefulSet.
    if wanted is not None and updated < wanted and status and at(obj.spec, "paused") is not True:
        behind = f"{updated} of {wanted} pods updated"
    return Signals(
        raw_phase=_raw_phase(obj),
        failed=failed,
        stop=stop.sentence,
        unobserved=unobserved(obj, writes_generation=True),
        required=wanted,
        existing=existing,
        ready=available,
        degraded=degraded,
        surplus=surplus,
        behind=behind,
        holdup=sentence_of(denied) if denied is not None else None,
        unreadable="spec.replicas is no count" if wanted is None else None,
    )


def _serving(pods: tuple[JudgedPod, ...], available: int) -> bool:
    return any(pod.is_ready for pod in pods) if pods else available > 0


def _troubles(obj: ObjectFacts, pods: tuple[JudgedPod, ...], *, serving: bool) -> tuple[Verdict | None, str | None]:
    """(failed, degraded) as the conditions say: with something serving they mean Degraded, with nothing Failed."""
    trouble = true_condition(obj.status, "ReplicaFailure")
    if trouble is None:
        progressing = condition_of(obj.status, "Progressing")
        if (
            progressing is None
            or progressing.get("status") != "False"
            or progressing.get("reason") != "ProgressDeadlineExceeded"
        ):
            return None, None
        trouble = progressing
        living = [pod for pod in pods if pod.is_active]
        if living and all(pod.is_waiting for pod in living):
            # The deadline passed in the queue of the scheduler: that is waiting, not failing.
            return None, None
    said = sentence_of(trouble) or str(trouble.get("type"))
    return (None, said) if serving else (Verdict(message=said), None)


def _raw_phase(obj: ObjectFacts) -> str | None:
    """The most telling of the three conditions a Deployment has."""
    if true_condition(obj.status, "ReplicaFailure") is not None:
        return "ReplicaFailure"
    progressing = condition_of(obj.status, "Progressing")
    if progressing is not None and progressing.get("status") == "False":
        return str(progressing.get("reason") or "Progressing")
    if true_condition(obj.status, "Available") is not None:
        return "Available"
    return "Progressing" if progressing is not None and progressing.get("status") == "True" else None


ENTRIES = (
    KindEntry(
        key=KindKey(group="apps", kind="Deployment"),
        versions=("v1",),
        plural="deployments",
        words=Words(
            runs="`availableReplicas` and `updatedReplicas` reach `spec.replicas`, pods deciding",
            fails=(
                "with nothing ready: condition ReplicaFailure, or past its progress deadline unless all its pods wait "
                "for the scheduler; with something ready that is Degraded"
            ),
            stops="`spec.replicas: 0`",
            notes="a rollout held by `spec.paused` is not Updating",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=(Role(template="spec.template", replicas="spec.replicas"),),
        priority_paths=("spec.template.spec.priorityClassName",),
        default_priority_class="inference",
        recovers=True,
    ),
)
