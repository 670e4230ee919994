"""PipelineRun of Tekton: its TaskRuns, each a pod, run one after another or side by side."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.kinds.entry import KindEntry, Words
from rollcall.domain.kinds.tekton import signals_of_run
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category
from rollcall.domain.signals import Signals


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    return signals_of_run(obj, pods)


ENTRIES = (
    KindEntry(
        key=KindKey(group="tekton.dev", kind="PipelineRun"),
        versions=("v1", "v1beta1"),
        plural="pipelineruns",
        words=Words(
            runs="a pod of its TaskRuns works, or between two of them",
            fails="condition Succeeded is False, unless it was cancelled",
            stops="`spec.status: PipelineRunPending`; cancelled it is Stopped for good",
            asks="what its pods are",
            notes="reasons are open-ended: the condition's status decides",
        ),
        category=Category.TRAIN,
        signals=_signals,
        role_labels=("tekton.dev/pipelineTask",),
        completed_at="status.completionTime",
        priority_paths=(
            "spec.taskRunTemplate.podTemplate.priorityClassName",
            "spec.podTemplate.priorityClassName",
        ),
    ),
)
