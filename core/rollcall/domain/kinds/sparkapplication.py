"""SparkApplication: one word, ``applicationState.state``, and a driver that makes its executors."""

from collections.abc import Mapping

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import instant_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds import spark
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED, suspension
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import NEXT_INCARNATION, Signals, Verdict

_AGAIN = frozenset({"PENDING_RERUN", "INVALIDATING"})
_KNOWN = _AGAIN | frozenset(
    {
        "SUBMITTED",
        "RUNNING",
        "COMPLETED",
        "FAILED",
        "SUBMISSION_FAILED",
        "SUCCEEDING",
        "FAILING",
        "SUSPENDING",
        "SUSPENDED",
        "RESUMING",
    }
)


def signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    """What a SparkApplication says; a ScheduledSparkApplication asks it about its runs."""
    state = text_at(obj.status, "applicationState.state")
    error = text_at(obj.status, "applicationState.errorMessage")
    failed, completed = _ends(obj, state, error)
    stop = suspension(obj, "suspend")
    sentence, resuming = stop.sentence, None
    if state == "SUSPENDING":
        sentence = sentence or "being suspended"
    elif state in ("SUSPENDED", "RESUMING") and sentence is None:
        resuming = "resumed, its operator has yet to follow"
    least = spark.least_executors(obj.spec)
    required = None if least is None else 1 + least
    again = state in _AGAIN or (state == "SUBMISSION_FAILED" and failed is None)
    existing, ready = _counted(obj, state)
    return Signals(
        raw_phase=state,
        failed=failed,
        completed=completed,
        stop=sentence,
        queued=stop.queued and state != "SUSPENDING",
        resuming=resuming,
        unobserved=None if state is not None else NOT_OBSERVED,
        required=required,
        due=_due(state, required, pods, over=again or state == "FAILING"),
        success_satisfies=True,
        existing=existing,
        ready=ready,
        not_ready=_not_ready(state, error),
        degraded=_worded("failing", error) if state == "FAILING" else None,
        idle="the driver has succeeded" if state == "SUCCEEDING" else None,
        incarnation_at=NEXT_INCARNATION if again else instant_at(obj.status, "lastSubmissionAttemptTime"),
        unreadable=_unreadable(state, least),
    )


def _ends(obj: ObjectFacts, state: str | None, error: str | None) -> tuple[Verdict | None, Verdict | None]:
    ended_at = instant_at(obj.status, "terminationTime")
    if state == "FAILED":
        return Verdict(message=error, at=ended_at), None
    if state == "SUBMISSION_FAILED" and not _is_submitted_again(obj):
        return Verdict(message=_worded("could not be submitted", error), at=ended_at), None
    if state == "COMPLETED":
        return None, Verdict(at=ended_at)
    return None, None


def _is_submitted_again(obj: ObjectFacts) -> bool:
    policy = text_at(obj.spec, "restartPolicy.type")
    retries = whole_at(obj.spec, "restartPolicy.onSubmissionFailureRetries")
    if policy != "OnFailure" or retries is None:
        return policy == "Always"
    return (whole_at(obj.status, "submissionAttempts") or 0) <= retries


def _not_ready(state: str | None, error: str | None) -> str | None:
    if state == "SUBMISSION_FAILED":
        return _worded("could not be submitted, another attempt is due", error)
    if state == "PENDING_RERUN":
        return "another run is due"
    if state == "INVALIDATING":
        return "its spec was changed, a new run is due"
    return _worded("failing", error) if state == "FAILING" else None


def _worded(text: str, error: str | None) -> str:
    return f"{text}: {error}" if error else text


def _due(state: str | None, required: int | None, pods: tuple[JudgedPod, ...], *, over: bool) -> int | None:
    """The driver makes the executors, so none is due before it runs."""
    if over:
        return 0
    runs = state == "RUNNING" or any(pod.role == spark.DRIVER and pod.is_ready for pod in pods)
    return required if runs else 1


def _counted(obj: ObjectFacts, state: str | None) -> tuple[int | None, int | None]:
    """(existing, ready) by the executors' states; those that ended stay in the map for ever."""
    if state == "SUSPENDING":
        return 1, 0  # it holds that word until all is gone
    if state not in ("RUNNING", "FAILING"):
        return None if state in (None, "SUBMITTED") else 0, None
    states = [word for word in _executor_states(obj).values() if isinstance(word, str)]
    running, pending = states.count("RUNNING"), states.count("PENDING")
    return 1 + running + pending, 1 + running


def _executor_states(obj: ObjectFacts) -> Mapping[str, object]:
    return mapping_at(obj.status, "executorState")


def _unreadable(state: str | None, least: int | None) -> str | None:
    if state == "UNKNOWN":
        return "its operator cannot tell the state of the driver"
    if state is not None and state not in _KNOWN:
        return f"its state {state} is not known"
    return "its spec has no executors, or spec.executor.instances is no count" if least is None else None


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return spark.find_roles(obj.spec)


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return spark.requested_pods(obj.spec)


ENTRIES = (
    KindEntry(
        key=KindKey(group="sparkoperator.k8s.io", kind="SparkApplication"),
        versions=("v1beta2",),
        plural="sparkapplications",
        words=Words(
            runs=(
                "state RUNNING and the driver and its executors are ready; with dynamic allocation their least is "
                "enough"
            ),
            fails="FAILED; SUBMISSION_FAILED with no attempt left",
            stops="`spec.suspend`",
            asks=(
                "1 driver and `spec.executor.instances`, or the bounds of dynamic allocation; cores and memory with "
                "its overhead as Spark composes them"
            ),
            notes="executors are due once the driver runs; FAILING is Degraded",
        ),
        category=Category.TRAIN,
        signals=signals,
        additional_fields=(("framework", "Spark"),),
        roles=spark.roles("spec"),
        find_roles=_roles,
        role_labels=spark.ROLE_LABELS,
        name_label="sparkoperator.k8s.io/app-name",
        requested_pods=_requested_pods,
        completed_at="status.terminationTime",
        url_paths=("status.driverInfo.webUIIngressAddress", "status.driverInfo.webUIAddress"),
        priority_paths=("spec.driver.priorityClassName", "spec.batchSchedulerOptions.priorityClassName"),
    ),
)
