"""AppWrapper: held, made, reset and ended by its own phases; what it asks for stands in what it wraps."""

from datetime import timedelta

import pytest
from support.observed import NOW, at, latched, obj, observe, pod, template

from rollcall.domain.records import Category, Phase, Remembered, RequestedPods

QUEUE = {"kueue.x-k8s.io/queue-name": "team-a"}
SETS = [{"replicas": 1, "path": "template.spec.pytorchReplicaSpecs.Master.template"}, {"replicas": 2, "path": "x"}]


def training(workers=2):
    roles = {"Master": {"template": template()}, "Worker": {"replicas": workers, "template": template(gpus=2)}}
    return {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": {"pytorchReplicaSpecs": roles}}


def wrapper(found=None, *bodies, sets=SETS, suspend=False, **more):
    components = [{"template": body} | ({"podSets": sets} if sets else {}) for body in (bodies or (training(),))]
    return obj("AppWrapper", {"components": components, "suspend": suspend}, found, **more)


def said(condition_type, value="True", reason="", message="", minutes=10):
    since = at(NOW - timedelta(minutes=minutes))
    return {"type": condition_type, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}


def status(phase, *conditions, **more):
    return {"phase": phase, "conditions": list(conditions), **more}


ADMITTED, DEPLOYED = said("QuotaReserved"), said("ResourcesDeployed", minutes=90)
UP = said("PodsReady", "True", "SufficientPodsReady", "3 pods running; 0 pods succeeded")
NOT_UP = said("PodsReady", "False", "InsufficientPodsReady", "1 pods pending; 2 pods running; 0 pods succeeded")
WELL, ILL = said("Unhealthy", "False", "FoundNoFailedPods"), said("Unhealthy", "True", "FoundFailedPods")
UNMADE = said("Unhealthy", "True", "CreateFailed", "error creating components: quota")
UNDEPLOYED = said("ResourcesDeployed", "False", "AppWrapperFailed", "Resources deleted for failed AppWrapper")
RELEASED = said("QuotaReserved", "False", "Suspended", "Suspend is true")

RUNNING = status("Running", ADMITTED, DEPLOYED, UP, WELL)
STARTING = status("Running", ADMITTED, DEPLOYED, NOT_UP, WELL)
SICK = status("Running", ADMITTED, DEPLOYED, UP, ILL)


def pods(*states):
    roles = ("master", *("worker",) * (len(states) - 1))
    return [pod(f"w-{role}-{n}", state, role=role) for n, (role, state) in enumerate(zip(roles, states, strict=True))]


THREE = ("ready", "ready", "ready")

CASES = [
    ("deleted", Phase.DELETING, wrapper(status("Terminating", DEPLOYED), deleting=True), pods("releasing"), True),
    ("status empty", Phase.CREATING, wrapper(), [], False),
    ("no phase yet", Phase.CREATING, wrapper(status("")), [], False),
    ("held by Kueue, not seen yet", Phase.PENDING, wrapper(suspend=True, labels=QUEUE), [], False),
    ("held by Kueue", Phase.PENDING, wrapper(status("Suspended"), suspend=True, labels=QUEUE), [], False),
    (
        "held by Kueue's old annotation",
        Phase.PENDING,
        wrapper(status("Suspended"), suspend=True, annotations=QUEUE),
        [],
        False,
    ),
    ("suspended without a queue", Phase.STOPPED, wrapper(status("Suspended", RELEASED), suspend=True), [], True),
    ("suspending", Phase.STOPPING, wrapper(status("Suspending", DEPLOYED), suspend=True), pods("releasing"), True),
    ("suspending, no pod known", Phase.STOPPING, wrapper(status("Suspending", DEPLOYED), suspend=True), [], True),
    ("suspending, wanted again", Phase.STOPPING, wrapper(status("Suspending", DEPLOYED)), pods("releasing"), True),
    (
        "preempted by Kueue",
        Phase.STOPPING,
        wrapper(status("Suspending", DEPLOYED), suspend=True, labels=QUEUE),
        pods("releasing"),
        True,
    ),
    ("released", Phase.RESUMING, wrapper(status("Suspended", RELEASED)), [], False),
    ("resuming", Phase.RESUMING, wrapper(status("Resuming", ADMITTED, DEPLOYED)), [], False),
    ("a pod waits", Phase.PENDING, wrapper(STARTING), pods("ready", "ready", "unscheduled"), False),
    ("a pod is missing", Phase.PENDING, wrapper(STARTING), pods("ready", "ready"), False),
    ("starting", Phase.INITIALIZING, wrapper(STARTING), pods("ready", "ready", "creating"), False),
    ("starting, conditions alone", Phase.INITIALIZING, wrapper(STARTING), [], False),
    ("cannot be made", Phase.INITIALIZING, wrapper(status("Running", DEPLOYED, NOT_UP, UNMADE)), [], False),
    (
        "resetting",
        Phase.INITIALIZING,
        wrapper(status("Resetting", ADMITTED, DEPLOYED, NOT_UP, ILL)),
        pods("releasing"),
        True,
    ),
    ("resetting, no pod known", Phase.INITIALIZING, wrapper(status("Resetting", ADMITTED, ILL)), [], True),
    ("running", Phase.RUNNING, wrapper(RUNNING), pods(*THREE), False),
    ("running, conditions alone", Phase.RUNNING, wrapper(RUNNING), [], False),
    ("running, its conditions late", Phase.RUNNING, wrapper(STARTING), pods(*THREE), False),
    ("one has succeeded", Phase.RUNNING, wrapper(RUNNING), pods("ready", "ready", "succeeded"), True),
    ("a pod failed", Phase.DEGRADED, wrapper(SICK), pods("ready", "ready", "failed"), True),
    ("a pod failed, first seen so", Phase.DEGRADED, wrapper(SICK), pods("ready", "ready", "failed"), False),
    ("a pod failed, conditions alone", Phase.DEGRADED, wrapper(SICK), [], False),
    ("a pod is lost, not said yet", Phase.DEGRADED, wrapper(RUNNING), pods("ready", "ready", "crash"), True),
    ("cannot pull", Phase.FAILED, wrapper(STARTING), pods("image", "image", "image"), False),
    (
        "failed, pods live on",
        Phase.DEGRADED,
        wrapper(status("Failed", DEPLOYED, ILL)),
        pods("ready", "ready", "failed"),
        True,
    ),
    ("failed, its objects gone", Phase.FAILED, wrapper(status("Failed", UNDEPLOYED, ILL)), [], True),
    (
        "failed, its pods over",
        Phase.FAILED,
        wrapper(status("Failed", DEPLOYED, ILL)),
        pods("failed", "succeeded"),
        True,
    ),
    (
        "succeeded",
        Phase.COMPLETED,
        wrapper(status("Succeeded", DEPLOYED, UP)),
        pods("succeeded", "succeeded", "succeeded"),
        True,
    ),
    ("succeeded, pods gone", Phase.COMPLETED, wrapper(status("Succeeded", DEPLOYED)), [], False),
    ("absurd pod sets", Phase.UNKNOWN, wrapper(STARTING, sets=[{"replicas": "two"}]), [], False),
    ("an unknown word", Phase.CREATING, wrapper(status("Sleeping")), [], False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_app_wrapper(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_reset_is_a_new_start():
    again = said("ResourcesDeployed", minutes=5)
    top = wrapper(status("Running", ADMITTED, again, NOT_UP, WELL))
    record = observe(top, *pods("ready", "ready", "unscheduled"), remembered=latched()).workload
    assert (record.phase, record.running_since) == (Phase.PENDING, None)


def test_when_it_ended():
    record = observe(wrapper(status("Failed", UNDEPLOYED, ILL))).workload
    assert record.completed_at == NOW - timedelta(minutes=10)
    assert "FoundFailedPods" in (record.phase_message or "")
    later = observe(wrapper(RUNNING), remembered=Remembered.of(record)).workload
    assert later.phase is Phase.FAILED
    still_there = observe(wrapper(status("Failed", DEPLOYED, ILL)), *pods("failed")).workload
    assert still_there.completed_at is None


def test_what_the_record_says_comes_from_what_it_wraps():
    record = observe(wrapper(RUNNING), *pods(*THREE)).workload
    assert (record.type, record.category, record.distributed_framework) == ("AppWrapper", Category.TRAIN, "PyTorch")
    assert record.requested_pods == RequestedPods(number=3)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 5_000_000
    assert record.k8s_phase == "Running"


SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "w"}, "spec": {}}
SERVED = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2, "template": template(gpus=1)}}
BARE = {"apiVersion": "v1", "kind": "Pod", "spec": template(gpus=3)["spec"]}
SET = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "spec": {"replicatedJobs": [{"name": "a", "replicas": 2, "template": {"spec": {"template": template(gpus=2)}}}]},
}
STRANGE = {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"parts": [{"pod": template(gpus=4)}]}}
AT_PART = [{"replicas": 2, "path": "template.spec.parts[0].pod"}]


