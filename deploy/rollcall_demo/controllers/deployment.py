"""The Deployment controller: a ReplicaSet per revision, and from the old to the new within surge and availability."""

from math import ceil, floor

from rollcall_demo import collector
from rollcall_demo.conditions import set_condition
from rollcall_demo.manifests import template_hash
from rollcall_demo.objects import Json, copied
from rollcall_demo.resources import DEPLOYMENT, REPLICASET
from rollcall_demo.world import World, ref_of

_COMPLETE = "NewReplicaSetAvailable"


def reconcile(world: World, deployment: Json) -> None:
    """One look at a Deployment."""
    newest, old = _replica_sets(world, deployment)
    created = newest is None
    if newest is None:
        newest = _create(world, deployment, revision=1 + max((_revision(one) for one in old), default=0))
    for replica_set, replicas in _scales(deployment["spec"]["replicas"], newest, old).items():
        _scale(world, deployment, replica_set, replicas)
    spent = [one for one in old if not one["spec"]["replicas"] and not one["status"].get("replicas")]
    for one in sorted(spent, key=_revision)[: max(0, len(spent) - deployment["spec"]["revisionHistoryLimit"])]:
        collector.delete(world, ref_of(REPLICASET, one), foreground=False)
    _write(world, deployment, newest, old, created=created)


def _replica_sets(world: World, deployment: Json) -> tuple[Json | None, list[Json]]:
    """(that of the present template, all others)."""
    word = template_hash(deployment["spec"]["template"])
    owned = world.owned(deployment["metadata"]["uid"], REPLICASET)
    newest = [one for one in owned if one["metadata"]["labels"]["pod-template-hash"] == word]
    return (newest[0] if newest else None), [one for one in owned if one not in newest]


def _create(world: World, deployment: Json, *, revision: int) -> Json:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = copied(spec["template"])
    word = template_hash(template)
    template["metadata"]["labels"]["pod-template-hash"] = word
    whole = {
        "namespace": metadata["namespace"],
        "name": f"{metadata['name']}-{word}",
        "labels": template["metadata"]["labels"],
        "annotations": {"deployment.kubernetes.io/revision": str(revision)},
    }
    selector = {"matchLabels": {**spec["selector"]["matchLabels"], "pod-template-hash": word}}
    body = {"spec": {"replicas": 0, "selector": selector, "template": template}, "status": {"replicas": 0}}
    return world.create(REPLICASET, whole, body, deployment)


def _revision(replica_set: Json) -> int:
    return int(replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def _bounds(wanted: int) -> tuple[int, int]:
    """(surge, unavailable) of the 25% that is the default of both; never both 0."""
    return ceil(wanted * 0.25), floor(wanted * 0.25)


def _scales(wanted: int, newest: Json, old: list[Json]) -> dict[str, int]:
    """The replicas that each ReplicaSet is to have next, by its name."""
    surge, unavailable = _bounds(wanted)
    everything = [newest, *old]
    scales = {one["metadata"]["name"]: int(one["spec"]["replicas"]) for one in everything}
    name = newest["metadata"]["name"]
    room = wanted + surge - sum(scales.values())
    before = scales[name]
    scales[name] = wanted if before > wanted else min(wanted, before + max(0, room))
    broken = before - _available(newest)
    spare = sum(scales.values()) - (scales[name] - before) - (wanted - unavailable) - broken
    # Those that do not serve go first; the rest only as far as enough others serve.
    for one in sorted(old, key=_available):
        gone = min(scales[one["metadata"]["name"]], max(0, spare)) if wanted else scales[one["metadata"]["name"]]
        scales[one["metadata"]["name"]] -= gone
        spare -= gone
    return scales


def _available(replica_set: Json) -> int:
    return int(replica_set["status"].get("availableReplicas", 0))


def _scale(world: World, deployment: Json, name: str, replicas: int) -> None:
    wanted = deployment["spec"]["replicas"]
    for one in world.owned(deployment["metadata"]["uid"], REPLICASET):
        if one["metadata"]["name"] == name and one["spec"]["replicas"] != replicas:
            with world.editing(ref_of(REPLICASET, one)) as edited:
                edited["spec"]["replicas"] = replicas
                edited["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = str(wanted)


def _write(world: World, deployment: Json, newest: Json, old: list[Json], *, created: bool) -> None:
    wanted, before = deployment["spec"]["replicas"], deployment["status"]
    everything = [newest, *old]
    total = sum(one["status"].get("replicas", 0) for one in everything)
    available = sum(_available(one) for one in everything)
    counts = {
        "replicas": total,
        "updatedReplicas": newest["status"].get("replicas", 0),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    counts = {key: number for key, number in counts.items() if number}
    conditions = copied(before.get("conditions", []))
    served = available >= wanted - _bounds(wanted)[1]
    set_condition(
        conditions,
        "Available",
        "True" if served else "False",
        at=world.stamp(),
        reason="MinimumReplicasAvailable" if served else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if served else 'does not have'} minimum availability.",
        clock="lastUpdateTime",
    )
    _set_progressing(world, deployment, newest["metadata"]["name"], conditions, counts, created=created)
    status = {"observedGeneration": deployment["metadata"]["generation"], **counts, "conditions": conditions}
    world.write_status(ref_of(DEPLOYMENT, deployment), status)


def _set_progressing(
    world: World, deployment: Json, name: str, conditions: list[Json], counts: Json, *, created: bool
) -> None:
    uid, spec, before = deployment["metadata"]["uid"], deployment["spec"], deployment["status"]
    known = next((condition for condition in conditions if condition["type"] == "Progressing"), None)
    updated = counts.get("updatedReplicas", 0)
    all_new = counts.get("replicas", 0) == updated
    moved = created or any(before.get(key, 0) != counts.get(key, 0) for key in (*counts, *before) if "eplicas" in key)
    if known is not None and known["reason"] == _COMPLETE and all_new and not created:
        # Once complete it is asked again only in the next rollout.
        return
    status = "True"
    if all_new and updated == spec["replicas"] == counts.get("availableReplicas", 0):
        reason, message = _COMPLETE, f'ReplicaSet "{name}" has successfully progressed.'
    elif created:
        reason, message = "NewReplicaSetCreated", f'Created new replica set "{name}"'
    elif moved or known is None:
        reason, message = "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
    else:
        left = world.since.get((uid, "progress"), 0.0) + spec["progressDeadlineSeconds"] - world.agenda.seconds
        if left > 0:
            world.wake(uid, left)
            return
        status, reason = "False", "ProgressDeadlineExceeded"
        message = f'ReplicaSet "{name}" has timed out progressing.'
    if moved:
        world.since[uid, "progress"] = world.agenda.seconds
        world.wake(uid, spec["progressDeadlineSeconds"])
    set_condition(
        conditions, "Progressing", status, at=world.stamp(), reason=reason, message=message, clock="lastUpdateTime"
    )
