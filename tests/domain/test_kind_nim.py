"""The kinds of the NIM operator: NIMService, the microservices of NeMo, NIMPipeline, NIMCache and NIMBuild."""

import pytest
from support.observed import NOW, condition, latched, obj, observe, pod

from rollcall.domain.records import Category, Phase, Remembered, RequestedPods

GPUS = {"limits": {"nvidia.com/gpu": "2"}}
SERVICES = ("NIMService", "NemoCustomizer", "NemoDatastore", "NemoEntitystore", "NemoEvaluator", "NemoGuardrail")


def service_spec(replicas=1, **more):
    spec = {"image": {"repository": "nim/llama", "tag": "1.0"}, "resources": GPUS, "args": ["--model", "llama"]}
    return spec | ({} if replicas is None else {"replicas": replicas}) | more


def service(found=None, *, replicas=1, spec=None, kind="NIMService", **more):
    return obj(kind, service_spec(replicas, **(spec or {})), found, **more)


def status(state, *conditions, **more):
    return {"state": state, "conditions": list(conditions)} | more


NOT = condition("Failed", "False", "Ready", "NIMService w not ready")
READY = status("Ready", condition("Ready", "True", "Ready"), availableReplicas=1)
OLD_READY = status("Ready", condition("NIM_SERVICE_READY", "True", "Ready"))
NOT_READY = status("NotReady", condition("Ready", "False", "NotReady", "deployment w not ready"), NOT)
PENDING, CREATED = status("Pending"), status("PVC-Created", condition("NIM_CACHE_PVC_CREATED"))
FAILED = status("Failed", condition("Failed", "True", "PVCFailed", "no such claim"))
OLD_FAILED = status("", condition("NIM_SERVICE_FAILED", "True", "PVCFailed"))

