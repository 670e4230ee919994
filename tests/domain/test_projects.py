"""Projects and departments: by the namespace, which users cannot label, before anything that they can."""

import pytest
from support.observed import SETTINGS, obj, observe, pod, template

from rollcall.domain.reading import read_namespace


def namespace(name="runai-team-a", **labels):
    found = read_namespace(
        {"metadata": {"uid": "ns", "name": name, "labels": {key.replace("__", "/"): v for key, v in labels.items()}}},
        SETTINGS,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("labels", "project"),
    [
        ({}, None),
        ({"runai__queue": "a"}, "a"),
        ({"kai__project": "b"}, "b"),
        ({"kai__project": "b", "runai__queue": "a"}, "a"),
        ({"runai__queue": "", "kai__project": "b"}, "b"),
        ({"project": "c"}, None),
    ],
)
def test_a_namespace_is_a_projects_by_its_label(labels, project):
    assert namespace(**labels).project == project


def project(*, of_namespace=None, of_object=None, of_pod=None, name="runai-team-a"):
    top = obj(
        "Deployment", {"template": template()}, labels={"project": of_object} if of_object else {}, namespace=name
    )
    one = pod(labels={"project": of_pod} if of_pod else {}, namespace=name)
    found = None if of_namespace is None else namespace(name, runai__queue=of_namespace)
    return observe(top, one, namespace=found).workload.project_id


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("by-namespace", {"of_namespace": "by-namespace", "of_object": "x", "of_pod": "y"}),
        ("by-object", {"of_object": "by-object", "of_pod": "y"}),
        ("by-object", {"of_namespace": "", "of_object": "by-object", "of_pod": "y"}),
        ("by-pod", {"of_pod": "by-pod"}),
        ("team-a", {}),
        ("research", {"name": "research"}),
        ("runai-", {"name": "runai-"}),
    ],
)
def test_the_namespaces_label_then_the_objects_then_the_pods_then_its_name(wanted, given):
    assert project(**given) == wanted


def test_a_workload_always_has_a_project_and_a_department():
    """Even one without a namespace: the contract requires both."""
    record = observe(obj("Deployment", {"template": template()}, namespace=None)).workload
    assert record.project_id
    assert record.department_id == "default"


def test_the_department_is_the_namespaces():
    labelled = namespace(**{"rollcall.dev__department": "vision", "runai__queue": "a"})
    record = observe(obj("Deployment", {"template": template()}), namespace=labelled).workload
    assert (record.department_id, record.department_name) == ("vision", "vision")
