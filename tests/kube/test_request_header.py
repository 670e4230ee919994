"""Whose word is taken about callers: certificates over real TLS, rotated authorities, headers in odd forms."""

import asyncio
import json
import socket
import ssl
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from support.kube_serving import FRONT_PROXY, USER, WORKLOADS, Hands, Pair, Served, config_of, until

from rollcall_cluster.certificates import Authority

pytestmark = pytest.mark.anyio

TOLD = {"X-Remote-User": USER}
REFUSED = "refused"
"""The handshake has failed, so that nothing was asked."""


@pytest.fixture
async def proxy(served: Served) -> Pair:
    """The API server's certificate, whose word is taken by now."""
    pair = served.front.issue_client(FRONT_PROXY)
    await until(lambda: served.asked(pair, TOLD), lambda status: status == 200)
    return pair


def another_authority(served: Served, name: str) -> Authority:
    (served.folder / name).mkdir()
    return Authority(served.folder / name, name)


async def test_only_the_api_servers_own_certificate_is_believed(served: Served, proxy: Pair) -> None:
    other = another_authority(served, "other")
    # One that is called as the right one is.
    (served.folder / "front-again").mkdir()
    impostor = Authority(served.folder / "front-again", "front")
    reviews = len(served.kube.specs)
    refused = {
        "no user": await served.asked(proxy, {"X-Remote-Group": "system:masters"}),
        "an empty user": await served.asked(proxy, {"X-Remote-User": "", "X-Remote-Group": "system:masters"}),
        "no certificate": await served.asked(None, TOLD),
        "wrong name": await served.asked(served.front.issue_client("somebody"), TOLD),
        "name in another case": await served.asked(served.front.issue_client("Front-Proxy-Client"), TOLD),
        "another authority": await served.asked(other.issue_client(FRONT_PROXY), TOLD),
        "an authority of the same name": await served.asked(impostor.issue_client(FRONT_PROXY), TOLD),
        "the authority of the servers": await served.asked(served.server_authority.issue_client(FRONT_PROXY), TOLD),
        "run out": await served.asked(served.front.issue_client(FRONT_PROXY, lifetime=timedelta(minutes=-1)), TOLD),
        "a server's": await served.asked(served.front.issue_server(FRONT_PROXY), TOLD),
    }
    # OpenSSL ends the handshake of what does not verify; what verifies and is not the API server's is a 401.
    not_verified = {"another authority", "an authority of the same name", "the authority of the servers", "run out"}
    not_verified |= {"a server's"}
    assert refused == {what: REFUSED if what in not_verified else 401 for what in refused}
    assert len(served.kube.specs) == reviews, "nobody's rights were asked for"
    assert served.kube.tokens_asked == []
    again = served.front.issue_client(FRONT_PROXY)
    assert await served.asked(again, TOLD) == 200


async def test_a_bearer_token_beside_headers_of_nobody_speaks_for_itself(served: Served) -> None:
    served.kube.let_in("ada-token", "ada")
    headers = {**TOLD, "X-Remote-Group": "system:masters", "Authorization": "Bearer ada-token"}
    assert await served.asked(None, headers) == 403
    assert served.kube.specs[-1]["user"] == "ada"
    assert "system:masters" not in served.kube.specs[-1].get("groups", [])


async def test_a_certificate_that_runs_out_is_believed_no_longer_on_its_old_connection(
    served: Served, proxy: Pair, hands: Hands
) -> None:
    session = served.session(proxy)
    async with session.get(WORKLOADS, headers=TOLD) as response:
        assert response.status == 200
    hands.offset = timedelta(days=31).total_seconds()
    async with session.get(WORKLOADS, headers=TOLD) as response:
        assert response.status == 401


