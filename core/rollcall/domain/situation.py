"""What the ladder looks at: signals, pods and memory, counted once."""

from dataclasses import dataclass
from datetime import datetime

from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Phase, PodState
from rollcall.domain.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the ladder must know besides the object's signals and the pods."""

    now: datetime
    created_at: datetime | None
    deleting: bool = False
    blank: bool = False
    """Whether the object has no status at all."""
    finalizers: tuple[str, ...] = ()
    recovers: bool = False
    """Whether the kind is a service, which takes back every failure."""
    running_since: datetime | None = None
    """The latch, as remembered."""
    last_phase: Phase | None = None
    last_message: str | None = None
    ended: Phase | None = None
    """The remembered terminal phase, where it is latched."""
    resized: bool | None = None
    """Whether more pods are wanted than at the last derivation, or the resize that began then still goes on;
    ``None`` where nothing is remembered."""


class Situation:
    """Signals, pods and memory, counted once."""

    __slots__ = (
        "active",
        "complete",
        "context",
        "fatal",
        "latched",
        "live",
        "pods",
        "ready",
        "required",
        "satisfied",
        "scheduled",
        "signals",
        "waiting",
    )

    def __init__(self, signals: Signals, pods: tuple[JudgedPod, ...], context: Context) -> None:
        self.signals = signals
        self.pods = pods
        self.context = context
        ready = succeeded = waiting = active = live = fatal = 0
        for pod in pods:
            if pod.state is PodState.SUCCEEDED:
                succeeded += 1
                continue
            if pod.is_terminal:
                continue
            live += 1
            if pod.state is PodState.RELEASING:
                continue
            active += 1
            if pod.state is PodState.READY:
                ready += 1
            elif pod.is_waiting:
                waiting += 1
            elif pod.past_grace:
                fatal += 1
        done = succeeded if signals.success_satisfies else 0
        self.active = active
        self.waiting = waiting
        self.fatal = fatal
        self.required: int | None
        if pods:
            self.live = live
            self.ready = ready
            self.satisfied = ready + done
            self.scheduled = active - waiting + done
            self.required = active + done if signals.required is None else signals.required
            self.complete = self.satisfied >= self.required and (self.required > 0 or signals.required is not None)
        else:
            self.live = signals.existing or 0
            self.ready = signals.ready or 0
            self.satisfied = self.ready
            self.scheduled = 0
            self.required = signals.required
            self.complete = self._object_says_complete()
        if signals.idle is not None:
            self.complete = True
        self.latched = context.running_since is not None or self.runs

    def _object_says_complete(self) -> bool:
        signals = self.signals
        if signals.required == 0:
            return True
        if signals.ready is not None and signals.required is not None:
            return signals.ready >= signals.required and signals.says_ready is not False
        return signals.says_ready is True

    @property
    def runs(self) -> bool:
        """Whether the Running rule is satisfied, so that the latch closes now if it was open."""
        signals = self.signals
        return (
            self.complete
            and signals.not_ready is None
            and signals.degraded is None
            and signals.waiting is None
            and not (signals.unreadable is not None and not self.pods)
        )

    def counts(self) -> str | None:
        """``2 of 3 pods ready``, where the number wanted is known."""
        if not self.required:
            return None
        return f"{min(self.satisfied, self.required)} of {self.required} pods ready"
