"""From a watch event to a committed row, on a real control plane: pods created, run and deleted as fast as it goes.

The operator is a process as an admin starts it. A second watcher notes when each change reaches a client, a second
connection looks every few milliseconds which rows are committed; a delay is from the one to the other.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import psycopg
from bench.busy import Busy
from bench.cluster_requests import Json, Requests, all_at_once
from bench.figures import Figure, Outcome, spread
from bench.workshop import Workshop
from support.cluster_objects import a_pod
from support.operator_process import OperatorProcess

from rollcall_cluster.binaries import kubernetes_version

MILLIS = 1000.0
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 600
QUIET_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many pods live, and how many at once."""

    pods: int = 1000
    at_once: int = 200


class Milestone(IntEnum):
    """What changes the rows of a pod, in the order of its life."""

    CREATED = 0
    BOUND = 1
    RUNNING = 2
    ENDED = 3
    GONE = 4


@dataclass(slots=True)
class Instants:
    """When each pod's milestones were seen, by uid; the first time counts."""

    seen: dict[tuple[str, Milestone], float] = field(default_factory=dict)

    def reach(self, uid: str, milestone: Milestone, at: float) -> None:
        """The pod is so far: also past everything before."""
        for passed in reversed(range(milestone + 1)):
            if self.seen.setdefault((uid, Milestone(passed)), at) != at:
                return

    def gone(self) -> int:
        """How many pods have reached the end."""
        return sum(milestone is Milestone.GONE for _, milestone in list(self.seen))


def milestone_of(change: str, obj: Json) -> Milestone:
    """How far a served pod is."""
    if change == "DELETED":
        return Milestone.GONE
    return _reached(obj["status"].get("phase"), bound=bool(obj["spec"].get("nodeName")))


def _reached(phase: str | None, *, bound: bool) -> Milestone:
    if phase in ("Succeeded", "Failed"):
        return Milestone.ENDED
    if phase == "Running":
        return Milestone.RUNNING
    return Milestone.BOUND if bound else Milestone.CREATED


class RowWatcher(threading.Thread):
    """Looks at the committed rows until told to stop."""

    def __init__(self, dsn: str) -> None:
        super().__init__(name="row-watcher", daemon=True)
        self._dsn = dsn
        self.instants = Instants()
        self.stopped = threading.Event()
        self.last_at = time.perf_counter()

    def run(self) -> None:
        """Ask for what has changed since the last look."""
        since: Any = None
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self.stopped.wait(LOOK_SECONDS):
                rows = connection.execute(
                    "SELECT uid, node_name, k8s_phase, false, updated_at FROM pods"
                    " WHERE %(since)s::timestamptz IS NULL OR updated_at >= %(since)s"
                    " UNION ALL SELECT uid, node_name, k8s_phase, true, updated_at FROM deleted_pods"
                    " WHERE %(since)s::timestamptz IS NULL OR updated_at >= %(since)s",
                    {"since": since},
                ).fetchall()
                at = time.perf_counter()
                before = len(self.instants.seen)
                for uid, node, phase, gone, updated_at in rows:
                    since = updated_at if since is None else max(since, updated_at)
                    reached = Milestone.GONE if gone else _reached(phase, bound=node is not None)
                    self.instants.reach(uid, reached, at)
                if len(self.instants.seen) > before:
                    self.last_at = at


class _Churn:
    """One run: creates as many as may live at once, deletes what has ended."""

    def __init__(self, workshop: Workshop, requests: Requests, project: str, sizes: Sizes) -> None:
        self._workshop = workshop
        self._requests = requests
        self._project = project
        self._sizes = sizes
        self._path = f"/api/v1/namespaces/{project}/pods"
        self._room = asyncio.Semaphore(sizes.at_once)
        self._ended: asyncio.Queue[str | None] = asyncio.Queue()
        self.instants = Instants()
        self.events = 0

    async def run(self) -> None:
        listed = await self._requests.read(self._path)
        watching = asyncio.create_task(self._watch(listed["metadata"]["resourceVersion"]))
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(self._delete_ended())
                group.create_task(all_at_once(range(self._sizes.pods), self._create))
                await watching
                for _ in range(8):
                    self._ended.put_nowait(None)

    async def _create(self, number: int) -> None:
        await self._room.acquire()
        await self._requests.create(self._path, a_pod(self._project, f"pod-{number}", gpus=0, run_seconds=1))

    async def _watch(self, version: str) -> None:
        said = time.monotonic()
        async for change in self._requests.watch(self._path, version):
            at = time.perf_counter()
            obj = change["object"]
            self.events += 1
            reached = milestone_of(change["type"], obj)
            uid = obj["metadata"]["uid"]
            ended_before = (uid, Milestone.ENDED) in self.instants.seen
            self.instants.reach(uid, reached, at)
            if reached is Milestone.ENDED and not ended_before:
                self._ended.put_nowait(obj["metadata"]["name"])
            if reached is Milestone.GONE:
                self._room.release()
                gone = self.instants.gone()
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    self._workshop.say(f"churn: {gone} of {self._sizes.pods} pods have lived")
                if gone == self._sizes.pods:
                    return

    async def _delete_ended(self) -> None:
        while (name := await self._ended.get()) is not None:
            await self._requests.delete(f"{self._path}/{name}")


