"""The operator and the API as two processes of their own, as an admin would start them; and their addresses."""

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollcall.errors import RollcallError
from rollcall_demo.programs import Program, free_ports

READY_SECONDS = 60
"""How long both may take until they are ready: a second or two on an idle machine."""


class DemoError(RollcallError):
    """The demo cannot go on; a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the two processes are told, beyond the ``ROLLCALL_`` variables of this one."""

    dsn: str
    kubeconfig: Path | None = None
    context: str | None = None
    api_port: int = 0
    operator_port: int = 0
    cluster_name: str = "default"
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Further variables; those of this process win."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further variables; they win over all others."""

    def variables(self, *, api_port: int, operator_port: int) -> dict[str, str]:
        """The environment of both."""
        settings = {
            "ROLLCALL_DATABASE__DSN": self.dsn,
            "ROLLCALL_API__HOST": "127.0.0.1",
            "ROLLCALL_API__PORT": str(api_port),
            "ROLLCALL_API__AUTHENTICATION": "none",
            "ROLLCALL_OPERATOR__HOST": "127.0.0.1",
            "ROLLCALL_OPERATOR__PORT": str(operator_port),
            # One operator alone, and on somebody's cluster nothing is written, not even a Lease.
            "ROLLCALL_OPERATOR__LEADER_ELECTION": "false",
        }
        if self.kubeconfig is not None:
            settings["KUBECONFIG"] = str(self.kubeconfig)
        if self.context is not None:
            settings["ROLLCALL_OPERATOR__KUBE_CONTEXT"] = self.context
        named = {"ROLLCALL_CLUSTER__NAME": self.cluster_name}
        return {**named, **self.defaults, **os.environ, **settings, **self.environment}


class RollcallProcesses:
    """Both processes. Their logs are files in ``folder``."""

    def __init__(self, wiring: Wiring, folder: Path) -> None:
        free = free_ports(2)
        self.api_port = wiring.api_port or free[0]
        self.operator_port = wiring.operator_port or free[1]
        environment = wiring.variables(api_port=self.api_port, operator_port=self.operator_port)
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "rollcall"]
        self.operator = Program("operator", [*command, "operator"], folder, environment)
        self.api = Program("api", [*command, "api"], folder, environment)

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def operator_url(self) -> str:
        """Where the operator's probes and metrics answer."""
        return f"http://127.0.0.1:{self.operator_port}"

    async def start(self) -> None:
        """Start both and wait until they are ready.

        Raises:
            DemoError: one of them ended or did not become ready; the sentence holds the end of its log.
        """
        self.operator.start()
        self.api.start()
        await self._wait(self.operator, f"{self.operator_url}/readyz")
        await self._wait(self.api, f"{self.api_url}/readyz")

    def stop(self) -> None:
        """Stop both at the same time; what is waiting to be written is written."""
        self.operator.ask_to_end()
        self.api.ask_to_end()
        self.operator.stop()
        self.api.stop()

    def check(self) -> None:
        """See that both still run.

        Raises:
            DemoError: one of them ended; the sentence holds the end of its log.
        """
        for program in (self.operator, self.api):
            if not program.is_running:
                raise DemoError(f"The {program.name} ended:\n{program.last_lines()}")

    async def _wait(self, program: Program, url: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_SECONDS
        while not await asyncio.to_thread(_answers, url):
            self.check()
            if loop.time() > until:
                raise DemoError(f"The {program.name} was not ready after {READY_SECONDS} s:\n{program.last_lines()}")
            await asyncio.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - loopback, ours
            return True
    except (urllib.error.URLError, OSError):
        return False
