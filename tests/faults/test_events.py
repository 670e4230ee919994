"""Kubernetes events beside the view: they never hold it up, and are the one thing that may be missing."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.operator_in_hand import NOW, Life, key_of, with_one_workload
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import RUNNING, SimulatedCluster, a_pod_body, owned_by

from rollcall.errors import StoreUnavailable
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall_demo.resources import EVENT, JOB
from rollcall_operator import event_log
from rollcall_operator.cluster_state import POD
from rollcall_operator.event_log import BATCH, HOLD, MOST_WAITING, EventLog
from rollcall_operator.measures import Measures
from rollcall_operator.surroundings import NAMESPACE

OperatorOf = Callable[..., OperatorProcess]

WRITTEN = "rollcall_kubernetes_events_written_total"
DROPPED = "rollcall_kubernetes_events_dropped_total"
WATCHED = "rollcall_kubernetes_events_watched"


def an_event(name: str, about: str = "live-0", *, namespace: str = "lab", count: int = 1) -> dict[str, Any]:
    """An Event object; its uid is its name."""
    at = (NOW + timedelta(seconds=count)).isoformat()
    return {
        "metadata": {"uid": name, "name": name, "namespace": namespace, "creationTimestamp": NOW.isoformat()},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": about, "uid": about},
        "type": "Normal",
        "reason": "Pulled",
        "message": f"{name} happened",
        "lastTimestamp": at,
        "count": count,
    }


class Log:
    """A cluster with one workload, and its events in the test's own hands."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.life: Life = with_one_workload(engine)
        self.life.now += timedelta(days=1)
        self.measures = Measures()
        self.log = self.on(engine)

    def on(self, engine: AsyncEngine) -> EventLog:
        """A log on another database."""
        return EventLog(self.life.state, engine, "c1", clock=lambda: self.life.now, measures=self.measures)

    def counted(self, name: str) -> float | None:
        return self.measures.registry.get_sample_value(name)


@pytest.fixture
def held(engine: AsyncEngine) -> Log:
    return Log(engine)


@pytest.fixture
async def nowhere() -> AsyncIterator[AsyncEngine]:
    """An engine whose database is away."""
    dsn = SecretStr("postgresql://127.0.0.1:1/rollcall")
    engine = create_engine(DatabaseSettings(dsn=dsn, connect_timeout_seconds=2), application_name="test")
    yield engine
    await engine.dispose()


