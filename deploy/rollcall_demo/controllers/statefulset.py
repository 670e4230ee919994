"""The StatefulSet controller: one pod after the other, upwards to create, downwards to update and to remove."""

from rollcall_demo import kubelet
from rollcall_demo.manifests import create_pod, template_hash
from rollcall_demo.objects import Json
from rollcall_demo.pod_statuses import is_active, is_ready, is_terminal
from rollcall_demo.resources import POD, STATEFULSET
from rollcall_demo.world import World, ref_of

ORDINAL = "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"


def reconcile(world: World, stateful_set: Json) -> None:
    """One look at a StatefulSet; it sets no conditions."""
    spec = stateful_set["spec"]
    revision = f"{stateful_set['metadata']['name']}-{template_hash(spec['template'])}"
    pods = _pods(world, stateful_set)
    if _fill(world, stateful_set, pods, revision):
        _step_down(world, pods, wanted=spec["replicas"], revision=revision)
    world.write_status(
        ref_of(STATEFULSET, stateful_set), _status(stateful_set, list(_pods(world, stateful_set).values()), revision)
    )


def _pods(world: World, stateful_set: Json) -> dict[int, Json]:
    owned = world.owned(stateful_set["metadata"]["uid"], POD)
    found = {int(pod["metadata"]["labels"][ORDINAL]): pod for pod in owned}
    return dict(sorted(found.items()))


def _fill(world: World, stateful_set: Json, pods: dict[int, Json], revision: str) -> bool:
    """Create what is missing; whether every wanted pod serves."""
    ordered = stateful_set["spec"]["podManagementPolicy"] == "OrderedReady"
    complete = True
    for ordinal in range(stateful_set["spec"]["replicas"]):
        pod = pods.get(ordinal)
        if pod is None:
            _create(world, stateful_set, ordinal, revision)
        elif is_terminal(pod):
            kubelet.delete_pod(world, ref_of(POD, pod))
        elif is_active(pod) and is_ready(pod):
            continue
        complete = False
        if ordered:
            break
    return complete


def _create(world: World, stateful_set: Json, ordinal: int, revision: str) -> None:
    name = f"{stateful_set['metadata']['name']}-{ordinal}"
    labels = {"statefulset.kubernetes.io/pod-name": name, ORDINAL: str(ordinal), REVISION: revision}
    metadata = {"namespace": stateful_set["metadata"]["namespace"], "name": name, "labels": labels}
    create_pod(world, metadata, stateful_set["spec"]["template"], stateful_set)


def _step_down(world: World, pods: dict[int, Json], *, wanted: int, revision: str) -> None:
    """Remove what is too much, else replace what is of an older revision: the highest ordinal first, one at a time."""
    surplus = [pod for ordinal, pod in pods.items() if ordinal >= wanted]
    stale = [pod for pod in pods.values() if pod["metadata"]["labels"][REVISION] != revision]
    for pod in (surplus or stale)[-1:]:
        kubelet.delete_pod(world, ref_of(POD, pod))


def _status(stateful_set: Json, found: list[Json], revision: str) -> Json:
    before = stateful_set["status"]
    current = before.get("currentRevision", revision)
    updated = sum(1 for pod in found if pod["metadata"]["labels"][REVISION] == revision)
    ready = sum(1 for pod in found if is_active(pod) and is_ready(pod))
    if updated == len(found) == stateful_set["spec"]["replicas"] == ready:
        current = revision
    counts = {
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": sum(1 for pod in found if pod["metadata"]["labels"][REVISION] == current),
        "updatedReplicas": updated,
    }
    return {
        "observedGeneration": stateful_set["metadata"]["generation"],
        "replicas": len(found),
        **{name: number for name, number in counts.items() if number},
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    }
