"""The workloads of Run:ai: their own phase word, their child's signals, their fields; templates are none."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.facts import DomainSettings, KindKey, OwnerReference
from rollcall.domain.kinds import catalogue
from rollcall.domain.records import Category, Phase, Remembered, RequestedPods
from rollcall_operator.cluster_state import ClusterState, EventType

WORKLOADS = {
    "TrainingWorkload": ("Training", Category.TRAIN),
    "InteractiveWorkload": ("Workspace", Category.BUILD),
    "DistributedWorkload": ("Distributed", Category.TRAIN),
    "InferenceWorkload": ("Inference", Category.DEPLOY),
    "DistributedInferenceWorkload": ("DistributedInference", Category.DEPLOY),
}


def fields(**values):
    return {name: {"value": value} for name, value in values.items()}


FIELDS = fields(image="trainer:1", gpu="1", workers="0", minScale=1)


def workload(found=None, *, kind="TrainingWorkload", spec=None, **more):
    return obj(kind, FIELDS | (spec or {}), found, **more)


def child(kind, spec, found, owner, uid="child"):
    """An object that the workload owns."""
    owners = [{"apiVersion": "run.ai/v2alpha1", "kind": owner.meta.kind, "name": "w", "uid": owner.meta.uid}]
    return obj(kind, spec, found, uid=uid, ownerReferences=owners)


def run(found, owner, **spec):
    return child("RunaiJob", {"template": template()} | spec, found, owner)


def says(phase, **more):
    return workload({"phase": phase} | more)


OFF = {"active": {"value": False}}

# By its own word, with no child

CASES = [
    ("deleted", Phase.DELETING, workload({"phase": "Running"}, deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, workload(), (), False),
    ("no phase, no pod", Phase.CREATING, workload({"conditions": []}), (), False),
    ("no phase, its pod is ready", Phase.RUNNING, workload({"conditions": []}), ("ready",), False),
    ("no phase, its pod waits", Phase.PENDING, workload(), ("unscheduled",), False),
    ("creating", Phase.CREATING, says("Creating"), (), False),
    ("pending", Phase.PENDING, says("Pending"), (), False),
    ("pending, its pod waits", Phase.PENDING, says("Pending"), ("unscheduled",), False),
    ("pending, its pod has started since", Phase.RUNNING, says("Pending"), ("ready",), False),
    ("initializing", Phase.INITIALIZING, says("Initializing"), (), False),
    ("initializing, its pod pulls", Phase.INITIALIZING, says("Initializing"), ("creating",), False),
    ("running", Phase.RUNNING, says("Running"), (), False),
    ("running, its pod known", Phase.RUNNING, says("Running"), ("ready",), False),
    ("running, its pod restarts", Phase.INITIALIZING, says("Running"), ("restarting",), True),
    ("updating", Phase.UPDATING, says("Updating"), (), True),
    ("degraded", Phase.DEGRADED, says("Degraded"), (), False),
    ("degraded, its pods known", Phase.DEGRADED, says("Degraded"), ("ready",), True),
    ("resuming", Phase.RESUMING, says("Resuming"), (), False),
    ("stopping", Phase.STOPPING, says("Stopping"), (), True),
    ("terminating", Phase.STOPPING, says("Terminating"), ("releasing",), True),
    ("stopped", Phase.STOPPED, says("Stopped"), (), True),
    ("stopped, a pod still goes", Phase.STOPPING, says("Stopped"), ("releasing",), True),
    ("stop asked", Phase.STOPPED, workload({"conditions": []}, spec=OFF), (), True),
    ("stop asked, its pod lives", Phase.STOPPING, workload({"phase": "Running"}, spec=OFF), ("ready",), True),
    ("failed", Phase.FAILED, says("Failed"), ("failed",), True),
    ("completed", Phase.COMPLETED, says("Completed"), (), True),
    ("unknown by its own word", Phase.UNKNOWN, says("Unknown"), (), False),
    ("unknown, its pod known", Phase.RUNNING, says("Unknown"), ("ready",), False),
    ("a word of none", Phase.RUNNING, says("Frobnicating"), ("ready",), False),
    ("absurd", Phase.CREATING, workload({"phase": {"a": 1}}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_by_its_own_word(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


@pytest.mark.parametrize("kind", WORKLOADS)
@pytest.mark.parametrize("word", ["Pending", "Initializing", "Running", "Stopped", "Degraded", "Completed"])
def test_every_kind_takes_the_word_over(kind, word):
    record = observe(workload({"phase": word}, kind=kind), remembered=latched()).workload
    wanted = Phase.PENDING if word == "Pending" else Phase(word)
    if word in ("Pending", "Initializing"):
        # Of one that ran before: nothing of it serves at present.
        assert record.phase in (wanted, Phase.INITIALIZING)
    else:
        assert record.phase is wanted
    assert record.k8s_phase == word
    assert (record.type, record.category) == WORKLOADS[kind]


# By its child

OWNER = workload()
ACTIVE = {"active": 1, "ready": 1, "startTime": at(CREATED)}
FAILED = {"startTime": at(CREATED), "conditions": [condition("Failed", "True", "BackoffLimitExceeded", "too often")]}
COMPLETE = {"startTime": at(CREATED), "conditions": [condition("Complete")]}

CHILD_CASES = [
    ("not observed", Phase.CREATING, {}, {}, (), False),
    ("its pod waits", Phase.PENDING, {"active": 1}, {}, ("unscheduled",), False),
    ("its pod pulls", Phase.INITIALIZING, {"active": 1}, {}, ("creating",), False),
    ("runs", Phase.RUNNING, ACTIVE, {}, ("ready",), False),
    ("runs, its status alone", Phase.RUNNING, ACTIVE, {}, (), False),
    ("one of two is lost", Phase.DEGRADED, ACTIVE, {"parallelism": 2, "completions": 2}, ("ready", "evicted"), True),
    ("cannot pull", Phase.FAILED, {"active": 1}, {}, ("image",), False),
    ("failed", Phase.FAILED, FAILED, {}, ("failed",), True),
    ("done", Phase.COMPLETED, COMPLETE, {}, ("succeeded",), True),
    ("suspending", Phase.STOPPING, ACTIVE, {"suspend": True}, ("releasing",), True),
    ("suspended", Phase.STOPPED, {}, {"suspend": True}, (), True),
    ("absurd", Phase.UNKNOWN, ACTIVE, {"parallelism": "two"}, (), False),
]


@pytest.mark.parametrize(
    ("wanted", "found", "spec", "states", "ran"), [case[1:] for case in CHILD_CASES], ids=[c[0] for c in CHILD_CASES]
)
def test_without_a_word_its_child_speaks(wanted, found, spec, states, ran):
    job = run(found, OWNER, **spec)
    pods = [pod(f"w-{number}", state, owner=job) for number, state in enumerate(states)]
    record = observe(OWNER, *pods, children=(job,), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    alone = observe(run(found, OWNER, **spec), *pods, remembered=latched() if ran else None).workload
    assert alone.phase is wanted, "a RunaiJob alone says the same"


def test_the_end_of_a_child_is_the_end():
    done = observe(OWNER, children=(run(COMPLETE, OWNER),)).workload
    assert done.completed_at == NOW - timedelta(minutes=10), "when its condition turned"
    again = observe(workload({"phase": "Running"}), remembered=Remembered.of(done)).workload
    assert again.phase is Phase.COMPLETED


def test_a_failure_that_may_be_an_image_is_not_latched():
    failed = observe(says("Failed", phaseMessage="no such image")).workload
    assert (failed.phase, failed.completed_at) == (Phase.FAILED, None)
    assert "no such image" in (failed.phase_message or "")
    assert observe(says("Running"), remembered=Remembered.of(failed)).workload.phase is Phase.RUNNING


def test_a_service_below_is_scaled_to_zero():
    top = workload(kind="InferenceWorkload")
    conditions = [condition(name) for name in ("ConfigurationsReady", "Ready", "RoutesReady")]
    status = {"observedGeneration": 1, "latestReadyRevisionName": "w-1", "conditions": conditions}
    below = child("Service", {"template": template()}, status, top)
    record = observe(top, children=(below,)).workload
    assert (record.phase, record.phase_message) == (Phase.RUNNING, "scaled to zero")


def test_a_training_job_below_asks_and_speaks():
    top = workload(kind="DistributedWorkload", spec=fields(workers=2, jobType="PyTorch"))
    specs = {"Master": {"template": template()}, "Worker": {"replicas": 2, "template": template(gpus=2)}}
    status = {"conditions": [condition("Created"), condition("Running")], "replicaStatuses": {}}
    below = child("PyTorchJob", {"pytorchReplicaSpecs": specs}, status, top)
    pods = [pod(f"w-{n}", owner=below, role="worker") for n in range(2)]
    found = observe(top, *pods, children=(below,))
    record = found.workload
    assert (record.phase, record.distributed_framework) == (Phase.PENDING, "PyTorch"), "the master is missing"
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 5_000_000


def test_of_several_children_none_speaks_for_all():
    one, other = run(ACTIVE, OWNER), child("Job", {"template": template()}, FAILED, OWNER, uid="other")
    assert observe(OWNER, pod(), children=(one, other)).workload.phase is Phase.RUNNING


# Its fields


@pytest.mark.parametrize(
    ("name", "values", "micros", "extended"),
    [
        ("whole", {"gpu": "2"}, 2_000_000, {}),
        ("whole, without quotes", {"gpu": 2}, 2_000_000, {}),
        ("none", {"gpu": "0"}, 0, {}),
        ("a fraction", {"gpu": "0.25"}, 250_000, {}),
        ("a fraction, without quotes", {"gpu": 0.5}, 500_000, {}),
        ("a slice", {"migProfile": "1g.5gb", "gpu": None}, 1_000_000 // 7, {"nvidia.com/mig-1g.5gb": 1}),
        ("no number", {"gpu": "many"}, 0, {}),
    ],
)
def test_the_gpus_it_asks_for(name, values, micros, extended):
    record = observe(workload(spec=fields(**values))).workload
    assert record.workload_requested is not None
    requests = record.workload_requested.requests
    assert (requests.gpu_micros, dict(requests.extended)) == (micros, extended), name


def test_what_else_it_asks_for():
    spec = fields(cpu="2", memory="4Gi", memoryLimit="8Gi", gpuMemory="1G", command="python", arguments="-m train")
    spec |= {"extendedResources": {"items": {"ib": {"value": {"resource": "rdma/ib", "quantity": "1"}}}}}
    record = observe(workload(spec=spec | {"nodePools": {"value": ["a100", "h100"]}})).workload
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.cpu_millis, asked.memory_bytes, dict(asked.extended)) == (2000, 4 * 2**30, {"rdma/ib": 1})
    assert asked.gpu_memory_bytes == 954 * 2**20
    assert (record.images, record.command, record.arguments) == (("trainer:1",), "python", "-m train")
    assert record.requested_node_pools == ("a100", "h100")
    assert observe(workload(spec=fields(nodePool="g9"))).workload.requested_node_pools == ("g9",)


@pytest.mark.parametrize(
    ("kind", "values", "asked"),
    [
        ("TrainingWorkload", {}, RequestedPods(number=1, parallelism=1)),
        (
            "TrainingWorkload",
            {"parallelism": 4, "completions": "2"},
            RequestedPods(number=2, parallelism=4, completions=2),
        ),
        ("InteractiveWorkload", {}, RequestedPods(number=1)),
        ("DistributedWorkload", {"workers": "3"}, RequestedPods(number=4)),
        ("DistributedWorkload", {"workers": 3, "noMaster": True}, RequestedPods(number=3)),
        ("DistributedWorkload", {"workers": "many"}, RequestedPods(number=None)),
        ("InferenceWorkload", {"minScale": 0, "maxScale": 2}, RequestedPods(number=0, min=0, max=2)),
        ("DistributedInferenceWorkload", {"replicas": 2, "workers": 3}, RequestedPods(number=8)),
    ],
)
def test_how_many_pods_it_asks_for(kind, values, asked):
    found = observe(workload(kind=kind, spec=fields(**values))).workload.requested_pods
    assert found == asked or (asked.number is None and (found is None or found.number is None))


@pytest.mark.parametrize(
    ("spec", "framework"),
    [
        (fields(jobType="MPI"), "MPI"),
        (fields(distributedFramework="PyTorch"), "PyTorch"),
        ({"framework": "tensorflow"}, "TF"),
        ({"jobType": "XGBoostJob"}, "XGBoost"),
        ({"mpiJob": {"slotsPerWorker": 1}}, "MPI"),
        ({"jobType": ["MPI"]}, None),
        ({}, None),
    ],
)
def test_the_framework_stands_in_its_fields(spec, framework):
    record = observe(workload(kind="DistributedWorkload", spec=spec)).workload
    assert record.distributed_framework == framework


def test_the_launcher_of_mpi_trains_nothing():
    top = workload(kind="DistributedWorkload", spec=fields(workers=2, gpu="4", jobType="MPI"))
    asked = observe(top).workload.workload_requested
    assert asked is not None
    assert asked.requests.gpu_micros == 8_000_000


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_template_is_no_workload(kind):
    assert catalogue.is_template(workload(kind=kind, spec={"usage": "Template"}))
    assert not catalogue.is_template(workload(kind=kind, spec={"usage": "Submit"}))
    assert not catalogue.is_template(workload(kind=kind, spec={"usage": {"value": "Template"}}))


# A RunaiJob alone


@pytest.mark.parametrize(
    ("labels", "kind", "category"),
    [
        ({}, "Training", Category.TRAIN),
        ({"priorityClassName": "build"}, "Workspace", Category.BUILD),
        ({"priorityClassName": "train"}, "Training", Category.TRAIN),
    ],
)
def test_a_job_alone_is_a_workspace_by_its_class(labels, kind, category):
    record = observe(obj("RunaiJob", {"template": template()}, ACTIVE, labels=labels)).workload
    assert (record.type, record.category) == (kind, category)


def test_a_job_without_a_count_of_ready_pods_runs_by_its_active_one():
    record = observe(obj("RunaiJob", {"template": template()}, {"active": 1})).workload
    assert record.phase is Phase.RUNNING
    resuming = observe(obj("RunaiJob", {"template": template()}, {"conditions": [condition("Suspended")]})).workload
    assert resuming.phase is Phase.RESUMING
    queued = {"kueue.x-k8s.io/queue-name": "team-a"}
    held = observe(obj("RunaiJob", {"suspend": True, "template": template()}, {}, labels=queued)).workload
    assert held.phase is Phase.PENDING


def test_owners_are_read_as_they_are_written():
    assert run({}, OWNER).meta.owners == (
        OwnerReference(
            api_version="run.ai/v2alpha1", kind="TrainingWorkload", name="w", uid=OWNER.meta.uid, controller=False
        ),
    )


def test_the_operator_has_no_view_of_a_template_and_no_end():
    state = ClusterState(DomainSettings(), all_namespaces=True)
    key = KindKey(group="run.ai", kind="TrainingWorkload")
    metadata = {"name": "base", "namespace": "runai-team-a", "resourceVersion": "1"}
    for usage in ("Template", "Submit"):
        body = {
            "apiVersion": "run.ai/v2alpha1",
            "kind": "TrainingWorkload",
            "metadata": metadata | {"uid": usage},
            "spec": FIELDS | {"usage": usage},
        }
        state.observe(key, EventType.SEEN, body, at=NOW)
        assert (state.view(usage) is None) is (usage == "Template")
        state.observe(key, EventType.DELETED, body, at=NOW)
        assert (usage in state.ended) is (usage == "Submit")
