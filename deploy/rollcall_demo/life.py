"""The words in which the lives of the simulated workloads are written down; the lives themselves are in `lives`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rollcall_demo.resources import Resource


class Ending(StrEnum):
    """How a pod's run ends, or what keeps it from beginning."""

    SUCCEED = "succeed"
    EXIT = "exit code"
    OUT_OF_MEMORY = "out of memory"
    EVICTED = "evicted"
    UNREADY = "not ready for a while"
    IMAGE_MISSING = "no such image"
    IMAGE_INVALID = "no image's name"
    CONFIG_MISSING = "no such ConfigMap"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlay:
    """What happens to one pod once it has a node; all times in seconds."""

    start: float = 1.5
    """Until its containers are created: the image is pulled."""
    init: float = 3.0
    """How long its init container runs, where it has one."""
    ready: float | None = 0.0
    """From running to ready; ``None``: it never is."""
    run: float | None = None
    """From ready (where it never is, from running) to its ending; ``None``: it runs until it is deleted."""
    ending: Ending = Ending.SUCCEED
    exit_code: int = 1
    unready: float = 8.0
    """How long it is not ready, where that is its ending."""
    steady_after: int | None = None
    """Once it was restarted so often it runs on; ``None``: it never does."""
    stop: float = 1.5
    """From the request to delete it until its containers have ended."""


Plays = Mapping[str, tuple[PodPlay, ...]]
"""The plays of a workload's pods in the order in which they start, the last for all that follow: under the pod's
place (such as ``worker-1``) where that matters, else under the empty string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodShape:
    """What the pods of a workload ask for."""

    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    gpus: int = 0
    cpu: str = "4"
    memory: str = "16Gi"
    pool: str | None = None
    """The node pool it insists on."""
    has_init: bool = False
    restart_policy: str = "Never"


@dataclass(frozen=True, slots=True)
class Wait:
    """Let it live."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Ask for another number of replicas."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Roll:
    """Ask for another image, and with it for other plays."""

    image: str
    plays: tuple[PodPlay, ...]


@dataclass(frozen=True, slots=True)
class Suspend:
    """Suspend it."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let it go on."""


@dataclass(frozen=True, slots=True)
class UntilEnded:
    """Wait until it has ended by itself, then keep it for so many seconds."""

    keep: float
    patience: float = 400.0
    """How long to wait at most: somebody always gives up in the end."""


Step = Wait | Scale | Roll | Suspend | Resume | UntilEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A workload from its creation to its deletion; then another of the same life begins."""

    kind: Resource
    namespace: str
    name: str
    pod: PodShape
    plays: Plays
    script: tuple[Step, ...]
    begins_after: float = 0.0
    """Seconds from the start of the simulation to its first creation."""
    spec: Mapping[str, object] = field(default_factory=dict)
    """What its spec says beyond the pod template."""
    workers: int = 0
    """Workers of a PyTorchJob, beside its master."""
    priority: str = "train"
    user: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    foreground: bool = False
    """Whether it is deleted in the foreground: it stays until the last of its pods is gone."""
    rest: float = 6.0
    """Seconds from its end to its next creation."""
    shows: tuple[str, ...]
    """Phases in which it is to be met, in their order; others may come between them."""
