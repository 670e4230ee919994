"""What simulated pods use, made up: the same for the same pod at the same instant, and with its own ups and downs.

Pure: objects as the API server tells them and an instant go in, amounts come out. A container uses something only while
it runs; a GPU is as busy as the container that has it.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from rollcall.domain.quantities import parse_quantity
from rollcall_demo.cluster_contents import GPU, SIMULATED_LABEL
from rollcall_demo.pod_statuses import TERMINAL

Json = Mapping[str, Any]

WARM_UP_SECONDS = 5.0
IDLE_SHARE = 0.1
"""The share of the containers that have GPUs and do not use them."""

_FALLBACK_CORES, _FALLBACK_BYTES = 0.5, 2.0**30
"""What a container that asks for nothing has to itself."""

_NVLINK_BYTES, _PCIE_BYTES, _PCIE_SENT = 120e9, 9e9, 0.4
"""In a second at most, one way; and the part of it that goes back over PCIe."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU of a node."""

    node: str
    index: int
    model: str
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs, and the GPUs that it has."""

    namespace: str
    pod: str
    name: str
    uid: str
    started_at: datetime
    cores: float
    memory_bytes: float
    devices: tuple[Device, ...]


class Devices:
    """Which GPUs of its node each container has: the same for as long as its pod is there."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[str, tuple[int, ...]]] = {}
        """By the pod's uid and the container's name: the node and the GPUs of it."""

    def give(self, pods: Iterable[Json]) -> None:
        """See which pods are there: those that are gone or over let go, new ones get the lowest that are free."""
        asked: dict[tuple[str, str], tuple[str, int]] = {}
        for pod in pods:
            if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in TERMINAL:
                for container in pod["spec"]["containers"]:
                    number = int(_amount(container, "limits", GPU))
                    asked[pod["metadata"]["uid"], container["name"]] = (pod["spec"]["nodeName"], number)
        self._held = {key: held for key, held in self._held.items() if key in asked}
        for key, (node, number) in asked.items():
            if key not in self._held:
                taken = {index for where, indexes in self._held.values() if where == node for index in indexes}
                free = (index for index in range(len(taken) + number) if index not in taken)
                self._held[key] = (node, tuple(index for index, _ in zip(free, range(number), strict=False)))

    def of(self, pod_uid: str, container: str) -> tuple[int, ...]:
        """The indexes of a container's GPUs."""
        return self._held.get((pod_uid, container), ("", ()))[1]


def running_containers(pods: Iterable[Json], nodes: Iterable[Json], devices: Devices) -> Iterator[Container]:
    """The containers that run on nodes that say that they are simulated; nothing is made up of any other."""
    simulated = {node["metadata"]["name"]: node["metadata"].get("labels") or {} for node in nodes if _is_played(node)}
    here = [pod for pod in pods if pod["spec"].get("nodeName") in simulated]
    devices.give(here)
    for pod in here:
        labels = simulated[pod["spec"]["nodeName"]]
        statuses = pod.get("status", {}).get("containerStatuses") or ()
        started: dict[str, str] = {
            one["name"]: running["startedAt"] for one in statuses if (running := _running(one)).get("startedAt")
        }
        for container in pod["spec"]["containers"]:
            if container["name"] not in started:
                continue
            uid = pod["metadata"]["uid"]
            yield Container(
                namespace=pod["metadata"]["namespace"],
                pod=pod["metadata"]["name"],
                name=container["name"],
                uid=uid,
                started_at=datetime.fromisoformat(started[container["name"]]),
                cores=float(_amount(container, "requests", "cpu")) or _FALLBACK_CORES,
                memory_bytes=float(_amount(container, "requests", "memory")) or _FALLBACK_BYTES,
                devices=tuple(
                    Device(
                        node=pod["spec"]["nodeName"],
                        index=index,
                        model=labels.get("nvidia.com/gpu.product", "simulated"),
                        memory_mib=float(labels.get("nvidia.com/gpu.memory", "40960")),
                    )
                    for index in devices.of(uid, container["name"])
                ),
            )


def _running(status: Json) -> Json:
    found: Json = (status.get("state") or {}).get("running") or {}
    return found


def _is_played(node: Json) -> bool:
    labels, annotations = (node["metadata"].get(key) or {} for key in ("labels", "annotations"))
    return labels.get(SIMULATED_LABEL) == "true" or annotations.get("kwok.x-k8s.io/node") == "fake"


