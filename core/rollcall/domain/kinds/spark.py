"""What a SparkApplication's spec asks for: its driver and executors are fragments of pods, not PodSpecs.

Spark composes the pods: the memory is the heap plus an overhead, the CPU request the cores unless said otherwise.
``sparkConf`` stands in where the spec is silent. Source: Spark's guide "Running Spark on Kubernetes".
"""

import re
from collections.abc import Mapping
from typing import Any

from rollcall.domain.fields import MOST_PODS, at, elements_at, is_absurd, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import FoundRole, Role
from rollcall.domain.records import RequestedPods

Spec = Mapping[str, Any]

DRIVER, EXECUTOR = "driver", "executor"
ROLE_LABELS = ("spark-role",)

_LEAST_OVERHEAD_MIB = 384
_OVERHEAD_PERCENT, _OVERHEAD_PERCENT_OUTSIDE_JVM = 10, 40
_OUTSIDE_JVM = frozenset({"python", "r"})
_DEFAULT_MEMORY_MIB = 1024
_JVM_SIZE = re.compile(r"(\d{1,9})\s*([kmgtp]?)(?:i?b)?", re.ASCII)
_IN_KIB = {"k": 1, "": 2**10, "m": 2**10, "g": 2**20, "t": 2**30, "p": 2**40}
_FACTOR = re.compile(r"\d{1,4}(?:\.\d{1,6})?", re.ASCII)
_DYNAMIC = ("spark.dynamicAllocation", "spark.streaming.dynamicAllocation")


def is_dynamic(spec: Spec) -> bool:
    """Whether Spark itself chooses the number of executors."""
    if at(spec, "dynamicAllocation.enabled") is True:
        return True
    return any(_conf(spec, f"{prefix}.enabled") == "true" for prefix in _DYNAMIC)


def _bound(spec: Spec, field: str) -> int | None:
    """A bound of dynamic allocation, from wherever it is set."""
    found = whole_at(spec, f"dynamicAllocation.{field}")
    for prefix in _DYNAMIC:
        found = _count(_conf(spec, f"{prefix}.{field}")) if found is None else found
    return found


def executors(spec: Spec) -> int | None:
    """How many executors are asked for at first; ``None`` where the spec has none or the number cannot be read."""
    if is_absurd(spec, "executor.instances") or not _has_roles(spec):
        return None
    instances = whole_at(spec, "executor.instances")
    if instances is None:
        instances = _count(_conf(spec, "spark.executor.instances"))
    if not is_dynamic(spec):
        return 1 if instances is None else instances
    return max(_bound(spec, "initialExecutors") or 0, _bound(spec, "minExecutors") or 0, instances or 0)


def least_executors(spec: Spec) -> int | None:
    """How many executors Running needs."""
    wanted = executors(spec)
    return (_bound(spec, "minExecutors") or 0) if is_dynamic(spec) and wanted is not None else wanted


def requested_pods(spec: Spec) -> RequestedPods:
    """The driver and the executors, with the bounds of dynamic allocation."""
    number = executors(spec)
    total = None if number is None else min(1 + number, MOST_PODS)
    if not is_dynamic(spec):
        return RequestedPods(number=total)
    most = _bound(spec, "maxExecutors")
    return RequestedPods(
        number=total,
        min=min(1 + (_bound(spec, "minExecutors") or 0), MOST_PODS),
        max=None if most is None or most >= MOST_PODS else 1 + most,
    )


def _has_roles(spec: Spec) -> bool:
    return bool(mapping_at(spec, "driver") or mapping_at(spec, "executor"))


def roles(prefix: str) -> tuple[Role, ...]:
    """The order of the two roles below ``prefix``."""
    return (
        Role(name=DRIVER, template=f"{prefix}.driver.template"),
        Role(name=EXECUTOR, template=f"{prefix}.executor.template"),
    )


def find_roles(spec: Spec) -> tuple[FoundRole, ...]:
    """The driver and the executors, each as the PodTemplateSpec that Spark will make of it."""
    if not _has_roles(spec):
        return ()
    return (
        FoundRole(DRIVER, _template(spec, DRIVER), 1),
        FoundRole(EXECUTOR, _template(spec, EXECUTOR), executors(spec)),
    )


