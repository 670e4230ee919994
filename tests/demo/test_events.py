"""The events of the simulated cluster: what its parts say, for a while, and that they are none of a real one."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from rollcall.domain.events import KubernetesEvent, read_event
from rollcall_demo import recorder
from rollcall_demo.objects import Objects
from rollcall_demo.player import Player
from rollcall_demo.resources import EVENT, POD

BEGINS_AT = datetime(2026, 3, 1, 12, 0, 17, tzinfo=UTC)
SECONDS = 300


@pytest.fixture(scope="module")
def player() -> Player:
    """Every life for some simulated minutes."""
    player = Player(Objects(), seed=3, begins_at=BEGINS_AT)
    player.world.agenda.play_until(SECONDS)
    return player


@pytest.fixture(scope="module")
def events(player: Player) -> list[KubernetesEvent]:
    read = [read_event(obj) for obj in player.world.objects.all(EVENT)]
    found = [event for event in read if event is not None]
    assert len(found) == len(read)
    return found


def test_they_say_what_a_newcomer_looks_for(events: list[KubernetesEvent]) -> None:
    reasons = {event.reason for event in events}
    assert {
        *("Scheduled", "FailedScheduling", "Pulled", "Created", "Started", "Killing", "BackOff", "Failed"),
        *("SuccessfulCreate", "Completed"),
    } <= reasons
    assert {event.type for event in events if event.reason in ("FailedScheduling", "BackOff")} == {"Warning"}


def test_they_say_that_they_are_simulated(events: list[KubernetesEvent]) -> None:
    assert all((event.source or "").startswith("simulated-") for event in events)


def test_a_pods_events_are_in_the_order_of_its_life(player: Player, events: list[KubernetesEvent]) -> None:
    by_pod: dict[str, dict[str | None, datetime]] = defaultdict(dict)
    for event in events:
        by_pod[event.involved.uid][event.reason] = event.created_at
    running = [pod for pod in player.world.objects.all(POD) if pod["status"]["phase"] == "Running"]
    assert running
    for pod in running:
        said = by_pod[pod["metadata"]["uid"]]
        assert said["Scheduled"] <= said["Started"]


def test_what_happens_again_is_counted_in_one_event(events: list[KubernetesEvent]) -> None:
    again = [event for event in events if event.count > 1]
    assert {"BackOff"} <= {event.reason for event in again}
    assert all(event.at > event.created_at for event in again)
    told = [(event.involved.uid, event.reason, event.message, event.source) for event in events]
    assert len(set(told)) == len(told)


def test_they_are_forgotten_in_the_end() -> None:
    player = Player(Objects(), seed=3, begins_at=BEGINS_AT, lives=())
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "vision", "uid": "u"}}
    recorder.normal(player.world, job, recorder.JOB_CONTROLLER, "Completed", "Job completed")
    player.world.agenda.play_until(recorder.KEPT_SECONDS - 1)
    assert len(player.world.objects.all(EVENT)) == 1
    player.world.agenda.play_until(recorder.KEPT_SECONDS + 1)
    assert player.world.objects.all(EVENT) == []
