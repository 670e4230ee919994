"""VirtualMachine: the wish for a VirtualMachineInstance; ``status.printableStatus`` is its newest word."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, condition_of, mapping_at, sentence_of, text_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.kubevirt import machine_roles
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_STARTING = frozenset({"Provisioning", "WaitingForVolumeBinding", "Starting", "WaitingForReceiver"})
_RUNNING = frozenset({"Running", "Migrating", "Paused"})
_ENDING = frozenset({"Stopping", "Terminating"})
_FAILED = frozenset(
    {
        "CrashLoopBackOff",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrorPvcNotFound",
        "ErrorDataVolumeNotFound",
        "DataVolumeError",
    }
)
_KNOWN = _STARTING | _RUNNING | _ENDING | _FAILED | frozenset({"Stopped", "ErrorUnschedulable"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    word = text_at(obj.status, "printableStatus")
    made = at(obj.status, "created") is True
    unschedulable = condition_of(obj.status, "PodScheduled")
    waiting = (sentence_of(unschedulable) if unschedulable is not None else None) or "it cannot be scheduled"
    return Signals(
        raw_phase=word,
        failed=Verdict(message=_why(obj, word)) if word in _FAILED else None,
        stop=_stop(obj, word),
        unobserved=NOT_OBSERVED if word is None else None,
        required=1,
        existing=1 if word in _ENDING or word in _RUNNING else None,
        ready=1 if word in _RUNNING else None,
        # Without an instance there is nothing that could start: Creating.
        says_ready=True if word in _RUNNING else False if word in _STARTING and made else None,
        not_ready="the machine is yet to start" if word in _STARTING else None,
        waiting=waiting if word == "ErrorUnschedulable" else None,
        idle="paused, its pod holds its resources" if word == "Paused" else None,
        message="moving to another node" if word == "Migrating" else None,
        unreadable=f"its status is {word}" if word is not None and word not in _KNOWN else None,
    )


def _stop(obj: ObjectFacts, word: str | None) -> str | None:
    """The wish of the spec, unless it starts all the same: that word is newer. Else the word itself."""
    if word in _STARTING:
        return None
    if text_at(obj.spec, "runStrategy") == "Halted":
        return "stopped by spec.runStrategy Halted"
    if at(obj.spec, "running") is False:
        return "stopped by spec.running"
    if word in _ENDING:
        return "being stopped"
    return "stopped" if word == "Stopped" else None


def _why(obj: ObjectFacts, word: str | None) -> str | None:
    for condition_type in ("Failure", "Ready"):
        found = condition_of(obj.status, condition_type)
        said = sentence_of(found) if found is not None else None
        if said is not None:
            return f"{word}: {said}"
    return word


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return machine_roles(mapping_at(obj.spec, "template.spec"))


def _requested_pods(_obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=1)


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubevirt.io", kind="VirtualMachine"),
        versions=("v1", "v1alpha3"),
        plural="virtualmachines",
        words=Words(
            runs="`printableStatus` is Running, Paused or Migrating and its pod is ready",
            fails="`printableStatus` names an error, such as CrashLoopBackOff",
            stops="`spec.runStrategy: Halted`, `spec.running: false`; stopped from within",
            asks="one, as its machine asks",
            notes="ErrorUnschedulable is Pending",
        ),
        category=Category.BUILD,
        signals=_signals,
        find_roles=_roles,
        requested_pods=_requested_pods,
        priority_paths=("spec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