async def stored(engine: AsyncEngine) -> dict[str, tuple[str, int]]:
    """Workload and count of each event that is stored, by its uid."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT uid, workload_uid, count FROM events"))
        return {row.uid: (row.workload_uid, row.count) for row in rows}


@pytest.mark.anyio
async def test_events_are_on_the_workload_of_their_object(held: Log, engine: AsyncEngine) -> None:
    held.life.see(key_of(JOB), "other", api_version="batch/v1", status=RUNNING)
    held.log.observe(an_event("of-the-pod"))
    held.log.observe(an_event("of-the-top", "live"))
    held.log.observe(an_event("of-another", "other"))
    assert await held.log.flush() == 3
    wanted = {"of-the-pod": ("live", 1), "of-the-top": ("live", 1), "of-another": ("other", 1)}
    assert await stored(engine) == wanted
    assert held.counted(WRITTEN) == 3


@pytest.mark.anyio
async def test_what_happens_again_and_again_waits_once(held: Log, engine: AsyncEngine) -> None:
    for count in range(1, 101):
        held.log.observe(an_event("back-off", count=count))
    assert len(held.log) == 1
    await held.log.flush()
    held.log.observe(an_event("back-off", count=200))
    await held.log.flush()
    assert await stored(engine) == {"back-off": ("live", 200)}


@pytest.mark.anyio
async def test_an_event_that_is_ahead_of_its_pod_waits_for_it(held: Log, engine: AsyncEngine) -> None:
    held.log.observe(an_event("early", "live-1"))
    assert await held.log.flush() == 0
    held.log.observe(an_event("early", "live-1", count=2))
    held.life.see(POD, "live-1", owner=owned_by(JOB, "live", "live"), **a_pod_body())
    held.life.now += HOLD
    assert await held.log.flush() == 1
    assert await stored(engine) == {"early": ("live", 2)}
    assert len(held.log) == 0


@pytest.mark.anyio
async def test_an_event_of_what_went_is_found_by_its_row_and_one_of_nobody_is_let_go(
    held: Log, engine: AsyncEngine
) -> None:
    pod = held.life.see(POD, "gone-0", owner=owned_by(JOB, "live", "live"), **a_pod_body())
    await held.life.flush()
    held.life.gone(POD, pod)
    await held.life.flush()
    held.log.observe(an_event("killing", "gone-0"))
    held.log.observe(an_event("of-a-claim", "some-claim"))
    await held.log.flush()
    held.life.now += HOLD
    assert await held.log.flush() == 2
    assert await stored(engine) == {"killing": ("live", 1)}
    assert (len(held.log), held.counted(WRITTEN), held.counted(DROPPED)) == (0, 1, 0)


@pytest.mark.anyio
async def test_events_outside_of_projects_never_wait(held: Log) -> None:
    for namespace in ("elsewhere", "kube-system"):
        held.life.see(NAMESPACE, namespace)
    held.log.observe(an_event("elsewhere", namespace="elsewhere"))
    held.log.observe(an_event("of-the-system", namespace="kube-system"))
    held.log.observe(an_event("of-a-node", namespace=""))
    held.log.observe({"kind": "Event"})
    assert len(held.log) == 0
    # A namespace that is not known yet may turn out to be a project's.
    held.log.observe(an_event("unknown", namespace="new"))
    assert len(held.log) == 1


@pytest.mark.anyio
async def test_the_newest_wait_while_the_database_is_away(held: Log, engine: AsyncEngine, nowhere: AsyncEngine) -> None:
    away = held.on(nowhere)
    for number in range(MOST_WAITING + 50):
        away.observe(an_event(f"e-{number}"))
    assert (len(away), held.counted(DROPPED)) == (MOST_WAITING, 50)
    with pytest.raises(StoreUnavailable):
        await away.flush()
    assert (len(away), held.counted(DROPPED)) == (MOST_WAITING, 50)
    away._engine = engine  # noqa: SLF001 - it is back
    written = 0
    while taken := await away.flush():
        assert taken <= BATCH
        written += taken
    assert written == MOST_WAITING
    assert set(await stored(engine)) == {f"e-{number}" for number in range(50, MOST_WAITING + 50)}


@pytest.mark.anyio
async def test_what_came_while_a_write_failed_is_newer_than_what_it_took(
    held: Log, engine: AsyncEngine, nowhere: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MOST_WAITING", 3)
    away = held.on(nowhere)
    for name in ("a", "b", "c"):
        away.observe(an_event(name))

    taken = away._take(held.life.now)  # noqa: SLF001 - as a flush does before it waits for the database
    away.observe(an_event("a", count=5))
    away.observe(an_event("d"))
    away._put_back(taken)  # noqa: SLF001 - and as it does when there is no answer
    assert (len(away), held.counted(DROPPED)) == (3, 1)
    away._engine = engine  # noqa: SLF001 - it is back
    await away.flush()
    assert await stored(engine) == {"a": ("live", 5), "d": ("live", 1), "c": ("live", 1)}


@pytest.mark.anyio
async def test_what_the_database_refuses_is_dropped_and_counted(held: Log, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    held.log.observe(an_event("refused"))
    assert await held.log.flush() == 1
    assert (len(held.log), held.counted(DROPPED), held.counted(WRITTEN)) == (0, 1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("poison", [("e-7",), ("e-0", "e-7", "e-39")])
async def test_what_can_never_be_written_takes_no_other_event_with_it(
    held: Log, engine: AsyncEngine, poison: tuple[str, ...]
) -> None:
    async with engine.begin() as connection:
        refused = ", ".join(f"'{uid}'" for uid in poison)
        await connection.execute(text(f"ALTER TABLE events ADD CONSTRAINT no_poison CHECK (uid NOT IN ({refused}))"))
    for number in range(40):
        held.log.observe(an_event(f"e-{number}"))
    turns = 0
    while await held.log.flush():
        turns += 1
    assert turns < 15 * len(poison) + 5
    assert set(await stored(engine)) == {f"e-{number}" for number in range(40)} - set(poison)
    assert (len(held.log), held.counted(DROPPED), held.counted(WRITTEN)) == (0, len(poison), 40 - len(poison))


def put(cluster: SimulatedCluster, name: str, about: str) -> None:
    """Create an Event in the simulated cluster, about an object by its uid."""
    involved = {"kind": "Job", "namespace": "lab", "name": "a-job", "uid": about}
    at = datetime.now(UTC).isoformat()
    body = {"involvedObject": involved, "type": "Normal", "reason": "Tested", "message": name, "lastTimestamp": at}
    cluster.create(EVENT, name, **body)


def messages(rows: Rows) -> set[str]:
    return {row["message"] for row in rows.query("SELECT message FROM events")}


FLOOD = 15_000


def test_a_flood_of_events_holds_up_no_row(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    about = cluster.a_job("steady")
    with operator_of() as operator:
        rows.until("lab", "steady", phase="Running")

        def flood() -> None:
            # More than the history holds: the watch is told to list again.
            for number in range(FLOOD):
                involved = {"kind": "Job", "namespace": "lab", "name": "steady", "uid": about}
                metadata = {"name": f"e-{number}", "namespace": "lab", "uid": f"e-{number}"}
                metadata["creationTimestamp"] = datetime.now(UTC).isoformat()
                body = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved}
                cluster.server.objects.create(EVENT, {**body, "message": f"e-{number}", "reason": "Flood"})

        cluster.do(flood)
        cluster.a_job("in-the-flood")
        rows.until("lab", "in-the-flood", phase="Running")
        assert rows.query("SELECT count(*) AS n FROM events")[0]["n"] < FLOOD, "the flood was over before the row"
        eventually(lambda: rows.query("SELECT count(*) AS n FROM events")[0]["n"], lambda number: number == FLOOD)
        assert operator.metric(DROPPED) == 0
        eventually(operator.readiness, lambda answer: answer == "ok")


def test_where_events_may_not_be_listed_everything_else_goes_on(
    cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows
) -> None:
    cluster.do(cluster.server.faults.forbid, EVENT)
    with operator_of() as operator:
        about = cluster.a_job("seen")
        rows.until("lab", "seen", phase="Running")
        asking = ("GET", "/api/v1/events")
        # A refusal is made sure of by asking twice, and only then told.
        eventually(operator.log, lambda text: '"events_forbidden"' in text)
        before = cluster.requests.count(asking)
        eventually(lambda: cluster.requests.count(asking), lambda asked: asked >= before + 4)
        assert operator.metric(WATCHED) == 0
        eventually(operator.readiness, lambda answer: answer == "ok")
        assert operator.log().count('"events_forbidden"') == 1
        put(cluster, "now-allowed", about)
        cluster.do(cluster.server.faults.heal)
        eventually(lambda: messages(rows), lambda found: found == {"now-allowed"})
        assert operator.metric(WATCHED) == 1


LAST_WORDS = {
    "a reset": {},
    "a line that is no JSON": {"last_words": b"{]\n", "cleanly": True},
    "a line that is no object": {"last_words": b"[1]\n", "cleanly": True},
    "a forgotten version": {
        "last_words": json.dumps({"type": "ERROR", "object": {"code": 410}}).encode() + b"\n",
        "cleanly": True,
    },
    "an error": {
        "last_words": json.dumps({"type": "ERROR", "object": {"code": 500}}).encode() + b"\n",
        "cleanly": True,
    },
}


def test_a_watch_that_breaks_goes_on(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    about = cluster.a_job("steady")
    # Each break is one of every watch, and the pauses before kopf's next start double: they are no death of a watch.
    with operator_of(operator__watch_limit_seconds=120) as operator:
        rows.until("lab", "steady", phase="Running")
        seen = {"first"}
        put(cluster, "first", about)
        eventually(lambda: messages(rows), lambda found: found == seen)
        for name, words in LAST_WORDS.items():
            cluster.do(cluster.server.faults.drop_watches, **words)
            put(cluster, name.replace(" ", "-"), about)
            seen.add(name.replace(" ", "-"))
            eventually(lambda: messages(rows), lambda found: found == seen)
        eventually(operator.readiness, lambda found: found == "ok")


def test_turned_off_nobody_asks_for_them(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    with operator_of(operator__events="false") as operator:
        put(cluster, "unheard", cluster.a_job("seen"))
        rows.until("lab", "seen", phase="Running")
        assert operator.metric(WATCHED) == 0
    assert ("GET", "/api/v1/events") not in cluster.requests
    assert messages(rows) == set()
