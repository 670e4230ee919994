"""Experiment and Trial of Katib: an experiment runs while one of its trials does; a trial is one run of an inner job.

Which phases an experiment takes follows from the conditions that Katib's API lists; no peer maps them. Its trials come
and go all the time, so it requires one of their pods, not all: a trial that starts is no loss. The pod of its
suggestion service is its own as well, yet trains nothing: alone it does not make the experiment run.
"""

from datetime import datetime

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import (
    at,
    conditions_of,
    instant_at,
    is_absurd,
    sentence_of,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds import wrapped
from rollcall.domain.kinds.entry import FoundRole, Intermediate, KindEntry, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_SUGGESTION_LABEL = "katib.kubeflow.org/suggestion"
_ROLE_LABELS = (
    "training.kubeflow.org/replica-type",
    "training.kubeflow.org/job-role",
    "jobset.sigs.k8s.io/replicatedjob-name",
)
_PARALLEL_TRIALS = 3
"""Katib's default."""

_EXPERIMENT_WORDS = ("Failed", "Succeeded", "Running", "Restarting", "Created")
_TRIAL_WORDS = ("Failed", "MetricsUnavailable", "Killed", "EarlyStopped", "Succeeded", "Running", "Created")
_ENDED_TRIALS = ("trialsSucceeded", "trialsFailed", "trialsKilled", "trialsEarlyStopped", "trialMetricsUnavailable")


def _experiment_signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    failed, succeeded = true_condition(status, "Failed"), true_condition(status, "Succeeded")
    restarting, running = true_condition(status, "Restarting"), true_condition(status, "Running")
    trials = [pod for pod in pods if _SUGGESTION_LABEL not in pod.facts.meta.labels]
    living = any(pod.is_active for pod in trials)
    under_way, pending = whole_at(status, "trialsRunning") or 0, whole_at(status, "trialsPending") or 0
    ended = sum(whole_at(status, name) or 0 for name in _ENDED_TRIALS)
    between = running is not None and not living and not under_way and not pending and ended > 0
    required, due = _experiment_needs(pods, trials, living=living)
    return Signals(
        raw_phase=_word(obj, _EXPERIMENT_WORDS),
        failed=None if failed is None else Verdict(message=sentence_of(failed), at=_at(failed)),
        completed=None if succeeded is None else Verdict(message=sentence_of(succeeded), at=_at(succeeded)),
        unobserved=None
        if any(conditions_of(status))
        else unobserved(obj, writes_generation=False) or "no condition yet",
        required=required,
        due=due,
        existing=under_way + pending,
        ready=under_way,
        not_ready=sentence_of(restarting) or "restarting" if restarting is not None and running is None else None,
        idle=f"between two trials, {ended} of them over" if between else None,
        holdup="waiting for the first trial",
        # A restart takes back an end by the number of trials.
        incarnation_at=None if restarting is None else _at(restarting),
    )


def _experiment_needs(pods: tuple[JudgedPod, ...], trials: list[JudgedPod], *, living: bool) -> tuple[int, int | None]:
    """(pods that Running needs, how many are due): one of a trial beside those of the suggestion service that serve."""
    suggestions = [pod for pod in pods if _SUGGESTION_LABEL in pod.facts.meta.labels]
    if not pods:
        return 1, None
    if not living:
        # The first trial, or the next one, is made when the suggestion service has an answer.
        return 1 + sum(pod.is_ready for pod in suggestions), sum(pod.is_active for pod in suggestions)
    waiting = all(pod.is_waiting for pod in trials if pod.is_active)
    serving = sum(pod.is_ready for pod in suggestions)
    scheduled = sum(pod.is_active and not pod.is_waiting for pod in suggestions)
    return 1 + serving, 1 + scheduled if waiting else None


def _trial_signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    failed = true_condition(status, "Failed", "MetricsUnavailable")
    succeeded = true_condition(status, "Succeeded", "EarlyStopped")
    killed = true_condition(status, "Killed")
    running = true_condition(status, "Running") is not None
    numbers = [role.replicas for role in _trial_roles(obj)]
    known = [number for number in numbers if number is not None]
    return Signals(
        raw_phase=_word(obj, _TRIAL_WORDS),
        failed=None if failed is None else Verdict(message=sentence_of(failed), at=_at(failed)),
        completed=None if succeeded is None else Verdict(message=sentence_of(succeeded), at=_at(succeeded)),
        stopped=None if killed is None else Verdict(message=sentence_of(killed) or "killed", at=_at(killed)),
        unobserved=None
        if any(conditions_of(status))
        else unobserved(obj, writes_generation=False) or "no condition yet",
        required=sum(known) if pods and known and len(known) == len(numbers) else None,
        success_satisfies=True,
        says_ready=True if running else None,
    )


def _at(condition: object) -> datetime | None:
    return instant_at(condition, "lastTransitionTime") if isinstance(condition, dict) else None


def _word(obj: ObjectFacts, words: tuple[str, ...]) -> str | None:
    found = true_condition(obj.status, *words)
    return None if found is None else str(found["type"])


def _of_experiment(obj: ObjectFacts) -> ObjectFacts | None:
    return wrapped.wrapped_object(obj, at(obj.spec, "trialTemplate.trialSpec"))


def _of_trial(obj: ObjectFacts) -> ObjectFacts | None:
    return wrapped.wrapped_object(obj, at(obj.spec, "runSpec"))


def _parallel(obj: ObjectFacts) -> int | None:
    if is_absurd(obj.spec, "parallelTrialCount"):
        return None
    trials = whole_at(obj.spec, "parallelTrialCount")
    return _PARALLEL_TRIALS if trials is None else trials


def _experiment_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """Those of one trial, for as many trials as may run at once."""
    trials = _parallel(obj)
    roles = wrapped.roles_of(_of_experiment(obj), times=1 if trials is None else trials)
    return roles if trials is not None else tuple(FoundRole(role.name, role.template, None) for role in roles)


def _trial_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return wrapped.roles_of(_of_trial(obj))


def _experiment_framework(obj: ObjectFacts) -> str | None:
    return wrapped.framework_of(_of_experiment(obj))


def _trial_framework(obj: ObjectFacts) -> str | None:
    return wrapped.framework_of(_of_trial(obj))


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    return RequestedPods(number=number, parallelism=_parallel(obj), completions=whole_at(obj.spec, "maxTrialCount"))


ENTRIES = (
    KindEntry(
        key=KindKey(group="kubeflow.org", kind="Experiment"),
        versions=("v1beta1",),
        plural="experiments",
        words=Words(
            runs='a pod of its trials runs; and "between two trials"',
            fails="condition Failed",
            stops="nothing but its deletion",
            asks="`spec.parallelTrialCount` (3) times the pods of one trial",
            notes="Restarting takes its end back",
        ),
        between=(Intermediate(key=KindKey(group="kubeflow.org", kind="Suggestion"), plural="suggestions"),),
        category=Category.TRAIN,
        signals=_experiment_signals,
        framework=_experiment_framework,
        find_roles=_experiment_roles,
        role_labels=_ROLE_LABELS,
        requested_pods=_requested_pods,
        completed_at="status.completionTime",
    ),
    KindEntry(
        key=KindKey(group="kubeflow.org", kind="Trial"),
        versions=("v1beta1",),
        plural="trials",
        words=Words(
            runs="its pods run",
            fails="condition Failed",
            stops="Killed is Stopped for good",
            asks="as `spec.runSpec`",
            notes="hidden under its Experiment",
        ),
        category=Category.TRAIN,
        signals=_trial_signals,
        framework=_trial_framework,
        find_roles=_trial_roles,
        role_labels=_ROLE_LABELS,
        completed_at="status.completionTime",
    ),
)
