"""What the pods of a workload ask for, hold, and where: records of pods and exact sums over them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rollcall.domain import messages, requests
from rollcall.domain.facts import NodeFacts, PodFacts
from rollcall.domain.pod_table import pod_condition
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import PodRecord, RememberedPod, ResourceRequest, Resources

_NOTHING = Resources()
_NO_REQUEST = ResourceRequest()
_ENDED_PHASES = frozenset({"Succeeded", "Failed"})


def holds_resources(pod: PodFacts) -> bool:
    """Whether the pod still counts: every pod does until its own phase is terminal, also one being deleted."""
    return pod.k8s_phase not in _ENDED_PHASES


def record_of(
    judged: JudgedPod,
    *,
    workload_uid: str,
    created_at: datetime,
    node: NodeFacts | None,
    remembered: RememberedPod | None,
    now: datetime,
) -> PodRecord:
    """The row of one pod. ``created_at`` stands in where the pod itself has no such instant."""
    pod = judged.facts
    bound = pod.node_name is not None
    known = remembered or RememberedPod()
    return PodRecord(
        uid=pod.meta.uid,
        workload_uid=workload_uid,
        namespace=pod.meta.namespace or "",
        name=pod.meta.name,
        role=judged.role,
        node_name=pod.node_name,
        node_pool=_node_pool(node, known) if bound else None,
        k8s_phase=pod.k8s_phase,
        state=judged.state,
        message=None if judged.message is None else messages.cap(judged.message),
        requested=pod.request,
        allocated=requests.allocated(pod.request, node) if bound and holds_resources(pod) else _NOTHING,
        created_at=pod.meta.created_at or created_at,
        bound_at=known.bound_at or (_since(pod, "PodScheduled", now) if bound else None),
        ready_at=known.ready_at or (_since(pod, "Ready", now) if judged.is_ready else None),
        ended_at=_ended_at(judged, known, now),
        fatal_since=judged.fatal_since,
        priority_class_name=pod.priority_class_name,
        containers=tuple((c.name, c.image, c.started_at) for c in pod.containers if not c.is_init),
        resource_version=pod.meta.resource_version,
    )


def _node_pool(node: NodeFacts | None, remembered: RememberedPod) -> str | None:
    """The pool at the time of binding: a node relabelled or gone since does not move the pod."""
    if remembered.node_pool is not None:
        return remembered.node_pool
    return None if node is None else node.node_pool


def _since(pod: PodFacts, condition_type: str, now: datetime) -> datetime:
    condition = pod_condition(pod, condition_type)
    if condition is not None and condition.status == "True" and condition.last_transition_at is not None:
        return min(condition.last_transition_at, now)
    return min(pod.started_at, now) if pod.started_at is not None else now


def _ended_at(judged: JudgedPod, remembered: RememberedPod, now: datetime) -> datetime | None:
    if remembered.ended_at is not None or not judged.is_terminal:
        return remembered.ended_at
    return max((c.finished_at for c in judged.facts.containers if c.finished_at is not None), default=now)


def requested_by(pods: Iterable[PodFacts]) -> ResourceRequest:
    """What all pods that still count ask for together."""
    total: ResourceRequest | None = None
    for pod in pods:
        if holds_resources(pod):
            total = pod.request if total is None else requests.add(total, pod.request)
    return _NO_REQUEST if total is None else total


def allocated_to(records: Iterable[PodRecord]) -> Resources:
    """What the bound pods hold together."""
    gpu_micros = gpu_memory_bytes = cpu_millis = memory_bytes = 0
    extended: dict[str, int] = {}
    for record in records:
        held = record.allocated
        gpu_micros += held.gpu_micros
        gpu_memory_bytes += held.gpu_memory_bytes
        cpu_millis += held.cpu_millis
        memory_bytes += held.memory_bytes
        for name, units in held.extended:
            extended[name] = extended.get(name, 0) + units
    return Resources(
        gpu_micros=gpu_micros,
        gpu_memory_bytes=gpu_memory_bytes,
        cpu_millis=cpu_millis,
        memory_bytes=memory_bytes,
        extended=tuple(sorted((name, units) for name, units in extended.items() if units)),
    )


def peak(one: ResourceRequest | None, other: ResourceRequest) -> ResourceRequest:
    """The larger of each amount: what a workload without a template was seen to ask for at most."""
    if one is None:
        return other
    extended: Mapping[str, int] = dict(one.requests.extended)
    most = dict(extended)
    for name, units in other.requests.extended:
        most[name] = max(units, most.get(name, 0))
    return ResourceRequest(
        requests=Resources(
            gpu_micros=max(one.requests.gpu_micros, other.requests.gpu_micros),
            gpu_memory_bytes=max(one.requests.gpu_memory_bytes, other.requests.gpu_memory_bytes),
            cpu_millis=max(one.requests.cpu_millis, other.requests.cpu_millis),
            memory_bytes=max(one.requests.memory_bytes, other.requests.memory_bytes),
            extended=tuple(sorted(most.items())),
        ),
        limits=other.limits if other.requests != Resources() else one.limits,
        gpu_request_type=one.gpu_request_type or other.gpu_request_type,
    )


def current_node_pools(records: Iterable[PodRecord], *, ended: bool) -> tuple[str, ...]:
    """The pools of the pods that hold something; of all pods that ever had a node once the workload has ended."""
    pools = {
        record.node_pool
        for record in records
        if record.node_pool is not None and (ended or record.k8s_phase not in _ENDED_PHASES)
    }
    return tuple(sorted(pools))