@pytest.mark.parametrize(
    ("bodies", "sets", "category", "framework", "number", "gpus"),
    [
        ((SERVICE, SERVED), None, Category.DEPLOY, None, 2, 2),
        ((BARE,), None, Category.TRAIN, None, 1, 3),
        ((SET, training(1)), None, Category.TRAIN, None, 4, 7),
        ((STRANGE,), AT_PART, Category.TRAIN, None, 2, 8),
        ((STRANGE,), [{"replicas": 2, "path": "template.spec.parts[7].pod"}], Category.TRAIN, None, None, None),
        (("nothing", None, {"kind": "Job"}), None, Category.TRAIN, None, None, None),
        (
            (
                {
                    "apiVersion": "workload.codeflare.dev/v1beta2",
                    "kind": "AppWrapper",
                    "spec": {"components": [{"template": BARE}]},
                },
            ),
            None,
            Category.TRAIN,
            None,
            1,
            3,
        ),
    ],
)
def test_what_it_wraps(bodies, sets, category, framework, number, gpus):
    record = observe(wrapper(RUNNING, *bodies, sets=sets)).workload
    assert (record.category, record.distributed_framework) == (category, framework)
    assert record.requested_pods == (None if number is None else RequestedPods(number=number))
    asked = record.workload_requested
    assert (None if asked is None else asked.requests.gpu_micros) == (None if gpus is None else gpus * 1_000_000)


def test_pod_sets_that_the_controller_inferred():
    inferred = [{"name": "w", "kind": "Thing", "podSets": [{"replicas": 3, "path": "template.spec.parts[0].pod"}]}]
    top = wrapper(RUNNING | {"componentStatus": inferred}, STRANGE, sets=None)
    assert observe(top).workload.requested_pods == RequestedPods(number=3)
    assert observe(top, *pods("ready", "ready")).workload.phase is Phase.PENDING
