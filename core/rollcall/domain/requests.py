"""The effective request of a pod, as the scheduler counts it, and exact sums over pods.

The formula is that of ``k8s.io/component-helpers/resource.PodRequests`` with sidecars (KEP-753), pod-level resources
(KEP-2837), overhead (KEP-688) and in-place resize (KEP-1287). LimitRange defaults of a namespace are not applied to
templates: they are in the pods.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rollcall.domain import gpus
from rollcall.domain.facts import NodeFacts
from rollcall.domain.fields import EMPTY, at, elements_at, mapping_at, text_at
from rollcall.domain.quantities import MOST, base_units
from rollcall.domain.records import GpuRequestType, Limits, ResourceRequest, Resources

Amounts = dict[str, int]
"""By resource name, in base units: cpu in millis, whole GPUs in micros, memory in bytes, all else in whole units."""

_POD_LEVEL = ("cpu", "memory")


def effective_request(template: Mapping[str, Any]) -> ResourceRequest:
    """What one pod of a PodTemplateSpec will ask for; limits stand in for missing requests, as in the API server."""
    return _request(
        mapping_at(template, "spec"), _annotations(template), statuses=EMPTY, infeasible=False, limits_as_requests=True
    )


def pod_request(pod: Mapping[str, Any]) -> ResourceRequest:
    """What a pod asks for, by its spec and, while it is resized in place, by its status."""
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
    return _request(
        mapping_at(pod, "spec"), _annotations(pod), statuses=statuses, infeasible=infeasible, limits_as_requests=False
    )


def allocated(request: ResourceRequest, node: NodeFacts | None) -> Resources:
    """What a bound pod with this request holds on its node; shares of a GPU are resolved by the node's labels."""
    asked = request.requests
    gpu_micros, gpu_memory_bytes = asked.gpu_micros, asked.gpu_memory_bytes
    device_bytes = node.gpu_memory_bytes if node is not None else None
    if device_bytes:
        if request.gpu_request_type is GpuRequestType.MEMORY:
            gpu_micros += gpu_memory_bytes * gpus.MICROS // device_bytes
        elif request.gpu_request_type is GpuRequestType.PORTION:
            gpu_memory_bytes += gpu_micros * device_bytes // gpus.MICROS
    if node is not None and node.gpu_product is not None:
        for name, count in asked.extended:
            if gpus.is_mig(name):
                gpu_micros += gpus.mig_micros(name, count, gpu_product=node.gpu_product) - gpus.mig_micros(name, count)
    return Resources(
        gpu_micros=gpu_micros,
        gpu_memory_bytes=gpu_memory_bytes,
        cpu_millis=asked.cpu_millis,
        memory_bytes=asked.memory_bytes,
        extended=asked.extended,
    )


def add(one: ResourceRequest, other: ResourceRequest) -> ResourceRequest:
    """Both together; a limit that one has not, both have not. Mixed units of GPUs are a portion."""
    types = {one.gpu_request_type, other.gpu_request_type} - {None}
    return ResourceRequest(
        requests=add_resources(one.requests, other.requests),
        limits=Limits(
            gpu_micros=_both(one.limits.gpu_micros, other.limits.gpu_micros),
            gpu_memory_bytes=_both(one.limits.gpu_memory_bytes, other.limits.gpu_memory_bytes),
            cpu_millis=_both(one.limits.cpu_millis, other.limits.cpu_millis),
            memory_bytes=_both(one.limits.memory_bytes, other.limits.memory_bytes),
        ),
        gpu_request_type=GpuRequestType.PORTION if len(types) > 1 else next(iter(types), None),
    )


def add_resources(one: Resources, other: Resources) -> Resources:
    """Both together."""
    extended = dict(one.extended)
    for name, units in other.extended:
        extended[name] = extended.get(name, 0) + units
    return Resources(
        gpu_micros=one.gpu_micros + other.gpu_micros,
        gpu_memory_bytes=one.gpu_memory_bytes + other.gpu_memory_bytes,
        cpu_millis=one.cpu_millis + other.cpu_millis,
        memory_bytes=one.memory_bytes + other.memory_bytes,
        extended=tuple(sorted(extended.items())),
    )


def scale(request: ResourceRequest, times: int) -> ResourceRequest:
    """The same ``times`` over, each amount kept within what the store holds."""

    def scaled(amount: int | None) -> int | None:
        return None if amount is None else min(amount * times, MOST)

    asked, limits = request.requests, request.limits
    return ResourceRequest(
        requests=Resources(
            gpu_micros=min(asked.gpu_micros * times, MOST),
            gpu_memory_bytes=min(asked.gpu_memory_bytes * times, MOST),
            cpu_millis=min(asked.cpu_millis * times, MOST),
            memory_bytes=min(asked.memory_bytes * times, MOST),
            extended=tuple((name, min(units * times, MOST)) for name, units in asked.extended if units * times),
        ),
        limits=Limits(
            gpu_micros=scaled(limits.gpu_micros),
            gpu_memory_bytes=scaled(limits.gpu_memory_bytes),
            cpu_millis=scaled(limits.cpu_millis),
            memory_bytes=scaled(limits.memory_bytes),
        ),
        gpu_request_type=request.gpu_request_type,
    )


