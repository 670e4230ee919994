"""The ReplicaSet controller: as many pods as wanted, those that serve kept the longest."""

from rollcall_demo import kubelet
from rollcall_demo.manifests import create_pod
from rollcall_demo.objects import Json
from rollcall_demo.pod_statuses import is_active, is_ready
from rollcall_demo.resources import POD, REPLICASET
from rollcall_demo.world import World, ref_of


def reconcile(world: World, replica_set: Json) -> None:
    """One look at a ReplicaSet."""
    metadata, wanted = replica_set["metadata"], replica_set["spec"]["replicas"]
    pods = _living(world, replica_set)
    for _ in range(wanted - len(pods)):
        name = f"{metadata['name']}-"
        pod = {"namespace": metadata["namespace"], "generateName": name, "name": name + world.suffix()}
        create_pod(world, pod, replica_set["spec"]["template"], replica_set)
    for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]:
        kubelet.delete_pod(world, ref_of(POD, pod))
    world.write_status(ref_of(REPLICASET, replica_set), _status(replica_set, _living(world, replica_set)))


def _living(world: World, replica_set: Json) -> list[Json]:
    """Its pods that have neither ended nor are on their way out, the newest first."""
    return [pod for pod in reversed(world.owned(replica_set["metadata"]["uid"], POD)) if is_active(pod)]


def _status(replica_set: Json, pods: list[Json]) -> Json:
    ready = sum(1 for pod in pods if is_ready(pod))
    status = {"replicas": len(pods), "observedGeneration": replica_set["metadata"]["generation"]}
    # As Go leaves out a count of zero.
    counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
    return {**status, **{name: number for name, number in counts.items() if number}}
