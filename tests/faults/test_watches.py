"""Watches that break in every way: what was missed is found, the rest stays, and a dead watch ends the process.

The faults are those of a simulated API server, on purpose; the operator is a process as an admin starts it.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import kopf
import pytest
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import COMPLETED, RUNNING, SimulatedCluster, exit_code_of, sentence_of

from rollcall.settings import DatabaseSettings
from rollcall_demo.resources import JOB, POD
from rollcall_operator import kopf_settings, watches
from rollcall_operator.cluster_state import POD as POD_KEY
from rollcall_operator.life import WatchLife
from rollcall_operator.watched import watched_kinds
from rollcall_operator.watches import Watches

OperatorOf = Callable[..., OperatorProcess]

JOBS = "/apis/batch/v1/jobs"
POD_AGE = 'rollcall_watch_age_seconds{group="",kind="Pod"}'


@pytest.fixture(scope="module")
def watching(
    tmp_path_factory: pytest.TempPathFactory, shared_database: DatabaseSettings
) -> Iterator[tuple[SimulatedCluster, OperatorProcess, Rows]]:
    """One operator for all that it survives. Its sweeps are those that a gap asks for: the next by the clock is far.

    Test after test breaks its watches, and from one start of kopf to the next the pauses grow: to more than a watch
    may be silent, so that here they end growing sooner.
    """
    short_pauses = "from rollcall_operator import watches\nwatches.LONGEST_PAUSE_SECONDS = 2.0"
    folder = tmp_path_factory.mktemp("watching")
    with (
        SimulatedCluster(folder) as cluster,
        OperatorProcess(
            folder, cluster.kubeconfig, shared_database, before=short_pauses, operator__watch_limit_seconds=20
        ) as operator,
    ):
        yield cluster, operator, Rows(shared_database)


def an_error(code: int) -> bytes:
    """The last line of a watch that the API server gives up."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "message": "etcdserver: no leader",
    }
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


MID_LINE = b'{"type":"MODIFIED","object":{"apiVersion":"batch/v1","kind":"Jo'


@dataclass(frozen=True, kw_only=True)
class Break:
    """How every watch is broken at once, and how a deletion in the gap is then seen."""

    last_words: bytes = b""
    cleanly: bool = False
    expired: bool = False
    seen: str


BREAKS = {
    "a reset": Break(seen="exact"),
    "a reset in the middle of a line": Break(last_words=MID_LINE, seen="exact"),
    "a truncated line": Break(last_words=MID_LINE, cleanly=True, seen="late"),
    "an ERROR that is not 410": Break(last_words=an_error(500), cleanly=True, seen="late"),
    "an ERROR 410": Break(last_words=an_error(410), cleanly=True, seen="late"),
    "a history too short to resume": Break(expired=True, seen="late"),
}


def test_410_on_opening_a_watch_is_survived(watching: tuple[SimulatedCluster, OperatorProcess, Rows]) -> None:
    cluster, operator, rows = watching
    for name in ("stays", "goes"):
        cluster.a_job(name)
    before = {name: rows.until("lab", name, phase="Running") for name in ("stays", "goes")}
    failures = operator.log().count("watches_failed")

    def break_all() -> None:
        cluster.server.faults.refuse_watches(410)
        cluster.server.faults.drop_watches()
        cluster.server.objects.delete(JOB, "lab", "goes")

    cluster.do(break_all)
    eventually(operator.log, lambda text: text.count("watches_failed") > failures)
    assert rows.until_deleted("lab", "goes")["deletion_seen"] == "late"
    cluster.do(cluster.server.faults.heal)
    cluster.a_job("after")
    rows.until("lab", "after", phase="Running")
    assert rows.history(before["stays"]["uid"]) == ["Running"]


