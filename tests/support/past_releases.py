"""Releases of the past, out of the repository's history: their trees, and their programs.

A release is what stood just before its version was raised (docs/decisions/2026-11-26-what-a-release-is.md).
"""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

CHART_FILE = "charts/rollcall/Chart.yaml"
MIGRATIONS = "core/rollcall/migrations/versions/"
NO_HISTORY = (
    "The releases before this one are found in the history of the repository, and this clone has none or only its"
    " end: `git fetch --unshallow` brings it."
)


class NoHistoryError(Exception):
    """There is no such release in what the clone holds; a sentence."""


def last_release(repository: Path) -> str:
    """The commit just before the newest one that changed the chart's version.

    Raises:
        NoHistoryError: the clone is shallow, or is none, or its version was never raised.
    """
    raised = _history(repository, "log", "-1", "--format=%P", "-G^version:", "--", CHART_FILE).split()
    if not raised:
        raise NoHistoryError(NO_HISTORY)
    if _path_at(repository, raised[0], CHART_FILE) is None:
        raise NoHistoryError("The chart's version was never raised: no release is before this one.")
    return raised[0]


def last_at_schema(repository: Path, revision: str) -> str:
    """The newest commit whose chart installs a program with this revision of the schema as its head.

    Raises:
        NoHistoryError: the clone is shallow, or is none, or nothing in it had both.
    """
    for commit in _history(repository, "rev-list", "HEAD").split():
        migrations = _git(repository, "ls-tree", "--name-only", commit, MIGRATIONS).decode().split()
        heads = sorted(Path(path).name.partition("_")[0] for path in migrations)
        if heads and heads[-1] == revision and _path_at(repository, commit, CHART_FILE) is not None:
            return commit
    raise NoHistoryError(f"No chart in the history installs the schema {revision}.")


class PastRelease:
    """The tree of a commit in a folder, its wheel installed beside it without what it depends on.

    What it depends on is what this Python holds: the releases of today's lock.
    """

    def __init__(self, repository: Path, commit: str, folder: Path) -> None:
        self.commit = commit
        self.chart = folder / "tree" / "charts" / "rollcall"
        self.site = folder / "site"
        with zipfile.ZipFile(io.BytesIO(_git(repository, "archive", "--format=zip", commit))) as archive:
            archive.extractall(folder / "tree")
        words = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
        install = [sys.executable, "-m", "pip", "install", *words, "--target", str(self.site), str(folder / "tree")]
        subprocess.run(install, check=True, capture_output=True, timeout=240)

    @property
    def environment(self) -> dict[str, str]:
        """With which `programs` find the release's own code before this one's."""
        return {"PYTHONPATH": str(self.site)}

    @property
    def programs(self) -> Path:
        """The folder of its commands."""
        return self.site / "bin"

    def run(self, *words: str) -> str:
        """What a command of its `rollcall` says."""
        done = subprocess.run(
            [str(self.programs / "rollcall"), *words],
            env={"PATH": os.environ["PATH"], **self.environment},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout


def _history(repository: Path, *words: str) -> str:
    try:
        shallow = _git(repository, "rev-parse", "--is-shallow-repository").decode().strip()
    except subprocess.CalledProcessError as error:
        raise NoHistoryError(f"{NO_HISTORY} Git says: {error.stderr.decode().strip()}") from error
    if shallow == "true":
        raise NoHistoryError(NO_HISTORY)
    return _git(repository, *words).decode()


def _path_at(repository: Path, commit: str, path: str) -> str | None:
    return _git(repository, "ls-tree", "--name-only", commit, path).decode().strip() or None


def _git(repository: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *words], check=True, capture_output=True, timeout=120).stdout
