"""Prometheus: the one on the PATH, the cached one, else one build from its pinned Go module (``deploy/prometheus``).

It is a build of its own, keyed by its own versions, so that a new Prometheus does not rebuild the control plane. The
web interface is left out, and so is every service discovery but files and HTTP.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import platformdirs

from rollcall_cluster.binaries import BuildError, Say, find_go, locked

MODULE = Path(__file__).resolve().parents[1] / "prometheus"
"""The Go module that pins every version."""

GO_LEAST = (1, 26, 7)

_PACKAGE = "github.com/prometheus/prometheus/cmd/prometheus"
_FLAGS = ("-tags", "remove_all_sd,netgo", "-trimpath", "-gcflags=all=-dwarf=false")


def find_prometheus(say: Say) -> Path:
    """The program.

    Raises:
        BuildError: it cannot be had; a sentence.
    """
    given = shutil.which("prometheus")
    return build_prometheus(say) if given is None else Path(given)


def cached_prometheus() -> Path:
    """Where the build of this version is, or would be, on this platform."""
    content = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        content.update((MODULE / name).read_bytes())
    content.update(" ".join((*_FLAGS, sys.platform, platform.machine())).encode())
    return platformdirs.user_cache_path("rollcall") / "prometheus" / content.hexdigest()[:16] / "prometheus"


def prometheus_version() -> str:
    """The pinned version, as in ``3.16.0``: the module's number is ``v0.316.0``."""
    found = re.search(
        r"^\s*github\.com/prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE
    )
    if found is None:
        raise BuildError(f"{MODULE / 'go.mod'} does not pin github.com/prometheus/prometheus.")
    return f"{found[1]}.{int(found[2])}.{found[3]}"


def build_prometheus(say: Say) -> Path:
    """Build into the cache, unless it is there; a second builder waits for the first.

    Raises:
        BuildError: there is no Go and none to be had, or the build failed; a sentence.
    """
    binary = cached_prometheus()
    binary.parent.mkdir(parents=True, exist_ok=True)
    with locked(binary.parent / "lock", say):
        if binary.exists():
            return binary
        go = find_go(say, GO_LEAST)
        version, started = prometheus_version(), time.monotonic()
        say(f"building Prometheus {version} once into {binary.parent} (4 to 10 minutes on two cores)")
        with tempfile.TemporaryDirectory(dir=binary.parent, prefix="building-") as folder:
            made = Path(folder, binary.name)
            linking = f"-s -w -X github.com/prometheus/common/version.Version={version}"
            environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
            done = subprocess.run(  # noqa: S603 - a fixed command
                [go, "build", *_FLAGS, "-ldflags", linking, "-o", str(made), _PACKAGE],
                cwd=MODULE,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0 or not made.exists():
                raise BuildError(f"Prometheus could not be built:\n{done.stderr[-2000:]}")
            made.replace(binary)
        say(f"built in {time.monotonic() - started:.0f} s")
    return binary
