"""Requests that are hostile as a whole, sent to every operation: too long, too many, framed to be read in two ways."""

import json
from collections.abc import Iterator

import psutil
import pytest
from support.api_process import ApiProcess
from support.filled_view import PROJECTS, TOKEN
from support.surface import OPERATIONS, Operation
from support.wire import exchange, received, send

from rollcall_api.protocol import MOST_HEAD_BYTES

MOST_GROWTH_BYTES = 64 * 2**20
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
every_get = pytest.mark.parametrize("operation", [found for found in OPERATIONS if found.method == "GET"], ids=str)
every_scoped = pytest.mark.parametrize("operation", [found for found in OPERATIONS if found.is_scoped], ids=str)


@pytest.fixture(scope="module", autouse=True)
def as_well_as_before(api: ApiProcess) -> Iterator[None]:
    """After all of it the process lives, and is hardly larger."""
    process = psutil.Process(api.program.pid)
    assert send(api, "GET /api/v1/workloads?limit=500").status == 200
    before = process.memory_info().rss
    yield
    assert json.loads(send(api, "GET /api/v1/workloads/count").body) == {"count": len(PROJECTS)}
    assert process.memory_info().rss - before < MOST_GROWTH_BYTES


def target_of(operation: Operation) -> str:
    return operation.target(PROJECTS[0].ids())


def joined(operation: Operation) -> str:
    """The target, ready for one more parameter."""
    target = target_of(operation)
    return target + ("&" if "?" in target else "?")


def request_of(operation: Operation, *headers: str, body: bytes = b"", target: str = "") -> bytes:
    lines = [f"{operation.method} {target or target_of(operation)} HTTP/1.1", "Host: a", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@every_operation
def test_a_good_request_is_answered(api: ApiProcess, operation: Operation) -> None:
    """What the others are held against."""
    body, media_type = operation.body()
    headers = [f"Content-Type: {media_type}"] if body else []
    assert send(api, f"{operation.method} {target_of(operation)}", body, *headers).status == 200


@every_operation
@pytest.mark.parametrize("megabytes", [1, 10])
def test_a_query_without_end_is_refused_before_it_has_come(
    api: ApiProcess, operation: Operation, megabytes: int
) -> None:
    reply = exchange(api, request_of(operation, target=joined(operation) + "x=" + "y" * (megabytes * 10**6)))
    assert reply.status == 400
    assert reply.error()
    assert reply.headers["connection"] == "close"


@every_get
@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("x&" * 10_000, "parameters", id="10000 parameters"),
        pytest.param("x=" + "y" * 40_000, "longer", id="40 kB"),
    ],
)
def test_more_than_anyone_would_ask_is_refused(api: ApiProcess, operation: Operation, query: str, words: str) -> None:
    reply = exchange(api, request_of(operation, target=joined(operation) + query))
    if operation.parameters("query"):
        assert reply.status == 400
        assert words in reply.error()
    else:
        assert reply.status == 200, "there is nothing to read in a query"


@every_get
@pytest.mark.parametrize("what", ["terms", "keys"])
def test_ten_thousand_terms_are_refused(api: ApiProcess, operation: Operation, what: str) -> None:
    terms = "name==a," * 10_000 if what == "terms" else "a&filterBy=" * 10_000
    reply = exchange(api, request_of(operation, target=f"{joined(operation)}filterBy={terms}"))
    assert reply.status == 400
    assert reply.error()


@every_operation
def test_another_method_says_which_there_are(api: ApiProcess, operation: Operation) -> None:
    allowed = {found.method for found in OPERATIONS if found.path == operation.path}
    for method in METHODS:
        if method in allowed:
            continue
        reply = send(api, f"{method} {target_of(operation)}")
        assert (reply.status, set(reply.headers["allow"].split(", "))) == (405, allowed)
        assert method == "HEAD" or method in reply.error()


