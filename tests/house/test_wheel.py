"""The wheel as a user gets it: built, installed into an environment of its own, its commands run from ``/``."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from rollcall.settings import DatabaseSettings

ROOT = Path(__file__).resolve().parents[2]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: notebook, namespace: vision, uid: 00000000-0000-4000-8000-000000000001}
spec: {containers: [{name: main, image: "notebook:1", resources: {limits: {nvidia.com/gpu: 1}}}]}
status: {phase: Pending}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as ``make wheel`` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("rollcall-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a fresh environment that holds the wheel and what it requires, no extra."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    pins = folder / "pins.txt"
    locked = (ROOT / "requirements" / "run.txt").read_text()
    # Constraints without hashes: with them pip would ask for one of the wheel too.
    pins.write_text("\n".join(re.findall(r"^[\w.-]+==[^ \\]+", locked, flags=re.MULTILINE)))
    python = folder / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", pins, wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bin"


def run(program: Path, *words: str, given: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the fresh environment from ``/`` with an almost empty environment."""
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": "/nowhere/kubeconfig", **settings}
    return subprocess.run(
        [program, *words],
        cwd="/",
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_holds_the_rooms_their_types_and_the_migrations(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ("rollcall", "rollcall_operator", "rollcall_api", "rollcall_demo"):
        assert f"{room}/py.typed" in names
    assert "rollcall/migrations/env.py" in names
    assert {name.split("/")[-1] for name in names if "migrations/versions/" in name} == {
        path.name for path in (ROOT / "core/rollcall/migrations/versions").glob("*.py")
    }
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "rollcall",
        "rollcall_operator",
        "rollcall_api",
        "rollcall_demo",
    }


@pytest.mark.parametrize("command", [["rollcall"], ["python", "-m", "rollcall"]])
def test_it_tells_its_version(installed: Path, wheel: Path, command: list[str]) -> None:
    done = run(installed / command[0], *command[1:], "version")
    assert (done.returncode, done.stdout) == (0, f"rollcall {wheel.name.split('-')[1]}\n")


def test_explain_reads_from_standard_input(installed: Path) -> None:
    done = run(installed / "rollcall", "explain", "-", given=POD)
    assert done.returncode == 0, done.stderr
    assert "notebook" in done.stdout
    assert "Pending" in done.stdout


def test_migrate_brings_an_empty_database_to_head_and_the_operator_then_asks_for_a_cluster(
    installed: Path, empty_database: DatabaseSettings
) -> None:
    dsn = {"ROLLCALL_DATABASE__DSN": empty_database.dsn.get_secret_value()}
    refused = run(installed / "rollcall", "api", ROLLCALL_API__AUTHENTICATION="none", **dsn)
    assert refused.returncode == 1
    assert "rollcall migrate" in refused.stderr
    done = run(installed / "rollcall", "migrate", **dsn)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"The schema is at \d+\.\n", done.stdout)
    without = run(installed / "rollcall", "operator", **dsn)
    assert without.returncode == 1
    assert "Traceback" not in without.stderr
    assert without.stderr.startswith("rollcall: No Kubernetes API to talk to: ")


@pytest.mark.parametrize("command", ["operator", "api", "migrate"])
def test_a_wrong_setting_is_a_sentence_and_exit_2(installed: Path, command: str) -> None:
    done = run(installed / "rollcall", command, ROLLCALL_OPERATOR__BATCH_SIZE="many")
    assert done.returncode == 2
    assert done.stderr.startswith("rollcall: ROLLCALL_OPERATOR__BATCH_SIZE: ")
    assert done.stderr.count("\n") == 1


def test_the_demo_names_the_extra_it_needs(installed: Path) -> None:
    done = run(installed / "rollcall", "demo")
    assert done.returncode == 2
    assert "pip install 'rollcall[demo]'" in done.stderr
