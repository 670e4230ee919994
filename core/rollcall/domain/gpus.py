"""What counts as a GPU: by resource name, by annotation, by the class of a claimed device.

Counted exactly: whole GPUs of five vendors and of names the admin adds; MIG slices and AMD partitions as their share
of a device; the fractions and memory slices of KAI and Run:ai; the virtual devices of HAMi and Volcano; devices claimed
by dynamic resource allocation. Time-sliced devices (``nvidia.com/gpu.shared``) and other accelerators show as extended
resources only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rollcall.domain.quantities import MOST, base_units, parse_quantity
from rollcall.domain.records import GpuRequestType

MICROS = 1_000_000

NVIDIA_GPU = "nvidia.com/gpu"
WHOLE_GPUS = frozenset(
    {
        NVIDIA_GPU,
        "amd.com/gpu",
        "gpu.intel.com/i915",
        "gpu.intel.com/xe",
        "habana.ai/gaudi",
        "habana.ai/goya",
    }
)
"""Exact names: ``nvidia.com/gpumem`` and its like are no GPUs."""

DEVICE_CLASS_PREFIX = "deviceclass.resource.kubernetes.io/"
"""Before the name of a DeviceClass, an extended resource that is allocated dynamically (KEP-5004)."""


@dataclass(frozen=True, slots=True)
class GpuRules:
    """Which names are GPUs: the known ones and what the admin adds."""

    names: frozenset[str] = WHOLE_GPUS
    device_classes: tuple[str, ...] = ("gpu",)
    """Parts of names of DeviceClasses whose devices are GPUs, in lower case."""

    def is_gpu(self, resource: str) -> bool:
        """Whether one unit of the resource is one GPU."""
        if resource in self.names:
            return True
        return resource.startswith(DEVICE_CLASS_PREFIX) and self.is_gpu_class(resource[len(DEVICE_CLASS_PREFIX) :])

    def is_gpu_class(self, device_class: str) -> bool:
        """Whether the devices of the DeviceClass are GPUs."""
        name = device_class.lower()
        return any(part in name for part in self.device_classes)


DEFAULT_RULES = GpuRules()


@lru_cache(maxsize=16)
def rules(more_names: tuple[str, ...], device_classes: tuple[str, ...]) -> GpuRules:
    """The rules with the admin's names on top of the known ones."""
    parts = tuple(part.lower() for part in device_classes if part)
    return GpuRules(names=WHOLE_GPUS | frozenset(more_names), device_classes=parts)


# Parts of a device: MIG slices and AMD partitions

_MIG = re.compile(r"nvidia\.com/mig-(?:(\d{1,2})c\.)?(\d{1,2})g\.(\d{1,4})gb((?:\.[a-z.]+)?)", re.ASCII)
_MIG_PREFIX = "nvidia.com/mig-"
_TIME_SLICED = ".shared"
_SLICES = 7
_SLICES_OF_A30 = 4

_PARTITION = re.compile(r"amd\.com/(spx|dpx|tpx|qpx|cpx)_nps\d", re.ASCII)
_PARTITIONS = {"spx": 1, "dpx": 2, "tpx": 3, "qpx": 4, "cpx": 8}
"""Into how many an Instinct GPU is cut in each compute mode; the CPX of an MI300A makes 6, which its name hides."""


@dataclass(frozen=True, slots=True)
class _Part:
    slices: int
    whole: int
    """How many slices make a device; 7 of MIG stands for what the node's product decides."""
    memory_bytes: int
    is_mig: bool


@lru_cache(maxsize=1024)
def _part(resource: str) -> _Part | None:
    if resource.startswith(_MIG_PREFIX):
        match = _MIG.fullmatch(resource)
        # A slice that is time-sliced again is a share of no fixed size.
        if match is None or match[4].endswith(_TIME_SLICED):
            return None
        # "1c.3g.20gb" computes with one slice of three and has the memory of all three.
        return _Part(int(match[1] or match[2]), _SLICES, int(match[3]) * 10**9, is_mig=True)
    match = _PARTITION.fullmatch(resource)
    return None if match is None else _Part(1, _PARTITIONS[match[1]], 0, is_mig=False)


def is_part(resource: str) -> bool:
    """Whether the resource is a MIG slice or an AMD partition."""
    return _part(resource) is not None


def is_mig(resource: str) -> bool:
    """Whether the resource is a MIG slice."""
    part = _part(resource)
    return part is not None and part.is_mig


