"""The official Python client, unchanged, in two versions, against a running API."""

import asyncio
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.api_process import ApiProcess
from support.places import a_node, a_pool
from support.runapy import REQUIREMENTS, VERSIONS, python_with, run_session
from support.workload_builders import START, a_pod, a_project, a_request, a_workload, an_event, uid_of

from rollcall.domain.attachments import Connection, ConnectionType, Datasource, DatasourceType, Tool, Topology
from rollcall.domain.constraints import Constraints, NodeExpression, NodeTerm, Toleration
from rollcall.domain.records import (
    Category,
    Condition,
    GpuRequestType,
    Limits,
    OrgType,
    Phase,
    PhaseReason,
    PodRecord,
    RequestedPods,
    ResourceRequest,
    Resources,
    SchedulingMessage,
    Source,
    WorkloadRecord,
)
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall.store.memory import touch_cluster
from rollcall.store.places import write_node_pools, write_nodes, write_projects
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch

SESSION = Path(__file__).with_name("runapy_session.py")
CLUSTER = uid_of("cluster")

BARE: dict[str, Any] = {
    "submitted_by": None,
    "priority": None,
    "priority_class_name": "",
    "preemptible": None,
    "phase_message": None,
    "conditions": (),
    "requested_pods": None,
    "workload_requested": None,
    "pods_requested": ResourceRequest(),
    "requested_node_pools": (),
    "images": (),
    "command": None,
    "arguments": None,
}
"""A workload of which nothing is known that need not be."""

EVERYTHING = Resources(
    gpu_micros=1_333_333,
    gpu_memory_bytes=20 * 2**30,
    cpu_millis=1_501,
    memory_bytes=2**30 + 1,
    extended=(("example.com/fpga", 2), ("nvidia.com/mig-1g.12gb.me", 1)),
)

FULL: dict[str, Any] = {
    "submitted_by": "ada@example.com",
    "completed_at": START + timedelta(hours=1, microseconds=1),
    "phase_message": '0/4 nodes are available: „zu wenig“ <nvidia.com/gpu> \U0001f4a5\n\t\\ "quoted"',
    "phase_reason": PhaseReason.OVER_LIMIT,
    "conditions": (
        Condition(type="Failed", status="Unknown", reason="r", message="m", last_transition_at=START),
        Condition(type="Bare", status="True"),
    ),
    "running_pods": 2**31 - 1,
    "requested_pods": RequestedPods(number=2, min=1, max=5, parallelism=3, completions=5),
    "workload_requested": ResourceRequest(
        requests=EVERYTHING,
        limits=Limits(gpu_micros=2_000_000, gpu_memory_bytes=2**40, cpu_millis=64_000, memory_bytes=2**40),
        gpu_request_type=GpuRequestType.MEMORY,
    ),
    "allocated": EVERYTHING,
    "requested_node_pools": ("big", "small"),
    "current_node_pools": ("big",),
    "images": ("registry.example:5000/team/trainer@sha256:0123", "sidecar:1"),
    "distributed_framework": "PyTorch",
    "additional_fields": (("example.com/cost-centre", "42"),),
    "datasources": tuple(Datasource(type=found, name=f"{found.name} of a:/b") for found in DatasourceType),
    "environment": (("NAME", "value"), ("EMPTY", "")),
    "urls": ("https://llm.example.com/x?y=%20", "grpc://10.0.0.1:8001"),
    "connections": (
        Connection(name="bare", type=ConnectionType.NODE_PORT),
        *(
            Connection(name="llm/http", type=found, tool=tool, url="https://llm.example.com", container_port=8080)
            for found in ConnectionType
            for tool in Tool
        ),
    ),
    "topology": Topology(name="dc", preferred="block", required="rack"),
    "pending_scheduling_messages": (
        SchedulingMessage(node_pool="small", phase_reason=PhaseReason.OVER_LIMIT, reason="word"),
        *(
            SchedulingMessage(node_pool="big", phase_reason=reason, reason="word", org_type=org, user_message="m")
            for reason in PhaseReason
            for org in OrgType
        ),
    ),
}
"""A workload of which everything is known."""


