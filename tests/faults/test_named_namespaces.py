"""Lists of named namespaces, brought together: complete or not used, and nothing follows for what may not be listed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine
from support.operator_in_hand import NOW, Life, key_of, with_one_workload
from support.rows import Rows
from support.simulated_cluster import RUNNING, a_pod_body, owned_by

from rollcall.domain.facts import KindKey
from rollcall.errors import ClusterError
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.records import OpenWorkload
from rollcall_demo.resources import JOB
from rollcall_operator.cluster_state import POD, EventType
from rollcall_operator.life import WatchLife
from rollcall_operator.listing import Listed, Lists, Standing, merged
from rollcall_operator.namespaces import GONE_AFTER, Namespaces, UnreadError
from rollcall_operator.reach import Reach
from rollcall_operator.surroundings import NAMESPACE
from rollcall_operator.sweep import Sweeper

pytestmark = pytest.mark.anyio

LISTED, FORBIDDEN, FAILED = Standing.LISTED, Standing.FORBIDDEN, Standing.FAILED
REACH = Reach(("lab", "other"))


def listed(version: int, *uids: str) -> Listed:
    """A list of that version."""
    return Listed(standing=LISTED, uids=frozenset(uids), version=version)


REFUSED = Listed(standing=FORBIDDEN)
BROKEN = Listed(standing=FAILED)


@pytest.mark.parametrize(
    ("lab", "other", "wanted"),
    [
        (listed(7, "a"), listed(9, "b"), Listed(standing=LISTED, uids=frozenset({"a", "b"}), version=7)),
        (listed(9, "a"), listed(7), Listed(standing=LISTED, uids=frozenset({"a"}), version=7)),
        (
            listed(7, "a"),
            REFUSED,
            Listed(standing=LISTED, uids=frozenset({"a"}), version=7, refused=frozenset({"other"})),
        ),
        (listed(7, "a"), BROKEN, Listed(standing=FAILED)),
        (REFUSED, BROKEN, Listed(standing=FAILED, refused=frozenset({"lab"}))),
        (REFUSED, REFUSED, Listed(standing=FORBIDDEN, refused=frozenset({"lab", "other"}))),
    ],
    ids=["the oldest counts", "whichever it is", "one is refused", "one failed", "failed and refused", "all refused"],
)
def test_lists_of_namespaces_are_one(lab: Listed, other: Listed, wanted: Listed) -> None:
    assert merged({"lab": lab, "other": other}) == wanted


@pytest.mark.parametrize("one", [listed(7, "a"), REFUSED, BROKEN], ids=["listed", "refused", "failed"])
def test_the_whole_cluster_s_list_stays_as_it_is(one: Listed) -> None:
    assert merged({None: one}) == one


@pytest.fixture
async def engine(database: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """The test's database."""
    engine = create_engine(database, application_name="test")
    yield engine
    await engine.dispose()


class Swept:
    """One Job with a pod in each of two namespaces, and a sweep of lists that the test makes up."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.life = Life(engine)
        self.gone: frozenset[str] = frozenset()
        self.rows: dict[str, OpenWorkload] = {}
        self.pods: dict[str, str] = {}
        for namespace in REACH.namespaces:
            self.life.see(NAMESPACE, namespace, labels={"kai/project": namespace})
            job, pod = f"job-{namespace}", f"pod-{namespace}"
            self.life.see(key_of(JOB), job, namespace=namespace, api_version="batch/v1", status=RUNNING)
            self.life.see(POD, pod, namespace=namespace, owner=owned_by(JOB, job, job), **a_pod_body())
        self.sweeper = Sweeper(
            self.life.state,
            None,  # type: ignore[arg-type] - it lists nothing
            "",
            (),
            clock=lambda: self.life.now,
            reach=REACH,
            gone=lambda: self.gone,
        )

    def row(self, namespace: str, name: str) -> None:
        """A row of which nothing was seen since the start, and its pod's."""
        self.rows[name] = OpenWorkload(
            uid=name, api_group="batch", kind="Job", namespace=namespace, name=name, observed_version=1
        )
        self.pods[f"{name}-0"] = name

    def sweep(self, jobs: Listed, pods: Listed) -> set[str]:
        """Compare; what is to be closed."""
        self.sweeper.compare(Lists({key_of(JOB): jobs, POD: pods}), self.rows, self.pods)
        return {*self.life.state.ended, *self.life.state.gone_pods}


@pytest.fixture
def swept(engine: AsyncEngine) -> Swept:
    """A sweep of two namespaces."""
    return Swept(engine)


