"""Whatever a release and its namespace are called, its objects have names that an API server takes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client
from support.cluster_objects import remove_namespace
from support.dry_run import refusal
from support.helm import Helm, HelmError, Objects, named, pod_templates

EVERYTHING: dict[str, Any] = {
    "aggregatedApi": {"enabled": True},
    "applications": [{"name": "reports", "serviceAccount": "2026/reports", "existingSecret": "reports"}],
    "api": {"autoscaling": {"enabled": True}},
    "ingress": {"enabled": True, "hosts": ["rollcall.example.com"]},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    "networkPolicy": {"enabled": True},
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True, "namespace": "2026"},
    },
}
NAMESPACES = ("2026", "1e3", "null")
"""Names that YAML has other readings of."""

RELEASES = {
    "on": "on-rollcall",
    "my.release": "my-release-rollcall",
    "a" * 53: "a" * 40,
    f"rollcall-{'a' * 30}.x": f"rollcall-{'a' * 30}",
}
"""Releases, and what the names of their objects begin with."""


@pytest.fixture(scope="module")
def namespaces(api: client.ApiClient, apply: Callable[..., None]) -> Iterator[None]:
    """Empty ones of these names."""
    apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES))
    yield
    for name in NAMESPACES:
        remove_namespace(api, name)


def refused(api: client.ApiClient, objects: Objects) -> dict[str, str]:
    """What the API server has against each."""
    answers = {f"{one['kind']} {one['metadata']['name']}": refusal(api, one) for one in objects}
    return {name: answer for name, answer in answers.items() if answer}


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_may_be_called_as_a_number_is(helm: Helm, api: client.ApiClient, namespace: str) -> None:
    objects = helm.render(EVERYTHING, namespace=namespace)
    assert refused(api, objects) == {}
    operator = pod_templates(objects)["rollcall-operator"]["spec"]["containers"][0]
    assert {"name": "ROLLCALL_OPERATOR__LEASE_NAMESPACE", "value": namespace} in operator["env"]


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("release", RELEASES)
def test_a_release_may_have_any_name_that_helm_takes(helm: Helm, api: client.ApiClient, release: str) -> None:
    objects = helm.render(EVERYTHING, release=release, namespace="2026")
    assert refused(api, objects) == {}
    assert named(objects, "Deployment", f"{RELEASES[release]}-operator")


def test_names_that_begin_with_a_digit_are_refused_with_a_sentence(helm: Helm) -> None:
    with pytest.raises(HelmError) as caught:
        helm.render({}, release="2nd")
    assert 'would begin with "2nd-rollcall", and that of a Service begins with a letter' in str(caught.value)
    assert named(helm.render({"fullnameOverride": "second"}, release="2nd"), "Service", "second-api")


def test_two_releases_share_no_name(helm: Helm) -> None:
    def names(release: str) -> set[tuple[str, str]]:
        rendered = helm.render({**EVERYTHING, "aggregatedApi": {"enabled": False}}, release=release)
        return {(one["kind"], one["metadata"]["name"]) for one in rendered}

    assert names("blue") & names("green") == set()


def test_the_alerts_of_two_releases_in_one_namespace_are_about_their_own(helm: Helm) -> None:
    def expressions(release: str) -> set[str]:
        values = {"monitoring": {"prometheusRule": {"enabled": True}}}
        rule = named(helm.render(values, release=release), "PrometheusRule", f"{release}-rollcall")
        return {one["expr"] for group in rule["spec"]["groups"] for one in group["rules"]}

    assert expressions("blue") & expressions("green") == set()


def test_cloudnativepg_takes_the_longest_name(helm: Helm) -> None:
    """Its operator takes 50 characters."""
    objects = helm.render({"database": {"mode": "cloudnativepg"}}, release="a" * 53)
    (cluster,) = [one for one in objects if one["kind"] == "Cluster"]
    assert len(cluster["metadata"]["name"]) <= 50
    operator = pod_templates(objects)[f"{'a' * 40}-operator"]["spec"]["containers"][0]
    (dsn,) = [one for one in operator["env"] if one["name"] == "ROLLCALL_DATABASE__DSN"]
    assert dsn["valueFrom"]["secretKeyRef"]["name"] == f"{cluster['metadata']['name']}-app"
