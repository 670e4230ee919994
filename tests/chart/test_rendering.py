"""The chart renders in many ways; a real API server takes every object, and its admission every pod."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client
from support.chart_cases import CASES
from support.chart_refusals import NEEDS_AN_OPERATOR, REFUSED
from support.dry_run import refusal
from support.helm import CHART, Helm, HelmError, Objects, containers, named, pod_templates

RESTRICTED = "rollcall-restricted"
"""Where pods are shown to the admission; their ServiceAccounts are there."""

EMPTY = "rollcall-empty"
"""Where nothing is that an object could already be."""


@pytest.fixture(scope="module")
def restricted(api: client.ApiClient, apply: Callable[..., None]) -> Iterator[None]:
    """A namespace that takes no pod beneath the restricted standard, and an empty one."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RESTRICTED, "labels": labels}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EMPTY}},
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "important"},
            "value": 1000,
        },
    )
    # A pod is refused where its ServiceAccount is not there.
    for name in ("rollcall-operator", "rollcall-api", "watcher", "answerer", "workload-records-operator"):
        apply(a_service_account(name))
    for name in ("workload-records-api", "rollcall-roll-operator", "rollcall-roll-api", "1", "2"):
        apply(a_service_account(name))
    yield
    core: Any = client.CoreV1Api(api)
    for name in (RESTRICTED, EMPTY):
        core.delete_namespace(name)


def a_service_account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": RESTRICTED}}


def a_pod_of(template: dict[str, Any]) -> dict[str, Any]:
    metadata = {**template["metadata"], "generateName": "pod-", "namespace": RESTRICTED}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def test_lint_finds_nothing(helm: Helm) -> None:
    said = helm.run("lint", "--strict", str(CHART))
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 40


@pytest.mark.usefixtures("restricted")
@pytest.mark.parametrize("case", CASES)
def test_a_real_api_server_takes_every_object(helm: Helm, api: client.ApiClient, case: str) -> None:
    objects = helm.render(CASES[case], namespace=EMPTY)
    refused = {f"{one['kind']} {one['metadata']['name']}": refusal(api, one) for one in objects}
    assert {name: why for name, why in refused.items() if why} == {}
    pods = {name: refusal(api, a_pod_of(template)) for name, template in pod_templates(objects).items()}
    assert pods
    assert {name: why for name, why in pods.items() if why} == {}


@pytest.mark.usefixtures("restricted")
def test_the_admission_does_refuse(helm: Helm, api: client.ApiClient) -> None:
    template = pod_templates(helm.render({}, namespace=EMPTY))["rollcall-api"]
    template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "violates PodSecurity" in refusal(api, a_pod_of(template))


@pytest.mark.usefixtures("restricted")
def test_an_unknown_field_is_refused(helm: Helm, api: client.ApiClient) -> None:
    service = named(helm.render({}, namespace=EMPTY), "Service", "rollcall-api")
    service["spec"]["prot"] = 80
    assert "unknown field" in refusal(api, service)


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_value_is_refused_with_a_sentence(helm: Helm, case: str) -> None:
    values, sentence = REFUSED[case]
    with pytest.raises(HelmError) as caught:
        helm.render(values)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("case", NEEDS_AN_OPERATOR)
def test_what_the_cluster_does_not_serve_is_refused_with_a_sentence(helm: Helm, case: str) -> None:
    values, sentence = NEEDS_AN_OPERATOR[case]
    with pytest.raises(HelmError) as caught:
        helm.render(values, api_versions=())
    assert sentence in str(caught.value)
    assert helm.render(values)


@pytest.mark.parametrize("case", CASES)
def test_every_container_is_confined(helm: Helm, case: str) -> None:
    templates = pod_templates(helm.render(CASES[case]))
    for name, template in templates.items():
        spec = template["spec"]
        # What kubelet tells of Services would be taken for settings: ROLLCALL_API_PORT.
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"].get("runAsUser") != 0, name
        for container in containers(template):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, container["name"]
            assert {"requests", "limits"} <= set(container["resources"]), container["name"]
            mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
            has_token = "/var/run/secrets/kubernetes.io/serviceaccount" in mounted
            assert has_token == (container["name"] in {"operator", "api"}), container["name"]


