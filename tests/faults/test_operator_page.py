"""docs/reference/operator.md says what the code does: metrics, settings, times, paths."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from rollcall import cluster_access
from rollcall.settings import setting_names
from rollcall_operator import (
    endpoints,
    event_log,
    event_watch,
    flusher,
    leader,
    life,
    namespaces,
    running,
    standings,
    sweep,
    watches,
)
from rollcall_operator.measures import Measures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "reference" / "operator.md").read_text()


def test_every_metric_is_on_the_page_and_no_other(page: str) -> None:
    served: dict[str, tuple[str, frozenset[str]]] = {}
    measures = Measures()
    labelled = {
        collector._name: collector._labelnames  # noqa: SLF001 - a family without samples tells its labels nowhere else
        for collector in vars(measures).values()
        if hasattr(collector, "_labelnames")
    }
    for family in measures.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        served[name] = (family.type, frozenset(labelled[family.name]))
    rows = re.findall(r"^\| `(rollcall_\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", page, flags=re.MULTILINE)
    told = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    assert told == served
    exposed = set(
        re.findall(r"^# TYPE (\w+?)(?:_created)? ", generate_latest(measures.registry).decode(), re.MULTILINE)
    )
    assert exposed - served.keys() - {name.removesuffix("_total") for name in served} == set()


def test_every_setting_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"ROLLCALL_\w+", page))
    assert named - setting_names().keys() == {"ROLLCALL_OPERATOR__", "ROLLCALL_CLUSTER__", "ROLLCALL_DATABASE__"}


def test_every_path_is_served_and_told(page: str) -> None:
    code = Path(endpoints.__file__).read_text()
    served = set(re.findall(r'add_get\("(/\w+)"', code))
    assert set(re.findall(r"^\| `(/\w+)` \|", page, flags=re.MULTILINE)) == served


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("Every watch is opened for {:g} s at most", (life.watch_seconds(1e9),)),
        ("after {:g} s, then 2 s, up to {:g} s", (watches.FIRST_PAUSE_SECONDS, watches.LONGEST_PAUSE_SECONDS)),
        ("finds it gone for {:g} s", (sweep.UNSERVED_FOR.total_seconds(),)),
        ("twice as long each time, up to {:g} s", (flusher.LONGEST_PAUSE_SECONDS,)),
        ("Each namespace is read every {:g} s", (namespaces.INTERVAL_SECONDS,)),
        ("nothing in it may be read for {:g} s", (namespaces.GONE_AFTER.total_seconds(),)),
        ("at {:,.0f} a second at most", (event_watch.TURN / event_watch.TURN_SECONDS,)),
        ("has brought the object for {:g} s", (event_log.HOLD.total_seconds(),)),
        ("{:,} events wait, the newest", (event_log.MOST_WAITING,)),
        ("a standby leads within {:g} s", (leader.RETRY_SECONDS,)),
        ("{:g} s after its last renewal, and {:g} s at most", (leader.LEASE_SECONDS, leader.RETRY_SECONDS)),
        ("cannot renew for {:g} s ends", (leader.RENEW_SECONDS,)),
    ],
)
def test_times_are_those_of_the_code(page: str, sentence: str, numbers: tuple[float, ...]) -> None:
    # Thousands are set apart by a blank.
    assert sentence.format(*numbers).replace(",000", " 000") in " ".join(page.split())


def test_sentences_are_those_of_the_code(page: str) -> None:
    code = "\n".join(Path(module.__file__ or "").read_text() for module in (running, standings, leader, cluster_access))
    for sentence in (
        "the database is away; changes are kept until it is back",
        "standing by for the Lease",
        "waiting for the first lists",
        "reading what the database remembers",
        "no sign of life from the watch of ",
        "The Lease was lost; another operator may be writing, so this one ends.",
        "may now be listed; the operator must be started again to watch it.",
        "may no longer be listed; the operator must be started again to see what it still may.",
        "The operator may not list ",
        "The namespace kube-system has no uid; ",
    ):
        assert sentence in code
        assert sentence.strip() in page