async def measure(workshop: Workshop, sizes: Sizes) -> Outcome:
    """Let pods live under an operator, and compare what a client saw with what was committed."""
    cluster, project, database = workshop.cluster, workshop.project(), workshop.database()
    folder = workshop.folder / "churn"
    folder.mkdir(exist_ok=True)
    access = workshop.access()
    rows = RowWatcher(database.dsn.get_secret_value())
    with OperatorProcess(folder, cluster.kubeconfig_of("rollcall", "rollcall-operator"), database) as operator:
        rows.start()
        before = _counted(operator)
        busy = Busy(workshop, operator.program.pid)
        workshop.say(f"churn: {sizes.pods} pods, {sizes.at_once} at once")
        started = time.perf_counter()
        async with access.session() as session:
            requests = Requests(session, access.server)
            churn = _Churn(workshop, requests, project, sizes)
            await churn.run()
        seconds = time.perf_counter() - started
        cores = busy.figures()
        await _until_quiet(rows, sizes.pods)
        after = _counted(operator)
        rows.stopped.set()
        rows.join()
    if rows.instants.seen.keys() != churn.instants.seen.keys():
        missed = len(churn.instants.seen.keys() ^ rows.instants.seen.keys())
        raise AssertionError(f"{missed} milestones are seen on one side alone")
    figures = [
        Figure("pods through their lives", "rate", sizes.pods / seconds, "1/s"),
        Figure("events at a second watcher", "rate", churn.events / seconds, "1/s"),
        Figure("events taken in", "rate", (after["events"] - before["events"]) / seconds, "1/s"),
        Figure("rows written", "rate", (after["rows"] - before["rows"]) / seconds, "1/s"),
    ]
    delays: list[float] = []
    for milestone in Milestone:
        of = [
            max(0.0, rows.instants.seen[uid, reached] - at)
            for (uid, reached), at in churn.instants.seen.items()
            if reached is milestone
        ]
        delays += of
        figures += spread(f"delay to the row: {milestone.name.lower()}", of, "ms", scale=MILLIS)
    figures += spread("delay to the row: all", delays, "ms", scale=MILLIS)
    figures += cores
    return Outcome(
        benchmark="churn",
        title="From a watch event to a committed row, on a real control plane",
        figures=tuple(figures),
        sizes={"pods": sizes.pods, "at_once": sizes.at_once, "seconds": round(seconds, 1)},
        notes=(
            f"A delay is from a second watcher's sight to a row seen by a look every {LOOK_SECONDS * MILLIS:.0f} ms.",
            f"The API server cut the second watcher off {requests.watches_cut} times; it went on where it was.",
            "Cores are what each program kept busy; everything shares one machine.",
        ),
        stands_on={"PostgreSQL": workshop.postgres_version(), "Kubernetes": kubernetes_version()},
    )


async def _until_quiet(rows: RowWatcher, pods: int) -> None:
    async with asyncio.timeout(QUIET_SECONDS):
        while rows.instants.gone() < pods:  # noqa: ASYNC110 - a thread is waited for
            await asyncio.sleep(LOOK_SECONDS)


def _counted(operator: OperatorProcess) -> dict[str, float]:
    """Pod events taken in, and rows written: of workloads, of pods, and moved to the deleted side."""
    names = (
        "rollcall_workloads_written_total",
        "rollcall_pods_written_total",
        'rollcall_deletions_total{seen="exact"}',
    )
    return {
        "events": _events(operator),
        "rows": sum(operator.metric(name) for name in names),
    }


def _events(operator: OperatorProcess) -> float:
    try:
        return operator.metric('rollcall_watch_events_total{group="",kind="Pod"}')
    except AssertionError:
        return 0.0  # the metric is there from the first event on