@every_scoped
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"], id="the same twice"),
        pytest.param([f"Authorization: Bearer {TOKEN}", "Authorization: Bearer other"], id="two"),
        pytest.param([f"Authorization: Bearer {TOKEN}, Bearer {TOKEN}"], id="joined"),
        pytest.param([f"Authorization: Bearer\t{TOKEN}"], id="tab"),
        pytest.param([f"Authorization: Bearer {TOKEN}'--"], id="more"),
        pytest.param([f"Authorization: Basic {TOKEN}"], id="Basic"),
        pytest.param([f"Authorization: {TOKEN}"], id="bare"),
        pytest.param([f"Proxy-Authorization: Bearer {TOKEN}"], id="to a proxy"),
        pytest.param([f"Cookie: token={TOKEN}"], id="cookie"),
        pytest.param([f"X-Forwarded-Access-Token: {TOKEN}", "X-Remote-User: admin"], id="forwarded"),
        pytest.param([f"Authorization: Bearer {'x' * 50_000}"], id="long"),
    ],
)
def test_who_is_asking_is_said_once_and_plainly(
    asking_api: ApiProcess, operation: Operation, headers: list[str]
) -> None:
    reply = exchange(asking_api, request_of(operation, *headers))
    assert reply.status == 401, reply
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert reply.error()
    # 401 comes before anything that is said of the parameters.
    reply = exchange(asking_api, request_of(operation, *headers, target=f"{operation.path}?limit=x"))
    assert reply.status == 401, reply


@every_operation
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(["X: " + "y" * MOST_HEAD_BYTES], id="long"),
        pytest.param([f"X-{number}: y" for number in range(10_000)], id="10000"),
        pytest.param(["X: \x00"], id="nul"),
        pytest.param(["X\x00: y"], id="nul in the name"),
        pytest.param(["X: y", "Host: b"], id="two hosts"),
        pytest.param(["Content-Length: 1", "Content-Length: 2"], id="two lengths"),
        pytest.param(["Content-Length: 1, 2"], id="lengths joined"),
        pytest.param(["Content-Length: +1"], id="signed length"),
        pytest.param(["Content-Length: 0x1"], id="hexadecimal length"),
        pytest.param(["Content-Length : 1"], id="blank before the colon"),
        pytest.param(["Transfer-Encoding: chunked", "Content-Length: 5"], id="length and chunks"),
        pytest.param(["Content-Length: 5", "Transfer-Encoding: chunked"], id="chunks and length"),
        pytest.param(["Transfer-Encoding: gzip, chunked"], id="two codings"),
        pytest.param(["Transfer-Encoding: xchunked"], id="unknown coding"),
        pytest.param(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], id="chunked twice"),
        pytest.param(["Transfer-Encoding: chunked, identity"], id="chunked before identity"),
        pytest.param(["Transfer-Encoding:\x0bchunked"], id="vertical tab"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(api: ApiProcess, operation: Operation, headers: list[str]) -> None:
    hidden = b"0\r\n\r\nGET /api/v1/workloads/count HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    lines = "\r\n".join([f"{operation.method} {target_of(operation)} HTTP/1.1", "Host: a", *headers, "", ""])
    answer = received(api, lines.encode("latin-1") + hidden)
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert answer.split()[1] in {b"400", b"501"}, answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in {400, 501}
    assert b"count" not in answer


@every_get
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(["Content-Length: 5"], b"hello", id="length"),
        pytest.param(["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n", id="chunks"),
        pytest.param(["X: y", " folded"], b"", id="folded header"),
        pytest.param(["Expect: 100-continue", "Content-Length: 0"], b"", id="expecting"),
    ],
)
def test_a_body_where_none_is_read_changes_nothing(
    api: ApiProcess, operation: Operation, headers: list[str], body: bytes
) -> None:
    assert exchange(api, request_of(operation, *headers, body=body)).status == 200


@every_get
@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"-1\r\n", b"5;" + b"x" * 100_000, b"\x00"], ids=lambda body: repr(body[:4])
)
def test_chunks_that_are_none_end_the_connection(api: ApiProcess, operation: Operation, body: bytes) -> None:
    request = request_of(operation, "Transfer-Encoding: chunked", body=body)
    answer = received(api, request)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.split()[1] in {b"200", b"400"}, answer


@every_operation
@pytest.mark.parametrize(
    "form", ["http://elsewhere.example{}", "https://a:443{}", "//elsewhere.example{}", "{}#x/../y"]
)
def test_a_target_in_another_form_is_no_way_round(api: ApiProcess, operation: Operation, form: str) -> None:
    path = target_of(operation).partition("?")[0]
    reply = exchange(api, request_of(operation, target=form.format(path)))
    assert reply.status == 404, reply
    assert reply.error()


@pytest.mark.parametrize("line", ["OPTIONS *", "CONNECT a:443", "GET *", "GET a", "PRI *"])
def test_a_target_that_is_no_path_is_nothing(api: ApiProcess, line: str) -> None:
    reply = send(api, line)
    assert reply.status in {400, 404, 405}
    assert reply.error()
