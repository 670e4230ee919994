"""The bounds of a HorizontalPodAutoscaler stand on the record of what it names, whichever is seen first."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.observed import NOW, SETTINGS, STATUSES, template

from rollcall.domain.autoscaling import AUTOSCALER, AUTOSCALING_KINDS
from rollcall.domain.derivation import derive
from rollcall.domain.facts import KindKey
from rollcall.domain.placing import Missing
from rollcall.domain.records import Phase, Remembered, RequestedPods
from rollcall.explain.gathering import gather
from rollcall_operator.cluster_state import ClusterState, EventType
from rollcall_operator.listing import Listed, Lists, Standing
from rollcall_operator.sweep import Sweeper
from rollcall_operator.watched import watched_kinds

SPACE = "runai-team-a"
BOUNDS = {"minReplicas": 2, "maxReplicas": 5}


def thing(api_version, kind, name="w", spec=None, status=None, *, namespace=SPACE, **metadata):
    meta = {"name": name, "namespace": namespace, "uid": f"{kind}-{namespace}-{name}", "generation": 1, **metadata}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec or {}, "status": status or {}}


def a_deployment(replicas=3, ready=3, **more):
    status = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3}
    status |= {"readyReplicas": ready, "availableReplicas": ready}
    return thing("apps/v1", "Deployment", spec={"replicas": replicas, "template": template()}, status=status, **more)


def an_autoscaler(target=("apps/v1", "Deployment", "w"), name="hpa", *, version="v2", namespace=SPACE, **bounds):
    api_version, kind, called = target
    ref = {"apiVersion": api_version, "kind": kind, "name": called}
    spec = {"scaleTargetRef": {key: value for key, value in ref.items() if value is not None}, **(bounds or BOUNDS)}
    return thing(f"autoscaling/{version}", "HorizontalPodAutoscaler", name, spec, namespace=namespace)


class Seen:
    """The operator's state of a cluster, and what it remembers of its records."""

    def __init__(self, *objects):
        self.state = ClusterState(SETTINGS, all_namespaces=True)
        self.version = 0
        self.remembered = Remembered()
        for one in objects:
            self.see(one)

    def see(self, obj, event=EventType.SEEN, version=None):
        self.version += 1
        found = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(version or self.version)}}
        key = KindKey(group=obj["apiVersion"].rpartition("/")[0], kind=obj["kind"])
        self.state.observe(key, event, found, at=NOW)

    def lose(self, obj):
        self.see(obj, EventType.DELETED)

    def record(self, uid=f"Deployment-{SPACE}-w"):
        """The record that the flusher would write now; ``None`` where nothing has changed."""
        if uid not in self.state.dirty:
            return None
        self.state.dirty.clear()
        view = self.state.view(uid)
        assert view is not None
        record = derive(view, now=NOW, remembered=self.remembered, remembered_pods={}, settings=SETTINGS).workload
        self.remembered = Remembered.of(record)
        return record

    def pods(self, uid=f"Deployment-{SPACE}-w"):
        record = self.record(uid)
        return None if record is None else record.requested_pods


SCALED = {"replicas": 3, "template": template()}
GROUPS = {"replicas": 2, "leaderWorkerTemplate": {"size": 4, "workerTemplate": template()}}
GANGS = {
    "replicas": 1,
    "template": {"cliques": [{"name": "a", "spec": {"replicas": 3, "podSpec": template()["spec"]}}]},
}
JOB = {"template": template(), "parallelism": 2}
MACHINES = [
    ("apps/v1", "Deployment", SCALED, RequestedPods(number=3, min=2, max=5)),
    ("apps/v1", "ReplicaSet", SCALED, RequestedPods(number=3, min=2, max=5)),
    ("apps/v1", "StatefulSet", SCALED, RequestedPods(number=3, min=2, max=5)),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", GROUPS, RequestedPods(number=8, min=8, max=20)),
    (
        "leaderworkerset.x-k8s.io/v1",
        "LeaderWorkerSet",
        {**GROUPS, "leaderWorkerTemplate": {"size": "four", "workerTemplate": template()}},
        None,
    ),
    ("grove.io/v1alpha1", "PodCliqueSet", GANGS, RequestedPods(number=3, min=6, max=15)),
    ("example.com/v1", "Thing", SCALED, RequestedPods(number=3, min=2, max=5)),
    ("batch/v1", "Job", JOB, RequestedPods(number=2, parallelism=2)),
]


