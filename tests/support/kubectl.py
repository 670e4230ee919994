"""The real kubectl, of the control plane's own version."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rollcall_cluster.binaries import Binaries
from rollcall_demo.programs import Program

SECONDS = 120


class Kubectl:
    """The program with a kubeconfig, for one user after another; what it caches is in ``folder``."""

    def __init__(self, binaries: Binaries, kubeconfig: Path, folder: Path) -> None:
        self._command = binaries.command("kubectl")
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
        }

    def run(self, *words: str, user: str | None = None) -> "subprocess.CompletedProcess[str]":
        """What a command comes to."""
        return subprocess.run(
            self._words(words, user),
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def __call__(self, *words: str, user: str | None = None) -> str:
        """What a command prints; it must succeed."""
        done = self.run(*words, user=user)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str, user: str | None = None) -> str:
        """What a command that must fail says."""
        done = self.run(*words, user=user)
        assert done.returncode != 0, f"kubectl {' '.join(words)}: {done.stdout}"
        return done.stderr

    def beside(self, name: str, *words: str, user: str | None = None) -> Program:
        """A command that goes on; the caller starts and stops it."""
        return Program(name, self._words(words, user), self._folder, self._environment)

    def _words(self, words: Sequence[str], user: str | None) -> list[str]:
        # Impersonated by an admin: the API server hands the user on as it does any other.
        return [*self._command, *words, *([] if user is None else ["--as", user])]


def table(printed: str) -> list[list[str]]:
    """The cells of what kubectl prints as a table, the header first; two blanks part two cells."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in printed.splitlines()]
