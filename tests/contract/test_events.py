"""What happened to a workload, over HTTP: the shape, the pages, and what is refused."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.workload_builders import START, a_workload, an_event, uid_of

from rollcall.domain.records import Phase
from rollcall.store.event_writes import OwnedEvent, write_events
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall_api.event_models import EventList, History
from rollcall_api.models import Error

pytestmark = pytest.mark.anyio

CLUSTER = uid_of("cluster")
ENDS = ("events", "history")
KEY = {"events": "events", "history": "records"}


def path_of(end: str, name: str = "train") -> str:
    return f"/api/v1/workloads/{uid_of(name)}/{end}"


@pytest.fixture
async def happened(write, engine: AsyncEngine) -> None:
    """Three events of a live workload and one of a deleted one."""
    gone = Gone(uid=uid_of("old"), observed_version=99, at=START, seen=DeletionSeen.EXACT)
    records = (a_workload(phase=Phase.RUNNING, phase_message=None), a_workload("old"), a_workload("quiet"))
    await write(Batch(workloads=records, gone_workloads=(gone,)))
    events = [
        OwnedEvent(event=an_event(f"e{number}", at=START + timedelta(minutes=number + 1)), workload_uid=uid_of("train"))
        for number in range(3)
    ]
    events.append(OwnedEvent(event=an_event("of-old"), workload_uid=uid_of("old")))
    async with engine.begin() as connection:
        await write_events(connection, CLUSTER, events, observed_at=START + timedelta(days=1))


async def answer_of(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Rollcall-Observed-At"] == "2026-01-01T00:00:00Z"
    body: dict[str, Any] = answer.json()
    (EventList if "events" in body else History).model_validate(body)
    return body


@pytest.mark.usefixtures("happened")
async def test_events_are_the_newest_first_unless_asked_otherwise(client: httpx.AsyncClient) -> None:
    body = await answer_of(client, path_of("events"))
    assert [event["id"] for event in body["events"]] == [uid_of(name) for name in ("e2", "e1", "e0")]
    assert "next" not in body
    oldest = await answer_of(client, path_of("events"), sortOrder="asc")
    assert oldest["events"] == body["events"][::-1]


@pytest.mark.usefixtures("happened")
@pytest.mark.parametrize("end", ENDS)
async def test_pages_follow_each_other_to_the_end(client: httpx.AsyncClient, end: str) -> None:
    whole = (await answer_of(client, path_of(end)))[KEY[end]]
    assert len(whole) == {"events": 3, "history": 4}[end]
    read: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = await answer_of(client, path_of(end), offset=offset, limit=2)
        read += page[KEY[end]]
        offset = page.get("next")
    assert read == whole


@pytest.mark.usefixtures("happened")
async def test_history_has_the_phase_without_a_message_as_well(client: httpx.AsyncClient) -> None:
    body = await answer_of(client, path_of("history"))
    assert [one["meta"]["type"] for one in body["records"]] == ["Event"] * 3 + ["PhaseUpdate"]
    assert body["records"][-1]["spec"] == {"event": None, "phaseUpdate": {"phase": "Running", "phaseMessage": ""}}
    assert body["records"][0]["spec"]["phaseUpdate"] is None


@pytest.mark.usefixtures("happened")
async def test_deleted_workloads_have_theirs_and_quiet_ones_an_empty_page(client: httpx.AsyncClient) -> None:
    assert [one["id"] for one in (await answer_of(client, path_of("events", "old")))["events"]] == [uid_of("of-old")]
    assert await answer_of(client, path_of("events", "quiet")) == {"events": []}
    assert len((await answer_of(client, path_of("history", "old")))["records"]) == 2


@pytest.mark.usefixtures("happened")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("query", "word"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("offset=-1", "offset"), ("offset=1&offset=2", "offset")],
)
async def test_what_cannot_be_read_is_refused_by_name(
    client: httpx.AsyncClient, end: str, query: str, word: str
) -> None:
    answer = await client.get(f"{path_of(end)}?{query}")
    assert answer.status_code == 400
    assert word in Error.model_validate(answer.json()).message


@pytest.mark.usefixtures("happened")
async def test_an_order_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(path_of("events"), params={"sortOrder": "newest"})
    assert (answer.status_code, "sortOrder" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["nobody", None])
async def test_no_such_workload_is_a_404(client: httpx.AsyncClient, end: str, name: str | None) -> None:
    path = path_of(end, name) if name else f"/api/v1/workloads/no-uuid/{end}"
    answer = await client.get(path)
    assert (answer.status_code, Error.model_validate(answer.json()).code) == (404, 404)
