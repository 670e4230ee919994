"""What kinds that start runs by a schedule share: the newest living run is the phase; between two runs it is idle.

A CronJob keeps its own words (cronjob.py); here are those whose runs are custom resources.
"""

from dataclasses import dataclass, replace

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.kinds.entry import SignalsHook
from rollcall.domain.kinds.lifecycle import Stop
from rollcall.domain.ownership import uids_below
from rollcall.domain.pods import JudgedPod
from rollcall.domain.signals import Signals, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the object itself says of its runs."""

    run: KindKey
    """The kind of a run."""
    signals_of_run: SignalsHook
    stop: Stop
    active: bool = False
    """Whether its status names a run that is under way."""
    ran: bool = False
    """Whether its status remembers a run."""
    next_run: str | None = None
    """When the next run is due, as a clause."""
    last_run: str | None = None
    """How the last run went by the object's own word, as a clause, where no run is known to tell."""
    failed: Verdict | None = None
    raw_phase: str | None = None


def signals_of_schedule(schedule: Schedule, children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    """The signals of a schedule: its newest living run speaks for it, also while it is suspended."""
    runs = sorted((child for child in children if child.meta.key == schedule.run), key=_age)
    ends = {run.meta.uid: _end_of(schedule, run) for run in runs}
    living = [run for run in runs if ends[run.meta.uid] is None and run.meta.deletion_at is None]
    stopped = schedule.stop.sentence
    message = "suspended, its run goes on" if stopped else None
    if schedule.failed is not None:
        goes_on = _clauses(schedule.failed.message or "not valid", "its run goes on" if living else None)
        return Signals(raw_phase=schedule.raw_phase, failed=replace(schedule.failed, message=goes_on))
    if living:
        return Signals(raw_phase=schedule.raw_phase or "Active", follow=living[-1], message=message)
    over = _below(runs, children, pods)
    if (schedule.active and not runs) or any(pod.is_active and pod.facts.meta.uid not in over for pod in pods):
        # The run is not known as an object: what its pods or the word of the schedule say has to do.
        return Signals(raw_phase=schedule.raw_phase or "Active", says_ready=True, message=message)
    if stopped:
        return Signals(raw_phase=schedule.raw_phase or "Suspended", stop=stopped)
    if not runs and not schedule.ran:
        return Signals(raw_phase=schedule.raw_phase, waiting=_clauses("no run yet", schedule.next_run))
    last_run = ends[runs[-1].meta.uid] if runs else schedule.last_run
    return Signals(raw_phase=schedule.raw_phase, idle=_clauses("idle", last_run))


def _age(run: ObjectFacts) -> tuple[float, str]:
    created = run.meta.created_at
    return (created.timestamp() if created is not None else 0.0, run.meta.uid)


def _end_of(schedule: Schedule, run: ObjectFacts) -> str | None:
    """How a run ended, as a clause; ``None`` while it has not."""
    said = schedule.signals_of_run(run, (), ())
    for verdict, clause in (
        (said.failed, "last run failed"),
        (said.completed, "last run succeeded"),
        (said.stopped, "last run was stopped"),
    ):
        if verdict is not None:
            return f"{clause}: {verdict.message}" if verdict.message else clause
    return None


def _below(runs: list[ObjectFacts], children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> set[str]:
    metas = [*(child.meta for child in children), *(pod.facts.meta for pod in pods)]
    return {uid for run in runs for uid in uids_below(run.meta.uid, metas)}


def _clauses(first: str, second: str | None) -> str:
    return f"{first}; {second}" if second else first
