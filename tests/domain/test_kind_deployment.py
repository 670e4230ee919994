"""Deployment and ReplicaSet: every phase they can yield, in the shapes their controllers write."""

import pytest
from support.observed import CREATED, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, PhaseSource, Remembered, RequestedPods

AVAILABLE = condition("Available", "True", "MinimumReplicasAvailable")
ROLLED_OUT = condition("Progressing", "True", "NewReplicaSetAvailable")
DEADLINE = condition("Progressing", "False", "ProgressDeadlineExceeded", "ReplicaSet has timed out progressing.")
DENIED = condition("ReplicaFailure", "True", "FailedCreate", "pods is forbidden: exceeded quota")


def deployment(status=None, *, replicas=3, paused=None, **more):
    spec = {"template": template()} | ({} if replicas is None else {"replicas": replicas})
    spec |= {} if paused is None else {"paused": paused}
    return obj("Deployment", spec, status, **more)


def counts(existing, ready, updated=None, *conditions, observed=1):
    """A status as it is written: zeroes are left out."""
    found = {
        "replicas": existing,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "updatedReplicas": existing if updated is None else updated,
        "unavailableReplicas": max(0, existing - ready),
    }
    status = {"observedGeneration": observed, **{key: value for key, value in found.items() if value}}
    return status | ({"conditions": list(conditions)} if conditions else {})


def pods(*states):
    return [pod(f"w-{number}", state) for number, state in enumerate(states)]


READY = ("ready", "ready", "ready")

