"""The wheel as a user gets it: built, installed into a fresh environment, run from the root directory."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
    )
    (built,) = folder.glob("rollcall-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and the locked requirements, nothing else; its Python."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt")], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return python


def run(python: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(python), "-P", *words],
        cwd="/",
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_holds_the_four_packages_and_nothing_beside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "rollcall",
        "rollcall_operator",
        "rollcall_api",
        "rollcall_demo",
    }
    assert any(name.startswith("rollcall/migrations/versions/") for name in names)


def test_no_source_root_is_a_package() -> None:
    for root in ("core", "operator", "api", "deploy", "tests"):
        assert not (ROOT / root / "__init__.py").exists(), f"{root}/ must stay a source root"


@pytest.mark.parametrize(
    "words",
    [
        ["version"],
        ["settings"],
        ["--help"],
        ["demo", "--help"],
        ["explain", "--help"],
    ],
)
def test_commands_run_from_the_root_directory(installed: Path, words: list[str]) -> None:
    done = run(installed, "-m", "rollcall", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    script = subprocess.run(
        [str(installed.parent / "rollcall"), *words], cwd="/", capture_output=True, text=True, check=False
    )
    assert (script.returncode, script.stdout) == (0, done.stdout)


def test_explain_works_without_cluster_or_database(installed: Path) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: one, namespace: team, uid: 5f1c2f53-3b1c-4b58-9d0e-4dd30ba2f6a5}\n"
    )
    done = run(installed, "-m", "rollcall", "explain", "-", stdin=pod)
    assert done.returncode == 0, done.stderr
    assert "one" in done.stdout


@pytest.mark.parametrize("command", ["operator", "api", "migrate"])
def test_servers_without_their_parts_end_with_a_sentence(installed: Path, command: str) -> None:
    environment = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "ROLLCALL_DATABASE__DSN": "postgresql://nobody@127.0.0.1:1/none",
        "ROLLCALL_API__AUTHENTICATION": "none",
        "ROLLCALL_API__PORT": "0",
    }
    done = subprocess.run(
        [str(installed), "-P", "-m", "rollcall", command],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "rollcall: " in done.stderr.splitlines()[-1]


def test_a_wrong_setting_ends_with_exit_code_2(installed: Path) -> None:
    done = subprocess.run(
        [str(installed), "-m", "rollcall", "api"],
        env={"PATH": os.defpath, "ROLLCALL_API__PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "ROLLCALL_API__PORT" in done.stderr
    assert "Traceback" not in done.stderr
