"""TrainJob: a JobSet of the same name does its work and holds its pod templates; it has no condition that it runs.

The framework stands in the runtime, which is not read. It is taken from the label ``trainer.kubeflow.org/framework``
on the job, which some tools copy there, else from the name of one of the runtimes that the trainer ships.
"""

from dataclasses import replace

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import (
    elements_at,
    instant_at,
    is_absurd,
    mapping_at,
    sentence_of,
    text_at,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds import jobset
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.kinds.lifecycle import suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_TAKEN_BACK = frozenset({"TrainingRuntimeNotSupported"})
"""Reasons of the condition Failed that go away once the runtime is there."""

_WORDS = ("Failed", "Complete", "Suspended")

_FRAMEWORKS = {
    "torch": "PyTorch",
    "pytorch": "PyTorch",
    "torchtune": "PyTorch",
    "mpi": "MPI",
    "deepspeed": "MPI",
    "mlx": "MPI",
    "jax": "JAX",
    "xgboost": "XGBoost",
    "tensorflow": "TF",
}
"""By the word of the label, or before the first hyphen of a shipped runtime's name; its MPI runtimes among them."""


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    failed, complete = true_condition(status, "Failed"), true_condition(status, "Complete")
    suspended = true_condition(status, "Suspended")
    stop = suspension(obj, "suspend")
    below = _job_set(obj, children)
    said = _counted(obj, pods) if below is None else jobset.signals_of(below, children, pods)
    lags = suspended is not None or said.stop is not None
    found = true_condition(status, *_WORDS)
    return replace(
        said,
        raw_phase=None if found is None else str(found["type"]),
        failed=said.failed
        if failed is None
        else Verdict(
            message=sentence_of(failed),
            at=instant_at(failed, "lastTransitionTime"),
            holds=text_at(failed, "reason") not in _TAKEN_BACK,
        ),
        completed=said.completed if complete is None else Verdict(at=instant_at(complete, "lastTransitionTime")),
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if lags and not stop.sentence else None,
        unobserved=unobserved(obj, writes_generation=False),
        message=_progress(obj),
    )


def _job_set(_obj: ObjectFacts, children: tuple[ObjectFacts, ...]) -> ObjectFacts | None:
    """The JobSet that does the work; of several the newest."""
    found = [child for child in children if child.meta.key == jobset.KEY]
    return max(found, key=lambda child: (str(child.meta.created_at), child.meta.uid), default=None)


def _counted(obj: ObjectFacts, pods: tuple[JudgedPod, ...]) -> Signals:
    """By the counts of Jobs in the status, while no JobSet is known; by its nodes where pods are."""
    if is_absurd(obj.spec, "trainer.numNodes"):
        return Signals(unreadable="spec.trainer.numNodes is no count")
    if pods:
        # The nodes are not due before the initialisers are done.
        early = all((pod.role or "").endswith("-initializer") for pod in pods)
        return Signals(required=_asked(obj), due=len(pods) if early else None, success_satisfies=True)
    jobs = elements_at(obj.status, "jobsStatus")
    if not jobs:
        return Signals()
    required = ready = active = 0
    for job in jobs:
        done = (whole_at(job, "ready") or 0) + (whole_at(job, "succeeded") or 0)
        required += max(1, done, whole_at(job, "active") or 0)
        ready += done
        active += whole_at(job, "active") or 0
    return Signals(required=required, existing=active, ready=ready)


def _asked(obj: ObjectFacts) -> int | None:
    """Pods of the training nodes and of the initialisers; ``None`` where the runtime alone has the number."""
    nodes = whole_at(obj.spec, "trainer.numNodes")
    if nodes is None:
        return None
    return nodes + sum(1 for name in ("dataset", "model") if mapping_at(obj.spec, f"initializer.{name}"))


def _progress(obj: ObjectFacts) -> str | None:
    percentage = whole_at(obj.status, "trainerStatus.progressPercentage")
    return None if percentage is None else f"{percentage} % done"


def _framework(obj: ObjectFacts) -> str | None:
    labelled = obj.meta.labels.get("trainer.kubeflow.org/framework")
    if labelled:
        return _FRAMEWORKS.get(labelled.lower())
    name = text_at(obj.spec, "runtimeRef.name") or ""
    shipped = name.endswith("-distributed") or name.startswith("torchtune-")
    return _FRAMEWORKS.get(name.partition("-")[0]) if shipped else None


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=_asked(obj))


ENTRIES = (
    KindEntry(
        key=KindKey(group="trainer.kubeflow.org", kind="TrainJob"),
        versions=("v1alpha1",),
        plural="trainjobs",
        words=Words(
            runs="its JobSet is; before there is one, its counts of Jobs are complete",
            fails="condition Failed, or its JobSet's; an unsupported runtime is a failure that is taken back",
            stops="`spec.suspend`",
            asks="as its JobSet asks; before there is one `spec.trainer.numNodes`",
        ),
        category=Category.TRAIN,
        signals=_signals,
        framework=_framework,
        asks_through=_job_set,
        role_labels=(jobset.ROLE_LABEL,),
        requested_pods=_requested_pods,
        storage_paths=("spec.initializer.dataset.storageUri", "spec.initializer.model.storageUri"),
    ),
)
