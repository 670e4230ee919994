"""Request lines of real clients with a filter or a search, byte for byte, and what no client should send."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.api_process import ApiProcess
from support.wire import send
from support.workload_builders import START, a_request, a_workload, uid_of

from rollcall.domain.records import Phase
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_api.models import Count, WorkloadList

WORKLOADS = "/api/v1/workloads"

LIVE = (
    a_workload("train", phase=Phase.RUNNING, allocated=a_request(2).requests),
    a_workload("a,b", phase=Phase.RUNNING, submitted_by=None),
    a_workload("a b", phase=Phase.RUNNING, created_at=START + timedelta(seconds=1)),
    a_workload('a/b&c#d%é"', phase=Phase.PENDING, submitted_by="a+b@c.io"),
    a_workload("a-tr ain-z", phase=Phase.FAILED, submitted_by="a+b@c.io", project_name="test-project"),
    a_workload("stopped", phase=Phase.STOPPED, project_name="TEST", images=("registry/project:1",)),
)
GONE = (
    a_workload("old", project_id="1", phase=Phase.RUNNING),
    a_workload("some-workload-name", phase=Phase.COMPLETED),
)


@pytest.fixture(scope="module")
def api(shared_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """A running API with workloads that the captured filters tell apart."""
    closed = tuple(Gone(uid=record.uid, observed_version=99, at=START, seen=DeletionSeen.EXACT) for record in GONE)

    async def write() -> None:
        engine = create_engine(shared_database, application_name="test")
        async with engine.begin() as connection:
            batch = Batch(workloads=LIVE + GONE, gone_workloads=closed)
            await write_batch(connection, uid_of("cluster"), batch, observed_at=START)
            await touch_cluster(connection, cluster_id=uid_of("cluster"), name="test", watches_observed_at=START)
        await engine.dispose()

    asyncio.run(write())
    with ApiProcess(tmp_path_factory.mktemp("api"), shared_database) as api:
        yield api
        assert "Traceback" not in api.log()


GOLDEN: dict[str, set[str]] = {
    (
        "deleted=true&offset=100&limit=500&sortOrder=desc&sortBy=createdAt"
        "&filterBy=name%21%3Dsome-workload-name%2CallocatedGPU%3E%3D2%2CcreatedAt%3E%3D2021-01-01T00%3A00%3A00Z"
    ): set(),
    "filterBy=name%21%3Dsome-workload-name%2CallocatedGPU%3E%3D2%2CcreatedAt%3E%3D2021-01-01T00%3A00%3A00Z": {"train"},
    "filterBy=phase%3D%3DRunning": {"train", "a,b", "a b"},
    ("filterBy=name%3D%40tr%20ain%2Cname%21%40x%2Cname%3D%5Ea%2Cname%3D%24z%2CsubmittedBy%3D%3Da%2Bb%40c.io"): {
        "a-tr ain-z"
    },
    "filterBy=name%3D%3Da%2Cb%2Cphase%3D%3DRunning": {"a,b"},
    "filterBy=name%3D%3Da/b%26c%23d%25%C3%A9%22": {'a/b&c#d%é"'},
    "filterBy=": {record.name for record in LIVE},
    "search=test%20project": {"a-tr ain-z", "stopped"},
    "search=test+project": {"a-tr ain-z", "stopped"},
    "deleted=true&filterBy=projectId%3D%3D1": {"old"},
    # The asynchronous client leaves commas and colons bare.
    "limit=5&filterBy=name%3D%3Da%20b,createdAt%3E%3D2021-01-01T00:00:00Z,phase%3D%3DRunning": {"a b"},
    "limit=5&filterBy=createdAt%3E%3D2026-01-01T00:00:01Z": {"a b"},
    # An older client.
    ("filterBy=clusterId%3D%3Dabc%2Cphase%3D%3DRunning&sortOrder=desc&limit=500&deleted=True&sortBy=createdAt"): set(),
    (
        f"filterBy=clusterId%3D%3D{uid_of('cluster')}%2Cphase%3D%3DRunning"
        "&sortOrder=desc&limit=500&deleted=True&sortBy=createdAt"
    ): {"old"},
    # A collector: everything that is in progress.
    "limit=500&offset=0&filterBy=phase=$ing": {"train", "a,b", "a b", 'a/b&c#d%é"'},
    # The key given twice.
    "filterBy=phase%3D%3DRunning&filterBy=name%3D%3Dtrain": {"train"},
    # What requests and Go make of blanks and of a plus that somebody left bare.
    "filterBy=name==a+b": {"a b"},
    "filterBy=createdAt==2026-01-01T02:00:01+02:00": {"a b"},
    "filterBy=submittedBy!=a%2Bb@c.io": {"train", "a,b", "a b", "stopped"},
}


@pytest.mark.parametrize("query", GOLDEN)
def test_a_captured_filter_lists_and_counts_what_it_asks_for(api: ApiProcess, query: str) -> None:
    reply = send(api, f"GET {WORKLOADS}?{query}")
    assert reply.status == 200, reply
    listed = WorkloadList.model_validate_json(reply.body)
    assert {one.name for one in listed.workloads} == GOLDEN[query]
    reply = send(api, f"GET {WORKLOADS}/count?{query}")
    assert (reply.status, Count.model_validate_json(reply.body).count) == (200, len(GOLDEN[query]))


@pytest.mark.parametrize("sort", ["", "&sortBy=name", "&sortBy=phase&sortOrder=desc", "&sortBy=idleGpus"])
def test_pages_of_a_filter_follow_each_other_by_next(api: ApiProcess, sort: str) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        body = json.loads(send(api, f"GET {WORKLOADS}?limit=3&offset={offset}&filterBy=phase=$ing{sort}").body)
        seen += [one["name"] for one in body["workloads"]]
        offset = body.get("next")
    assert sorted(seen) == sorted(["train", "a,b", "a b", 'a/b&c#d%é"'])


@pytest.mark.parametrize("endpoint", [WORKLOADS, f"{WORKLOADS}/count"])
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("filterBy=nonsense%3D%3D1", "'nonsense'"),
        ("filterBy=name%3D%3D", "'name=='"),
        ("filterBy=%3D%3D1", "'==1'"),
        ("filterBy=priority%3D%40a", "'priority=@a'"),
        ("filterBy=createdAt%3E%3Dyesterday", "'createdAt>=yesterday'"),
        ("filterBy=name%3D%3Da%00", "filterBy"),
        ("filterBy=name%3D%3D%FF", "filterBy"),
        ("filterBy=name%3D%3D%ED%A0%80", "filterBy"),
        ("filterBy=%2527%2520OR%25201%253D1", "filterBy"),
        pytest.param("filterBy=" + "a%3D%3Db%2C" * 2_000, "'a'", id="many-unknown"),
        pytest.param("filterBy=" + "name%3D%3Db%2C" * 2_000, "50 terms", id="many-terms"),
        pytest.param("filterBy=name%3D%3Da&" * 900, "50 terms", id="many-keys"),
        pytest.param("search=" + "+".join(str(number) for number in range(5_000)), "search", id="many-words"),
        ("search=%FF", "search"),
    ],
)
def test_a_hostile_filter_is_a_400_that_names_it(api: ApiProcess, endpoint: str, query: str, named: str) -> None:
    reply = send(api, f"GET {endpoint}?{query}")
    assert reply.status == 400
    assert named in reply.error()


@pytest.mark.parametrize(
    "query",
    [
        "filterBy=name%3D%3D'%20OR%201%3D1--",
        "filterBy=name%3D%40%25",
        "filterBy=name%3D%40%5C",
        "filterBy=nodepool%3D%40'%7D",
        "filterBy=nodepool%3D%3D%7B%22a%22%7D",
        "filterBy=name%3D%5E%F4%8F%BF%BF",
        "filterBy=name%3D%5E%ED%9F%BF",
        "filterBy=priority%3D%3D" + "9" * 18,
        "filterBy=priority%3E%3D" + "9" * 18,
        "filterBy=allocatedGPU%3E%3D" + "9" * 18,
        "filterBy=totalPendingTimeSeconds%3E%3D" + "9" * 18,
        "filterBy=createdAt%3C%3D0001-01-01",
        "filterBy=createdAt%3E%3D9999-12-30T23:59:59.999999Z",
        "filterBy=" + "%2C" * 5_000,
        "search=%25",
        "search=%5C%5C%5C",
        "search='%3BDROP%20TABLE%20workloads",
        pytest.param("search=" + "%25" * 10_000, id="long-word"),
        pytest.param("filterBy=name%3D%40" + "%25" * 10_000, id="long-value"),
        pytest.param("filterBy=name%3D%3Da" + "%2Ca" * 7_000, id="long-glued"),
        pytest.param("filterBy=" + "%2C".join(f"name%21%40{number}x" for number in range(50)), id="fifty"),
    ],
)
@pytest.mark.parametrize("deleted", ["true", "false"])
def test_a_strange_value_is_only_a_value(api: ApiProcess, deleted: str, query: str) -> None:
    listed = send(api, f"GET {WORKLOADS}?deleted={deleted}&{query}")
    assert listed.status == 200, listed
    counted = send(api, f"GET {WORKLOADS}/count?deleted={deleted}&{query}")
    assert json.loads(counted.body) == {"count": len(json.loads(listed.body)["workloads"])}
