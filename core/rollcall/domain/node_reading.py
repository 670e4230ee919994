"""From a Node to the facts of it that records and the lists of nodes need."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain import gpus
from rollcall.domain.facts import DomainSettings, NodeFacts, NodeStatus, Taint
from rollcall.domain.fields import elements_at, mapping_at, text_at
from rollcall.domain.node_pools import pool_label_of, pool_of_node
from rollcall.domain.reading import MOST_CONDITIONS, MOST_OWNERS, clean_text, read_conditions, read_meta
from rollcall.domain.records import Condition
from rollcall.domain.requests import resources_of

_ADDRESSES = ("ExternalIP", "ExternalDNS", "InternalIP")
_TAINT_EFFECTS = frozenset({"NoSchedule", "PreferNoSchedule", "NoExecute"})


def read_node(obj: Mapping[str, Any], settings: DomainSettings) -> NodeFacts | None:
    """A node: its pool, whether it is ready, its GPUs."""
    meta = read_meta(obj)
    if meta is None:
        return None
    status = mapping_at(obj, "status")
    conditions = read_conditions(status)
    allocatable = resources_of(mapping_at(status, "allocatable"), settings.gpu_rules)
    node_status = _status_of_node(conditions)
    devices = gpus.device_count(meta.labels)
    is_sliced = gpus.is_time_sliced(meta.labels)
    gpu_micros = (devices or 0) * gpus.MICROS if is_sliced else allocatable.gpu_micros
    return NodeFacts(
        meta=meta,
        node_pool=pool_of_node(meta.labels, settings.node_pool_labels),
        pool_label=pool_label_of(meta.labels, settings.node_pool_labels),
        ready=node_status is NodeStatus.READY,
        status=node_status,
        conditions=conditions,
        taints=_taints(mapping_at(obj, "spec")),
        gpu_product=meta.labels.get("nvidia.com/gpu.product"),
        gpu_memory_bytes=gpus.device_memory_bytes(meta.labels),
        gpu_micros=gpu_micros,
        # Without the label it is as many devices as it takes: those that are cut up may not add up to a whole.
        gpu_count=devices if devices and gpu_micros else -(-gpu_micros // gpus.MICROS),
        allocatable=allocatable,
        time_sliced=is_sliced,
        part_memory_bytes=gpus.part_memory_sizes(meta.labels),
        address=_address(status),
    )


def _status_of_node(conditions: tuple[Condition, ...]) -> NodeStatus:
    words = {"True": NodeStatus.READY, "False": NodeStatus.NOT_READY}
    said = (words.get(condition.status) for condition in conditions if condition.type == "Ready")
    return next((status for status in said if status is not None), NodeStatus.UNKNOWN)


def _taints(spec: Mapping[str, Any]) -> tuple[Taint, ...]:
    found: list[Taint] = []
    for taint in elements_at(spec, "taints")[:MOST_CONDITIONS]:
        key, effect = clean_text(taint.get("key")), clean_text(taint.get("effect"))
        if key and effect in _TAINT_EFFECTS:
            found.append(Taint(key=key, value=clean_text(taint.get("value")) or None, effect=effect))
    return tuple(found)


def _address(status: Mapping[str, Any]) -> str | None:
    """The address of a node that is reached from farthest off."""
    found = {text_at(one, "type"): text_at(one, "address") for one in elements_at(status, "addresses")[:MOST_OWNERS]}
    return next((clean_text(found[sort]) for sort in _ADDRESSES if found.get(sort)), None)
