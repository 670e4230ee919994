"""Job of group batch.volcano.sh: phases in ``state``, conditions without a type, tasks with a least number of pods."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, at, latched, obj, observe, pod, template

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import entry_for
from rollcall.domain.records import Phase, Remembered, RequestedPods


def status(phase=None, *, reason=None, message=None, was=(), minutes=5, **counts):
    """As the controller writes it: one condition for each phase it came through."""
    since = at(NOW - timedelta(minutes=minutes))
    state = {"phase": phase, "reason": reason, "message": message, "lastTransitionTime": since}
    conditions = [{"status": one, "lastTransitionTime": at(CREATED)} for one in was]
    conditions += [{"status": phase, "lastTransitionTime": since}] if phase else []
    return {"state": {k: v for k, v in state.items() if v}, "conditions": conditions, "version": 1, **counts}


def task(name, replicas=1, *, gpus=1, **more):
    return {"name": name, "replicas": replicas, "template": template(gpus=gpus), **more}


MASTER, WORKERS = task("master", gpus=0), task("worker", 2, gpus=8)


def job(found=None, *tasks, least=3, spec=None, **more):
    asked = {"schedulerName": "volcano", "queue": "team-a", "tasks": list(tasks or (MASTER, WORKERS))}
    asked |= {"minAvailable": least} if least is not None else {}
    return obj("Job", asked | (spec or {}), found, api_version="batch.volcano.sh/v1alpha1", **more)


def pods(master, *workers):
    found = [("master", 0, master)] if master else []
    found += [("worker", n, state) for n, state in enumerate(workers)]
    return [pod(f"w-{name}-{n}", state, labels={"volcano.sh/task-spec": name}) for name, n, state in found]


UP = status("Running", was=("Pending",), minAvailable=3, running=3)
SHORT = status("Running", was=("Pending",), minAvailable=3, running=2, failed=1)
QUEUED = status("Pending", minAvailable=3)
AFTER = task("worker", 2, dependsOn={"name": ["master"]})

CASES = [
    ("deleted", Phase.DELETING, job(UP, deleting=True), pods("ready", "ready", "ready"), True),
    ("status empty", Phase.CREATING, job(), [], False),
    ("no phase yet", Phase.CREATING, job(status()), [], False),
    ("in the queue", Phase.PENDING, job(QUEUED), [], False),
    ("in the queue, pods made", Phase.PENDING, job(QUEUED), pods("unscheduled", "unscheduled", "unscheduled"), False),
    ("a worker waits", Phase.PENDING, job(QUEUED), pods("ready", "ready", "unscheduled"), False),
    ("starting", Phase.INITIALIZING, job(QUEUED), pods("ready", "creating", "creating"), False),
    ("starting, runs by its own word", Phase.INITIALIZING, job(UP), pods("ready", "ready", "not_ready"), False),
    ("a task waits for another", Phase.INITIALIZING, job(QUEUED, MASTER, AFTER), pods("creating"), False),
    ("the other task is up", Phase.PENDING, job(QUEUED, MASTER, AFTER), pods("ready"), False),
    ("running", Phase.RUNNING, job(UP), pods("ready", "ready", "ready"), False),
    ("running, its word late", Phase.RUNNING, job(QUEUED), pods("ready", "ready", "ready"), False),
    ("running, counts alone", Phase.RUNNING, job(UP), [], False),
    ("running with its least", Phase.RUNNING, job(UP, least=2), pods("ready", "ready", "unscheduled"), False),
    ("all for nothing named", Phase.PENDING, job(QUEUED, least=None), pods("ready", "ready", "unscheduled"), False),
    ("a worker is done", Phase.RUNNING, job(UP), pods("ready", "ready", "succeeded"), True),
    (
        "completing",
        Phase.RUNNING,
        job(status("Completing", was=("Running",))),
        pods("succeeded", "releasing", "releasing"),
        True,
    ),
    ("completing, counts alone", Phase.RUNNING, job(status("Completing", terminating=2)), [], False),
    ("a worker is lost", Phase.DEGRADED, job(UP), pods("ready", "ready", "crash"), True),
    ("a worker is lost, first seen so", Phase.DEGRADED, job(UP), pods("ready", "ready", "failed"), False),
    ("a worker is lost, counts alone", Phase.DEGRADED, job(SHORT), [], False),
    (
        "restarting",
        Phase.INITIALIZING,
        job(status("Restarting", was=("Pending", "Running"))),
        pods("releasing", "failed"),
        True,
    ),
    ("restarting, counts alone", Phase.INITIALIZING, job(status("Restarting", terminating=3)), [], True),
    ("restarted, in the queue", Phase.PENDING, job(status("Pending", was=("Running", "Restarting"))), [], False),
    ("cannot pull", Phase.FAILED, job(QUEUED), pods("image", "image", "image"), False),
    (
        "failed",
        Phase.FAILED,
        job(status("Failed", was=("Running",), failed=1, message="max retries")),
        pods("failed"),
        True,
    ),
    ("terminated", Phase.FAILED, job(status("Terminated", was=("Running",))), [], True),
    ("terminating", Phase.STOPPING, job(status("Terminating", was=("Running",))), pods("releasing", "failed"), True),
    ("terminating, counts alone", Phase.STOPPING, job(status("Terminating")), [], True),
    ("terminating, no pod lives", Phase.FAILED, job(status("Terminating")), pods("failed", "succeeded"), True),
    ("aborting", Phase.STOPPING, job(status("Aborting", terminating=3)), pods("releasing"), True),
    ("aborting, counts alone", Phase.STOPPING, job(status("Aborting")), [], True),
    ("aborted", Phase.STOPPED, job(status("Aborted", was=("Running", "Aborting"))), [], True),
    (
        "completed",
        Phase.COMPLETED,
        job(status("Completed", was=("Running",), succeeded=3)),
        pods("succeeded", "succeeded", "succeeded"),
        True,
    ),
    ("completed, pods gone", Phase.COMPLETED, job(status("Completed")), [], False),
    ("absurd replicas", Phase.UNKNOWN, job(UP, task("worker", -2)), [], False),
    ("no task", Phase.UNKNOWN, job(UP, spec={"tasks": {}}), [], False),
    ("an unknown word", Phase.INITIALIZING, job(status("Sleeping", pending=1)), [], False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "found", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_volcano_job(wanted, top, found, ran):
    record = observe(top, *found, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_it_is_not_the_job_of_batch():
    entries = [entry_for(KindKey(group=group, kind="Job")) for group in ("batch", "batch.volcano.sh")]
    assert [entry.plural for entry in entries if entry is not None] == ["jobs", "jobs"]
    assert entries[0] is not entries[1]


def test_what_the_record_says():
    spec = {"priorityClassName": "very-high", "plugins": {"svc": [], "pytorch": ["--master=master"]}}
    found = observe(job(UP, least=2, spec=spec), *pods("ready", "ready", "ready"))
    record = found.workload
    assert (record.type, record.api_group, record.k8s_phase) == ("Job", "batch.volcano.sh", "Running")
    assert record.distributed_framework == "PyTorch"
    assert record.requested_pods == RequestedPods(number=3, min=2)
    assert record.priority_class_name == "very-high"
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 16_000_000
    assert [row.role for row in found.pods] == ["master", "worker", "worker"]
    assert [one.type for one in record.conditions[:2]] == ["Pending", "Running"]


@pytest.mark.parametrize(
    ("plugins", "framework"),
    [({"tensorflow": []}, "TF"), ({"mpi": [], "ssh": []}, "MPI"), ({"ray": []}, None), ({}, None), ("mpi", None)],
)
def test_the_framework_is_the_plugin(plugins, framework):
    assert observe(job(UP, spec={"plugins": plugins})).workload.distributed_framework == framework


def test_the_end_and_a_restart_after_it():
    done = observe(job(status("Failed", was=("Running",)))).workload
    assert done.completed_at == NOW - timedelta(minutes=5)
    assert observe(job(UP), remembered=Remembered.of(done)).workload.phase is Phase.FAILED
    restarted = job(
        status("Running", was=("Failed",), minutes=1, running=3)
        | {"conditions": [{"status": "Restarting", "lastTransitionTime": at(NOW - timedelta(minutes=2))}]}
    )
    assert observe(restarted, remembered=Remembered.of(done)).workload.phase is Phase.RUNNING


def test_a_restarted_gang_waits_like_a_new_one():
    found = status("Pending", was=("Running", "Restarting"), pending=3)
    found["conditions"][1]["lastTransitionTime"] = at(NOW - timedelta(minutes=6))
    record = observe(job(found), *pods("ready", "ready", "unscheduled"), remembered=latched()).workload
    assert record.phase is Phase.PENDING
    assert record.running_since is None


@pytest.mark.parametrize("conditions", ["x", [1, None], [{"status": 3}], [{"lastTransitionTime": "soon"}], {"a": 1}])
def test_odd_conditions(conditions):
    assert observe(job(UP | {"conditions": conditions})).workload.phase is Phase.RUNNING