@pytest.mark.parametrize("case", BREAKS)
def test_what_happens_in_a_gap_is_found(watching: tuple[SimulatedCluster, OperatorProcess, Rows], case: str) -> None:
    cluster, operator, rows = watching
    fault = BREAKS[case]
    stays, goes, ends = (f"{verb} {case}".replace(" ", "-").lower() for verb in ("stays", "goes", "ends"))
    for name in (stays, goes, ends):
        cluster.a_job(name)
    before = {name: rows.until("lab", name, phase="Running") for name in (stays, goes, ends)}

    def break_all() -> bool:
        if not cluster.is_watched(JOBS):
            return False
        server = cluster.server
        server.faults.drop_watches(fault.last_words, cleanly=fault.cleanly)
        # Nothing of this reaches a watch that was open: they are cut before they look up.
        server.objects.delete(JOB, "lab", goes)
        job = server.objects.get(JOB, "lab", ends)
        assert job is not None
        server.objects.update(JOB, {**job, "status": COMPLETED})
        if fault.expired:
            server.faults.expire_history()
        return True

    eventually(lambda: cluster.do(break_all), bool)
    gone = rows.until_deleted("lab", goes)
    assert (gone["uid"], gone["phase"], gone["deletion_seen"]) == (before[goes]["uid"], "Running", fault.seen)
    assert rows.until("lab", ends, phase="Completed")["uid"] == before[ends]["uid"]
    assert rows.history(before[stays]["uid"]) == ["Running"]
    assert rows.history(before[ends]["uid"]) == ["Running", "Completed"]
    eventually(operator.readiness, lambda answer: answer == "ok")


def test_a_token_that_is_refused_for_a_while_is_survived(
    watching: tuple[SimulatedCluster, OperatorProcess, Rows],
) -> None:
    """Kopf closes the session that was answered 401; it must get another."""
    cluster, operator, rows = watching

    def refuse() -> None:
        cluster.server.faults.answer(401)
        cluster.server.faults.drop_watches()

    logins = operator.log().count("Re-authentication")
    cluster.do(refuse)
    eventually(operator.log, lambda text: text.count("Re-authentication") > logins)
    cluster.do(cluster.server.faults.heal)
    cluster.a_job("with-a-new-token")
    rows.until("lab", "with-a-new-token", phase="Running")


def test_a_name_that_comes_back_at_once_is_another_workload(
    watching: tuple[SimulatedCluster, OperatorProcess, Rows],
) -> None:
    cluster, _, rows = watching
    uids = [cluster.a_job("phoenix")]
    for _ in range(3):
        rows.until("lab", "phoenix", uid=uids[-1])
        cluster.delete(JOB, "phoenix")
        uids.append(cluster.a_job("phoenix"))
    rows.until("lab", "phoenix", uid=uids[-1])
    gone = eventually(lambda: rows.deleted("lab", "phoenix"), lambda found: len(found) == 3)
    assert [row["uid"] for row in gone] == uids[:3]
    assert {row["deletion_seen"] for row in gone} == {"exact"}


def test_every_update_within_a_second_counts(watching: tuple[SimulatedCluster, OperatorProcess, Rows]) -> None:
    cluster, _, rows = watching
    uid = cluster.a_job("busy", {})

    def end_at_once() -> None:
        job = cluster.server.objects.get(JOB, "lab", "busy")
        assert job is not None
        for status in (RUNNING, COMPLETED):
            cluster.server.objects.update(JOB, {**job, "status": status})

    cluster.do(end_at_once)
    row = rows.until("lab", "busy", phase="Completed")
    assert row["observed_version"] == cluster.do(lambda: cluster.server.objects.version)
    assert rows.history(uid)[-1] == "Completed"
    quick = cluster.a_job("quick", {"startTime": RUNNING["startTime"]})
    rows.until("lab", "quick", uid=quick)
    cluster.update(JOB, "quick", status=RUNNING)
    rows.until("lab", "quick", phase="Running")
    cluster.update(JOB, "quick", status=COMPLETED)
    rows.until("lab", "quick", phase="Completed")
    assert rows.history(quick)[-2:] == ["Running", "Completed"]


def test_errors_for_a_while_are_survived(watching: tuple[SimulatedCluster, OperatorProcess, Rows]) -> None:
    cluster, operator, rows = watching
    uid = cluster.a_job("through-errors")
    rows.until("lab", "through-errors", phase="Running")

    def fail() -> None:
        cluster.server.faults.answer(500)
        cluster.server.faults.drop_watches()

    attempts = operator.log().count("Request attempt #3/")
    cluster.do(fail)
    eventually(operator.log, lambda text: text.count("Request attempt #3/") > attempts)
    cluster.update(JOB, "through-errors", status=COMPLETED)
    cluster.do(cluster.server.faults.heal)
    rows.until("lab", "through-errors", phase="Completed")
    assert rows.history(uid) == ["Running", "Completed"]


