"""RunaiJob of Run:ai: a Job of its own making, owned by a workload of Run:ai or submitted alone.

Its status is read as a Job's: the kind is not published, and its submitters use a Job and it alike. A class of builds
on one that is submitted alone makes it a workspace, which is how the older command line marks them.
"""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import text_at, true_condition, whole_at
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.domain.kinds.job import finished, parallel_pods, replicas, requested_pods
from rollcall.domain.kinds.lifecycle import suspension, unobserved
from rollcall.domain.kinds.runai import GROUP, with_own_word
from rollcall.domain.pods import JudgedPod
from rollcall.domain.priority import PRIORITY_LABEL
from rollcall.domain.records import Category, PodState
from rollcall.domain.signals import Signals

_BUILDS = frozenset({"build", "build-preemptible", "interactive", "interactive-preemptible"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    failed, completed = finished(obj)
    parallel = parallel_pods(obj.spec)
    stop = suspension(obj, "suspend")
    suspended = true_condition(status, "Suspended")
    word = text_at(status, "phase")
    active = whole_at(status, "active")
    said = Signals(
        raw_phase=word or ("Active" if active else None),
        failed=failed,
        completed=completed,
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if suspended is not None and not stop.sentence else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=_required(obj, parallel, pods),
        existing=active,
        ready=whole_at(status, "ready"),
        # Without a count of ready pods an active one is taken to run.
        says_ready=True if active and "ready" not in status else None,
        unreadable="spec.parallelism or spec.completions is no count" if parallel is None else None,
    )
    return with_own_word(said, obj, pods, word)


def _required(obj: ObjectFacts, parallel: int | None, pods: tuple[JudgedPod, ...]) -> int | None:
    """min(parallelism, completions - succeeded), a single success where no completions are asked for."""
    if parallel is None:
        return None
    seen = sum(1 for pod in pods if pod.state is PodState.SUCCEEDED)
    succeeded = max(whole_at(obj.status, "succeeded") or 0, seen)
    completions = whole_at(obj.spec, "completions")
    return max(0, min(parallel, (parallel if completions is None else completions) - succeeded))


def _is_build(obj: ObjectFacts) -> bool:
    return obj.meta.labels.get(PRIORITY_LABEL) in _BUILDS


def _type(obj: ObjectFacts) -> str:
    return "Workspace" if _is_build(obj) else "Training"


def _category(obj: ObjectFacts) -> Category:
    return Category.BUILD if _is_build(obj) else Category.TRAIN


ENTRIES = (
    KindEntry(
        key=KindKey(group=GROUP, kind="RunaiJob"),
        versions=("v1",),
        plural="runaijobs",
        words=Words(
            runs="as a Job",
            fails="as a Job",
            stops="`spec.suspend`",
            asks="min(`spec.parallelism`, `spec.completions`)",
            notes="submitted alone with a class of builds it is a Workspace, else a Training",
        ),
        category=Category.TRAIN,
        categorise=_category,
        signals=_signals,
        type="Training",
        name_type=_type,
        roles=(Role(template="spec.template", count=replicas),),
        requested_pods=requested_pods,
        completed_at="status.completionTime",
        priority_paths=("spec.template.spec.priorityClassName",),
    ),
)
