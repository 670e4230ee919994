"""JobSet: counts of Jobs, roles that wait for each other, restarts."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods

ROLE = "jobset.sigs.k8s.io/replicatedjob-name"
ATTEMPT = "jobset.sigs.k8s.io/restart-attempt"
SUSPENDED = [condition("Suspended", "True", "SuspendedJobs", "jobset is suspended")]
RESUMED = [condition("Suspended", "False", "ResumeJobs", "jobset is resumed")]
FAILED = [condition("Failed", "True", "FailedJobs", "jobset failed due to one or more job failures")]
COMPLETED = [condition("Completed", "True", "AllJobsCompleted", "jobset completed successfully")]
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}


def replicated(name, *, replicas=1, gpus=1, depends_on=None, **spec):
    found = {"name": name, "replicas": replicas, "template": {"spec": {"template": template(gpus=gpus), **spec}}}
    return found | ({"dependsOn": depends_on} if depends_on else {})


LEADER = replicated("leader", parallelism=1, completions=1, gpus=0)
WORKERS = replicated("workers", replicas=2, parallelism=2, completions=2, gpus=4)
AFTER_READY = [{"name": "leader", "status": "Ready"}]
AFTER_DONE = [{"name": "leader", "status": "Complete"}]


def counts(*roles):
    names = ("ready", "succeeded", "failed", "active", "suspended")
    return [{"name": role, **dict(zip(names, (*numbers, 0, 0, 0, 0, 0), strict=False))} for role, *numbers in roles]


def status(*roles, conditions=(), restarts=0, **more):
    return {"restarts": restarts, "replicatedJobsStatus": counts(*roles), "conditions": list(conditions), **more}


def job_set(found=None, *roles, suspend=None, spec=None, **more):
    asked = {"replicatedJobs": list(roles or (LEADER, WORKERS))} | (spec or {})
    return obj("JobSet", asked | ({} if suspend is None else {"suspend": suspend}), found, **more)


def owner(name):
    return [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": f"job-{name}", "controller": True}]


def pods(leader, *workers, attempt=0, created_at=CREATED):
    found = [("leader", "leader-0", 0, leader)] if leader else []
    found += [("workers", f"workers-{n // 2}", n % 2, state) for n, state in enumerate(workers) if state]
    return [
        pod(
            f"w-{job}-{index}-{attempt}",
            state,
            labels={ROLE: role, ATTEMPT: str(attempt)},
            ownerReferences=owner(f"{job}-{attempt}"),
            creationTimestamp=at(created_at),
            restart_policy="Never",
        )
        for role, job, index, state in found
    ]


FOUR = ("ready",) * 4
ALL = status(("leader", 1, 0, 0, 1), ("workers", 2, 0, 0, 2))
STARTING = status(("leader", 0, 0, 0, 1), ("workers", 0, 0, 0, 2))
NONE = status(("leader",), ("workers",))
IN_ORDER = {"startupPolicy": {"startupPolicyOrder": "InOrder"}}
WAITING_WORKERS = replicated("workers", replicas=2, parallelism=2, completions=2, depends_on=AFTER_READY)
LATE_WORKERS = replicated("workers", replicas=2, parallelism=2, completions=2, depends_on=AFTER_DONE)

CASES = [
    ("deleted", Phase.DELETING, job_set(ALL, deleting=True), pods("ready", *FOUR), True),
    ("status empty", Phase.CREATING, job_set(), [], False),
    ("no pod yet", Phase.CREATING, job_set(NONE), [], False),
    (
        "a worker waits",
        Phase.PENDING,
        job_set(STARTING),
        pods("ready", "ready", "ready", "ready", "unscheduled"),
        False,
    ),
    ("a worker is missing", Phase.PENDING, job_set(STARTING), pods("ready", "ready", "ready", "ready"), False),
    ("gated", Phase.PENDING, job_set(STARTING), pods(*("gated",) * 5), False),
    ("starting", Phase.INITIALIZING, job_set(STARTING), pods("ready", "ready", "ready", "ready", "creating"), False),
    ("starting, counts alone", Phase.INITIALIZING, job_set(STARTING), [], False),
    (
        "one Job ready, counts alone",
        Phase.INITIALIZING,
        job_set(status(("leader", 1, 0, 0, 1), ("workers", 1, 0, 0, 2))),
        [],
        False,
    ),
    ("startup in order, workers not due", Phase.INITIALIZING, job_set(NONE, spec=IN_ORDER), pods("creating"), False),
    (
        "startup in order, workers due",
        Phase.PENDING,
        job_set(status(("leader", 1, 0, 0, 1)), spec=IN_ORDER),
        pods("ready"),
        False,
    ),
    (
        "depends on the leader's readiness",
        Phase.INITIALIZING,
        job_set(NONE, LEADER, WAITING_WORKERS),
        pods("creating"),
        False,
    ),
    (
        "the leader is ready",
        Phase.PENDING,
        job_set(status(("leader", 1, 0, 0, 1)), LEADER, WAITING_WORKERS),
        pods("ready"),
        False,
    ),
    (
        "depends on the leader's end",
        Phase.INITIALIZING,
        job_set(status(("leader", 1, 0, 0, 1)), LEADER, LATE_WORKERS),
        pods("ready"),
        False,
    ),
    (
        "the leader has ended",
        Phase.RUNNING,
        job_set(status(("leader", 0, 1)), LEADER, LATE_WORKERS),
        pods("succeeded", *FOUR),
        False,
    ),
    ("running", Phase.RUNNING, job_set(ALL), pods("ready", *FOUR), False),
    ("running, counts alone", Phase.RUNNING, job_set(ALL), [], False),
    (
        "one role has succeeded",
        Phase.RUNNING,
        job_set(status(("leader", 0, 1), ("workers", 2, 0, 0, 2))),
        pods("succeeded", *FOUR),
        True,
    ),
    (
        "one role has succeeded, its pods gone",
        Phase.RUNNING,
        job_set(status(("leader", 0, 1), ("workers", 2, 0, 0, 2))),
        pods(None, *FOUR),
        True,
    ),
    (
        "one role has succeeded, counts alone",
        Phase.RUNNING,
        job_set(status(("leader", 0, 1), ("workers", 2, 0, 0, 2))),
        [],
        True,
    ),
    ("all succeeded, not said yet", Phase.RUNNING, job_set(NONE), pods(*("succeeded",) * 5), True),
    ("a worker is lost", Phase.DEGRADED, job_set(ALL), pods("ready", "ready", "ready", "ready", "crash"), True),
    ("a worker is gone", Phase.DEGRADED, job_set(ALL), pods("ready", "ready", "ready", "ready"), True),
    (
        "a Job is not ready, counts alone",
        Phase.DEGRADED,
        job_set(status(("leader", 1, 0, 0, 1), ("workers", 1, 0, 0, 2))),
        [],
        True,
    ),
    ("all pods restart", Phase.INITIALIZING, job_set(STARTING), pods(*("creating",) * 5), True),
    ("cannot pull", Phase.FAILED, job_set(STARTING), pods(*("image",) * 5), False),
    ("failed", Phase.FAILED, job_set(status(conditions=FAILED, terminalState="Failed")), pods("failed"), True),
    ("failed by the old field alone", Phase.FAILED, job_set(status(terminalState="Failed")), [], True),
    ("completed", Phase.COMPLETED, job_set(status(conditions=COMPLETED, terminalState="Completed")), [], True),
    ("completed by the old field alone", Phase.COMPLETED, job_set(status(terminalState="Completed")), [], True),
    (
        "completed by its leader alone",
        Phase.COMPLETED,
        job_set(status(conditions=COMPLETED)),
        pods("succeeded", *("releasing",) * 4),
        True,
    ),
    ("suspending", Phase.STOPPING, job_set(ALL, suspend=True), pods("releasing"), True),
    ("suspending, counts alone", Phase.STOPPING, job_set(ALL, suspend=True), [], True),
    ("suspended", Phase.STOPPED, job_set(status(conditions=SUSPENDED), suspend=True), [], True),
    ("held by Kueue", Phase.PENDING, job_set(status(conditions=SUSPENDED), suspend=True, **QUEUED), [], False),
    ("resuming", Phase.RESUMING, job_set(status(conditions=SUSPENDED), suspend=False), [], False),
    ("resumed", Phase.RUNNING, job_set(ALL | {"conditions": RESUMED}, suspend=False), pods("ready", *FOUR), False),
    ("absurd replicas", Phase.UNKNOWN, job_set(STARTING, replicated("workers", replicas="2")), [], False),
    ("absurd parallelism", Phase.UNKNOWN, job_set(STARTING, replicated("workers", parallelism=-1)), [], False),
    ("no replicated job", Phase.UNKNOWN, job_set(STARTING, spec={"replicatedJobs": "none"}), [], False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_job_set(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_restart_is_a_new_start():
    """The pods of the new attempt wait like those of a new set; what is left of the old one does not count."""
    later = NOW - timedelta(minutes=5)
    new = pods("ready", "ready", "unscheduled", "ready", "ready", attempt=1, created_at=later)
    old = pods("succeeded", "releasing", attempt=0)
    restarted = job_set(status(("leader", 0, 0, 0, 1), restarts=1))
    assert observe(restarted, *old, *new, remembered=latched()).workload.phase is Phase.PENDING
    going = observe(restarted, *old, remembered=latched()).workload
    assert going.phase in (Phase.INITIALIZING, Phase.PENDING)
    up = pods("ready", *FOUR, attempt=1, created_at=later)
    again = observe(restarted, *up, remembered=latched()).workload
    assert again.phase is Phase.RUNNING
    lost = [*up[:-1], *pods(None, None, None, None, "crash", attempt=1)]
    memory = Remembered(running_since=NOW - timedelta(minutes=1))
    assert observe(restarted, *lost, remembered=memory).workload.phase is Phase.DEGRADED


def test_a_job_of_many_completions_needs_its_parallelism_until_the_end():
    role = replicated("work", parallelism=2, completions=6)
    top = job_set(status(("work", 1, 0, 0, 1)), role)
    job = {"labels": {ROLE: "work"}, "ownerReferences": owner("work")}

    def states(*found):
        return [pod(f"w-{n}", state, **job) for n, state in enumerate(found)]

    waits = observe(top, *states("succeeded", "succeeded", "succeeded", "ready", "unscheduled")).workload
    assert waits.phase is Phase.PENDING
    nearly = observe(top, *states(*("succeeded",) * 5, "ready"), remembered=latched()).workload
    assert nearly.phase is Phase.RUNNING


def test_pods_that_have_succeeded_and_are_not_counted_yet():
    """The set's own counts fall to 0 for a moment; those of its Jobs tell why."""
    child = {
        "labels": {ROLE: "leader"},
        "ownerReferences": [{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "w", "uid": "x"}],
    }
    job = obj(
        "Job",
        {"parallelism": 1, "completions": 1},
        {"uncountedTerminatedPods": {"succeeded": ["a"]}},
        uid="j",
        name="w-leader-0",
        **child,
    )
    top = job_set(status(("leader",)), LEADER)
    assert observe(top, children=(job,), remembered=latched()).workload.phase is Phase.RUNNING
    assert observe(top, remembered=latched()).workload.phase is Phase.INITIALIZING


def test_what_the_record_says():
    found = observe(job_set(ALL, LEADER, WORKERS), *pods("ready", *FOUR))
    record = found.workload
    assert (record.type, record.distributed_framework, record.category) == ("JobSet", None, "Train")
    assert record.requested_pods == RequestedPods(number=5)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 16_000_000
    assert [row.role for row in found.pods] == ["leader", "workers", "workers", "workers", "workers"]
    assert record.completed_at is None


def test_the_first_role_that_names_a_priority_class_has_it():
    spec = {"spec": {"priorityClassName": "high", "containers": [{"name": "main"}]}}
    second = {"name": "workers", "template": {"spec": {"template": spec}}}
    assert observe(job_set(ALL, LEADER, second)).workload.priority_class_name == "high"
    assert observe(job_set(ALL, LEADER)).workload.priority_class_name == "train"


def test_when_it_ended():
    record = observe(job_set(status(conditions=COMPLETED))).workload
    assert record.completed_at == NOW - timedelta(minutes=10)
    again = observe(job_set(ALL), remembered=Remembered.of(record)).workload
    assert (again.phase, again.completed_at) == (Phase.COMPLETED, record.completed_at)
