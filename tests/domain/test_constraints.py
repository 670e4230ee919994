"""Where a pod may run, and since when it is in its phase, as its record tells."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.observed import CREATED, NOW, SETTINGS, at, pod

from rollcall.domain.constraints import (
    MOST_TERMS,
    MOST_VALUES,
    UNCONSTRAINED,
    Constraints,
    NodeExpression,
    NodeTerm,
    Toleration,
    constraints_of,
)
from rollcall.domain.derivation import derive
from rollcall.domain.facts import WorkloadView
from rollcall.domain.reading import clean_text, read_pod
from rollcall.domain.records import PodRecord, Remembered, RememberedPod


def constraints(spec: dict[str, Any]) -> Constraints:
    return constraints_of(spec, clean_text)


def affinity(*, required: Any = None, preferred: Any = None) -> dict[str, Any]:
    return {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": required,
                "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            }
        }
    }


def zone(*values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "zone", "operator": "In", "values": list(values)}]}


ZONE = NodeExpression(key="zone", operator="In", values=("a",))


def test_tolerations_are_kept_as_they_stand() -> None:
    found = constraints(
        {
            "tolerations": [
                {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
                {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {},
            ]
        }
    )
    assert found == Constraints(
        tolerations=(
            Toleration(key="gpu", operator="Equal", value="yes", effect="NoSchedule"),
            Toleration(operator="Exists", effect="NoExecute", seconds=300),
            Toleration(),
        )
    )


def test_pods_that_tolerate_the_same_share_what_is_kept() -> None:
    spec = {"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]}
    assert constraints(spec) is constraints({"tolerations": [dict(spec["tolerations"][0])]})


def test_required_and_preferred_terms() -> None:
    wish = {"weight": 7, "preference": {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}}
    found = constraints(affinity(required={"nodeSelectorTerms": [zone("a"), zone("b", "c")]}, preferred=[wish]))
    assert found.required == (
        NodeTerm(expressions=(ZONE,)),
        NodeTerm(expressions=(NodeExpression(key="zone", operator="In", values=("b", "c")),)),
    )
    assert found.preferred == (NodeTerm(weight=7, expressions=(NodeExpression(key="gpu", operator="Exists"),)),)


def test_a_term_of_which_nothing_can_be_said_is_left_out() -> None:
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-1"]}]}
    odd = {
        "matchExpressions": [{"key": "zone", "operator": "Near"}, {"operator": "Exists"}, {"key": "a", "operator": []}]
    }
    assert constraints(affinity(required={"nodeSelectorTerms": [by_name, odd, {}]})) == UNCONSTRAINED
    both = {**by_name, **zone("a")}
    assert constraints(affinity(required={"nodeSelectorTerms": [both]})).required == (NodeTerm(expressions=(ZONE,)),)


@pytest.mark.parametrize(
    "garbage", [None, 7, "x", [], {}, [7], [{"key": 7, "tolerationSeconds": "x"}], [None]], ids=repr
)
def test_garbage_says_nothing(garbage: Any) -> None:
    found = constraints({"tolerations": garbage, "affinity": garbage, **affinity(required=garbage, preferred=garbage)})
    assert found.required == found.preferred == ()
    assert set(found.tolerations) <= {Toleration()}
    term = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In", "values": garbage}]}]}
    (kept,) = constraints(affinity(required=term)).required
    assert kept.expressions == (NodeExpression(key="k", operator="In"),)
    assert constraints({"affinity": garbage}) == UNCONSTRAINED


def test_there_is_a_bound_to_all_that_is_kept() -> None:
    many = [{"key": f"k{number}", "operator": "In", "values": ["v"] * 1000} for number in range(1000)]
    terms = [{"matchExpressions": many}] * 1000
    found = constraints({"tolerations": many, **affinity(required={"nodeSelectorTerms": terms})})
    assert len(found.tolerations) == len(found.required) == len(found.required[0].expressions) == MOST_TERMS
    assert len(found.required[0].expressions[0].values) == MOST_VALUES


def record(obj: dict[str, Any], remembered: RememberedPod | None = None) -> PodRecord:
    """The record of a pod that is a workload of its own."""
    facts = read_pod(obj, SETTINGS)
    assert facts is not None
    memory = {} if remembered is None else {facts.meta.uid: remembered}
    view = WorkloadView(pods=(facts,), top_is_pod=True)
    found = derive(view, now=NOW, remembered=Remembered(), remembered_pods=memory, settings=SETTINGS)
    return found.pods[0]


def an_object(phase: str, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "w", "namespace": "a", "uid": "u", "creationTimestamp": at(CREATED)},
        "spec": {"containers": [{"name": "main", "image": "x"}, {"name": "side", "image": "y"}], **SPEC},
        "status": {"phase": phase, "podIP": "10.0.0.7", **status},
    }


SPEC: dict[str, Any] = {"nodeName": "gpu-1", "tolerations": [{"operator": "Exists"}]}
LATER, LATEST = CREATED + timedelta(minutes=5), CREATED + timedelta(minutes=9)


def statuses(*states: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "state": state} for name, state in states]


RUNNING = statuses(("main", {"running": {"startedAt": at(LATEST)}}), ("side", {"running": {"startedAt": at(LATER)}}))
ENDED = statuses(("main", {"terminated": {"exitCode": 0, "finishedAt": at(LATEST), "startedAt": at(LATER)}}))


@pytest.mark.parametrize(
    ("obj", "since"),
    [
        pytest.param(an_object("Pending", startTime=at(LATER)), CREATED, id="pending"),
        pytest.param(an_object("Running", containerStatuses=RUNNING, startTime=at(CREATED)), LATER, id="running"),
        pytest.param(an_object("Running", startTime=at(LATER)), LATER, id="running, the kubelet is late"),
        pytest.param(an_object("Running"), CREATED, id="running, nothing is said"),
        pytest.param(an_object("Succeeded", containerStatuses=ENDED), LATEST, id="succeeded"),
        pytest.param(an_object("Failed", reason="Evicted", message="m"), NOW, id="failed, just seen"),
        pytest.param(an_object("Unknown"), CREATED, id="unknown"),
    ],
)
def test_since_when_a_pod_is_in_its_phase(obj: dict[str, Any], since: datetime) -> None:
    assert record(obj).k8s_phase_at == since


def test_an_end_that_is_remembered_is_the_phases_start() -> None:
    obj = an_object("Failed", reason="Evicted", message="m")
    assert record(obj, RememberedPod(ended_at=LATER)).k8s_phase_at == LATER


def test_a_record_tells_address_and_constraints() -> None:
    found = record(an_object("Running"))
    assert (found.ip, found.constraints.tolerations) == ("10.0.0.7", (Toleration(operator="Exists"),))
    without = an_object("Pending")
    without["status"]["podIP"] = ""
    assert record(without).ip is None
    assert pod(name="w-0").constraints == UNCONSTRAINED
