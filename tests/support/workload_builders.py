"""Records to write, with every field that a test does not name."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from rollcall.domain.events import InvolvedObject, KubernetesEvent
from rollcall.domain.records import (
    Category,
    Condition,
    GpuRequestType,
    Limits,
    Phase,
    PhaseSource,
    PodRecord,
    PodState,
    RequestedPods,
    ResourceRequest,
    Resources,
    Source,
    WorkloadRecord,
)
from rollcall.store.places import ProjectNamespace

START = datetime(2026, 1, 1, tzinfo=UTC)


def uid_of(name: str) -> str:
    """A stable UUID for a made-up object."""
    return str(uuid5(NAMESPACE_OID, name))


def a_request(gpus: int = 1) -> ResourceRequest:
    amounts = Resources(gpu_micros=gpus * 1_000_000, cpu_millis=500, memory_bytes=2**30)
    return ResourceRequest(
        requests=amounts, limits=Limits(gpu_micros=gpus * 1_000_000), gpu_request_type=GpuRequestType.PORTION
    )


def a_workload(name: str = "train", **changes: Any) -> WorkloadRecord:
    record = WorkloadRecord(
        uid=uid_of(name),
        api_group="batch",
        api_version="batch/v1",
        kind="Job",
        type="Job",
        category=Category.TRAIN,
        namespace="runai-team-a",
        name=name,
        project_id="team-a",
        project_name="team-a",
        department_id="default",
        department_name="default",
        source=Source.OTHER,
        submitted_by="ada@example.com",
        priority_class_name="train",
        priority=50,
        preemptible=True,
        created_at=START,
        completed_at=None,
        phase=Phase.PENDING,
        phase_message="waiting for a node",
        phase_reason=None,
        phase_rule="9",
        phase_source=PhaseSource.KIND,
        k8s_phase="Pending",
        conditions=(Condition(type="PodsReady", status="False", reason="PodsNotReady", last_transition_at=START),),
        running_since=None,
        running_pods=0,
        ready_pods=0,
        requested_pods=RequestedPods(number=1, parallelism=1, completions=1),
        workload_requested=a_request(),
        pods_requested=a_request(),
        allocated=Resources(),
        requested_node_pools=("big",),
        current_node_pools=(),
        images=("trainer:1",),
        command="python",
        arguments="train.py",
        distributed_framework=None,
        additional_fields=(),
        problems=(),
        observed_version=10,
    )
    return replace(record, **changes)


def a_pod(name: str = "train-0", *, workload: str = "train", **changes: Any) -> PodRecord:
    record = PodRecord(
        uid=uid_of(name),
        workload_uid=uid_of(workload),
        namespace="runai-team-a",
        name=name,
        role=None,
        node_name="gpu-1",
        node_pool="big",
        k8s_phase="Running",
        state=PodState.READY,
        message=None,
        requested=a_request(),
        allocated=a_request().requests,
        created_at=START,
        bound_at=START,
        ready_at=START,
        ended_at=None,
        fatal_since=None,
        priority_class_name="train",
        containers=(("main", "trainer:1", START),),
        resource_version=10,
        k8s_phase_at=START,
    )
    return replace(record, **changes)


def a_project(
    namespace: str = "runai-team-a", project: str = "team-a", department: str = "default"
) -> ProjectNamespace:
    return ProjectNamespace(namespace=namespace, project_id=project, department_id=department, created_at=START)


def an_event(name: str = "event", *, pod: str = "train-0", **changes: Any) -> KubernetesEvent:
    event = KubernetesEvent(
        uid=uid_of(name),
        created_at=START,
        at=START,
        count=1,
        type="Normal",
        reason="Started",
        message=f"Started container {name}",
        source="kubelet",
        involved=InvolvedObject(uid=uid_of(pod), kind="Pod", namespace="runai-team-a", name=pod),
    )
    return replace(event, **changes)