def every_record() -> list[WorkloadRecord]:
    """Every phase bare and full, every value of every enum, and each optional value alone."""
    records = [a_workload(f"bare-{phase.value}", phase=phase, **BARE) for phase in Phase]
    records += [a_workload(f"full-{phase.value}", phase=phase, **FULL) for phase in Phase]
    values: dict[str, list[Any]] = {
        "category": list(Category),
        "source": list(Source),
        "phase_reason": list(PhaseReason),
        "preemptible": [True, False],
        "priority": [-(2**31), 0, 2**31 - 1],
        "k8s_phase": ["", "Succeeded"],
        "created_at": [START.replace(microsecond=123456), datetime.fromisoformat("2026-01-01T02:00:00+02:00")],
        "workload_requested": [replace(a_request(), gpu_request_type=found) for found in (None, *GpuRequestType)],
        "allocated": [Resources(gpu_micros=1), Resources(memory_bytes=1), Resources(gpu_memory_bytes=2**50)],
        "topology": [Topology(name="dc"), Topology(preferred="block"), Topology(required="rack")],
        **{name: [value] for name, value in FULL.items() if name != "topology"},
    }
    bare = a_workload(**BARE)
    records += [
        replace(bare, **{name: value}, name=(label := f"{name}-{place}"), uid=uid_of(label))
        for name, alternatives in values.items()
        for place, value in enumerate(alternatives)
    ]
    optional = {field.name for field in fields(WorkloadRecord) if "None" in str(field.type)}
    assert optional - values.keys() - BARE.keys() == {"running_since"}, "a new optional field wants its case here"
    return records


def every_pod() -> tuple[PodRecord, ...]:
    """A pod of a workload with metrics; bare and full ones of every phase of another, there and gone."""
    full: dict[str, Any] = {
        "ip": "fd00::1",
        "requested": FULL["workload_requested"],
        "allocated": EVERYTHING,
        "containers": (("main", "trainer:1", START), ("side", "", None)),
        "requested_node_pools": ("big", "small"),
        "ended_at": START + timedelta(hours=1, microseconds=1),
        "constraints": Constraints(
            tolerations=(
                Toleration(key="gpu", operator="Equal", value="", effect="NoExecute", seconds=0),
                Toleration(),
            ),
            required=(
                NodeTerm(
                    expressions=tuple(
                        NodeExpression(key="zone", operator=word, values=("1",))
                        for word in ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
                    )
                ),
            ),
            preferred=(NodeTerm(weight=100, expressions=(NodeExpression(key="gpu", operator="Exists"),)),),
        ),
    }
    bare = {
        "node_name": None,
        "node_pool": None,
        "priority_class_name": None,
        "containers": (),
        "allocated": Resources(),
    }
    of = {"workload": "full-Pending"}
    return (
        a_pod(workload="full-Running"),
        a_pod("lost", workload="nobody", **bare),
        *(
            a_pod(f"{age}{name}-pod-{phase}", k8s_phase=phase, **of, **more)
            for age in ("", "old-")
            for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown")
            for name, more in (("bare", bare), ("full", full))
        ),
    )


def _gone(pod: PodRecord) -> Gone:
    return Gone(uid=pod.uid, observed_version=99, at=START + timedelta(days=1), seen=DeletionSeen.EXACT)


