"""Deletion: in the background the owner goes first, in the foreground last."""

from rollcall_demo import kubelet
from rollcall_demo.agenda import Act
from rollcall_demo.resources import POD
from rollcall_demo.world import Ref, World

NOTICE_SECONDS = 0.4
"""How long the garbage collector takes to find that an owner is gone."""


def delete(world: World, ref: Ref, *, foreground: bool) -> None:
    """Ask for an object's deletion and for that of all it owns."""
    obj = world.get(ref)
    if obj is None or "deletionTimestamp" in obj["metadata"]:
        return
    if ref.resource is POD:
        kubelet.delete_pod(world, ref)
        return
    uid = obj["metadata"]["uid"]
    if foreground:
        with world.editing(ref) as edited:
            edited["metadata"].update(
                deletionTimestamp=world.stamp(), deletionGracePeriodSeconds=0, finalizers=["foregroundDeletion"]
            )
        world.agenda.begin(f"collect {uid}", _delete_last(world, ref, uid))
    else:
        dependents = world.dependents(uid)
        world.delete(ref)
        world.agenda.begin(f"collect {uid}", _delete_rest(world, dependents), after=NOTICE_SECONDS)


def _delete_rest(world: World, dependents: list[Ref]) -> Act:
    for dependent in dependents:
        delete(world, dependent, foreground=False)
    yield from ()


def _delete_last(world: World, ref: Ref, uid: str) -> Act:
    while dependents := world.dependents(uid):
        for dependent in dependents:
            delete(world, dependent, foreground=True)
        yield NOTICE_SECONDS
    world.delete(ref)