def _template(spec: Spec, role: str) -> Mapping[str, Any]:
    fragment = mapping_at(spec, role)
    base = mapping_at(fragment, "template")
    base_spec = mapping_at(base, "spec")
    annotations = {**mapping_at(base, "metadata.annotations"), **mapping_at(fragment, "annotations")}
    own, *others = elements_at(base_spec, "containers") or ({},)
    container = {
        **own,
        "name": f"spark-kubernetes-{role}",
        "image": text_at(fragment, "image") or text_at(spec, "image") or text_at(own, "image"),
        "resources": _resources(spec, role, mapping_at(own, "resources")),
    }
    pod_spec: dict[str, Any] = {
        **base_spec,
        "containers": [container, *others, *elements_at(fragment, "sidecars")],
        "initContainers": [*elements_at(base_spec, "initContainers"), *elements_at(fragment, "initContainers")],
    }
    for field in ("nodeSelector", "affinity", "priorityClassName"):
        value = at(fragment, field) or (at(spec, field) if field == "nodeSelector" else None)
        if value is not None:
            pod_spec[field] = value
    return {"metadata": {"annotations": annotations, "labels": mapping_at(fragment, "labels")}, "spec": pod_spec}


def _resources(spec: Spec, role: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Spark overwrites CPU and memory of the container; what else a template asks for stays."""
    fragment = mapping_at(spec, role)
    cores = whole_at(fragment, "cores")
    if cores is None:
        cores = _count(_conf(spec, f"spark.{role}.cores"))
    cpu = (
        text_at(fragment, "coreRequest")
        or _conf(spec, f"spark.kubernetes.{role}.request.cores")
        or str(1 if cores is None else cores)
    )
    limit = text_at(fragment, "coreLimit") or _conf(spec, f"spark.kubernetes.{role}.limit.cores")
    memory = f"{_memory_mib(spec, role)}Mi"
    requests = {**mapping_at(given, "requests"), "cpu": cpu, "memory": memory}
    limits = {**mapping_at(given, "limits"), "memory": memory}
    if limit is not None:
        limits["cpu"] = limit
    gpu, quantity = text_at(fragment, "gpu.name"), whole_at(fragment, "gpu.quantity")
    if gpu is not None and quantity is not None:
        limits[gpu] = requests[gpu] = str(quantity)
    return {"requests": requests, "limits": limits}


def _memory_mib(spec: Spec, role: str) -> int:
    heap = _mib(text_at(spec, f"{role}.memory") or _conf(spec, f"spark.{role}.memory"))
    heap = _DEFAULT_MEMORY_MIB if heap is None else heap
    overhead = _mib(text_at(spec, f"{role}.memoryOverhead") or _conf(spec, f"spark.{role}.memoryOverhead"))
    if overhead is None:
        overhead = max(_LEAST_OVERHEAD_MIB, _share(spec, role, heap))
    return heap + overhead


def _share(spec: Spec, role: str, heap: int) -> int:
    """The overhead as a part of the heap, rounded down as Spark does."""
    factor = (
        text_at(spec, "memoryOverheadFactor")
        or _conf(spec, f"spark.{role}.memoryOverheadFactor")
        or _conf(spec, "spark.kubernetes.memoryOverheadFactor")
    )
    if factor is not None and _FACTOR.fullmatch(factor):
        whole, _, part = factor.partition(".")
        return heap * int(whole + part.ljust(6, "0")) // 10**6
    outside = (text_at(spec, "type") or "").lower() in _OUTSIDE_JVM
    return heap * (_OVERHEAD_PERCENT_OUTSIDE_JVM if outside else _OVERHEAD_PERCENT) // 100


def _mib(size: str | None) -> int | None:
    """A size as the JVM writes it (``512m``, ``2g``), in MiB: its units are binary, a bare number counts MiB."""
    match = None if size is None else _JVM_SIZE.fullmatch(size.strip().lower())
    return None if match is None else int(match[1]) * _IN_KIB[match[2]] // 2**10


def _conf(spec: Spec, key: str) -> str | None:
    """A property of ``sparkConf``, whose keys have dots of their own."""
    value = mapping_at(spec, "sparkConf").get(key)
    return value if isinstance(value, str) and value else None


def _count(text: str | None) -> int | None:
    fits = text is not None and text.isascii() and text.isdigit() and len(text) < len(str(MOST_PODS))
    return int(text) if text is not None and fits else None