def part_micros(resource: str, count: int, *, gpu_product: str | None = None) -> int:
    """How much of a GPU so many parts are: for MIG g of 7 (of 4 on an A30), as the contract's clients bill it."""
    part = _part(resource)
    if part is None:
        return 0
    is_a30 = part.is_mig and gpu_product is not None and "A30" in re.split(r"[-_ ]", gpu_product)
    whole = _SLICES_OF_A30 if is_a30 else part.whole
    return min(part.slices, whole) * MICROS * count // whole


def part_memory_bytes(resource: str, count: int, sizes: Mapping[str, int] | None = None) -> int:
    """The memory of so many parts: by the node's word for the name, else by the name (``5gb``: nominal)."""
    part = _part(resource)
    if part is None:
        return 0
    return ((sizes or {}).get(resource) or part.memory_bytes) * count


def mig_annotations(annotations: Mapping[str, str]) -> dict[str, int]:
    """MIG slices in the older annotation form, by resource name."""
    found: dict[str, int] = {}
    for name, value in annotations.items():
        if is_mig(name) and (count := base_units(value)):
            found[name] = count
    return found


# Shares of a device by annotation: KAI and Run:ai

FRACTION_ANNOTATION = "gpu-fraction"
MEMORY_ANNOTATION = "gpu-memory"
DEVICES_ANNOTATION = "gpu-fraction-num-devices"
FRACTION_LIMITS = ("gpu-fraction.limit", "gpu-fraction-limit")
"""How far a share may burst, as KAI spells it and as Run:ai's guide does."""
MEMORY_LIMITS = ("gpu-memory.limit", "gpu-memory-limit")
KEPT_ANNOTATIONS = (FRACTION_ANNOTATION, MEMORY_ANNOTATION, DEVICES_ANNOTATION, *FRACTION_LIMITS, *MEMORY_LIMITS)
_MOST_DEVICES = 1024


def is_annotated(annotations: Mapping[str, str]) -> bool:
    """Whether a pod asks for GPUs by annotation."""
    return FRACTION_ANNOTATION in annotations or MEMORY_ANNOTATION in annotations or any(map(is_mig, annotations))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedGpu:
    """A share of one or several GPUs, as annotations ask for it."""

    type: GpuRequestType
    gpu_micros: int
    """0 for a memory slice: how much of a GPU it is depends on the node."""
    gpu_memory_bytes: int
    limit_micros: int
    limit_memory_bytes: int


def shared_gpu(annotations: Mapping[str, str]) -> SharedGpu | None:
    """The fraction or memory slice that a pod's annotations ask for; absurd values ask for nothing."""
    if FRACTION_ANNOTATION not in annotations and MEMORY_ANNOTATION not in annotations:
        return None
    devices = _whole(annotations.get(DEVICES_ANNOTATION))
    devices = devices if devices is not None and 1 <= devices <= _MOST_DEVICES else 1
    micros = _fraction_micros(annotations.get(FRACTION_ANNOTATION))
    if micros is not None:
        limit = max((_fraction_micros(annotations.get(name)) or 0 for name in FRACTION_LIMITS), default=0)
        return SharedGpu(
            type=GpuRequestType.PORTION,
            gpu_micros=micros * devices,
            gpu_memory_bytes=0,
            limit_micros=max(limit, micros) * devices,
            limit_memory_bytes=0,
        )
    mebibytes = _whole(annotations.get(MEMORY_ANNOTATION))
    if mebibytes:
        limit = max((_whole(annotations.get(name)) or 0 for name in MEMORY_LIMITS), default=0)
        return SharedGpu(
            type=GpuRequestType.MEMORY,
            gpu_micros=0,
            gpu_memory_bytes=min(mebibytes * 2**20 * devices, MOST),
            limit_micros=0,
            limit_memory_bytes=min(max(limit, mebibytes) * 2**20 * devices, MOST),
        )
    return None


def _fraction_micros(text: str | None) -> int | None:
    """A fraction above 0 up to 1, exactly; finer than a millionth rounds up."""
    fraction = None if text is None else parse_quantity(text)
    return base_units(text, scale=MICROS) if fraction is not None and 0 < fraction <= 1 else None


