"""What an answer is made of: the object, its metadata, a Table and what its rows carry."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import a_workload

from rollcall.domain.records import WorkloadRecord
from rollcall.store.objects import ObjectSelection, object_by_name, object_name, object_page
from rollcall.store.records import Batch, StoredWorkload
from rollcall.store.writes import write_batch
from rollcall_api.kube.columns import COLUMNS, human_duration
from rollcall_api.kube.forms import Form, Included, Rendering, read_accept, read_included
from rollcall_api.kube.statuses import StatusError

pytestmark = pytest.mark.anyio

CLUSTER = "rendered"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def stored(engine: AsyncEngine, *records: WorkloadRecord) -> list[StoredWorkload]:
    async with engine.begin() as connection:
        await write_batch(connection, CLUSTER, Batch(workloads=records), observed_at=NOW)
        found = await object_page(connection, ObjectSelection(cluster_id=CLUSTER), after=None, limit=100)
    return list(found.objects)


def table_of(included: Included) -> Rendering:
    return Rendering(Form.TABLE, included, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("accept", "is_list", "form"),
    [
        ("", True, Form.OBJECT),
        ("*/*", True, Form.OBJECT),
        ("application/json", True, Form.OBJECT),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", True, Form.TABLE),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", False, Form.TABLE),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", True, Form.OBJECT),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", True, Form.METADATA),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", False, Form.METADATA),
        ("application/vnd.kubernetes.protobuf,application/json", True, Form.OBJECT),
        ("application/cbor, application/json;q=0.5", True, Form.OBJECT),
    ],
)
async def test_the_first_form_that_is_served(accept: str, *, is_list: bool, form: Form) -> None:
    assert read_accept(accept, is_list=is_list) is form


@pytest.mark.parametrize(
    ("accept", "is_list"),
    [
        ("application/vnd.kubernetes.protobuf", True),
        ("text/html", True),
        ("application/json;as=Table;v=v2;g=meta.k8s.io", True),
        ("application/json;as=Table;v=v1;g=other", True),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", True),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", False),
        (";;;=", True),
    ],
)
async def test_no_form_that_is_served_is_406(accept: str, *, is_list: bool) -> None:
    with pytest.raises(StatusError) as refused:
        read_accept(accept, is_list=is_list)
    assert (refused.value.body["code"], refused.value.body["reason"]) == (406, "NotAcceptable")


async def test_include_object_is_one_of_three() -> None:
    assert [read_included([word]) for word in ("None", "Metadata", "Object", "")] == [
        Included.NONE,
        Included.METADATA,
        Included.OBJECT,
        Included.METADATA,
    ]
    with pytest.raises(StatusError) as refused:
        read_included(["none"])
    assert refused.value.body["code"] == 400


async def test_rows_carry_what_is_included(engine: AsyncEngine) -> None:
    (one,) = await stored(engine, a_workload("train"))
    rows: dict[Included, Any] = {included: table_of(included).item(one) for included in Included}
    assert "object" not in rows[Included.NONE]
    metadata = rows[Included.METADATA]["object"]
    assert metadata["kind"] == "PartialObjectMetadata"
    assert set(metadata) == {"kind", "apiVersion", "metadata"}
    whole = rows[Included.OBJECT]["object"]
    assert (whole["kind"], whole["apiVersion"]) == ("Workload", "rollcall.dev/v1")
    assert {"spec", "status"} < set(whole)
    assert whole["metadata"] == metadata["metadata"]
    for row in rows.values():
        assert len(row["cells"]) == len(COLUMNS)
        assert row["cells"][0] == "train.job.batch"


async def test_a_table_is_printable_whatever_the_record_lacks(engine: AsyncEngine) -> None:
    bare = a_workload(
        "bare",
        submitted_by=None,
        priority_class_name="",
        images=(),
        current_node_pools=(),
        requested_pods=None,
        workload_requested=None,
        phase_message="two\nlines\tand a tab",
        created_at=NOW + timedelta(hours=1),
    )
    (one,) = await stored(engine, bare)
    cells = table_of(Included.NONE).item(one)["cells"]
    assert all(isinstance(cell, str) for cell in cells)
    by_name = dict(zip((column["name"] for column in COLUMNS), cells, strict=True))
    assert by_name["Pods"] == f"{bare.ready_pods}/-"
    assert by_name["Node Pools"] == by_name["Submitter"] == by_name["Priority"] == by_name["Images"] == "<none>"
    assert by_name["Message"] == "two lines and a tab"
    assert by_name["Age"] == "0s", "a clock that is behind makes no negative age"


@pytest.mark.parametrize(
    ("seconds", "written"),
    # As k8s.io/apimachinery/pkg/util/duration writes them.
    [
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400 - 1, "729d"),
        (2 * 365 * 86400, "2y"),
        (3 * 365 * 86400 + 86400, "3y1d"),
        (8 * 365 * 86400, "8y"),
    ],
)
async def test_ages_are_written_as_kubectl_writes_them(seconds: int, written: str) -> None:
    assert human_duration(seconds) == written


NAMED = (
    ("train", "Job", "batch", "train.job.batch"),
    ("train", "RayCluster", "ray.io", "train.raycluster.ray.io"),
    ("a.b.c", "Pod", "", "a.b.c.pod"),
    ("a", "B", "", "a.b"),
    ("a.b", "C", "", "a.b.c"),
    ("job", "Job", "batch", "job.job.batch"),
    ("x" * 253, "DynamoGraphDeployment", "nvidia.com", f"{'x' * 253}.dynamographdeployment.nvidia.com"),
    ("1.2.3", "Workflow", "argoproj.io", "1.2.3.workflow.argoproj.io"),
)


async def test_every_object_is_found_by_its_name_and_no_other(engine: AsyncEngine) -> None:
    records = [
        replace(a_workload(name), uid=f"uid-{place}", kind=kind, api_group=group)
        for place, (name, kind, group, _) in enumerate(NAMED)
    ]
    found = await stored(engine, *records)
    assert len({object_name(*name[:3]) for name in NAMED}) == len(NAMED)
    rendered = {one.record.uid: Rendering(Form.METADATA).item(one)["metadata"]["name"] for one in found}
    assert rendered == {f"uid-{place}": name[3] for place, name in enumerate(NAMED)}
    async with engine.connect() as connection:
        for uid, name in rendered.items():
            again = await object_by_name(connection, CLUSTER, records[0].namespace, name)
            assert again is not None
            assert again.record.uid == uid
        for name in ("train", "TRAIN.JOB.BATCH", "train.job.batch.", "train.job", ".job.batch", "", ".", "x" * 5000):
            assert await object_by_name(connection, CLUSTER, records[0].namespace, name) is None
