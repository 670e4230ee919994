"""One pure function from what was observed of a workload to its record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rollcall.domain import accounting, conditions, ladder, messages, priority, queues, submission, totals
from rollcall.domain.attachments import Datasource
from rollcall.domain.autoscaling import within_bounds
from rollcall.domain.connections import connections_of, urls_said
from rollcall.domain.datasources import datasource_at
from rollcall.domain.decision import completed_at, decide
from rollcall.domain.facts import DomainSettings, Meta, PodFacts, WorkloadView
from rollcall.domain.node_pools import DEFAULT_POOL, POOLS_ANNOTATION, requested_node_pools
from rollcall.domain.pods import JudgedPod
from rollcall.domain.projects import department_of, project_of
from rollcall.domain.records import (
    Phase,
    PodRecord,
    PodState,
    Remembered,
    RememberedPod,
    ResourceRequest,
    Source,
    WorkloadRecord,
)
from rollcall.domain.roles import Asked
from rollcall.domain.signals import Signals
from rollcall.domain.subject import Subject, asked_by, images_of, judge_pods, signals_of, subject_of
from rollcall.domain.topology import topology_of

_MOST_PROBLEMS = 20
_Value = TypeVar("_Value", str, tuple[tuple[str, str], ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The outcome of one derivation."""

    workload: WorkloadRecord
    pods: tuple[PodRecord, ...]
    revisit_at: datetime | None
    """When time alone may change the outcome (a grace period's end); ``None`` where only an event can."""
    why: "Why"

    @property
    def signals(self) -> tuple[str, ...]:
        """What the kind's entry and the pod layer said, as sentences, for ``rollcall explain --why``."""
        return self.why.sentences()


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What a phase was decided from; put into words only where somebody asks."""

    outcome: ladder.Outcome
    signals: Signals
    judged: tuple[JudgedPod, ...]
    running_since: datetime | None

    def sentences(self) -> tuple[str, ...]:
        """The rule, the signals in the order of the ladder, the latch, and each pod."""
        since = self.running_since
        return (
            f"rule {self.outcome.rule}: {ladder.RULE_SENTENCES[self.outcome.rule]}",
            *self.signals.sentences(),
            "has not run yet" if since is None else f"has run since {since.isoformat()}",
            *(
                f"pod {pod.facts.meta.name}: {pod.state.value}{f' ({pod.message})' if pod.message else ''}"
                + (", in its grace period" if pod.state is PodState.FATAL and not pod.past_grace else "")
                for pod in self.judged
            ),
        )


def derive(
    view: WorkloadView,
    *,
    now: datetime,
    remembered: Remembered,
    remembered_pods: Mapping[str, RememberedPod],
    floor_version: int = 0,
    settings: DomainSettings,
) -> Derivation:
    """Derive the record of one workload and of its pods.

    Total: any view yields a record; what is odd about it stands in ``problems`` and, where nothing better is known,
    in the phase ``Unknown``. ``remembered_pods`` is keyed by pod uid. ``floor_version`` is the resourceVersion of
    the newest complete list: the record's version is never below it, so that a pod that vanished unseen cannot make
    a newer record look older.
    """
    subject = subject_of(view)
    meta, entry = subject.meta, subject.entry
    asked = asked_by(subject, view.pods, view.children, settings.gpu_rules)
    judged = judge_pods(view, subject, asked, now=now, remembered_pods=remembered_pods, settings=settings)
    pods = tuple(pod.facts for pod in judged)
    signals = queues.heard(signals_of(view, subject, judged), subject.obj, judged, view.queues)
    decided = decide(
        subject,
        signals,
        judged,
        asked=asked,
        now=now,
        remembered=remembered,
        children=view.children,
        queued=view.queues,
    )
    outcome = decided.outcome
    created_at = meta.created_at or _oldest(pods) or now
    rows = accounting.rows_of(
        view, judged, workload_uid=meta.uid, created_at=created_at, now=now, remembered_pods=remembered_pods
    )
    problems = _problems(view, subject, asked, pods, signals)
    # A kept message already has them.
    message = messages.join(outcome.message, *(p for p in problems if p not in (outcome.message or "")))
    # Of several runs the newest tells.
    owners = (meta, *(child.meta for child in reversed(view.children)))
    class_name = priority.class_name(asked.priority_class_name, owners, pods, entry.default_priority_class)
    value = priority.value_of(class_name, view.priority_classes, pods)
    pods_requested = accounting.requested_by(rows)
    pools = accounting.current_node_pools(rows, ended=decided.is_over)
    requested_pools = _requested_node_pools(meta, asked, pods, settings)
    waits_in = decided.queued if outcome.phase is Phase.PENDING else ()
    project = project_of(view.namespace, meta, pods, settings)
    department = department_of(view.namespace, settings)
    said = urls_said(entry, subject.obj)
    urls, connections = connections_of(meta.name, said, view.exposures, pods, view.nodes)
    workload = WorkloadRecord(
        uid=meta.uid,
        api_group=meta.api_group,
        api_version=meta.api_version,
        kind=meta.kind,
        type=entry.type_of(subject.obj),
        category=entry.category_of(subject.obj),
        namespace=meta.namespace or "",
        name=meta.name,
        project_id=project,
        project_name=project,
        department_id=department,
        department_name=department,
        source=Source.OTHER,
        submitted_by=submission.submitter_of(meta, entry.texts_of(subject.obj, entry.submitter_paths), pods),
        priority_class_name=class_name,
        priority=value,
        preemptible=priority.is_preemptible(value, owners, pods),
        created_at=created_at,
        completed_at=completed_at(subject, decided, signals, rows, now=now, remembered=remembered),
        phase=outcome.phase,
        phase_message=message,
        phase_reason=queues.phase_reason(waits_in),
        pending_scheduling_messages=queues.scheduling_messages(waits_in, requested_pools),
        phase_rule=outcome.rule,
        phase_source=signals.source,
        k8s_phase=signals.raw_phase or _phase_of_pods(pods),
        conditions=(conditions.upstream(subject.obj) if subject.obj is not None else ())
        + conditions.own(outcome.phase, message, judged, decided.queued),
        running_since=decided.running_since,
        running_pods=sum(1 for pod in pods if pod.k8s_phase == "Running"),
        ready_pods=sum(1 for pod in judged if pod.is_ready),
        requested_pods=within_bounds(asked.requested_pods, view.autoscaler, _pods_per_replica(subject)),
        workload_requested=_workload_request(
            subject, asked, judged, rows, view, remembered=remembered, is_over=decided.is_over
        ),
        pods_requested=pods_requested,
        allocated=accounting.allocated_to(rows),
        requested_node_pools=requested_pools,
        current_node_pools=pools or (remembered.current_node_pools if decided.is_over else ()),
        images=asked.images or images_of(pods),
        command=asked.command or _first(pod.command for pod in pods),
        arguments=asked.arguments or _first(pod.arguments for pod in pods),
        distributed_framework=entry.framework_of(subject.obj),
        additional_fields=entry.fields_of(subject.obj),
        datasources=_datasources(subject, asked, pods),
        environment=asked.environment or _first(pod.environment for pod in pods) or (),
        urls=urls,
        connections=connections,
        topology=topology_of(meta, asked.roles, pods),
        problems=problems,
        observed_version=_version(subject, view, remembered, floor_version),
    )
    return Derivation(
        workload=workload,
        pods=rows,
        revisit_at=_revisit_at(outcome, judged, now),
        why=Why(outcome=outcome, signals=signals, judged=judged, running_since=decided.running_since),
    )


def _oldest(pods: tuple[PodFacts, ...]) -> datetime | None:
    return min((pod.meta.created_at for pod in pods if pod.meta.created_at is not None), default=None)


def _problems(
    view: WorkloadView, subject: Subject, asked: Asked, pods: tuple[PodFacts, ...], signals: Signals
) -> tuple[str, ...]:
    found = [*view.problems, *subject.meta.problems, *asked.problems]
    others = (pod for pod in pods if pod.meta.uid != subject.meta.uid)
    found.extend(f"pod {pod.meta.name}: {problem}" for pod in others for problem in pod.meta.problems)
    if signals.unreadable is not None and pods and subject.obj is not None:
        found.append(signals.unreadable)
    return tuple(messages.cap(problem) for problem in dict.fromkeys(found))[:_MOST_PROBLEMS]


def _phase_of_pods(pods: tuple[PodFacts, ...]) -> str:
    """The raw phase of a framework that has none: the liveliest of its pods'."""
    phases = {pod.k8s_phase for pod in pods}
    for phase in ("Running", "Pending", "Failed", "Succeeded"):
        if phase in phases:
            return phase
    return "Unknown"


