"""Kinds without an entry: read by the conventions most controllers keep, pods deciding where they are known.

In this order, as the library kstatus reads them: a deletion timestamp, a generation not observed yet, the conditions
Stalled, Reconciling and Ready (or Available); then the word in ``status.phase`` or ``status.state``. Beyond it, and
because so many job kinds have them: the conditions Failed, Complete(d), Succeeded and Suspended, ``spec.suspend``, and
the two counts of kinds that scale. Words are compared by their letters and digits alone. What no convention covers is
Unknown without pods, and left to the pods otherwise.
"""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import (
    at,
    condition_of,
    instant_at,
    is_absurd,
    sentence_of,
    text_at,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds.entry import KindEntry, Role
from rollcall.domain.kinds.lifecycle import NO_STOP, Stop, held_by_queue, suspension
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, PhaseSource
from rollcall.domain.signals import Signals, Verdict

_READY = frozenset({"running", "ready", "active", "available", "healthy", "deployed"})
_COMPLETED = frozenset({"succeeded", "success", "successful", "complete", "completed", "finished"})
_FAILED = frozenset({"failed", "failure"})
_ERROR = frozenset({"error", "errored"})
_WAITING = frozenset({"pending", "queued", "waiting", "unschedulable"})
_STARTING = frozenset(
    {
        "creating",
        "created",
        "initializing",
        "initialising",
        "starting",
        "provisioning",
        "progressing",
        "inprogress",
        "reconciling",
        "restarting",
        "notready",
        "unhealthy",
    }
)
_DEGRADED = frozenset({"degraded", "partiallyready", "partiallyavailable"})
_UPDATING = frozenset({"updating", "upgrading", "scaling", "rollingupdate"})
_SUSPENDED = frozenset({"suspended", "suspending"})
_STOPPED = frozenset({"suspended", "stopped", "paused", "hibernated", "aborted"})
_STOPPING = frozenset({"suspending", "stopping"})
_RESUMING = frozenset({"resuming"})
_CANCELLED = frozenset({"cancelled", "canceled"})
_SERVING = _DEGRADED | _UPDATING
"""Words by which something serves, though not all."""


def entry_of(key: KindKey, version: str) -> KindEntry:
    """The entry of a kind the catalogue does not know."""
    return KindEntry(
        key=key,
        versions=(version,) if version else (),
        plural="",
        category=Category.TRAIN,
        signals=signals,
        roles=(Role(template="spec.template", replicas="spec.replicas"),),
        priority_paths=("spec.template.spec.priorityClassName",),
        completed_at="status.completionTime",
        watched=False,
    )


def signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    """What the conventions make of an object."""
    status = obj.status
    word = text_at(status, "phase") or text_at(status, "state")
    says = plain_word(word)
    failed, completed = _ends(obj, says)
    stalled = true_condition(status, "Stalled")
    if failed is None and (stalled is not None or says in _ERROR):
        said = sentence_of(stalled) if stalled is not None else None
        failed = Verdict(message=said or "the object says it has failed", holds=False)
    not_ready, says_ready = _readiness(obj, says)
    stop = _stop(obj, says)
    counted = _counted(obj)
    return Signals(
        raw_phase=word,
        source=PhaseSource.GENERIC,
        failed=failed,
        completed=completed,
        stopped=Verdict(message=text_at(status, "message")) if says in _CANCELLED else None,
        stop=stop.sentence,
        queued=stop.queued,
        resuming=_resuming(obj, says, stop),
        unobserved=unobserved_by_convention(obj),
        required=None if counted is None else counted[0],
        success_satisfies=True,
        existing=1 if says in _STOPPING else None if counted is None else counted[1],
        ready=_ready(says, counted),
        says_ready=says_ready,
        not_ready=not_ready,
        degraded="degraded by its own word" if says in _DEGRADED else None,
        surplus=f"the object says {word}" if says in _UPDATING else None,
        waiting=f"the object says {word}" if says in _WAITING else None,
        unreadable=_unreadable(obj, says, says_ready=says_ready, counted=counted),
    )


def plain_word(word: str | None) -> str:
    """A word of a status as it is compared: ``Not Ready``, ``NOT_READY`` and ``NotReady`` are one."""
    return "".join(letter for letter in word.lower() if letter.isalnum()) if word else ""


def _ends(obj: ObjectFacts, says: str) -> tuple[Verdict | None, Verdict | None]:
    status = obj.status
    failed = true_condition(status, "Failed")
    if failed is not None or says in _FAILED:
        return (
            Verdict(
                message=(sentence_of(failed) if failed is not None else None) or text_at(status, "message"),
                at=instant_at(failed, "lastTransitionTime") if failed is not None else None,
            ),
            None,
        )
    done = true_condition(status, "Complete", "Completed", "Succeeded")
    if done is not None or says in _COMPLETED:
        return None, Verdict(at=instant_at(done, "lastTransitionTime") if done is not None else None)
    return None, None


def _readiness(obj: ObjectFacts, says: str) -> tuple[str | None, bool | None]:
    """(why not ready, whether it says ready) by the conditions kstatus knows, then by the phase word."""
    reconciling = true_condition(obj.status, "Reconciling")
    ready = condition_of(obj.status, "Ready") or condition_of(obj.status, "Available")
    if reconciling is not None:
        return sentence_of(reconciling) or "being reconciled", False
    if ready is not None:
        if ready.get("status") == "True":
            return None, True
        return sentence_of(ready) or "not ready by its own word", False
    if says in _READY:
        return None, True
    if says in _STARTING:
        return f"the object says {says}", False
    if says in _SERVING:
        return None, False
    return None, None


def _says_suspended(obj: ObjectFacts, says: str) -> bool:
    return says in _SUSPENDED or true_condition(obj.status, "Suspended") is not None


def _stop(obj: ObjectFacts, says: str) -> Stop:
    asked = suspension(obj, "suspend")
    if asked.sentence is not None:
        return asked
    if _says_suspended(obj, says):
        # A spec that says no longer suspended is ahead of its status.
        resumed = at(obj.spec, "suspend") is False
        return NO_STOP if resumed else held_by_queue(obj) or Stop("suspended by its own word")
    return Stop("stopped by its own word") if says in _STOPPED or says in _STOPPING else NO_STOP


def _resuming(obj: ObjectFacts, says: str, stop: Stop) -> str | None:
    if says in _RESUMING:
        return "resuming by its own word"
    if stop.sentence is None and _says_suspended(obj, says):
        return "resumed, its controller has yet to follow"
    return None


def _counted(obj: ObjectFacts) -> tuple[int, int] | None:
    """(wanted, ready) where the object has the two counts that scalable kinds share."""
    wanted = whole_at(obj.spec, "replicas")
    ready = whole_at(obj.status, "readyReplicas")
    if wanted is None or ready is None:
        return None
    return wanted, ready


def _ready(says: str, counted: tuple[int, int] | None) -> int | None:
    """Counted, else at least one where its word says that something serves."""
    if counted is not None:
        return counted[1]
    return 1 if says in _SERVING else None


def unobserved_by_convention(obj: ObjectFacts) -> str | None:
    """Why the status says nothing of this version of the object; told only where it writes the generation."""
    if not obj.status:
        return "its status is empty"
    observed, generation = whole_at(obj.status, "observedGeneration"), obj.meta.generation
    if observed is not None and generation is not None and observed < generation:
        return "its controller has yet to see this version of it"
    return None


def _unreadable(obj: ObjectFacts, says: str, *, says_ready: bool | None, counted: tuple[int, int] | None) -> str | None:
    if is_absurd(obj.spec, "replicas"):
        return "spec.replicas is no count"
    if says_ready is None and counted is None and says not in _WAITING:
        return "nothing in its status is known to mean a phase"
    return None


ENTRIES: tuple[KindEntry, ...] = ()
