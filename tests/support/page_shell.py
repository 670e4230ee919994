"""A shell for the commands of a page of the docs."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.helm import CHART


class PageShell:
    """Whoever types a page's commands, in a new folder of their own with the chart in it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        folder.mkdir()
        (folder / "charts").symlink_to(CHART.parent)
        self._folder = folder
        self._environment = environment

    def run(self, commands: str, **variables: str) -> str:
        """What commands print; they must succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self._folder,
            env={**self._environment, **variables},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout
