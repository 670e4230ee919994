"""The effective request of a pod, as the scheduler counts it.

The formula is that of ``k8s.io/component-helpers/resource.PodRequests`` with sidecars (KEP-753), pod-level resources
(KEP-2837), overhead (KEP-688) and in-place resize (KEP-1287). LimitRange defaults of a namespace are not applied to
templates: they are in the pods.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain import gpus
from rollcall.domain.fields import EMPTY, at, elements_at, mapping_at, text_at
from rollcall.domain.gpus import DEFAULT_RULES, GpuRules
from rollcall.domain.quantities import MOST, base_units
from rollcall.domain.records import GpuRequestType, Limits, ResourceRequest, Resources

Amounts = dict[str, int]
"""By resource name, in base units: cpu in millis, whole GPUs in micros, memory in bytes, all else in whole units."""

_POD_LEVEL = ("cpu", "memory")
"""Of the resources that a pod may ask for as a whole, those that a record has; ``hugepages-*`` it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRequest:
    """What a pod asks for, and what of it depends on its node."""

    request: ResourceRequest
    shareable_micros: int
    """Whole ``nvidia.com/gpu`` in it: where the node cuts these into time slices they are shares, not GPUs."""


def effective_request(template: Mapping[str, Any], rules: GpuRules = DEFAULT_RULES) -> ResourceRequest:
    """What one pod of a PodTemplateSpec will ask for; limits stand in for missing requests, as in the API server."""
    spec, annotations = mapping_at(template, "spec"), _annotations(template)
    return _request(spec, annotations, rules, statuses=EMPTY, infeasible=False, limits_as_requests=True).request


def pod_request(pod: Mapping[str, Any], rules: GpuRules = DEFAULT_RULES) -> ResourceRequest:
    """What a pod asks for, by its spec and, while it is resized in place, by its status."""
    return read_pod_request(pod, rules).request


def read_pod_request(pod: Mapping[str, Any], rules: GpuRules = DEFAULT_RULES) -> PodRequest:
    """What a pod asks for, as :func:`pod_request`, and what of it depends on its node."""
    status = mapping_at(pod, "status")
    statuses: dict[str, Mapping[str, Any]] = {}
    for path in ("containerStatuses", "initContainerStatuses"):
        for found in elements_at(status, path):
            if "allocatedResources" in found or "resources" in found:
                statuses[text_at(found, "name") or ""] = found
    infeasible = any(
        text_at(condition, "type") == "PodResizePending" and text_at(condition, "reason") == "Infeasible"
        for condition in elements_at(status, "conditions")
    )
    spec, annotations = mapping_at(pod, "spec"), _annotations(pod)
    return _request(spec, annotations, rules, statuses=statuses, infeasible=infeasible, limits_as_requests=False)


def resources_of(amounts: Mapping[str, Any], rules: GpuRules = DEFAULT_RULES) -> Resources:
    """A resource list (a node's ``allocatable``) as amounts."""
    return _resources(_amounts(amounts, rules), {}, rules)


def odd_quantities(obj: Mapping[str, Any]) -> tuple[str, ...]:
    """What stands for a quantity in a pod or a PodTemplateSpec and is none, as sentences; it counts as nothing."""
    spec = mapping_at(obj, "spec")
    lists = [("spec.overhead", spec.get("overhead")), *_resource_lists("spec", spec)]
    for path in ("initContainers", "containers"):
        for container in elements_at(spec, path):
            lists.extend(_resource_lists(f"container {text_at(container, 'name') or 'unnamed'}", container))
    return tuple(
        f"{name} {_shown(value)} in {where} is no quantity"
        for where, amounts in lists
        if isinstance(amounts, Mapping)
        for name, value in amounts.items()
        if base_units(value) is None or not _names_a_resource(name)
    )[:_MOST_ODD]


def _names_a_resource(name: Any) -> bool:
    """Whether the API server could have taken the name; others could neither be published nor stored."""
    return isinstance(name, str) and name.isascii() and name.isprintable()


def _shown(value: Any) -> str:
    return f"{value:.40}" if isinstance(value, str) else f"of type {type(value).__name__}"


_MOST_ODD = 5
"""More of them in one pod say nothing new."""


def _resource_lists(where: str, holder: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f"resources.{which} of {where}", at(holder, f"resources.{which}")) for which in ("requests", "limits")]


def _annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    found = mapping_at(obj, "metadata.annotations")
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, str)}


def _amounts(resource_list: Any, rules: GpuRules) -> Amounts:
    """A resource list in base units; what does not parse is left out."""
    if not isinstance(resource_list, Mapping):
        return {}
    amounts: Amounts = {}
    for name, value in resource_list.items():
        if not _names_a_resource(name):
            continue
        scale = 1000 if name == "cpu" else gpus.MICROS if rules.is_gpu(name) else 1
        amount = base_units(value, scale=scale)
        if amount is not None:
            amounts[name] = amount
    return amounts


@dataclass(frozen=True, slots=True)
class _Asked:
    """The amounts of one container."""

    requests: Amounts
    limits: Amounts
    is_sidecar: bool


def _container(
    container: Mapping[str, Any],
    rules: GpuRules,
    *,
    status: Mapping[str, Any] | None,
    infeasible: bool,
    limits_as_requests: bool,
) -> _Asked:
    resources = mapping_at(container, "resources")
    requests = _amounts(resources.get("requests"), rules)
    limits = _amounts(resources.get("limits"), rules)
    if limits_as_requests:
        requests = limits | requests
    if status is not None:
        held = [_amounts(status.get("allocatedResources"), rules), _amounts(at(status, "resources.requests"), rules)]
        requests = _largest(held if infeasible and any(held) else [requests, *held])
        limited = _amounts(at(status, "resources.limits"), rules)
        limits = limited if infeasible and limited else _largest([limits, limited])
    gpus.take_virtual_devices(requests)
    return _Asked(requests, limits, container.get("restartPolicy") == "Always")


def _request(
    spec: Mapping[str, Any],
    annotations: Mapping[str, str],
    rules: GpuRules,
    *,
    statuses: Mapping[str, Mapping[str, Any]],
    infeasible: bool,
    limits_as_requests: bool,
) -> PodRequest:
    def asked_by(container: Mapping[str, Any], *, is_resized: bool) -> _Asked:
        status = statuses.get(text_at(container, "name") or "") if statuses and is_resized else None
        return _container(container, rules, status=status, infeasible=infeasible, limits_as_requests=limits_as_requests)

    app = [asked_by(container, is_resized=True) for container in elements_at(spec, "containers")]
    # Of init containers only sidecars can be resized; what the status says of the others is past.
    init = [
        asked_by(container, is_resized=container.get("restartPolicy") == "Always")
        for container in elements_at(spec, "initContainers")
    ]
    total = _formula([one.requests for one in app], [(one.is_sidecar, one.requests) for one in init])
    limits = _formula([one.limits for one in app], [(one.is_sidecar, one.limits) for one in init])
    complete = {name for name in _POD_LEVEL if app and all(name in one.limits for one in app)}
    if "resources" in spec:
        pod_requests = _amounts(at(spec, "resources.requests"), rules)
        pod_limits = _amounts(at(spec, "resources.limits"), rules)
        for name in _POD_LEVEL:
            if name in pod_limits:
                limits[name] = pod_limits[name]
                complete.add(name)
            if name in pod_requests:
                total[name] = pod_requests[name]
            elif limits_as_requests and name in pod_limits and name not in total:
                # The API server asks the containers before it takes the limit of the pod for its request.
                total[name] = pod_limits[name]
    for name, amount in _amounts(spec.get("overhead"), rules).items():
        total[name] = total.get(name, 0) + amount
        if name in limits:
            limits[name] += amount
    return _with_gpus(
        total,
        annotations,
        rules,
        cpu_limit=limits["cpu"] if "cpu" in complete else None,
        memory_limit=limits["memory"] if "memory" in complete else None,
    )


