"""Hostile text in every parameter and every segment of a path of every operation: a clean refusal, or exactly right."""

import http.client
from collections.abc import Iterator
from typing import Self

import httpx
import psutil
import pytest
from support.api_process import ApiProcess
from support.filled_view import PROJECTS
from support.hostile_values import HOSTILE
from support.lenient_reading import is_good
from support.surface import OPERATIONS, Operation
from support.wire import Reply

MOST_GROWTH_BYTES = 64 * 2**20
GIVEN_AWAY = ("Traceback", "psycopg", "sqlalchemy", "site-packages")
"""What an answer must not hold: how it came about."""

GETS = tuple(operation for operation in OPERATIONS if operation.method == "GET")


@pytest.fixture(scope="module", autouse=True)
def as_well_as_before(api: ApiProcess) -> Iterator[None]:
    """After all of it the process lives, and is hardly larger."""
    process = psutil.Process(api.program.pid)
    httpx.get(f"{api.address}/api/v1/workloads?limit=500").raise_for_status()
    before = process.memory_info().rss
    yield
    assert httpx.get(f"{api.address}/api/v1/workloads/count").json() == {"count": len(PROJECTS)}
    assert process.memory_info().rss - before < MOST_GROWTH_BYTES


class Connection:
    """A kept connection that sends a target as it is given."""

    def __init__(self, api: ApiProcess) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, target: str, method: str = "GET") -> Reply:
        """The answer to a target."""
        self._connection.request(method, target)
        with self._connection.getresponse() as answer:
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())


def fault_of(reply: Reply, wanted: int) -> str:
    """What is wrong with an answer; empty where nothing is."""
    text = reply.body.decode()
    if reply.status != wanted:
        return f"{reply.status}, not {wanted}: {text[:200]}"
    if wanted >= 400 and not reply.error():
        return f"no message: {text[:200]}"
    if "set-cookie" in reply.headers or any(word in text for word in GIVEN_AWAY):
        return f"gives away too much: {reply.headers} {text[:200]}"
    return ""


def parameters(place: str) -> list[object]:
    """Each parameter of each operation."""
    return [
        pytest.param(operation, name, id=f"{operation}-{name}") for operation in GETS for name in operation.names(place)
    ]


@pytest.mark.parametrize(("operation", "name"), parameters("query"))
def test_a_parameter_is_refused_or_means_what_it_says(api: ApiProcess, operation: Operation, name: str) -> None:
    faults = {}
    with Connection(api) as connection:
        for what, value in HOSTILE.items():
            others = operation.target(PROJECTS[0].ids(), **{name: ""})
            target = others.replace(f"{name}=", f"{name}={value}", 1)
            fault = fault_of(connection.get(target), 200 if is_good(operation, target) else 400)
            if fault:
                faults[what] = fault
    assert faults == {}


@pytest.mark.parametrize(("operation", "name"), parameters("path"))
def test_a_segment_of_a_path_is_nothings_id(api: ApiProcess, operation: Operation, name: str) -> None:
    faults = {}
    with Connection(api) as connection:
        for what, value in HOSTILE.items():
            target = operation.target({**PROJECTS[0].ids(), name: "HERE"}).replace("HERE", value.replace("+", "%2B"))
            fault = fault_of(connection.get(target), 404)
            if fault:
                faults[what] = fault
    assert faults == {}
