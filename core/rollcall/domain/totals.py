"""Exact sums, multiples and maxima of resources, kept within what the store's columns hold."""

from collections.abc import Iterable, Sequence

from rollcall.domain.quantities import MOST
from rollcall.domain.records import GpuRequestType, Limits, ResourceRequest, Resources

NOTHING = Resources()


def add(one: ResourceRequest, other: ResourceRequest) -> ResourceRequest:
    """Both together."""
    return add_all((one, other))


def add_all(several: Sequence[ResourceRequest]) -> ResourceRequest:
    """All of them together, nothing of none; a limit that one has not, all have not. Mixed units are a portion."""
    if len(several) == 1:
        return several[0]
    limits = [one.limits for one in several]
    types = {one.gpu_request_type for one in several} - {None}
    return ResourceRequest(
        requests=add_resources([one.requests for one in several]),
        limits=Limits(
            # Who has no GPU limits nobody else's.
            gpu_micros=_known([one.gpu_micros for one in limits]),
            gpu_memory_bytes=_known([one.gpu_memory_bytes for one in limits]),
            cpu_millis=_all_known([one.cpu_millis for one in limits]),
            memory_bytes=_all_known([one.memory_bytes for one in limits]),
        ),
        gpu_request_type=GpuRequestType.PORTION if len(types) > 1 else next(iter(types), None),
    )


def add_resources(several: Iterable[Resources]) -> Resources:
    """All of them together."""
    gpu_micros = gpu_memory_bytes = cpu_millis = memory_bytes = 0
    extended: dict[str, int] = {}
    for one in several:
        gpu_micros += one.gpu_micros
        gpu_memory_bytes += one.gpu_memory_bytes
        cpu_millis += one.cpu_millis
        memory_bytes += one.memory_bytes
        for name, units in one.extended:
            extended[name] = extended.get(name, 0) + units
    return Resources(
        gpu_micros=min(gpu_micros, MOST),
        gpu_memory_bytes=min(gpu_memory_bytes, MOST),
        cpu_millis=min(cpu_millis, MOST),
        memory_bytes=min(memory_bytes, MOST),
        extended=tuple(sorted((name, min(units, MOST)) for name, units in extended.items() if units)),
    )


def scale(request: ResourceRequest, times: int) -> ResourceRequest:
    """The same ``times`` over."""

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


def most(one: ResourceRequest, other: ResourceRequest) -> ResourceRequest:
    """The larger of each amount; the limits are those of the other, unless it asks for nothing."""
    larger = dict(one.requests.extended)
    for name, units in other.requests.extended:
        larger[name] = max(units, larger.get(name, 0))
    types = {one.gpu_request_type, other.gpu_request_type} - {None}
    return ResourceRequest(
        requests=Resources(
            gpu_micros=max(one.requests.gpu_micros, other.requests.gpu_micros),
            gpu_memory_bytes=max(one.requests.gpu_memory_bytes, other.requests.gpu_memory_bytes),
            cpu_millis=max(one.requests.cpu_millis, other.requests.cpu_millis),
            memory_bytes=max(one.requests.memory_bytes, other.requests.memory_bytes),
            extended=tuple(sorted(larger.items())),
        ),
        limits=other.limits if other.requests != NOTHING else one.limits,
        gpu_request_type=GpuRequestType.PORTION if len(types) > 1 else next(iter(types), None),
    )


def _known(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return min(sum(known), MOST) if known else None


def _all_known(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return min(sum(known), MOST) if known and len(known) == len(amounts) else None
