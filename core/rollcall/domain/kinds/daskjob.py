"""DaskJob: a runner pod and a DaskCluster of its own, which is deleted at the end."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import instant_at, is_absurd, mapping_at, text_at, whole_at
from rollcall.domain.kinds.daskcluster import ROLE_LABELS
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_CLUSTER = "spec.cluster.spec"
_KNOWN = frozenset({"JobCreated", "ClusterCreated", "Running", "Successful", "Failed"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    word = text_at(obj.status, "jobStatus")
    ended_at = instant_at(obj.status, "endTime")
    required = _required(obj)
    unreadable = "its cluster has no workers, or their replicas are no count" if required is None else None
    if word is not None and word not in _KNOWN:
        unreadable = f"its jobStatus {word} is not known"
    return Signals(
        raw_phase=word,
        failed=Verdict(message="its runner failed", at=ended_at) if word == "Failed" else None,
        completed=Verdict(at=ended_at) if word == "Successful" else None,
        unobserved=NOT_OBSERVED if word is None else None,
        required=required,
        success_satisfies=True,
        says_ready=word == "Running" if word in ("ClusterCreated", "Running") else None,
        unreadable=unreadable,
    )


def _required(obj: ObjectFacts) -> int | None:
    """The runner, the scheduler and the workers."""
    worker = mapping_at(obj.spec, "cluster.spec.worker")
    if not worker or is_absurd(worker, "replicas"):
        return None
    workers = whole_at(worker, "replicas")
    return 2 + (1 if workers is None else workers)


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubernetes.dask.org", kind="DaskJob"),
        versions=("v1",),
        plural="daskjobs",
        words=Words(
            runs="its `jobStatus` is Running and its pods are ready",
            fails="`jobStatus` is Failed",
            stops="nothing but its deletion",
            notes="its cluster goes at the end",
        ),
        category=Category.TRAIN,
        signals=_signals,
        additional_fields=(("framework", "Dask"),),
        roles=(
            Role(name="job-runner", template="spec.job.spec", is_pod_spec=True),
            Role(name="scheduler", template=f"{_CLUSTER}.scheduler.spec", is_pod_spec=True),
            Role(
                name="worker",
                template=f"{_CLUSTER}.worker.spec",
                is_pod_spec=True,
                replicas=f"{_CLUSTER}.worker.replicas",
            ),
        ),
        role_labels=ROLE_LABELS,
        completed_at="status.endTime",
        priority_paths=("spec.job.spec.priorityClassName",),
    ),
)