async def test_a_rotated_authority_is_followed(served: Served, proxy: Pair) -> None:
    new = another_authority(served, "new")
    renewed = new.issue_client(FRONT_PROXY)
    assert await served.asked(renewed, TOLD) == REFUSED
    served.kube.request_headers = config_of(served.front, new)
    await until(lambda: served.asked(renewed, TOLD), lambda status: status == 200)
    assert await served.asked(proxy, TOLD) == 200, "both are trusted"
    served.kube.request_headers = config_of(new)
    await until(lambda: served.asked(proxy, TOLD), lambda status: status == REFUSED)
    assert await served.asked(renewed, TOLD) == 200


async def test_kept_connections_live_through_a_rotation_without_a_refusal(served: Served, proxy: Pair) -> None:
    """As the API server's own pool: what is cut off before an answer is asked again on a new connection."""
    session = served.session(proxy)
    new = another_authority(served, "new")
    statuses = set()

    async def ask() -> int:
        async with session.get(WORKLOADS, headers=TOLD) as response:
            return response.status

    statuses.add(await ask())
    served.kube.request_headers = config_of(served.front, new)
    await until(lambda: served.asked(new.issue_client(FRONT_PROXY), TOLD), lambda status: status == 200)
    statuses.add(await ask())
    served.kube.request_headers = config_of(new)
    await until(lambda: served.asked(proxy, TOLD), lambda status: status == REFUSED)
    with pytest.raises(aiohttp.ClientError):
        await ask()
    assert statuses == {200}


