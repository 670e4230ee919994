"""Every kind of the catalogue on the real control plane: its definition, its life, and the rows at every step.

One operator, with the documented rights and nothing more, sees all lives side by side, each in a namespace of its own.
In the middle of them all it is killed and started again.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client
from support import audit_log
from support.cluster_objects import a_project
from support.kind_definitions import definitions
from support.kind_lives.everything import all_lives
from support.kind_lives.life import Life, Step
from support.kind_player import Player
from support.lacking_rights import Right
from support.operator_process import OperatorProcess
from support.row_snapshots import Snapshot, Snapshots
from support.rows import Row

from rollcall.domain.kinds.catalogue import all_entries, entry_for
from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import apply_objects, create_nodes, simulated_node
from rollcall_cluster.control_plane import LocalCluster

GPU = 1_000_000
"""Micros of one."""

LIVES = {life.title: life for life in all_lives()}

STEP_SECONDS = 90
"""How long a step may take while some sixty lives go on at once on a small machine."""

MIDDLE_SECONDS = 200
TESTED_ELSEWHERE = {"Pod", "Deployment", "StatefulSet", "Job", "CronJob"}
"""Built-in kinds that the samples hold (test_lives.py)."""


class Middle:
    """Where all lives meet: the operator is killed there, and they go on while it is away."""

    def __init__(self, number: int) -> None:
        self._missing = number
        self._lock = threading.Lock()
        self._all_there = threading.Event()
        self._go_on = threading.Event()

    def arrive(self) -> None:
        """One more is there, or will never be."""
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                self._all_there.set()

    def wait(self) -> None:
        """Wait until it goes on."""
        assert self._go_on.wait(MIDDLE_SECONDS + STEP_SECONDS)

    def interrupt(self, operator: OperatorProcess) -> None:
        """Kill the operator once all are there; they go on, and after a while so does it."""
        self._all_there.wait(MIDDLE_SECONDS)
        operator.kill()
        self._go_on.set()
        time.sleep(3)
        operator.start()


@dataclass(frozen=True)
class Lived:
    """A life while it is lived, and after."""

    namespace: str
    outcome: "Future[None]"


@pytest.fixture(scope="module")
def lived(
    cluster: LocalCluster,
    api: client.ApiClient,
    shared_database: DatabaseSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Lived]]:
    """All lives at once."""
    create_nodes(api, [simulated_node(f"lives-{n}", gpus=16, pool="lives") for n in range(12)])
    apply_objects(api, definitions())
    namespaces = {title: f"life-{number}" for number, title in enumerate(LIVES)}
    apply_objects(api, [a_project(namespace) for namespace in namespaces.values()])
    operator = OperatorProcess(
        tmp_path_factory.mktemp("operator"),
        cluster.kubeconfig_of("rollcall", "rollcall-operator"),
        shared_database,
    )
    middle = Middle(len(LIVES))
    with operator, Snapshots(shared_database) as snapshots, ThreadPoolExecutor(len(LIVES) + 1) as pool:
        found = {
            title: Lived(namespaces[title], pool.submit(live, api, namespaces[title], life, snapshots, middle))
            for title, life in LIVES.items()
        }
        interrupting = pool.submit(middle.interrupt, operator)
        yield found
        interrupting.result()
    core: Any = client.CoreV1Api(api)
    for number in range(12):
        core.delete_node(f"lives-{number}")


def live(api: client.ApiClient, namespace: str, life: Life, snapshots: Snapshots, middle: Middle) -> None:
    """One whole life."""
    player = Player(api, namespace, life)
    waiting = Waiting(snapshots, namespace, life)
    before = next(place for place, step in enumerate(life.steps) if "Running" in (step.phase, *step.via))
    try:
        uid = player.create()
        if life.begins is not None:
            waiting.until("begins", uid, Step(phase=life.begins))
        for number, step in enumerate(life.steps[: before + 1]):
            player.play(step)
            waiting.until(f"step {number}", uid, step)
    finally:
        middle.arrive()
    middle.wait()
    for number, step in enumerate(life.steps[before + 1 :], before + 1):
        player.play(step)
        waiting.until(f"step {number}", uid, step)
    waiting.is_alone(uid)
    player.delete()
    gone = waiting.until_deleted(1)
    assert (gone["uid"], gone["phase"]) == (uid, life.steps[-1].phase)
    # What was deleted while the operator was away is found by its first sweep.
    assert gone["deletion_seen"] in ({"exact"} if before + 1 < len(life.steps) else {"exact", "late"})
    again = player.create()
    waiting.until("again", again, Step(phase=life.begins or life.steps[0].phase))
    assert again != uid
    player.delete()
    assert waiting.until_deleted(2)["uid"] == again


class Waiting:
    """Waits for the rows of one namespace."""

    def __init__(self, snapshots: Snapshots, namespace: str, life: Life) -> None:
        self._snapshots = snapshots
        self._namespace = namespace
        self._life = life

    def until(self, when: str, uid: str, step: Step) -> None:
        """Until the row of a uid is as a step says."""

        def as_it_says(snapshot: Snapshot) -> bool:
            row = self._row(snapshot, uid)
            return bool(row) and self._differences(row, step) == {} and in_order(step.via, snapshot.history[uid])

        def describe(snapshot: Snapshot) -> object:
            row = self._row(snapshot, uid)
            said = {name: row.get(name) for name in ("phase_message", "phase_rule", "k8s_phase")}
            return when, self._differences(row, step) if row else "no row", said, snapshot.history.get(uid)

        self._snapshots.until(as_it_says, describe, seconds=STEP_SECONDS)

    def is_alone(self, uid: str) -> None:
        """What was made for it was never a workload of its own, not for a moment."""
        snapshot = self._snapshots.newest
        rows = snapshot.live.get(self._namespace, []) + snapshot.deleted.get(self._namespace, [])
        assert {(row["uid"], row["kind"], row["name"]) for row in rows} == {(uid, self._life.key.kind, self._life.name)}

    def until_deleted(self, number: int) -> Row:
        """Until nothing lives in the namespace and so many are recorded as gone; the last of them."""
        self._snapshots.until(
            lambda snapshot: (
                not snapshot.live.get(self._namespace) and len(snapshot.deleted.get(self._namespace, ())) == number
            ),
            lambda snapshot: [
                [(row["uid"], row["kind"], row["name"], row["phase"]) for row in rows.get(self._namespace, ())]
                for rows in (snapshot.live, snapshot.deleted)
            ],
            seconds=STEP_SECONDS,
        )
        return self._snapshots.newest.deleted[self._namespace][-1]

    def _row(self, snapshot: Snapshot, uid: str) -> Row:
        return next((row for row in snapshot.live.get(self._namespace, ()) if row["uid"] == uid), {})

    def _differences(self, row: Row, step: Step) -> dict[str, tuple[object, object]]:
        """What is, and what should be."""
        entry = entry_for(self._life.key)
        assert entry is not None
        wanted: dict[str, object] = {
            "phase": step.phase,
            "kind": self._life.key.kind,
            "api_group": self._life.key.group,
            "distributed_framework": self._life.framework,
        }
        if entry.name_type is None:
            wanted["type"] = entry.workload_type
        if entry.categorise is None:
            wanted["category"] = entry.category
        if step.gpus is not None:
            wanted["allocated_gpu_micros"] = step.gpus * GPU
        if step.running is not None:
            wanted["running_pods"] = step.running
        if step.raw is not None:
            wanted["k8s_phase"] = step.raw
        return {name: (row[name], value) for name, value in wanted.items() if row[name] != value}


def in_order(wanted: tuple[str, ...], history: list[str]) -> bool:
    """Whether the history has the wanted phases in that order, others in between allowed."""
    left = iter(history)
    return all(phase in left for phase in wanted)


def test_every_kind_has_a_life() -> None:
    lives = {life.key for life in LIVES.values()}
    assert {entry.key for entry in all_entries() if not entry.ignored and entry.key not in lives} == {
        entry.key
        for entry in all_entries()
        if entry.key.kind in TESTED_ELSEWHERE and entry.key.group in {"", "apps", "batch"}
    }


@pytest.mark.timeout(900)  # the first one waits until all have met in the middle
@pytest.mark.parametrize("title", LIVES)
def test_a_kind_lives_as_it_should(lived: dict[str, Lived], title: str) -> None:
    lived[title].outcome.result(MIDDLE_SECONDS + 4 * STEP_SECONDS)


@pytest.mark.usefixtures("lived")
def test_the_documented_rights_were_enough(cluster: LocalCluster, granted: dict[str, list[Right]]) -> None:
    assert audit_log.faults_in(cluster.audit_log, granted) == []
    asked = audit_log.requests(audit_log.lines_of(cluster.audit_log))
    watched = {one.resource for one in asked if one.username == audit_log.OPERATOR and one.verb == "watch"}
    assert {entry.plural for entry in all_entries() if entry.watched} <= watched
