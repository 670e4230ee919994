"""The operator as a process of its own, as an admin starts it."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from support.rows import eventually

from rollcall.settings import DatabaseSettings
from rollcall_demo.programs import Program, free_ports


class OperatorProcess:
    """An operator on a cluster and a database while the ``with`` block runs; its log is in ``folder``.

    ``before`` is Python that its process runs first.
    """

    def __init__(
        self,
        folder: Path,
        kubeconfig: Path,
        database: DatabaseSettings,
        *,
        name: str = "operator",
        before: str = "",
        **settings: object,
    ) -> None:
        (self.port,) = free_ports(1)
        folder.mkdir(parents=True, exist_ok=True)
        given = {f"ROLLCALL_{key}".upper(): str(value) for key, value in settings.items()}
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ROLLCALL_")},
            "KUBECONFIG": str(kubeconfig),
            "ROLLCALL_DATABASE__DSN": database.dsn.get_secret_value(),
            "ROLLCALL_OPERATOR__PORT": str(self.port),
            "ROLLCALL_OPERATOR__LEADER_ELECTION": "false",
            **given,
        }
        words = ["-m", "rollcall", "operator"]
        if before:
            words = ["-c", f"{before}\nfrom rollcall.cli import main\nraise SystemExit(main(['operator']))"]
        self.program = Program(name, [sys.executable, *words], folder, environment)

    def start(self) -> Self:
        """Start it and wait until it writes."""
        self.begin()
        answer = eventually(self.readiness, lambda found: found == "ok" or found.startswith("ended"))
        assert answer == "ok", answer
        return self

    def begin(self) -> None:
        """Start it and wait for nothing."""
        self.program.start()

    def __enter__(self) -> Self:
        """Start it and wait until it writes."""
        try:
            return self.start()
        except BaseException:
            self.program.stop(kill=True)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a lost node does."""
        self.program.stop(kill=True)

    def readiness(self) -> str:
        """What ``/readyz`` says; also where it has ended."""
        try:
            return self._get("/readyz")
        except urllib.error.HTTPError as error:
            return error.read().decode().strip()
        except (urllib.error.URLError, OSError):
            return "starting" if self.program.is_running else f"ended:\n{self.program.last_lines()}"

    def metric(self, name: str, *, absent: float | None = None) -> float:
        """The value of a metric without labels, or with them as written; these begin with their first event."""
        for line in self._get("/metrics").splitlines():
            key, _, value = line.rpartition(" ")
            if key == name:
                return float(value)
        assert absent is not None, f"no metric {name}"
        return absent

    def total_of(self, name: str) -> float:
        """The sum of a metric over all of its labels."""
        lines = [line.rpartition(" ") for line in self._get("/metrics").splitlines()]
        return sum(float(value) for key, _, value in lines if key.partition("{")[0] == name)

    def log(self) -> str:
        """All that it has logged."""
        return self.program.log.read_text()

    def _get(self, path: str) -> str:
        # A process that starts on a busy machine answers nobody for seconds.
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return response.read().decode().strip()