def _whole(text: str | None) -> int | None:
    """A plain number: suffixes are none of these annotations' grammar."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004 - int64


# Virtual devices: HAMi and Volcano


@dataclass(frozen=True, slots=True)
class _VirtualDevices:
    count: str
    memory: str
    """MiB of each device."""
    percentage: str
    """Of the memory of each device."""


_VIRTUAL_DEVICES = (
    _VirtualDevices(NVIDIA_GPU, "nvidia.com/gpumem", "nvidia.com/gpumem-percentage"),
    _VirtualDevices("volcano.sh/vgpu-number", "volcano.sh/vgpu-memory", "volcano.sh/vgpu-memory-percentage"),
)
_VIRTUAL_NAMES = frozenset(
    name for kind in _VIRTUAL_DEVICES for name in (kind.count, kind.memory, kind.percentage) if name != NVIDIA_GPU
)

SHARE_MICROS = "\x00micros"
"""Stands among amounts for shares of devices; no resource can be called so."""
SHARE_BYTES = "\x00bytes"
"""Likewise for memory of devices."""


def take_virtual_devices(amounts: dict[str, int]) -> None:
    """Turn one container's virtual devices into shares, in place; what it asked for keeps standing by its name.

    The memory is per device, so it must be multiplied before containers are added up. HAMi gives a container that
    names memory only one device.
    """
    if _VIRTUAL_NAMES.isdisjoint(amounts):
        return
    for kind in _VIRTUAL_DEVICES:
        memory, percentage = amounts.get(kind.memory), amounts.get(kind.percentage)
        if kind.count == NVIDIA_GPU:
            if not memory and not percentage:
                continue
            micros = amounts.pop(NVIDIA_GPU, 0) or MICROS
        else:
            micros = amounts.get(kind.count, 0) * MICROS or (MICROS if memory or percentage else 0)
        if memory:
            amounts[SHARE_BYTES] = min(amounts.get(SHARE_BYTES, 0) + memory * 2**20 * micros // MICROS, MOST)
        elif micros:
            share = micros * min(percentage or 100, 100) // 100
            amounts[SHARE_MICROS] = min(amounts.get(SHARE_MICROS, 0) + share, MOST)


# The GPUs of a node

_NVIDIA_MEMORY = "nvidia.com/gpu.memory"
_NVIDIA_COUNT = "nvidia.com/gpu.count"
_AMD_MEMORY = ("amd.com/gpu.vram", "beta.amd.com/gpu.vram")
_AMD_MEMORY_IN_NAME = "beta.amd.com/gpu.vram."
_REPLICAS = "nvidia.com/gpu.replicas"
_AMD_UNITS = {"G": 2**30, "M": 2**20}


def device_memory_bytes(labels: Mapping[str, str]) -> int | None:
    """The memory of one GPU of a node, by the label of NVIDIA's feature discovery or of AMD's labeller."""
    mebibytes = _label_number(labels.get(_NVIDIA_MEMORY))
    if mebibytes:
        return mebibytes * 2**20
    named = (name[len(_AMD_MEMORY_IN_NAME) :] for name in labels if name.startswith(_AMD_MEMORY_IN_NAME))
    sizes = [size for text in (*(labels.get(name, "") for name in _AMD_MEMORY), *named) if (size := _amd_bytes(text))]
    return sizes[0] if sizes else None


def device_count(labels: Mapping[str, str]) -> int | None:
    """How many GPUs a node has, by the label of NVIDIA's feature discovery."""
    count = _label_number(labels.get(_NVIDIA_COUNT))
    return count if count is not None and count <= _MOST_DEVICES else None


def part_memory_sizes(labels: Mapping[str, str]) -> dict[str, int]:
    """The exact memory of each sort of MIG slice of a node, by resource name."""
    found: dict[str, int] = {}
    for name, value in labels.items():
        resource = name.removesuffix(".memory")
        if resource != name and name.startswith(_MIG_PREFIX) and is_mig(resource) and (size := _label_number(value)):
            found[resource] = size * 2**20
    return found


def is_time_sliced(labels: Mapping[str, str]) -> bool:
    """Whether each ``nvidia.com/gpu`` of the node is one of several shares of a device."""
    return (_label_number(labels.get(_REPLICAS)) or 0) > 1


def _label_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 - MiB of a device


def _amd_bytes(text: str) -> int | None:
    number = _label_number(text[:-1])
    return number * _AMD_UNITS[text[-1]] if number and text[-1] in _AMD_UNITS else None
