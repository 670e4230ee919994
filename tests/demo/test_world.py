"""The simulated cluster for a long time: bounded, true to its seed, and at one with the clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rollcall_demo.cluster_contents import CLUSTER_UID, POOL_LABEL, SIMULATED_LABEL
from rollcall_demo.life import Life, PodPlay, PodShape, UntilEnded, Wait
from rollcall_demo.objects import HISTORY, Objects
from rollcall_demo.player import LONGEST_LEAP_SECONDS, Player
from rollcall_demo.resources import CRD, JOB, NAMESPACE, NODE, POD, SERVED

BEGINS_AT = datetime(2026, 3, 1, 12, 0, 17, tzinfo=UTC)
HALF_AN_HOUR = 1_800


def a_life(**changes) -> Life:
    given = {
        "kind": JOB,
        "namespace": "vision",
        "name": "train",
        "pod": PodShape(image="registry.example/train:1", gpus=1),
        "plays": {"": (PodPlay(run=5),)},
        "script": (UntilEnded(keep=5),),
        "shows": (),
    }
    return Life(**{**given, **changes})


def a_player(objects: Objects, *lives: Life, seed: int = 1) -> Player:
    return Player(objects, seed=seed, begins_at=BEGINS_AT, lives=lives)


def footprint(objects: Objects, player: Player) -> dict[str, int]:
    counted = {resource.kind: len(objects.all(resource)) for resource in SERVED}
    kept = {f"changes of {one.kind}": len(objects.changes_since(one, objects.oldest(one))) for one in SERVED}
    return {**counted, **kept, **player.world.size()}


def test_two_hours_hold_no_more_than_the_first_half_hour():
    objects = Objects()
    player = Player(objects, seed=2, begins_at=BEGINS_AT)
    most: dict[str, int] = {}
    for minute in range(1, 31):
        player.world.agenda.play_until(minute * 60)
        most = {name: max(number, most.get(name, 0)) for name, number in footprint(objects, player).items()}
    written = objects.version
    for minute in range(31, 121):
        player.world.agenda.play_until(minute * 60)
        grown = {
            name: (number, most[name])
            for name, number in footprint(objects, player).items()
            # Chance moves the most of anything a little.
            if number > most[name] * 1.3 + 5 and not name.startswith("changes")
        }
        assert grown == {}
    assert max(number for name, number in footprint(objects, player).items() if name.startswith("changes")) <= HISTORY
    # It was no standstill.
    assert objects.version > written * 3


def test_the_same_seed_makes_the_same_cluster_and_another_does_not():
    def after_two_minutes(seed: int) -> list[dict]:
        objects = Objects()
        a_player(objects, a_life(), a_life(kind=POD, name="probe"), seed=seed).world.agenda.play_until(120)
        return objects.all(POD)

    assert after_two_minutes(1) == after_two_minutes(1) != after_two_minutes(2)


def test_every_node_says_that_it_is_simulated_and_pools_have_gpus_of_one_product():
    objects = Objects()
    a_player(objects)
    nodes = objects.all(NODE)
    assert {node["metadata"]["labels"][SIMULATED_LABEL] for node in nodes} == {"true"}
    assert all("simulated" in node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes)
    products: dict = {}
    for node in nodes:
        labels = node["metadata"]["labels"]
        if "nvidia.com/gpu.product" in labels:
            assert labels["nvidia.com/gpu.count"] == "8" == node["status"]["allocatable"]["nvidia.com/gpu"]
            assert int(labels["nvidia.com/gpu.memory"]) > 40_000
            products.setdefault(labels.get(POOL_LABEL), set()).add(labels["nvidia.com/gpu.product"])
    assert set(products) == {"h100", "a100", None}
    assert all(len(one) == 1 for one in products.values())


def test_projects_have_departments_and_the_cluster_is_the_same_however_often_it_starts():
    objects = Objects()
    a_player(objects, seed=3)
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in objects.all(NAMESPACE)}
    departments = {name: found["rollcall.dev/department"] for name, found in labels.items() if "kai/project" in found}
    assert len(departments) >= 3
    assert len(set(departments.values())) >= 2
    assert objects.get(NAMESPACE, None, "kube-system")["metadata"]["uid"] == CLUSTER_UID
    assert [one["spec"]["names"]["kind"] for one in objects.all(CRD)] == ["PyTorchJob"]


class Test_catching_up:  # noqa: N801 - the sentence reads on
    """The player and the wall clock."""

    def test_what_is_due_by_now_happens(self):
        objects = Objects()
        player = a_player(objects, a_life())
        player.catch_up(BEGINS_AT + timedelta(seconds=4))
        assert player.world.now == BEGINS_AT + timedelta(seconds=4)
        (job,) = objects.all(JOB)
        assert job["metadata"]["creationTimestamp"] == "2026-03-01T12:00:17Z"
        assert len(objects.all(POD)) == 1

    @pytest.mark.parametrize("leap", [timedelta(hours=9), timedelta(hours=-9)])
    def test_a_clock_that_leaps_takes_the_cluster_along_and_makes_up_for_nothing(self, leap: timedelta):
        objects = Objects()
        player = a_player(objects, a_life())
        player.catch_up(BEGINS_AT + timedelta(seconds=4))
        version = objects.version
        player.catch_up(BEGINS_AT + leap)
        assert player.world.now == BEGINS_AT + leap
        assert objects.version == version
        player.catch_up(BEGINS_AT + leap + timedelta(seconds=LONGEST_LEAP_SECONDS))
        assert player.world.now == BEGINS_AT + leap + timedelta(seconds=LONGEST_LEAP_SECONDS)
        assert objects.version > version

    def test_it_plays_until_it_is_cancelled_and_a_failure_is_no_silence(self):
        async def play(player: Player) -> None:
            async with asyncio.timeout(5):
                await player.run()

        objects = Objects()
        player = Player(objects, lives=(a_life(),))
        player.world.agenda.begin("broken", iter(lambda: 1 / 0, None))
        with pytest.raises(ZeroDivisionError):
            asyncio.run(play(player))


def test_a_life_waits_until_the_last_pod_of_the_one_before_is_gone():
    objects = Objects()
    life = a_life(kind=POD, name="slow", plays={"": (PodPlay(stop=40),)}, script=(Wait(10),), rest=1)
    player = a_player(objects, life)
    for seconds in range(200):
        player.world.agenda.play_until(seconds)
        assert len(objects.all(POD)) <= 1
    assert objects.version > 40
