"""JobSet: its status counts Jobs, not pods; a role may wait for another; a restart makes every Job anew.

Without pods each Job that is ready or succeeded stands for all its pods, so that the numbers stay numbers of pods. The
counts of the child Jobs, where they are known, are newer than the set's own, whose ready falls to 0 for the moment in
which pods have succeeded and are not counted yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollcall.domain.facts import KindKey, Meta, ObjectFacts
from rollcall.domain.fields import (
    at,
    elements_at,
    instant_at,
    is_absurd,
    mapping_at,
    sentence_of,
    text_at,
    true_condition,
    whole_at,
)
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.job import parallel_pods
from rollcall.domain.kinds.lifecycle import suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, PodState
from rollcall.domain.signals import Signals, Verdict

KEY = KindKey(group="jobset.x-k8s.io", kind="JobSet")

ROLE_LABEL = "jobset.sigs.k8s.io/replicatedjob-name"

_ATTEMPT_LABEL = "jobset.sigs.k8s.io/restart-attempt"
"""On Jobs and pods: after how many restarts of the set they were made."""

_MOST_DIGITS = 10
"""Of a count in a label."""

_WORDS = ("Failed", "Completed", "Suspended", "StartupPolicyInProgress")
"""Condition types that tell a state; StartupPolicyCompleted stays and tells nothing of now."""


@dataclass(frozen=True, slots=True)
class _Role:
    """A replicated Job and what is known of it."""

    name: str
    jobs: int
    parallel: int
    completions: int | None
    depends_on: tuple[tuple[str, bool], ...]
    """(role, whether that must be complete, not only ready) for each that it waits for."""
    counts: Mapping[str, Any]
    """Its element of ``status.replicatedJobsStatus``."""
    pods: tuple[JudgedPod, ...]
    fulfilled: int
    """How many of its Jobs are ready or have succeeded, by whichever count is higher."""

    def count(self, name: str) -> int:
        """One of its counts of Jobs, never more than there are."""
        return min(whole_at(self.counts, name) or 0, self.jobs)

    @property
    def missing(self) -> int:
        """How many pods it still needs beside those that have succeeded."""
        done, part = self.count("succeeded"), 0
        by_job: dict[str, list[JudgedPod]] = {}
        for pod in self.pods:
            by_job.setdefault(_owner(pod), []).append(pod)
        over = 0
        for pods in by_job.values():
            needed = self._needed(pods)
            if needed == 0:
                over += 1
            else:
                part += self.parallel - needed
        return max(0, (self.jobs - max(done, min(over, self.jobs))) * self.parallel - part)

    def _needed(self, pods: list[JudgedPod]) -> int:
        """Of one Job: min(parallelism, completions - succeeded); of a work queue what is left once one succeeded."""
        succeeded = sum(pod.state is PodState.SUCCEEDED for pod in pods)
        if self.completions is not None:
            return max(0, min(self.parallel, self.completions - succeeded))
        return self.parallel if succeeded == 0 else min(self.parallel, sum(pod.is_active for pod in pods))


def _owner(pod: JudgedPod) -> str:
    return next((owner.uid for owner in pod.facts.meta.owners if owner.controller), "")


def signals_of(obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    """What a JobSet says; a TrainJob speaks by its own JobSet in the same way."""
    status = obj.status
    failed, completed = _ends(status)
    suspended = true_condition(status, "Suspended")
    stop = suspension(obj, "suspend")
    restarts = whole_at(status, "restarts") or 0
    # What is left of an earlier attempt is on its way out and has succeeded at nothing that counts now.
    present = tuple(pod for pod in pods if _is_of_attempt(pod.facts.meta, restarts))
    roles, unreadable = _roles(obj, children, present)
    if pods:
        required = sum(role.missing for role in roles)
        held = _held(obj, roles)
        due = required - sum(role.missing for role in roles if role.name in held) if held else None
    else:
        required, due = sum(role.jobs * role.parallel for role in roles), None
    return Signals(
        raw_phase=_raw_phase(status),
        failed=failed,
        completed=completed,
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if suspended is not None and not stop.sentence else None,
        unobserved=unobserved(obj, writes_generation=False),
        required=None if unreadable else required,
        due=None if unreadable else due,
        existing=sum(role.count("active") * role.parallel for role in roles),
        ready=sum(role.fulfilled * role.parallel for role in roles),
        incarnation_at=_restarted_at(restarts, children, present) if restarts else None,
        unreadable=unreadable,
    )


def _ends(status: Mapping[str, Any]) -> tuple[Verdict | None, Verdict | None]:
    """(failed, completed) by condition; older ones are told by ``terminalState`` alone."""
    failed = true_condition(status, "Failed")
    if failed is not None:
        return Verdict(message=sentence_of(failed), at=instant_at(failed, "lastTransitionTime")), None
    word = text_at(status, "terminalState")
    if word == "Failed":
        return Verdict(), None
    completed = true_condition(status, "Completed")
    if completed is not None:
        return None, Verdict(at=instant_at(completed, "lastTransitionTime"))
    return None, Verdict() if word == "Completed" else None


def _roles(
    obj: ObjectFacts, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]
) -> tuple[tuple[_Role, ...], str | None]:
    """(the replicated Jobs, what of them could not be read)."""
    counts = {text_at(one, "name"): one for one in elements_at(obj.status, "replicatedJobsStatus")}
    found: list[_Role] = []
    for element in elements_at(obj.spec, "replicatedJobs"):
        name = text_at(element, "name") or ""
        spec = mapping_at(element, "template.spec")
        jobs, parallel = _number(element), parallel_pods(spec)
        if jobs is None or parallel is None:
            return (), f"the numbers of replicated job {name or 'without a name'} are no counts"
        found.append(
            _Role(
                name=name,
                jobs=jobs,
                parallel=parallel,
                completions=whole_at(spec, "completions"),
                depends_on=tuple(
                    (text_at(one, "name") or "", at(one, "status") == "Complete")
                    for one in elements_at(element, "dependsOn")
                ),
                counts=counts.get(name, {}),
                pods=tuple(pod for pod in pods if pod.facts.meta.labels.get(ROLE_LABEL) == name),
                fulfilled=max(_fulfilled(counts.get(name, {}), jobs), _fulfilled_children(name, jobs, children)),
            )
        )
    return tuple(found), None if found else "spec.replicatedJobs names no job"


def _number(element: Mapping[str, Any]) -> int | None:
    if is_absurd(element, "replicas"):
        return None
    replicas = whole_at(element, "replicas")
    return 1 if replicas is None else replicas


def _fulfilled(counts: Mapping[str, Any], jobs: int) -> int:
    return min((whole_at(counts, "ready") or 0) + (whole_at(counts, "succeeded") or 0), jobs)


def _fulfilled_children(name: str, jobs: int, children: Iterable[ObjectFacts]) -> int:
    found = 0
    for child in children:
        if child.meta.kind != "Job" or child.meta.labels.get(ROLE_LABEL) != name or child.meta.deletion_at is not None:
            continue
        status = child.status
        uncounted = at(mapping_at(status, "uncountedTerminatedPods"), "succeeded")
        done = (whole_at(status, "succeeded") or 0) + (len(uncounted) if isinstance(uncounted, list | tuple) else 0)
        wanted = parallel_pods(child.spec)
        if wanted and done + (whole_at(status, "ready") or 0) >= wanted:
            found += 1
    return min(found, jobs)


def _held(obj: ObjectFacts, roles: tuple[_Role, ...]) -> frozenset[str]:
    """The roles whose Jobs are not to be made yet: one that they come after is not far enough."""
    by_name = {role.name: role for role in roles}
    in_order = at(obj.spec, "startupPolicy.startupPolicyOrder") == "InOrder"
    held: set[str] = set()
    for place, role in enumerate(roles):
        if any(pod.is_active for pod in role.pods):
            continue
        if in_order and any(_is_behind(earlier, complete=False) for earlier in roles[:place]):
            held.add(role.name)
        for name, complete in role.depends_on:
            before = by_name.get(name)
            if before is not None and (name in held or _is_behind(before, complete=complete)):
                held.add(role.name)
    return frozenset(held)


def _is_behind(role: _Role, *, complete: bool) -> bool:
    if complete:
        return role.count("succeeded") < role.jobs
    return role.fulfilled + role.count("failed") < role.jobs


def _is_of_attempt(meta: Meta, restarts: int) -> bool:
    """Whether a Job or a pod was made by the present attempt; one that does not say is taken for it."""
    said = meta.labels.get(_ATTEMPT_LABEL, "")
    return not (said.isascii() and said.isdigit()) or int(said[:_MOST_DIGITS]) >= restarts


def _restarted_at(restarts: int, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> datetime | None:
    """When the first Job or pod of the present attempt was made."""
    metas = [*(child.meta for child in children), *(pod.facts.meta for pod in pods)]
    made = (meta.created_at for meta in metas if _ATTEMPT_LABEL in meta.labels and _is_of_attempt(meta, restarts))
    return min((instant for instant in made if instant is not None), default=None)


def _raw_phase(status: Mapping[str, Any]) -> str | None:
    found = true_condition(status, *_WORDS)
    return text_at(status, "terminalState") or (None if found is None else str(found["type"]))


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    found: list[FoundRole] = []
    for element in elements_at(obj.spec, "replicatedJobs"):
        spec = mapping_at(element, "template.spec")
        template = mapping_at(spec, "template")
        if not elements_at(template, "spec.containers"):
            continue
        jobs, parallel = _number(element), parallel_pods(spec)
        number = None if jobs is None or parallel is None else jobs * parallel
        found.append(FoundRole(text_at(element, "name") or "", template, number))
    return tuple(found)


ENTRIES = (
    KindEntry(
        key=KEY,
        versions=("v1alpha2",),
        plural="jobsets",
        words=Words(
            runs="its pods are ready or have succeeded",
            fails="condition Failed, or `status.terminalState`",
            stops="`spec.suspend`",
            asks="per replicated Job: `replicas` times min(parallelism, completions)",
            notes=(
                "its counts of Jobs are taken as pods; roles held by `startupPolicy` or `dependsOn` are not due; a "
                "restart is a new start"
            ),
        ),
        category=Category.TRAIN,
        signals=signals_of,
        find_roles=_find_roles,
        role_labels=(ROLE_LABEL,),
    ),
)
