"""The scripted lives, seen through the domain: ten simulated minutes, looked at four times a second."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from rollcall.domain.derivation import derive
from rollcall.domain.facts import (
    DomainSettings,
    KindKey,
    Meta,
    NamespaceFacts,
    NodeFacts,
    ObjectFacts,
    PodFacts,
    WorkloadView,
)
from rollcall.domain.kinds.catalogue import is_catalogued
from rollcall.domain.node_reading import read_node
from rollcall.domain.reading import read_namespace, read_object, read_pod
from rollcall.domain.records import Phase, Remembered, RememberedPod
from rollcall_demo.cluster_contents import GPUS_PER_NODE, PRIORITIES, PROJECTS
from rollcall_demo.command import FATAL_GRACE_SECONDS
from rollcall_demo.life import Life
from rollcall_demo.lives import LIVES
from rollcall_demo.objects import Change, Objects
from rollcall_demo.player import Player
from rollcall_demo.resources import NAMESPACE, NODE, POD, SERVED, Resource

SECONDS = 600
STEP = 0.25
BEGINS_AT = datetime(2026, 3, 1, 12, 0, 17, tzinfo=UTC)
SETTINGS = DomainSettings(fatal_grace_seconds=FATAL_GRACE_SECONDS)

TO_BE_MET = set(Phase) - {Phase.UNKNOWN, Phase.TERMINATING}
"""All that a newcomer looks for; the contract's Terminating is a word that no rule says."""

Where = tuple[str, str, str]
"""Namespace, kind and the label ``app``: a life."""