def _largest(several: Iterable[Amounts]) -> Amounts:
    largest: Amounts = {}
    for amounts in several:
        for name, amount in amounts.items():
            largest[name] = max(largest.get(name, 0), amount)
    return largest


def _formula(app: Iterable[Amounts], init: Iterable[tuple[bool, Amounts]]) -> Amounts:
    total: Amounts = {}
    for amounts in app:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount
    if not init:
        return total
    side: Amounts = {}
    peak: Amounts = {}
    for is_sidecar, amounts in init:
        for name, amount in amounts.items():
            # A sidecar stays; an init container runs beside the sidecars started before it.
            here = side.get(name, 0) + amount
            peak[name] = max(peak.get(name, 0), here)
            if is_sidecar:
                side[name] = here
    for name, amount in side.items():
        total[name] = total.get(name, 0) + amount
    return _largest([total, peak])


def _with_gpus(
    total: Amounts,
    annotations: Mapping[str, str],
    rules: GpuRules,
    *,
    cpu_limit: int | None,
    memory_limit: int | None,
) -> PodRequest:
    shared = gpus.shared_gpu(annotations)
    if shared is not None:
        # The annotation is the request; the whole device behind it belongs to a reservation pod.
        whole = 0
        total = {name: amount for name, amount in total.items() if not rules.is_gpu(name)}
        asked = _resources(total, {}, rules)
        limit_micros = asked.gpu_micros + shared.limit_micros
        limit_bytes = asked.gpu_memory_bytes + shared.limit_memory_bytes
        total[gpus.SHARE_MICROS] = total.get(gpus.SHARE_MICROS, 0) + shared.gpu_micros
        total[gpus.SHARE_BYTES] = total.get(gpus.SHARE_BYTES, 0) + shared.gpu_memory_bytes
        asked = _resources(total, {}, rules)
    else:
        whole = sum(amount for name, amount in total.items() if rules.is_gpu(name))
        asked = _resources(total, gpus.mig_annotations(annotations), rules)
        # A container without a GPU limit simply has no GPU: extended resources know no "unlimited".
        limit_micros, limit_bytes = asked.gpu_micros, asked.gpu_memory_bytes
    gpu_type = None
    if whole or total.get(gpus.SHARE_MICROS):
        gpu_type = GpuRequestType.PORTION
    elif total.get(gpus.SHARE_BYTES):
        gpu_type = GpuRequestType.MEMORY
    limits = Limits(
        gpu_micros=min(limit_micros, MOST) or None,
        gpu_memory_bytes=min(limit_bytes, MOST) or None,
        cpu_millis=None if cpu_limit is None else min(cpu_limit, MOST),
        memory_bytes=None if memory_limit is None else min(memory_limit, MOST),
    )
    return PodRequest(
        request=ResourceRequest(requests=asked, limits=limits, gpu_request_type=gpu_type),
        shareable_micros=0 if shared is not None else min(total.get(gpus.NVIDIA_GPU, 0), MOST),
    )


def _resources(amounts: Amounts, mig: Mapping[str, int], rules: GpuRules) -> Resources:
    gpu_micros, gpu_memory_bytes = amounts.get(gpus.SHARE_MICROS, 0), amounts.get(gpus.SHARE_BYTES, 0)
    extended: dict[str, int] = dict(mig)
    for name, amount in amounts.items():
        if not amount or "/" not in name:
            continue
        if rules.is_gpu(name):
            gpu_micros += amount
        else:
            extended[name] = amount
    for name, count in extended.items():
        gpu_micros += gpus.part_micros(name, count)
        gpu_memory_bytes += gpus.part_memory_bytes(name, count)
    return Resources(
        gpu_micros=min(gpu_micros, MOST),
        gpu_memory_bytes=min(gpu_memory_bytes, MOST),
        cpu_millis=min(amounts.get("cpu", 0), MOST),
        memory_bytes=min(amounts.get("memory", 0), MOST),
        extended=tuple(sorted((name, min(count, MOST)) for name, count in extended.items())),
    )