def both(lab: Listed, other: Listed) -> Listed:
    """The two namespaces' lists together."""
    return merged({"lab": lab, "other": other})


async def test_what_is_in_no_list_is_closed_in_its_namespace(swept: Swept) -> None:
    swept.row("other", "unseen")
    found = swept.sweep(both(listed(99, "job-lab"), listed(99)), both(listed(99, "pod-lab"), listed(99)))
    assert found == {"job-other", "pod-other", "unseen", "unseen-0"}


async def test_nothing_follows_for_a_namespace_that_may_not_be_listed(swept: Swept) -> None:
    swept.row("other", "unseen")
    swept.row("lab", "seen-before")
    found = swept.sweep(both(listed(99), REFUSED), both(listed(99), REFUSED))
    assert found == {"job-lab", "pod-lab", "seen-before", "seen-before-0"}


async def test_a_list_that_failed_closes_nothing_anywhere(swept: Swept) -> None:
    swept.row("lab", "unseen")
    assert swept.sweep(both(listed(99), BROKEN), both(listed(99), BROKEN)) == set()


async def test_what_is_newer_than_the_oldest_list_stays(swept: Swept) -> None:
    """It may have come after its own namespace's list, which nobody knows by then."""
    found = swept.sweep(both(listed(99), listed(1)), both(listed(99), listed(1)))
    assert found == set()


async def test_all_of_a_namespace_that_is_gone_is_closed(swept: Swept) -> None:
    swept.row("other", "unseen")
    swept.gone = frozenset({"other"})
    jobs, pods = both(listed(99, "job-lab"), REFUSED), both(listed(99, "pod-lab"), REFUSED)
    assert swept.sweep(jobs, pods) == {"job-other", "pod-other", "unseen", "unseen-0"}
    assert swept.life.state.pods.keys() == {"pod-lab"}


async def test_all_of_them_may_be_gone(swept: Swept) -> None:
    swept.row("other", "unseen")
    swept.gone = frozenset(REACH.namespaces)
    found = swept.sweep(both(REFUSED, REFUSED), both(REFUSED, REFUSED))
    assert found == {"job-lab", "pod-lab", "job-other", "pod-other", "unseen", "unseen-0"}


async def test_a_row_of_a_namespace_that_is_not_named_is_closed(swept: Swept) -> None:
    swept.row("formerly", "unseen")
    jobs, pods = listed(99, "job-lab", "job-other"), listed(99, "pod-lab", "pod-other")
    assert swept.sweep(jobs, pods) == {"unseen", "unseen-0"}


async def test_a_label_that_is_given_back_opens_the_rows(engine: AsyncEngine, database: DatabaseSettings) -> None:
    """Though nothing of the workload has changed since they were closed."""
    life, rows = with_one_workload(engine), Rows(database)
    await life.flush()
    assert rows.live("lab", "live")
    life.see(NAMESPACE, "lab", labels={})
    await life.flush()
    assert not rows.live("lab", "live")
    life.see(NAMESPACE, "lab", labels={"kai/project": "lab"})
    await life.flush()
    assert rows.live("lab", "live")["phase"] == "Running"


async def test_a_watch_shows_life_in_its_own_namespace(api: "Api") -> None:
    """Else one that is alive would hide all others that died."""
    now = NOW
    life = WatchLife(lambda: now)
    for namespace in ("lab", "other"):
        life.expect(POD, "pods", namespace)
    now += timedelta(seconds=60)
    async with aiohttp.ClientSession(trace_configs=[life.trace()]) as session:
        for query in ("", "?watch=true", "?continue=x"):
            await session.get(f"{api.url}/api/v1/namespaces/lab/pods{query}")
        assert life.ages() == {POD: 60}
        assert life.dead(59) == (POD,)
        assert not life.relisted.is_set(), "each was listed once at most"
        await session.get(f"{api.url}/api/v1/namespaces/other/pods")
        assert life.ages() == {POD: 0}
        assert not life.relisted.is_set()
        await session.get(f"{api.url}/api/v1/namespaces/lab/pods")
        assert life.relisted.is_set()
    now += timedelta(seconds=60)
    life.note(POD, "lab")
    life.release(POD, "other")
    assert life.ages() == {POD: 0}


