"""Selectors: what they mean, held against PostgreSQL, and how what is none is refused."""

import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import a_workload

from rollcall.store.objects import ObjectSelection, facts_of, object_page
from rollcall.store.records import Batch
from rollcall.store.writes import write_batch
from rollcall_api.kube.objects import metadata_of
from rollcall_api.kube.selectors import MOST_REQUIREMENTS, read_field_selector, read_label_selector
from rollcall_api.kube.statuses import StatusError

CLUSTER = "selected"
LONG = "n" * 64
"""A name that Kubernetes takes, and no value of a label."""

NAMES = ("dotted.name", LONG, "plain", "train")
WORKLOADS = (
    a_workload("plain", project_name="My project", priority_class_name=""),
    a_workload("train", project_name="team-b", submitted_by=None),
    a_workload(LONG, project_name="team-b"),
    a_workload("dotted.name", project_name="_hidden", submitted_by="a,b=c\\d"),
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("rollcall.dev/name=train", ["train"]),
        ("rollcall.dev/name==train", ["train"]),
        (" rollcall.dev/name = train ", ["train"]),
        ("rollcall.dev/name!=train", ["dotted.name", LONG, "plain"]),
        ("rollcall.dev/name in (train,plain)", ["plain", "train"]),
        ("rollcall.dev/name in ( train , plain )", ["plain", "train"]),
        ("rollcall.dev/name notin (train,plain)", ["dotted.name", LONG]),
        ("rollcall.dev/name notin (train),rollcall.dev/name!=plain", ["dotted.name", LONG]),
        # What no label can show is no label.
        ("rollcall.dev/name", ["dotted.name", "plain", "train"]),
        ("!rollcall.dev/name", [LONG]),
        ("rollcall.dev/project", [LONG, "train"]),
        ("!rollcall.dev/project", ["dotted.name", "plain"]),
        ("rollcall.dev/project!=team-b", ["dotted.name", "plain"]),
        ("rollcall.dev/priority-class", ["dotted.name", LONG, "train"]),
        ("! rollcall.dev/priority-class", ["plain"]),
        ("rollcall.dev/priority-class=", []),
        ("app", []),
        ("!app", list(NAMES)),
        ("app!=web", list(NAMES)),
        ("app notin (web)", list(NAMES)),
        ("app=web", []),
        ("app in (web)", []),
        ("", list(NAMES)),
    ],
)
async def test_label_selectors_mean_what_the_labels_show(engine: AsyncEngine, selector: str, found: list[str]) -> None:
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, Batch(workloads=WORKLOADS), observed_at=datetime.now(UTC))
        selection = ObjectSelection(cluster_id=CLUSTER, requirements=read_label_selector(selector))
        everything = await object_page(connection, ObjectSelection(cluster_id=CLUSTER), after=None, limit=10)
        page = await object_page(connection, selection, after=None, limit=10)
    assert [stored.record.name for stored in page.objects] == found
    by_facts = [one.record.name for one in everything.objects if selection.holds(facts_of(one))]
    assert by_facts == found, "a watch selects as a list does"
    if selector.removeprefix("!").strip().startswith("rollcall.dev/") and not set(selector) & set("=(, "):
        label = selector.removeprefix("!")
        shown = [one.record.name for one in everything.objects if label in metadata_of(one)["labels"]]
        assert shown == (sorted({*NAMES} - {*found}) if selector.startswith("!") else found)


@pytest.mark.parametrize(
    "selector",
    [
        "=",
        "a=b=c",
        "a,,b",
        "a,",
        ",",
        "a in",
        "a in b",
        "a in (b",
        "a in (b))",
        "a inn (b)",
        "a notin (b) c",
        "!a=b",
        "!",
        "a b",
        "a=b c",
        "a>1",
        "-a",
        "a/b/c",
        "A/b",
        "ä=b",
        "a=ä",
        f"{LONG}=b",
        f"a={LONG}",
        "a=-b",
        "a in (b,-c)",
    ],
)
def test_malformed_label_selectors_are_refused(selector: str) -> None:
    with pytest.raises(StatusError) as refused:
        read_label_selector(selector)
    assert (refused.value.body["code"], refused.value.body["reason"]) == (400, "BadRequest")
    assert "unable to parse requirement" in refused.value.body["message"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("metadata.name=train.job.batch", ["train"]),
        ("metadata.name!=train.job.batch", ["dotted.name", LONG, "plain"]),
        ("metadata.name==dotted.name.job.batch", ["dotted.name"]),
        ("metadata.name=train", []),
        ("spec.name=train,status.phase=Pending", ["train"]),
        ("spec.name=train,status.phase!=Pending", []),
        ("spec.submittedBy=", ["train"]),
        ("spec.submittedBy!=", ["dotted.name", LONG, "plain"]),
        (r"spec.submittedBy=a\,b\=c\\d,spec.name=dotted.name", ["dotted.name"]),
        ("spec.projectName=My project", ["plain"]),
        (f"spec.name={LONG}", [LONG]),
        ("", list(NAMES)),
        (",", list(NAMES)),
    ],
)
async def test_field_selectors(engine: AsyncEngine, selector: str, found: list[str]) -> None:
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, Batch(workloads=WORKLOADS), observed_at=datetime.now(UTC))
        selection = ObjectSelection(cluster_id=CLUSTER, requirements=read_field_selector(selector))
        everything = await object_page(connection, ObjectSelection(cluster_id=CLUSTER), after=None, limit=10)
        page = await object_page(connection, selection, after=None, limit=10)
    assert [stored.record.name for stored in page.objects] == found
    assert [one.record.name for one in everything.objects if selection.holds(facts_of(one))] == found


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("spec.colour=red", "field label not supported: spec.colour"),
        ("status.phase=Running,spec.colour=red", "field label not supported: spec.colour"),
        ("status.phase", "can't understand 'status.phase'"),
        ("=Running", "can't understand"),
        (r"spec.name=a\b", "invalid escape sequence"),
        ("spec.name=a\\", "invalid escape sequence"),
        (r"spec.name=a\\,status.phase", "can't understand 'status.phase'"),
        (",".join(["spec.name!=a"] * (MOST_REQUIREMENTS + 1)), f"more than {MOST_REQUIREMENTS}"),
    ],
)
def test_field_selectors_that_are_refused(selector: str, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        read_field_selector(selector)
    assert (refused.value.body["code"], refused.value.body["reason"]) == (400, "BadRequest")
    assert message in refused.value.body["message"]


@pytest.mark.parametrize(
    "piece", [",", "(", "a,", "a in (b),", "\\", "\\,", "a", "a-", "a.", "!", " ", "a in (", "=", ")"]
)
def test_a_long_selector_takes_no_longer_than_its_length_asks_for(piece: str) -> None:
    def seconds(times: int) -> float:
        begun = time.process_time()
        for read in (read_label_selector, read_field_selector):
            with suppress(StatusError):
                read(piece * times)
        return time.process_time() - begun

    many = 32 * 1024 // len(piece)
    # Eight times as long: eight times the work, where each letter is looked at once, and 64 times where it is not.
    short, long = min(seconds(many // 8) for _ in range(3)), min(seconds(many) for _ in range(3))
    assert long < 24 * short + 0.02, f"{short} s, {long} s"