@pytest.mark.parametrize("case", CASES)
def test_no_secret_is_in_a_config_map_or_an_argument(helm: Helm, case: str) -> None:
    objects = helm.render(CASES[case])
    secrets = {
        value
        for one in objects
        if one["kind"] == "Secret"
        for key, value in one.get("data", {}).items()
        if key != "ca.crt"  # whom to trust is no secret
    }
    open_to_all = json.dumps([one for one in objects if one["kind"] != "Secret"])
    assert not any(secret in open_to_all for secret in secrets)
    for template in pod_templates(objects).values():
        for container in containers(template):
            for variable in container.get("env", []):
                if variable["name"].endswith(("PASSWORD", "TOKEN")):
                    assert set(variable["valueFrom"]) == {"secretKeyRef"}, variable["name"]
                elif variable["name"].endswith("DSN"):
                    assert ":" not in variable.get("value", "//").split("//")[1].partition("@")[0]


def test_a_change_of_the_settings_rolls_the_pods(helm: Helm) -> None:
    def sums(values: dict[str, Any]) -> list[str]:
        templates = pod_templates(helm.render(values))
        return [
            templates[name]["metadata"]["annotations"]["checksum/config"]
            for name in ("rollcall-operator", "rollcall-api")
        ]

    before, after = sums({}), sums({"config": {"cluster": {"name": "blue"}}})
    assert before == sums({"api": {"replicas": 5}})
    assert not set(before) & set(after)


def test_tokens_may_be_made_for_the_declared_applications_alone(helm: Helm) -> None:
    objects = helm.render(CASES["applications"])
    roles = [one for one in objects if one["kind"] == "Role" and one["metadata"]["name"] == "rollcall-applications"]
    found = {role["metadata"]["namespace"]: role["rules"] for role in roles}
    assert found == {
        namespace: [
            {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [name], "verbs": ["create"]}
        ]
        for namespace, name in (("team-a", "reports"), ("team-b", "others"))
    }


def test_the_same_values_give_the_same_objects_but_for_the_password(helm: Helm) -> None:
    def without_secrets() -> Objects:
        return [one for one in helm.render(CASES["everything"]) if one["kind"] != "Secret"]

    assert without_secrets() == without_secrets()


NAMED = [case for case in CASES if case.startswith("named namespaces")]


@pytest.mark.parametrize("case", NAMED)
def test_for_named_namespaces_nothing_is_made_that_is_the_clusters(helm: Helm, case: str) -> None:
    objects = helm.render(CASES[case])
    assert {one["kind"] for one in objects} & {"ClusterRole", "ClusterRoleBinding", "APIService"} == set()
    assert {one["metadata"].get("namespace") for one in objects} - {"rollcall", "team-a", "team-b"} == set()
    operator, api = (
        {variable["name"]: variable.get("value") for variable in container["env"]}
        for name in ("rollcall-operator", "rollcall-api")
        for container in pod_templates(objects)[name]["spec"]["containers"]
    )
    assert operator["ROLLCALL_OPERATOR__NAMESPACES"] == ",".join(CASES[case]["rbac"]["namespaces"])
    assert api["ROLLCALL_API__REVIEWS"] == "self"


def test_each_named_namespace_has_the_operators_role_and_the_callers(helm: Helm) -> None:
    objects = helm.render(CASES["named namespaces: viewers"])

    def held(kind: str, part: str) -> dict[tuple[str, str], Any]:
        return {
            (one["metadata"]["namespace"], one["metadata"]["name"]): one[part] for one in objects if one["kind"] == kind
        }

    rules, subjects = held("Role", "rules"), held("RoleBinding", "subjects")
    reads = yaml.safe_load((CHART / "files" / "operator-namespace-rules.yaml").read_text())
    sees = [{"apiGroups": ["rollcall.dev"], "resources": ["workloads"], "verbs": ["get", "list", "watch"]}]
    account = [{"kind": "ServiceAccount", "name": "rollcall-operator", "namespace": "rollcall"}]
    for namespace in ("team-a", "team-b"):
        assert rules[namespace, "rollcall-operator"] == reads
        assert rules[namespace, "rollcall-view"] == sees
        assert subjects[namespace, "rollcall-operator"] == account
        assert [one["kind"] for one in subjects[namespace, "rollcall-view"]] == ["Group", "User", "ServiceAccount"]
    assert {place for place in rules if place[0] == "rollcall"} == {
        ("rollcall", "rollcall-operator-lease"),
        ("rollcall", "rollcall-operator-kinds"),
    }
    assert set(rules) == set(subjects)


def test_the_whole_cluster_is_not_narrowed(helm: Helm) -> None:
    names = {
        variable["name"]
        for template in pod_templates(helm.render({})).values()
        for container in containers(template)
        for variable in container.get("env", [])
    }
    assert names & {"ROLLCALL_OPERATOR__NAMESPACES", "ROLLCALL_API__REVIEWS"} == set()
