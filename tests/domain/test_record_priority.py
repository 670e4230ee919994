"""Priority: which PriorityClass, what it is worth, and whether the workload may be preempted."""

import pytest
from support.observed import obj, observe, pod, template

LABEL, PREEMPTIBILITY = "priorityClassName", "kai.scheduler/preemptibility"


def record(*, top=None, child=None, of_pod=None, spec=None, priority=None, pod_spec=None, **view):
    job = {"template": template(**({"priorityClassName": spec} if spec else {}))}
    run = obj("Job", job, uid="run", name="run", labels=child or {})
    one = pod(labels=of_pod or {}, spec=(pod_spec or {}) | ({"priority": priority} if priority is not None else {}))
    cron = obj("CronJob", {"schedule": "@daily", "jobTemplate": {"spec": job}}, labels=top or {})
    return observe(cron, one, children=(run,), **view).workload


CLASSES = [
    ({}, "train"),
    ({"spec": "high"}, "high"),
    ({"pod_spec": {"priorityClassName": "low"}}, "low"),
    ({"spec": "high", "pod_spec": {"priorityClassName": "low"}}, "high"),
    ({"spec": "high", "of_pod": {LABEL: "medium"}}, "medium"),
    ({"child": {LABEL: "build"}, "of_pod": {LABEL: "medium"}}, "build"),
    ({"top": {LABEL: "inference"}, "child": {LABEL: "build"}}, "inference"),
    ({"top": {LABEL: ""}, "spec": "high"}, "high"),
]


@pytest.mark.parametrize(("given", "name"), CLASSES)
def test_a_label_on_an_owner_then_on_a_pod_then_the_spec_names_the_class(given, name):
    assert record(**given).priority_class_name == name


def test_of_several_runs_the_newest_tells():
    job = {"template": template()}
    runs = tuple(obj("Job", job, uid=name, name=name, labels={LABEL: name}) for name in ("low", "high"))
    cron = obj("CronJob", {"schedule": "@daily", "jobTemplate": {"spec": job}})
    assert observe(cron, children=runs).workload.priority_class_name == "high"


WORTH = [
    ({"spec": "high"}, 125, False),
    ({"spec": "low"}, 40, True),
    ({"spec": "high", "priority_classes": {"high": 7}}, 7, True),
    ({"spec": "own", "pod_spec": {"priorityClassName": "own"}, "priority": 300}, 300, False),
    ({"spec": "own", "pod_spec": {"priorityClassName": "other"}, "priority": 300}, None, None),
    ({"spec": "own"}, None, None),
    ({"spec": "own", "priority_classes": {"own": 99}}, 99, True),
    ({"spec": "own", "priority_classes": {"own": 100}}, 100, False),
    ({"spec": "high", "top": {PREEMPTIBILITY: "preemptible"}}, 125, True),
    ({"spec": "low", "child": {PREEMPTIBILITY: "non-preemptible"}}, 40, False),
    ({"spec": "low", "of_pod": {PREEMPTIBILITY: "non-preemptible"}}, 40, False),
    ({"spec": "low", "top": {PREEMPTIBILITY: "preemptible"}, "of_pod": {PREEMPTIBILITY: "non-preemptible"}}, 40, True),
    ({"spec": "low", "top": {PREEMPTIBILITY: "perhaps"}}, 40, True),
]


@pytest.mark.parametrize(("given", "priority", "preemptible"), WORTH)
def test_the_class_is_worth_what_the_cluster_says_and_below_100_preemptible(given, priority, preemptible):
    found = record(**given)
    assert (found.priority, found.preemptible) == (priority, preemptible)
