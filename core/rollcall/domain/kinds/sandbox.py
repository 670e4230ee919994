"""Sandbox of agents.x-k8s.io: one pod that is suspended, resumed and, past its time, taken away.

Its condition Finished comes and goes with the pod (a suspension ends the pod as well), so it is an end only while no
stop is asked, and none that holds: the sandbox may be suspended and resumed after it. Its condition Suspended may
linger once it is resumed, so it counts only as long as Ready has that reason too.
"""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, text_at, true_condition, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import said_by, says_ready
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_EXPIRED = "SandboxExpired"
_LEAVING = frozenset({"PodNotTerminated", "PodTerminating"})
"""Reasons of Suspended False while the pod goes."""


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    ready = says_ready(status)
    condition = condition_of(status, "Ready")
    reason = text_at(condition, "reason") if condition is not None else None
    stop = _stop(obj, expired=reason == _EXPIRED)
    suspended = true_condition(status, "Suspended")
    finished = true_condition(status, "Finished") if stop is None else None
    succeeded = finished is not None and text_at(finished, "reason") == "PodSucceeded"
    ended = None if finished is None else Verdict(message=said_by(finished, "its pod has ended"), holds=False)
    leaving = text_at(condition_of(status, "Suspended") or {}, "reason") in _LEAVING
    lingers = suspended is not None and (condition is None or reason == "SandboxSuspended")
    return Signals(
        raw_phase="Ready" if ready else reason,
        failed=None if succeeded else ended,
        completed=ended if succeeded else None,
        stop=stop,
        resuming="resumed, its controller has yet to follow" if lingers and stop is None else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=1,
        existing=1 if stop is not None and (leaving or ready) and suspended is None else None,
        says_ready=ready,
    )


def _stop(obj: ObjectFacts, *, expired: bool) -> str | None:
    if text_at(obj.spec, "operatingMode") == "Suspended":
        return "suspended by spec.operatingMode"
    if whole_at(obj.spec, "replicas") == 0:
        return "scaled to 0 replicas"
    return "its shutdownTime has passed" if expired else None


ENTRIES = (
    KindEntry(
        key=KindKey(group="agents.x-k8s.io", kind="Sandbox"),
        versions=("v1beta1", "v1alpha1"),
        plural="sandboxes",
        words=Words(
            runs="condition Ready is True and its pod is ready",
            fails="condition Finished (PodFailed) while no stop is asked",
            stops="`spec.operatingMode: Suspended`; 0 replicas; its shutdown time has passed",
        ),
        category=Category.BUILD,
        signals=_signals,
        roles=(Role(template="spec.podTemplate", replicas="spec.replicas"),),
        priority_paths=("spec.podTemplate.spec.priorityClassName",),
        recovers=True,
    ),
)
