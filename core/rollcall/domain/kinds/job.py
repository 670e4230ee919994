"""Job of group batch."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import (
    at,
    instant_at,
    is_absurd,
    mapping_at,
    sentence_of,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import Stop, suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, PodState, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_MIN_MEMBERS = ("kai.scheduler/batch-min-member", "kueue.x-k8s.io/job-min-parallelism")


def parallel_pods(spec: Mapping[str, Any]) -> int | None:
    """How many pods a Job's spec asks for at once; ``None`` where its numbers cannot be read."""
    if is_absurd(spec, "parallelism") or is_absurd(spec, "completions"):
        return None
    parallelism = whole_at(spec, "parallelism")
    completions = whole_at(spec, "completions")
    parallel = 1 if parallelism is None else parallelism
    return parallel if completions is None else min(parallel, completions)


def job_requested_pods(spec: Mapping[str, Any], annotations: Mapping[str, Any]) -> RequestedPods:
    """What the contract shows as the requested pods of a Job's spec."""
    minimum = None
    for key in _MIN_MEMBERS:
        value = annotations.get(key)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len("2147483647"):
            minimum = int(value)
            break
    parallelism = whole_at(spec, "parallelism")
    return RequestedPods(
        number=parallel_pods(spec),
        min=minimum,
        parallelism=1 if at(spec, "parallelism") is None else parallelism,
        completions=whole_at(spec, "completions"),
    )


def finished(obj: ObjectFacts) -> tuple[Verdict | None, Verdict | None]:
    """(failed, completed) as a Job's own conditions say."""
    failed = true_condition(obj.status, "Failed", "FailureTarget")
    if failed is not None:
        return Verdict(message=sentence_of(failed), at=instant_at(failed, "lastTransitionTime")), None
    complete = true_condition(obj.status, "Complete", "SuccessCriteriaMet")
    if complete is not None:
        return None, Verdict(at=instant_at(complete, "lastTransitionTime"))
    return None, None


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    failed, completed = finished(obj)
    status = obj.status
    parallel = parallel_pods(obj.spec)
    stop = suspension(obj, "suspend")
    if stop.sentence is None and parallel == 0 and whole_at(obj.spec, "parallelism") == 0:
        stop = Stop("spec.parallelism is 0")
    suspended = true_condition(status, "Suspended")
    return Signals(
        raw_phase=_raw_phase(obj),
        failed=failed,
        completed=completed,
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if suspended is not None and not stop.sentence else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=_required(obj, parallel, pods),
        existing=whole_at(status, "active"),
        ready=whole_at(status, "ready"),
        unreadable="spec.parallelism or spec.completions is no count" if parallel is None else None,
    )


def _required(obj: ObjectFacts, parallel: int | None, pods: tuple[JudgedPod, ...]) -> int | None:
    """min(parallelism, completions - succeeded); without completions, what is left once the first succeeded."""
    if parallel is None:
        return None
    counted = (whole_at(obj.status, "succeeded") or 0) + _uncounted(obj)
    seen = sum(1 for pod in pods if pod.state is PodState.SUCCEEDED)
    succeeded = max(counted, seen)
    completions = whole_at(obj.spec, "completions")
    if completions is not None:
        return max(0, min(parallel, completions - succeeded))
    if succeeded == 0:
        return parallel
    # A work queue makes no new pods once one of them found the queue empty.
    left = sum(1 for pod in pods if pod.is_active) if pods else whole_at(obj.status, "active") or 0
    return min(parallel, left)


def _uncounted(obj: ObjectFacts) -> int:
    listed = at(mapping_at(obj.status, "uncountedTerminatedPods"), "succeeded")
    return len(listed) if isinstance(listed, list | tuple) else 0


def _raw_phase(obj: ObjectFacts) -> str | None:
    ended = true_condition(obj.status, "Failed", "Complete", "FailureTarget", "SuccessCriteriaMet", "Suspended")
    if ended is not None:
        return str(ended["type"])
    if whole_at(obj.status, "active"):
        return "Active"
    return None


def replicas(obj: ObjectFacts) -> int | None:
    """How many pods a Job, or what is built like one, asks for at once."""
    return parallel_pods(obj.spec)


def requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    """What the contract shows as the requested pods of one."""
    return job_requested_pods(obj.spec, obj.meta.annotations)


ENTRIES = (
    KindEntry(
        key=KindKey(group="batch", kind="Job"),
        versions=("v1",),
        plural="jobs",
        words=Words(
            runs="as many pods are ready as it still needs: min(parallelism, completions - succeeded)",
            fails="condition Failed or FailureTarget",
            stops="`spec.suspend`; `spec.parallelism: 0`",
            asks="min(`spec.parallelism`, `spec.completions`)",
            notes="failed pods within `backoffLimit` are no failure",
        ),
        category=Category.TRAIN,
        signals=_signals,
        roles=(Role(template="spec.template", count=replicas),),
        requested_pods=requested_pods,
        completed_at="status.completionTime",
        priority_paths=("spec.template.spec.priorityClassName",),
    ),
)
