"""Pod: a workload of its own where nothing catalogued owns it."""

from datetime import datetime

from rollcall.domain.facts import KindKey, ObjectFacts, PodFacts
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, PodState, RequestedPods
from rollcall.domain.signals import Signals, Verdict


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    if not pods:
        return Signals(unreadable="the pod itself is not known")
    # What it owns (a driver's executors) comes and goes as it likes.
    judged = next((pod for pod in pods if pod.facts.meta.uid == obj.meta.uid), pods[0])
    pod = judged.facts
    raw = pod.k8s_phase or None
    if judged.state is PodState.SUCCEEDED:
        return Signals(raw_phase=raw, required=1, completed=Verdict(at=last_end(pod)))
    if judged.state in (PodState.FAILED, PodState.FAILED_INFRA):
        # Nobody recreates a bare pod: whatever failed it is the end of it.
        return Signals(raw_phase=raw, required=1, failed=Verdict(at=last_end(pod)))
    return Signals(raw_phase=raw, required=1)


_LAUNCHERS = (
    ("Spark", "spark-app-selector", None),
    ("Airflow", "airflow_version", None),
    ("Prefect", "prefect.io/flow-run-id", None),
    ("JupyterHub", "component", "singleuser-server"),
    ("JupyterHub", "app.kubernetes.io/component", "singleuser-server"),
)
"""(launcher, label, its value, any where ``None``): launchers that make pods which nothing owns."""


def _launcher(obj: ObjectFacts) -> tuple[tuple[str, str], ...]:
    for launcher, label, value in _LAUNCHERS:
        found = obj.meta.labels.get(label)
        if found is not None and value in (None, found):
            return (("launcher", launcher),)
    return ()


def last_end(pod: PodFacts) -> datetime | None:
    """When the last application container of a pod ended."""
    ends = [container.finished_at for container in pod.containers if container.finished_at is not None]
    return max(ends, default=None)


def _requested_pods(_obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=1)


ENTRIES = (
    KindEntry(
        key=KindKey(group="", kind="Pod"),
        versions=("v1",),
        plural="pods",
        words=Words(
            runs="it is ready",
            fails="its phase is Failed, whatever failed it; a container cannot start for longer than its grace",
            stops="nothing but its deletion; scheduling gates hold it",
            asks="one",
            notes="a workload only where nothing owns it",
        ),
        category=Category.TRAIN,
        signals=_signals,
        requested_pods=_requested_pods,
        more_fields=_launcher,
    ),
)
