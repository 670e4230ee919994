"""What counts as a GPU, by resource name and by annotation.

Whole GPUs, MIG slices and the fractions and memory slices of KAI and Run:ai are counted exactly. Vendor-specific
virtual devices (HAMi) and claims of dynamic resource allocation show as extended resources only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rollcall.domain.quantities import base_units, parse_quantity
from rollcall.domain.records import GpuRequestType

MICROS = 1_000_000

WHOLE_GPUS = frozenset(
    {
        "nvidia.com/gpu",
        "amd.com/gpu",
        "gpu.intel.com/i915",
        "gpu.intel.com/xe",
        "habana.ai/gaudi",
        "habana.ai/goya",
    }
)
"""Exact names: ``nvidia.com/gpumem`` and its like are no GPUs."""

_MIG = re.compile(r"nvidia\.com/mig-(?:(\d{1,2})c\.)?(\d{1,2})g\.\d{1,4}gb(?:\.[a-z.]+)?", re.ASCII)
_MIG_ANNOTATION_PREFIX = "nvidia.com/mig-"
_SLICES = 7
_SLICES_OF_A30 = 4

FRACTION_ANNOTATION = "gpu-fraction"
MEMORY_ANNOTATION = "gpu-memory"
DEVICES_ANNOTATION = "gpu-fraction-num-devices"
_MOST_DEVICES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedGpu:
    """A share of one or several GPUs, as annotations ask for it."""

    type: GpuRequestType
    gpu_micros: int
    """0 for a memory slice: how much of a GPU it is depends on the node."""
    gpu_memory_bytes: int


def is_mig(resource: str) -> bool:
    """Whether the resource is a MIG slice."""
    return resource.startswith(_MIG_ANNOTATION_PREFIX) and _MIG.fullmatch(resource) is not None


def mig_micros(resource: str, count: int, *, gpu_product: str | None = None) -> int:
    """How much of a GPU ``count`` slices are: g of 7 (of 4 on an A30), the way the contract's clients bill it."""
    match = _MIG.fullmatch(resource)
    if match is None:
        return 0
    slices = int(match[1] or match[2])
    whole = _SLICES_OF_A30 if gpu_product is not None and "A30" in re.split(r"[-_ ]", gpu_product) else _SLICES
    return min(slices, whole) * MICROS * count // whole


def shared_gpu(annotations: Mapping[str, str]) -> SharedGpu | None:
    """The fraction or memory slice that a pod's annotations ask for; absurd values ask for nothing."""
    devices = base_units(annotations.get(DEVICES_ANNOTATION, "1"))
    devices = devices if devices is not None and 1 <= devices <= _MOST_DEVICES else 1
    fraction = parse_quantity(annotations.get(FRACTION_ANNOTATION, ""))
    if fraction is not None and 0 < fraction <= 1:
        micros = base_units(annotations[FRACTION_ANNOTATION], scale=MICROS) or 0
        return SharedGpu(type=GpuRequestType.PORTION, gpu_micros=micros * devices, gpu_memory_bytes=0)
    mebibytes = base_units(annotations.get(MEMORY_ANNOTATION))
    if mebibytes:
        return SharedGpu(type=GpuRequestType.MEMORY, gpu_micros=0, gpu_memory_bytes=mebibytes * 2**20 * devices)
    return None


def mig_annotations(annotations: Mapping[str, str]) -> dict[str, int]:
    """MIG slices in the older annotation form, by resource name."""
    found: dict[str, int] = {}
    for name, value in annotations.items():
        if is_mig(name) and (count := base_units(value)):
            found[name] = count
    return found
