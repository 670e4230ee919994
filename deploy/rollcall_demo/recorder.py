"""The events of the simulated cluster: what its parts say about objects, for a while, the same twice counted."""

from uuid import NAMESPACE_OID, uuid5

from rollcall_demo.agenda import Act
from rollcall_demo.objects import Json
from rollcall_demo.resources import EVENT
from rollcall_demo.world import Ref, World

KEPT_SECONDS = 600
"""How long an event is there after it happened last; a real API server keeps it for an hour."""

SCHEDULER = "simulated-scheduler"
KUBELET = "simulated-kubelet"
JOB_CONTROLLER = "simulated-job-controller"
"""What the events' sources are called: that they are none of a real cluster."""


def normal(world: World, obj: Json, source: str, reason: str, message: str) -> None:
    """Record that something went its way."""
    _record(world, obj, source, "Normal", reason, message)


def warning(world: World, obj: Json, source: str, reason: str, message: str) -> None:
    """Record that something did not."""
    _record(world, obj, source, "Warning", reason, message)


def _record(world: World, obj: Json, source: str, kind: str, reason: str, message: str) -> None:
    metadata = obj["metadata"]
    said = uuid5(NAMESPACE_OID, f"{metadata['uid']}/{source}/{reason}/{message}").hex[:16]
    ref = Ref(EVENT, metadata["namespace"], f"{metadata['name']}.{said}")
    at = world.stamp()
    known = world.get(ref)
    if known is not None:
        again = {**known, "count": known["count"] + 1, "lastTimestamp": at}
        world.objects.update(EVENT, again, given_away=True)
    else:
        event = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "name": ref.name,
                "namespace": ref.namespace,
                "uid": str(uuid5(NAMESPACE_OID, f"{said}/{at}")),  # nothing of the lives' chance
                "creationTimestamp": at,
            },
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "namespace": ref.namespace,
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": source},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        world.objects.create(EVENT, event)
    world.agenda.begin(f"event {ref.namespace}/{ref.name}", _forget(world, ref), after=KEPT_SECONDS)


def _forget(world: World, ref: Ref) -> Act:
    world.objects.delete(ref.resource, ref.namespace, ref.name)
    yield from ()