def _amount(container: Json, of: str, resource: str) -> Fraction:
    text = ((container.get("resources") or {}).get(of) or {}).get(resource, "0")
    return parse_quantity(str(text)) or Fraction(0)


def gpu_amounts(container: Container, device: Device, now: datetime) -> dict[str, float]:
    """One GPU's values by the names of dcgm-exporter."""
    seconds = _seconds(container, now)
    busy = _busy(container, device, seconds)
    used = device.memory_mib * (0.35 + 0.55 * _chance(container, "memory")) * min(seconds / WARM_UP_SECONDS, 1)
    # Over NVLink a GPU talks to the others of its pod.
    linked = _NVLINK_BYTES * busy * (0.3 + 0.5 * _chance(container, "nvlink")) if len(container.devices) > 1 else 0.0
    moved = _PCIE_BYTES * busy * (0.1 + 0.5 * _chance(container, "pcie"))
    active = busy * 0.92
    return {
        "DCGM_FI_DEV_GPU_UTIL": round(busy * 100),
        "DCGM_FI_DEV_FB_USED": round(used),
        "DCGM_FI_DEV_FB_FREE": round(device.memory_mib - used),
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": round(2 * linked / 1_024_000),
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE": round(busy, 4),
        "DCGM_FI_PROF_SM_ACTIVE": round(active, 4),
        "DCGM_FI_PROF_SM_OCCUPANCY": round(active * (0.3 + 0.3 * _chance(container, "occupancy")), 4),
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": round(active * (0.2 + 0.5 * _chance(container, "tensor")), 4),
        "DCGM_FI_PROF_PIPE_FP64_ACTIVE": 0.0,
        "DCGM_FI_PROF_PIPE_FP32_ACTIVE": round(active * 0.15, 4),
        "DCGM_FI_PROF_PIPE_FP16_ACTIVE": round(active * 0.1, 4),
        "DCGM_FI_PROF_DRAM_ACTIVE": round(active * (0.25 + 0.5 * _chance(container, "dram")), 4),
        "DCGM_FI_PROF_NVLINK_TX_BYTES": round(linked),
        "DCGM_FI_PROF_NVLINK_RX_BYTES": round(linked),
        "DCGM_FI_PROF_PCIE_TX_BYTES": round(moved * _PCIE_SENT),
        "DCGM_FI_PROF_PCIE_RX_BYTES": round(moved),
    }


def cpu_seconds(container: Container, now: datetime) -> float:
    """The core seconds since it started: what it uses goes up and down, the sum never falls."""
    seconds, turn = _seconds(container, now), 2 * math.pi / _period(container)
    swing = (math.cos(_phase(container)) - math.cos(turn * seconds + _phase(container))) / turn
    return container.cores * (0.6 * seconds + 0.3 * swing)


def memory_bytes(container: Container, now: datetime) -> float:
    """Its working set."""
    share = 0.4 + 0.4 * _chance(container, "working set")
    return round(container.memory_bytes * share * (0.2 + 0.8 * min(_seconds(container, now) / WARM_UP_SECONDS, 1)))


def _busy(container: Container, device: Device, seconds: float) -> float:
    """The share of the time that a GPU is busy."""
    if _chance(container, "idle") < IDLE_SHARE:
        return 0.0
    turn = 2 * math.pi * seconds / _period(container) + _phase(container) + device.index * 0.7
    jitter = _chance(container, f"jitter {device.index} {int(seconds / WARM_UP_SECONDS)}") - 0.5
    busy = 0.6 + 0.3 * _chance(container, "busy") + 0.06 * math.sin(turn) + 0.06 * jitter
    return min(max(busy, 0.0), 1.0) * min(seconds / WARM_UP_SECONDS, 1)


def _seconds(container: Container, now: datetime) -> float:
    # Clocks differ, and a start is told in whole seconds.
    return max((now - container.started_at).total_seconds(), 0.0)


def _period(container: Container) -> float:
    return 40 + 80 * _chance(container, "period")


def _phase(container: Container) -> float:
    return 2 * math.pi * _chance(container, "phase")


def _chance(container: Container, what: str) -> float:
    """From 0 to 1, always the same for the same container."""
    digest = hashlib.sha256(f"{container.uid} {container.name} {what}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32