def _pods_per_replica(subject: Subject) -> int | None:
    ask = subject.entry.pods_per_replica
    if ask is None:
        return 1
    return None if subject.obj is None else ask(subject.obj)


def _workload_request(
    subject: Subject,
    asked: Asked,
    judged: tuple[JudgedPod, ...],
    rows: tuple[PodRecord, ...],
    view: WorkloadView,
    *,
    remembered: Remembered,
    is_over: bool,
) -> ResourceRequest | None:
    """By its templates; without one the most its pods were ever seen to ask for, ``None`` before the first pod."""
    known = remembered.workload_requested
    found: ResourceRequest | None = None
    if not subject.is_pod:
        found = accounting.workload_request(asked, judged, view)
    elif len(rows) == 1:
        found = rows[0].requested
    if found is None:
        seen = accounting.requested_by(rows) if rows else None
    elif is_over:
        # Its pods may be cleaned up by now, and with them what admission had added to its templates.
        seen = found
    else:
        return found
    if known is None or seen is None:
        return seen or known
    return totals.most(known, seen)


def _requested_node_pools(
    meta: Meta, asked: Asked, pods: tuple[PodFacts, ...], settings: DomainSettings
) -> tuple[str, ...]:
    """By the object's annotation; by its pods, before there is one by its templates; by its label; else the default."""
    pools: tuple[str, ...] = tuple(meta.annotations.get(POOLS_ANNOTATION, "").split())
    if not pools and pods:
        pools = tuple(pool for pod in pods for pool in pod.requested_node_pools)
    elif not pools:
        labels = settings.node_pool_labels
        pools = tuple(pool for role in asked.roles for pool in requested_node_pools(role.template, labels))
    if not pools and meta.labels:
        pools = requested_node_pools({"metadata": {"labels": meta.labels}}, settings.node_pool_labels)
    return tuple(dict.fromkeys(pools)) or (DEFAULT_POOL,)


