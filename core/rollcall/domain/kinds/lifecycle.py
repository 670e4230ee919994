"""What many kinds say in the same way: not observed yet, suspended by a user or a queue, scaled to nothing."""

from dataclasses import dataclass

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import at, is_absurd, whole_at

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue holds what carries it by suspending it; its suspension is a wait for quota, not a stop.

Before it was a label it was an annotation of the same name, which some objects still have.
"""

NOT_OBSERVED = "not observed by its controller yet"


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether a stop is asked, and by whom."""

    sentence: str | None = None
    queued: bool = False


NO_STOP = Stop()


def unobserved(obj: ObjectFacts, *, writes_generation: bool) -> str | None:
    """Why the status says nothing of this version of the object, ``None`` where it does."""
    if not obj.status:
        return NOT_OBSERVED
    if not writes_generation or obj.meta.generation is None:
        return None
    observed = whole_at(obj.status, "observedGeneration")
    if observed is None or observed < obj.meta.generation:
        return NOT_OBSERVED
    return None


def suspension(obj: ObjectFacts, path: str) -> Stop:
    """The stop that a boolean of the spec asks for."""
    if at(obj.spec, path) is not True:
        return NO_STOP
    return held_by_queue(obj) or Stop(f"suspended by spec.{path}")


def held_by_queue(obj: ObjectFacts) -> Stop | None:
    """The stop of a suspended object that a queue holds; ``None`` where it is in no queue."""
    queue = obj.meta.labels.get(QUEUE_LABEL) or obj.meta.annotations.get(QUEUE_LABEL)
    return Stop(f"waiting for quota in queue {queue}", queued=True) if queue else None


def replicas_wanted(obj: ObjectFacts, *, default: int = 1) -> int | None:
    """``spec.replicas``; ``None`` where what stands there is no count."""
    if is_absurd(obj.spec, "replicas"):
        return None
    wanted = whole_at(obj.spec, "replicas")
    return default if wanted is None else wanted


def scaled_to_nothing(wanted: int | None) -> Stop:
    """The stop that 0 replicas ask for."""
    return Stop("scaled to 0 replicas") if wanted == 0 else NO_STOP