class Observer:
    """Derives a record whenever something has changed, from what a watch would bring."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._seen = 0
        self.nodes: dict[str, NodeFacts] = {}
        self.namespaces: dict[str, NamespaceFacts] = {}
        self.facts: dict[str, ObjectFacts | PodFacts] = {}
        self._under: dict[str, dict[str, ObjectFacts | PodFacts]] = defaultdict(dict)
        self._remembered: dict[str, Remembered] = {}
        self._remembered_pods: dict[str, dict[str, RememberedPod]] = {}
        self._revisits: dict[str, datetime] = {}
        self.phases: dict[Where, dict[str, list[Phase]]] = defaultdict(lambda: defaultdict(list))
        """Of each life the phases of each incarnation, by its uid, as they followed."""
        self.first_met: dict[Phase, float] = {}
        self.problems: list[str] = []
        self.most_gpus: Counter[str] = Counter()

    def look(self, now: datetime, seconds: float) -> None:
        """Take in what has happened and derive what it touches."""
        dirty = {uid: None for uid, at in self._revisits.items() if at <= now}
        changes = [(r, change) for r in SERVED for change in self._objects.changes_since(r, self._seen)]
        self._seen = self._objects.version
        for resource, change in sorted(changes, key=lambda pair: pair[1].version):
            dirty[self._take_in(resource, change)] = None
        for uid in dirty:
            if uid in self.facts:
                self._derive(uid, now, seconds)
        self._count_gpus()

    def _take_in(self, resource: Resource, change: Change) -> str:
        """The uid of the top that the change concerns."""
        obj = change.object
        if resource is NODE:
            self.nodes[obj["metadata"]["name"]] = read_node(obj, SETTINGS)
        elif resource is NAMESPACE:
            self.namespaces[obj["metadata"]["name"]] = read_namespace(obj, SETTINGS)
        elif is_catalogued(KindKey(group=resource.group, kind=resource.kind)):
            facts = read_pod(obj) if resource is POD else read_object(obj)
            top, uid = self._top_of(facts.meta), facts.meta.uid
            if change.type == "DELETED":
                self.facts.pop(uid, None)
                self._under[top].pop(uid, None)
                self._revisits.pop(uid, None)
            else:
                self.facts[uid] = facts
                self._under[top][uid] = facts
            return top
        return ""

    def _top_of(self, meta: Meta) -> str:
        while meta.owners:
            above = self.facts.get(meta.owners[0].uid)
            if above is None:
                return meta.owners[0].uid
            meta = above.meta
        return meta.uid

    def _derive(self, uid: str, now: datetime, seconds: float) -> None:
        top, members = self.facts[uid], self._under[uid]
        pods = tuple(one for one in members.values() if isinstance(one, PodFacts))
        children = tuple(one for one in members.values() if isinstance(one, ObjectFacts) and one.meta.uid != uid)
        derived = derive(
            WorkloadView(
                top=top if isinstance(top, ObjectFacts) else None,
                top_is_pod=isinstance(top, PodFacts),
                children=children,
                pods=pods,
                nodes=self.nodes,
                namespace=self.namespaces.get(top.meta.namespace),
                priority_classes=PRIORITIES,
            ),
            now=now,
            remembered=self._remembered.get(uid, Remembered()),
            remembered_pods=self._remembered_pods.get(uid, {}),
            settings=SETTINGS,
        )
        record = derived.workload
        self._remembered[uid] = Remembered.of(record)
        self._remembered_pods[uid] = {
            pod.uid: RememberedPod(
                bound_at=pod.bound_at,
                ready_at=pod.ready_at,
                ended_at=pod.ended_at,
                fatal_since=pod.fatal_since,
                node_pool=pod.node_pool,
            )
            for pod in derived.pods
        }
        self._revisits.pop(uid, None)
        if derived.revisit_at is not None:
            self._revisits[uid] = derived.revisit_at
        self.problems.extend(f"{record.kind} {record.name}: {problem}" for problem in record.problems)
        self.first_met.setdefault(record.phase, seconds)
        phases = self.phases[record.namespace, record.kind, top.meta.labels["app"]][uid]
        if phases[-1:] != [record.phase]:
            phases.append(record.phase)

    def _count_gpus(self) -> None:
        held: Counter[str] = Counter()
        for one in self.facts.values():
            if isinstance(one, PodFacts) and one.node_name and one.k8s_phase not in ("Succeeded", "Failed"):
                held[one.node_name] += one.request.requests.gpu_micros // 1_000_000
        self.most_gpus |= held


@pytest.fixture(scope="module")
def observed() -> Observer:
    objects = Objects()
    player = Player(objects, seed=1, begins_at=BEGINS_AT)
    observer = Observer(objects)
    for step in range(int(SECONDS / STEP) + 1):
        player.world.agenda.play_until(step * STEP)
        observer.look(player.world.now, step * STEP)
    return observer


def follows(wanted: Iterable[str], phases: Iterable[Phase]) -> bool:
    """Whether the wanted phases are among these, in their order."""
    rest = iter(phases)
    return all(any(phase == word for phase in rest) for word in wanted)


def place_of(life: Life) -> Where:
    return life.namespace, life.kind.kind, life.name


def test_every_phase_is_met_within_two_minutes(observed: Observer):
    late = {phase: seconds for phase, seconds in observed.first_met.items() if seconds > 120}
    assert set(observed.first_met) - set(late) == TO_BE_MET


@pytest.mark.parametrize("life", LIVES, ids=lambda life: f"{life.namespace}/{life.name}")
def test_a_life_goes_through_its_phases(observed: Observer, life: Life):
    incarnations = list(observed.phases[place_of(life)].values())
    assert any(follows(life.shows, phases) for phases in incarnations), incarnations


@pytest.mark.parametrize("life", LIVES, ids=lambda life: f"{life.namespace}/{life.name}")
def test_a_life_begins_again_when_it_has_ended(observed: Observer, life: Life):
    assert len(observed.phases[place_of(life)]) >= 2


def test_nothing_shows_but_the_lives_and_nothing_about_them_is_odd(observed: Observer):
    assert set(observed.phases) == {place_of(life) for life in LIVES}
    assert observed.problems == []


def test_no_node_ever_holds_more_gpus_than_it_has_and_some_are_full(observed: Observer):
    assert max(observed.most_gpus.values()) == GPUS_PER_NODE
    assert {name for name, most in observed.most_gpus.items() if most > GPUS_PER_NODE} == set()


def test_there_are_some_forty_lives_of_every_kind_in_every_project():
    assert 35 <= len(LIVES) <= 45
    assert len({place_of(life) for life in LIVES}) == len(LIVES)
    assert {life.namespace for life in LIVES} == set(PROJECTS)
    kinds = {"Pod", "Job", "CronJob", "Deployment", "ReplicaSet", "StatefulSet", "PyTorchJob"}
    assert {life.kind.kind for life in LIVES} == kinds