def resources_of(amounts: Mapping[str, Any]) -> Resources:
    """A resource list (a node's ``allocatable``) as amounts."""
    return _resources(_amounts(amounts), {})


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


def _both(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    found = mapping_at(obj, "metadata.annotations")
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, str)}


def _amounts(resource_list: Any) -> Amounts:
    """A resource list in base units; what does not parse is left out."""
    if not isinstance(resource_list, Mapping):
        return {}
    amounts: Amounts = {}
    for name, value in resource_list.items():
        if name == "cpu":
            amount = base_units(value, scale=1000)
        elif name in gpus.WHOLE_GPUS:
            amount = base_units(value, scale=gpus.MICROS)
        else:
            amount = base_units(value)
        if amount is not None and _names_a_resource(name):
            amounts[name] = amount
    return amounts


def _request(
    spec: Mapping[str, Any],
    annotations: Mapping[str, str],
    *,
    statuses: Mapping[str, Mapping[str, Any]],
    infeasible: bool,
    limits_as_requests: bool,
) -> ResourceRequest:
    app = elements_at(spec, "containers")
    init = elements_at(spec, "initContainers")
    app_limits = [_amounts(at(container, "resources.limits")) for container in app]

    def asked(container: Mapping[str, Any]) -> Amounts:
        amounts = _amounts(at(container, "resources.requests"))
        if limits_as_requests:
            amounts = _amounts(at(container, "resources.limits")) | amounts
        status = statuses.get(text_at(container, "name") or "")
        if status is None:
            return amounts
        held = [_amounts(status.get("allocatedResources")), _amounts(at(status, "resources.requests"))]
        return _largest(held if infeasible and any(held) else [amounts, *held])

    overhead = _amounts(spec.get("overhead"))
    total = _formula([asked(c) for c in app], [(_is_sidecar(c), asked(c)) for c in init])
    limits = _formula(app_limits, [(_is_sidecar(c), _amounts(at(c, "resources.limits"))) for c in init])
    complete = {name for name in limits if app and all(name in of_one for of_one in app_limits)}
    pod_requests, pod_limits = _amounts(at(spec, "resources.requests")), _amounts(at(spec, "resources.limits"))
    for name in _POD_LEVEL:
        if name in pod_limits:
            limits[name] = pod_limits[name]
            complete.add(name)
        if name in pod_requests or (limits_as_requests and name in pod_limits):
            total[name] = pod_requests.get(name, pod_limits.get(name, 0))
    for name, amount in overhead.items():
        total[name] = total.get(name, 0) + amount
        if name in limits:
            limits[name] += amount
    requests, gpu_type = _with_gpus(total, annotations)
    return ResourceRequest(
        requests=requests,
        limits=Limits(
            # A container without a GPU limit simply has no GPU: extended resources know no "unlimited".
            gpu_micros=requests.gpu_micros or None,
            gpu_memory_bytes=requests.gpu_memory_bytes or None,
            cpu_millis=limits["cpu"] if "cpu" in complete else None,
            memory_bytes=limits["memory"] if "memory" in complete else None,
        ),
        gpu_request_type=gpu_type,
    )


def _is_sidecar(container: Mapping[str, Any]) -> bool:
    return container.get("restartPolicy") == "Always"


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


def _with_gpus(total: Amounts, annotations: Mapping[str, str]) -> tuple[Resources, GpuRequestType | None]:
    shared = gpus.shared_gpu(annotations)
    if shared is not None:
        # The annotation is the request; the whole device behind it belongs to a reservation pod.
        amounts = {name: amount for name, amount in total.items() if name not in gpus.WHOLE_GPUS}
        asked = _resources(amounts, {})
        return (
            Resources(
                gpu_micros=shared.gpu_micros,
                gpu_memory_bytes=shared.gpu_memory_bytes,
                cpu_millis=asked.cpu_millis,
                memory_bytes=asked.memory_bytes,
                extended=asked.extended,
            ),
            shared.type,
        )
    asked = _resources(total, gpus.mig_annotations(annotations))
    whole = any(total.get(name) for name in gpus.WHOLE_GPUS)
    return asked, GpuRequestType.PORTION if whole else None


def _resources(amounts: Amounts, mig: Mapping[str, int]) -> Resources:
    gpu_micros = 0
    extended: dict[str, int] = dict(mig)
    for name, amount in amounts.items():
        if name in gpus.WHOLE_GPUS:
            gpu_micros += amount
        elif "/" in name and amount:
            extended[name] = amount
    for name, count in extended.items():
        gpu_micros += gpus.mig_micros(name, count)
    return Resources(
        gpu_micros=min(gpu_micros, MOST),
        cpu_millis=amounts.get("cpu", 0),
        memory_bytes=amounts.get("memory", 0),
        extended=tuple(sorted((name, min(count, MOST)) for name, count in extended.items())),
    )
