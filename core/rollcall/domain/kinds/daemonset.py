"""DaemonSet: a node's equipment, never a workload; in the catalogue so that its pods are told apart."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.kinds.entry import KindEntry
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals


def _signals(_obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    return Signals(unreadable="a DaemonSet is no workload")


ENTRIES = (
    KindEntry(
        key=KindKey(group="apps", kind="DaemonSet"),
        versions=("v1",),
        plural="daemonsets",
        category=Category.TRAIN,
        signals=_signals,
        recovers=True,
        watched=False,
        ignored=True,
    ),
)
