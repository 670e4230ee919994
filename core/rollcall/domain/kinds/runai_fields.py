"""The fields of Run:ai's workloads: each is an object with a ``value``; a pod template is put together from them."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.fields import MOST_PODS, at, mapping_at
from rollcall.domain.gpus import FRACTION_ANNOTATION, MEMORY_ANNOTATION
from rollcall.domain.kinds.serving import pod_template, text_of
from rollcall.domain.node_pools import POOLS_ANNOTATION
from rollcall.domain.quantities import base_units, parse_quantity

_MEBIBYTE = 2**20
_AMOUNTS = (("cpu", "cpu", "cpuLimit"), ("memory", "memory", "memoryLimit"))


def value_of(spec: Mapping[str, Any], name: str) -> str | None:
    """The value of a field as text; one without a ``value`` around it is read alike."""
    value = at(spec, name)
    return text_of(value.get("value") if isinstance(value, Mapping) else value)


def count_of(spec: Mapping[str, Any], name: str, default: int | None) -> int | None:
    """The count in a field, people write it with and without quotes; ``None`` where it is none."""
    text = value_of(spec, name)
    if text is None:
        return default if at(spec, name) is None else None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_PODS))):
        return None
    return int(text) if int(text) <= MOST_PODS else None


def template_of(spec: Mapping[str, Any], *, with_gpus: bool = True) -> Mapping[str, Any]:
    """A PodTemplateSpec as the fields ask for it: a fraction of a GPU as an annotation, as admission writes it."""
    annotations: dict[str, Any] = {}
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for resource, asked, most in _AMOUNTS:
        for found, amounts in ((value_of(spec, asked), requests), (value_of(spec, most), limits)):
            if found is not None:
                amounts[resource] = found
    if with_gpus:
        _ask_for_gpus(spec, annotations, limits)
    limits |= _extended(spec)
    pools = _node_pools(spec)
    if pools:
        annotations[POOLS_ANNOTATION] = pools
    container: dict[str, Any] = {"name": "main", "resources": {"requests": requests, "limits": limits}}
    image = value_of(spec, "image")
    if image is not None:
        container["image"] = image
    for key, name in (("command", "command"), ("args", "arguments")):
        words = value_of(spec, name)
        if words is not None:
            container[key] = [words]
    return pod_template([container], annotations=annotations)


def _ask_for_gpus(spec: Mapping[str, Any], annotations: dict[str, Any], limits: dict[str, Any]) -> None:
    gpus = value_of(spec, "gpu")
    number = None if gpus is None else parse_quantity(gpus)
    memory = base_units(value_of(spec, "gpuMemory"))
    profile = value_of(spec, "migProfile")
    if profile is not None:
        limits[f"nvidia.com/mig-{profile}"] = "1"
    elif memory:
        annotations[MEMORY_ANNOTATION] = str(-(-memory // _MEBIBYTE))
    elif number is not None and 0 < number < 1:
        annotations[FRACTION_ANNOTATION] = gpus
    elif number:
        limits["nvidia.com/gpu"] = gpus


def _extended(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Extended resources: named items, each with a resource and a quantity."""
    found: dict[str, Any] = {}
    for item in mapping_at(spec, "extendedResources.items").values():
        one = mapping_at(item, "value") if isinstance(item, Mapping) else {}
        resource, quantity = text_of(one.get("resource")), text_of(one.get("quantity"))
        if resource is not None and quantity is not None:
            found[resource] = quantity
    return found


def _node_pools(spec: Mapping[str, Any]) -> str:
    """The node pools in their order, from a list or from text; the older field names one."""
    listed = at(spec, "nodePools.value")
    if isinstance(listed, list | tuple):
        return " ".join(pool for pool in listed if isinstance(pool, str))
    return (value_of(spec, "nodePools") or value_of(spec, "nodePool") or "").replace(",", " ")
