"""The invariant as the operator keeps it up, event by event: at any time what counting it all anew comes to."""

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from support.clusters import NODE_LABELS, OBJECTS, PODS, claim_of, claims_for, node_of, pod_of
from support.observed import NOW, SETTINGS, STATUSES

from rollcall.domain.balance import balance
from rollcall.domain.derivation import derive
from rollcall.domain.facts import KindKey
from rollcall.domain.placing import Missing
from rollcall.domain.reading import read_pod
from rollcall.domain.records import Remembered
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.measures import Measures
from rollcall_operator.surroundings import CLAIM, NAMESPACE, NODE

DEPLOYMENT = KindKey(group="apps", kind="Deployment")


class Cluster:
    """A cluster's objects and the operator's state of it, which saw them come and go."""

    def __init__(self, *, all_namespaces=True):
        self.state = ClusterState(SETTINGS, all_namespaces=all_namespaces)
        self.pods = {}
        self.version = 0

    def see(self, key, obj, event=EventType.SEEN):
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.state.observe(key, event, obj, at=NOW)

    def see_pod(self, obj):
        self.pods[obj["metadata"]["uid"]] = obj
        self.see(POD, obj)

    def lose_pod(self, uid):
        if uid in self.pods:
            self.see(POD, self.pods.pop(uid), EventType.DELETED)

    def flush(self):
        """What the flusher does to the holdings."""
        state = self.state
        for uid in state.ended:
            state.holdings.close(uid)
        for uid in list(state.dirty):
            view = state.view(uid)
            if view is None:
                state.holdings.close(uid)
                continue
            namespace = (view.pods[0].meta if view.top is None else view.top.meta).namespace
            if state.is_shown(namespace):
                found = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS)
                state.holdings.record(uid, found.workload.allocated.gpu_micros)
            else:
                state.holdings.close(uid)
        state.dirty.clear()
        state.ended.clear()

    def happen(self, drawn, what, about):
        """One of :data:`EVENTS`."""
        if what == "pod" and about[0] < len(drawn):
            number, state = about
            self.see_pod(pod_of(number, drawn[number] | {"state": state}))
        elif what == "lost":
            self.lose_pod(f"pod-{about}")
        elif what == "node":
            self.see(NODE, node_of(*about))
        elif what == "no node":
            self.see(NODE, node_of(about, {}), EventType.DELETED)
        elif what == "flush":
            self.flush()

    def expected(self):
        """The same, counted anew."""
        pods = [read_pod(one, SETTINGS) for one in self.pods.values()]
        return balance([], pods, self.state.surroundings.nodes, SETTINGS, self.state.surroundings.claims)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("pod"), st.tuples(st.integers(0, 11), st.sampled_from(list(STATUSES)))),
        st.tuples(st.just("lost"), st.integers(0, 11)),
        st.tuples(st.just("node"), st.tuples(st.integers(0, 2), NODE_LABELS)),
        st.tuples(st.just("no node"), st.integers(0, 2)),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=80)
@given(drawn=PODS, events=EVENTS, shown=st.booleans())
def test_whatever_comes_and_goes(drawn, events, shown):
    cluster = Cluster(all_namespaces=shown)
    for top in OBJECTS:
        cluster.see(DEPLOYMENT, top)
    cluster.see(NAMESPACE, {"metadata": {"name": "team-b", "uid": "team-b", "labels": {"kai/project": "b"}}})
    for number, one in enumerate(drawn):
        cluster.see_pod(pod_of(number, one))
    for what, about in events:
        cluster.happen(drawn, what, about)
    for claim in claims_for(list(cluster.pods.values())):
        cluster.see(CLAIM, claim)
    for owner in tuple(cluster.state.unresolved.values()):
        cluster.state.learn_owner(owner.uid, Missing.GONE)
    cluster.flush()
    expected, holdings = cluster.expected(), cluster.state.holdings
    bound = {pool: held.gpu_micros for pool, held in expected.bound.items() if held.gpu_micros}
    assert {pool: micros for pool, micros in holdings.bound().items() if micros} == bound
    ignored = holdings.ignored(cluster.state.is_shown)
    if shown:
        assert ignored == expected.ignored.gpu_micros
    assert holdings.recorded + ignored == sum(bound.values())


