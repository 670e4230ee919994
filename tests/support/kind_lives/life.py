"""The life of one workload on a real control plane, as data: what its operator makes, what it writes, and what follows.

The operators themselves are not there. A life holds what they would do: objects between a workload and its pods, pods
with their labels and owners, statuses in the shapes they write. What Kubernetes has by itself does its own work: the
pods of a Deployment, a StatefulSet or a Job in a life are made by their own controllers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollcall.domain.facts import KindKey

Json = Mapping[str, Any]

TOP = "top"
"""As an owner: the workload itself."""

NOW = "<now>"
"""In a status: the instant at which it is written."""

START_SECONDS = 1.5
"""From a pod's node to its readiness: long enough to be seen on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An object that is made for the workload."""

    manifest: Json
    owner: str = TOP
    """:data:`TOP`, or ``Kind/name`` of what was made before, by whomever."""
    status: Json | None = None
    controls: bool = True
    """Whether the owner is its controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something happens, and the row says so."""

    phase: str
    """What the row comes to."""
    makes: tuple[Made, ...] = ()
    status: Json | None = None
    """The workload's new status."""
    statuses: Mapping[str, Json] = field(default_factory=dict)
    """New statuses of what was made before, by ``Kind/name``."""
    patch: Json | None = None
    """What a user changes of the workload, as a merge patch."""
    ends: Mapping[str, str] = field(default_factory=dict)
    """Pods that end, by the beginning of their names: Succeeded or Failed."""
    removes: tuple[str, ...] = ()
    """What is deleted, as ``Kind/name``."""
    via: tuple[str, ...] = ()
    """Phases that come on the way, in that order; asked for before the operator is started again."""
    gpus: int | None = None
    """What the workload then holds."""
    running: int | None = None
    """How many of its pods run."""
    raw: str | None = None
    """The framework's own word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One workload from its creation to its deletion."""

    key: KindKey
    spec: Json
    steps: tuple[Step, ...]
    version: str = ""
    """The first of its entry, where none is given."""
    name: str = "w"
    metadata: Json = field(default_factory=dict)
    begins: str | None = "Creating"
    """Its phase before anything was done for it; ``None`` where that is over at once."""
    framework: str | None = None

    @property
    def title(self) -> str:
        """The kind and its group, and the name where it is not the usual one."""
        return f"{self.key.kind}.{self.key.group}" + ("" if self.name == "w" else f"-{self.name}")


def template(*, gpus: int = 1, labels: Json | None = None, **spec: Any) -> dict[str, Any]:
    """A PodTemplateSpec; each of its pods asks for GPUs, or for a CPU where it needs none."""
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {"cpu": "100m"}
    container = {"name": "main", "image": "registry.example/train:1", "resources": {"limits": limits}}
    return {
        "metadata": {
            "labels": dict(labels or {}),
            "annotations": {"play.rollcall.dev/start-seconds": f"{START_SECONDS}"},
        },
        "spec": {"containers": [container], **spec},
    }


def made(
    api_version: str, kind: str, name: str, spec: Json | None = None, *, labels: Json | None = None, **more: Any
) -> Made:
    """An object between a workload and its pods."""
    manifest = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": dict(spec or {}),
    }
    return Made(manifest=manifest, **more)


def pods(
    *names: str, owner: str = TOP, gpus: int = 1, labels: Json | None = None, restart: str = "Never"
) -> tuple[Made, ...]:
    """Pods that an operator makes itself."""
    found = []
    for name in names:
        body = template(gpus=gpus, labels=labels, restartPolicy=restart)
        body["metadata"]["name"] = name
        found.append(Made(manifest={"apiVersion": "v1", "kind": "Pod", **body}, owner=owner))
    return tuple(found)


def job(name: str, *, owner: str = TOP, gpus: int = 1, parallelism: int = 1, labels: Json | None = None) -> Made:
    """A Job, which makes its pods itself."""
    spec = {
        "parallelism": parallelism,
        "completions": parallelism,
        "backoffLimit": 0,
        "template": template(gpus=gpus, labels=labels, restartPolicy="Never"),
    }
    return made("batch/v1", "Job", name, spec, labels=labels, owner=owner)


def deployment(name: str, *, owner: str = TOP, gpus: int = 1, replicas: int = 1, labels: Json | None = None) -> Made:
    """A Deployment, which makes its pods itself."""
    return _scaled("Deployment", name, owner=owner, gpus=gpus, replicas=replicas, labels=labels)


def stateful_set(name: str, *, owner: str = TOP, gpus: int = 1, replicas: int = 1, labels: Json | None = None) -> Made:
    """A StatefulSet, which makes its pods itself."""
    return _scaled("StatefulSet", name, owner=owner, gpus=gpus, replicas=replicas, labels=labels)


def _scaled(kind: str, name: str, *, owner: str, gpus: int, replicas: int, labels: Json | None) -> Made:
    selector = {"app.kubernetes.io/instance": name}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": selector},
        "template": template(gpus=gpus, labels={**(labels or {}), **selector}),
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return made("apps/v1", kind, name, spec, labels=labels, owner=owner)


def condition(condition_type: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, Any]:
    """A condition of just now."""
    found = {"type": condition_type, "status": status, "lastTransitionTime": NOW}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def conditions(*found: Json, **more: Any) -> dict[str, Any]:
    """A status with conditions and what else it holds."""
    return {"conditions": list(found), **more}
