"""MPIJob: of the MPI operator (v2beta1), whose launcher is a Job, and of the training operator (v1), where it is a pod.

Both count only pods that run as active, and both keep the condition Running when a worker dies later: counts and pods
decide. The MPI operator fails the job for good when a worker is evicted; the training operator starts it again, so
there the failure is not an end.
"""

from dataclasses import replace

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import at, true_condition, whole_at
from rollcall.domain.kinds.entry import Words
from rollcall.domain.kinds.kubeflow import training_job
from rollcall.domain.pods import JudgedPod
from rollcall.domain.signals import Signals

_BASE = training_job(
    "MPIJob",
    plural="mpijobs",
    replica_specs="mpiReplicaSpecs",
    roles=("Launcher", "Worker"),
    framework="MPI",
)


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    said = _BASE.signals(obj, children, pods)
    if said.failed is not None and obj.meta.api_version.endswith("/v1"):
        failed = true_condition(obj.status, "Failed")
        if failed is not None and failed.get("reason") == "MPIJobEvicted":
            said = replace(said, failed=replace(said.failed, holds=False))
    return replace(said, due=_due(obj, said.required, pods))


def _due(obj: ObjectFacts, required: int | None, pods: tuple[JudgedPod, ...]) -> int | None:
    """Without the launcher where it is made only once the workers are ready."""
    if required is None or at(obj.spec, "launcherCreationPolicy") != "WaitForWorkersReady":
        return None
    if any(pod.role == "launcher" for pod in pods):
        return None
    workers = [pod for pod in pods if pod.role == "worker"]
    asked = whole_at(obj.spec, "mpiReplicaSpecs.Worker.replicas")
    if workers and sum(pod.is_ready for pod in workers) >= (1 if asked is None else asked):
        return None
    return max(0, required - 1)


ENTRIES = (
    replace(
        _BASE,
        versions=("v2beta1", "v1"),
        words=Words(
            runs="its pods are ready, or its counts are complete",
            fails=(
                "condition Failed; an eviction ends it, except in the training operator (v1), which starts it again"
            ),
            stops="`spec.runPolicy.suspend`",
            notes="the launcher's Job is hidden; a launcher made only once the workers are ready is not due before",
        ),
        signals=_signals,
        # The MPI operator names the role in its own label; the training operator says "master" there.
        role_labels=("training.kubeflow.org/replica-type", "training.kubeflow.org/job-role"),
    ),
)
