"""What Kueue, KAI and Volcano say of a workload, in the shapes they write, and what becomes of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.observed import NOW, at, condition, latched, obj, observe, pod, template
from support.queued import (
    body,
    kai_body,
    kueue_body,
    owner,
    read,
    said,
    unschedulable,
    volcano_body,
)

from rollcall.domain.facts import KindKey, QueueStanding
from rollcall.domain.queue_reading import read_queue
from rollcall.domain.queues import KAI_POD_GROUP, KUEUE_WORKLOAD, QUEUE_KINDS, concerning, group_names
from rollcall.domain.reading import read_pod
from rollcall.domain.records import OrgType, Phase, PhaseReason, SchedulingMessage

FULL = (
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a, 2 more needed"
)
NO_QUEUE = "LocalQueue team-a doesn't exist"
PREEMPTED = "Preempted to accommodate a workload (UID: 9, JobUID: 8) due to prioritization in the ClusterQueue"
TOO_OFTEN = "The workload is deactivated due to exceeding the maximum number of re-queuing retries"

NO_QUOTA = said("QuotaReserved", "False", "Pending", FULL)
RESERVED = said("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue gpus")
ADMITTED = said("Admitted", "True", "Admitted", "The workload is admitted")
NOT_ADMITTED = said("Admitted", "False", "NoReservation", "The workload has no reservation")
EVICTED = said("Evicted", "True", "Preempted", PREEMPTED)
FINISHED = said("Finished", "True", "Succeeded", "Job finished successfully")
OFF = said("Evicted", "True", "DeactivatedDueToRequeuingLimitExceeded", TOO_OFTEN)
BY_HAND = said("Evicted", "True", "Deactivated", "The workload is deactivated")

KUEUE = [
    ("not looked at yet", QueueStanding.HELD, kueue_body(), "waiting for quota in queue team-a"),
    ("no quota", QueueStanding.HELD, kueue_body(NO_QUOTA), f"waiting for quota in queue team-a: {FULL}"),
    ("no quota, newer", QueueStanding.HELD, kueue_body(NO_QUOTA, version="v1beta2", active=None), FULL),
    (
        "no such queue",
        QueueStanding.HELD,
        kueue_body(said("QuotaReserved", "False", "Inadmissible", NO_QUEUE)),
        NO_QUEUE,
    ),
    (
        "a check is pending",
        QueueStanding.HELD,
        kueue_body(
            RESERVED,
            admissionChecks=[
                {"name": "provision", "state": "Pending", "message": "no nodes yet", "lastTransitionTime": at(NOW)},
                {"name": "budget", "state": "Ready", "message": "", "lastTransitionTime": at(NOW)},
            ],
        ),
        "quota reserved in queue team-a, waiting for provision: no nodes yet",
    ),
    ("reserved, no check told", QueueStanding.HELD, kueue_body(RESERVED), "waiting for admission"),
    ("admitted", QueueStanding.LET, kueue_body(RESERVED, ADMITTED), None),
    (
        "admitted again",
        QueueStanding.LET,
        kueue_body(RESERVED, ADMITTED, said("Evicted", "False", "QuotaReserved", "Previously: " + PREEMPTED)),
        None,
    ),
    ("being evicted", QueueStanding.HELD, kueue_body(RESERVED, ADMITTED, EVICTED), PREEMPTED),
    (
        "evicted and queued again",
        QueueStanding.HELD,
        kueue_body(NO_QUOTA, NOT_ADMITTED, EVICTED, said("Requeued", "True", "Preempted", "")),
        f"{PREEMPTED}; {FULL}",
    ),
    ("deactivated", QueueStanding.OFF, kueue_body(NO_QUOTA, BY_HAND, active=False), "deactivated in queue team-a"),
    ("deactivated before it was seen", QueueStanding.OFF, kueue_body(active=False), "deactivated in queue team-a"),
    ("given up by Kueue", QueueStanding.OFF, kueue_body(RESERVED, ADMITTED, OFF), TOO_OFTEN),
    (
        "deactivated, in the words of old",
        QueueStanding.OFF,
        kueue_body(said("Evicted", "True", "InactiveWorkload", "The workload is deactivated")),
        "The workload is deactivated",
    ),
    (
        "activated again",
        QueueStanding.HELD,
        kueue_body(BY_HAND, said("Requeued", "True", "Reactivated", "The workload was reactivated")),
        "waiting for quota",
    ),
    ("finished", QueueStanding.OVER, kueue_body(RESERVED, ADMITTED, FINISHED), None),
    ("finished, then deactivated", QueueStanding.OVER, kueue_body(FINISHED, active=False), None),
]

OVER_QUOTA = ("NonPreemptibleOverQuota", "Workload requested 3 GPUs, but team-a quota is 2 GPUs.")
OVER_LIMIT = ("OverLimit", "team-a has reached its limit of 4 GPUs.")
NO_ROOM = "Resources were not found for 2 pods."
OLD_KAI = {
    "type": "UnschedulableOnNodePool",
    "nodePool": "a100",
    "reason": "Unschedulable",
    "message": NO_ROOM,
    "transitionID": "3",
    "lastTransitionTime": at(NOW),
    "status": "True",
}

KAI = [
    ("nothing said", QueueStanding.LET, kai_body(), None),
    ("over quota", QueueStanding.HELD, kai_body(unschedulable(OVER_QUOTA)), ": ".join(OVER_QUOTA)),
    ("no reasons listed", QueueStanding.HELD, kai_body(OLD_KAI), f"{NO_ROOM} (node pool a100)"),
    (
        "unknown reason",
        QueueStanding.HELD,
        kai_body(unschedulable(("QueueDoesNotExist", "queue team-a does not exist"))),
        "QueueDoesNotExist: queue team-a does not exist",
    ),
    (
        "a pool after the other",
        QueueStanding.HELD,
        kai_body(unschedulable(OVER_LIMIT, pool="a100"), unschedulable(OVER_QUOTA, pool="h100", number=2)),
        f"{': '.join(OVER_QUOTA)} (node pool h100); {': '.join(OVER_LIMIT)} (node pool a100)",
    ),
    ("taken back", QueueStanding.LET, kai_body(unschedulable(OVER_LIMIT) | {"status": "False"}), None),
]

GANG = "2/2 tasks in gang unschedulable: pod group is not ready, 2 Pending, 2 minAvailable"
LACKING = said("Unschedulable", "True", "NotEnoughResources", GANG)
SCHEDULED = said("Scheduled", "True", "tasks in gang are ready to be scheduled", "")
EARLIER = {"lastTransitionTime": "2026-03-01T09:00:00Z"}

VOLCANO = [
    ("not looked at yet", QueueStanding.HELD, volcano_body(None), "waiting in queue team-a"),
    ("not let in yet", QueueStanding.HELD, volcano_body("Pending"), "waiting in queue team-a"),
    ("let in", QueueStanding.LET, volcano_body("Inqueue"), None),
    ("no room", QueueStanding.HELD, volcano_body("Inqueue", LACKING), f"NotEnoughResources: {GANG}"),
    ("no room, not let in", QueueStanding.HELD, volcano_body("Pending", LACKING), f"NotEnoughResources: {GANG}"),
    ("room now", QueueStanding.LET, volcano_body("Inqueue", LACKING | EARLIER, SCHEDULED), None),
    ("no room any more", QueueStanding.HELD, volcano_body("Pending", LACKING, SCHEDULED | EARLIER), GANG),
    ("runs, the old word stays", QueueStanding.LET, volcano_body("Running", LACKING, SCHEDULED), None),
    ("one part of it runs", QueueStanding.HELD, volcano_body("Unknown", LACKING), GANG),
    ("done", QueueStanding.OVER, volcano_body("Completed", LACKING), None),
]


@pytest.mark.parametrize(
    ("standing", "found", "sentence"),
    [
        pytest.param(*case[1:], id=f"{name}: {case[0]}")
        for name in ("KUEUE", "KAI", "VOLCANO")
        for case in globals()[name]
    ],
)
def test_how_it_stands_in_its_queue(standing, found, sentence):
    facts = read(found)
    assert (facts.standing, facts.queue) == (standing, "team-a")
    told = "; ".join(word.sentence for word in facts.words)
    assert told == "" if sentence is None else sentence in told


def test_what_it_stands_for():
    assert read(kueue_body(owners=(owner("a"), owner("b")))).about == ("a", "b")
    described = {"kai.scheduler/top-owner-metadata": "name: w\nuid: 1-2\ngroup: batch\nversion: v1\nkind: Job\n"}
    assert read(kai_body(owners=(), annotations=described)).about == ("1-2",)
    assert read(kai_body(owners=(owner("1-2"),), annotations=described)).about == ("1-2",)
    assert read(kai_body(owners=(), annotations={"kai.scheduler/top-owner-metadata": "uid:\nkind: Job"})).about == ()


def job(status=None, *, suspend=None, **more):
    spec = {"parallelism": 2, "completions": 2, "template": template()}
    return obj("Job", spec | ({} if suspend is None else {"suspend": suspend}), status or {}, **more)


SUSPENDED = {"conditions": [condition("Suspended", "True", "JobSuspended")]}
HELD = job(SUSPENDED, suspend=True)
STARTED = {"startTime": at(NOW), "active": 2}
QUEUED = {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}


def pods(*states, **more):
    return [pod(f"w-{number}", state, restart_policy="Never", **more) for number, state in enumerate(states)]


CASES = [
    ("held without a label", Phase.PENDING, HELD, [], [kueue_body(NO_QUOTA)], FULL),
    ("held, its controller late", Phase.PENDING, job({}, suspend=True), [], [kueue_body(NO_QUOTA)], FULL),
    ("held by a label too", Phase.PENDING, job(SUSPENDED, suspend=True, **QUEUED), [], [kueue_body(NO_QUOTA)], FULL),
    ("admitted a moment ago", Phase.PENDING, HELD, [], [kueue_body(RESERVED, ADMITTED)], "about to start"),
    ("deactivated", Phase.STOPPED, HELD, [], [kueue_body(NO_QUOTA, active=False)], "deactivated in queue team-a"),
    (
        "given up, though its label is there",
        Phase.STOPPED,
        job(SUSPENDED, suspend=True, **QUEUED),
        [],
        [kueue_body(NO_QUOTA, OFF)],
        TOO_OFTEN,
    ),
    ("preempted, pods end", Phase.STOPPING, HELD, pods("releasing"), [kueue_body(ADMITTED, EVICTED)], PREEMPTED),
    ("preempted", Phase.PENDING, HELD, [], [kueue_body(NO_QUOTA, NOT_ADMITTED, EVICTED)], PREEMPTED),
    ("its slice before is over", Phase.PENDING, HELD, [], [kueue_body(FINISHED, name="a"), kueue_body(NO_QUOTA)], FULL),
    ("all is over", Phase.STOPPED, HELD, [], [kueue_body(FINISHED)], "suspended by spec.suspend"),
    ("no queue", Phase.STOPPED, HELD, [], [], "suspended by spec.suspend"),
    ("another's queue", Phase.STOPPED, HELD, [], [kueue_body(NO_QUOTA, owners=(owner("other"),))], "suspended"),
    (
        "ended, its queue late",
        Phase.COMPLETED,
        job({"succeeded": 2, "conditions": [condition("Complete")]}, suspend=True),
        [],
        [kueue_body(NO_QUOTA)],
        None,
    ),
    (
        "pods gated by Kueue",
        Phase.PENDING,
        job(STARTED),
        pods("gated", "gated"),
        [
            kueue_body(NO_QUOTA, name=f"pod-w-{n}", owners=(owner(f"pod-w-{n}", kind="Pod", api_version="v1"),))
            for n in (0, 1)
        ],
        f"2 times: waiting for quota in queue team-a: {FULL}",
    ),
    ("no room by KAI", Phase.PENDING, job(STARTED), pods("unscheduled", "ready"), [kai_body(OLD_KAI)], NO_ROOM),
    (
        "the image leads",
        Phase.PENDING,
        job(STARTED),
        pods("image", "unscheduled"),
        [kai_body(OLD_KAI)],
        f"image trainer:1 cannot be had; {NO_ROOM}",
    ),
    (
        "KAI's sticky word",
        Phase.RUNNING,
        job(STARTED | {"ready": 2}),
        pods("ready", "ready"),
        [kai_body(OLD_KAI)],
        None,
    ),
    (
        "no pod made yet",
        Phase.PENDING,
        job({"startTime": at(NOW), "active": 0}),
        [],
        [volcano_body()],
        "waiting in queue",
    ),
    ("counts alone", Phase.RUNNING, job(STARTED | {"ready": 2}), [], [volcano_body("Inqueue", LACKING)], None),
    ("no room by Volcano", Phase.PENDING, job(STARTED), pods("unscheduled"), [volcano_body("Inqueue", LACKING)], GANG),
    ("let in, no word yet", Phase.CREATING, job({"startTime": at(NOW)}), [], [volcano_body("Inqueue")], "no pod"),
]


def of_top(top, found, of_pods=()):
    """What the operator joins: by uid, and by the names that pods carry."""
    metas = (top.meta, *(one.meta for one in of_pods))
    return concerning((read(one) for one in found), metas)


@pytest.mark.parametrize(
    ("phase", "top", "of_pods", "found", "message"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_what_becomes_of_it(phase, top, of_pods, found, message):
    record = observe(top, *of_pods, queues=of_top(top, found, of_pods)).workload
    assert record.phase is phase
    if message is None:
        assert record.phase_message is None or "team-a" not in record.phase_message
    else:
        assert message in (record.phase_message or "")
    assert phase is Phase.PENDING or (record.phase_reason, record.pending_scheduling_messages) == (None, ())


def test_scaled_to_nothing_is_a_stop_whatever_stands_in_a_queue():
    top = obj("StatefulSet", {"replicas": 0, "template": template()}, {"replicas": 0, "observedGeneration": 1})
    assert observe(top, queues=of_top(top, [kueue_body(NO_QUOTA)])).workload.phase is Phase.STOPPED


@pytest.mark.parametrize(("active", "phase"), [(True, Phase.PENDING), (False, Phase.STOPPED)])
def test_an_app_wrapper_that_kueue_holds(active, phase):
    top = obj("AppWrapper", {"suspend": True, "components": []}, {"phase": "Suspended"})
    found = kueue_body(NO_QUOTA, active=active, owners=(owner(kind="AppWrapper"),))
    assert observe(top, queues=of_top(top, [found])).workload.phase is phase


def test_a_resize_that_waits_stops_nothing():
    found = [kueue_body(RESERVED, ADMITTED, name="old"), kueue_body(NO_QUOTA, name="new")]
    top = job(STARTED | {"ready": 2})
    assert observe(top, *pods("ready", "ready"), queues=of_top(top, found)).workload.phase is Phase.RUNNING


def test_a_gang_that_lost_a_pod_to_preemption_says_why_it_waits():
    top = job(STARTED)
    record = observe(top, *pods("unscheduled"), remembered=latched(), queues=of_top(top, [kai_body(OLD_KAI)])).workload
    assert record.phase is Phase.PENDING
    assert NO_ROOM in (record.phase_message or "")


def test_the_run_of_a_cron_job_is_held_and_a_run_before_is_not_asked():
    run = job(SUSPENDED, suspend=True, uid="run-2", ownerReferences=[owner(kind="CronJob")])
    top = obj("CronJob", {"schedule": "* * * * *", "jobTemplate": {"spec": run.spec}}, {"active": [{"uid": "run-2"}]})
    held = kueue_body(NO_QUOTA, owners=(owner("run-2"),))
    record = observe(top, children=(run,), queues=(read(held),)).workload
    assert (record.phase, record.phase_reason) == (Phase.PENDING, PhaseReason.OVER_LIMIT)
    before = kueue_body(NO_QUOTA, owners=(owner("run-1"),))
    unheard = observe(top, children=(run,), queues=(read(before),)).workload
    assert (unheard.phase, unheard.phase_reason) == (Phase.STOPPED, None)


def test_why_another_run_waits_is_not_told():
    run = job(STARTED, uid="run-2", ownerReferences=[owner(kind="CronJob")])
    top = obj("CronJob", {"schedule": "* * * * *", "jobTemplate": {"spec": run.spec}}, {"active": [{"uid": "run-2"}]})
    before = kai_body(unschedulable(OVER_LIMIT), owners=(owner("run-1"),))
    waits = pod("w-0", "unscheduled", ownerReferences=[owner("run-2")])
    record = observe(top, waits, children=(run,), queues=(read(before),)).workload
    assert (record.phase, record.phase_reason) == (Phase.PENDING, None)
    assert "PodGroupScheduled" not in {one.type for one in record.conditions}


def test_a_queue_says_it_for_a_pod_alone():
    alone = pod("w-0", "gated")
    held = kueue_body(NO_QUOTA, owners=(owner("pod-w-0", kind="Pod", api_version="v1"),))
    record = observe(None, alone, queues=(read(held),)).workload
    assert record.phase is Phase.PENDING
    assert FULL in (record.phase_message or "")


REASONS = [
    ("over quota", kai_body(unschedulable(OVER_QUOTA)), PhaseReason.NON_PREEMPTIBLE_OVER_QUOTA),
    ("over the limit", kai_body(unschedulable(OVER_LIMIT)), PhaseReason.OVER_LIMIT),
    ("no room", kai_body(OLD_KAI), None),
    ("Kueue's quota", kueue_body(NO_QUOTA), PhaseReason.OVER_LIMIT),
    (
        "more than there is",
        kueue_body(said("QuotaReserved", "False", "ExceedsMaxQuota", "never")),
        PhaseReason.OVER_LIMIT,
    ),
    ("no such queue", kueue_body(said("QuotaReserved", "False", "Inadmissible", NO_QUEUE)), None),
    ("Volcano", volcano_body("Inqueue", LACKING), None),
]


@pytest.mark.parametrize(("found", "reason"), [pytest.param(*case[1:], id=case[0]) for case in REASONS])
def test_the_reason_of_the_contract(found, reason):
    top = job(STARTED)
    record = observe(top, *pods("unscheduled"), queues=of_top(top, [found])).workload
    assert (record.phase, record.phase_reason) == (Phase.PENDING, reason)
    assert {one.phase_reason for one in record.pending_scheduling_messages} == ({reason} if reason else set())


def test_the_messages_of_each_node_pool():
    found = kai_body(
        unschedulable(OVER_LIMIT, pool="a100", queue="research"),
        unschedulable(OVER_QUOTA, ("Unschedulable", "no room"), pool="h100", number=2, queue="team-a"),
    )
    top = job(STARTED, annotations={"kai.scheduler/node-pools": "h100 a100"})
    record = observe(top, *pods("unscheduled"), queues=of_top(top, [found])).workload
    assert record.pending_scheduling_messages == (
        SchedulingMessage(
            node_pool="h100",
            phase_reason=PhaseReason.NON_PREEMPTIBLE_OVER_QUOTA,
            reason="NonPreemptibleOverQuota",
            org_type=OrgType.PROJECT,
            user_message=OVER_QUOTA[1],
        ),
        SchedulingMessage(
            node_pool="a100",
            phase_reason=PhaseReason.OVER_LIMIT,
            reason="OverLimit",
            org_type=OrgType.DEPARTMENT,
            user_message=OVER_LIMIT[1],
        ),
    )


def test_a_queue_without_node_pools_speaks_for_the_first_that_is_asked_for():
    top = job(SUSPENDED, suspend=True, annotations={"kai.scheduler/node-pools": "h100 a100"})
    (message,) = observe(top, queues=of_top(top, [kueue_body(NO_QUOTA)])).workload.pending_scheduling_messages
    assert (message.node_pool, message.reason, message.user_message) == ("h100", "Pending", FULL)


@pytest.mark.parametrize(
    ("states", "found", "wanted"),
    [
        (("unscheduled", "ready"), kai_body(OLD_KAI), ("False", "Unschedulable")),
        (("unscheduled",), kai_body(), ("False", "Waiting")),
        (("ready", "not_ready"), kai_body(OLD_KAI), ("True", "Scheduled")),
        ((), volcano_body("Pending", LACKING), ("False", "NotEnoughResources")),
        ((), kai_body(), None),
        (("gated",), kueue_body(NO_QUOTA), None),
    ],
)
def test_the_condition_about_its_pod_groups(states, found, wanted):
    top = job(STARTED)
    of_pods = pods(*states)
    record = observe(top, *of_pods, queues=of_top(top, [found], of_pods)).workload
    shown = {one.type: (one.status, one.reason) for one in record.conditions}
    assert shown.get("PodGroupScheduled") == wanted


def test_pods_name_their_groups_and_the_names_are_kept():
    metadata = {"name": "p", "namespace": "n", "uid": "u"}
    annotations = {"pod-group-name": "a", "scheduling.k8s.io/group-name": "b"}
    found = read_pod({"metadata": metadata | {"annotations": annotations}})
    assert found is not None
    assert [(key.group, name) for key, _, name in group_names(found.meta)] == [
        ("scheduling.run.ai", "a"),
        ("scheduling.volcano.sh", "b"),
    ]
    labelled = read_pod({"metadata": metadata | {"labels": {"scheduling.k8s.io/group-name": "c"}}})
    assert labelled is not None
    named = read(volcano_body(name="c", owners=()))
    assert concerning([named], [labelled.meta]) == ()
    assert concerning([replace(named, meta=replace(named.meta, namespace="n"))], [labelled.meta]) != ()


def test_the_version_of_what_was_heard_counts():
    top = job(STARTED)
    assert observe(top, queues=of_top(top, [kai_body()])).workload.observed_version == 300


def test_of_other_kinds_nothing_is_read():
    assert read_queue(KindKey(group="", kind="Pod"), kueue_body()) is None
    assert read_queue(KUEUE_WORKLOAD, {"metadata": {}}) is None
    assert {KUEUE_WORKLOAD, KAI_POD_GROUP} < set(QUEUE_KINDS)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["True", "Pending"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["conditions", "schedulingConditions", "reasons", "type", "status", "reason", "message"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(
    spec=st.dictionaries(st.sampled_from(["active", "queueName", "queue"]), JUNK),
    status=JUNK,
    key=st.sampled_from(list(QUEUE_KINDS)),
)
def test_junk_never_raises(spec, status, key):
    found = body(f"{key.group}/v1", key.kind, spec, None, name="x", owners=(owner(),)) | {"status": status}
    facts = read_queue(key, found)
    assert facts is not None
    observe(HELD, queues=(facts,))
    observe(job(STARTED), *pods("unscheduled"), queues=(facts,))
