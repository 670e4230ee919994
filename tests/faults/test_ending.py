"""How an operator ends: cleanly when asked to, and otherwise with one sentence that says what to do."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import yaml
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import COMPLETED, SimulatedCluster, exit_code_of

from rollcall.settings import DatabaseSettings
from rollcall_demo.resources import JOB
from rollcall_operator import watches
from rollcall_operator.watches import Watches

OperatorOf = Callable[..., OperatorProcess]


def terminate(operator: OperatorProcess) -> int:
    """Ask it to end as Kubernetes does; its exit code."""
    assert operator.program.pid is not None
    os.kill(operator.program.pid, signal.SIGTERM)
    return exit_code_of(operator)


def no_sentence(operator: OperatorProcess) -> bool:
    """Whether all that it said is its log, and no traceback is in it."""
    log = operator.log()
    return all(line.startswith("{") for line in log.splitlines()) and "Traceback" not in log


def test_what_is_waiting_is_written_before_the_end(
    cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows
) -> None:
    # Longer than the test: nothing is written but by the end.
    operator = operator_of(operator__flush_interval_seconds=600).start()
    cluster.a_job("runs")
    cluster.a_job("ends")
    cluster.update(JOB, "ends", status=COMPLETED)
    cluster.a_job("goes")
    cluster.delete(JOB, "goes")
    jobs = 'rollcall_watch_events_total{group="batch",kind="Job"}'
    eventually(lambda: operator.metric(jobs, absent=0), lambda number: number == 5)
    assert operator.metric("rollcall_queue_depth") == 3
    assert rows.query("SELECT name FROM workloads") == []
    assert terminate(operator) == 0
    assert rows.live("lab", "runs")["phase"] == "Running"
    assert rows.live("lab", "ends")["phase"] == "Completed"
    (gone,) = rows.deleted("lab", "goes")
    assert (gone["phase"], gone["deletion_seen"]) == ("Running", "exact")
    assert no_sentence(operator)


def test_it_only_reads_and_holds_its_lease(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    """Over a whole life: start, changes, a broken watch, a sweep, the end."""
    operator = operator_of(operator__leader_election=True, operator__sweep_interval_seconds=0.5).start()
    cluster.a_job("goes")
    rows.until("lab", "goes", phase="Running")
    cluster.do(cluster.server.faults.drop_watches, b"{", cleanly=True)
    eventually(operator.log, lambda text: "watches_failed" in text)
    cluster.delete(JOB, "goes")
    rows.until_deleted("lab", "goes")
    assert terminate(operator) == 0
    lease = "/apis/coordination.k8s.io/v1/namespaces/rollcall/leases"
    writes = {(method, path) for method, path in cluster.requests if method != "GET"}
    assert writes == {("POST", lease), ("PUT", f"{lease}/rollcall-operator")}
    assert not any("secrets" in path for _, path in cluster.requests)
    assert {path for _, path in cluster.requests if "configmaps" in path} == {"/api/v1/namespaces/rollcall/configmaps"}


@pytest.mark.parametrize("stage", ["the API server says nothing", "the database is away"])
def test_it_ends_cleanly_while_it_waits(cluster: SimulatedCluster, operator_of: OperatorOf, stage: str) -> None:
    operator = operator_of(database__dsn="postgresql://127.0.0.1:1/none")
    if stage == "the API server says nothing":
        cluster.do(cluster.server.faults.go_silent)
    operator.begin()
    eventually(operator.readiness, lambda answer: "database is away" in answer)
    assert terminate(operator) == 0
    assert "Traceback" not in operator.log()


@pytest.fixture
def run(tmp_path: Path, database: DatabaseSettings) -> Callable[..., tuple[int, str]]:
    """Start an operator that ends by itself; its exit code and all that it said but its log."""
    kubeconfig = tmp_path / "kubeconfig"
    server = {"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [server], "contexts": [context]}
    kubeconfig.write_text(yaml.safe_dump({**config, "users": [{"name": "me", "user": {}}], "current-context": "here"}))

    def run(*first: str, **given: str) -> tuple[int, str]:
        program = ["from rollcall.cli import main", *first, "raise SystemExit(main(['operator']))"]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ROLLCALL_")},
            "KUBECONFIG": str(kubeconfig),
            "ROLLCALL_DATABASE__DSN": database.dsn.get_secret_value(),
            "ROLLCALL_OPERATOR__PORT": "0",
            **given,
        }
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(program)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("{")]
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, "\n".join(said)

    return run


WRONG = {
    "no number": ("OPERATOR__WATCH_LIMIT_SECONDS", "soon", "ROLLCALL_OPERATOR__WATCH_LIMIT_SECONDS: "),
    "no such name": ("OPERATOR__WATCHLIMIT", "1", "ROLLCALL_OPERATOR__WATCHLIMIT is not a setting of Rollcall"),
    "no such context": ("OPERATOR__KUBE_CONTEXT", "elsewhere", "ROLLCALL_OPERATOR__KUBE_CONTEXT: "),
    "no such host": ("OPERATOR__HOST", "192.0.2.1", "ROLLCALL_OPERATOR__HOST and __PORT: cannot listen on 192.0.2.1:0"),
    "no DSN": ("DATABASE__DSN", "hunter2@db", "ROLLCALL_DATABASE__DSN is no URL"),
    "another database's DSN": ("DATABASE__DSN", "mysql://me:hunter2@db/x", "ROLLCALL_DATABASE__DSN names mysql"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_one_sentence(run: Callable[..., tuple[int, str]], case: str) -> None:
    name, value, wanted = WRONG[case]
    code, said = run(**{f"ROLLCALL_{name}": value})
    assert said.startswith(f"rollcall: {wanted}"), said
    assert "\n" not in said
    assert "hunter2" not in said
    assert code == 2


def test_what_does_not_end_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kopf can be caught by a lock that nobody gives back; no new watch and no end may wait for it."""
    monkeypatch.setattr(watches, "CANCEL_SECONDS", 0.05)
    # Many times as long as the patience for one: a machine that stands still for a moment does not use it up.
    monkeypatch.setattr(watches, "GIVE_UP_SECONDS", 2.0)
    told = 0

    async def never_ends() -> None:
        nonlocal told
        while told < 1000:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1

    async def end() -> bool:
        task = asyncio.create_task(never_ends())
        await asyncio.sleep(0)
        watching = Watches(
            (),
            lambda *_: None,
            server="",
            new_session=aiohttp.ClientSession,
            watch_seconds=1,
            on_start=lambda: None,
        )
        await watching._end([task])  # noqa: SLF001 - what every restart and the end go through
        assert told > 1, "it was told more than once"
        return not task.done()

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(asyncio.wait_for(end(), 30))
    finally:
        loop.close()


def test_a_port_in_use_is_one_sentence(run: Callable[..., tuple[int, str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = run(ROLLCALL_OPERATOR__PORT=str(port))
    assert (code, "\n" in said) == (2, False)
    assert said.startswith(f"rollcall: ROLLCALL_OPERATOR__HOST and __PORT: cannot listen on 127.0.0.1:{port}")


def test_no_schema_says_what_makes_it(run: Callable[..., tuple[int, str]], empty_database: DatabaseSettings) -> None:
    code, said = run(ROLLCALL_DATABASE__DSN=empty_database.dsn.get_secret_value())
    assert said == "rollcall: The database has no schema of Rollcall yet; `rollcall migrate` makes it."
    assert code == 1


def test_no_api_server_is_one_sentence(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("from rollcall_operator import standings", "standings.BEGIN_SECONDS = 1")
    assert said == (
        "rollcall: The Kubernetes API gave no answer for /api/v1/namespaces/kube-system: ClientConnectorError."
    )
    assert code == 1
