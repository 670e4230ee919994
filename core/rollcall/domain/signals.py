"""What the entry of a kind says of one object: signals, never a phase. The ladder alone makes phases."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.records import PhaseSource

NEXT_INCARNATION = datetime.max.replace(tzinfo=UTC)
"""For ``incarnation_at``: this one has yet to begin, so no latch counts, whenever it was closed. Only to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The object's own word that it is over."""

    message: str | None = None
    at: datetime | None = None
    """When it ended, where the object says so."""
    holds: bool = True
    """Whether the word is final; ``False`` for one that upstream takes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What an object says, in the words the ladder understands. Absent means not said, never "no"."""

    raw_phase: str | None = None
    """The framework's own word, verbatim; ``None`` where it has none: the pods' phases then stand in."""
    source: PhaseSource = PhaseSource.KIND
    failed: Verdict | None = None
    completed: Verdict | None = None
    stopped: Verdict | None = None
    """A user's stop ended it for good, as a cancelled run: Stopped, and over like a failed or a completed one."""
    stop: str | None = None
    """A stop is asked for: the sentence that says by what."""
    queued: bool = False
    """The stop is a queue's, which waits for quota: Pending, not Stopped."""
    resuming: str | None = None
    """No stop is asked any more, but the framework still says suspended."""
    unobserved: str | None = None
    """The controller has not seen this version of the object."""
    required: int | None = None
    """How many pods Running needs; ``None`` where the kind cannot say: then every pod that lives."""
    due: int | None = None
    """How many of these the controller should have made by now; ``None``: all."""
    success_satisfies: bool = False
    """Whether a succeeded pod counts as satisfied."""
    existing: int | None = None
    """Live pods as the object's status counts them; looked at only where no pod is known."""
    ready: int | None = None
    """Ready (or satisfied) pods as the object's status counts them; looked at only where no pod is known."""
    says_ready: bool | None = None
    """The object's Ready or Running word, for objects without counts."""
    not_ready: str | None = None
    """The framework says not ready for a reason of its own."""
    degraded: str | None = None
    """Part of it failed while something still serves."""
    surplus: str | None = None
    """More pods are counted than wanted: old and new side by side, or scaling down."""
    behind: str | None = None
    """A rollout is under way: fewer updated pods than wanted."""
    growing: str | None = None
    """Fewer pods are counted than wanted: a scale-up, unless memory says that no more are wanted than before."""
    waiting: str | None = None
    """It waits by its own word, with no pod to show for it."""
    idle: str | None = None
    """It serves without pods: between two runs, or scaled to zero."""
    held: str | None = None
    """Why its pods have no node, by the word of their queue or scheduler; the pods' own words then give way."""
    holdup: str | None = None
    """Why no pod has been created yet."""
    message: str | None = None
    """A sentence that leads the phase message, whatever the phase."""
    follow: ObjectFacts | None = None
    """The child whose phase is this object's phase just now."""
    incarnation_at: datetime | None = None
    """Since when this incarnation runs: a latch from before, of a run or of an end, does not count."""
    unreadable: str | None = None
    """What the entry needed and could not read; without pods the phase is then Unknown."""

    def sentences(self) -> tuple[str, ...]:
        """Each signal that was given, as ``name: value``, in the order of the ladder."""
        said: list[str] = []
        for name in _SPOKEN:
            value = getattr(self, name)
            if value is None or value is False:
                continue
            said.append(f"{name.replace('_', ' ')}: {_worded(value)}")
        return tuple(said)


_SPOKEN = (
    "raw_phase",
    "failed",
    "completed",
    "stopped",
    "stop",
    "queued",
    "resuming",
    "unobserved",
    "required",
    "due",
    "existing",
    "ready",
    "says_ready",
    "not_ready",
    "degraded",
    "surplus",
    "behind",
    "growing",
    "waiting",
    "idle",
    "held",
    "holdup",
    "message",
    "follow",
    "unreadable",
)


def _worded(value: object) -> str:
    if isinstance(value, Verdict):
        return value.message or "yes"
    if isinstance(value, ObjectFacts):
        return f"{value.meta.kind} {value.meta.name}"
    if value is True:
        return "yes"
    return str(value)
