"""The player: lets the scripted lives happen in the objects of the simulated cluster, in time with the wall clock."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from rollcall_demo import collector
from rollcall_demo.agenda import Act
from rollcall_demo.cluster_contents import create_contents
from rollcall_demo.conditions import is_true
from rollcall_demo.controllers import RECONCILERS
from rollcall_demo.life import Life, Resume, Roll, Scale, Step, Suspend, UntilEnded, Wait
from rollcall_demo.lives import LIVES
from rollcall_demo.manifests import create
from rollcall_demo.objects import Objects
from rollcall_demo.pod_statuses import is_terminal
from rollcall_demo.resources import CRONJOB, POD, PYTORCHJOB
from rollcall_demo.scheduler import schedule_for_ever
from rollcall_demo.world import Cast, Ref, World, ref_of

TICK_SECONDS = 0.1
LONGEST_LEAP_SECONDS = 10
"""A clock that is ahead by more has been set, or the machine has slept: the cluster then slept as well."""

_LOOK_SECONDS = 0.5


class Player:
    """A world in which every life goes on for ever."""

    def __init__(
        self,
        objects: Objects,
        *,
        seed: int | None = None,
        begins_at: datetime | None = None,
        lives: Sequence[Life] = LIVES,
    ) -> None:
        """Without a seed chance is another each time, and so are the uids."""
        self.world = World(
            objects,
            seed=secrets.randbits(64) if seed is None else seed,
            begins_at=begins_at or datetime.now(UTC),
        )
        self.world.reconcilers.update(RECONCILERS)
        create_contents(self.world)
        self.world.agenda.begin("scheduler", schedule_for_ever(self.world))
        for life in lives:
            key = f"life {life.namespace}/{life.kind.kind}/{life.name}"
            self.world.agenda.begin(key, live(self.world, life), after=life.begins_after)

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            self.catch_up(datetime.now(UTC))
            await asyncio.sleep(TICK_SECONDS)

    def catch_up(self, now: datetime) -> None:
        """Let happen what is due by now; what a sleeping machine has missed is not made up for."""
        world = self.world
        ahead = (now - world.now).total_seconds()
        if 0 <= ahead <= LONGEST_LEAP_SECONDS:
            world.agenda.play_until(world.agenda.seconds + ahead)
        else:
            world.begins_at += now - world.now


def live(world: World, life: Life) -> Act:
    """One life after the other: created, led through its script, deleted, gone."""
    while True:
        obj = create(world, life)
        ref, uid = ref_of(life.kind, obj), obj["metadata"]["uid"]
        world.casts[uid] = Cast(life.plays, cycles=life.kind is CRONJOB)
        for step in life.script:
            yield from _take(world, ref, uid, step)
        collector.delete(world, ref, foreground=life.foreground)
        while world.get(ref) is not None or _has_pods(world, life):
            yield _LOOK_SECONDS
        del world.casts[uid]
        yield world.about(life.rest)


def _take(world: World, ref: Ref, uid: str, step: Step) -> Act:
    match step:
        case Wait(seconds):
            yield world.about(seconds)
        case Scale(replicas):
            with world.editing(ref) as obj:
                obj["spec"]["replicas"] = replicas
        case Roll(image, plays):
            world.casts[uid] = Cast({"": plays})
            with world.editing(ref) as obj:
                obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
        case Suspend() | Resume():
            with world.editing(ref) as obj:
                policy = obj["spec"]["runPolicy"] if ref.resource is PYTORCHJOB else obj["spec"]
                policy["suspend"] = isinstance(step, Suspend)
        case UntilEnded(keep, patience):
            yield from _wait_for_end(world, ref, patience)
            yield world.about(keep)


def _wait_for_end(world: World, ref: Ref, patience: float) -> Act:
    until = world.agenda.seconds + patience
    while world.agenda.seconds < until:
        obj = world.get(ref)
        if obj is None or is_true(obj, "Complete", "Succeeded", "Failed") or (ref.resource is POD and is_terminal(obj)):
            return
        yield _LOOK_SECONDS


def _has_pods(world: World, life: Life) -> bool:
    """Whether pods of it are left: the next of its name must not meet them."""
    pods = world.objects.all(POD, life.namespace)
    return any(pod["metadata"]["labels"].get("app") == life.name for pod in pods)
