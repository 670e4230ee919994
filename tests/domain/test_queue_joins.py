"""What stands in queues is joined to its workload, whichever of the two is seen first, and forgotten when it goes."""

import itertools

import pytest
from support.observed import CREATED, NOW, SETTINGS, STATUSES, at
from support.queued import TOP, kai_body, kueue_body, owner, said, unschedulable, volcano_body

from rollcall.domain.derivation import derive
from rollcall.domain.facts import KindKey
from rollcall.domain.queues import QUEUE_KINDS
from rollcall.domain.reading import read_meta
from rollcall.domain.records import Phase, Remembered
from rollcall.explain.gathering import gather
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.listing import Listed, Lists, Standing
from rollcall_operator.sweep import Sweeper
from rollcall_operator.watched import watched_kinds

SPACE = "runai-team-a"
NO_QUOTA = said("QuotaReserved", "False", "Pending", "insufficient unused quota for nvidia.com/gpu in flavor a, 2 more")


def thing(api_version, kind, name, uid, *owners, spec=None, status=None, **metadata):
    meta = {"name": name, "namespace": SPACE, "uid": uid, "creationTimestamp": at(CREATED), "generation": 1}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": meta | {"ownerReferences": list(owners)} | metadata,
        "spec": spec or {},
        "status": status or {},
    }


def job(uid=TOP, *owners, suspend=True):
    spec = {"parallelism": 2, "suspend": suspend, "template": {"spec": {"containers": [{"name": "main"}]}}}
    return thing("batch/v1", "Job", "w", uid, *owners, spec=spec, status={"startTime": at(NOW)})


def pod(uid, *owners, **metadata):
    spec = {"containers": [{"name": "main"}], "restartPolicy": "Never"}
    return thing("v1", "Pod", uid, uid, *owners, spec=spec, status=STATUSES["unscheduled"], **metadata)


class Seen:
    """The operator's state of a cluster."""

    def __init__(self):
        self.state = ClusterState(SETTINGS, all_namespaces=True)
        self.version = 0
        self.see({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "uid": "space"}})

    def see(self, obj, event=EventType.SEEN):
        self.version += 1
        found = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        group = obj["apiVersion"].rpartition("/")[0]
        self.state.observe(KindKey(group=group, kind=obj["kind"]), event, found, at=NOW)

    def lose(self, obj):
        self.see(obj, EventType.DELETED)

    def record(self, uid=TOP):
        """The record, as the flusher would write it now; ``None`` where nothing has changed."""
        if uid not in self.state.dirty:
            return None
        self.state.dirty.clear()
        view = self.state.view(uid)
        assert view is not None
        return derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS).workload


def group_of(name):
    return {"annotations": {"pod-group-name": name, "scheduling.k8s.io/group-name": name}}


JOINS = {
    "Kueue, by its owner": [job(), kueue_body(NO_QUOTA)],
    "Kueue, a child's": [
        thing("batch/v1", "CronJob", "w", TOP, spec={"schedule": "* * * * *"}, status={"active": [{"uid": "run"}]}),
        job("run", owner(kind="CronJob")),
        kueue_body(NO_QUOTA, owners=(owner("run"),)),
    ],
    "Kueue, a pod's": [
        job(suspend=False),
        pod("p", owner()),
        kueue_body(NO_QUOTA, owners=(owner("p", kind="Pod", api_version="v1"),)),
    ],
    "KAI, by its owner": [job(suspend=False), pod("p", owner()), kai_body(unschedulable(("OverLimit", "no")))],
    "KAI, by its annotation": [
        job(suspend=False),
        pod("p", owner()),
        kai_body(
            unschedulable(("OverLimit", "no")),
            owners=(owner("gang", kind="PodGang", api_version="scheduler.grove.io/v1alpha1"),),
            annotations={"kai.scheduler/top-owner-metadata": f"name: w\nuid: {TOP}\ngroup: batch\nkind: Job\n"},
        ),
    ],
    "KAI, by the name on a pod": [
        job(suspend=False),
        pod("p", owner(), **group_of("pg")),
        kai_body(unschedulable(("OverLimit", "no")), name="pg", owners=()),
    ],
    "Volcano, by its owner": [job(suspend=False), volcano_body()],
    "Volcano, by the name on a pod": [
        job(suspend=False),
        pod("p", owner(), **group_of("pg")),
        volcano_body(name="pg", owners=()),
    ],
    "KAI, of an owner that is not watched": [
        pod("p", owner(kind="Thing", api_version="example.com/v1"), **group_of("pg")),
        kai_body(unschedulable(("OverLimit", "no")), name="pg", owners=()),
    ],
}


