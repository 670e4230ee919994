"""Two API processes restarted one after the other behind a client that takes turns, while it pages through lists.

The client does what a Service and its clients do: it leaves a process alone that is said to go (chart: the preStop
pause), and whatever it does send has to be answered.
"""

import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from support.api_process import ApiProcess
from support.filled_view import PROJECTS, fill
from support.rows import eventually

from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate
from rollcall_api.command import DRAIN_SECONDS

PAGE = 20
ROUNDS = 2
HELD_SECONDS = DRAIN_SECONDS / 5


class RoundRobin:
    """The processes that serve, each asked in its turn; a request in flight keeps its process."""

    def __init__(self, servers: list[ApiProcess]) -> None:
        self._lock = threading.Lock()
        self._servers = list(servers)
        self._turn = 0

    def leave(self, server: ApiProcess) -> None:
        """Send it nothing new, and see what was sent come in, as the pause before a pod's end lets it."""
        with self._lock:
            self._servers.remove(server)
        # Connections are taken in their order: when this one is answered, those before it are known.
        status, _ = RoundRobin([server]).get("/api/v1/workloads/count")
        assert status == 200

    def join(self, server: ApiProcess) -> None:
        """Send to it again."""
        with self._lock:
            self._servers.append(server)

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and body of one answer; a connection that breaks is the caller's to see."""
        with self._lock:
            self._turn += 1
            server = self._servers[self._turn % len(self._servers)]
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            # Sent while the process is still on the list: such a request is its to answer.
            connection.request("GET", path)
        try:
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


class Paging(threading.Thread):
    """Pages through the whole list, over and over, until told to end."""

    def __init__(self, servers: RoundRobin) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._ending = threading.Event()
        self.listings: list[list[str]] = []
        self.refused: list[object] = []

    def run(self) -> None:
        """List until told to end, or until an answer is no good."""
        try:
            while not self._ending.is_set() and not self.refused:
                self.listings.append(list(self._ids()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.refused.append(error)

    def end(self) -> None:
        """Finish the listing that runs, and no other."""
        self._ending.set()
        self.join(60)
        assert not self.is_alive()

    def _ids(self) -> Iterator[str]:
        place = 0
        while True:
            status, body = self._servers.get(f"/api/v1/workloads?sortBy=name&limit={PAGE}&offset={place}")
            if status != 200:
                self.refused.append((status, body))
                return
            for workload in body["workloads"]:  # type: ignore[attr-defined]
                yield workload["id"]
            if "next" not in body:
                return
            place = int(str(body["next"]))


def terminate(server: ApiProcess) -> int:
    """Ask it to end as Kubernetes does; its exit code."""
    process = server.program._process  # noqa: SLF001 - a program tells only whether it runs
    assert process is not None
    os.kill(process.pid, signal.SIGTERM)
    return process.wait(30)


@pytest.fixture
def filled(database: DatabaseSettings) -> DatabaseSettings:
    """A database with a workload in each of many projects."""
    fill(database)
    return database


def test_a_rolling_restart_shows_no_error_no_duplicate_and_no_hole(filled: DatabaseSettings, tmp_path: Path) -> None:
    number = 0

    def one() -> ApiProcess:
        nonlocal number
        number += 1
        return ApiProcess(tmp_path, filled, name=f"api-{number}")

    serving = [one().__enter__(), one().__enter__()]
    servers = RoundRobin(serving)
    paging = Paging(servers)
    try:
        paging.start()
        for _ in range(ROUNDS * 2):
            before = len(paging.listings)
            eventually(lambda: len(paging.listings) + len(paging.refused), lambda count, least=before: count > least)
            # As a Deployment does it: first another that serves, then the old one goes.
            fresh = one().__enter__()
            serving.append(fresh)
            servers.join(fresh)
            old = serving.pop(0)
            servers.leave(old)
            assert terminate(old) == 0, old.log()
        paging.end()
    finally:
        for server in serving:
            server.program.stop(kill=True)
    assert paging.refused == []
    wanted = sorted(project.ids()["workloadId"] for project in PROJECTS)
    assert len(paging.listings) > ROUNDS * 2
    for listing in paging.listings:
        assert sorted(listing) == wanted


def test_who_was_let_in_is_answered_before_it_ends(filled: DatabaseSettings, tmp_path: Path) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    dsn = filled.dsn.get_secret_value()
    with (
        psycopg.connect(dsn, autocommit=True) as looking,
        psycopg.connect(dsn) as locking,
        # What waits for the lock is to be answered when it is had, however late that is.
        ApiProcess(tmp_path, filled, database__lock_timeout_seconds=60, database__statement_timeout_seconds=60) as api,
        ThreadPoolExecutor() as beside,
    ):
        try:
            locking.execute("LOCK TABLE workloads IN ACCESS EXCLUSIVE MODE")
            asked = beside.submit(RoundRobin([api]).get, f"/api/v1/workloads?limit={PAGE}")
            eventually(lambda: looking.execute(waiting).fetchone(), lambda found: found == (1,))
            ended = beside.submit(terminate, api)
            eventually(lambda: lets_in(api), lambda answer: not answer)
            # Long enough that whoever does not wait has gone.
            assert wait([asked, ended], HELD_SECONDS).done == set()
        finally:
            locking.rollback()
        status, body = asked.result(30)
        assert (status, len(body["workloads"])) == (200, PAGE)  # type: ignore[arg-type]
        assert ended.result(30) == 0, api.log()


def lets_in(server: ApiProcess) -> bool:
    """Whether anybody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_database_that_restarts_is_a_503_and_then_well(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    database = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()), connect_timeout_seconds=2)
    migrate(database)
    fill(database)
    with ApiProcess(tmp_path, database, database__connect_timeout_seconds=2) as api:
        servers = RoundRobin([api])
        path = "/api/v1/workloads/count"
        status, before = servers.get(path)
        assert status == 200
        own_postgres.stop()
        status, body = servers.get(path)
        assert (status, body["code"]) == (503, 503)
        own_postgres.start()
        eventually(lambda: servers.get(path), lambda answer: answer == (200, before))