@pytest.mark.parametrize(("api_version", "kind", "spec", "wanted"), MACHINES)
def test_whatever_has_replicas_is_scaled(api_version, kind, spec, wanted):
    seen = Seen(thing(api_version, kind, spec=spec), an_autoscaler((api_version, kind, "w")))
    assert seen.pods(f"{kind}-{SPACE}-w") == wanted


ALONE = RequestedPods(number=3)
CASES = {
    "the least is 1 by default": (an_autoscaler(maxReplicas=4), RequestedPods(number=3, min=1, max=4)),
    "to nothing": (an_autoscaler(minReplicas=0, maxReplicas=4), RequestedPods(number=3, min=0, max=4)),
    "the first version": (an_autoscaler(version="v1"), RequestedPods(number=3, min=2, max=5)),
    "another version of its target": (
        an_autoscaler(("apps/v1beta2", "Deployment", "w")),
        RequestedPods(number=3, min=2, max=5),
    ),
    "another group": (an_autoscaler(("example.com/v1", "Deployment", "w")), ALONE),
    "no group": (an_autoscaler((None, "Deployment", "w")), ALONE),
    "another kind": (an_autoscaler(("apps/v1", "StatefulSet", "w")), ALONE),
    "another name": (an_autoscaler(("apps/v1", "Deployment", "v")), ALONE),
    "another namespace": (an_autoscaler(namespace="runai-team-b"), ALONE),
    "no most": (an_autoscaler(minReplicas=2), ALONE),
    "a most of nothing": (an_autoscaler(minReplicas=0, maxReplicas=0), ALONE),
    "more than the most": (an_autoscaler(minReplicas=6, maxReplicas=5), ALONE),
    "an absurd least": (an_autoscaler(minReplicas="two", maxReplicas=5), ALONE),
    "a negative least": (an_autoscaler(minReplicas=-1, maxReplicas=5), ALONE),
    "an absurd most": (an_autoscaler(maxReplicas=10**12), ALONE),
    "a truth for a number": (an_autoscaler(maxReplicas=True), ALONE),
    "no target": (thing("autoscaling/v2", "HorizontalPodAutoscaler", "hpa", BOUNDS), ALONE),
}


@pytest.mark.parametrize(("autoscaler", "wanted"), CASES.values(), ids=CASES)
def test_what_it_names_and_says(autoscaler, wanted):
    assert Seen(a_deployment(), autoscaler).pods() == wanted
    (view,) = gather([autoscaler, a_deployment()], SETTINGS).views
    found = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS)
    assert found.workload.requested_pods == wanted


def test_the_order_in_which_they_are_seen_does_not_matter():
    middle = thing("apps/v1", "ReplicaSet", "w-1", SCALED, ownerReferences=[_owner("Deployment", "w")])
    pod_spec = {"containers": [{"name": "main"}]}
    pod = thing("v1", "Pod", "w-1-a", pod_spec, STATUSES["ready"], ownerReferences=[_owner("ReplicaSet", "w-1")])
    for order in itertools.permutations([a_deployment(), middle, pod, an_autoscaler()]):
        seen = Seen(*order)
        assert seen.pods() == RequestedPods(number=3, min=2, max=5)
        seen.see(an_autoscaler() | {"status": {"currentReplicas": 3}})
        assert seen.pods() is None, "nothing new"


def _owner(kind, name):
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": f"{kind}-{SPACE}-{name}", "controller": True}


def test_an_owner_that_is_known_by_its_pods_is_scaled_too():
    owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "w", "uid": "thing", "controller": True}
    pod = thing("v1", "Pod", "p", {"containers": [{"name": "main"}]}, STATUSES["ready"], ownerReferences=[owner])
    seen = Seen(pod)
    seen.state.learn_owner("thing", Missing.FORBIDDEN)
    assert seen.pods("thing") is None
    seen.see(an_autoscaler(("example.com/v1", "Thing", "w")))
    assert seen.pods("thing") == RequestedPods(min=2, max=5)
    seen.lose(pod)
    assert not seen.state.belonging.addressed((KindKey(group="example.com", kind="Thing"), SPACE, "w"))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda seen: seen.lose(an_autoscaler()), ALONE),
        (lambda seen: seen.see(an_autoscaler(maxReplicas="many")), ALONE),
        (lambda seen: seen.see(an_autoscaler(("apps/v1", "Deployment", "v"))), ALONE),
        (lambda seen: seen.see(an_autoscaler(maxReplicas=9)), RequestedPods(number=3, min=1, max=9)),
        (lambda seen: seen.see(an_autoscaler(name="a", maxReplicas=9)), RequestedPods(number=3, min=1, max=9)),
        (lambda seen: seen.see(an_autoscaler(name="z", maxReplicas=9)), RequestedPods(number=3, min=2, max=5)),
        (lambda seen: seen.see(an_autoscaler(maxReplicas=9), version=1), None),
    ],
)
def test_the_newest_word_counts(change, wanted):
    seen = Seen(a_deployment(), an_autoscaler())
    assert seen.pods() == RequestedPods(number=3, min=2, max=5)
    change(seen)
    assert seen.pods() == wanted