WHOLE = {"form": "whole", "owner": "nobody", "state": "ready", "node": "node-0", "deleting": False, "claim": None}


def metrics(cluster):
    measures = Measures()
    measures.weigh(cluster.state.holdings, cluster.state.is_shown)
    lines = generate_latest(measures.registry).decode().splitlines()
    return {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if line.startswith("rollcall_gpus_")}


def test_the_gauges():
    cluster = Cluster()
    cluster.see(NODE, node_of(0, {"kai.scheduler/node-pool": "a"}))
    cluster.see(NODE, node_of(1, {}))
    cluster.see_pod(pod_of(0, WHOLE | {"place": ("team-b", {})}))
    cluster.see_pod(pod_of(1, WHOLE | {"place": ("team-b", {}), "form": "fraction", "node": "node-gone"}))
    cluster.see_pod(pod_of(2, WHOLE | {"place": ("kube-system", {})}))
    cluster.see_pod(pod_of(3, WHOLE | {"place": ("runai-reservation", {})}))
    cluster.flush()
    assert metrics(cluster) == {
        'rollcall_gpus_allocated{of="workloads"}': 2.6,
        'rollcall_gpus_allocated{of="ignored"}': 2.0,
        'rollcall_gpus_bound{node_pool="a"}': 4.0,
        'rollcall_gpus_bound{node_pool="default"}': 0.6,
    }


def test_pods_of_a_namespace_that_is_not_shown_are_on_no_record():
    cluster = Cluster(all_namespaces=False)
    cluster.see_pod(pod_of(0, WHOLE | {"place": ("team-b", {})}))
    cluster.flush()
    assert metrics(cluster)['rollcall_gpus_allocated{of="ignored"}'] == 2.0
    cluster.see(NAMESPACE, {"metadata": {"name": "team-b", "uid": "team-b", "labels": {"kai/project": "b"}}})
    cluster.flush()
    found = metrics(cluster)
    assert (found['rollcall_gpus_allocated{of="workloads"}'], found['rollcall_gpus_allocated{of="ignored"}']) == (2, 0)


def test_labels_that_come_late_change_the_records_of_shares():
    """A node's labels may be written after its first pods are bound."""
    cluster = Cluster()
    cluster.see(NODE, node_of(0, {}))
    cluster.see_pod(pod_of(0, WHOLE | {"place": ("team-b", {}), "form": "slice"}))
    cluster.flush()
    assert cluster.state.holdings.recorded == 0
    cluster.see(NODE, node_of(0, {"nvidia.com/gpu.memory": "12000"}))
    cluster.flush()
    assert cluster.state.holdings.recorded == sum(cluster.state.holdings.bound().values()) == 250_000


def test_an_ignored_pod_that_vanished_unseen_is_dropped_by_the_next_complete_list():
    cluster = Cluster()
    cluster.see_pod(pod_of(0, WHOLE | {"place": ("kube-system", {})}))
    holdings = cluster.state.holdings
    holdings.keep_only(frozenset(), version=0)
    assert holdings.ignored(cluster.state.is_shown) == 2_000_000, "it is newer than the list"
    holdings.keep_only(frozenset({"pod-0"}), version=9)
    assert holdings.ignored(cluster.state.is_shown) == 2_000_000
    holdings.keep_only(frozenset(), version=9)
    assert holdings.ignored(cluster.state.is_shown) == 0


def test_a_claim_that_is_allocated_after_its_pod_was_seen():
    cluster = Cluster()
    for number in range(2):
        cluster.see_pod(pod_of(number, WHOLE | {"place": ("team-b", {}), "form": "none", "claim": "shared"}))
    cluster.see(CLAIM, claim_of("shared", "team-b", []))
    cluster.flush()
    assert cluster.state.holdings.recorded == 0
    cluster.see(CLAIM, claim_of("shared", "team-b", ["pod-1", "pod-0"]))
    cluster.flush()
    assert cluster.state.holdings.recorded == sum(cluster.state.holdings.bound().values()) == 1_000_000
    cluster.see(CLAIM, claim_of("shared", "team-b", ["pod-1", "pod-0"]), EventType.DELETED)
    cluster.flush()
    assert cluster.state.holdings.recorded == sum(cluster.state.holdings.bound().values()) == 0
    assert cluster.state.surroundings.claims == {}
