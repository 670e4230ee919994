"""The invariant: what workloads and ignored pods hold together is what is bound on the nodes, in any cluster."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clusters import NODE_LABELS, OBJECTS, PODS, claims_for, node_of, pod_of
from support.observed import NOW, SETTINGS

from rollcall.domain.balance import balance
from rollcall.domain.claims import read_claim
from rollcall.domain.derivation import derive
from rollcall.domain.node_reading import read_node
from rollcall.domain.reading import read_pod
from rollcall.domain.records import Remembered, Resources
from rollcall.explain.gathering import gather


def weigh(nodes, pods):
    """Both sides, from the objects of a cluster: records as derived against pods as they are."""
    claims = claims_for(pods)
    gathered = gather([*nodes, *OBJECTS, *claims, *pods], SETTINGS)
    records = [
        derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS).workload
        for view in gathered.views
    ]
    read = {}
    for one in claims:
        found = read_claim(one, SETTINGS)
        read.setdefault(one["metadata"]["namespace"], {})[found.name] = found
    return balance(
        [record.allocated for record in records],
        [read_pod(pod, SETTINGS) for pod in pods],
        {node["metadata"]["name"]: read_node(node, SETTINGS) for node in nodes},
        SETTINGS,
        read,
    )


@settings(max_examples=100)
@given(labels=st.lists(NODE_LABELS, min_size=3, max_size=3), drawn=PODS)
def test_workloads_and_ignored_pods_hold_what_is_bound(labels, drawn):
    nodes = [node_of(number, one) for number, one in enumerate(labels)]
    found = weigh(nodes, [pod_of(number, one) for number, one in enumerate(drawn)])
    assert found.holds, found
    assert found.missing_gpu_micros == 0


WHOLE = {
    "form": "whole",
    "owner": "known",
    "place": ("team-b", {}),
    "state": "ready",
    "node": "node-0",
    "deleting": False,
    "claim": None,
}
CASES = [
    ("a workload's pod", WHOLE, 2_000_000, 0),
    ("one being deleted", WHOLE | {"deleting": True}, 2_000_000, 0),
    ("one that ended", WHOLE | {"state": "succeeded"}, 0, 0),
    ("one that was rejected", WHOLE | {"state": "rejected"}, 0, 0),
    ("one that is not bound", WHOLE | {"node": None, "state": "unscheduled"}, 0, 0),
    ("one that is only nominated", WHOLE | {"node": None, "state": "preempting"}, 0, 0),
    ("a DaemonSet's pod", WHOLE | {"owner": "daemon"}, 0, 2_000_000),
    ("a static pod", WHOLE | {"owner": "static"}, 0, 2_000_000),
    ("one of an ignored namespace", WHOLE | {"place": ("kube-system", {})}, 0, 2_000_000),
    ("a reservation", WHOLE | {"place": ("runai-reservation", {})}, 0, 0),
    ("a reservation by its label", WHOLE | {"place": ("team-b", {"app": "runai-reservation"})}, 0, 0),
    ("one whose owner is unknown", WHOLE | {"owner": "unknown"}, 2_000_000, 0),
    ("one whose node is gone", WHOLE | {"node": "node-gone"}, 2_000_000, 0),
]


@pytest.mark.parametrize(
    ("drawn", "workloads", "ignored"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_who_holds(drawn, workloads, ignored):
    found = weigh([node_of(0, {"kai.scheduler/node-pool": "a"})], [pod_of(0, drawn)])
    assert (found.workloads.gpu_micros, found.ignored.gpu_micros) == (workloads, ignored)
    assert found.holds
    if drawn["node"] != "node-gone" and workloads + ignored:
        assert list(found.bound) == ["a"]


def test_a_pod_that_is_dropped_shows():
    found = weigh([node_of(0, {})], [pod_of(0, WHOLE), pod_of(1, WHOLE)])
    lost = replace(found, workloads=Resources(gpu_micros=2_000_000))
    assert (found.missing_gpu_micros, lost.missing_gpu_micros) == (0, 2_000_000)
    assert not lost.holds
