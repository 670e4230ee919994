"""What the pods of a workload ask for, hold, and where: records of pods and exact sums over them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rollcall.domain import claims, gpus, messages, totals
from rollcall.domain.facts import NodeFacts, PodFacts, WorkloadView
from rollcall.domain.fields import EMPTY, mapping_at
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.pod_table import pod_condition
from rollcall.domain.pods import JudgedPod
from rollcall.domain.quantities import MOST
from rollcall.domain.records import GpuRequestType, Limits, PodRecord, RememberedPod, ResourceRequest, Resources
from rollcall.domain.roles import Asked

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_ENDED_PHASES = frozenset({"Succeeded", "Failed"})


def holds_resources(pod: PodFacts) -> bool:
    """Whether the pod still counts: every pod does until its own phase is terminal, also one being deleted."""
    return pod.k8s_phase not in _ENDED_PHASES


def is_bound(pod: PodFacts) -> bool:
    """Whether the pod holds resources of a node."""
    return pod.node_name is not None and holds_resources(pod)


def allocated(
    request: ResourceRequest, node: NodeFacts | None, *, shareable_micros: int = 0, claimed_micros: int = 0
) -> Resources:
    """What a bound pod with this request holds on its node.

    Shares of a GPU are resolved by the node's labels: a fraction has that much of a device's memory, a memory slice is
    that fraction of a device. ``shareable_micros`` of the request are time slices where the node cuts its GPUs into
    such; ``claimed_micros`` come on top of it.
    """
    asked = request.requests
    gpu_micros, gpu_memory_bytes = asked.gpu_micros + claimed_micros, asked.gpu_memory_bytes
    extended = asked.extended
    if node is not None and (gpu_micros or gpu_memory_bytes):
        parts = [(name, count) for name, count in extended if gpus.is_part(name)]
        for name, count in parts:
            gpu_micros -= gpus.part_micros(name, count)
            gpu_memory_bytes -= gpus.part_memory_bytes(name, count)
        if node.time_sliced and shareable_micros:
            gpu_micros -= shareable_micros
            extended = tuple(sorted((*extended, (gpus.NVIDIA_GPU, shareable_micros // gpus.MICROS))))
        # What was cut as absurd is less than its parts.
        gpu_micros, gpu_memory_bytes = max(gpu_micros, 0), max(gpu_memory_bytes, 0)
        if node.gpu_memory_bytes:
            gpu_micros, gpu_memory_bytes = (
                gpu_micros + gpu_memory_bytes * gpus.MICROS // node.gpu_memory_bytes,
                gpu_memory_bytes + gpu_micros * node.gpu_memory_bytes // gpus.MICROS,
            )
        for name, count in parts:
            gpu_micros += gpus.part_micros(name, count, gpu_product=node.gpu_product)
            gpu_memory_bytes += gpus.part_memory_bytes(name, count, node.part_memory_bytes)
    if gpu_micros == asked.gpu_micros and gpu_memory_bytes == asked.gpu_memory_bytes and extended is asked.extended:
        return asked
    return Resources(
        gpu_micros=min(gpu_micros, MOST),
        gpu_memory_bytes=min(gpu_memory_bytes, MOST),
        cpu_millis=asked.cpu_millis,
        memory_bytes=asked.memory_bytes,
        extended=extended,
    )


def held_by(pod: PodFacts, node: NodeFacts | None, *, claimed_micros: int = 0) -> Resources:
    """What a pod holds: nothing before it is bound nor after it ended, all of it until then."""
    if not is_bound(pod):
        return totals.NOTHING
    return allocated(pod.request, node, shareable_micros=pod.shareable_micros, claimed_micros=claimed_micros)


def held_until_it_ended(pod: PodFacts, node: NodeFacts | None, *, claimed_micros: int = 0) -> Resources | None:
    """What a pod that ended held while it was bound; ``None`` where it was never bound or still holds it."""
    if pod.node_name is None or holds_resources(pod):
        return None
    return allocated(pod.request, node, shareable_micros=pod.shareable_micros, claimed_micros=claimed_micros)


def with_claims(request: ResourceRequest, claimed_micros: int) -> ResourceRequest:
    """The request and the GPUs that are claimed next to it."""
    if not claimed_micros:
        return request
    claimed = ResourceRequest(
        requests=Resources(gpu_micros=claimed_micros),
        limits=Limits(gpu_micros=claimed_micros, cpu_millis=0, memory_bytes=0),
        gpu_request_type=GpuRequestType.PORTION,
    )
    return totals.add(request, claimed)


def record_of(
    judged: JudgedPod,
    *,
    workload_uid: str,
    created_at: datetime,
    node: NodeFacts | None,
    remembered: RememberedPod | None,
    now: datetime,
    requested: ResourceRequest,
    claimed_micros: int = 0,
) -> PodRecord:
    """The row of one pod. ``created_at`` stands in where the pod itself has no such instant.

    ``requested`` is what it asks for with its claims, ``claimed_micros`` what it holds by claims,
    or held where it has ended.
    """
    pod = judged.facts
    bound = pod.node_name is not None
    known = remembered or RememberedPod()
    own_created_at = pod.meta.created_at or created_at
    ended_at = _ended_at(judged, known, now)
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
        requested=requested,
        allocated=held_by(pod, node, claimed_micros=claimed_micros),
        created_at=own_created_at,
        bound_at=known.bound_at or (_since(pod, "PodScheduled", now) if bound else None),
        ready_at=known.ready_at or (_since(pod, "Ready", now) if judged.is_ready else None),
        ended_at=ended_at,
        fatal_since=judged.fatal_since,
        priority_class_name=pod.priority_class_name,
        containers=tuple((c.name, c.image, c.started_at) for c in pod.containers if not c.is_init),
        resource_version=pod.meta.resource_version,
        allocated_while_bound=held_until_it_ended(pod, node, claimed_micros=claimed_micros),
        k8s_phase_at=_phase_at(pod, ended_at) or own_created_at,
        ip=pod.ip,
        requested_node_pools=pod.requested_node_pools,
        constraints=pod.constraints,
    )


def rows_of(
    view: WorkloadView,
    judged: Sequence[JudgedPod],
    *,
    workload_uid: str,
    created_at: datetime,
    now: datetime,
    remembered_pods: Mapping[str, RememberedPod],
) -> tuple[PodRecord, ...]:
    """The rows of all pods, in their order."""
    asked: Mapping[str, int] = EMPTY
    held: Mapping[str, int] = EMPTY
    if any(pod.facts.claims for pod in judged):
        # A shared claim is borne by a pod that still counts, as long as there is one.
        pods = sorted((pod.facts for pod in judged), key=lambda pod: not holds_resources(pod))
        asked = claims.requested_micros(pods, view.claims, view.claim_templates)
        held = claims.allocated_micros([pod for pod in pods if is_bound(pod)], view.claims)
    return tuple(
        record_of(
            pod,
            workload_uid=workload_uid,
            created_at=created_at,
            node=view.nodes.get(pod.facts.node_name) if pod.facts.node_name is not None else None,
            remembered=remembered_pods.get(pod.facts.meta.uid),
            now=now,
            requested=with_claims(pod.facts.request, asked.get(pod.facts.meta.uid, 0)),
            # An ended pod's claims are released: it held what it asked for.
            claimed_micros=(held if is_bound(pod.facts) else asked).get(pod.facts.meta.uid, 0),
        )
        for pod in judged
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


def _phase_at(pod: PodFacts, ended_at: datetime | None) -> datetime | None:
    """Since when its phase holds; ``None`` where it has been in it from the start or does not tell."""
    if pod.k8s_phase in _ENDED_PHASES:
        return ended_at
    if pod.k8s_phase != "Running":
        return None
    starts = [c.started_at for c in pod.containers if c.started_at is not None and not c.is_init]
    return min(starts) if starts else pod.started_at


def _ended_at(judged: JudgedPod, remembered: RememberedPod, now: datetime) -> datetime | None:
    if remembered.ended_at is not None or not judged.is_terminal:
        return remembered.ended_at
    return max((c.finished_at for c in judged.facts.containers if c.finished_at is not None), default=now)


def requested_by(records: Iterable[PodRecord]) -> ResourceRequest:
    """What all pods that still count ask for together."""
    return totals.add_all([record.requested for record in records if record.k8s_phase not in _ENDED_PHASES])


def allocated_to(records: Iterable[PodRecord]) -> Resources:
    """What the bound pods hold together."""
    return totals.add_resources(record.allocated for record in records)


def workload_request(asked: Asked, judged: Sequence[JudgedPod], view: WorkloadView) -> ResourceRequest | None:
    """What the workload asks for as a whole: its templates times their replicas; ``None`` where no template tells.

    It does not depend on pods but for this: admission may annotate pods alone with the share of a GPU that they ask
    for, and then a role counts as its newest pod does, where that asks for more.
    """
    if asked.request is None or not asked.roles:
        return asked.request
    several: list[ResourceRequest] = []
    claimed = 0
    seen: set[str] = set()
    newest = _newest_by_role(asked.roles, judged)
    if not newest and not any("resourceClaims" in mapping_at(role.template, "spec") for role in asked.roles):
        return asked.request
    for role, one in zip(asked.roles, asked.role_requests, strict=True):
        times = role.replicas or 0
        pod = newest.get(role.name.lower())
        more = one if pod is None or pod.request == one else totals.most(one, pod.request)
        several.append(totals.scale(more, times))
        listed = claims.claims_of(mapping_at(role.template, "spec"), EMPTY)
        claimed += claims.micros_of_template(listed, times, view.claim_templates, seen, view.claims)
    return with_claims(totals.add_all(several), claimed)


def _newest_by_role(roles: Sequence[FoundRole], judged: Sequence[JudgedPod]) -> dict[str, PodFacts]:
    """The newest annotated pod of each role, ended ones too: a Job that drains still asks for what it asked."""
    names = {role.name.lower() for role in roles}
    only = next(iter(names)) if len(roles) == 1 else None
    newest: dict[str, PodFacts] = {}
    for pod in judged:
        name = only if pod.role is None else pod.role
        if name not in names or name is None or not gpus.is_annotated(pod.facts.meta.annotations):
            continue
        known = newest.get(name)
        if known is None or _age(pod.facts) > _age(known):
            newest[name] = pod.facts
    return newest


def _age(pod: PodFacts) -> tuple[datetime, str]:
    return pod.meta.created_at or _LONG_AGO, pod.meta.name


def current_node_pools(records: Iterable[PodRecord], *, ended: bool) -> tuple[str, ...]:
    """The pools of the pods that hold something; of all pods that ever had a node once the workload has ended."""
    pools = {
        record.node_pool
        for record in records
        if record.node_pool is not None and (ended or record.k8s_phase not in _ENDED_PHASES)
    }
    return tuple(sorted(pools))
