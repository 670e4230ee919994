"""Applications and their tokens: the right secret gets a token that opens what its ServiceAccount may see."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from kubernetes.client import Configuration
from sqlalchemy.ext.asyncio import AsyncEngine
from support.reviewing_server import ReviewingServer
from support.workload_builders import a_project, a_workload, uid_of

from rollcall.cluster_access import Access
from rollcall.errors import SettingsError
from rollcall.settings import DatabaseSettings, Settings
from rollcall.store.places import write_projects
from rollcall.store.records import Batch
from rollcall_api.app import create_app
from rollcall_api.applications import Application, ApplicationsFile, ServiceAccountTokens, known
from rollcall_api.clusters import EVERY_CLUSTER
from rollcall_api.models import Error
from rollcall_api.oauth import OAuth2Error
from rollcall_api.records import Records
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import ReviewedRights

pytestmark = pytest.mark.anyio

A, B = "runai-team-a", "runai-team-b"
SECRET, NEXT_SECRET = "first-secret~?>é", "second secret&%+"
ACCOUNT = f"{A}/reader"
V1, V2 = "/api/v1/token", "/api/v2/token"


def entry(client_id: str = "my-app", secret: str = SECRET, account: str = ACCOUNT) -> dict[str, str]:
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    return {"clientId": client_id, "secretSha256": hashed, "serviceAccount": account}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of applications: two of them, one with a second secret."""
    path = tmp_path / "applications.yaml"
    path.write_text(
        json.dumps({"applications": [entry(), entry(secret=NEXT_SECRET), entry("lost", account=f"{B}/nobody")]})
    )
    return path


@pytest.fixture
async def api_server() -> AsyncIterator[ReviewingServer]:
    """The API server that reviews, and gives tokens to one ServiceAccount."""
    async with ReviewingServer.running() as server:
        server.accounts.add(ACCOUNT)
        server.rights.add((f"system:serviceaccount:{A}:reader", A))
        yield server


