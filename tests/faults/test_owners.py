"""Owners that no watch brings: read once however many wait, remembered for a while, and never guessed."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine
from support.chains import Object, World, an_object, chain, key_of
from support.rows import Rows

from rollcall.domain.facts import DomainSettings
from rollcall.settings import DatabaseSettings
from rollcall.store.records import OpenWorkload
from rollcall_operator.cluster_state import POD
from rollcall_operator.flusher import Flusher
from rollcall_operator.listing import Listed, Lists, Standing
from rollcall_operator.measures import Measures
from rollcall_operator.owners import FORBIDDEN_FOR, FOUND_FOR, GONE_FOR, PATIENCE, OwnerReader
from rollcall_operator.sweep import Sweeper
from rollcall_operator.watches import WatchedKind

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Api:
    """An API server of one group, whose answers a test sets by name."""

    def __init__(self) -> None:
        self.answers: dict[str, Object | int] = {}
        self.reads: Counter[str] = Counter()
        self.served = ["Thing", "Middle"]
        self.namespaced = True
        self.url = ""

    async def groups(self, _request: web.Request) -> web.Response:
        version = {"groupVersion": "example.com/v1", "version": "v1"}
        return web.json_response(
            {"groups": [{"name": "example.com", "preferredVersion": version, "versions": [version]}]}
        )

    async def kinds(self, _request: web.Request) -> web.Response:
        verbs = ["get", "list", "watch"]
        kinds = [
            {"name": f"{kind.lower()}s", "kind": kind, "namespaced": self.namespaced, "verbs": verbs}
            for kind in self.served
        ]
        return web.json_response({"resources": kinds})

    async def forbid(self, _request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "code": 403}, status=403)

    async def read(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.reads[name] += 1
        assert "PartialObjectMetadata" in request.headers["Accept"]
        answer = self.answers.get(name, 404)
        if isinstance(answer, int):
            return web.json_response({"kind": "Status", "code": answer}, status=answer)
        if answer["metadata"]["namespace"] != request.match_info["namespace"]:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        return web.json_response({"kind": "PartialObjectMetadata", "metadata": answer["metadata"]})


class Life:
    """A world, the API behind it, and a clock that is moved."""

    def __init__(self, api: Api, session: aiohttp.ClientSession, *objects: Object) -> None:
        self.now = NOW
        self.api = api
        self.world = World(*objects)
        self.state = self.world.state
        keys = {key_of(obj) for obj in objects if self.world.is_watched(obj)}
        self.reader = OwnerReader(self.state, session, api.url, watched=lambda key: key in keys, clock=lambda: self.now)

    async def later(self, by: timedelta) -> int:
        self.now += by
        return await self.reader.read_missing()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The API server, on a port of its own."""
    api = Api()
    application = web.Application()
    application.router.add_get("/apis", api.groups)
    application.router.add_get("/apis/example.com/v1", api.kinds)
    application.router.add_get("/apis/example.com/v1/namespaces/{namespace}/{plural}/{name}", api.read)
    application.router.add_get("/apis/example.com/v1/{plural}/{name}", api.forbid)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session to it."""
    async with aiohttp.ClientSession() as session:
        yield session


def pods_of(owner: Object, number: int) -> list[Object]:
    return [an_object("Pod", f"pod-{one}", owner) for one in range(number)]


async def test_one_read_serves_all_who_wait_and_who_comes_later(api: Api, session: aiohttp.ClientSession) -> None:
    thing = an_object("Thing", "thing")
    api.answers["thing"] = thing
    life = Life(api, session, *pods_of(thing, 20))
    for pod in life.world.objects.values():
        life.world.see(pod)
    assert await life.reader.read_missing() == 1
    life.world.see(an_object("Pod", "later", thing))
    assert await life.reader.read_missing() == 0
    assert api.reads == {"thing": 1}
    assert len(life.world.workloads()["Thing/thing"]) == 21


async def test_what_is_found_holds_for_ten_minutes(api: Api, session: aiohttp.ClientSession) -> None:
    thing = an_object("Thing", "thing")
    api.answers["thing"] = thing
    life = Life(api, session)
    life.world.see(an_object("Pod", "a", thing))
    await life.reader.read_missing()
    life.world.see(an_object("Pod", "b", thing))
    assert await life.later(FOUND_FOR - timedelta(seconds=1)) == 0
    await life.later(timedelta(seconds=2))
    # By now something owns the owner: the next who needs it finds out, and all others with it.
    top = an_object("Job", "top")
    api.answers["thing"] = an_object("Thing", "thing", top)
    life.world.see(top)
    life.world.see(an_object("Pod", "c", thing))
    assert await life.reader.read_missing() == 1
    assert life.world.workloads() == {"Job/top": {"a", "b", "c"}}


async def test_who_waits_for_an_owner_that_is_read_again_stays_where_it_was(
    api: Api, session: aiohttp.ClientSession
) -> None:
    thing = an_object("Thing", "thing")
    api.answers["thing"] = thing
    life = Life(api, session)
    pod = an_object("Pod", "a", thing)
    life.world.see(pod)
    await life.reader.read_missing()
    await life.later(FOUND_FOR + timedelta(seconds=1))
    api.answers["thing"] = 503
    relabelled = an_object("Pod", "a", thing, labels={"spark-role": "driver"})
    life.world.see(relabelled)
    await life.reader.read_missing()
    assert life.state.unresolved.keys() == {"a"}
    assert life.world.workloads() == {"Thing/thing": {"a"}}
    api.answers["thing"] = an_object("Thing", "thing", an_object("Job", "top"))
    life.world.see(an_object("Job", "top"))
    await life.reader.read_missing()
    assert life.world.workloads() == {"Job/top": {"a"}}


@pytest.mark.parametrize("answer", [403, 401, "not served"])
async def test_who_may_not_be_read_is_known_by_reference_and_asked_again_after_ten_minutes(
    api: Api, session: aiohttp.ClientSession, answer: Any
) -> None:
    thing, top = an_object("Thing", "thing"), an_object("Job", "top")
    api.answers["thing"] = answer if isinstance(answer, int) else 404
    api.served = ["Middle"] if answer == "not served" else api.served
    life = Life(api, session)
    life.world.see(top)
    life.world.see(an_object("Pod", "a", thing))
    await life.reader.read_missing()
    assert life.world.workloads() == {"Thing/thing": {"a"}, "Job/top": set()}
    api.answers["thing"] = an_object("Thing", "thing", top)
    api.served = ["Thing"]
    life.world.see(an_object("Pod", "b", thing))
    assert await life.later(FORBIDDEN_FOR - timedelta(seconds=1)) == 0
    # Nobody new needs it, and still whoever is below it moves.
    assert await life.later(timedelta(seconds=2)) == 1
    assert life.world.workloads() == {"Job/top": {"a", "b"}}


async def test_an_owner_of_no_namespace_that_may_not_be_read_takes_no_pods(
    api: Api, session: aiohttp.ClientSession
) -> None:
    api.namespaced = False
    life = Life(api, session)
    fleet = an_object("Thing", "fleet", namespace=None)
    for pod in (an_object("Pod", "a", fleet), an_object("Pod", "b", fleet, namespace="other")):
        life.world.see(pod)
    await life.reader.read_missing()
    assert life.world.workloads() == {"Pod/a": {"a"}, "Pod/b": {"b"}}


async def test_who_may_not_be_read_and_is_needed_no_more_is_not_asked_for_again(
    api: Api, session: aiohttp.ClientSession
) -> None:
    pod = an_object("Pod", "a", an_object("Thing", "thing"))
    api.answers["thing"] = 403
    life = Life(api, session)
    life.world.see(pod)
    await life.reader.read_missing()
    life.world.lose(pod)
    assert await life.later(FORBIDDEN_FOR + timedelta(seconds=1)) == 0


@pytest.mark.parametrize("answer", ["gone", "another of that name", "in another namespace"])
async def test_who_is_gone_is_known_by_reference_for_a_minute(
    api: Api, session: aiohttp.ClientSession, answer: str
) -> None:
    thing = an_object("Thing", "thing", uid="old")
    if answer == "another of that name":
        api.answers["thing"] = an_object("Thing", "thing", an_object("Job", "job"), uid="new")
    elif answer == "in another namespace":
        api.answers["thing"] = an_object("Thing", "thing", uid="old", namespace="other")
    life = Life(api, session)
    life.world.see(an_object("Pod", "a", thing))
    assert await life.reader.read_missing() == 1
    assert life.world.workloads() == {"Thing/thing": {"a"}}
    life.world.see(an_object("Pod", "b", thing))
    assert await life.later(GONE_FOR - timedelta(seconds=1)) == 0
    await life.later(timedelta(seconds=2))
    life.world.see(an_object("Pod", "c", thing))
    assert await life.reader.read_missing() == 1
    assert life.world.workloads() == {"Thing/thing": {"a", "b", "c"}}


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_no_answer_is_no_answer(api: Api, session: aiohttp.ClientSession, status: int) -> None:
    """Nothing is shown under a wrong top: it waits, and the next round asks again."""
    thing = an_object("Thing", "thing")
    api.answers["thing"] = status
    life = Life(api, session)
    life.world.see(an_object("Pod", "a", thing))
    await life.reader.read_missing()
    assert life.state.unresolved.keys() == {"a"}
    assert not life.state.dirty
    api.answers["thing"] = thing
    await life.reader.read_missing()
    assert life.world.workloads() == {"Thing/thing": {"a"}}


async def test_an_owner_of_a_watched_kind_is_waited_for_before_it_is_read(
    api: Api, session: aiohttp.ClientSession
) -> None:
    pod, job = chain("Pod", "Job")
    life = Life(api, session, pod, job)
    life.world.see(pod)
    assert await life.reader.read_missing() == 0
    assert await life.later(PATIENCE - timedelta(seconds=1)) == 0
    life.world.see(job)
    assert await life.later(timedelta(minutes=1)) == 0
    assert life.world.workloads() == {"Job/job-2": {"pod-1"}}


# The record of what turns out to be part of another


async def test_a_row_is_closed_when_its_object_turns_out_to_be_anothers(
    engine: AsyncEngine, database: DatabaseSettings, api: Api, session: aiohttp.ClientSession
) -> None:
    api.answers["thing"] = 403
    thing, top = an_object("Thing", "thing"), an_object("CronJob", "top")
    job = an_object("Job", "job", thing)
    pod = an_object("Pod", "pod", job)
    life = Life(api, session)
    life.state.seen = None
    flusher = Flusher(
        life.state,
        engine,
        "c1",
        settings=DomainSettings(),
        batch_size=500,
        clock=lambda: life.now,
        measures=Measures(),
    )
    for obj in (top, job, pod):
        life.world.see(obj)
    await life.reader.read_missing()
    while await flusher.flush():
        pass
    live = "SELECT kind, name FROM workloads ORDER BY kind"
    assert Rows(database).query(live) == [{"kind": "CronJob", "name": "top"}, {"kind": "Job", "name": "job"}]
    api.answers["thing"] = an_object("Thing", "thing", top)
    await life.later(FORBIDDEN_FOR + timedelta(seconds=1))
    while await flusher.flush():
        pass
    assert Rows(database).query(live) == [{"kind": "CronJob", "name": "top"}]
    assert Rows(database).query("SELECT name, workload_uid FROM pods") == [{"name": "pod", "workload_uid": "top"}]


async def test_a_row_of_before_is_closed_by_the_sweep_when_its_object_is_anothers(
    api: Api, session: aiohttp.ClientSession
) -> None:
    """Written by an operator that did not know better; this one never writes it."""
    top = an_object("CronJob", "top")
    job, alone = an_object("Job", "job", top), an_object("Job", "alone")
    life = Life(api, session)
    for obj in (top, job, alone):
        life.world.see(obj)
    sweeper = Sweeper(
        life.state, session, api.url, [WatchedKind(key=key_of(job), plural="jobs")], clock=lambda: life.now
    )
    listed = Listed(standing=Standing.LISTED, uids=frozenset({"job", "alone"}), version=50)
    rows = {
        name: OpenWorkload(uid=name, api_group="batch", kind="Job", namespace="lab", name=name, observed_version=3)
        for name in ("job", "alone")
    }
    sweeper.compare(Lists(by_kind={key_of(job): listed, POD: Listed(standing=Standing.LISTED)}), rows, {})
    assert life.state.ended.keys() == {"job"}


async def test_nothing_is_remembered_of_owners_that_nobody_needs(api: Api, session: aiohttp.ClientSession) -> None:
    middle = an_object("Middle", "middle", an_object("Thing", "thing"))
    api.answers = {"middle": middle, "thing": 403}
    pods = pods_of(middle, 3)
    life = Life(api, session)
    for pod in pods:
        life.world.see(pod)
    await life.reader.read_missing()
    await life.reader.read_missing()
    assert len(life.state.belonging.looked_up) == 2
    assert life.state.forget_owners() == 0
    for pod in pods:
        life.world.lose(pod)
    assert life.state.forget_owners() == 2
    held = {name: value for name, value in vars(life.state.belonging).items() if isinstance(value, dict)}
    assert not any(held.values()), held
