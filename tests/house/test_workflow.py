"""The workflow for a public forge: well-formed, its actions pinned, and nothing in it that `make` does not know."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    """The steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_actions_are_pinned_by_commit_and_keep_no_credentials(workflow: dict[Any, Any]) -> None:
    used = [step for step in steps(workflow) if "uses" in step]
    assert used
    for step in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step["uses"])
        assert step["with"]["persist-credentials"] is False


def test_the_suite_has_the_history_in_which_it_finds_the_release_before(workflow: dict[Any, Any]) -> None:
    (checkout,) = [step for step in workflow["jobs"]["suite"]["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == 0


def test_every_line_that_runs_is_a_target_that_exists(workflow: dict[Any, Any]) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    lines = [step["run"] for step in steps(workflow) if "run" in step]
    named = [re.fullmatch(r"(?:sudo )?make ([a-z-]+)", line) for line in lines]
    assert all(named), lines
    assert {"test", "image", "image-kind"} <= {found[1] for found in named if found} <= targets


def test_it_may_only_read_and_every_job_has_an_end(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    # YAML reads the bare word `on` as true.
    assert set(workflow[True]) == {"push", "pull_request"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 90