@pytest.fixture
async def caller(
    database: DatabaseSettings, engine: AsyncEngine, api_server: ReviewingServer, file: Path, write
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that knows applications, with a workload in each of two namespaces."""
    await write(Batch(workloads=(a_workload("of-a", namespace=A), a_workload("of-b", namespace=B))))
    async with engine.begin() as connection:
        await write_projects(connection, uid_of("cluster"), [a_project(A), a_project(B, "team-b")])
    configuration: Any = Configuration()
    configuration.host = api_server.url
    access = Access(configuration)
    async with ClusterReviewer.opened(access) as reviewer, access.session() as session:
        records = Records(engine, tenant_id=1)
        rights = ReviewedRights(reviewer, records.namespaces, clusters=EVERY_CLUSTER, keep_seconds=10)
        issuer = ServiceAccountTokens(ApplicationsFile(file), session, access.server, seconds=1200)
        app = create_app(Settings(database=database), records, rights, issuer)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


async def names_seen_with(caller: httpx.AsyncClient, token: str) -> list[str]:
    answer = await caller.get("/api/v1/workloads", headers={"Authorization": f"Bearer {token}"})
    return [one["name"] for one in answer.json()["workloads"]]


@pytest.mark.parametrize(
    "body",
    [
        {"grantType": "app_token", "AppId": "my-app", "AppSecret": SECRET},
        {"grantType": "app_token", "appID": "my-app", "appSecret": NEXT_SECRET},
        {"grantType": "app_token", "clientId": "my-app", "clientSecret": SECRET},
        {"grantType": "client_credentials", "clientID": "my-app", "clientSecret": SECRET, "username": None},
        {"GRANTTYPE": "client_credentials", "CLIENTID": "my-app", "CLIENTSECRET": SECRET, "appId": None},
    ],
)
async def test_the_right_secret_gets_a_token_of_its_service_account(
    caller: httpx.AsyncClient, api_server: ReviewingServer, body: dict[str, Any]
) -> None:
    answer = await caller.post(V1, json=body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"accessToken", "expiresIn"}
    assert 1190 < answer.json()["expiresIn"] <= 1200
    assert answer.headers["Cache-Control"] == "no-store"
    assert api_server.lifetimes_asked == [1200]
    assert await names_seen_with(caller, answer.json()["accessToken"]) == ["of-a"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"grantType": "app_token", "AppId": "my-app", "AppSecret": "wrong"}, "no such application"),
        ({"grantType": "app_token", "AppId": "my-app", "AppSecret": SECRET + "x"}, "no such application"),
        ({"grantType": "app_token", "AppId": "MY-APP", "AppSecret": SECRET}, "no such application"),
        ({"grantType": "app_token", "AppId": "nobody", "AppSecret": SECRET}, "no such application"),
        ({"grantType": "app_token", "AppId": None, "AppSecret": None}, "no such application"),
        ({"grantType": "app_token", "AppId": ["my-app"], "AppSecret": SECRET}, "must be strings"),
        ({"grantType": "app_token", "AppId": "my-app", "AppSecret": {}}, "must be strings"),
        ({"grantType": "app_token", "AppId": "my-app", "AppSecret": "\ud800"}, "no such application"),
        ({"grantType": "app_token"}, "no such application"),
        ({"grantType": "password", "AppId": "my-app", "AppSecret": SECRET}, "grantType"),
        ({"grantType": ["app_token"], "AppId": "my-app", "AppSecret": SECRET}, "grantType"),
        ({"AppId": "my-app", "AppSecret": SECRET}, "grantType"),
    ],
)
async def test_anything_else_is_a_400(
    caller: httpx.AsyncClient, api_server: ReviewingServer, body: dict[str, Any], words: str
) -> None:
    answer = await caller.post(V1, content=json.dumps(body))
    assert answer.status_code == 400
    message = Error.model_validate(answer.json()).message
    assert words in message
    assert SECRET not in message
    assert api_server.lifetimes_asked == []


async def test_a_wrong_id_and_a_wrong_secret_look_alike(caller: httpx.AsyncClient) -> None:
    bodies = ({"AppId": "my-app", "AppSecret": "wrong"}, {"AppId": "nobody", "AppSecret": SECRET})
    answers = [await caller.post(V1, json={"grantType": "app_token", **body}) for body in bodies]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("path", [V1, V2])
async def test_where_the_cluster_gives_none_it_is_a_503(
    caller: httpx.AsyncClient, api_server: ReviewingServer, path: str
) -> None:
    async def ask(client_id: str) -> httpx.Response:
        if path == V1:
            body = {"grantType": "app_token", "AppId": client_id, "AppSecret": SECRET}
            return await caller.post(path, json=body)
        return await caller.post(
            path, data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": SECRET}
        )

    assert (await ask("my-app")).status_code == 200
    assert (await ask("lost")).status_code == 503, "its ServiceAccount is not there"
    for fault in (web.Response(status=500), web.json_response({"status": {"token": 1}}), web.Response(text="[]")):
        api_server.fault = fault
        answer = await ask("my-app")
        assert answer.status_code == 503
        assert "gave no token" in answer.text


@pytest.mark.parametrize("scheme", ["form", "basic", "Basic with an id in the form"])
async def test_oauth2_gets_the_same_token(caller: httpx.AsyncClient, scheme: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "ignored"}
    headers: dict[str, str] = {}
    if scheme == "form":
        form |= {"client_id": "my-app", "client_secret": NEXT_SECRET}
    else:
        encoded = base64.b64encode(b"my%2Dapp:second+secret%26%25%2B").decode()
        headers["Authorization"] = f"{scheme.partition(' ')[0]} {encoded}"
        form |= {} if scheme == "basic" else {"client_id": "my-app"}
    answer = await caller.post(V2, data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (set(body), body["token_type"]) == ({"access_token", "token_type", "expires_in"}, "Bearer")
    assert answer.headers["Cache-Control"] == "no-store"
    assert await names_seen_with(caller, body["access_token"]) == ["of-a"]


GRANT = "grant_type=client_credentials"


@pytest.mark.parametrize(
    ("form", "authorization", "status", "error"),
    [
        ("", None, 400, "invalid_request"),
        ("grant_type=", None, 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", None, 400, "unsupported_grant_type"),
        (f"{GRANT}&client_id=my-app&client_id=other", None, 400, "invalid_request"),
        (f"{GRANT}&client_id=%zz", None, 400, "invalid_request"),
        (f"{GRANT}&client_id=%00", None, 400, "invalid_request"),
        ("x=" + "y" * 100_000, None, 400, "invalid_request"),
        ("&" * 5_000, None, 400, "invalid_request"),
        (f"{GRANT}&client_id=my-app&client_secret=wrong", None, 401, "invalid_client"),
        (f"{GRANT}&client_id=my-app", None, 401, "invalid_client"),
        (GRANT, "Basic !!!", 401, "invalid_client"),
        (GRANT, "Basic bXktYXBw", 401, "invalid_client"),
        (GRANT, "Basic /w==", 401, "invalid_client"),
        (GRANT, "Bearer bXktYXBwOmE=", 401, "invalid_client"),
        (GRANT, "Basic bXktYXBwOmE=", 401, "invalid_client"),
        (f"{GRANT}&client_secret=a", "Basic bXktYXBwOmE=", 400, "invalid_request"),
        (f"{GRANT}&client_id=other", "Basic bXktYXBwOmE=", 400, "invalid_request"),
    ],
    ids=lambda given: str(given)[:50],
)
async def test_oauth2_refuses_in_its_own_words(
    caller: httpx.AsyncClient, form: str, authorization: str | None, status: int, error: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if authorization is not None:
        headers["Authorization"] = authorization
    answer = await caller.post(V2, content=form, headers=headers)
    assert (answer.status_code, OAuth2Error.model_validate(answer.json()).error) == (status, error)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


async def test_without_authentication_oauth2_has_a_token_for_everyone(client: httpx.AsyncClient) -> None:
    answer = await client.post(V2, data={"grant_type": "client_credentials"})
    assert answer.json()["access_token"].count(".") == 2


async def test_a_change_of_the_file_counts_at_once_and_a_broken_one_does_not(
    caller: httpx.AsyncClient, file: Path
) -> None:
    async def status_with(secret: str) -> int:
        body = {"grantType": "app_token", "AppId": "my-app", "AppSecret": secret}
        return (await caller.post(V1, json=body)).status_code

    def turn(content: str) -> None:
        # As a mounted Secret does it: another file in the same place.
        file.with_name("other").write_text(content)
        file.with_name("other").replace(file)

    assert [await status_with(SECRET), await status_with("third")] == [200, 400]
    turn(json.dumps({"applications": [entry(secret="third")]}))
    assert [await status_with(SECRET), await status_with("third")] == [400, 200]
    turn("applications: [")
    assert await status_with("third") == 200
    await asyncio.to_thread(file.unlink)
    assert await status_with("third") == 200
    turn("applications: []")
    assert await status_with("third") == 400


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """As a projected volume lays out a ConfigMap of applications, and a Secret for each."""
    (tmp_path / "0").mkdir()
    beside = tmp_path / "0" / "secretSha256"
    beside.write_text(f"{hash_of('first')}\n")
    named = {key: value for key, value in entry().items() if key != "secretSha256"}
    path = tmp_path / "applications.yaml"
    path.write_text(json.dumps({"applications": [{**named, "secretSha256File": "0/secretSha256"}]}))
    applications = ApplicationsFile(path)
    assert known(applications.current(), "my-app", "first") is not None
    other = tmp_path / "other"
    other.write_text(hash_of("second"))
    other.replace(beside)
    assert known(applications.current(), "my-app", "first") is None
    assert known(applications.current(), "my-app", "second") is not None
    beside.write_text("plain-secret")
    assert known(applications.current(), "my-app", "second") is not None, "what cannot be read is not taken"
    with pytest.raises(SettingsError, match="0/secretSha256: must hold 64 hexadecimal digits") as caught:
        ApplicationsFile(path)
    assert "plain-secret" not in str(caught.value)
    beside.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        ApplicationsFile(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps({"applications": [{**entry(), "secretSha256File": "x"}]}), "applications.0"),
        (json.dumps({"applications": [{"clientId": "a", "serviceAccount": "n/a"}]}), "applications.0"),
        ("", "the file"),
        ("{", "no YAML"),
        ("\x00", "no YAML"),
        ("[]", "the file"),
        ("applications: 1", "applications"),
        ("applications: []\nmore: 1", "more"),
        (json.dumps({"applications": [{**entry(), "secretSha256": "plain-secret"}]}), "applications.0.secretSha256"),
        (json.dumps({"applications": [{**entry(), "clientSecret": "plain-secret"}]}), "applications.0.clientSecret"),
        (json.dumps({"applications": [entry(account="no-slash")]}), "applications.0.serviceAccount"),
        (json.dumps({"applications": [entry(account="../../x/y")]}), "applications.0.serviceAccount"),
        (json.dumps({"applications": [entry(account="a/b?c")]}), "applications.0.serviceAccount"),
        ("#" * (2**20 + 1), "longer"),
        ("[" * 100_000, "no YAML"),
    ],
    ids=lambda given: given[:40],
)
async def test_a_wrong_file_ends_the_start_with_a_sentence(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "applications"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"^ROLLCALL_API__APPLICATIONS_FILE: ") as caught:
        ApplicationsFile(path)
    assert words in str(caught.value)
    assert "plain-secret" not in str(caught.value)


async def test_a_missing_file_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        ApplicationsFile(tmp_path / "none")


async def test_an_application_is_known_by_both_its_id_and_its_secret() -> None:
    first, second = (Application.model_validate(entry(name, f"secret of {name}")) for name in ("a", "b"))
    assert known((first, second), "b", "secret of b") is second
    assert known((first, second), "a", "secret of b") is None
    assert known((), "a", "secret of a") is None
