"""StatefulSet: counts and pods, for it never says anything else."""

import pytest
from support.observed import latched, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered


def stateful(status=None, *, replicas=3, generation=1, **spec):
    return obj("StatefulSet", {"replicas": replicas, "template": template(), **spec}, status, generation=generation)


def counts(existing, ready, *, updated=None, current="w-1", update="w-1"):
    return {
        "observedGeneration": 1,
        "replicas": existing,
        "readyReplicas": ready,
        "updatedReplicas": existing if updated is None else updated,
        "currentRevision": current,
        "updateRevision": update,
    }


def pods(*states):
    return [pod(f"w-{number}", state) for number, state in enumerate(states)]


ROLLING = counts(3, 3, updated=1, update="w-2")
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}

CASES = [
    ("status empty", Phase.CREATING, stateful(), (), False),
    ("no pod yet", Phase.CREATING, stateful(counts(0, 0)), (), False),
    ("scaled to nothing", Phase.STOPPED, stateful(counts(0, 0), replicas=0), (), True),
    ("scaling to nothing", Phase.STOPPING, stateful(counts(1, 1), replicas=0), ("ready",), True),
    ("first in order unscheduled", Phase.PENDING, stateful(counts(1, 0)), ("unscheduled",), False),
    ("ordered start, one ready", Phase.INITIALIZING, stateful(counts(1, 1)), ("ready",), False),
    ("ordered start, second starts", Phase.INITIALIZING, stateful(counts(2, 1)), ("ready", "creating"), False),
    ("ordered start, second unscheduled", Phase.PENDING, stateful(counts(2, 1)), ("ready", "unscheduled"), False),
    ("ordered start, counts alone", Phase.INITIALIZING, stateful(counts(2, 1)), (), False),
    (
        "all at once, one missing",
        Phase.PENDING,
        stateful(counts(1, 1), podManagementPolicy="Parallel"),
        ("ready",),
        False,
    ),
    ("running", Phase.RUNNING, stateful(counts(3, 3)), ("ready",) * 3, False),
    ("running, counts alone", Phase.RUNNING, stateful(counts(3, 3)), (), False),
    ("lost one", Phase.DEGRADED, stateful(counts(3, 2)), ("ready", "ready", "not_ready"), True),
    ("lost one, counts alone", Phase.DEGRADED, stateful(counts(3, 2)), (), True),
    ("scale-up, counts alone", Phase.UPDATING, stateful(counts(2, 2)), (), True),
    ("scale-up, pods ready so far", Phase.UPDATING, stateful(counts(2, 2)), ("ready", "ready"), True),
    ("rollout", Phase.UPDATING, stateful(ROLLING), ("ready", "ready", "ready"), True),
    ("rollout, counts alone", Phase.UPDATING, stateful(ROLLING), (), True),
    ("rollout on deletion only", Phase.RUNNING, stateful(ROLLING, updateStrategy={"type": "OnDelete"}), (), True),
    ("rollout held by its partition", Phase.RUNNING, stateful(ROLLING, **PARTITION), (), True),
    ("scale-down", Phase.UPDATING, stateful(counts(4, 4)), ("ready",) * 4, True),
    ("all crash", Phase.FAILED, stateful(counts(3, 0)), ("crash",) * 3, True),
    ("restart of all", Phase.INITIALIZING, stateful(counts(3, 0)), ("not_ready",) * 3, True),
    ("scaled to nothing, the last pod going", Phase.STOPPING, stateful(counts(0, 0), replicas=0), ("releasing",), True),
    ("cannot pull", Phase.FAILED, stateful(counts(1, 0)), ("image",), False),
    ("a pod is lost to its node", Phase.DEGRADED, stateful(counts(3, 2)), ("ready", "ready", "lost"), True),
    ("evicted and not back yet", Phase.DEGRADED, stateful(counts(3, 2)), ("ready", "ready", "evicted"), True),
    ("ready again", Phase.RUNNING, stateful(counts(3, 3)), ("ready",) * 3, True),
    ("absurd replicas", Phase.UNKNOWN, stateful(counts(3, 3), replicas=[3]), (), False),
    ("absurd status", Phase.CREATING, stateful({"replicas": "3", "observedGeneration": "1"}), (), False),
    ("generation not observed, ran", Phase.UPDATING, stateful(counts(3, 3), generation=2), (), True),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_stateful_set(wanted, top, states, ran):
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_it_is_deleted_whatever_its_counts():
    top = obj("StatefulSet", {"replicas": 3, "template": template()}, counts(3, 3), deleting=True)
    assert observe(top, *pods("ready", "ready", "ready"), remembered=latched()).workload.phase is Phase.DELETING


def test_a_lost_pod_is_degraded_while_it_is_missing():
    ran = observe(stateful(counts(3, 3)), *pods("ready", "ready", "ready")).workload
    lost = observe(stateful(counts(2, 2)), *pods("ready", "ready"), remembered=Remembered.of(ran)).workload
    assert lost.phase is Phase.DEGRADED


def test_its_raw_phase_is_that_of_its_pods():
    assert observe(stateful(counts(1, 0)), *pods("unscheduled")).workload.k8s_phase == "Pending"
    assert observe(stateful(counts(1, 1))).workload.k8s_phase == "Unknown"
