"""Prometheus: the one on the PATH, the cached one, else one build from its pinned Go module (``deploy/prometheus``).

It is a build of its own, keyed by its own versions, so that a new Prometheus does not rebuild the control plane. The
web interface is left out, and so is every service discovery but files and HTTP.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rollcall.errors import RollcallError
from rollcall_cluster.binaries import BuildError, Say, build_once, cache_path, compile_package, find_go

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
    return prometheus_at_hand() or build_prometheus(say)


def prometheus_at_hand() -> Path | None:
    """The program where nothing has to be built for it."""
    given = shutil.which("prometheus")
    if given is not None:
        return Path(given)
    cached = cached_prometheus()
    return cached if cached.exists() else None


def cached_prometheus() -> Path:
    """Where the build of this version is, or would be, on this platform."""
    return cache_path("prometheus", (MODULE / name for name in ("go.mod", "go.sum")), _FLAGS)


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
    version = prometheus_version()
    linking = f"-s -w -X github.com/prometheus/common/version.Version={version}"

    def compile_into(target: Path) -> None:
        go = find_go(say, GO_LEAST)
        compile_package(go, _PACKAGE, target, module=MODULE, flags=_FLAGS, linking=linking, what="Prometheus")

    return build_once(cached_prometheus(), f"Prometheus {version}", "4 to 10 minutes", compile_into, say)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print where the program is; nothing where there is none, unless it shall be built."""
    parser = argparse.ArgumentParser(
        prog="python -m rollcall_cluster.prometheus_binary",
        description="Print where Prometheus is, if it is there.",
        allow_abbrev=False,
    )
    parser.add_argument("--build", action="store_true", help="build it into the cache where it is not there")
    words = parser.parse_args(arguments)
    try:
        found = find_prometheus(_say) if words.build else prometheus_at_hand()
    except RollcallError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        return error.exit_code
    if found is not None:
        sys.stdout.write(f"{found}\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
