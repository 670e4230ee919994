"""The chart grants what the manifests grant, and of the API's rights each is needed: taken away alone, it is missed."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kubernetes import client
from structlog.testing import capture_logs
from support.chart_rights import OF_OTHERS, rights_of_account
from support.cluster_objects import remove_namespace
from support.helm import CHART, Helm
from support.lacking_rights import AUTH_DELEGATOR, AUTHENTICATION_READER, Lacking, Right, rights_in, rights_of

from rollcall.cluster_access import cluster_uid
from rollcall.errors import ClusterError
from rollcall_api.applications import ApplicationsFile, ServiceAccountTokens
from rollcall_api.kube.server import Trust
from rollcall_api.kube.tls import Certificates
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import Caller
from rollcall_cluster.control_plane import LocalCluster

MANIFESTS = CHART.parents[1] / "deploy" / "manifests"
APPLICATIONS = "rights-applications"
SECRET = "a-secret-that-is-long-enough"
VALUES = {
    "aggregatedApi": {"enabled": True},
    "applications": [{"name": "reports", "serviceAccount": f"{APPLICATIONS}/reports", "existingSecret": "reports"}],
}


def test_the_chart_and_the_manifests_give_the_operator_the_same(helm: Helm) -> None:
    found = rights_of_account(helm.render({}), "rollcall-operator")
    assert len(found) == len(set(found)), "nothing is granted twice"
    assert set(found) == set(rights_in(MANIFESTS / "operator-rights.yaml"))


def test_the_chart_and_the_manifests_give_the_api_the_same(helm: Helm, api: client.ApiClient) -> None:
    rbac: Any = client.RbacAuthorizationV1Api(api)
    delegator = api.sanitize_for_serialization(rbac.read_cluster_role("system:auth-delegator"))
    assert set(rights_of([delegator])) == set(AUTH_DELEGATOR)
    assert set(rights_of_account(helm.render({}), "rollcall-api")) == set(AUTH_DELEGATOR)
    aggregated = rights_in(MANIFESTS / "aggregated-api-rights.yaml")
    with_kubectl = rights_of_account(helm.render({"aggregatedApi": {"enabled": True}}), "rollcall-api")
    assert set(with_kubectl) == {*AUTH_DELEGATOR, *AUTHENTICATION_READER, *aggregated}


def test_the_reader_of_kubernetes_own_holds_what_is_used_of_it(api: client.ApiClient) -> None:
    rbac: Any = client.RbacAuthorizationV1Api(api)
    for name, used in OF_OTHERS.items():
        role = api.sanitize_for_serialization(rbac.read_namespaced_role(name, "kube-system"))
        assert set(used) <= set(rights_of([role]))


def test_callers_are_given_the_same_role(helm: Helm) -> None:
    view = [one for one in helm.render({}) if one["metadata"]["name"] == "rollcall-view"]
    assert set(rights_of(view)) == set(rights_in(MANIFESTS / "api-rights.yaml"))


@pytest.fixture(scope="module")
def rights(helm: Helm) -> tuple[Right, ...]:
    """All that the chart can give the API."""
    return rights_of_account(helm.render(VALUES), "rollcall-api")


@pytest.fixture(scope="module")
def lacking(
    cluster: LocalCluster, rights: tuple[Right, ...], api: client.ApiClient, apply: Callable[..., None]
) -> Iterator[Lacking]:
    """Somebody for each right."""
    apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": APPLICATIONS}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reports", "namespace": APPLICATIONS}},
    )
    lacking = Lacking(cluster, "api", rights)
    asyncio.run(lacking.arrange())
    yield lacking
    asyncio.run(lacking.disband())
    remove_namespace(api, APPLICATIONS)


@pytest.mark.anyio
async def test_without_each_of_its_rights_the_api_misses_something(
    rights: tuple[Right, ...], lacking: Lacking, cluster: LocalCluster, tmp_path: Path
) -> None:
    token = cluster.token_of(APPLICATIONS, "reports")
    certificate, key = cluster.serving_certificate("rights-of-the-api", "localhost")
    parts = {
        "create tokenreviews.authentication.k8s.io": lambda session: who_is(session, lacking.server, token),
        "create subjectaccessreviews.authorization.k8s.io": lambda session: may_list(session, lacking.server),
        f"create serviceaccounts/token in {APPLICATIONS}": lambda session: issued(session, lacking.server, tmp_path),
        "get namespaces in kube-system": lambda session: identified(session, lacking.server),
        "get configmaps in kube-system": lambda session: trusting(session, lacking.server, certificate, key),
    }
    assert {str(right) for right in rights} == set(parts), "each right is for one of these"
    answered = "The Kubernetes API answered 403 for "
    for right in rights:
        async with lacking.session(None) as session:
            assert await parts[str(right)](session) == "nothing"
        async with lacking.session(right) as session:
            assert (await parts[str(right)](session)).startswith(answered), right
            for other, part in parts.items():
                if other != str(right):
                    assert await part(session) == "nothing", f"without {right} nothing else is missing"


async def who_is(session: aiohttp.ClientSession, server: str, token: str) -> str:
    """What is missing for finding out whose token it is."""
    try:
        caller = await ClusterReviewer(session, server).who_is(token)
    except ClusterError as error:
        return str(error)
    assert caller is not None
    assert caller.username == f"system:serviceaccount:{APPLICATIONS}:reports"
    return "nothing"


async def may_list(session: aiohttp.ClientSession, server: str) -> str:
    """What is missing for finding out what somebody may."""
    nobody = Caller(username="nobody", uid="", groups=(), extra=())
    try:
        assert not await ClusterReviewer(session, server).may_list(nobody, None)
    except ClusterError as error:
        return str(error)
    return "nothing"


async def issued(session: aiohttp.ClientSession, server: str, folder: Path) -> str:
    """What is missing for giving an application its token."""
    hashed = hashlib.sha256(SECRET.encode()).hexdigest()
    known = {"clientId": "reports", "secretSha256": hashed, "serviceAccount": f"{APPLICATIONS}/reports"}
    file = folder / "applications.yaml"
    file.write_text(json.dumps({"applications": [known]}))
    try:
        found = await ServiceAccountTokens(ApplicationsFile(file), session, server, seconds=600).issue(
            "reports", SECRET
        )
    except ClusterError as error:
        return str(error)
    assert found is not None
    return "nothing"


async def identified(session: aiohttp.ClientSession, server: str) -> str:
    """What is missing for telling this cluster's workloads from those of others."""
    try:
        assert await cluster_uid(session, server)
    except ClusterError as error:
        return str(error)
    return "nothing"


async def trusting(session: aiohttp.ClientSession, server: str, certificate: Path, key: Path) -> str:
    """What is missing for taking the API server's word about who is asking."""
    trust = Trust(Certificates(certificate, key), session, server)
    with capture_logs() as logged:
        await trust.refresh()
    if trust.config is not None:
        return "nothing"
    (line,) = logged
    assert line["event"] == "request_header_authority_unread"
    return str(line["error"])