def _datasources(subject: Subject, asked: Asked, pods: tuple[PodFacts, ...]) -> tuple[Datasource, ...]:
    """What the templates mount and the object names by URIs; without any, what the pods mount."""
    uris = subject.entry.texts_of(subject.obj, subject.entry.storage_paths)
    found = [*asked.datasources, *(one for uri in uris if (one := datasource_at(uri)) is not None)]
    return tuple(dict.fromkeys(found or (one for pod in pods for one in pod.datasources)))


def _first(values: Iterable[_Value | None]) -> _Value | None:
    return next((value for value in values if value), None)


def _version(subject: Subject, view: WorkloadView, remembered: Remembered, floor_version: int) -> int:
    version = max(subject.meta.resource_version, remembered.observed_version, floor_version)
    for pod in view.pods:
        version = max(version, pod.meta.resource_version)
    for child in view.children:
        version = max(version, child.meta.resource_version)
    for queued in view.queues:
        version = max(version, queued.meta.resource_version)
    if view.autoscaler is not None:
        version = max(version, view.autoscaler.meta.resource_version)
    return version


def _revisit_at(outcome: ladder.Outcome, judged: tuple[JudgedPod, ...], now: datetime) -> datetime | None:
    instants = [pod.grace_ends_at for pod in judged if pod.grace_ends_at is not None and pod.grace_ends_at > now]
    if outcome.revisit_at is not None:
        instants.append(outcome.revisit_at)
    return min(instants, default=None)
