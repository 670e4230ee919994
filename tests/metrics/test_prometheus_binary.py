"""Where Prometheus comes from."""

import os
import subprocess
from pathlib import Path

import pytest

from rollcall_cluster.binaries import cached_binary
from rollcall_cluster.prometheus_binary import MODULE, cached_prometheus, find_prometheus, prometheus_version


def test_the_build_is_of_the_pinned_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name == "prometheus" else f"/nowhere/{name}")
    binary = find_prometheus(print)
    assert binary == cached_prometheus()
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    assert f"version {prometheus_version()} " in said.stdout


def test_one_on_the_path_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "prometheus"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_prometheus(print) == program


def test_its_versions_are_no_part_of_the_control_planes_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cached_binary(), cached_prometheus()
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text(f"{(MODULE / name).read_text()}\n// another")
    monkeypatch.setattr("rollcall_cluster.prometheus_binary.MODULE", tmp_path)
    assert cached_binary() == before[0]
    assert cached_prometheus() != before[1]
