"""The benchmarks that need no cluster run at tiny sizes, so that they do not rot. No time is asserted."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from bench.command import main
from bench.workshop import GIVEN_SERVER

TINY = {
    "--derive-pods": "2 5",
    "--derive-repeats": "2",
    "--pipe-workloads": "6",
    "--pipe-pods-each": "2",
    "--pipe-rates": "200",
    "--pipe-seconds": "0.5",
    "--live": "60",
    "--live-pods-each": "2",
    "--deleted": "120",
    "--requests": "2",
    "--chunk": "25",
    "--lists": "1",
}


@pytest.fixture
def measured(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """What the command writes, the terminal's part in ``shown``."""
    monkeypatch.setenv(GIVEN_SERVER, postgres)
    file = tmp_path / "figures.json"
    only = [word for name in ("derivation", "pipe", "pages", "lists") for word in ("--only", name)]
    sizes = [word for name, value in TINY.items() for word in (name, *value.split())]
    assert main([*only, *sizes, "--json", str(file)]) == 0
    return {**json.loads(file.read_text()), "shown": capsys.readouterr().out}


def test_each_benchmark_comes_to_plausible_figures(measured: dict[str, Any]) -> None:
    outcomes = {outcome["benchmark"]: outcome for outcome in measured["outcomes"]}
    assert list(outcomes) == ["derivation", "pipe", "pages", "lists"]
    for outcome in outcomes.values():
        assert outcome["title"] in measured["shown"]
        assert outcome["figures"]
        for figure in outcome["figures"]:
            assert math.isfinite(figure["value"]), figure
            # CPU time is counted in ticks of 10 ms, and a tiny list may take none.
            assert figure["value"] > 0 or figure["name"] == "CPU a list", figure
    # What went in came out is asserted by the benchmarks themselves; here, that each said what it ran with.
    assert outcomes["pages"]["sizes"] == {
        "live": 60,
        "pods_each": 2,
        "deleted": 120,
        "requests": 2,
        "callers": 32,
    }
    assert outcomes["pipe"]["stands_on"]["PostgreSQL"]
    assert {"cores", "memory", "Python"} <= measured["machine"].keys()
    assert "--live 60" in measured["command"]
    derived = [figure["of"] for figure in outcomes["derivation"]["figures"] if "derive" in figure["of"]]
    assert set(derived) == {"derive a workload of 2 pods", "derive a workload of 5 pods"}