CASES = [
    ("deleted", Phase.DELETING, service(READY, deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, service(), (), False),
    ("no word yet", Phase.CREATING, service(status("")), (), False),
    ("pending", Phase.PENDING, service(PENDING), (), False),
    ("claim created", Phase.PENDING, service(CREATED), (), False),
    ("pending, its pod is ready", Phase.RUNNING, service(PENDING), ("ready",), False),
    ("waits for a GPU", Phase.PENDING, service(NOT_READY), ("unscheduled",), False),
    ("starting", Phase.INITIALIZING, service(NOT_READY), ("creating",), False),
    ("starting, its word alone", Phase.INITIALIZING, service(NOT_READY), (), False),
    ("its pod is ready, its word not", Phase.INITIALIZING, service(NOT_READY), ("ready",), False),
    ("running", Phase.RUNNING, service(READY), ("ready",), False),
    ("running, its word alone", Phase.RUNNING, service(READY), (), False),
    ("running, an old condition", Phase.RUNNING, service(OLD_READY), (), False),
    ("one of two is lost", Phase.DEGRADED, service(READY, replicas=2), ("ready",), True),
    ("not ready any more", Phase.DEGRADED, service(NOT_READY), (), True),
    ("bad image tag: not ready for ever", Phase.FAILED, service(NOT_READY), ("image",), False),
    ("failed", Phase.FAILED, service(FAILED), (), False),
    ("failed, an old condition", Phase.FAILED, service(OLD_FAILED), (), False),
    ("scaling to nothing", Phase.STOPPING, service(READY, replicas=0), (), True),
    ("scaled to nothing", Phase.STOPPED, service(NOT_READY, replicas=0), (), True),
    ("absurd replicas", Phase.UNKNOWN, service(READY, replicas="two"), (), False),
    ("absurd status", Phase.CREATING, service({"state": 3, "conditions": 4}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_nim_service(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.completed_at is None


@pytest.mark.parametrize("kind", SERVICES)
def test_the_microservices_of_nemo_are_services_alike(kind):
    record = observe(service(READY, kind=kind), pod()).workload
    assert (record.type, record.phase, record.category) == (kind, Phase.RUNNING, Category.DEPLOY)
    assert observe(service(FAILED, kind=kind)).workload.phase is Phase.FAILED
    assert observe(service(NOT_READY, kind=kind), remembered=latched()).workload.phase is Phase.DEGRADED


def test_a_service_without_a_template_asks_by_its_resources():
    record = observe(service(READY, replicas=2), pod("w-0"), pod("w-1")).workload
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 4_000_000
    assert (record.images, record.arguments) == (("nim/llama:1.0",), "--model llama")


@pytest.mark.parametrize(
    ("name", "spec", "asked"),
    [
        ("of one node", {}, RequestedPods(number=2)),
        ("of several nodes", {"multiNode": {"size": 3}}, RequestedPods(number=6)),
        ("of a pipeline", {"multiNode": {"parallelism": {"pipeline": 2}}}, RequestedPods(number=4)),
        (
            "autoscaled",
            {"scale": {"enabled": True, "hpa": {"minReplicas": 1, "maxReplicas": 5}}},
            RequestedPods(number=1, min=1, max=5),
        ),
        ("absurd nodes", {"multiNode": {"size": "all"}}, RequestedPods(number=None)),
    ],
)
def test_how_many_pods_a_service_asks_for(name, spec, asked):
    assert observe(service(READY, replicas=2, spec=spec)).workload.requested_pods == asked, name


# Pipelines


def pipeline(found=None, *, services=2, enabled=True, replicas=1, **more):
    each = [{"name": f"s{number}", "enabled": enabled, "spec": service_spec(replicas)} for number in range(services)]
    return obj("NIMPipeline", {"services": each}, found, **more)


PIPELINE_FAILED = status("Failed", condition("NIM_PIPELINE_FAILED", "True", "Failed", "s1 failed"))

PIPELINE_CASES = [
    ("deleted", Phase.DELETING, pipeline(READY, deleting=True), ("ready", "ready"), True),
    ("status empty", Phase.CREATING, pipeline(), (), False),
    ("starting", Phase.INITIALIZING, pipeline(status("NotReady")), (), False),
    ("one service has no pod yet", Phase.PENDING, pipeline(status("NotReady")), ("ready",), False),
    ("running", Phase.RUNNING, pipeline(READY), ("ready", "ready"), False),
    ("running, its word alone, in small letters", Phase.RUNNING, pipeline(status("ready")), (), False),
    ("a service is not ready", Phase.DEGRADED, pipeline(status("not-ready")), ("ready", "not_ready"), True),
    ("one service failed, one serves", Phase.DEGRADED, pipeline(PIPELINE_FAILED), ("ready", "crash"), True),
    ("failed", Phase.FAILED, pipeline(PIPELINE_FAILED), (), False),
    ("all services off", Phase.STOPPED, pipeline(READY, enabled=False), (), True),
    ("all services at 0", Phase.STOPPED, pipeline(status("NotReady"), replicas=0), (), True),
    ("going off", Phase.STOPPING, pipeline(READY, enabled=False), ("releasing",), True),
    ("absurd services", Phase.UNKNOWN, pipeline(READY, replicas="x"), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in PIPELINE_CASES], ids=[case[0] for case in PIPELINE_CASES]
)
def test_nim_pipeline(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_what_a_pipeline_asks_for():
    record = observe(pipeline(READY, services=3)).workload
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 6_000_000


# Caches and builds

DONE = status("Ready", condition("NIM_CACHE_JOB_COMPLETED", "True", "JobCompleted"))
BUILT = status("Ready", condition("NIM_BUILD_ENGINE_BUILD_POD_COMPLETED", "True", "PodCompleted"))
BROKEN = status("Failed", condition("NIM_CACHE_RECONCILE_FAILED", "True", "ReconcileFailed", "no such secret"))

TASK_CASES = [
    ("status empty", Phase.CREATING, None, (), False),
    ("pending", Phase.PENDING, status("Pending"), (), False),
    ("claim created", Phase.PENDING, CREATED, (), False),
    ("not ready", Phase.INITIALIZING, status("NotReady"), (), False),
    ("waits for a node", Phase.PENDING, status("Started"), ("unscheduled",), False),
    ("pulling", Phase.INITIALIZING, status("Started"), ("creating",), False),
    ("started, its word alone", Phase.RUNNING, status("Started"), (), False),
    ("in progress", Phase.RUNNING, status("InProgress"), ("ready",), False),
    ("in progress, its pod is done", Phase.RUNNING, status("InProgress"), ("succeeded",), True),
    ("cannot pull", Phase.FAILED, status("Started"), ("image",), False),
    ("done", Phase.COMPLETED, DONE, ("succeeded",), True),
    ("done, its pod gone", Phase.COMPLETED, BUILT, (), True),
    ("failed", Phase.FAILED, BROKEN, ("failed",), True),
    ("absurd", Phase.CREATING, {"state": ["Ready"]}, (), False),
]


@pytest.mark.parametrize("kind", ["NIMCache", "NIMBuild"])
@pytest.mark.parametrize(
    ("wanted", "found", "states", "ran"), [case[1:] for case in TASK_CASES], ids=[case[0] for case in TASK_CASES]
)
def test_nim_cache_and_build(kind, wanted, found, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(obj(kind, {}, found), *pods, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert (record.type, record.category) == (kind, Category.TRAIN)


def test_the_end_of_a_cache_is_latched():
    done = observe(obj("NIMCache", {}, DONE)).workload
    again = observe(obj("NIMCache", {}, status("NotReady")), remembered=Remembered.of(done)).workload
    assert (done.phase, again.phase) == (Phase.COMPLETED, Phase.COMPLETED)
    assert done.completed_at is not None
    assert again.completed_at == done.completed_at < NOW
