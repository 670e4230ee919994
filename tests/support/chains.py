"""Small worlds of objects that own each other, taken in by the operator's state and by ``rollcall explain`` alike."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from support.observed import API_VERSIONS as CATALOGUED
from support.observed import NOW, SETTINGS

from rollcall.domain.facts import KindKey, WorkloadView
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.ownership import split_api_version
from rollcall.domain.placing import Missing
from rollcall.domain.reading import read_meta
from rollcall.explain.gathering import gather
from rollcall_operator.cluster_state import POD, ClusterState, EventType

Object = dict[str, Any]
Tops = dict[str, set[str]]
"""``Kind/name`` of each workload to the names of its pods."""

API_VERSIONS = {
    "Pod": "v1",
    "Node": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ControllerRevision": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "JobSet": "jobset.x-k8s.io/v1alpha2",
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
    "TrainJob": "trainer.kubeflow.org/v1alpha1",
    "RayCluster": "ray.io/v1",
    "RayJob": "ray.io/v1",
    "RayService": "ray.io/v1",
    "RayCronJob": "ray.io/v1",
    "SparkApplication": "sparkoperator.k8s.io/v1beta2",
    "ScheduledSparkApplication": "sparkoperator.k8s.io/v1beta2",
    "AppWrapper": "workload.codeflare.dev/v1beta2",
    "Workflow": "argoproj.io/v1alpha1",
    "CronWorkflow": "argoproj.io/v1alpha1",
    "VolcanoJob": "batch.volcano.sh/v1alpha1",
    "DaskCluster": "kubernetes.dask.org/v1",
    "DaskJob": "kubernetes.dask.org/v1",
    "DaskWorkerGroup": "kubernetes.dask.org/v1",
    "KnativeService": "serving.knative.dev/v1",
    "Configuration": "serving.knative.dev/v1",
    "Revision": "serving.knative.dev/v1",
    "InferenceService": "serving.kserve.io/v1beta1",
    "LLMInferenceService": "serving.kserve.io/v1alpha1",
    "ServingRuntime": "serving.kserve.io/v1alpha1",
    "SeldonDeployment": "machinelearning.seldon.io/v1",
    "NIMService": "apps.nvidia.com/v1alpha1",
    "NIMPipeline": "apps.nvidia.com/v1alpha1",
    "NIMCache": "apps.nvidia.com/v1alpha1",
    "DynamoGraphDeployment": "nvidia.com/v1alpha1",
    "DynamoComponentDeployment": "nvidia.com/v1alpha1",
    "PodClique": "grove.io/v1alpha1",
    "PodCliqueScalingGroup": "grove.io/v1alpha1",
    "PodCliqueSet": "grove.io/v1alpha1",
    "PipelineRun": "tekton.dev/v1",
    "TaskRun": "tekton.dev/v1",
    "VirtualMachine": "kubevirt.io/v1",
    "VirtualMachineInstance": "kubevirt.io/v1",
    "DevWorkspace": "workspace.devfile.io/v1alpha2",
    "RunaiJob": "run.ai/v1",
    "TrainingWorkload": "run.ai/v2alpha1",
    "InteractiveWorkload": "run.ai/v2alpha1",
    "DistributedWorkload": "run.ai/v2alpha1",
    "InferenceWorkload": "run.ai/v2alpha1",
    "DistributedInferenceWorkload": "run.ai/v2alpha1",
}
_KINDS = {"VolcanoJob": "Job", "KnativeService": "Service"}


def an_object(kind: str, name: str = "", *owners: Object, namespace: str | None = "lab", **more: Any) -> Object:
    """An object that the first owner controls; its uid is its name. But spec and status ``more`` is metadata."""
    name = name or kind.lower()
    metadata: Object = {"name": name, "uid": more.pop("uid", name), "resourceVersion": "7"}
    if namespace is not None:
        metadata["namespace"] = namespace
    if owners:
        metadata["ownerReferences"] = [reference(owner, controller=owner is owners[0]) for owner in owners]
    bodies = {part: more.pop(part) for part in ("spec", "status") if part in more}
    return {
        "apiVersion": API_VERSIONS.get(kind) or CATALOGUED.get(kind, "example.com/v1"),
        "kind": _KINDS.get(kind, kind),
        "metadata": metadata | more,
        "spec": {},
        "status": {},
        **bodies,
    }


def reference(owner: Object, *, controller: bool = True) -> Object:
    """The reference to an owner, in its dependants."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": controller,
    }