class Api:
    """Answers of an API server for a namespace and for its pods: a status each."""

    def __init__(self) -> None:
        self.namespace, self.pods = 200, 200
        self.labels: dict[str, str] = {}
        self.version = 1
        self.terminating = False
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """The namespace, or its pods."""
        status = self.pods if request.path.endswith("/pods") else self.namespace
        metadata: dict[str, Any] = {"name": "lab", "uid": "lab", "resourceVersion": str(self.version)}
        if self.terminating:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return web.json_response({"metadata": {**metadata, "labels": self.labels}}, status=status)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """It serves."""
    api = Api()
    application = web.Application()
    application.router.add_get("/{path:.*}", api.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


class Reader:
    """What is read of one namespace, and what is told of it."""

    def __init__(self, api: Api, session: aiohttp.ClientSession) -> None:
        self.now = NOW
        self.told: list[tuple[EventType, dict[str, str]]] = []
        self.unread: frozenset[str] = frozenset()
        life = WatchLife(lambda: self.now)
        self.namespaces = Namespaces(
            session, api.url, ("lab",), door=self.door, unread=self.take, life=life, clock=lambda: self.now
        )

    def door(self, key: KindKey, event: EventType, obj: Any) -> None:
        """What a watch of namespaces would bring."""
        assert key == NAMESPACE
        self.told.append((event, obj["metadata"]["labels"]))

    def take(self, names: frozenset[str]) -> None:
        """Which may not be read."""
        self.unread = names

    @property
    def gone(self) -> bool:
        """Whether it is taken for gone."""
        return self.namespaces.gone == {"lab"}


@pytest.fixture
async def reader(api: Api) -> AsyncIterator[Reader]:
    """A reader of one namespace."""
    async with aiohttp.ClientSession() as session:
        yield Reader(api, session)


async def test_a_namespace_is_told_when_it_changes(api: Api, reader: Reader) -> None:
    await reader.namespaces.begin()
    await reader.namespaces.begin()
    api.labels, api.version = {"a": "b"}, 2
    await reader.namespaces.begin()
    api.namespace = 404
    await reader.namespaces.begin()
    await reader.namespaces.begin()
    assert reader.gone
    api.namespace, api.version = 200, 3
    await reader.namespaces.begin()
    seen, deleted = EventType.SEEN, EventType.DELETED
    assert [event for event, _ in reader.told] == [seen, seen, deleted, seen]
    assert [labels for _, labels in reader.told][1:] == [{"a": "b"}] * 3
    assert not reader.gone


async def test_a_refusal_of_everything_is_a_namespace_that_is_gone_after_a_while(api: Api, reader: Reader) -> None:
    await reader.namespaces.begin()
    api.namespace = api.pods = 403
    await reader.namespaces.begin()
    assert not reader.gone
    assert [event for event, _ in reader.told] == [EventType.SEEN]
    reader.now += GONE_AFTER
    await reader.namespaces.begin()
    assert reader.gone
    assert [event for event, _ in reader.told] == [EventType.SEEN, EventType.DELETED]
    assert not reader.unread


async def test_rights_that_are_back_in_time_change_nothing(api: Api, reader: Reader) -> None:
    await reader.namespaces.begin()
    api.namespace = api.pods = 403
    await reader.namespaces.begin()
    reader.now += GONE_AFTER - timedelta(seconds=1)
    api.namespace = api.pods = 200
    await reader.namespaces.begin()
    reader.now += GONE_AFTER
    assert not reader.gone
    assert [event for event, _ in reader.told] == [EventType.SEEN]


async def test_one_that_was_being_deleted_is_gone_at_once(api: Api, reader: Reader) -> None:
    api.terminating = True
    await reader.namespaces.begin()
    assert not reader.gone
    api.namespace = api.pods = 403
    await reader.namespaces.begin()
    assert reader.gone
    assert [event for event, _ in reader.told] == [EventType.SEEN, EventType.DELETED]


async def test_one_that_may_not_be_read_stays_as_it_was_known(api: Api, reader: Reader) -> None:
    await reader.namespaces.begin()
    api.namespace = 403
    with pytest.raises(UnreadError):
        await reader.namespaces.begin()
    reader.now += GONE_AFTER
    assert not reader.gone
    assert not reader.unread
    assert [event for event, _ in reader.told] == [EventType.SEEN]


async def test_one_that_was_never_read_is_said_to_be_unread(api: Api, reader: Reader) -> None:
    api.namespace = 403
    with pytest.raises(UnreadError, match="may not read the namespace lab"):
        await reader.namespaces.begin()
    assert reader.unread == {"lab"}
    api.namespace = 200
    await reader.namespaces.begin()
    assert not reader.unread


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_no_answer_is_no_verdict(api: Api, reader: Reader, status: int) -> None:
    await reader.namespaces.begin()
    api.namespace = api.pods = status
    with pytest.raises(ClusterError):
        await reader.namespaces.begin()
    reader.now += GONE_AFTER
    assert not reader.gone
    assert [event for event, _ in reader.told] == [EventType.SEEN]