@pytest.fixture(scope="module")
def address(shared_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running API on a database with every record, live and deleted."""
    live = every_record()
    dead = [replace(record, name=f"old-{record.name}", uid=uid_of(f"old-{record.name}")) for record in live]
    gone = tuple(
        Gone(uid=record.uid, observed_version=99, at=START + timedelta(days=1), seen=seen)
        for record, seen in zip(dead, (DeletionSeen.EXACT, DeletionSeen.LATE) * len(dead), strict=False)
    )
    asyncio.run(
        _write(
            shared_database,
            Batch(workloads=(*live, *dead), pods=every_pod()),
            Batch(
                gone_workloads=gone, gone_pods=tuple(_gone(pod) for pod in every_pod() if pod.name.startswith("old"))
            ),
        )
    )
    asyncio.run(_write_places(shared_database))
    asyncio.run(_happen(shared_database))
    with ApiProcess(tmp_path_factory.mktemp("api"), shared_database) as api:
        yield api.address


async def _write(database: DatabaseSettings, *batches: Batch) -> None:
    engine = create_engine(database, application_name="test")
    try:
        for batch in batches:
            async with engine.begin() as connection:
                await write_batch(connection, CLUSTER, batch, observed_at=START)
                await touch_cluster(connection, cluster_id=CLUSTER, name="test", watches_observed_at=START)
    finally:
        await engine.dispose()


async def _write_places(database: DatabaseSettings) -> None:
    engine = create_engine(database, application_name="test")
    nodes = [a_node("gpu-1"), a_node("gpu-2", ready="Unknown"), a_node("cpu-1", pool=None, gpus=0)]
    try:
        async with engine.begin() as connection:
            await write_nodes(connection, CLUSTER, nodes, present={node.meta.uid for node in nodes})
            await write_node_pools(connection, CLUSTER, [a_pool(), a_pool("default", label=None)])
            await write_projects(connection, CLUSTER, [a_project(), a_project("runai-b", "team-b")])
    finally:
        await engine.dispose()


HAPPENED = (
    an_event("scheduled", reason="Scheduled", source="default-scheduler"),
    an_event("started", at=START + timedelta(seconds=2, microseconds=5)),
    an_event("bare", at=START + timedelta(seconds=3), reason=None, source=None, message="", type="Warning", count=9),
)
"""To the workload that runs, and with other ids to the same one deleted; the oldest first."""


async def _happen(database: DatabaseSettings) -> None:
    engine = create_engine(database, application_name="test")
    events = [
        OwnedEvent(
            event=replace(event, uid=uid_of(f"{prefix}{event.uid}")), workload_uid=uid_of(f"{prefix}full-Running")
        )
        for prefix in ("", "old-")
        for event in HAPPENED
    ]
    async with engine.begin() as connection:
        await write_events(connection, CLUSTER, events, observed_at=START + timedelta(days=1))
    await engine.dispose()


@pytest.fixture(scope="module", params=VERSIONS)
def sessions(request: pytest.FixtureRequest, address: str) -> tuple[str, dict[str, Any]]:
    """What a session of each kind of the client saw; its import alone takes seconds, so one process holds them all."""
    return request.param, run_session(SESSION, request.param, address, uid_of("nobody"))


@pytest.fixture(params=["sync", "threaded", "async"])
def session(request: pytest.FixtureRequest, sessions: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The version and what a session of it saw."""
    version, by_kind = sessions
    return version, by_kind[request.param]


def test_the_client_is_of_the_pinned_version(session: tuple[str, dict[str, Any]]) -> None:
    version, seen = session
    assert seen["version"] == version


def test_it_lists_everything_page_by_page(session: tuple[str, dict[str, Any]]) -> None:
    _, seen = session
    names = [record.name for record in every_record()]
    assert sorted(found["name"] for found in seen["live"]) == sorted(names)
    assert sorted(found["name"] for found in seen["deleted"]) == sorted(f"old-{name}" for name in names)
    assert seen["sorted"] == sorted(names, reverse=True)
    assert {found["phase"] for found in seen["live"]} == set(Phase)


def test_it_counts_what_it_lists(session: tuple[str, dict[str, Any]]) -> None:
    _, seen = session
    assert seen["count"] == seen["count_undeleted"] == len(seen["live"]) == len(every_record())
    assert seen["count_deleted"] == len(seen["deleted"])


FILTERED: dict[str, Callable[[WorkloadRecord], bool]] = {
    "in progress": lambda record: record.phase.value.endswith("ing"),
    "running on a GPU since then": lambda record: record.name == "full-Running",
    "an address with a plus": lambda record: record.submitted_by == "ada@example.com",
    "a comma in a value": lambda _: False,
    "what urls are made of": lambda record: "big" in record.current_node_pools,
    "nothing of the kind": lambda _: False,
}


@pytest.mark.parametrize("name", FILTERED)
def test_its_filters_list_and_count_what_they_say(session: tuple[str, dict[str, Any]], name: str) -> None:
    _, seen = session
    wanted = sorted(record.name for record in every_record() if FILTERED[name](record))
    found = seen["filtered"][name]
    assert sorted(found["live"]) == wanted
    assert found["count"] == len(wanted)
    # A deleted workload holds no GPU.
    gone = [] if name.startswith("running on a GPU") else [f"old-{one}" for one in wanted]
    assert sorted(found["deleted"]) == gone


def test_its_search_finds_every_word(session: tuple[str, dict[str, Any]]) -> None:
    version, seen = session
    assert seen["searched"] == (None if version == "1.218.0" else ["full-Completed"])


def test_it_gets_each_one_as_it_was_listed(session: tuple[str, dict[str, Any]]) -> None:
    _, seen = session
    assert [_listed(one) for one in seen["got"]] == [_listed(one) for one in seen["live"] + seen["deleted"]]
    assert {"pendingSchedulingMessages" in one for one in seen["got"]} == {True}


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    """Without the totals that grow while a workload lives, and what is told of one alone."""
    return {
        key: value
        for key, value in record.items()
        if not key.startswith("total") and key != "pendingSchedulingMessages"
    }


def test_its_models_take_every_record(session: tuple[str, dict[str, Any]]) -> None:
    version, seen = session
    wanted = {"1.218.0": {"Workload"}, "1.224.0": {"Workload", "WorkloadDetailed"}}[version]
    assert len(seen["models"]) == 2 * len(every_record())
    refused = [verdict for verdict in seen["models"] if set(verdict.values()) != {verdict["id"], "accepted"}]
    assert refused == []
    assert {key for verdict in seen["models"] for key in verdict} == {"id", *wanted}


def test_its_metrics_are_those_of_the_workloads_pod(session: tuple[str, dict[str, Any]]) -> None:
    _, seen = session
    found = {one["type"]: [sample["value"] for sample in one["values"]] for one in seen["metrics"]["stored"]}
    assert found == {
        "POD_COUNT": ["1", "1"],
        "RUNNING_POD_COUNT": ["1", "1"],
        "GPU_ALLOCATION": ["1", "1"],
        "GPU_MEMORY_REQUEST_BYTES": ["0", "0"],
        "CPU_REQUEST_CORES": ["0.5", "0.5"],
        "CPU_LIMIT_CORES": ["0", "0"],
        "CPU_MEMORY_REQUEST_BYTES": [str(2**30)] * 2,
        "CPU_MEMORY_LIMIT_BYTES": ["0", "0"],
    }
    (bare,) = seen["metrics"]["bare"]
    assert (bare["type"], len(bare["values"])) == ("POD_COUNT", 20)


def test_its_pods_are_listed_counted_and_taken_by_its_models(session: tuple[str, dict[str, Any]]) -> None:
    version, seen = session
    pods = seen["pods"]
    names = {pod.name for pod in every_pod()}
    gone = {name for name in names if name.startswith("old-")}
    listed = {name: [pod["name"] for pod in found] for name, found in pods.items() if isinstance(found, list)}
    assert sorted(listed["live"]) == sorted(listed["full"]) == sorted(names - gone)
    assert sorted(listed["deleted"]) == sorted(gone)
    assert len(listed["ended"]) == sum(pod.ended_at is not None for pod in every_pod()) - len(gone) // 2
    assert listed["of the workload"] == ["train-0"]
    assert listed["gone from it"] == []
    assert listed.get("searched") == (None if version == "1.218.0" else ["bare-pod-Succeeded"])
    assert (pods["count"], pods["count_deleted"]) == (len(names - gone), len(gone))
    assert pods["count_on"] == sum(pod.node_name is not None for pod in every_pod() if pod.name not in gone)
    named = {(pod["name"], pod.get("workloadName"), pod.get("projectName")) for pod in pods["full"]}
    assert {("train-0", "full-Running", "team-a"), ("lost", None, None)} < named
    assert not any("workloadName" in pod for pod in pods["live"])
    assert (pods["fault"]["raised"], pods["unknown"]["raised"]) == ("BadRequestException", "NotFoundException")


@pytest.mark.parametrize("name", ["full-Running", "old-full-Running"])
def test_its_events_and_history_are_what_happened(session: tuple[str, dict[str, Any]], name: str) -> None:
    version, seen = session
    assert set(seen["happened"]) == {"full-Running", "old-full-Running"}
    found = seen["happened"][name]
    newest_first = [event.message for event in reversed(HAPPENED)]
    assert [event["message"] for event in found["events"]] == newest_first
    assert ("oldest first" in found) == (version == "1.224.0")
    assert found.get("oldest first", found["events"][::-1]) == found["events"][::-1]
    scheduled = found["events"][-1]
    assert scheduled == {
        "id": scheduled["id"],
        "clusterId": CLUSTER,
        "createdAt": "2026-01-01T00:00:00Z",
        "type": "Normal",
        "reason": "Scheduled",
        "source": "default-scheduler",
        "message": "Started container scheduled",
        "count": 1,
        "involvedObject": {
            "uid": uid_of("train-0"),
            "kind": "Pod",
            "name": "train-0",
            "namespace": "runai-team-a",
        },
    }
    history = found["history"]
    assert [one["spec"]["event"] for one in history if one["meta"]["type"] == "Event"] == found["events"]
    (phase,) = [one for one in history if one["meta"]["type"] == "PhaseUpdate"]
    assert phase == {
        "meta": {"creationTimestamp": "2026-01-01T00:00:00Z", "type": "PhaseUpdate"},
        "spec": {"event": None, "phaseUpdate": {"phase": "Running", "phaseMessage": FULL["phase_message"]}},
    }
    assert len(history) == len(HAPPENED) + 1


def test_its_telemetry_is_that_of_what_it_lists(session: tuple[str, dict[str, Any]]) -> None:
    version, seen = session
    sums = {name: values_of(answer) for name, answer in seen["telemetry"].items()}
    live = seen["live"]
    assert sums["WORKLOADS_COUNT "] == {(): len(live)}
    assert sums["WORKLOADS_COUNT Phase"] == Counter((one["phase"],) for one in live)
    pools = Counter((CLUSTER, pool) for one in live for pool in one.get("currentNodePools", ()))
    assert sums["WORKLOADS_COUNT ClusterId CurrentNodepools"] == pools
    assert sums["filtered"] == {(): pools[CLUSTER, "big"]}
    held = sum(Decimal(str(one["allocatedResources"]["gpu"])) for one in live)
    assert sums["GPU_ALLOCATION "] == {(): held}
    assert sum(sums["GPU_ALLOCATION Phase"].values()) == held > 0
    if version == "1.224.0":
        phases = Counter(one["phase"] for one in live)
        assert sums["phases"] == {(): phases["Running"] + phases["Failed"]}
        assert sum(sums["PENDING_TIME_DISTRIBUTION "].values()) == phases["Pending"]
        assert len(sums["PENDING_TIME_DISTRIBUTION Phase"]) == 4


def values_of(answer: dict[str, Any]) -> dict[tuple[str, ...], Decimal]:
    """The values of a telemetry answer by those of their groups."""
    return {
        tuple(group["value"] for group in value.get("groups", ())): Decimal(value["value"])
        for value in answer["values"]
    }


def test_its_models_take_the_places(session: tuple[str, dict[str, Any]]) -> None:
    version, seen = session
    found = seen["places"]
    assert [one["uuid"] for one in found["clusters"]] == [found["cluster"]["uuid"]] == [CLUSTER]
    assert [one["name"] for one in found["nodes"]["nodes"]] == ["cpu-1", "gpu-1", "gpu-2"]
    assert [one["name"] for one in found["named"]["nodes"]] == ["gpu-1"]
    assert ([one["name"] for one in found["projects"]["projects"]], found["projects"]["next"]) == (["team-a"], 1)
    assert [one["id"] for one in found["departments"]["departments"]] == [found["department"]["id"]] == ["default"]
    sums = {kind: values_of(answer) for kind, answer in found["telemetry"].items()}
    assert sum(sums["TOTAL_GPUS"].values()) == 16
    assert sums["READY_GPU_NODES"][(uid_of("gpu-1"),)] == 1
    assert len(sums) == {"1.218.0": 5, "1.224.0": 12}[version]
    if version == "1.224.0":
        assert [one["name"] for one in found["tenant nodes"]["nodes"]] == ["gpu-1", "cpu-1"]
        assert [one["count"] for one in found["counts"]] == [2, 2, 2, 1, 2]
        assert [one["name"] for one in found["pools"]["nodepools"]] == ["big", "default"]
        assert found["types"]["types"][0] == found["type"]
        assert found["category"] in found["categories"]["categories"]
        assert found["priorities"]["priorities"][0]["value"] == 150


@pytest.mark.parametrize(
    ("asked", "raised", "code", "words"),
    [
        ("node_telemetry", "BadRequestException", 400, "nothing is measured of nodes"),
        ("group_by", "BadRequestException", 400, "groupBy"),
        ("limit", "BadRequestException", 400, "limit"),
        ("events", "NotFoundException", 404, "no workload"),
        ("history", "BadRequestException", 400, "limit"),
        ("metrics", "BadRequestException", 400, "start"),
        ("filter_by", "BadRequestException", 400, "filterBy has the term 'b==1'"),
        ("unknown_id", "NotFoundException", 404, "no workload"),
        ("malformed_id", "NotFoundException", 404, "no workload"),
    ],
)
def test_its_errors_are_typed_and_worded(
    session: tuple[str, dict[str, Any]], asked: str, raised: str, code: int, words: str
) -> None:
    _, seen = session
    fault = seen["faults"][asked]
    assert (fault["raised"], fault["code"]) == (raised, code)
    assert words in fault["message"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_locks_pin_hashes_and_name_no_registry(version: str) -> None:
    text = (REQUIREMENTS / f"runapy-{version}.txt").read_text()
    assert f"runapy=={version} " in text
    assert text.count("--hash=sha256:") >= text.count("==") > 1
    assert "://" not in text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_of_the_reference_page_runs(address: str, version: str) -> None:
    page = (REQUIREMENTS.parent / "docs" / "api.md").read_text().partition("## Examples")[2]
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert "http://127.0.0.1:8080" in example
    done = subprocess.run(
        [python_with(version), "-I", "-c", example.replace("http://127.0.0.1:8080", address)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    first, second, *lines = done.stdout.splitlines()
    assert first == f"{len(every_record())} workloads"
    assert second == "0 running on two GPUs or more"
    assert len(lines) == len(every_record())
    assert "full-Running Running 1.333333" in lines
