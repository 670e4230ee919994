"""Helm: the one on the PATH, the cached one, else one build from its pinned Go module (``deploy/helm``).

A build of its own, as Prometheus is. What is on the PATH is taken where it is a Helm 3: the chart is for both, but what
the tests say of values and schema is in the words of one.
"""

import re
import shutil
import subprocess
from pathlib import Path

from rollcall_cluster.binaries import BuildError, Say, build_once, cache_path, compile_package, find_go

MODULE = Path(__file__).resolve().parents[1] / "helm"
"""The Go module that pins every version."""

GO_LEAST = (1, 26)

_PACKAGE = "helm.sh/helm/v3/cmd/helm"
_FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")


def find_helm(say: Say) -> Path:
    """The program.

    Raises:
        BuildError: it cannot be had; a sentence.
    """
    given = shutil.which("helm")
    if given is not None:
        done = subprocess.run([given, "version", "--short"], capture_output=True, text=True, check=False)  # noqa: S603 - asks for its version
        if done.stdout.startswith("v3."):
            return Path(given)
    return build_helm(say)


def cached_helm() -> Path:
    """Where the build of this version is, or would be, on this platform."""
    return cache_path("helm", (MODULE / name for name in ("go.mod", "go.sum")), (*_FLAGS, _linking()))


def helm_version() -> str:
    """The pinned version, as in ``v3.22.0``."""
    return _pinned("helm.sh/helm/v3")


def build_helm(say: Say) -> Path:
    """Build into the cache, unless it is there; a second builder waits for the first.

    Raises:
        BuildError: there is no Go and none to be had, or the build failed; a sentence.
    """
    version = helm_version()

    def compile_into(target: Path) -> None:
        go = find_go(say, GO_LEAST)
        compile_package(go, _PACKAGE, target, module=MODULE, flags=_FLAGS, linking=_linking(), what="Helm")

    return build_once(cached_helm(), f"Helm {version}", "1 to 4 minutes", compile_into, say)


def _pinned(module: str) -> str:
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"{MODULE / 'go.mod'} does not pin {module}.")
    return found[1]


def _linking() -> str:
    # Its own build tells it so too: which Kubernetes a chart is rendered for where no cluster is asked.
    minor = _pinned("k8s.io/client-go").split(".")[1]
    helm = "helm.sh/helm/v3"
    kubernetes = (
        f"-X {helm}/pkg/{place}.k8sVersion{part}={number}"
        for place in ("chartutil", "lint/rules")
        for part, number in (("Major", "1"), ("Minor", minor))
    )
    return " ".join(["-s", "-w", f"-X {helm}/internal/version.version={helm_version()}", *kubernetes])