@pytest.mark.parametrize("objects", JOINS.values(), ids=JOINS)
def test_the_order_in_which_they_are_seen_does_not_matter(objects):
    told = set()
    for order in itertools.permutations(objects):
        seen = Seen()
        for one in order:
            seen.see(one)
        if "Thing" in str(objects[0]["metadata"]):
            seen.state.learn_owner(TOP, _thing())
        record = seen.record()
        assert record is not None
        told.add((record.phase, record.phase_reason, record.phase_message))
    assert len(told) == 1
    ((phase, _, message),) = told
    assert phase is Phase.PENDING
    assert any(word in (message or "") for word in ("insufficient unused quota", "OverLimit: no", "waiting in queue"))


def _thing():
    found = read_meta(thing("example.com/v1", "Thing", "w", TOP))
    assert found is not None
    return found


@pytest.mark.parametrize("objects", list(JOINS.values())[:-1], ids=list(JOINS)[:-1])
def test_what_went_is_forgotten(objects):
    seen = Seen()
    for one in objects:
        seen.see(one)
    heard = seen.record()
    seen.lose(objects[-1])
    after = seen.record()
    assert heard is not None
    assert after is not None
    assert heard.phase_message != after.phase_message
    assert (after.phase_reason, after.pending_scheduling_messages) == (None, ())


def test_admission_alone_makes_its_record_new():
    seen = Seen()
    seen.see(job())
    seen.see(kueue_body(NO_QUOTA))
    seen.record()
    seen.see(kueue_body(NO_QUOTA))
    assert seen.record() is None
    seen.see(kueue_body(said("QuotaReserved", "True", "", ""), said("Admitted", "True", "Admitted", "")))
    record = seen.record()
    assert record is not None
    assert "about to start" in (record.phase_message or "")


def test_an_older_word_loses():
    seen = Seen()
    seen.see(job())
    seen.see(kueue_body(NO_QUOTA))
    stale = kueue_body(active=False) | {}
    stale["metadata"]["resourceVersion"] = "1"
    seen.state.observe(KindKey(group="kueue.x-k8s.io", kind="Workload"), EventType.SEEN, stale, at=NOW)
    record = seen.record()
    assert record is not None
    assert record.phase is Phase.PENDING


def test_a_pod_that_names_another_group_leaves_the_first():
    seen = Seen()
    seen.see(job(suspend=False))
    seen.see(pod("p", owner(), **group_of("one")))
    seen.see(pod("p", owner(), **group_of("two")))
    seen.record()
    seen.see(kai_body(unschedulable(("OverLimit", "no")), name="one", owners=()))
    assert seen.record() is None
    seen.see(kai_body(unschedulable(("OverLimit", "no")), name="two", owners=()))
    assert seen.record() is not None


def sweeper(state):
    return Sweeper(state, None, "", watched_kinds(), clock=lambda: NOW)


def test_a_sweep_finds_what_went_unseen():
    seen = Seen()
    found = kueue_body(NO_QUOTA)
    seen.see(job())
    seen.see(found)
    seen.record()
    key = KindKey(group="kueue.x-k8s.io", kind="Workload")
    there = frozenset({found["metadata"]["uid"]})
    lists = Lists({key: Listed(standing=Standing.LISTED, uids=there, version=99)})
    sweeper(seen.state).compare(lists, {}, {})
    assert seen.record() is None
    lists = Lists({key: Listed(standing=Standing.LISTED, version=99)})
    assert sweeper(seen.state).compare(lists, {}, {}) == 0, "it is no workload that is closed"
    record = seen.record()
    assert record is not None
    assert record.phase is Phase.STOPPED


def test_only_what_is_older_than_the_list_is_dropped():
    seen = Seen()
    found = kueue_body(NO_QUOTA)
    seen.see(found)
    uid = found["metadata"]["uid"]
    seen.state.forget_unseen([uid], version=1, at=NOW)
    assert uid in seen.state.beside.queued.facts
    seen.state.forget_unseen([uid], version=2, at=NOW)
    assert not seen.state.beside.queued.facts


def test_they_are_watched_and_are_no_workloads():
    assert set(QUEUE_KINDS) < {kind.key for kind in watched_kinds()}
    seen = Seen()
    for found in (kueue_body(NO_QUOTA), kai_body(), volcano_body()):
        seen.see(found)
        assert seen.state.view(found["metadata"]["uid"]) is None
    assert not seen.state.objects


@pytest.mark.parametrize("objects", JOINS.values(), ids=JOINS)
def test_explain_joins_them_alike(objects):
    gathered = gather(objects, SETTINGS)
    (view,) = gathered.views
    assert len(view.queues) == 1
    assert gathered.left_out == ()
    record = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS).workload
    assert record.phase is Phase.PENDING


def test_a_pod_alone_is_joined():
    seen = Seen()
    seen.see(pod("p"))
    assert POD in {kind.key for kind in watched_kinds()}
    seen.see(kueue_body(NO_QUOTA, owners=(owner("p", kind="Pod", api_version="v1"),)))
    record = seen.record("p")
    assert record is not None
    assert "insufficient unused quota" in (record.phase_message or "")
