"""An application's token from a real API server opens what its ServiceAccount may list, and nothing more."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_role

from rollcall.settings import DatabaseSettings
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]

SECRET = "a-secret-that-is-long-enough"


@pytest.fixture
def asking(
    cluster: LocalCluster, database: DatabaseSettings, project: str, apply: Apply, tmp_path: Path
) -> Iterator[ApiProcess]:
    """An API that may have tokens made for one of two ServiceAccounts, and knows applications for both."""
    for name in ("reports", "others"):
        apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": project}})
    may_list = {"apiGroups": ["rollcall.dev"], "resources": ["workloads"], "verbs": ["list"]}
    may_make = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["reports"]}
    apply(*a_role("reports-view", project, may_list, f"{project}:reports"))
    apply(*a_role("reports-token", project, {**may_make, "verbs": ["create"]}, "rollcall:rollcall-api"))
    hashed = hashlib.sha256(SECRET.encode()).hexdigest()
    known = [
        {"clientId": name, "secretSha256": hashed, "serviceAccount": f"{project}/{name}"}
        for name in ("reports", "others")
    ]
    file = tmp_path / "applications.yaml"
    file.write_text(json.dumps({"applications": known}))
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-api")
    with ApiProcess(tmp_path, database, kubeconfig=kubeconfig, api__applications_file=file) as api:
        yield api
        assert SECRET not in api.log()


def test_a_token_of_the_cluster_for_an_application(asking: ApiProcess, project: str, api: client.ApiClient) -> None:
    def token_for(name: str) -> httpx.Response:
        body = {"grantType": "app_token", "AppId": name, "AppSecret": SECRET}
        return httpx.post(f"{asking.address}/api/v1/token", json=body)

    answer = token_for("reports")
    assert answer.status_code == 200, answer.text
    token = answer.json()["accessToken"]
    # The official client reads the end of a token's life with a decoder of plain base64.
    payload = token.split(".")[1]
    claims = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True))
    assert 600 < claims["exp"] - time.time() <= answer.json()["expiresIn"] + 60 <= 3660
    assert claims["sub"] == f"system:serviceaccount:{project}:reports"
    review: Any = client.AuthenticationV1Api(api).create_token_review(client.V1TokenReview(spec={"token": token}))
    assert review.status.authenticated
    refused = token_for("others")
    assert refused.status_code == 503
    assert "gave no token" in refused.json()["message"]
    assert token not in asking.log()
