"""Bare pods, and workloads of which only pods are known."""

import pytest
from support.observed import CREATED, NOW, node, obj, observe, pod

from rollcall.domain.facts import OwnerReference
from rollcall.domain.ownership import reference_meta
from rollcall.domain.records import Phase, PhaseSource, Remembered, RememberedPod, RequestedPods

PIPELINE = reference_meta(
    OwnerReference(api_version="example.com/v1", kind="Pipeline", name="etl", uid="u-etl", controller=True),
    "runai-team-a",
)
DEPLOYMENT = reference_meta(
    OwnerReference(api_version="apps/v1", kind="Deployment", name="web", uid="u-web", controller=True), "runai-team-a"
)


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("gated", Phase.PENDING),
        ("unscheduled", Phase.PENDING),
        ("no_condition", Phase.PENDING),
        ("creating", Phase.INITIALIZING),
        ("not_ready", Phase.INITIALIZING),
        ("restarting", Phase.INITIALIZING),
        ("ready", Phase.RUNNING),
        ("image", Phase.FAILED),
        ("crash", Phase.FAILED),
        ("failed", Phase.FAILED),
        ("evicted", Phase.FAILED),
        ("succeeded", Phase.COMPLETED),
        ("releasing", Phase.DELETING),
        ("preempting", Phase.PENDING),
        ("pulling", Phase.FAILED),
        ("invalid_image", Phase.FAILED),
        ("config", Phase.FAILED),
        ("oom_loop", Phase.FAILED),
        ("looping", Phase.FAILED),
        ("done_restarting", Phase.INITIALIZING),
        ("lost", Phase.INITIALIZING),
        ("rejected", Phase.FAILED),
        ("disrupted", Phase.FAILED),
    ],
)
def test_a_bare_pod(state, wanted):
    record = observe(None, pod(state=state)).workload
    assert (record.phase, record.kind) == (wanted, "Pod")


def test_a_bare_pod_that_lost_its_node_after_it_ran_starts_again():
    ran = observe(None, pod(), nodes=(node(),)).workload
    lost = observe(None, pod(), nodes=(node(ready=False),), remembered=Remembered.of(ran)).workload
    assert (ran.phase, lost.phase) == (Phase.RUNNING, Phase.INITIALIZING)
    assert "gpu-1" in (lost.phase_message or "")


def test_a_bare_pod_that_ended_is_over_for_good():
    done = observe(None, pod(state="succeeded"))
    assert done.workload.completed_at == done.pods[0].ended_at
    assert observe(None, pod(), remembered=Remembered.of(done.workload)).workload.phase is Phase.COMPLETED
    assert observe(None, pod(state="image")).workload.completed_at is None


@pytest.mark.parametrize(
    ("labels", "fields"),
    [
        ({"airflow_version": "2.9.1", "dag_id": "etl"}, (("launcher", "Airflow"),)),
        ({"prefect.io/flow-run-id": "1"}, (("launcher", "Prefect"),)),
        ({"component": "singleuser-server", "app": "jupyterhub"}, (("launcher", "JupyterHub"),)),
        ({"app.kubernetes.io/component": "singleuser-server"}, (("launcher", "JupyterHub"),)),
        ({"component": "predictor"}, ()),
        ({}, ()),
    ],
)
def test_what_launched_a_bare_pod(labels, fields):
    assert observe(None, pod(labels=labels)).workload.additional_fields == fields


def test_a_pod_that_failed_before_the_kubelet_says_so_is_over():
    assert observe(None, pod(state="lagging", restart_policy="Never")).workload.phase is Phase.FAILED
    assert observe(None, pod(state="lagging")).workload.phase is Phase.INITIALIZING


def test_what_the_record_says_of_a_bare_pod():
    record = observe(None, pod(), nodes=(node(pool="a100"),)).workload
    assert (record.requested_pods, record.k8s_phase) == (RequestedPods(number=1), "Running")
    assert (record.requested_node_pools, record.current_node_pools) == (("default",), ("a100",))
    assert record.workload_requested == record.pods_requested
    assert (record.running_pods, record.ready_pods, record.images) == (1, 1, ("trainer:1",))


