"""``rollcall demo`` itself: one command that starts everything, shows it, and leaves nothing behind."""

import asyncio
import fcntl
import re
import signal
import socket
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.running_demo import DEADLINE, RunningDemo, get, read

from rollcall import cli
from rollcall_demo import command
from rollcall_demo.apiserver import CONTEXT, SimulatedApiServer
from rollcall_demo.objects import Objects
from rollcall_demo.player import Player
from rollcall_demo.processes import DemoError


def phases(api: str) -> set[str]:
    return {workload["phase"] for workload in get(f"{api}/api/v1/workloads?limit=500")["workloads"]}


def deleted(api: str) -> int:
    return get(f"{api}/api/v1/workloads/count?deleted=true")["count"]


@pytest.fixture
def start(tmp_path: Path, postgres_folder: Path) -> Iterator[Callable[[], RunningDemo]]:
    started: list[RunningDemo] = []

    def start() -> RunningDemo:
        started.append(RunningDemo(postgres_folder, tmp_path / f"output-{len(started)}", "--no-metrics"))
        return started[-1]

    yield start
    for demo in started:
        demo.kill()


def test_it_shows_living_workloads_ends_with_nothing_left_and_goes_on_where_it_was(start: Callable[[], RunningDemo]):
    demo = start()
    api = demo.api()
    demo.until(lambda: phases(api) >= {"Running", "Pending", "Completed", "Failed"})
    printed = re.findall(r"^curl -s '(http[^']+)'$", demo.said(), re.MULTILINE)
    assert len(printed) == 3
    answers = [get(url) for url in printed]
    assert len(answers[0]["workloads"]) == 3
    # How many there are at one moment is chance: each life ends, and begins again after a while.
    demo.until(lambda: get(printed[1])["count"] >= 35)
    assert b"<html" in read(f"{api}/docs")
    demo.until(lambda: re.search(r"language/debug-\w+ +Pod +Initializing → Failed", demo.said()))
    logs = [(demo.folder / f"{name}.log").read_text() for name in ("operator", "api")]
    assert re.findall(r'.*(?:Traceback|"level": "(?:error|critical)").*', "\n".join(logs)) == []

    assert demo.end(signal.SIGINT) == 0, demo.said()
    assert demo.left() == []
    assert "a simulated cluster" in demo.said()
    assert demo.said().splitlines()[-1] == "stopping"
    with pytest.raises(urllib.error.URLError):
        read(api)

    again = start()
    api = again.api()
    again.until(lambda: "Running" in phases(api) and deleted(api))
    assert again.end(signal.SIGTERM) == 0, again.said()
    assert again.left() == []


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> str:
    """The sentence with which it is refused; not because somebody else has the API's usual port just now."""
    assert cli.main(["demo", "--api-port", "0", *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    (sentence,) = told.err.splitlines()
    return sentence


@pytest.mark.parametrize("option", ["--api-port", "--operator-port"])
def test_a_port_in_use_is_a_sentence_before_anything_is_started(capsys: pytest.CaptureFixture[str], option: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refused(capsys, option, str(port))
    assert sentence.startswith(f"rollcall: Port {port} of 127.0.0.1 cannot be had")
    assert option in sentence


def test_a_prometheus_that_ends_is_told_and_ends_the_demo(tmp_path: Path, postgres_folder: Path):
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho no disk\nexit 3\n")
    program.chmod(0o755)
    demo = RunningDemo(postgres_folder, tmp_path / "output", "--prometheus", str(program))
    try:
        assert demo.process.wait(DEADLINE) == 1, demo.said()
    finally:
        demo.kill()
    assert "rollcall: The program prometheus ended:\nno disk\n" in demo.said()


def test_what_is_no_program_is_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    with pytest.raises(SystemExit) as refusal:
        cli.main(["demo", f"--prometheus={tmp_path}"])
    assert refusal.value.code == 2
    assert "is no program" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["70000", "-1", "http", ""])
def test_what_is_no_port_is_wrong_usage(capsys: pytest.CaptureFixture[str], port: str):
    with pytest.raises(SystemExit) as refusal:
        cli.main(["demo", f"--api-port={port}"])
    assert refusal.value.code == 2
    assert "is no port" in capsys.readouterr().err


def test_a_folder_in_use_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sentence = refused(capsys, "--data-dir", str(tmp_path))
    assert sentence.startswith(f"rollcall: Another demo runs on the folder {tmp_path}")


def test_a_folder_that_cannot_be_made_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "file").touch()
    sentence = refused(capsys, "--data-dir", str(tmp_path / "file" / "data"))
    assert "cannot be used: Not a directory" in sentence


class Test_a_cluster_that_is_not_to_be_had:  # noqa: N801 - the sentence reads on
    """Said at once, before anything is started."""

    def test_where_the_kubeconfig_is_missing(self, capsys: pytest.CaptureFixture[str], tmp_path: Path):
        path = tmp_path / "missing"
        assert refused(capsys, "--kubeconfig", str(path), code=2).startswith(f"rollcall: The kubeconfig {path} cannot")

    def test_where_the_kubeconfig_is_none(self, capsys: pytest.CaptureFixture[str], tmp_path: Path):
        path = tmp_path / "config"
        path.write_text("contexts: 7")
        assert "cannot be used" in refused(capsys, "--kubeconfig", str(path), code=2)

    def test_where_it_has_no_such_context(self, capsys: pytest.CaptureFixture[str], tmp_path: Path):
        path = tmp_path / "config"
        SimulatedApiServer(Objects()).write_kubeconfig(path)
        sentence = refused(capsys, "--kubeconfig", str(path), "--context", "production", code=2)
        assert sentence.endswith(f"has no context production; it has {CONTEXT}.")


def test_a_player_that_fails_ends_the_command_with_a_sentence(monkeypatch: pytest.MonkeyPatch, postgres_folder: Path):
    async def fail(_player: Player) -> None:
        await asyncio.sleep(0)
        raise ValueError("no script")

    monkeypatch.setattr(Player, "run", fail)
    with pytest.raises(DemoError, match=r"The simulated cluster stopped playing: ValueError\('no script'\)"):
        command.main(["--no-table", "--api-port", "0", "--data-dir", str(postgres_folder)])
    assert not (postgres_folder / "postgres" / "postmaster.pid").exists()
