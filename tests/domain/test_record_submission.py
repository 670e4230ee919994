"""Who submitted a workload, and where it wants to be placed: what launchers and schedulers write as metadata."""

import pytest
from support.observed import obj, observe, pod, template

from rollcall.domain.attachments import Topology
from rollcall.domain.records import Source

SUBMITTED = [
    ("a GPU scheduler", {"annotations": {"user": "ada"}}, "ada"),
    ("a label", {"labels": {"user": "ada"}}, "ada"),
    ("Kubeflow", {"annotations": {"notebooks.kubeflow.org/creator": "ada@example.com"}}, "ada@example.com"),
    ("Open Data Hub", {"annotations": {"opendatahub.io/username": "ada"}}, "ada"),
    (
        "JupyterHub",
        {"annotations": {"hub.jupyter.org/username": "ada@x"}, "labels": {"hub.jupyter.org/username": "ada-40x"}},
        "ada@x",
    ),
    ("JupyterHub's label", {"labels": {"hub.jupyter.org/username": "ada-40x"}}, "ada-40x"),
    (
        "Coder",
        {"annotations": {"com.coder.user.email": "ada@example.com"}, "labels": {"com.coder.user.username": "ada"}},
        "ada@example.com",
    ),
    (
        "Argo",
        {"labels": {"workflows.argoproj.io/creator": "system-serviceaccount-argo-argo-server"}},
        "system-serviceaccount-argo-argo-server",
    ),
    (
        "Argo with SSO",
        {
            "labels": {
                "workflows.argoproj.io/creator": "0f5e",
                "workflows.argoproj.io/creator-email": "ada.at.example.com",
                "workflows.argoproj.io/creator-preferred-username": "ada",
            }
        },
        "ada@example.com",
    ),
    ("SkyPilot", {"labels": {"parent": "skypilot", "skypilot-user": "ada"}}, "ada"),
    ("OpenShift Pipelines", {"annotations": {"pipeline.openshift.io/started-by": "kube:admin"}}, "kube:admin"),
    ("Metaflow", {"annotations": {"metaflow/owner": "ada"}}, "ada"),
    ("Dev Workspaces", {"labels": {"controller.devfile.io/creator": "0f5e9a3c"}}, "0f5e9a3c"),
    ("the annotation before the label", {"annotations": {"user": "ada"}, "labels": {"user": "bob"}}, "ada"),
    ("an empty one is none", {"annotations": {"user": " "}, "labels": {"user": "bob"}}, "bob"),
    ("a tool is nobody", {"labels": {"app.kubernetes.io/created-by": "spark-operator"}}, None),
    ("nothing", {}, None),
    ("odd values", {"annotations": {"user": 5}, "labels": {"user": ["x"]}}, None),
]


@pytest.mark.parametrize(
    ("metadata", "submitter"), [case[1:] for case in SUBMITTED], ids=[case[0] for case in SUBMITTED]
)
def test_the_submitter_is_who_the_launcher_says(metadata, submitter):
    by_object = observe(obj("Job", {"template": template()}, **metadata)).workload
    by_pod = observe(obj("Job", {"template": template()}), pod(**metadata)).workload
    assert by_object.submitted_by == by_pod.submitted_by == submitter
    assert by_object.source is Source.OTHER


def test_the_object_is_believed_before_its_pods():
    job = obj("Job", {"template": template()}, labels={"user": "ada"})
    assert observe(job, pod(annotations={"user": "bob"})).workload.submitted_by == "ada"


def test_a_workload_of_run_ai_names_its_user_in_the_spec():
    spec = {"username": {"value": "ada@example.com"}, "image": {"value": "x"}}
    for kind in ("TrainingWorkload", "InteractiveWorkload", "DistributedWorkload", "InferenceWorkload"):
        assert observe(obj(kind, spec)).workload.submitted_by == "ada@example.com", kind
    assert observe(obj("TrainingWorkload", spec, annotations={"user": "bob"})).workload.submitted_by == "bob"
    assert observe(obj("TrainingWorkload", {"username": {"value": 5}})).workload.submitted_by is None


PLACED = [
    (
        {"kai.scheduler/topology": "dc", "kai.scheduler/topology-required-placement": "rack"},
        Topology(name="dc", required="rack"),
    ),
    (
        {"kai.scheduler/topology": "dc", "kai.scheduler/topology-preferred-placement": "block"},
        Topology(name="dc", preferred="block"),
    ),
    (
        {"kueue.x-k8s.io/podset-required-topology": "cloud.example.com/rack"},
        Topology(required="cloud.example.com/rack"),
    ),
    (
        {"kueue.x-k8s.io/podset-preferred-topology": "cloud.example.com/rack"},
        Topology(preferred="cloud.example.com/rack"),
    ),
    ({"alpha.jobset.sigs.k8s.io/exclusive-topology": "rack"}, Topology(required="rack")),
    ({"kai.scheduler/topology": ""}, None),
    ({}, None),
]


@pytest.mark.parametrize(("annotations", "topology"), PLACED)
def test_the_topology_is_the_objects_its_templates_or_its_pods(annotations, topology):
    job = {"template": template()}
    on_template = {"template": template() | {"metadata": {"annotations": annotations}}}
    assert observe(obj("Job", job, annotations=annotations)).workload.topology == topology
    assert observe(obj("Job", on_template)).workload.topology == topology
    assert observe(obj("Job", job), pod(annotations=annotations)).workload.topology == topology


def test_odd_topologies_are_none():
    odd = {"template": template() | {"metadata": {"annotations": {"kai.scheduler/topology": 5}}}}
    assert observe(obj("Job", odd)).workload.topology is None
    assert observe(obj("Job", {"template": template() | {"metadata": {"annotations": "x"}}})).workload.topology is None
