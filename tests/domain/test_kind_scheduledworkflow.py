"""ScheduledWorkflow of Kubeflow Pipelines: idle between its runs, which are Workflows."""

from datetime import timedelta

import pytest
from support.observed import NOW, at, condition, obj, observe, pod

from rollcall.domain.records import Phase, Remembered

RUN = "44444444-0000-4000-8000-00000000000"
CRON = {"cronSchedule": {"cron": "0 0 * * * *"}}


def schedule(found=None, *, enabled=True, trigger=CRON, **more):
    spec = {"trigger": trigger, "maxConcurrency": 1} | ({} if enabled is None else {"enabled": enabled})
    return obj("ScheduledWorkflow", spec, found, uid="schedule", **more)


def run(status, *, number=1, minutes=20, **more):
    owner = {"apiVersion": "kubeflow.org/v1beta1", "kind": "ScheduledWorkflow", "name": "w", "uid": "schedule"}
    return obj(
        "Workflow",
        {"entrypoint": "main"},
        status,
        name=f"w-{number}",
        uid=f"{RUN}{number}",
        api_version="argoproj.io/v1alpha1",
        created_at=NOW - timedelta(minutes=minutes),
        ownerReferences=[{**owner, "controller": True}],
        **more,
    )


def pods(*states, number=1):
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": f"w-{number}", "uid": f"{RUN}{number}"}
    return [
        pod(f"w-{number}-step-{n}", state, restart_policy="Never", ownerReferences=[{**owner, "controller": True}])
        for n, state in enumerate(states)
    ]


def status(word, *, active=(), completed=(), ran=True):
    history = {"active": list(active), "completed": list(completed)}
    trigger = {"nextTriggeredTime": at(NOW + timedelta(minutes=40))}
    trigger |= {"lastTriggeredTime": at(NOW - timedelta(minutes=20))} if ran else {}
    return {"conditions": [condition(word, "True", word)], "trigger": trigger, "workflowHistory": history}


def entry(phase, message=None, number=1):
    found = {"name": f"w-{number}", "uid": f"{RUN}{number}", "phase": phase, "index": number}
    return found | ({"message": message} if message else {})


ENABLED = status("Enabled")
ACTIVE = status("Enabled", active=[entry("Running")])
GOES_ON = {"phase": "Running", "startedAt": at(NOW - timedelta(minutes=20))}
DONE = {"phase": "Succeeded", "finishedAt": at(NOW - timedelta(minutes=10))}
LOST = {"phase": "Failed", "message": "step failed", "finishedAt": at(NOW - timedelta(minutes=10))}

CASES = [
    ("deleted", Phase.DELETING, schedule(ACTIVE, deleting=True), (), (), None),
    ("status empty", Phase.PENDING, schedule(), (), (), "by schedule 0 0 * * * *"),
    ("no run yet", Phase.PENDING, schedule(status("Enabled", ran=False)), (), (), "the next one at 2026-03-01T12:40"),
    ("run known by the history alone", Phase.RUNNING, schedule(ACTIVE), (), (), None),
    ("run waits", Phase.PENDING, schedule(ACTIVE), (run(GOES_ON),), ("unscheduled",), "Insufficient"),
    ("run starts", Phase.INITIALIZING, schedule(ACTIVE), (run(GOES_ON),), ("creating",), None),
    ("run runs", Phase.RUNNING, schedule(ACTIVE), (run(GOES_ON),), ("ready",), None),
    ("run cannot pull", Phase.FAILED, schedule(ACTIVE), (run(GOES_ON),), ("image",), "ImagePullBackOff"),
    (
        "run goes on while disabled",
        Phase.RUNNING,
        schedule(ACTIVE, enabled=False),
        (run(GOES_ON),),
        ("ready",),
        "goes on",
    ),
    ("idle", Phase.RUNNING, schedule(ENABLED), (), (), "idle"),
    ("idle after success", Phase.RUNNING, schedule(ENABLED), (run(DONE),), (), "last run succeeded"),
    ("idle after failure", Phase.RUNNING, schedule(ENABLED), (run(LOST),), (), "last run failed: step failed"),
    (
        "idle, its history tells",
        Phase.RUNNING,
        schedule(status("Enabled", completed=[entry("Error", "gone")])),
        (),
        (),
        "last run failed: gone",
    ),
    (
        "idle, its history tells of success",
        Phase.RUNNING,
        schedule(status("Enabled", completed=[entry("Succeeded")])),
        (),
        (),
        "succeeded",
    ),
    ("disabled", Phase.STOPPED, schedule(status("Disabled"), enabled=False), (), (), "disabled"),
    ("disabled, its field left out", Phase.STOPPED, schedule(status("Disabled"), enabled=None), (), (), "disabled"),
    ("in error", Phase.FAILED, schedule(status("Error")), (), (), None),
    (
        "once, under way",
        Phase.RUNNING,
        schedule(status("Running", active=[entry("Running")]), trigger={}),
        (run(GOES_ON),),
        ("ready",),
        None,
    ),
    (
        "once, over",
        Phase.COMPLETED,
        schedule(status("Succeeded", completed=[entry("Succeeded")]), trigger={}),
        (run(DONE),),
        (),
        "succeeded",
    ),
    (
        "once, over, its word early",
        Phase.RUNNING,
        schedule(status("Succeeded"), trigger={}),
        (run(GOES_ON),),
        ("ready",),
        None,
    ),
]


@pytest.mark.parametrize(
    ("wanted", "top", "children", "states", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_scheduled_workflow(wanted, top, children, states, told):
    record = observe(top, *pods(*states), children=children).workload
    assert record.phase is wanted, record.phase_message
    assert told is None or told in (record.phase_message or "")


def test_each_run_has_a_latch_of_its_own():
    old, new = run(GOES_ON), run(GOES_ON, number=2, minutes=1)
    first = observe(schedule(ACTIVE), *pods("ready"), children=(old,)).workload
    memory = Remembered.of(first)
    second = observe(schedule(ACTIVE), *pods("unscheduled", number=2), children=(run(DONE), new), remembered=memory)
    assert (first.phase, second.workload.phase) == (Phase.RUNNING, Phase.PENDING)


@pytest.mark.parametrize("history", ["x", {"active": "x"}, {"completed": [1]}, {"completed": [{}]}, [1]])
def test_odd_histories(history):
    record = observe(schedule(ENABLED | {"workflowHistory": history})).workload
    assert (record.phase, record.phase_message) == (Phase.RUNNING, "idle")