async def test_a_session_that_is_taken_up_again_proves_nothing(served: Served, proxy: Pair) -> None:
    """What was trusted when a session began is not what is trusted when it is taken up again."""
    new = another_authority(served, "new")
    renewed = new.issue_client(FRONT_PROXY)

    async def both() -> set[int | str]:
        return {await served.asked(pair, TOLD) for pair in (proxy, renewed)}

    def ask(context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with (
            socket.create_connection(("localhost", served.port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as tls,
        ):
            request = (
                f"GET {WORKLOADS} HTTP/1.1\r\nHost: localhost\r\nX-Remote-User: {USER}\r\nConnection: close\r\n\r\n"
            )
            tls.sendall(request.encode())
            answer = b""
            while piece := tls.recv(65536):
                answer += piece
            return answer, tls.session

    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        served.kube.request_headers = config_of(served.front, new)
        # Either of the two may have been trusted before: both are, and no change is on its way any more.
        await until(both, lambda statuses: statuses == {200})
        context = served.trusting(proxy)
        context.minimum_version = context.maximum_version = version
        answer, session = await asyncio.to_thread(ask, context, None)
        assert answer.startswith(b"HTTP/1.1 200"), version
        served.kube.request_headers = config_of(new)
        await until(lambda: served.asked(proxy, TOLD), lambda status: status == REFUSED)
        try:
            answer, _ = await asyncio.to_thread(ask, context, session)
        except OSError:
            continue
        assert not answer.startswith(b"HTTP/1.1 200"), version


async def test_the_names_that_are_allowed_are_followed(served: Served, proxy: Pair) -> None:
    other = served.front.issue_client("another-proxy")
    assert await served.asked(other, TOLD) == 401
    served.kube.request_headers = config_of(served.front, names=("another-proxy",))
    await until(lambda: served.asked(other, TOLD), lambda status: status == 200)
    assert await served.asked(proxy, TOLD) == 401
    served.kube.request_headers = config_of(served.front, names=())
    await until(lambda: served.asked(proxy, TOLD), lambda status: status == 200)
    assert await served.asked(other, TOLD) == 200, "no name is every name"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {},
        {"requestheader-client-ca-file": "no certificate"},
        {"requestheader-allowed-names": "{"},
        {"requestheader-username-headers": "[]"},
        {"requestheader-client-ca-file": ""},
    ],
    ids=str,
)
async def test_what_cannot_be_read_changes_nothing(served: Served, proxy: Pair, broken: dict[str, str] | None) -> None:
    good = config_of(served.front)
    served.kube.request_headers = None if broken is None else {**(good if broken else {}), **broken}
    new = another_authority(served, "new")
    asked = served.kube.request_headers_asked

    async def looks() -> int:
        return served.kube.request_headers_asked - asked

    await until(looks, lambda many: many > 2)
    assert await served.asked(proxy, TOLD) == 200
    # It is still being looked at: what can be read again is taken over.
    served.kube.request_headers = config_of(served.front, new)
    await until(lambda: served.asked(new.issue_client(FRONT_PROXY), TOLD), lambda status: status == 200)
    assert await served.asked(proxy, TOLD) == 200


async def test_the_serving_certificate_that_is_on_disk_is_served(served: Served, proxy: Pair) -> None:
    def shown() -> bytes:
        context = served.trusting()
        with (
            socket.create_connection(("localhost", served.port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            return tls.getpeercert(binary_form=True) or b""

    async def ask() -> bytes:
        return await asyncio.to_thread(shown)

    session = served.session(proxy)
    async with session.get(WORKLOADS, headers=TOLD) as response:
        assert response.status == 200
    before = await ask()
    served.serving_pair[0].write_text("half of a certificate")
    assert await ask() == before, "a file that is being written is no certificate yet"
    for made, kept in zip(served.server_authority.issue_server("again"), served.serving_pair, strict=True):
        made.replace(kept)
    after = await until(ask, lambda found: found != before)
    assert after == ssl.PEM_cert_to_DER_cert(served.serving_pair[0].read_text())
    async with session.get(WORKLOADS, headers=TOLD) as response:
        assert response.status == 200, "a connection from before proves what it did"


@pytest.mark.parametrize(
    ("headers", "spec"),
    [
        (
            [("X-Remote-Group", "one"), ("X-Remote-Group", "two"), ("x-remote-group", "three")],
            {"groups": ["one", "two", "three", "system:authenticated"]},
        ),
        ([("X-Remote-Group", "system:authenticated")], {"groups": ["system:authenticated"]}),
        ([("X-Remote-Group", "one,two")], {"groups": ["one,two", "system:authenticated"]}),
        ([("X-Remote-Uid", "u-1")], {"uid": "u-1"}),
        (
            [("X-Remote-Extra-Scopes", "a"), ("X-Remote-Extra-scopes", "b")],
            {"extra": {"scopes": ["a", "b"]}},
        ),
        (
            [("X-Remote-Extra-Example.org%2fRole", "a b"), ("X-Remote-Extra-Example.org%2Frole", "c")],
            {"extra": {"example.org/role": ["a b", "c"]}},
        ),
        ([("X-Remote-Extra-Odd%zz", "a")], {"extra": {"odd%zz": ["a"]}}),
        ([("X-Remote-Extra-", "nameless")], {"extra": {}}),
        ([("X-Remote-Extra-Empty", "")], {"extra": {"empty": [""]}}),
    ],
)
async def test_headers_are_read_as_api_servers_read_them(
    served: Served, proxy: Pair, headers: list[tuple[str, str]], spec: dict[str, Any]
) -> None:
    assert await served.asked(proxy, [("X-Remote-User", USER), *headers]) == 200
    asked = served.kube.specs[-1]
    assert asked["user"] == USER
    assert {key: asked.get(key, {} if key == "extra" else None) for key in spec} == spec


async def test_the_anonymous_user_is_not_made_known(served: Served, proxy: Pair) -> None:
    headers = {"X-Remote-User": "system:anonymous", "X-Remote-Group": "system:unauthenticated"}
    assert await served.asked(proxy, headers) == 403
    assert served.kube.specs[-1]["groups"] == ["system:unauthenticated"]


async def test_a_refusal_is_a_status_in_the_words_of_api_servers(served: Served) -> None:
    async with served.session().get(WORKLOADS, headers=TOLD) as response:
        body = json.loads(await response.text())
    assert (body["kind"], body["code"], body["reason"]) == ("Status", 401, "Unauthorized")