def test_one_that_comes_again_under_its_name_is_scaled():
    seen = Seen(a_deployment(), an_autoscaler())
    seen.lose(a_deployment())
    seen.see(a_deployment(uid="again"))
    assert seen.pods("again") == RequestedPods(number=3, min=2, max=5)
    seen.lose(an_autoscaler())
    assert list(seen.state.dirty) == ["again"]
    assert seen.pods("again") == ALONE


def test_only_what_it_names_is_derived_again():
    seen = Seen(a_deployment(), a_deployment(namespace="runai-team-b"), thing("apps/v1", "StatefulSet", spec=SCALED))
    seen.state.dirty.clear()
    seen.see(an_autoscaler())
    assert list(seen.state.dirty) == [f"Deployment-{SPACE}-w"]


def test_what_the_object_says_itself_stays():
    annotations = {"autoscaling.knative.dev/min-scale": "1", "autoscaling.knative.dev/max-scale": "3"}
    spec = {"template": {"metadata": {"annotations": annotations}, "spec": template()["spec"]}}
    target = ("serving.knative.dev/v1", "Service", "w")
    found = Seen(thing(*target, spec=spec), an_autoscaler(target)).pods(f"Service-{SPACE}-w")
    assert found == RequestedPods(number=1, min=1, max=3)


def test_bounds_are_no_resize_and_a_resize_within_them_is_one():
    seen = Seen(a_deployment())
    assert seen.record().phase is Phase.RUNNING
    seen.see(an_autoscaler(minReplicas=4, maxReplicas=9))
    seen.see(a_deployment(ready=2))
    assert seen.record().phase is Phase.DEGRADED
    seen.see(a_deployment())
    assert seen.record().phase is Phase.RUNNING
    seen.see(a_deployment(replicas=4))
    grown = seen.record()
    assert (grown.phase, grown.requested_pods) == (Phase.UPDATING, RequestedPods(number=4, min=4, max=9))


def test_its_version_counts():
    seen = Seen(a_deployment(), an_autoscaler())
    assert seen.record().observed_version == seen.version
    seen.lose(an_autoscaler())
    assert seen.record().observed_version == seen.version - 1, "it never falls"


@pytest.mark.parametrize("standing", [Standing.LISTED, Standing.FORBIDDEN, Standing.FAILED])
def test_a_complete_list_takes_away_what_it_does_not_hold(standing):
    seen = Seen(a_deployment(), an_autoscaler())
    assert seen.pods() == RequestedPods(number=3, min=2, max=5)
    sweeper = Sweeper(seen.state, None, "", watched_kinds(), clock=lambda: NOW)
    assert sweeper.compare(Lists({AUTOSCALER: Listed(standing=standing, version=99)}), {}, {}) == 0
    assert seen.pods() == (ALONE if standing is Standing.LISTED else None)


def test_they_are_watched_and_are_no_workloads():
    assert set(AUTOSCALING_KINDS) == {AUTOSCALER} <= {kind.key for kind in watched_kinds()}
    seen = Seen(an_autoscaler())
    assert not seen.state.dirty
    assert not seen.state.objects


def test_explain_leaves_out_what_has_no_metadata():
    found = gather([{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}], SETTINGS)
    assert found.left_out == ("a HorizontalPodAutoscaler has no metadata to go by.",)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["apiVersion", "kind", "name"]), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["scaleTargetRef", "minReplicas", "maxReplicas"]), JUNK) | JUNK,
    st.dictionaries(st.sampled_from(["name", "namespace", "uid"]), JUNK) | JUNK,
)
def test_junk_never_raises(spec, metadata):
    obj = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}
    seen = Seen(a_deployment())
    seen.state.observe(AUTOSCALER, EventType.SEEN, obj, at=NOW)
    seen.state.observe(AUTOSCALER, EventType.DELETED, obj, at=NOW)
    assert not seen.state.beside.scaled.facts
