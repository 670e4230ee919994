"""What Helm prints after an install: what an admin does next with it would work."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from kubernetes import client
from support.chart_cases import EXTERNAL, REPORTS, issuer, named_namespaces
from support.cluster_objects import remove_namespace
from support.helm import CHART, Helm
from support.kubectl import Kubectl

NOTES = "chart-notes"
IN_THE_CLUSTER = "http://rollcall-api.chart-notes.svc"


def notes(helm: Helm, values: Mapping[str, Any]) -> str:
    """What an install of these values would print."""
    said = helm.run(
        "install", "rollcall", str(CHART), "--namespace", NOTES, "--create-namespace", "--dry-run=client", values=values
    )
    return said.partition("\nNOTES:\n")[2]


PRINTED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "bundled": (
        {},
        (
            "bundled: one PostgreSQL, StatefulSet rollcall-postgresql, with a volume of 20Gi.",
            "PersistentVolumeClaim data-rollcall-postgresql-0",
            f"{IN_THE_CLUSTER}/api/v1/workloads",
            "whoever has the role view, edit or admin of a namespace may",
            "kubectl -n NAMESPACE create token SERVICEACCOUNT",
            "8080:80 &",
        ),
    ),
    "external": (
        {**EXTERNAL, "api": {"service": {"port": 8000}}},
        (
            "external: as the Secret rollcall-db says.",
            f"{IN_THE_CLUSTER}:8000/api/v1/workloads",
            "8080:8000 &",
        ),
    ),
    "not aggregated": ({"rbac": {"aggregateToDefaultRoles": False}}, ("bind the ClusterRole rollcall-view",)),
    "no rights": ({"rbac": {"create": False}}, ("rbac.create is false: who may, and what Rollcall itself may",)),
    "named namespaces": (named_namespaces(), ("namespaces: team-a, team-b,", "bind the Role rollcall-view in them")),
    "an issuer": (
        issuer(issuer="https://sso.example.com", audiences=["rollcall", "rollcall-cli"]),
        (
            "a token of https://sso.example.com for rollcall or rollcall-cli, below as $TOKEN",
            'curl -H "Authorization: Bearer $TOKEN"',
        ),
    ),
    "an ingress": (
        {
            "ingress": {
                "enabled": True,
                "hosts": ["open.example.com", "shut.example.com"],
                "tls": [{"secretName": "tls", "hosts": ["shut.example.com"]}],
            }
        },
        ("http://open.example.com/api/v1/workloads", "https://shut.example.com/api/v1/workloads"),
    ),
    "a load balancer": ({"api": {"service": {"type": "LoadBalancer"}}}, ("get service rollcall-api",)),
    "kubectl": ({"aggregatedApi": {"enabled": True}}, ("kubectl get workloads.rollcall.dev -A",)),
    "an application": (
        {"applications": [REPORTS]},
        ("(reports) exchanges its secret for a token: POST /api/v1/token",),
    ),
}
"""Values, and what must be said of them."""

WRONG = {
    "no rights": ("bind the", "whoever has the role"),
    "an issuer": ("create token",),
    "bundled": ("get workloads.rollcall.dev", "From outside", "$TOKEN", "POST"),
}
"""What would be wrong to say."""


@pytest.mark.parametrize("case", PRINTED)
def test_it_says_what_runs_and_where_it_answers(cluster_helm: Helm, case: str) -> None:
    values, said = PRINTED[case]
    printed = notes(cluster_helm, values)
    for part in said:
        assert part in printed
    for part in WRONG.get(case, ()):
        assert part not in printed
    assert "<no value>" not in printed
    assert "%!" not in printed


def test_its_first_command_tells_of_both(cluster_helm: Helm, kubectl: Kubectl, api: client.ApiClient) -> None:
    """The other two need pods: the tutorial's are run there (test_tutorial.py)."""
    printed = notes(cluster_helm, {})
    (rollout,) = re.findall(r"^  kubectl (.* rollout status .*)$", printed, flags=re.MULTILINE)
    cluster_helm.run("install", "rollcall", str(CHART), "--namespace", NOTES, "--create-namespace", values={})
    try:
        found = kubectl.run(*rollout.split(), "--watch=false").stdout
        assert len(found.splitlines()) == 2, found
    finally:
        cluster_helm.run("uninstall", "rollcall", "--namespace", NOTES)
        remove_namespace(api, NOTES)
