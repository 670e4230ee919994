"""A whole operator, or API, that lacks one right: what it says, what its rows lack, and that all else goes on.

`test_each_right.py` has every right in turn; here is one of each verb, and the Lease.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import RBAC, a_job, a_pod, a_role, remove_definition
from support.kind_definitions import definitions
from support.lacking_rights import AUTH_DELEGATOR, Right, rights_in
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import SAMPLES, apply_objects
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]
Start = Callable[..., OperatorProcess]

LEASES = "coordination.k8s.io"
LEASE = "lacks-a-right"
"""A Lease of these tests' own: any other may hold that of the settings' default, and have left it there."""

RIGHTS = tuple(
    replace(right, name=LEASE) if right.group == LEASES and right.name else right
    for right in rights_in(SAMPLES.parent / "manifests" / "operator-rights.yaml")
)
LEASE_RIGHTS = [right for right in RIGHTS if right.group == LEASES]
STANDING_BY = "standing by for the Lease"


def the_right(text: str) -> Right:
    (found,) = [right for right in RIGHTS if str(right) == text]
    return found


@pytest.fixture
def lacking(
    cluster: LocalCluster, api: client.ApiClient, database: DatabaseSettings, apply: Apply, tmp_path: Path
) -> Iterator[Start]:
    """Make an operator whose ServiceAccount has every right but one; not started yet."""
    made: list[str] = []

    def make(lacks: Right, **settings: object) -> OperatorProcess:
        name = f"lacks-{str(lacks).replace(' ', '-')}"
        made.append(name)
        apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "rollcall"}})
        for scope, namespace in (("Cluster", {}), ("", {"namespace": "rollcall"})):
            rules = [right.rule for right in RIGHTS if right != lacks and bool(right.namespace) == bool(namespace)]
            kind = f"{scope}Role"
            role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name, **namespace}, "rules": rules}
            binding = {
                **role,
                "kind": f"{kind}Binding",
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "rollcall"}],
            }
            del binding["rules"]
            apply(role, binding)
        return OperatorProcess(tmp_path, cluster.kubeconfig_of("rollcall", name), database, **settings)

    yield make
    rbac: Any = client.RbacAuthorizationV1Api(api)
    for name in made:
        rbac.delete_cluster_role_binding(name)
        rbac.delete_cluster_role(name)
        rbac.delete_namespaced_role_binding(name, "rollcall")
        rbac.delete_namespaced_role(name, "rollcall")
        client.CoreV1Api(api).delete_namespaced_service_account(name, "rollcall")


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_a_kind_that_may_not_be_listed_or_watched_is_known_by_its_pods(
    lacking: Start, verb: str, project: str, apply: Apply, rows: Rows
) -> None:
    apply(a_job(project, "later", spec={"suspend": True}), a_job(project, "train"))
    with lacking(the_right(f"{verb} jobs.batch")) as operator:
        row = rows.until(project, "train", phase="Running")
        assert (row["kind"], row["api_group"]) == ("Job", "batch")
        assert rows.live(project, "later") == {}, "it has no pods, and nothing else tells of it"
        assert operator.readiness() == "ok"
        log = operator.log()
        assert log.count('"kind_forbidden"') == 1
        assert f'"right": "{verb} jobs"' in log
        assert "watches_failed" not in log


def test_an_owner_that_may_not_be_looked_up_ends_the_way_up(
    lacking: Start, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    apply_objects(api, [one for one in definitions() if one["spec"]["group"] == "grove.io"])
    custom = client.CustomObjectsApi(api)

    def make(kind: str, plural: str, name: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
        metadata = {"name": name, "namespace": project}
        references = {} if owner is None else {"ownerReferences": [reference_to(owner)]}
        # It waits until a definition that nobody had installed before is served.
        apply({"apiVersion": "grove.io/v1alpha1", "kind": kind, "metadata": {**metadata, **references}, "spec": {}})
        made: dict[str, Any] = custom.get_namespaced_custom_object("grove.io", "v1alpha1", project, plural, name)
        return made

    clique = make("PodClique", "podcliques", "inner", make("PodCliqueSet", "podcliquesets", "outer"))
    pod = a_pod(project, "pod")
    pod["metadata"]["ownerReferences"] = [reference_to(clique)]
    apply(pod)
    with lacking(the_right("get podcliques.grove.io")) as operator:
        assert rows.until(project, "inner", phase="Running")["kind"] == "PodClique"
        rows.until(project, "outer", allocated_gpu_micros=0)  # its pod is taken for another's
        assert "owner_kind_forbidden" in operator.log()


def reference_to(owner: dict[str, Any]) -> dict[str, Any]:
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **named}


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_a_kind_that_comes_later_ends_an_operator_that_may_not_notice_it(
    lacking: Start, verb: str, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    (definition,) = [one for one in definitions() if one["spec"]["names"]["kind"] == "SPOTRequest"]
    remove_definition(api, definition)
    right = the_right(f"{verb} customresourcedefinitions.apiextensions.k8s.io")
    # Not so short that on a busy machine another kind's watch, which lives, is given up.
    short = {"operator__discovery_interval_seconds": 1, "operator__watch_limit_seconds": 20}
    apply(a_pod(project, "bystander"))
    with lacking(right, **short) as operator:
        rows.until(project, "bystander", phase="Running")
        eventually(operator.log, lambda text: f'"right": "{verb} customresourcedefinitions"' in text)
        assert operator.readiness() == "ok"
        apply(definition)
        answer = eventually(operator.readiness, lambda found: found.startswith("ended"))
    assert "No sign of life from the watch of SPOTRequest" in answer


def test_a_right_that_is_taken_away_ends_the_operator_and_the_next_start_goes_on_without(
    lacking: Start, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    spare = the_right("get podcliques.grove.io")
    operator = lacking(spare, operator__discovery_interval_seconds=1)
    apply(a_job(project, "train"))
    with operator:
        row = rows.until(project, "train", phase="Running")
        take_away(api, f"lacks-{str(spare).replace(' ', '-')}", the_right("list jobs.batch"))
        ended = eventually(operator.readiness, lambda found: found.startswith("ended"))
        assert "Job may no longer be listed; the operator must be started again to see what it still may." in ended
    with operator:
        apply(a_job(project, "next"))
        assert rows.until(project, "next", phase="Running")["kind"] == "Job", "it is known by its pods"
        assert rows.live(project, "train")["uid"] == row["uid"]
        assert '"right": "list jobs"' in operator.log()
        assert operator.readiness() == "ok"


def take_away(api: client.ApiClient, role: str, right: Right) -> None:
    """Take a rule from a ClusterRole."""
    rbac: Any = client.RbacAuthorizationV1Api(api)
    held = api.sanitize_for_serialization(rbac.read_cluster_role(role))
    left = [rule for rule in held["rules"] if rule != right.rule]
    assert len(left) == len(held["rules"]) - 1
    rbac.replace_cluster_role(role, {**held, "rules": left})


@pytest.mark.parametrize("right", LEASE_RIGHTS, ids=str)
def test_without_a_right_to_the_lease_nobody_leads(lacking: Start, right: Right, api: client.ApiClient) -> None:
    coordination: Any = client.CoordinationV1Api(api)
    if right.verb != "create":
        lease = {"metadata": {"name": LEASE}, "spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
        coordination.create_namespaced_lease("rollcall", lease)
    operator = lacking(right, operator__leader_election=True, operator__lease_name=LEASE)
    operator.begin()
    try:
        eventually(operator.readiness, lambda answer: answer == STANDING_BY)
        eventually(operator.log, lambda text: '"lease_refused"' in text)
        assert operator.readiness() == STANDING_BY
        assert operator.metric("rollcall_is_leader") == 0
    finally:
        operator.kill()
        if right.verb != "create":
            coordination.delete_namespaced_lease(LEASE, "rollcall")


@pytest.mark.parametrize("given", AUTH_DELEGATOR, ids=lambda right: f"only to {right}")
def test_an_api_that_may_not_ask_lets_nobody_in(
    given: Right,
    cluster: LocalCluster,
    api: client.ApiClient,
    database: DatabaseSettings,
    apply: Apply,
    tmp_path: Path,
) -> None:
    """It has one of its two rights."""
    name = f"may-{given.resource}"
    apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "rollcall"}})
    apply(*a_role(name, None, given.rule, f"rollcall:{name}"))
    try:
        kubeconfig = cluster.kubeconfig_of("rollcall", name)
        with ApiProcess(tmp_path, database, kubeconfig=kubeconfig) as asking:
            headers = {"Authorization": f"Bearer {cluster.token_of('rollcall', name)}"}
            answer = httpx.get(f"{asking.address}/api/v1/workloads", headers=headers, trust_env=False)
            assert answer.status_code == 503
            assert "403" in asking.log()
    finally:
        rbac: Any = client.RbacAuthorizationV1Api(api)
        rbac.delete_cluster_role_binding(name)
        rbac.delete_cluster_role(name)
        client.CoreV1Api(api).delete_namespaced_service_account(name, "rollcall")
