"""The shape that the training jobs of kubeflow.org/v1 share; a kind of theirs is data (see pytorchjob.py)."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import (
    conditions_of,
    instant_at,
    is_absurd,
    mapping_at,
    sentence_of,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds.entry import KindEntry, Role, SignalsHook, Words
from rollcall.domain.kinds.lifecycle import suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_WORDS = ("Failed", "Succeeded", "Suspended", "Restarting", "Running", "Created")
"""Condition types, the most telling first: Created stays True for ever."""


def training_job(
    kind: str, *, plural: str, replica_specs: str, roles: tuple[str, ...], framework: str | None
) -> KindEntry:
    """The entry of a training job whose roles stand in ``spec.<replica_specs>``, in the order of ``roles``."""
    specs = f"spec.{replica_specs}"
    return KindEntry(
        key=KindKey(group="kubeflow.org", kind=kind),
        versions=("v1",),
        plural=plural,
        words=Words(
            runs="its pods are ready or have succeeded, or its counts are complete",
            fails="condition Failed",
            stops="`spec.runPolicy.suspend`",
            notes="its condition Running, set as soon as one pod is active, is not believed",
        ),
        category=Category.TRAIN,
        signals=_signals_of(replica_specs, roles),
        distributed_framework=framework,
        roles=tuple(
            Role(name=role.lower(), template=f"{specs}.{role}.template", replicas=f"{specs}.{role}.replicas")
            for role in roles
        ),
        role_labels=("training.kubeflow.org/replica-type",),
        requested_pods=_requested_pods,
        completed_at="status.completionTime",
        priority_paths=(
            "spec.runPolicy.schedulingPolicy.priorityClass",
            *(f"{specs}.{role}.template.spec.priorityClassName" for role in roles),
        ),
    )


def _signals_of(replica_specs: str, roles: tuple[str, ...]) -> SignalsHook:
    def signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
        return _signals(obj, replica_specs, roles)

    return signals


def _signals(obj: ObjectFacts, replica_specs: str, roles: tuple[str, ...]) -> Signals:
    status = obj.status
    failed = true_condition(status, "Failed")
    succeeded = true_condition(status, "Succeeded")
    running = true_condition(status, "Running") is not None
    restarting = true_condition(status, "Restarting")
    suspended = true_condition(status, "Suspended")
    stop = suspension(obj, "runPolicy.suspend")
    required, unreadable = _required(obj, replica_specs, roles)
    active, done = _counted(obj)
    return Signals(
        raw_phase=_raw_phase(obj),
        failed=None
        if failed is None
        else Verdict(message=sentence_of(failed), at=instant_at(failed, "lastTransitionTime")),
        completed=None if succeeded is None else Verdict(at=instant_at(succeeded, "lastTransitionTime")),
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if suspended is not None and not stop.sentence else None,
        unobserved=None
        if any(conditions_of(status))
        else unobserved(obj, writes_generation=False) or "no condition yet",
        required=required,
        success_satisfies=True,
        existing=active,
        # Running is set as soon as one replica is active, and active counts pods that are still pending.
        ready=active + done if running else 0,
        not_ready=sentence_of(restarting) or "restarting" if restarting is not None and not running else None,
        unreadable=unreadable,
    )


def _required(obj: ObjectFacts, replica_specs: str, roles: tuple[str, ...]) -> tuple[int | None, str | None]:
    """(pods that Running needs, what could not be read): all replicas, or the least an elastic job runs with."""
    specs = mapping_at(obj.spec, replica_specs)
    total = 0
    for role in roles:
        spec = mapping_at(specs, role)
        if not spec:
            continue
        if is_absurd(spec, "replicas"):
            return None, f"spec.{replica_specs}.{role}.replicas is no count"
        wanted = whole_at(spec, "replicas")
        number = 1 if wanted is None else wanted
        least = whole_at(obj.spec, "elasticPolicy.minReplicas") if role == "Worker" else None
        total += number if least is None else min(number, least)
    if total == 0:
        return None, f"spec.{replica_specs} names no replica"
    return total, None


def _counted(obj: ObjectFacts) -> tuple[int, int]:
    """(active, succeeded) over ``status.replicaStatuses``."""
    active = done = 0
    for role in mapping_at(obj.status, "replicaStatuses").values():
        if isinstance(role, dict):
            active += whole_at(role, "active") or 0
            done += whole_at(role, "succeeded") or 0
    return active, done


def _raw_phase(obj: ObjectFacts) -> str | None:
    found = true_condition(obj.status, *_WORDS)
    return None if found is None else str(found["type"])


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    return RequestedPods(
        number=number,
        min=whole_at(obj.spec, "elasticPolicy.minReplicas"),
        max=whole_at(obj.spec, "elasticPolicy.maxReplicas"),
    )
