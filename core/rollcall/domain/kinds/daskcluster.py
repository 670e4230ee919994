"""DaskCluster: its phase is set once and not kept up, so pods and Deployments decide.

It is a cluster, like a RayCluster: it never ends by itself, and takes back a failure.
"""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import is_absurd, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import Intermediate, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED, replicas_wanted
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

_DEPLOYMENT = KindKey(group="apps", kind="Deployment")
_COMPONENT = "dask.org/component"
ROLE_LABELS = (_COMPONENT,)


def _signals(obj: ObjectFacts, children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    phase = text_at(obj.status, "phase")
    parts = [child for child in children if child.meta.key == _DEPLOYMENT]
    required = _required(obj, parts)
    started = phase in ("Pending", "Running")
    return Signals(
        raw_phase=phase,
        failed=Verdict(message="its operator says Error") if phase == "Error" else None,
        unobserved=NOT_OBSERVED if phase is None else None,
        required=required,
        existing=sum(whole_at(part.status, "replicas") or 0 for part in parts) if parts else None,
        ready=sum(whole_at(part.status, "availableReplicas") or 0 for part in parts) if parts else None,
        says_ready=phase == "Running" if started and not parts else None,
        unreadable="its spec has no workers, or spec.worker.replicas is no count" if required is None else None,
    )


def _required(obj: ObjectFacts, parts: list[ObjectFacts]) -> int | None:
    """What its Deployments want, one for each worker: an autoscaler changes their number, not the cluster's spec."""
    if any(part.meta.labels.get(_COMPONENT) == "worker" for part in parts):
        return sum(replicas_wanted(part) or 0 for part in parts)
    if not mapping_at(obj.spec, "worker") or is_absurd(obj.spec, "worker.replicas"):
        return None
    workers = whole_at(obj.spec, "worker.replicas")
    return 1 + (1 if workers is None else workers)


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubernetes.dask.org", kind="DaskCluster"),
        versions=("v1",),
        plural="daskclusters",
        words=Words(
            runs="scheduler and workers are ready",
            fails="phase Error",
            stops="nothing but its deletion",
            notes="its phase is set once and not believed; its Deployments say how many workers are wanted",
        ),
        between=(
            Intermediate(key=KindKey(group="kubernetes.dask.org", kind="DaskWorkerGroup"), plural="daskworkergroups"),
        ),
        category=Category.BUILD,
        signals=_signals,
        additional_fields=(("framework", "Dask"),),
        roles=(
            Role(name="scheduler", template="spec.scheduler.spec", is_pod_spec=True),
            Role(name="worker", template="spec.worker.spec", is_pod_spec=True, replicas="spec.worker.replicas"),
        ),
        role_labels=ROLE_LABELS,
        name_label="dask.org/cluster-name",
        priority_paths=("spec.scheduler.spec.priorityClassName", "spec.worker.spec.priorityClassName"),
        recovers=True,
    ),
)
