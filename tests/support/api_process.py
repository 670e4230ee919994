"""The API as a process of its own, as an admin starts it."""

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


class ApiProcess:
    """``rollcall api`` on a database while the ``with`` block runs, asking nobody; its log is in ``folder``.

    With a kubeconfig it asks that cluster who may see what. Other settings by name, such as ``log__level="debug"``.
    """

    def __init__(
        self,
        folder: Path,
        database: DatabaseSettings,
        *,
        kubeconfig: Path | None = None,
        name: str = "api",
        **settings: object,
    ) -> None:
        (self.port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{self.port}"
        given = {f"ROLLCALL_{key}".upper(): str(value) for key, value in settings.items()}
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ROLLCALL_")},
            "KUBECONFIG": str(kubeconfig or os.devnull),
            "ROLLCALL_DATABASE__DSN": database.dsn.get_secret_value(),
            "ROLLCALL_API__PORT": str(self.port),
            "ROLLCALL_API__AUTHENTICATION": "none" if kubeconfig is None else "kubernetes",
            **given,
        }
        self.program = Program(name, [sys.executable, "-m", "rollcall", "api"], folder, environment)

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        try:
            self.program.start()
            eventually(self._answers, lambda answers: answers)
        except BaseException:
            self.program.stop(kill=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.program.stop()

    def log(self) -> str:
        """All that it has logged."""
        return self.program.log.read_text()

    def _answers(self) -> bool:
        assert self.program.is_running, f"the API ended:\n{self.program.last_lines()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False
