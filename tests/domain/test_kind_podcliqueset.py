"""PodCliqueSet and PodGangSet of Grove: counts without a phase; passing errors of a start are none."""

import pytest
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered, RequestedPods


def clique(name, replicas=None, *, gpus=1, **spec):
    wanted = {} if replicas is None else {"replicas": replicas}
    return {"name": name, "spec": {"podSpec": template(gpus=gpus)["spec"], **wanted, **spec}}


CLIQUES = [clique("frontend", 1, gpus=0), clique("prefill", 2)]


def top(status=None, *, replicas=1, cliques=None, groups=None, kind="PodCliqueSet", strategy=None, **more):
    inner = {"cliques": CLIQUES if cliques is None else cliques, "priorityClassName": "high"}
    spec = {"replicas": replicas, "template": inner | ({"podCliqueScalingGroups": groups} if groups else {})}
    return obj(kind, spec | ({"updateStrategy": {"type": strategy}} if strategy else {}), status, **more)


def counts(existing=1, available=0, updated=None, *, observed=1, **more):
    return {
        "observedGeneration": observed,
        "replicas": existing,
        "availableReplicas": available,
        "updatedReplicas": existing if updated is None else updated,
        **more,
    }


def pods(*states):
    names = ["frontend", *["prefill"] * (len(states) - 1)]
    return [
        pod(f"w-0-{name}-{n}", state, labels={"grove.io/podclique": f"w-0-{name}"})
        for n, (name, state) in enumerate(zip(names, states, strict=True))
    ]


READY = ("ready", "ready", "ready")
ERRORS = {"lastErrors": [{"code": "ERR_SYNC_POD_GANGS", "description": "not all pods are created"}]}
BROKEN = {"podGangStatuses": [{"name": "w-0", "phase": "Failed"}]}
GATED = ("gated", "gated", "gated")
ELASTIC = [clique("frontend", 1), clique("decode", 4, autoScalingConfig={"minReplicas": 1, "maxReplicas": 8})]

CASES = [
    ("deleted", Phase.DELETING, top(counts(1, 1), deleting=True), READY, True),
    ("status empty", Phase.CREATING, top(), (), False),
    ("generation not observed", Phase.CREATING, top({"observedGeneration": 1}, generation=2), (), False),
    ("no pod yet", Phase.CREATING, top(counts(0)), (), False),
    ("no pod yet, errors pass", Phase.CREATING, top(counts(0, **ERRORS)), (), False),
    ("held by Grove's gates", Phase.PENDING, top(counts()), GATED, False),
    ("one waits", Phase.PENDING, top(counts()), ("ready", "ready", "unscheduled"), False),
    ("starts", Phase.INITIALIZING, top(counts()), ("ready", "ready", "creating"), False),
    ("starts, counts alone", Phase.INITIALIZING, top(counts(2, 1), replicas=2), (), False),
    ("starts, errors pass", Phase.INITIALIZING, top(counts(**ERRORS)), ("ready", "creating", "creating"), False),
    ("running", Phase.RUNNING, top(counts(1, 1)), READY, False),
    ("running, counts alone", Phase.RUNNING, top(counts(1, 1)), (), False),
    ("elastic with its least", Phase.RUNNING, top(counts(1, 1), cliques=ELASTIC), ("ready", "ready"), False),
    ("a pod is lost", Phase.DEGRADED, top(counts(1, 1)), ("ready", "ready", "crash"), True),
    ("a replica is lost, counts alone", Phase.DEGRADED, top(counts(2, 1), replicas=2), (), True),
    ("rolling", Phase.UPDATING, top(counts(1, 1, 0)), ("ready", "ready", "creating"), True),
    ("rolling, counts alone", Phase.UPDATING, top(counts(2, 1, 1), replicas=2), (), True),
    ("new spec not observed", Phase.UPDATING, top(counts(1, 1), generation=2), READY, True),
    ("rolled by hand", Phase.RUNNING, top(counts(1, 1, 0), strategy="OnDelete"), READY, True),
    ("scaling down", Phase.UPDATING, top(counts(2, 2)), (*READY, "ready"), True),
    ("a gang failed, others serve", Phase.DEGRADED, top(counts(1, 0, **BROKEN)), ("ready", "ready", "failed"), False),
    ("a gang failed, nothing serves", Phase.FAILED, top(counts(1, 0, **BROKEN)), ("failed",) * 3, False),
    ("all restart", Phase.INITIALIZING, top(counts(1, 0)), ("restarting",) * 3, True),
    ("cannot pull", Phase.FAILED, top(counts(1, 0)), ("image",) * 3, False),
    ("scaling to nothing", Phase.STOPPING, top(counts(1, 0), replicas=0), ("releasing",), True),
    ("scaled to nothing", Phase.STOPPED, top(counts(0), replicas=0), (), True),
    ("no clique", Phase.UNKNOWN, top(counts(), cliques=[]), (), False),
    ("absurd clique", Phase.UNKNOWN, top(counts(), cliques=[clique("a", "many")]), (), False),
    ("absurd clique, pods decide", Phase.RUNNING, top(counts(), cliques=[clique("a", "many")]), ("ready",), False),
    ("absurd lists", Phase.UNKNOWN, top(counts(), cliques={"a": 1}, groups=[{"cliqueNames": "a"}]), (), False),
]


@pytest.mark.parametrize("kind", ["PodCliqueSet", "PodGangSet"])
@pytest.mark.parametrize(
    ("wanted", "found", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_pod_clique_set(kind, wanted, found, states, ran):
    same = obj(
        kind,
        found.spec,
        found.status,
        deleting=found.meta.deletion_at is not None,
        generation=found.meta.generation,
    )
    record = observe(same, *pods(*states) if states else (), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_broken_gang_recovers():
    failed = observe(top(counts(1, 0, **BROKEN))).workload
    back = observe(top(counts(1, 1)), *pods(*READY), remembered=Remembered.of(failed)).workload
    assert (failed.phase, failed.completed_at, back.phase) == (Phase.FAILED, None, Phase.RUNNING)
    assert failed.phase_message == "gang w-0 failed"


def test_what_it_asks_for():
    groups = [{"name": "serve", "cliqueNames": ["leader", "worker"], "replicas": 2}]
    cliques = [clique("router", None, gpus=0), clique("leader", 1), clique("worker", 3, gpus=2)]
    record = observe(top(counts(2, 2), replicas=2, cliques=cliques, groups=groups)).workload
    assert record.requested_pods == RequestedPods(number=2 * (1 + 2 + 6))
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 2 * (2 + 12) * 1_000_000
    assert (record.category, record.priority_class_name) == ("Deploy", "high")


def test_the_bounds_of_an_autoscaler():
    record = observe(top(counts(1, 1), cliques=ELASTIC)).workload
    assert record.requested_pods == RequestedPods(number=5, min=2)


def test_the_roles_of_its_pods():
    cliques = [clique("worker", 1), clique("prefill-worker", 1)]
    labels = ({"grove.io/podclique": "w-0-serve-1-prefill-worker"}, {"grove.io/podclique": "w-0-worker"}, {})
    known = [pod(f"p-{n}", "ready", labels=one) for n, one in enumerate(labels)]
    found = observe(top(counts(1, 1), cliques=cliques), *known)
    assert [row.role for row in found.pods] == ["worker", "prefill-worker", None]


def test_a_condition_may_be_its_word():
    found = top(counts(1, 1, conditions=[condition("UpdateInProgress", "True", "RollingUpdate")]))
    assert observe(found).workload.k8s_phase == "UpdateInProgress"