@pytest.mark.parametrize(
    ("reference", "states", "wanted"),
    [
        (PIPELINE, ("ready", "succeeded"), Phase.RUNNING),
        (PIPELINE, ("unscheduled",), Phase.PENDING),
        (PIPELINE, ("ready", "creating"), Phase.INITIALIZING),
        (PIPELINE, ("succeeded", "succeeded"), Phase.COMPLETED),
        (PIPELINE, ("succeeded", "failed"), Phase.FAILED),
        (PIPELINE, (), Phase.UNKNOWN),
        (DEPLOYMENT, ("ready", "ready"), Phase.RUNNING),
        (DEPLOYMENT, ("image",), Phase.FAILED),
    ],
)
def test_an_owner_known_by_reference_only_is_what_its_pods_are(reference, states, wanted):
    pods = [pod(f"p-{number}", state) for number, state in enumerate(states)]
    record = observe(None, *pods, reference=reference).workload
    assert (record.phase, record.kind) == (wanted, reference.kind)
    assert record.phase_source is PhaseSource.PODS


def test_the_gpus_of_a_pod_that_waits_for_its_node_are_requested_and_not_allocated():
    record = observe(None, pod(state="unscheduled")).workload
    assert (record.pods_requested.requests.gpu_micros, record.allocated.gpu_micros) == (1_000_000, 0)


def test_without_an_object_the_end_of_all_pods_is_not_the_end_for_good():
    over = observe(None, pod("step-1", "succeeded"), reference=PIPELINE).workload
    on = observe(None, pod("step-1", "succeeded"), pod("step-2"), reference=PIPELINE, remembered=Remembered.of(over))
    assert over.completed_at is not None
    assert (on.workload.phase, on.workload.completed_at) == (Phase.RUNNING, None)


def test_a_watched_kind_is_not_over_before_its_object_was_read():
    job = reference_meta(
        OwnerReference(api_version="batch/v1", kind="Job", name="w", uid="u-job", controller=True), "runai-team-a"
    )
    early = observe(None, pod(state="succeeded"), reference=job).workload
    assert (early.phase, early.completed_at) == (Phase.COMPLETED, None)
    read = obj("Job", {"completions": 3}, {"active": 1, "ready": 1, "succeeded": 1})
    assert observe(read, remembered=Remembered.of(early)).workload.phase is Phase.RUNNING


def test_a_problem_is_named_once_however_often_the_record_is_derived():
    memory = Remembered()
    for _ in range(3):
        record = observe(None, pod(name="", state="failed"), remembered=memory).workload
        memory = Remembered.of(record)
    assert record.problems
    assert (record.phase_message or "").count(record.problems[0]) == 1


def test_without_a_template_the_peak_of_the_pods_is_what_was_requested():
    two = observe(None, pod("a"), pod("b"), reference=PIPELINE).workload
    one = observe(None, pod("a"), reference=PIPELINE, remembered=Remembered.of(two)).workload
    assert one.workload_requested is not None
    assert one.workload_requested.requests.gpu_micros == 2_000_000
    assert one.pods_requested.requests.gpu_micros == 1_000_000


def test_the_pool_of_a_finished_workload_is_kept():
    ran = observe(None, pod(), nodes=(node(pool="a100"),)).workload
    done = observe(None, pod(state="succeeded"), remembered=Remembered.of(ran)).workload
    assert done.current_node_pools == ("a100",)


def test_what_was_seen_of_a_pod_is_not_unlearned():
    seen = RememberedPod(bound_at=CREATED, ready_at=CREATED, node_pool="a100")
    row = observe(None, pod(state="crash"), remembered_pods={"pod-w-0": seen}, nodes=(node(pool="h100"),)).pods[0]
    assert (row.bound_at, row.ready_at, row.node_pool) == (CREATED, CREATED, "a100")


@pytest.mark.parametrize(
    ("state", "holds"), [("ready", 1), ("releasing", 1), ("succeeded", 0), ("failed", 0), ("gated", 0)]
)
def test_a_pod_holds_its_gpu_while_it_is_bound_and_not_over(state, holds):
    assert observe(None, pod(state=state)).workload.allocated.gpu_micros == holds * 1_000_000


def test_the_version_never_falls():
    first = observe(obj("Job", {}, {}), pod(resourceVersion="900")).workload
    later = observe(obj("Job", {}, {}), remembered=Remembered.of(first), now=NOW).workload
    assert (first.observed_version, later.observed_version) == (900, 900)
