"""Notebook of Kubeflow: one pod of a StatefulSet, stopped by an annotation."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import is_false, said_by
from rollcall.domain.pod_table import CONFIG_REASONS, IMAGE_REASONS
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals, Verdict

STOP_ANNOTATION = "kubeflow-resource-stopped"
"""Its presence is the stop, set by a user or by the culler of idle notebooks; its value is when, or who holds it."""

_FATAL = IMAGE_REASONS | CONFIG_REASONS | {"CrashLoopBackOff", "OOMKilled"}


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    state = mapping_at(status, "containerState")
    word = next((word for word in ("terminated", "running", "waiting") if word in state), None)
    ready = whole_at(status, "readyReplicas") or 0
    scheduled = condition_of(status, "PodScheduled")
    unscheduled = word is None and is_false(scheduled) and not pods
    return Signals(
        raw_phase=word.capitalize() if word is not None else None,
        failed=None if pods else _failed(obj, word),
        stop=f"stopped by annotation {STOP_ANNOTATION}" if STOP_ANNOTATION in obj.meta.annotations else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=1,
        existing=max(ready, 1 if word is not None else 0),
        ready=ready,
        waiting=said_by(scheduled, "its pod is not scheduled") if unscheduled else None,
    )


def _failed(obj: ObjectFacts, word: str | None) -> Verdict | None:
    """What the state of the container says where its pod is not known; an end with any exit code is restarted."""
    if word not in ("waiting", "terminated"):
        return None
    detail = mapping_at(obj.status, f"containerState.{word}")
    reason, message = text_at(detail, "reason"), text_at(detail, "message")
    if reason not in _FATAL:
        return None
    return Verdict(message=f"{reason}: {message}" if message else reason, holds=False)


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubeflow.org", kind="Notebook"),
        versions=("v1", "v1beta1", "v1alpha1"),
        plural="notebooks",
        words=Words(
            runs="its pod is ready (`readyReplicas`)",
            fails="its container waits with an error for longer than its grace",
            stops="the annotation `kubeflow-resource-stopped`, whoever wrote it",
            asks="one",
            notes="an end of its container is a restart",
        ),
        category=Category.BUILD,
        signals=_signals,
        roles=(Role(template="spec.template"),),
        priority_paths=("spec.template.spec.priorityClassName",),
        default_priority_class="build",
        recovers=True,
    ),
)
