"""The operator in named namespaces, with Roles in them and no right that reaches further."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from support import audit_log
from support.cluster_objects import a_job, a_pod, a_project, remove_namespace
from support.kind_definitions import definitions
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import SAMPLES, apply_objects
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

RIGHTS = SAMPLES.parent / "manifests"
STANDING_BY = "standing by for the Lease"

IMPATIENT = """
from datetime import timedelta
from rollcall_operator import namespaces
namespaces.INTERVAL_SECONDS = 1
namespaces.GONE_AFTER = timedelta(seconds=3)
"""
"""A namespace that is gone is known to be after a minute otherwise."""

TRIED = {("list", "nodes", ""), ("list", "priorityclasses", ""), ("get", "namespaces", "kube-system")}
"""What docs/how-to/real-cluster.md says is tried and does without: verb, resource, name."""


def documents(file: str) -> list[dict[str, Any]]:
    """The objects of a generated manifest."""
    return list(yaml.safe_load_all((RIGHTS / file).read_text()))


def held_by(account: str, found: list[dict[str, Any]], namespace: str | None = None) -> list[dict[str, Any]]:
    """Roles and bindings as ``kubectl apply -n`` puts them, for an account of the test's own."""
    made = []
    for one in (one for one in found if one["kind"] != "ServiceAccount"):
        name = f"{one['metadata']['name']}-{account}"
        changed = {**one, "metadata": {"namespace": namespace, **one["metadata"], "name": name}}
        if one["kind"] == "RoleBinding":
            changed["roleRef"] = {**one["roleRef"], "name": name}
            changed["subjects"] = [{**one["subjects"][0], "name": account}]
        made.append(changed)
    return made


@dataclass
class Named:
    """Two named namespaces, one that is nobody's business, and who may read the two."""

    account: str
    first: str
    second: str
    other: str
    kubeconfig: Path
    database: DatabaseSettings
    folder: Path
    audit_log: Path
    api: client.ApiClient

    def operator(self, *names: str, name: str = "operator", **settings: object) -> OperatorProcess:
        """An operator on these namespaces, by default on both; not started yet."""
        given = {
            "operator__namespaces": ",".join(names or (self.first, self.second)),
            "operator__discovery_interval_seconds": 1,
            "operator__sweep_interval_seconds": 3,
            "cluster__id": "named",
            **settings,
        }
        return OperatorProcess(self.folder, self.kubeconfig, self.database, name=name, before=IMPATIENT, **given)

    def grant(self, namespace: str) -> None:
        """Give the Role in a namespace."""
        apply_objects(self.api, held_by(self.account, documents("operator-namespace-rights.yaml"), namespace))

    def asked(self) -> list[dict[str, Any]]:
        """What the account has asked of the API server for, beside what there is at all."""
        who = f"system:serviceaccount:rollcall:{self.account}"
        lines = map(json.loads, audit_log.lines_of(self.audit_log))
        return [line for line in lines if line["user"]["username"] == who and "objectRef" in line]


@pytest.fixture
def named(
    cluster: LocalCluster, api: client.ApiClient, apply: Apply, database: DatabaseSettings, tmp_path: Path
) -> Iterator[Named]:
    """Nothing cluster-wide is granted."""
    word = secrets.token_hex(3)
    account = f"named-{word}"
    first, second, other = (f"{name}-{word}" for name in ("first", "second", "other"))
    apply(*map(a_project, (first, second, other)))
    apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": "rollcall"}})
    own = held_by(account, documents("operator-own-rights.yaml"))
    apply(*own)
    kubeconfig = cluster.kubeconfig_of("rollcall", account)
    found = Named(account, first, second, other, kubeconfig, database, tmp_path, cluster.audit_log, api)
    for namespace in (first, second):
        found.grant(namespace)
    yield found
    core: Any = client.CoreV1Api(api)
    there = {one.metadata.name for one in core.list_namespace().items}
    for namespace in sorted({first, second, other} & there):
        remove_namespace(api, namespace)
    rbac: Any = client.RbacAuthorizationV1Api(api)
    for one in own:
        delete = rbac.delete_namespaced_role if one["kind"] == "Role" else rbac.delete_namespaced_role_binding
        delete(one["metadata"]["name"], "rollcall")


