"""``rollcall demo`` as a process, and questions to its API."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

DEADLINE = 120
"""Seconds; far more than anything here takes."""


class RunningDemo:
    """The command as a process of its own, without a terminal."""

    def __init__(self, folder: Path, log: Path, *flags: str) -> None:
        self.folder = folder
        self._log = log
        words = [sys.executable, "-m", "rollcall", "demo", "--no-table", "--api-port", "0", "--data-dir", str(folder)]
        words += flags
        with log.open("w") as output:
            self.process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
        self.family: set[psutil.Process] = set()

    def said(self) -> str:
        """All that it wrote."""
        return self._log.read_text()

    def api(self) -> str:
        """Where its API answers, once it says so."""
        found = self.until(lambda: re.search(r"API +(http://127\.0\.0\.1:\d+)/api/v1/workloads ", self.said()))
        parent = psutil.Process(self.process.pid)
        self.family = {parent, *parent.children(recursive=True), psutil.Process(self.postgres())}
        return found[1]

    def postgres(self) -> int:
        """The pid of its PostgreSQL, which is no child of anybody."""
        return int((self.folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def until(self, answer: Callable):
        """Wait for an answer, as long as the command runs."""
        ends_at = time.monotonic() + DEADLINE
        while not (found := answer()):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends_at, self.said()
            time.sleep(0.1)
        return found

    def end(self, number: signal.Signals) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def left(self) -> list[str]:
        """What still runs of what it started, a moment after its end: PostgreSQL says that it has ended, then ends."""
        _, alive = psutil.wait_procs(self.family, timeout=30)
        return [one.name() for one in alive]

    def kill(self) -> None:
        """After a test that failed."""
        for one in (*self.family, self.process):
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()


def get(url: str) -> dict:
    return json.loads(read(url))


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:  # noqa: S310 - loopback, ours
        return response.read()