def test_silence_for_a_while_is_survived(watching: tuple[SimulatedCluster, OperatorProcess, Rows]) -> None:
    cluster, operator, rows = watching
    uid = cluster.a_job("through-silence")
    rows.until("lab", "through-silence", phase="Running")
    cluster.do(cluster.server.faults.go_silent)
    cluster.update(JOB, "through-silence", status=COMPLETED)
    eventually(lambda: operator.metric(POD_AGE), lambda age: age > 6)
    cluster.do(cluster.server.faults.heal)
    rows.until("lab", "through-silence", phase="Completed")
    assert rows.history(uid) == ["Running", "Completed"]


async def watched_under(cluster: SimulatedCluster, seen: list[str]) -> None:
    """Watch as the operator does, for ever; the names of the pods that come are in ``seen``."""
    pods = [kind for kind in watched_kinds() if kind.key == POD_KEY]
    await Watches(
        pods,
        lambda _key, _event, obj: seen.append(obj["metadata"]["name"]),
        server=cluster.server.url,
        new_session=aiohttp.ClientSession,
        watch_seconds=1,
        on_start=lambda: None,
    ).run()


@pytest.mark.anyio
@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_errors_for_longer_than_the_retries_of_kopf_are_survived(
    cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    settings_of = kopf_settings.observer_settings

    def impatient(watch_seconds: int) -> kopf.OperatorSettings:
        settings = settings_of(watch_seconds)
        settings.networking.error_backoffs = (0.01, 0.01)
        return settings

    monkeypatch.setattr(watches, "observer_settings", impatient)
    monkeypatch.setattr(watches, "FIRST_PAUSE_SECONDS", 0.02)
    seen: list[str] = []
    watching = asyncio.create_task(watched_under(cluster, seen))
    others = asyncio.all_tasks() - {watching}

    async def until(name: str) -> None:
        async with asyncio.timeout(60):
            while name not in seen:  # noqa: ASYNC110 - another thread's doing
                await asyncio.sleep(0.02)

    cluster.a_pod("before")
    await until("before")

    def fail() -> None:
        cluster.server.faults.answer(status)
        cluster.server.faults.drop_watches()
        cluster.requests.clear()

    cluster.do(fail)
    async with asyncio.timeout(60):
        while len(cluster.requests) < 12:  # noqa: ASYNC110 - same
            await asyncio.sleep(0.02)
    cluster.do(cluster.server.faults.heal)
    cluster.a_pod("after")
    await until("after")
    assert not watching.done()
    assert not any(task.cancelled() for task in others), "kopf ends none but its own tasks"
    watching.cancel()
    await asyncio.wait([watching])
    assert asyncio.all_tasks() == others, "nothing of kopf's is left"


@pytest.mark.parametrize("fault", ["silence", "errors"])
def test_a_dead_watch_is_told_and_then_ends_the_process(
    cluster: SimulatedCluster, operator_of: OperatorOf, fault: str
) -> None:
    operator = operator_of(operator__watch_limit_seconds=10).start()
    eventually(lambda: operator.metric(POD_AGE), lambda age: age < 5)
    if fault == "silence":
        cluster.do(cluster.server.faults.go_silent)
    else:
        cluster.do(cluster.server.faults.answer, 500)
        cluster.do(cluster.server.faults.drop_watches)
    unready = eventually(operator.readiness, lambda answer: all(kind in answer for kind in ("Job", "Node", "Pod")))
    assert unready.startswith("no sign of life from the watch of ")
    assert operator.metric(POD_AGE) > 5
    assert exit_code_of(operator) == 1
    sentence = sentence_of(operator)
    assert sentence.startswith("No sign of life from the watch of ")
    assert sentence.endswith(" for 10 s; the operator ends.")


def test_one_dead_watch_among_the_living_is_named_alone() -> None:
    instant = datetime(2026, 1, 1, tzinfo=UTC)
    ages = {"now": instant}
    life = WatchLife(lambda: ages["now"])
    kinds = {kind.key: kind.plural for kind in watched_kinds()}
    for key, plural in kinds.items():
        life.expect(key, plural)
    ages["now"] = instant.replace(minute=5)
    for key in kinds.keys() - {POD_KEY}:
        life.note(key)
    assert life.dead(299) == (POD_KEY,)
    assert life.oldest() == instant
    life.release(POD_KEY)
    assert life.dead(299) == ()
    assert POD.plural == kinds[POD_KEY]
