"""The workloads of Run:ai: an object that says its phase in the contract's own words, above one that runs the pods.

Where ``status.phase`` is one of these words it is taken over, refined by pods as every word of a framework is; else
the child speaks (RunaiJob, a training job, a Knative Service, a LeaderWorkerSet). The shape of the status beyond the
phase is inferred, as these kinds are not published.
"""

from collections.abc import Callable
from dataclasses import replace

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, instant_at, text_at, true_condition
from rollcall.domain.kinds import catalogue
from rollcall.domain.kinds.entry import KindEntry, Role, RolesHook, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED
from rollcall.domain.kinds.serving import pods_of, said_by
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, Phase
from rollcall.domain.signals import Signals, Verdict

GROUP = "run.ai"

_WORDS = frozenset(phase.value for phase in Phase)


def workload(
    kind: str,
    *,
    type_name: str,
    category: Category,
    default_priority_class: str,
    find_roles: RolesHook,
    role_names: tuple[str, ...] = ("",),
    recovers: bool = False,
) -> KindEntry:
    """The entry of a workload of Run:ai, whatever it runs its pods by."""

    def signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
        return _signals(obj, children, pods, find_roles, recovers=recovers)

    return KindEntry(
        key=KindKey(group=GROUP, kind=kind),
        versions=("v2alpha1",),
        plural=f"{kind.lower()}s",
        words=Words(
            runs="its own `status.phase` says so and its pods agree; else as its child",
            fails="its own `status.phase` says so, until it is taken back; else as its child",
            stops="`spec.active` is false; its own `status.phase`",
            asks="as its fields ask: `<field>.value`, a fraction of a GPU too",
            notes="`spec.usage: Template` is no workload",
        ),
        category=category,
        signals=signals,
        type=type_name,
        roles=tuple(Role(name=name, template="spec") for name in role_names),
        find_roles=find_roles,
        asks_through=child_of,
        completed_at="status.completionTime",
        default_priority_class=default_priority_class,
        submitter_paths=("spec.username.value", "spec.username"),
        recovers=recovers,
        is_template=_is_template,
    )


def _is_template(obj: ObjectFacts) -> bool:
    return text_at(obj.spec, "usage") == "Template"


def child_of(obj: ObjectFacts, children: tuple[ObjectFacts, ...]) -> ObjectFacts | None:
    """The one object that it owns and that the catalogue knows; of several, none speaks for all."""
    owned = [
        child
        for child in children
        if any(owner.uid == obj.meta.uid for owner in child.meta.owners) and catalogue.is_catalogued(child.meta.key)
    ]
    return owned[0] if len(owned) == 1 else None


def _signals(
    obj: ObjectFacts,
    children: tuple[ObjectFacts, ...],
    pods: tuple[JudgedPod, ...],
    find_roles: RolesHook,
    *,
    recovers: bool,
) -> Signals:
    child = child_of(obj, children)
    entry = None if child is None else catalogue.entry_for(child.meta.key)
    word = text_at(obj.status, "phase")
    if child is not None and entry is not None:
        below = tuple(one for one in children if one.meta.uid != child.meta.uid)
        said = entry.signals(child, below, pods)
    else:
        said = Signals(
            unobserved=None if obj.status else NOT_OBSERVED,
            required=pods_of(find_roles(obj)),
            success_satisfies=not recovers,
        )
    said = replace(said, raw_phase=word or said.raw_phase)
    if at(obj.spec, "active.value") is False or at(obj.spec, "active") is False:
        said = replace(said, stop=said.stop or "stopped by spec.active")
    return with_own_word(said, obj, pods, word)


def with_own_word(said: Signals, obj: ObjectFacts, pods: tuple[JudgedPod, ...], word: str | None) -> Signals:
    """Signals and the object's own phase, where it is one of the contract's."""
    if word not in _WORDS:
        return said
    phase = Phase(word)
    return _OVERLAYS[phase](said, obj, pods)


Overlay = Callable[[Signals, ObjectFacts, tuple[JudgedPod, ...]], Signals]
"""(signals, object, pods) to the signals with one phase of the object in them."""


def _completed(said: Signals, obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    done = true_condition(obj.status, "Completed", "Complete", "Succeeded")
    ended_at = None if done is None else instant_at(done, "lastTransitionTime")
    return replace(said, completed=said.completed or Verdict(at=ended_at))


def _failed(said: Signals, obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    # The word stands for images and crashes as well, which may mend themselves.
    message = text_at(obj.status, "phaseMessage") or text_at(obj.status, "message")
    broken = said_by(true_condition(obj.status, "Failed"), message or "the workload says Failed")
    return replace(said, failed=said.failed or Verdict(message=broken, holds=False))


def _stopped(said: Signals, _obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    return replace(said, stop=said.stop or "stopped by its own word", resuming=None, existing=None)


def _stopping(said: Signals, _obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    return replace(said, stop=said.stop or "stopping by its own word", existing=max(1, said.existing or 0))


def _resuming(said: Signals, _obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> Signals:
    return said if pods else replace(said, resuming=said.resuming or "resuming by its own word")


def _creating(said: Signals, _obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> Signals:
    return said if pods else replace(said, unobserved=said.unobserved or "the workload says Creating")


def _pending(said: Signals, _obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> Signals:
    return said if pods else replace(said, waiting=said.waiting or "the workload says Pending", unobserved=None)


def _initializing(said: Signals, _obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    return replace(said, existing=max(1, said.existing or 0), ready=None, says_ready=False, unobserved=None)


def _running(said: Signals, _obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    return replace(said, ready=None, says_ready=True, unobserved=None)


def _updating(said: Signals, _obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    return replace(said, surplus=said.surplus or "the workload says Updating", ready=max(1, said.ready or 0))


def _degraded(said: Signals, obj: ObjectFacts, _pods: tuple[JudgedPod, ...]) -> Signals:
    message = text_at(obj.status, "phaseMessage") or text_at(obj.status, "message") or "the workload says Degraded"
    return replace(said, degraded=said.degraded or message, ready=max(1, said.ready or 0))


def _unknown(said: Signals, _obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> Signals:
    return said if pods else replace(said, unreadable=said.unreadable or "the workload says Unknown", unobserved=None)


_OVERLAYS: dict[Phase, Overlay] = {
    Phase.COMPLETED: _completed,
    Phase.FAILED: _failed,
    Phase.STOPPED: _stopped,
    Phase.STOPPING: _stopping,
    Phase.TERMINATING: _stopping,
    Phase.DELETING: _stopping,
    Phase.RESUMING: _resuming,
    Phase.CREATING: _creating,
    Phase.PENDING: _pending,
    Phase.INITIALIZING: _initializing,
    Phase.RUNNING: _running,
    Phase.UPDATING: _updating,
    Phase.DEGRADED: _degraded,
    Phase.UNKNOWN: _unknown,
}
