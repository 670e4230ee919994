"""The walk to the top owner, over any chain: long, circular, dangling, half readable."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.observed import SETTINGS, pod

from rollcall.domain.facts import DomainSettings, KindKey, OwnerReference
from rollcall.domain.kinds import catalogue
from rollcall.domain.ownership import (
    MOST_STEPS,
    Ignored,
    OwnerWalk,
    controller_of,
    ignored_because,
    reference_meta,
    split_api_version,
    uids_below,
)

API_VERSIONS = {
    "Pod": "v1",
    "Node": "v1",
    "ReplicaSet": "apps/v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "PyTorchJob": "kubeflow.org/v1",
}


def owner(kind, name="", *, uid="", controller=True):
    """A reference; without a name and a uid they follow from the kind."""
    return OwnerReference(
        api_version=API_VERSIONS.get(kind, "example.com/v1"),
        kind=kind,
        name=name or kind.lower(),
        uid=uid or name or kind.lower(),
        controller=controller,
    )


def meta(kind, *owners, name=""):
    return replace(reference_meta(owner(kind, name), "ns"), owners=owners)


def walk(*chain, missing=()):
    """Walk a world in which these objects exist; returns the walk, at its end."""
    world = {one.uid: one for one in chain}
    found = OwnerWalk(chain[0], catalogue.is_catalogued)
    asked = []
    while (step := found.next_owner()) is not None:
        asked.append(step.uid)
        assert len(asked) <= MOST_STEPS + 1
        if step.uid in world and step.uid not in missing:
            found.found(world[step.uid])
        else:
            found.not_found(step)
    assert len(asked) == len(set(asked)), "nothing is read twice"
    return found


def chain_of(*kinds):
    """Objects of these kinds, each owned by the next."""
    return [
        meta(kind, *([owner(kinds[place + 1])] if place + 1 < len(kinds) else [])) for place, kind in enumerate(kinds)
    ]


TOPS = [
    (("Pod",), "Pod"),
    (("Pod", "ReplicaSet"), "ReplicaSet"),
    (("Pod", "ReplicaSet", "Deployment"), "Deployment"),
    (("Pod", "Job", "CronJob"), "CronJob"),
    (("Pod", "StatefulSet", "Pod2", "StatefulSet2", "Thing"), "StatefulSet"),
    (("Pod", "ReplicaSet", "Deployment", "Platform"), "Deployment"),
    (("Pod", "ReplicaSet", "Wrapper", "Deployment"), "Deployment"),
    (("Pod", "Thing"), "Thing"),
    (("Pod", "Thing", "Bigger"), "Bigger"),
    (("Job",), "Job"),
    (("Job", "Thing"), "Job"),
    (("ReplicaSet", "Deployment"), "Deployment"),
]


@pytest.mark.parametrize(("kinds", "top"), TOPS, ids=[" <- ".join(kinds) for kinds, _ in TOPS])
def test_the_top_is_the_highest_that_the_catalogue_knows(kinds, top):
    found = walk(*chain_of(*kinds))
    assert found.top().kind == top
    assert found.problems == []


def test_a_pod_on_the_way_is_passed_through_and_never_the_top():
    """A leader that owns a StatefulSet of workers, a Spark driver that owns its executors."""
    leader = meta("Pod", owner("StatefulSet"), name="leader")
    worker = meta("Pod", owner("Pod", "leader"), name="worker")
    assert walk(worker, leader, meta("StatefulSet")).top().kind == "StatefulSet"
    driver = meta("Pod", owner("Thing"), name="driver")
    executor = meta("Pod", owner("Pod", "driver"), name="executor")
    assert walk(executor, driver, meta("Thing")).top().kind == "Thing"


def test_the_controller_is_followed_not_the_first_owner():
    references = (owner("Deployment", "a", controller=False), owner("Job", "b"))
    assert walk(meta("Pod", *references), meta("Deployment", name="a"), meta("Job", name="b")).top().name == "b"


def test_without_a_controller_the_only_owner_or_a_known_one_is_followed():
    only = owner("Thing", controller=False)
    assert controller_of([only], catalogue.is_catalogued) == only
    known = owner("Job", controller=False)
    assert controller_of([only, known], catalogue.is_catalogued) == known
    assert controller_of([known, only], catalogue.is_catalogued) == known
    assert controller_of([], catalogue.is_catalogued) is None


def test_of_several_known_owners_the_one_with_the_longest_chain_is_followed():
    pair = [owner("Job", controller=False), owner("PyTorchJob", controller=False)]
    assert controller_of(pair, catalogue.is_catalogued).kind == "Job"
    longest = controller_of(pair, catalogue.is_catalogued, lambda one: {"Job": 1, "PyTorchJob": 2}[one.kind])
    assert longest.kind == "PyTorchJob"


def test_a_dangling_owner_is_known_by_its_reference():
    found = walk(*chain_of("Pod", "ReplicaSet", "Deployment"), missing={"replicaset"})
    assert (found.top().kind, found.top().uid, found.top().namespace) == ("ReplicaSet", "replicaset", "ns")
    assert [one.kind for one in found.chain] == ["Pod", "ReplicaSet"]


def test_an_owner_that_may_not_be_read_above_a_known_one_changes_nothing():
    assert walk(*chain_of("Pod", "Job", "Thing"), missing={"thing"}).top().kind == "Job"


def test_a_name_used_again_is_another_owner():
    """The reference says which one by uid; what has the name now is not it."""
    old, new = owner("Job", "run", uid="old"), replace(meta("Job", name="run"), uid="new")
    found = walk(meta("Pod", old), new)
    assert found.top().uid == "old"
    assert found.top().owners == ()


@pytest.mark.parametrize("kinds", [("Thing",), ("Thing", "Other"), ("Job", "Thing"), ("A", "B", "C")])
def test_a_circle_ends_and_is_named(kinds):
    circle = [meta(kind, owner(kinds[(place + 1) % len(kinds)])) for place, kind in enumerate(kinds)]
    found = walk(meta("Pod", owner(kinds[0])), *circle)
    assert "circle" in found.problems[0]
    assert found.top().kind == ("Job" if "Job" in kinds else min(kinds))


def test_a_circle_has_one_top_wherever_one_starts():
    circle = [meta("Job", owner("PyTorchJob")), meta("PyTorchJob", owner("Thing")), meta("Thing", owner("Job"))]
    for place in range(3):
        assert walk(*circle[place:], *circle[:place]).top().kind == "Job"


def test_an_object_that_owns_itself_is_its_own_top():
    found = walk(meta("Job", owner("Job")))
    assert found.top().kind == "Job"
    assert "circle" in found.problems[0]


@pytest.mark.parametrize(("owners", "problem"), [(MOST_STEPS, False), (MOST_STEPS + 1, True)])
def test_a_chain_ends_after_ten_owners_and_says_so(owners, problem):
    found = walk(*chain_of("Pod", "Job", *(f"Thing{number}" for number in range(owners - 1))))
    assert len(found.chain) == 1 + MOST_STEPS
    assert bool(found.problems) is problem
    assert found.top().kind == "Job"


@given(
    edges=st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 14), max_size=3), max_size=12),
    kinds=st.lists(st.sampled_from(["Pod", "Job", "ReplicaSet", "Thing"]), min_size=15, max_size=15),
    controllers=st.booleans(),
)
def test_any_graph_of_owners_has_one_top_and_the_walk_ends(edges, kinds, controllers):
    world = [
        meta(
            kind, *(owner(kinds[to], str(to), controller=controllers) for to in edges.get(number, ())), name=str(number)
        )
        for number, kind in enumerate(kinds[:13])
    ]
    found = walk(*world)
    assert found.top() in found.chain
    assert len(found.chain) <= MOST_STEPS + 1
    known = [one for one in found.chain if one.kind != "Pod" and catalogue.is_catalogued(one.key)]
    assert found.top() in known if known else not catalogue.is_catalogued(found.top().key) or found.top().kind == "Pod"
    if any("longer" in problem for problem in found.problems):
        return
    # Who belongs to whom does not depend on where in the chain one starts to look.
    for one in known:
        others = [other for other in world if other.uid != one.uid]
        assert one not in world or walk(one, *others).top().uid == found.top().uid


IGNORED = [
    ("of a DaemonSet", {"owners": [owner("DaemonSet")]}, Ignored.DAEMON_SET),
    ("of a DaemonSet that is not its controller", {"owners": [owner("DaemonSet", controller=False)]}, None),
    ("static", {"owners": [owner("Node")]}, Ignored.STATIC),
    ("mirror", {"annotations": {"kubernetes.io/config.mirror": "x"}}, Ignored.STATIC),
    ("reservation", {"labels": {"app": "runai-reservation"}}, Ignored.RESERVATION),
    ("reservation of KAI", {"labels": {"app": "kai-reservation"}}, Ignored.RESERVATION),
    ("in a reservation namespace", {"namespace": "kai-resource-reservation"}, Ignored.RESERVATION),
    ("for an autoscaler", {"namespace": "kai-scale-adjust"}, Ignored.SCALE_ADJUST),
    ("in kube-system", {"namespace": "kube-system"}, Ignored.NAMESPACE),
    ("redis clean-up", {"labels": {"ray.io/node-type": "redis-cleanup"}}, Ignored.REDIS_CLEANUP),
    ("agent of a Workflow", {"labels": {"workflows.argoproj.io/component": "agent"}}, Ignored.WORKFLOW_AGENT),
    ("agent for resources", {"labels": {"workflows.argoproj.io/component": "resource-agent"}}, Ignored.WORKFLOW_AGENT),
    (
        "affinity assistant of Tekton",
        {"labels": {"app.kubernetes.io/component": "affinity-assistant"}},
        Ignored.AFFINITY_ASSISTANT,
    ),
    ("a head of Ray", {"labels": {"ray.io/node-type": "head"}}, None),
    ("plain", {}, None),
]


@pytest.mark.parametrize(("given", "ignored"), [case[1:] for case in IGNORED], ids=[case[0] for case in IGNORED])
def test_pods_that_are_never_a_workloads(given, ignored):
    owners = [
        {
            "apiVersion": one.api_version,
            "kind": one.kind,
            "name": one.name,
            "uid": one.uid,
            "controller": one.controller,
        }
        for one in given.get("owners", ())
    ]
    metadata = {key: value for key, value in given.items() if key != "owners"}
    found = pod(**metadata, ownerReferences=owners)
    assert ignored_because(found, SETTINGS) is ignored


def test_namespaces_of_operators_are_ignored_where_the_admin_says_so():
    found = pod(namespace="gpu-operator")
    assert ignored_because(found, SETTINGS) is None
    assert ignored_because(found, DomainSettings(ignored_namespaces=("gpu-operator",))) is Ignored.NAMESPACE


def test_every_reason_has_its_sentence():
    assert len({reason.sentence for reason in Ignored}) == len(Ignored)


@pytest.mark.parametrize(
    ("api_version", "split"),
    [("v1", ("", "v1")), ("apps/v1", ("apps", "v1")), ("", ("", "")), ("a/b/c", ("a/b", "c")), ("/", ("", ""))],
)
def test_group_and_version(api_version, split):
    assert split_api_version(api_version) == split
    found = reference_meta(replace(owner("X"), api_version=api_version), None)
    assert (found.key, found.api_version) == (KindKey(group=split[0], kind="X"), api_version)


def test_what_an_object_owns_at_any_depth_and_in_circles():
    def one(uid, *owners):
        references = [
            {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True} for name in owners
        ]
        return replace(pod(uid, ownerReferences=references).meta, uid=uid)

    metas = [one("executor", "driver"), one("driver", "app"), one("a", "b"), one("b", "a"), one("other", "x")]
    assert uids_below("app", metas) == {"app", "driver", "executor"}
    assert uids_below("a", metas) == {"a", "b"}
    assert uids_below("nobody", metas) == {"nobody"}
