"""What holds for every input: the derivation is total, deletion wins, ends are latched, sums are exact."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.observed import (
    API_VERSIONS,
    CREATED,
    NOW,
    SETTINGS,
    STATUSES,
    condition,
    node,
    obj,
    observe,
    pod,
    template,
)

from rollcall.domain.derivation import derive
from rollcall.domain.facts import WorkloadView
from rollcall.domain.messages import MESSAGE_BYTES
from rollcall.domain.reading import read_object, read_pod
from rollcall.domain.records import Phase, PodState, Remembered, RememberedPod

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
QUICK = settings(max_examples=120)

KINDS = tuple(kind for kind in API_VERSIONS if kind != "Pod")
BATCH = ("Job", "PyTorchJob")
STATES = tuple(STATUSES)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["True", "1"]),
)
FIELDS = st.sampled_from(
    [
        "replicas",
        "parallelism",
        "completions",
        "suspend",
        "template",
        "spec",
        "containers",
        "conditions",
        "type",
        "status",
        "reason",
        "message",
        "active",
        "ready",
        "succeeded",
        "phase",
        "observedGeneration",
        "pytorchReplicaSpecs",
        "Master",
        "Worker",
        "replicaStatuses",
        "runPolicy",
        "elasticPolicy",
        "jobTemplate",
        "lastScheduleTime",
        "lastTransitionTime",
        "completionTime",
        "uid",
        "name",
        "resources",
        "limits",
        "nvidia.com/gpu",
        "updateStrategy",
        "uncountedTerminatedPods",
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(FIELDS, inner, max_size=5)),
    max_leaves=25,
)
POD_STATES = st.lists(st.sampled_from(STATES), max_size=5)


def spec_of(kind, number=2):
    if kind == "PyTorchJob":
        return {"pytorchReplicaSpecs": {"Worker": {"replicas": number, "template": template()}}}
    if kind == "CronJob":
        return {"schedule": "@daily", "jobTemplate": {"spec": {"parallelism": number, "template": template()}}}
    if kind == "Job":
        return {"parallelism": number, "completions": number, "template": template()}
    return {"replicas": number, "template": template()}


def pods_of(states):
    return [pod(f"w-{number}", state) for number, state in enumerate(states)]


STATUS_OF = {
    "Job": {
        "startTime": "2026-03-01T11:00:00Z",
        "active": 1,
        "ready": 1,
        "conditions": [condition("FailureTarget"), condition("Failed"), condition("Suspended", "False")],
    },
    "PyTorchJob": {
        "replicaStatuses": {"Worker": {"active": 2}},
        "conditions": [condition("Created"), condition("Running"), condition("Restarting"), condition("Failed")],
    },
    "Deployment": {
        "observedGeneration": 1,
        "replicas": 2,
        "availableReplicas": 2,
        "updatedReplicas": 2,
        "conditions": [condition("Available"), condition("Progressing"), condition("ReplicaFailure")],
    },
}


@QUICK
@given(
    kind=st.sampled_from([*KINDS, "Thing"]),
    spec=JSON,
    status=JSON,
    pod_spec=JSON,
    pod_status=JSON,
    metadata=st.dictionaries(
        st.sampled_from(["labels", "annotations", "generation", "creationTimestamp", "resourceVersion", "finalizers"]),
        JSON,
    ),
    phase=st.sampled_from([None, *Phase]),
)
def test_any_object_yields_one_record(kind, spec, status, pod_spec, pod_status, metadata, phase):
    top = read_object(
        {
            "apiVersion": API_VERSIONS.get(kind, "x.io/v1"),
            "kind": kind,
            "metadata": {"uid": "u", "name": "w"} | metadata,
            "spec": spec,
            "status": status,
        }
    )
    one = read_pod(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": "p"}, "spec": pod_spec, "status": pod_status}
    )
    assert top is not None
    assert one is not None
    for view in (
        WorkloadView(top=top),
        WorkloadView(top=top, pods=(one,), children=(top,)),
        WorkloadView(top_is_pod=True, pods=(one,)),
        WorkloadView(top_reference=top.meta, pods=(one,)),
        WorkloadView(),
    ):
        found = derive(view, now=NOW, remembered=Remembered(phase=phase), remembered_pods={}, settings=SETTINGS)
        assert found.workload.phase in Phase
        assert found.workload.k8s_phase
        assert len((found.workload.phase_message or "").encode()) <= MESSAGE_BYTES
        assert len(found.pods) == len(view.pods)
        assert found.signals


@QUICK
@given(kind=st.sampled_from(KINDS), states=POD_STATES, ran=st.booleans(), status=st.booleans())
def test_deletion_wins(kind, states, ran, status):
    top = obj(kind, spec_of(kind), STATUS_OF.get(kind) if status else {}, deleting=True)
    memory = Remembered(phase=Phase.COMPLETED, completed_at=CREATED, running_since=CREATED if ran else None)
    assert observe(top, *pods_of(states), remembered=memory).workload.phase is Phase.DELETING


@QUICK
@given(
    kind=st.sampled_from(BATCH),
    ended=st.sampled_from([Phase.COMPLETED, Phase.FAILED]),
    steps=st.lists(st.tuples(POD_STATES, st.booleans(), st.booleans()), min_size=1, max_size=4),
)
def test_a_batch_workload_that_ended_stays_ended(kind, ended, steps):
    memory = Remembered(phase=ended, completed_at=CREATED)
    for states, empty, suspended in steps:
        spec = spec_of(kind)
        if suspended:
            spec |= {"suspend": True, "runPolicy": {"suspend": True}}
        status = {} if empty else {**STATUS_OF[kind], "conditions": []}
        record = observe(obj(kind, spec, status), *pods_of(states), remembered=memory).workload
        assert (record.phase, record.completed_at) == (ended, CREATED)
        memory = Remembered.of(record)


@QUICK
@given(kind=st.sampled_from(tuple(STATUS_OF)), states=POD_STATES, data=st.data())
def test_taking_conditions_away_never_completes_anything(kind, states, data):
    conditions = STATUS_OF[kind]["conditions"]
    left = data.draw(st.lists(st.sampled_from(conditions), unique_by=lambda found: found["type"]))
    top = obj(kind, spec_of(kind), {**STATUS_OF[kind], "conditions": left})
    assert observe(top, *pods_of(states)).workload.phase is not Phase.COMPLETED


@QUICK
@given(kind=st.sampled_from(KINDS), states=st.lists(st.sampled_from(STATES), min_size=2, max_size=6), data=st.data())
def test_the_order_of_pods_and_children_does_not_matter(kind, states, data):
    runs = tuple(
        obj(
            "Job",
            spec_of("Job"),
            {},
            name=f"run-{number}",
            uid=f"run-{number}",
            created_at=NOW - timedelta(hours=number),
        )
        for number in range(3)
    )
    pods = pods_of(states)
    top = obj(kind, spec_of(kind), STATUS_OF.get(kind, {}))
    shuffled = data.draw(st.permutations(pods))
    turned = tuple(data.draw(st.permutations(runs)))
    assert observe(top, *pods, children=runs) == observe(top, *shuffled, children=turned)


@QUICK
@given(states=st.lists(st.sampled_from(STATES), max_size=8), cut=st.integers(0, 8))
def test_accounting_is_additive_over_pods(states, cut):
    top = obj("Deployment", spec_of("Deployment"))
    pods = pods_of(states)
    whole, one, other = (observe(top, *part, nodes=(node(),)).workload for part in (pods, pods[:cut], pods[cut:]))
    for pick in (lambda record: record.pods_requested.requests, lambda record: record.allocated):
        for name in ("gpu_micros", "gpu_memory_bytes", "cpu_millis", "memory_bytes"):
            assert getattr(pick(whole), name) == getattr(pick(one), name) + getattr(pick(other), name)
        both = Counter(dict(pick(one).extended)) + Counter(dict(pick(other).extended))
        assert dict(pick(whole).extended) == dict(both)


@QUICK
@given(kind=st.sampled_from(KINDS), states=POD_STATES, minutes=st.integers(0, 5), ran=st.booleans())
def test_deriving_again_from_its_own_memory_changes_nothing(kind, states, minutes, ran):
    top = obj(kind, spec_of(kind), STATUS_OF.get(kind, {}))
    pods = pods_of(states)
    memory = Remembered(running_since=CREATED if ran else None)
    first = observe(top, *pods, remembered=memory)
    known = {
        row.uid: RememberedPod(
            bound_at=row.bound_at,
            ready_at=row.ready_at,
            ended_at=row.ended_at,
            fatal_since=row.fatal_since,
            node_pool=row.node_pool,
        )
        for row in first.pods
    }
    again = observe(top, *pods, remembered=Remembered.of(first.workload), remembered_pods=known)
    assert again.workload == first.workload
    assert again.pods == first.pods
    later = NOW + timedelta(minutes=minutes)
    if first.revisit_at is None or later < first.revisit_at:
        aged = observe(top, *pods, remembered=Remembered.of(first.workload), remembered_pods=known, now=later)
        assert aged.workload == first.workload


@QUICK
@given(kind=st.sampled_from(KINDS), states=POD_STATES)
def test_the_rows_of_pods_hold_together(kind, states):
    found = observe(obj(kind, spec_of(kind), STATUS_OF.get(kind, {})), *pods_of(states))
    assert found.workload.running_pods == sum(row.k8s_phase == "Running" for row in found.pods)
    assert found.workload.ready_pods == sum(row.state is PodState.READY for row in found.pods)
    for row in found.pods:
        assert (row.bound_at is not None) == (row.node_name is not None)
        assert (row.ended_at is not None) == (row.k8s_phase in ("Succeeded", "Failed"))