def chain(*kinds: str) -> list[Object]:
    """Objects of these kinds, each owned by the next; the first comes first."""
    found: list[Object] = []
    for place, kind in enumerate(reversed(kinds)):
        name = f"{kind.lower()}-{len(kinds) - place}"
        found.insert(0, an_object(kind, name, *found[:1]))
    return found


def key_of(obj: Object) -> KindKey:
    """The kind of an object."""
    return KindKey(group=split_api_version(obj["apiVersion"])[0], kind=obj["kind"])


class World:
    """A cluster whose watches bring what is watched, and whose API answers for the rest."""

    def __init__(
        self, *objects: Object, refused: Mapping[str, Missing] | None = None, kinds: Catalogue | None = None
    ) -> None:
        """``refused`` by uid: what may not be read, or is gone; watches bring nothing of it."""
        self.refused = dict(refused or {})
        self.kinds = kinds or built_in()
        self.objects = {obj["metadata"]["uid"]: obj for obj in objects if obj["metadata"]["uid"] not in self.refused}
        self.state = ClusterState(SETTINGS, all_namespaces=True, catalogue=self.kinds)
        self.reads: list[str] = []
        self._version = 10

    def is_watched(self, obj: Object) -> bool:
        """Whether a watch brings it."""
        return key_of(obj) in {entry.key for entry in self.kinds.watched_entries()} | {POD}

    def see(self, obj: Object, event: EventType = EventType.SEEN) -> None:
        """Let a watch bring it."""
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        if event is EventType.SEEN and obj["metadata"]["uid"] not in self.refused:
            self.objects[obj["metadata"]["uid"]] = obj
        self.state.observe(key_of(obj), event, obj, at=NOW)

    def lose(self, obj: Object) -> None:
        """Let it be deleted."""
        self.objects.pop(obj["metadata"]["uid"], None)
        self.see(obj, EventType.DELETED)

    def read_owners(self) -> None:
        """Answer for the owners that are asked for, until none is."""
        while self.state.unresolved:
            member, owner = next(iter(self.state.unresolved.items()))
            facts = self.state.pods.get(member) or self.state.objects[member]
            self.reads.append(owner.uid)
            found = self.objects.get(owner.uid)
            meta = None if found is None else read_meta(found)
            answer = meta or self.refused.get(owner.uid, Missing.GONE)
            if meta is not None and meta.namespace not in (None, facts.meta.namespace):
                answer = Missing.GONE  # it is looked for in the namespace of who refers to it
            self.state.learn_owner(owner.uid, answer, facts.meta.namespace)

    def all_seen(self, order: Sequence[Object] | None = None) -> "World":
        """Let the watches bring everything, in an order, and owners be read whenever they are asked for."""
        for obj in order or list(self.objects.values()):
            if self.is_watched(obj):
                self.see(obj)
        self.read_owners()
        return self

    def workloads(self) -> Tops:
        """What the operator derives records of."""
        uids = {*self.state.objects, *self.state.pods, *self.state.belonging.tops()}
        views = {uid: self.state.view(uid) for uid in sorted(uids)}
        return tops_of([view for view in views.values() if view is not None])

    def explained(self) -> Tops:
        """What ``rollcall explain`` finds in the same objects."""
        return tops_of(gather(list(self.objects.values()), SETTINGS, self.kinds).views)


def tops_of(views: Sequence[WorkloadView]) -> Tops:
    """Each workload and its pods."""
    found: Tops = {}
    metas = [view.top.meta if view.top is not None else view.top_reference or view.pods[0].meta for view in views]
    for meta, view in sorted(zip(metas, views, strict=True), key=lambda both: (both[0].namespace or "", both[0].uid)):
        name = f"{meta.kind}/{meta.name}"
        name = name if name not in found else f"{name} of {meta.namespace}"
        assert name not in found, "one workload, one view"
        found[name] = {pod.meta.name for pod in view.pods}
    return found


def orders(objects: Sequence[Object]) -> list[list[Object]]:
    """Orders of arrival: owners last, owners first, and mixed."""
    mixed = [random.Random(seed).sample(list(objects), len(objects)) for seed in range(3)]  # noqa: S311 - no secret
    return [list(objects), list(reversed(objects)), *mixed]


def workloads_of(*objects: Object, refused: Mapping[str, Missing] | None = None, **more: Any) -> Tops:
    """The workloads of these objects, the same in any order of arrival and to ``rollcall explain``."""
    explained = World(*objects, refused=refused, **more).explained()
    for order in orders(objects):
        world = World(*objects, refused=refused, **more)
        kept = [obj for obj in order if obj["metadata"]["uid"] in world.objects]
        found = world.all_seen(kept).workloads()
        assert found == explained, order
    return explained
