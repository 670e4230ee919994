"""Bytes over a socket: the request lines of real clients as they were captured, and what no client should send."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.api_process import ApiProcess
from support.wire import exchange, send
from support.workload_builders import START, a_workload, uid_of

from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_api.models import Count, WorkloadDetailed, WorkloadList
from rollcall_api.protocol import MOST_HEAD_BYTES

KNOWN_ID = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
WORKLOADS = "/api/v1/workloads"


@pytest.fixture(scope="module")
def api(shared_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """A running API that knows a live workload and a deleted one."""
    live, gone = a_workload(uid=KNOWN_ID), a_workload("gone", project_id="1")
    closed = Gone(uid=gone.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT)

    async def write() -> None:
        engine = create_engine(shared_database, application_name="test")
        async with engine.begin() as connection:
            batch = Batch(workloads=(live, gone), gone_workloads=(closed,))
            await write_batch(connection, uid_of("cluster"), batch, observed_at=START)
            await touch_cluster(connection, cluster_id=uid_of("cluster"), name="test", watches_observed_at=START)
        await engine.dispose()

    asyncio.run(write())
    with ApiProcess(tmp_path_factory.mktemp("api"), shared_database) as api:
        yield api
        assert "Traceback" not in api.log()


@pytest.mark.parametrize(
    "line",
    [
        f"GET {WORKLOADS}?",
        f"GET {WORKLOADS}?deleted=false",
        f"GET {WORKLOADS}?offset=0&limit=1",
        f"GET {WORKLOADS}?filterBy=",
        # An older client's booleans and its order of keys.
        f"GET {WORKLOADS}?sortOrder=desc&limit=500&deleted=True&sortBy=createdAt",
        f"GET {WORKLOADS}?limit=500&offset=0",
    ],
)
def test_a_captured_list_is_answered(api: ApiProcess, line: str) -> None:
    reply = send(api, line)
    assert reply.status == 200, reply
    found = WorkloadList.model_validate_json(reply.body)
    assert [one.name for one in found.workloads] == (["gone"] if "deleted=True" in line else ["train"])


def test_a_captured_get_is_answered(api: ApiProcess) -> None:
    reply = send(api, f"GET {WORKLOADS}/{KNOWN_ID}")
    assert (reply.status, WorkloadDetailed.model_validate_json(reply.body).id) == (200, KNOWN_ID)
    assert reply.headers["x-rollcall-observed-at"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("query", ["", "?", "?deleted=false", "?deleted=False&filterBy="])
def test_a_captured_count_is_answered(api: ApiProcess, query: str) -> None:
    reply = send(api, f"GET {WORKLOADS}/count{query}")
    assert (reply.status, Count.model_validate_json(reply.body).count) == (200, 1)


def test_the_captured_token_request_is_answered(api: ApiProcess) -> None:
    body = b'{"grantType": "app_token", "AppId": "my-app", "AppSecret": "s3cret"}'
    reply = send(
        api,
        "POST /api/v1/token",
        body,
        "User-Agent: python-urllib3/2.8.0",
        "Accept: */*",
        "Content-Type: application/json",
    )
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.body)
    assert found["accessToken"].count(".") == 2
    assert found["expiresIn"] > 60


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (WORKLOADS, "GET"),
        (f"{WORKLOADS}/count", "GET"),
        (f"{WORKLOADS}/telemetry", "GET"),
        (f"{WORKLOADS}/{KNOWN_ID}", "GET"),
        ("/livez", "GET"),
        ("/api/v1/token", "POST"),
        ("/api/v2/token", "POST"),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_another_method_is_a_405_that_says_which(api: ApiProcess, method: str, path: str, allowed: str) -> None:
    reply = send(api, f"{method} {path}")
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    if method == "HEAD":
        assert (reply.headers["content-type"], reply.body) == ("application/json", b"")
    else:
        assert method in reply.error()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/", "/api", "/nothing", f"{WORKLOADS}/", "//api/v1/workloads", "/%2e%2e/etc/passwd"])
def test_another_path_is_a_404(api: ApiProcess, method: str, path: str) -> None:
    reply = send(api, f"{method} {path}")
    assert reply.status == 404
    if method == "HEAD":
        assert reply.body == b""
    else:
        assert reply.error()


@pytest.mark.parametrize(
    "workload_id",
    [
        "not-a-uuid",
        "%00",
        f"{KNOWN_ID}%00",
        f"%20{KNOWN_ID}",
        f"%7B{KNOWN_ID}%7D",
        f"urn:uuid:{KNOWN_ID}",
        KNOWN_ID.replace("-", ""),
        KNOWN_ID.replace("4", "%D9%A4"),
        KNOWN_ID.replace("4", "%EF%BC%94", 1),
        "%FF%FE",
        "%",
        "%zz",
        "a%2Fb",
        "..%2f..%2fetc%2fpasswd",
        "'%20OR%201=1--",
        "x" * 30_000,
    ],
    ids=lambda given: given[:40],
)
def test_a_malformed_id_is_a_404(api: ApiProcess, workload_id: str) -> None:
    reply = send(api, f"GET {WORKLOADS}/{workload_id}")
    assert reply.status == 404
    assert reply.error()


def test_an_id_is_read_in_any_case(api: ApiProcess) -> None:
    assert send(api, f"GET {WORKLOADS}/{KNOWN_ID.upper()}").status == 200


@pytest.mark.parametrize("endpoint", [WORKLOADS, f"{WORKLOADS}/count"])
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("deleted=%00", "deleted"),
        ("deleted=true%00", "deleted"),
        ("deleted=%", "deleted"),
        ("deleted=%zz", "deleted"),
        ("deleted=%FF", "deleted"),
        ("deleted=%ED%A0%80", "deleted"),
        ("deleted=%C0%AE", "deleted"),
        ("deleted=1", "deleted"),
        ("deleted=TRUE", "deleted"),
        ("deleted", "deleted"),
        ("deleted=true&deleted=false", "deleted"),
        ("%64eleted=x", "deleted"),
        ("filterBy=%u0041", "filterBy"),
        ("search=%00", "search"),
        (f"x={'y' * 60_000}", "longer"),
        ("&" * 2_000, "parameters"),
    ],
    ids=lambda given: given[:30],
)
def test_a_hostile_query_is_a_400_that_names_it(api: ApiProcess, endpoint: str, query: str, named: str) -> None:
    reply = send(api, f"GET {endpoint}?{query}")
    assert reply.status == 400
    assert named in reply.error()


@pytest.mark.parametrize(
    "number", ["%D9%A1", "%EF%BC%91", "%C2%B9", "1_0", "+1", "%2B1", "0x1", "1e1", "1.0", "-0", "01"]
)
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_a_number_is_written_in_plain_digits(api: ApiProcess, name: str, number: str) -> None:
    reply = send(api, f"GET {WORKLOADS}?{name}={number}")
    if number == "01":
        assert reply.status == 200
    else:
        assert reply.status == 400
        assert name in reply.error()


@pytest.mark.parametrize(
    "query",
    ["%zz=1", "%00=1", "%FF=%FF", "=", "&&", "unknown=%00", "?deleted=x", ";limit=0", "a[]=1&a[b]=2", "#", "limit=1#"],
)
def test_what_is_no_parameter_is_ignored(api: ApiProcess, query: str) -> None:
    # A fragment never leaves a proper client; what is after the # then belongs to the value before.
    reply = send(api, f"GET {WORKLOADS}?{query}")
    assert reply.status == (400 if query == "limit=1#" else 200)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", id="nul-in-path"),
        pytest.param(b"GET /api/v1/workloads?search=\xff HTTP/1.1\r\nHost: a\r\n\r\n", id="raw-bytes"),
        pytest.param(b"GET /livez HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two-hosts"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", id="nul-in-header"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", id="blank-in-name"),
        pytest.param(b"GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n", id="two-blanks"),
        pytest.param(b"nonsense\r\n\r\n", id="nonsense"),
        pytest.param(b"GET /?".ljust(MOST_HEAD_BYTES + 1, b"y"), id="line-without-end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: ".ljust(MOST_HEAD_BYTES + 1, b"y"), id="header-without-end"),
        pytest.param(b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", id="length"),
        pytest.param(
            b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
            id="two-lengths",
        ),
    ],
)
def test_what_is_no_request_gets_the_error_body_too(api: ApiProcess, request_bytes: bytes) -> None:
    reply = exchange(api, request_bytes)
    assert reply.status == 400
    assert reply.error()
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"app_token"',
        b"NaN",
        b'{"grantType": ',
        pytest.param(b"[" * 60_000, id="deep"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="deep-object"),
        pytest.param(b'{"a": "' + b"y" * 100_000 + b'"}', id="long"),
    ],
)
def test_a_hostile_token_request_is_a_400(api: ApiProcess, body: bytes) -> None:
    reply = send(api, "POST /api/v1/token", body, "Content-Type: application/json")
    assert reply.status == 400
    assert reply.error()


def test_a_request_in_the_middle_of_which_the_client_leaves_is_no_fault_of_ours(api: ApiProcess) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    assert send(api, "GET /livez").status == 200
    # What the process logs of it is looked at when it is stopped.


def test_a_long_query_may_come_in_pieces(api: ApiProcess) -> None:
    """However the network cuts it, what is short enough to be read is read."""
    query = b"&".join(b"unknown=" + b"y" * 100 for _ in range(280))
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(b"GET /api/v1/workloads/count?" + query[:-100])
        assert send(api, "GET /livez").status == 200  # by then the first piece has been read
        connection.sendall(query[-100:] + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_an_upgrade_is_answered_as_if_it_had_not_been_asked_for(api: ApiProcess) -> None:
    reply = exchange(
        api,
        b"GET /api/v1/workloads/count HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    )
    assert (reply.status, json.loads(reply.body)) == (200, {"count": 1})


def test_an_old_client_is_answered(api: ApiProcess) -> None:
    reply = exchange(api, b"GET /api/v1/workloads/count HTTP/1.0\r\n\r\n")
    assert (reply.status, json.loads(reply.body)) == (200, {"count": 1})


def test_a_kept_connection_answers_at_once(api: ApiProcess) -> None:
    """Were small packets held back, each answer but the first would wait 40 ms for an acknowledgement.

    The quickest of many tells, and of what costs next to nothing: else a busy machine takes as long by itself.
    """
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    seconds = []
    for _ in range(50):
        started = time.perf_counter()
        connection.request("GET", "/livez")
        with connection.getresponse() as response:
            assert response.status == 200
            response.read()
        seconds.append(time.perf_counter() - started)
    connection.close()
    assert min(seconds[1:]) < 0.035
