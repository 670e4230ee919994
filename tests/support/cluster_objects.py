"""What tests put into the real cluster, and how they take it away."""

from collections.abc import Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from support.rows import eventually

RBAC = "rbac.authorization.k8s.io"


def a_project(name: str) -> dict[str, Any]:
    """A namespace that is a project's."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kai/project": name}}}


def remove_namespace(api: client.ApiClient, *names: str) -> None:
    """Delete a namespace, or several at once, and wait until they are gone."""
    core: Any = client.CoreV1Api(api)
    for name in names:
        core.delete_namespace(name)
    # The controller deletes kind by kind, and comes again later where something is still on its way out.
    eventually(
        lambda: {one.metadata.name for one in core.list_namespace().items}.intersection(names),
        lambda left: not left,
        seconds=180,
    )


def remove_definition(api: client.ApiClient, definition: Mapping[str, Any]) -> None:
    """Delete the definition of a kind, and with it all of its objects, and wait until it is gone."""
    extensions: Any = client.ApiextensionsV1Api(api)

    def is_there() -> bool:
        try:
            extensions.delete_custom_resource_definition(definition["metadata"]["name"])
        except ApiException as error:
            if error.status != 404:
                raise
            return False
        return True

    eventually(is_there, lambda there: not there)


def wait_for_rights(api: client.ApiClient) -> None:
    """Wait until the operator's ClusterRole has gathered those that belong to it."""
    rbac: Any = client.RbacAuthorizationV1Api(api)
    eventually(lambda: rbac.read_cluster_role("rollcall-operator").rules, bool)


def a_pod_template(*, gpus: int = 1, **play: object) -> dict[str, Any]:
    """A pod template; ``play`` are the annotations that say how it lives."""
    annotations = {f"play.rollcall.dev/{key.replace('_', '-')}": str(value) for key, value in play.items()}
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {"cpu": "1"}
    container = {"name": "main", "image": "registry.example/train:1", "resources": {"limits": limits}}
    return {"metadata": {"annotations": annotations}, "spec": {"restartPolicy": "Never", "containers": [container]}}


def a_pod(namespace: str, name: str, *, gpus: int = 1, **play: object) -> dict[str, Any]:
    """A bare pod."""
    template = a_pod_template(gpus=gpus, **play)
    metadata = {"name": name, "namespace": namespace, **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def a_job(
    namespace: str, name: str, *, gpus: int = 1, spec: dict[str, Any] | None = None, **play: object
) -> dict[str, Any]:
    """A Job of one pod."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backoffLimit": 0, **(spec or {}), "template": a_pod_template(gpus=gpus, **play)},
    }


def end_job(api: client.ApiClient, namespace: str, name: str) -> None:
    """Let the pods of a Job that runs for ever succeed now."""
    core: Any = client.CoreV1Api(api)
    for pod in core.list_namespaced_pod(namespace, label_selector=f"job-name={name}").items:
        told = {"metadata": {"annotations": {"play.rollcall.dev/run-seconds": "0"}}}
        core.patch_namespaced_pod(pod.metadata.name, namespace, told)


def a_deployment(namespace: str, name: str, *, replicas: int = 1, gpus: int = 1, **play: object) -> dict[str, Any]:
    """A Deployment."""
    template = a_pod_template(gpus=gpus, **play)
    template["metadata"]["labels"] = {"app": name}
    template["spec"]["restartPolicy"] = "Always"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def may_list(name: str, namespace: str | None) -> list[dict[str, Any]]:
    """A ServiceAccount ``rollcall/NAME`` that may list workloads in one namespace, or everywhere."""
    rules = [{"apiGroups": ["rollcall.dev"], "resources": ["workloads"], "verbs": ["list"]}]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "rollcall"}
    scope = "Cluster" if namespace is None else ""
    place = {} if namespace is None else {"namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "rollcall"}},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{scope}Role",
            "metadata": {"name": name, **place},
            "rules": rules,
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{scope}RoleBinding",
            "metadata": {"name": name, **place},
            "roleRef": {"apiGroup": RBAC, "kind": f"{scope}Role", "name": name},
            "subjects": [subject],
        },
    ]


def a_viewer(namespace: str, name: str) -> list[dict[str, Any]]:
    """A ServiceAccount that may `view` its namespace, as the chart's aggregation makes it see workloads."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    ]


def a_role(name: str, namespace: str | None, rule: dict[str, Any], holder: str) -> list[dict[str, Any]]:
    """A role of that rule, in one namespace or everywhere, and the ServiceAccount ``NAMESPACE:NAME`` that has it."""
    where, who = holder.split(":")
    scope = "Cluster" if namespace is None else ""
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": f"{scope}Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{scope}RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": f"{scope}Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": who, "namespace": where}],
        },
    ]
