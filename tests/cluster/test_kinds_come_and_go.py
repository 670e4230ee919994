"""Definitions that come and go under a running operator: kinds are noticed, watched where they are served, let go."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client
from support.cluster_objects import a_pod, remove_definition
from support.kind_definitions import definitions
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

Apply = Callable[..., None]
OperatorOf = Callable[..., OperatorProcess]

SHORT = {
    "operator__discovery_interval_seconds": 1,
    "operator__sweep_interval_seconds": 2,
}

DEFINITIONS = {found["spec"]["names"]["kind"]: found for found in definitions()}


@pytest.fixture
def install(apply: Apply) -> Iterator[Callable[[str], None]]:
    """Install the definition of a kind; whatever was installed is there in the end, as other tests have it."""
    installed: list[str] = []

    def install(kind: str) -> None:
        installed.append(kind)
        apply(DEFINITIONS[kind])

    yield install
    apply(*(DEFINITIONS[kind] for kind in installed))


def a_request(project: str, name: str) -> dict[str, Any]:
    """A SPOTRequest that says it runs."""
    metadata = {"name": name, "namespace": project}
    return {"apiVersion": "egx.nvidia.io/v1", "kind": "SPOTRequest", "metadata": metadata, "spec": {}}


def say(api: client.ApiClient, project: str, name: str, group: str, version: str, plural: str, status: Any) -> None:
    """Write the status of an object, as its operator does."""
    body = {"status": status}
    client.CustomObjectsApi(api).patch_namespaced_custom_object_status(group, version, project, plural, name, body)


def test_a_kind_is_installed_removed_and_installed_again(
    operator_of: OperatorOf, install: Any, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    remove_definition(api, DEFINITIONS["SPOTRequest"])
    with operator_of(**SHORT) as operator:
        apply(a_pod(project, "bystander"))
        bystander = rows.until(project, "bystander", phase="Running")
        uids = []
        for _ in range(2):
            install("SPOTRequest")
            apply(a_request(project, "w"))
            say(api, project, "w", "egx.nvidia.io", "v1", "spotrequests", {"phase": "Running"})
            uids.append(rows.until(project, "w", type="SPOTRequest", phase="Running")["uid"])
            remove_definition(api, DEFINITIONS["SPOTRequest"])
            eventually(lambda: rows.live(project, "w"), lambda row: not row)
        gone = rows.deleted(project, "w")
        assert [row["uid"] for row in gone] == uids
        assert {row["phase"] for row in gone} == {"Running"}
        # A kind that is gone must not take the others with it.
        assert operator.readiness() == "ok"
        assert rows.live(project, "bystander") == bystander
        apply(a_pod(project, "after"))
        rows.until(project, "after", phase="Running")


def test_a_kind_is_watched_in_a_version_that_its_group_does_not_prefer(
    operator_of: OperatorOf, install: Any, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    """Katib's v1beta1 beside the training operator's v1: a group prefers one version for all of its kinds."""
    remove_definition(api, DEFINITIONS["Experiment"])
    apis: Any = client.ApisApi(api)

    def preferred() -> str:
        groups = {group.name: group for group in apis.get_api_versions().groups}
        version: str = groups["kubeflow.org"].preferred_version.version
        return version

    with operator_of(**SHORT) as operator:
        apply(a_pod(project, "bystander"))
        rows.until(project, "bystander", phase="Running")
        install("Experiment")
        assert preferred() == "v1"
        metadata = {"name": "w", "namespace": project}
        apply({"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": metadata, "spec": {}})
        row = rows.until(project, "w", type="Experiment", phase="Creating")
        status = {"conditions": [{"type": "Failed", "status": "True", "message": "no trial succeeded"}]}
        say(api, project, "w", "kubeflow.org", "v1beta1", "experiments", status)
        assert rows.until(project, "w", phase="Failed")["uid"] == row["uid"]
        assert "watches_moved" in operator.log()
    # Known from the start, it needs no move.
    with operator_of(**SHORT, name="again") as again:
        client.CustomObjectsApi(api).delete_namespaced_custom_object(
            "kubeflow.org", "v1beta1", project, "experiments", "w"
        )
        assert rows.until_deleted(project, "w")["deletion_seen"] == "exact"
        assert "watches_moved" not in again.log()
