"""Rules about the repository's own files that no linter knows."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def test_every_target_is_phony(makefile: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split())  # type: ignore[index]
    assert targets == phony


@pytest.mark.parametrize("lock", ["run.txt", "server.txt", "dev.txt", "build.txt"])
def test_locks_pin_hashes_and_name_no_registry(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    pins = re.findall(r"^([a-z0-9][\w.-]*)==", text, flags=re.MULTILINE)
    assert pins
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text
    assert "index-url" not in text


def test_what_runs_is_what_is_tested() -> None:
    """The development lock holds every pin of the running one."""

    def pins(lock: str) -> set[str]:
        text = (ROOT / "requirements" / lock).read_text()
        return set(re.findall(r"^([a-z0-9][\w.-]*==[^ ;\\]+)", text, flags=re.MULTILINE))

    assert pins("run.txt") - pins("dev.txt") == set()
    assert pins("server.txt") - pins("run.txt") == set()


def test_one_version_everywhere() -> None:
    """What pyproject.toml says is what the chart installs, and what the newest entry of the changes is about."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "charts" / "rollcall" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    headings = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == version
    named = re.findall(r"rollcall:(\d+\.\d+\.\d+)", (ROOT / "docs" / "how-to" / "install.md").read_text())
    assert set(named) == {version}


def test_make_alone_prints_the_targets() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("make run", "make test", "make check", "make cluster", "make db", "make clean"):
        assert target in done.stdout
