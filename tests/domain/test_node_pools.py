"""Node pools: where a node is, where work asks to be, where it was."""

import pytest
from support.observed import SETTINGS, latched, node, obj, observe, pod, template

from rollcall.domain.node_pools import pool_of_node, requested_node_pools
from rollcall.domain.node_reading import read_node
from rollcall.domain.records import RememberedPod

LABELS = SETTINGS.node_pool_labels
KAI, RUNAI = LABELS


@pytest.mark.parametrize(
    ("labels", "pool"),
    [
        ({}, "default"),
        ({KAI: "big"}, "big"),
        ({RUNAI: "old"}, "old"),
        ({RUNAI: "old", KAI: "big"}, "big"),
        ({KAI: "", RUNAI: "old"}, "old"),
        ({"kai.scheduler/node-pool-x": "big"}, "default"),
    ],
)
def test_a_node_is_in_the_pool_of_the_first_label(labels, pool):
    assert pool_of_node(labels, LABELS) == pool
    found = read_node({"metadata": {"uid": "n", "labels": labels}}, SETTINGS)
    assert found is not None
    assert found.node_pool == pool


def affinity(*terms):
    required = {"nodeSelectorTerms": [{"matchExpressions": list(term)} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def in_pools(*pools, key=KAI):
    return {"key": key, "operator": "In", "values": list(pools)}


ELSEWHERE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-1"]}

ASKED = [
    ("nothing said", (), {}),
    ("annotation, in its order", ("b", "a"), {"annotations": {"kai.scheduler/node-pools": " b  a b "}}),
    ("affinity, in the order of terms", ("b", "a"), {"spec": affinity([in_pools("b")], [in_pools("a", "b")])}),
    ("affinity beside other terms", ("a",), {"spec": affinity([ELSEWHERE, in_pools("a")])}),
    ("affinity to no pool at all", (), {"spec": affinity([ELSEWHERE])}),
    (
        "DoesNotExist is the default pool",
        ("default",),
        {"spec": affinity([{"key": RUNAI, "operator": "DoesNotExist"}])},
    ),
    ("NotIn says nothing", (), {"spec": affinity([{"key": KAI, "operator": "NotIn", "values": ["a"]}])}),
    ("selector", ("a",), {"spec": {"nodeSelector": {RUNAI: "a"}}}),
    ("label", ("a",), {"labels": {KAI: "a"}}),
    ("label not yet assigned", (), {"labels": {KAI: "kai-unexisting-node-pool"}}),
    (
        "annotation before affinity before selector before label",
        ("first",),
        {
            "annotations": {"kai.scheduler/node-pools": "first"},
            "spec": affinity([in_pools("second")]) | {"nodeSelector": {KAI: "third"}},
            "labels": {KAI: "fourth"},
        },
    ),
    (
        "affinity before selector before label",
        ("second",),
        {"spec": affinity([in_pools("second")]) | {"nodeSelector": {KAI: "third"}}, "labels": {KAI: "fourth"}},
    ),
    ("selector before label", ("third",), {"spec": {"nodeSelector": {KAI: "third"}}, "labels": {KAI: "fourth"}}),
    ("garbage", (), {"spec": affinity([{"key": KAI, "operator": "In", "values": "a"}, {"operator": 1}, {}])}),
]


@pytest.mark.parametrize(("wanted", "given"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED])
def test_the_first_that_says_anything_wins(wanted, given):
    metadata = {"annotations": given.get("annotations", {}), "labels": given.get("labels", {})}
    assert requested_node_pools({"metadata": metadata, "spec": given.get("spec", {})}, LABELS) == wanted


def test_a_workload_asks_by_its_templates_until_it_has_pods():
    top = obj("Deployment", {"template": template(nodeSelector={KAI: "a"})})
    assert observe(top).workload.requested_node_pools == ("a",)
    moved = pod("w-0", spec={"nodeSelector": {KAI: "b"}})
    assert observe(top, moved).workload.requested_node_pools == ("b",)


def test_the_objects_annotation_is_above_its_pods():
    top = obj("Deployment", {"template": template()}, annotations={"kai.scheduler/node-pools": "x y"})
    assert observe(top, pod(spec={"nodeSelector": {KAI: "b"}})).workload.requested_node_pools == ("x", "y")


def test_without_a_word_it_is_the_default_pool():
    assert observe(obj("Deployment", {"template": template()})).workload.requested_node_pools == ("default",)


def test_current_pools_are_those_of_the_nodes_of_pods_that_hold_something():
    top = obj("Job", {"parallelism": 3, "template": template()}, {"startTime": "2026-03-01T11:00:00Z"})
    nodes = (node("gpu-1", pool="b"), node("gpu-2", pool="a"), node("gpu-3"))
    pods = [
        pod("w-0", node="gpu-1"),
        pod("w-1", node="gpu-2", state="succeeded"),
        pod("w-2", node="gpu-3"),
        pod("w-3", state="unscheduled"),
    ]
    assert observe(top, *pods, nodes=nodes).workload.current_node_pools == ("b", "default")


def test_a_pod_stays_in_the_pool_it_was_bound_in():
    """Its node was relabelled since, or is gone."""
    top = obj("Deployment", {"template": template()})
    memory = {"pod-w-0": RememberedPod(node_pool="then")}
    for nodes in ((), (node("gpu-1", pool="now"),)):
        record = observe(top, pod("w-0"), nodes=nodes, remembered_pods=memory).workload
        assert record.current_node_pools == ("then",)


def test_what_has_ended_keeps_its_last_pools():
    top = obj("Job", {"template": template()}, {"conditions": [{"type": "Complete", "status": "True"}]})
    ended = observe(top, remembered=latched(current_node_pools=("big",))).workload
    assert ended.current_node_pools == ("big",)