def a_torch_job(namespace: str, name: str) -> dict[str, Any]:
    """A PyTorchJob of one worker, whose operator nobody runs here."""
    template = a_pod(namespace, name)["spec"]
    spec = {"pytorchReplicaSpecs": {"Worker": {"replicas": 1, "template": {"spec": template}}}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": metadata, "spec": spec}


def label(api: client.ApiClient, namespace: str, project: str | None) -> None:
    """Make a namespace another project's, or nobody's."""
    core: Any = client.CoreV1Api(api)
    core.patch_namespace(namespace, {"metadata": {"labels": {"kai/project": project}}})


def test_lives_are_recorded_and_nothing_else_is_asked_for(
    named: Named, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    core: Any = client.CoreV1Api(api)
    apply(a_pod(named.other, "theirs"), a_pod(named.first, "early"))
    with named.operator(operator__leader_election=True, operator__lease_name="rollcall-operator") as operator:
        rows.until(named.first, "early", phase="Running")
        apply(a_pod(named.first, "runs"), a_job(named.second, "fails", run_seconds=1, end="exit-code"))
        apply(a_torch_job(named.second, "trains"), a_job(named.second, "too-big", gpus=64))
        row = rows.until(named.first, "runs", phase="Running")
        rows.until(named.second, "fails", phase="Failed")
        assert rows.until(named.second, "trains")["kind"] == "PyTorchJob"
        uid = rows.until(named.second, "too-big", phase="Pending")["uid"]
        reasons = "SELECT reason FROM events WHERE workload_uid = %(uid)s"
        eventually(
            lambda: {one["reason"] for one in rows.query(reasons, uid=uid)}, lambda found: "FailedScheduling" in found
        )
        core.delete_namespaced_pod("runs", named.first)
        assert rows.until_deleted(named.first, "runs")["deletion_seen"] == "exact"
        assert operator.readiness() == "ok"
        log = operator.log()
    # Its node may not be seen, so nothing is said of the pool that it is in.
    assert (row["node_pools"], row["project_id"]) == ([], named.first)
    assert rows.query("SELECT DISTINCT namespace FROM workloads ORDER BY 1") == [
        {"namespace": named.first},
        {"namespace": named.second},
    ]
    asked = named.asked()
    assert {line["objectRef"].get("namespace", "") for line in asked} <= {
        named.first,
        named.second,
        "rollcall",
        "kube-system",  # whose uid is the cluster's
        "",
    }
    refused = {
        (line["verb"], line["objectRef"]["resource"], line["objectRef"].get("name", ""))
        for line in asked
        if line["responseStatus"]["code"] in {401, 403}
    }
    assert refused == TRIED
    assert {
        (line["verb"], line["objectRef"]["resource"]) for line in asked if "namespace" not in line["objectRef"]
    } == {
        ("list", "nodes"),
        ("list", "priorityclasses"),
    }
    assert {line["verb"] for line in asked if line["objectRef"]["resource"] != "leases"} <= {"get", "list", "watch"}
    assert log.count("kind_forbidden") == 2, "each kind that lies in no namespace is told once"
    assert "watches_failed" not in log


def test_a_namespace_s_labels_are_followed(named: Named, apply: Apply, rows: Rows, api: client.ApiClient) -> None:
    apply(a_pod(named.first, "here"), a_pod(named.second, "there"))
    with named.operator() as operator:
        rows.until(named.first, "here", phase="Running", project_id=named.first)
        label(api, named.first, "renamed")
        rows.until(named.first, "here", phase="Running", project_id="renamed")
        label(api, named.first, None)
        assert rows.until_deleted(named.first, "here")["deletion_seen"] == "late"
        label(api, named.first, "again")
        rows.until(named.first, "here", phase="Running", project_id="again")
        projects = "SELECT project_id FROM projects WHERE cluster_id = 'named' ORDER BY 1"
        wanted = [{"project_id": "again"}, {"project_id": named.second}]
        eventually(lambda: rows.query(projects), lambda found: found == wanted)
        assert rows.until(named.second, "there")["phase"] == "Running"
        assert operator.readiness() == "ok"


def test_a_namespace_goes_with_its_role_and_comes_again(
    named: Named, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    apply(a_pod(named.first, "stays"), a_pod(named.second, "goes"))
    with named.operator() as operator:
        stays = rows.until(named.first, "stays", phase="Running")
        history = rows.history(stays["uid"])
        rows.until(named.second, "goes", phase="Running")
        remove_namespace(api, named.second)
        rows.until_deleted(named.second, "goes")
        eventually(operator.log, lambda text: "namespace_out_of_reach" in text)
        # The other's watches are not those that were refused.
        apply(a_pod(named.first, "meanwhile"))
        rows.until(named.first, "meanwhile", phase="Running")
        assert rows.history(stays["uid"]) == history
        assert operator.readiness() == "ok"
        apply(a_project(named.second))
        named.grant(named.second)
        apply(a_pod(named.second, "comes"))
        ended = eventually(operator.readiness, lambda found: found.startswith("ended"))
        assert f"in {named.second} may now be listed; the operator must be started again to watch it." in ended
    with named.operator():
        rows.until(named.second, "comes", phase="Running")
    assert rows.history(stays["uid"]) == history


def test_what_was_seen_of_a_namespace_that_is_gone_is_closed(
    named: Named, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    """Whatever its watches could not tell any more: here nothing, for its Role goes first."""
    apply(a_pod(named.second, "left"), a_job(named.second, "job"), a_pod(named.first, "stays"))
    rbac: Any = client.RbacAuthorizationV1Api(api)
    with named.operator() as operator:
        for name in ("left", "job"):
            rows.until(named.second, name, phase="Running")
        rbac.delete_namespaced_role_binding(f"rollcall-operator-catalogue-{named.account}", named.second)
        for name in ("left", "job"):
            assert rows.until_deleted(named.second, name)["deletion_seen"] == "late"
        assert rows.until(named.first, "stays")["phase"] == "Running"
        open_pods = "SELECT namespace FROM pods WHERE cluster_id = 'named'"
        eventually(lambda: rows.query(open_pods), lambda found: found == [{"namespace": named.first}])
        assert operator.readiness() == "ok"


def test_rows_of_what_is_not_named_any_more_are_closed(named: Named, apply: Apply, rows: Rows) -> None:
    apply(a_pod(named.first, "stays"), a_pod(named.second, "goes"), a_job(named.second, "goes-too"))
    with named.operator():
        stays = rows.until(named.first, "stays", phase="Running")
        history = rows.history(stays["uid"])
        for name in ("goes", "goes-too"):
            rows.until(named.second, name, phase="Running")
    with named.operator(named.first):
        for name in ("goes", "goes-too"):
            assert rows.until_deleted(named.second, name)["deletion_seen"] == "late"
        there = [{"namespace": named.first}]
        eventually(lambda: rows.query("SELECT namespace FROM pods"), lambda found: found == there)
    assert rows.history(stays["uid"]) == history
    # A closed row opens for what is newer than its closing; in a cluster of any use something changes all the time.
    apply(a_pod(named.other, "something-else"))
    with named.operator():
        rows.until(named.second, "goes", phase="Running")


def test_a_standby_takes_over(named: Named, apply: Apply, rows: Rows) -> None:
    lease = {"operator__leader_election": True}
    leader, standby = named.operator(name="leader", **lease), named.operator(name="standby", **lease)
    with leader:
        apply(a_pod(named.first, "before"))
        before = rows.until(named.first, "before", phase="Running")
        standby.begin()
        try:
            eventually(standby.readiness, lambda found: found == STANDING_BY)
            leader.kill()
            apply(a_pod(named.second, "after"))
            rows.until(named.second, "after", phase="Running")
            assert standby.readiness() == "ok"
        finally:
            standby.program.stop()
    assert rows.history(before["uid"])[-1] == "Running"
    assert rows.live(named.first, "before")["uid"] == before["uid"]


def test_a_kind_that_is_installed_later_is_watched(
    named: Named, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    """Definitions may not be watched, so discovery is asked."""
    (definition,) = [one for one in definitions() if one["spec"]["names"]["kind"] == "SPOTRequest"]
    extensions: Any = client.ApiextensionsV1Api(api)
    name = definition["metadata"]["name"]
    there = {one.metadata.name for one in extensions.list_custom_resource_definition().items}
    if name in there:
        extensions.delete_custom_resource_definition(name)
        eventually(
            lambda: {one.metadata.name for one in extensions.list_custom_resource_definition().items},
            lambda found: name not in found,
        )
    with named.operator() as operator:
        apply(definition)
        metadata = {"name": "asks", "namespace": named.first}
        request = {"apiVersion": "egx.nvidia.io/v1", "kind": "SPOTRequest", "metadata": metadata, "spec": {}}

        def made() -> bool:
            try:
                apply(request)
            except Exception:  # noqa: BLE001 - not served yet
                return False
            return True

        eventually(made, bool)
        assert rows.until(named.first, "asks")["kind"] == "SPOTRequest"
        assert operator.readiness() == "ok"


def test_a_namespace_that_may_not_be_read_is_recorded_by_its_name(
    named: Named, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    label(api, named.first, "by-label")
    (role, binding) = held_by(named.account, documents("operator-namespace-rights.yaml"), named.first)
    apply({**role, "rules": [rule for rule in role["rules"] if "namespaces" not in rule["resources"]]}, binding)
    apply(a_pod(named.first, "here"))
    with named.operator(named.first) as operator:
        rows.until(named.first, "here", phase="Running", project_id=named.first)
        assert "namespace_not_readable" in operator.log()
        assert "operator-namespace-rights.yaml" in operator.log()
        named.grant(named.first)
        rows.until(named.first, "here", phase="Running", project_id="by-label")
        assert operator.readiness() == "ok"


def test_whoever_grants_nodes_has_node_pools(named: Named, apply: Apply, rows: Rows, api: client.ApiClient) -> None:
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}
    subject = {"kind": "ServiceAccount", "name": named.account, "namespace": "rollcall"}
    group = "rbac.authorization.k8s.io"
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": named.account}
    metadata = {"name": named.account}
    apply(
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [subject],
        },
    )
    rbac: Any = client.RbacAuthorizationV1Api(api)
    try:
        apply(a_pod(named.first, "here"))
        with named.operator():
            row = rows.until(named.first, "here", phase="Running")
            assert len(row["node_pools"]) == 1
            pools = "SELECT name FROM node_pools WHERE cluster_id = 'named'"
            eventually(lambda: rows.query(pools), bool)
    finally:
        rbac.delete_cluster_role_binding(named.account)
        rbac.delete_cluster_role(named.account)


def test_without_any_of_its_roles_it_says_so(named: Named) -> None:
    with_nothing = named.operator(named.other)
    with_nothing.begin()
    try:
        ended = eventually(with_nothing.readiness, lambda found: found.startswith("ended"))
    finally:
        with_nothing.program.stop()
    rights = "deploy/manifests/operator-namespace-rights.yaml"
    assert f"The operator may not list and watch Pod in {named.other}; see {rights}." in ended
