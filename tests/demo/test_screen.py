"""What the demo shows: a table that fits its terminal, or a line for each change."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from rollcall_demo.screen import View, draw

NOTES = ["API  http://127.0.0.1:8080/api/v1/workloads", "", "curl -s 'http://127.0.0.1:8080/api/v1/workloads/count'"]
TITLE = "Rollcall on a simulated cluster"


def a_workload(name: str = "train", phase: str = "Running", **changes) -> dict:
    workload = {
        "id": f"id-{name}",
        "name": name,
        "namespace": "vision",
        "projectName": "vision",
        "type": "Job",
        "phase": phase,
        "runningPods": 1,
        "requestedPods": {"number": 2},
        "allocatedResources": {"gpu": 4},
        "workloadRequestedResources": {"gpu": {"request": 8, "limit": 8}},
        "currentNodePools": ["h100"],
        "createdAt": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(),
        "phaseMessage": "1 of 2 pods ready",
    }
    return workload | changes


def drawn(view: View, *, width: int = 100, height: int = 40) -> list[str]:
    console = Console(record=True, width=width, height=height, file=io.StringIO())
    console.print(draw(view, NOTES, TITLE, console))
    return console.export_text().splitlines()


@pytest.fixture
def view() -> View:
    return View()


def test_a_row_says_what_a_workload_is_and_holds(view: View):
    view.workloads = [a_workload()]
    lines = drawn(view, width=140)
    assert lines[0].strip() == TITLE
    (row,) = [line for line in lines if "train" in line]
    assert row.split()[:9] == ["vision", "train", "Job", "Running", "1/2", "4/8", "h100", "5m", "1"]


def test_many_rows_fit_a_terminal_of_a_hundred_by_forty_with_the_notes_below(view: View):
    view.workloads = [a_workload(f"train-{number:02}") for number in range(45)]
    view.deleted = 7
    lines = drawn(view)
    assert len(lines) <= 40
    assert max(len(line.rstrip()) for line in lines) <= 100
    rows = [line for line in lines if "train-" in line]
    (more,) = [line for line in lines if "more" in line]
    assert len(rows) >= 20
    assert more.strip() == f"… and {45 - len(rows)} more"
    assert [line for line in lines if "45 Running" in line and "180 GPUs held" in line and "7 deleted and kept" in line]
    assert [line.strip() for line in lines[-len(NOTES) :]] == NOTES


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_no_line_is_wider_than_the_terminal(view: View, width: int, height: int):
    view.workloads = [a_workload(f"a-very-long-name-of-a-workload-{number}") for number in range(30)]
    rows = [line for line in drawn(view, width=width, height=height) if "Running" in line]
    assert rows
    assert max(len(line.rstrip()) for line in rows) <= width


@pytest.mark.parametrize(("width", "titles"), [(140, {"POOLS", "AGE"}), (100, {"AGE"}), (80, set())])
def test_a_narrow_terminal_has_fewer_columns_so_that_the_message_is_read(view: View, width: int, titles: set[str]):
    view.workloads = [a_workload()]
    lines = drawn(view, width=width)
    assert {"POOLS", "AGE"} & set(lines[1].split()) == titles
    assert [line for line in lines if "1 of 2 pods ready" in line]


def test_nothing_yet_is_an_empty_table(view: View):
    lines = drawn(view)
    assert "PHASE" in lines[1]
    assert [line for line in lines if "0 GPUs held" in line]


def test_markup_in_a_name_or_a_message_is_text(view: View):
    view.workloads = [a_workload("[red]train[/red]", phaseMessage="[bold]no[/bold]")]
    (row,) = [line for line in drawn(view, width=160) if "train" in line]
    assert "[red]train[/red]" in row
    assert "[bold]no[/bold]" in row


def test_a_missing_number_is_a_dash(view: View):
    view.workloads = [a_workload(workloadRequestedResources={"gpu": None}, requestedPods={})]
    (row,) = [line for line in drawn(view) if "train" in line]
    assert row.split()[4:6] == ["1", "4/-"]


def without_time(lines: list[str]) -> list[str]:
    return [" ".join(line.split()[1:]) for line in lines]


def test_changes_are_told_once_by_name_the_latest_last(view: View):
    view.workloads = [a_workload("late", "Pending", phaseMessage="no room"), a_workload("early", phaseMessage="")]
    assert without_time(list(view.changes())) == [
        "vision/early Job Running",
        "vision/late Job Pending (no room)",
    ]
    assert list(view.changes()) == []
    view.workloads = [a_workload("late", "Running", phaseMessage="")]
    assert without_time(list(view.changes())) == [
        "vision/early Job deleted, was Running",
        "vision/late Job Pending → Running",
    ]
