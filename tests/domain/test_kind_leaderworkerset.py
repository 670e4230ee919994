"""LeaderWorkerSet: its counts are groups, and no observedGeneration is written."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

AVAILABLE = condition("Available", "True", "AllGroupsReady", "All replicas are ready")
PROGRESSING = condition("Progressing", "True", "GroupsProgressing", "Replicas are progressing")
UPDATING = condition("UpdateInProgress", "True", "GroupsUpdating", "Rolling upgrade is in progress")


def lws(status=None, *, replicas=2, size=3, leader=None, startup=None, **more):
    group = {"size": size, "workerTemplate": template(gpus=2)} | ({"leaderTemplate": leader} if leader else {})
    spec = {"replicas": replicas, "leaderWorkerTemplate": group, "startupPolicy": startup or "LeaderCreated"}
    return obj("LeaderWorkerSet", {key: value for key, value in spec.items() if value is not None}, status, **more)


def counts(existing, ready, *conditions, updated=None):
    """What is 0 is left out."""
    found = {"replicas": existing, "readyReplicas": ready, "updatedReplicas": existing if updated is None else updated}
    return {**{key: value for key, value in found.items() if value}, "conditions": list(conditions)}


def pods(*groups):
    """Each group is the states of its leader and its workers."""
    key = "leaderworkerset.sigs.k8s.io"
    return [
        pod(f"w-{g}-{i}", state, labels={f"{key}/group-index": str(g), f"{key}/worker-index": str(i)})
        for g, states in enumerate(groups)
        for i, state in enumerate(states)
    ]


READY = ("ready", "ready", "ready")
LEADER_FIRST = {"startup": "LeaderReady"}

CASES = [
    ("deleted", Phase.DELETING, lws(counts(2, 2, AVAILABLE), deleting=True), (READY, READY), True),
    ("status empty", Phase.CREATING, lws(), (), False),
    ("no group yet", Phase.CREATING, lws(counts(0, 0, PROGRESSING)), (), False),
    (
        "a worker waits",
        Phase.PENDING,
        lws(counts(2, 1, PROGRESSING)),
        (READY, ("ready", "ready", "unscheduled")),
        False,
    ),
    ("a worker missing", Phase.PENDING, lws(counts(2, 1, PROGRESSING)), (READY, ("ready", "ready")), False),
    ("starts", Phase.INITIALIZING, lws(counts(2, 1, PROGRESSING)), (READY, ("ready", "creating", "creating")), False),
    ("starts, counts alone", Phase.INITIALIZING, lws(counts(2, 1, PROGRESSING)), (), False),
    (
        "workers not due before their leader",
        Phase.INITIALIZING,
        lws(counts(2, 0, PROGRESSING), **LEADER_FIRST),
        (("creating",), ("creating",)),
        False,
    ),
    (
        "workers due after their leader",
        Phase.PENDING,
        lws(counts(2, 0, PROGRESSING), **LEADER_FIRST),
        (("ready",), ("creating",)),
        False,
    ),
    ("running", Phase.RUNNING, lws(counts(2, 2, AVAILABLE)), (READY, READY), False),
    ("running, counts alone", Phase.RUNNING, lws(counts(2, 2, AVAILABLE)), (), False),
    ("running, no generation", Phase.RUNNING, lws(counts(2, 2, AVAILABLE), generation=5), (READY, READY), True),
    ("single pods", Phase.RUNNING, lws(counts(2, 2, AVAILABLE), size=1), (("ready",), ("ready",)), False),
    ("defaults", Phase.RUNNING, lws(counts(1, 1, AVAILABLE), replicas=None, size=None), (("ready",),), False),
    ("rolling", Phase.UPDATING, lws(counts(2, 1, UPDATING, updated=1)), (READY, ("ready", "ready", "creating")), True),
    ("rolling, first sight", Phase.UPDATING, lws(counts(2, 1, UPDATING, updated=1)), (), False),
    ("surge", Phase.UPDATING, lws(counts(3, 2)), (READY, READY, ("creating",)), True),
    ("scaling down, counts alone", Phase.UPDATING, lws(counts(3, 3)), (), True),
    ("rolling into a crash", Phase.DEGRADED, lws(counts(2, 1, UPDATING)), (READY, ("crash", "ready", "ready")), True),
    ("all restart", Phase.INITIALIZING, lws(counts(2, 0, PROGRESSING)), (("restarting",) * 3,) * 2, True),
    ("all crash", Phase.FAILED, lws(counts(2, 0, PROGRESSING)), (("crash",) * 3,) * 2, True),
    ("cannot pull", Phase.FAILED, lws(counts(2, 0, PROGRESSING)), (("image",) * 3,) * 2, False),
    ("scaling to nothing", Phase.STOPPING, lws(counts(1, 0), replicas=0), (("releasing",),), True),
    ("scaling to nothing, counts alone", Phase.STOPPING, lws(counts(1, 0), replicas=0), (), True),
    ("scaled to nothing", Phase.STOPPED, lws(counts(0, 0, AVAILABLE), replicas=0), (), True),
    ("absurd size", Phase.UNKNOWN, lws(counts(1, 0), size="big"), (), False),
    ("absurd size, pods decide", Phase.RUNNING, lws(counts(1, 1), size="big"), (READY,), False),
    ("absurd replicas", Phase.UNKNOWN, lws(counts(1, 0), replicas=-1), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "groups", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_leader_worker_set(wanted, top, groups, ran):
    record = observe(top, *pods(*groups), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_scale_up_is_updating_and_a_lost_group_is_not():
    ran = observe(lws(counts(1, 1, AVAILABLE), replicas=1), *pods(READY)).workload
    growing = lws(counts(2, 1, PROGRESSING))
    up = observe(growing, *pods(READY, ("ready", "creating", "creating")), remembered=Remembered.of(ran)).workload
    done = observe(lws(counts(2, 2, AVAILABLE)), *pods(READY, READY), remembered=Remembered.of(up)).workload
    lost = observe(growing, *pods(READY, ("creating",)), remembered=Remembered.of(done)).workload
    phases = [found.phase for found in (ran, up, done, lost)]
    assert phases == [Phase.RUNNING, Phase.UPDATING, Phase.RUNNING, Phase.DEGRADED]


def test_a_failure_is_left():
    failed = observe(lws(counts(2, 0)), *pods(("image",) * 3, ("image",) * 3)).workload
    back = observe(lws(counts(2, 2)), *pods(READY, READY), remembered=Remembered.of(failed)).workload
    assert (failed.phase, failed.completed_at, back.phase) == (Phase.FAILED, None, Phase.RUNNING)


@pytest.mark.parametrize(
    ("leader", "size", "gpus", "pods_asked"),
    [(None, 3, 12, 6), (template(gpus=0), 3, 8, 6), (None, 1, 4, 2), (template(gpus=1), 1, 2, 2)],
)
def test_what_it_asks_for(leader, size, gpus, pods_asked):
    record = observe(lws(counts(2, 2, AVAILABLE), leader=leader, size=size)).workload
    assert record.requested_pods == RequestedPods(number=pods_asked)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == gpus * 1_000_000


def test_what_the_record_says():
    leader = template(gpus=0, priorityClassName="high")
    found = observe(lws(counts(2, 2, AVAILABLE), leader=leader), *pods(READY, READY))
    record = found.workload
    assert (record.category, record.k8s_phase, record.priority_class_name) == ("Deploy", "Available", "high")
    assert [row.role for row in found.pods] == ["leader", "leader", "worker", "worker", "worker", "worker"]