CASES = [
    ("deleted", Phase.DELETING, deployment(counts(3, 3), deleting=True), READY, False),
    ("status empty", Phase.CREATING, deployment(), (), False),
    ("generation not observed", Phase.CREATING, deployment({"observedGeneration": 1}, generation=2), (), False),
    ("no pod yet", Phase.CREATING, deployment({"observedGeneration": 1}), (), False),
    ("scaled to nothing", Phase.STOPPED, deployment({"observedGeneration": 1}, replicas=0), (), True),
    ("scaling to nothing", Phase.STOPPING, deployment(counts(2, 0), replicas=0), (), True),
    ("scaling to nothing, pods going", Phase.STOPPING, deployment(counts(0, 0), replicas=0), ("releasing",), True),
    ("one unscheduled", Phase.PENDING, deployment(counts(3, 2)), ("ready", "ready", "unscheduled"), False),
    ("starting", Phase.INITIALIZING, deployment(counts(3, 1)), ("ready", "creating", "creating"), False),
    ("starting, counts alone", Phase.INITIALIZING, deployment(counts(3, 1)), (), False),
    ("running", Phase.RUNNING, deployment(counts(3, 3, 3, AVAILABLE, ROLLED_OUT)), READY, False),
    ("running, counts alone", Phase.RUNNING, deployment(counts(3, 3, 3, AVAILABLE, ROLLED_OUT)), (), False),
    (
        "running though its ReplicaSet condition is old",
        Phase.RUNNING,
        deployment(counts(3, 3, 3, ROLLED_OUT)),
        (),
        True,
    ),
    ("default of one replica", Phase.RUNNING, deployment(counts(1, 1), replicas=None), ("ready",), False),
    ("pods die later", Phase.DEGRADED, deployment(counts(3, 2, 3, ROLLED_OUT)), ("ready", "ready", "crash"), True),
    ("available falls, counts alone", Phase.DEGRADED, deployment(counts(3, 2, 3, ROLLED_OUT)), (), True),
    ("evicted leftovers do not count", Phase.RUNNING, deployment(counts(3, 3)), (*READY, "evicted"), True),
    ("surge", Phase.UPDATING, deployment(counts(4, 3, 1)), (*READY, "creating"), True),
    ("rollout without surge", Phase.UPDATING, deployment(counts(3, 2, 1)), ("ready", "ready", "creating"), True),
    ("rollout, counts alone", Phase.UPDATING, deployment(counts(3, 3, 1)), (), True),
    ("rollout held by its owner", Phase.RUNNING, deployment(counts(3, 3, 0), paused=True), READY, True),
    ("rollout held midway", Phase.UPDATING, deployment(counts(4, 4, 1), paused=True), (*READY, "ready"), True),
    ("new spec not observed", Phase.UPDATING, deployment(counts(3, 3), generation=2), READY, True),
    ("new spec not observed, first sight", Phase.UPDATING, deployment(counts(3, 3), generation=2), (), False),
    ("new pod cannot pull", Phase.DEGRADED, deployment(counts(4, 3, 1)), (*READY, "image"), True),
    ("deadline, some serve", Phase.DEGRADED, deployment(counts(3, 2, 3, DEADLINE)), ("ready", "ready", "crash"), False),
    ("deadline, counts alone", Phase.DEGRADED, deployment(counts(3, 2, 3, DEADLINE)), (), False),
    ("deadline, none serves", Phase.FAILED, deployment(counts(3, 0, 3, DEADLINE)), ("not_ready",) * 3, False),
    (
        "deadline in the scheduler's queue",
        Phase.PENDING,
        deployment(counts(3, 0, 3, DEADLINE)),
        ("unscheduled",) * 3,
        False,
    ),
    ("quota, none serves", Phase.FAILED, deployment(counts(0, 0, 0, DENIED)), (), False),
    ("quota, some serve", Phase.DEGRADED, deployment(counts(2, 2, 2, DENIED)), ("ready", "ready"), True),
    ("all crash", Phase.FAILED, deployment(counts(3, 0)), ("crash",) * 3, True),
    ("all restart", Phase.INITIALIZING, deployment(counts(3, 0)), ("restarting",) * 3, True),
    ("recovers", Phase.RUNNING, deployment(counts(3, 3)), READY, True),
    ("replicas absurd, pods decide", Phase.RUNNING, deployment(counts(3, 3), replicas="three"), READY, False),
    (
        "replicas absurd, nothing known",
        Phase.UNKNOWN,
        deployment({"observedGeneration": 1}, replicas="three"),
        (),
        False,
    ),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_deployment(wanted, top, states, ran):
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message
    assert record.phase_source is PhaseSource.KIND


def test_a_failed_deployment_is_not_latched_and_never_completed():
    top = deployment(counts(3, 0))
    failed = observe(top, *pods("crash", "crash", "crash")).workload
    back = observe(deployment(counts(3, 3)), *pods(*READY), remembered=Remembered.of(failed)).workload
    assert (failed.phase, failed.completed_at) == (Phase.FAILED, None)
    assert (back.phase, back.completed_at) == (Phase.RUNNING, None)


def test_no_memory_of_an_end_holds_a_service():
    ended = Remembered(phase=Phase.FAILED, completed_at=CREATED)
    assert observe(deployment(counts(3, 3)), *pods(*READY), remembered=ended).workload.phase is Phase.RUNNING


def test_a_scale_up_is_updating_until_it_is_up_and_a_lost_pod_is_not_one():
    ran = observe(deployment(counts(2, 2), replicas=2), *pods("ready", "ready")).workload
    assert ran.requested_pods == RequestedPods(number=2)
    growing = deployment(counts(3, 2, observed=2), replicas=3, generation=2)
    three = pods("ready", "ready", "creating")
    up = observe(growing, *three, remembered=Remembered.of(ran)).workload
    still = observe(growing, *three, remembered=Remembered.of(up)).workload
    done = observe(growing, *pods(*READY), remembered=Remembered.of(still)).workload
    lost = observe(growing, *pods("ready", "ready"), remembered=Remembered.of(done)).workload
    assert [found.phase for found in (ran, up, still, done, lost)] == [
        Phase.RUNNING,
        Phase.UPDATING,
        Phase.UPDATING,
        Phase.RUNNING,
        Phase.DEGRADED,
    ]


def test_stopping_opens_the_latch():
    stopped = observe(deployment({"observedGeneration": 1}, replicas=0), remembered=latched()).workload
    assert stopped.running_since is None
    again = observe(deployment(counts(3, 2)), *pods("ready", "ready", "unscheduled"), remembered=Remembered.of(stopped))
    assert again.workload.phase is Phase.PENDING


def test_what_the_record_says_of_a_deployment():
    record = observe(deployment(counts(3, 3, 3, AVAILABLE, ROLLED_OUT)), *pods(*READY)).workload
    assert (record.type, record.category, record.k8s_phase) == ("Deployment", "Deploy", "Available")
    assert (record.priority_class_name, record.priority, record.preemptible) == ("inference", 125, False)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 3_000_000
    assert record.allocated.cpu_millis == 6000


@pytest.mark.parametrize(
    ("name", "wanted", "status", "states", "ran"),
    [
        ("running", Phase.RUNNING, counts(3, 3), READY, False),
        ("running, counts alone", Phase.RUNNING, counts(3, 3), (), False),
        ("starting", Phase.INITIALIZING, counts(3, 1), (), False),
        ("degraded", Phase.DEGRADED, counts(3, 1), (), True),
        ("scaling down", Phase.UPDATING, counts(4, 4), (), True),
        ("quota", Phase.FAILED, counts(0, 0, 0, DENIED), (), False),
        ("pending", Phase.PENDING, counts(3, 0), ("unscheduled",) * 3, False),
        ("status empty", Phase.CREATING, {}, (), False),
        ("generation not observed", Phase.CREATING, {"observedGeneration": 0}, (), False),
        ("pods missing", Phase.PENDING, counts(2, 2), ("ready", "ready"), False),
        ("quota, some serve", Phase.DEGRADED, counts(2, 2, 2, DENIED), ("ready", "ready"), False),
        ("a pod is lost", Phase.DEGRADED, counts(3, 2), ("ready", "ready", "crash"), True),
        ("all restart", Phase.INITIALIZING, counts(3, 0), ("restarting",) * 3, True),
        ("all crash", Phase.FAILED, counts(3, 0), ("crash",) * 3, True),
    ],
)
def test_replica_set(name, wanted, status, states, ran):
    top = obj("ReplicaSet", {"replicas": 3, "template": template()}, status)
    assert observe(top, *pods(*states), remembered=latched() if ran else None).workload.phase is wanted, name


@pytest.mark.parametrize(
    ("wanted", "replicas", "status", "states", "more"),
    [
        (Phase.DELETING, 3, counts(3, 3), READY, {"deleting": True}),
        (Phase.STOPPED, 0, {"observedGeneration": 1}, (), {}),
        (Phase.STOPPING, 0, counts(1, 1), ("releasing",), {}),
        (Phase.UNKNOWN, "many", counts(3, 3), (), {}),
        (Phase.RUNNING, "many", counts(3, 3), READY, {}),
    ],
)
def test_a_replica_set_on_its_way_out_or_absurd(wanted, replicas, status, states, more):
    top = obj("ReplicaSet", {"replicas": replicas, "template": template()}, status, **more)
    assert observe(top, *pods(*states)).workload.phase is wanted
