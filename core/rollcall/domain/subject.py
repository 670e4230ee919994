"""What a view is about: its metadata and entry, what its spec asks for, its judged pods and its signals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rollcall.domain.facts import DomainSettings, KindKey, Meta, ObjectFacts, PodFacts, WorkloadView
from rollcall.domain.gpus import DEFAULT_RULES, GpuRules
from rollcall.domain.kinds import generic
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.kinds.entry import KindEntry
from rollcall.domain.pods import JudgedPod, judge
from rollcall.domain.records import PhaseSource, PodState, RememberedPod, RequestedPods
from rollcall.domain.roles import Asked, ask, role_ranks
from rollcall.domain.signals import Signals, Verdict

_POD = KindKey(group="", kind="Pod")
_NOBODY = Meta(
    uid="",
    api_group="",
    api_version="",
    kind="",
    namespace=None,
    name="",
    resource_version=0,
    generation=None,
    created_at=None,
    deletion_at=None,
    finalizers=(),
    owners=(),
    labels={},
    annotations={},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the view is about."""

    meta: Meta
    entry: KindEntry
    obj: ObjectFacts | None
    """The top object, where it was read; a bare pod stands in for its own."""
    is_pod: bool
    catalogue: Catalogue
    """By which kinds of its children are known."""

    def entry_of(self, meta: Meta) -> KindEntry:
        """The entry of an object beside or below it, by convention where its kind is not known."""
        return _entry_of(meta, self.catalogue)


def subject_of(view: WorkloadView) -> Subject:
    """The top object, the bare pod or the owner known by reference that the view is about."""
    kinds = view.catalogue or built_in()
    if view.top is not None:
        meta = view.top.meta
        return Subject(meta=meta, entry=_entry_of(meta, kinds), obj=view.top, is_pod=False, catalogue=kinds)
    if view.top_is_pod and view.pods:
        meta = view.pods[0].meta
        entry = kinds.entry_for(_POD) or generic.entry_of(_POD, meta.api_version)
        stand_in = ObjectFacts(meta=meta, spec={}, status={})
        return Subject(meta=meta, entry=entry, obj=stand_in, is_pod=True, catalogue=kinds)
    reference = view.top_reference or _NOBODY
    return Subject(meta=reference, entry=_entry_of(reference, kinds), obj=None, is_pod=False, catalogue=kinds)


def _entry_of(meta: Meta, kinds: Catalogue) -> KindEntry:
    return kinds.entry_for(meta.key) or generic.entry_of(meta.key, meta.api_version)


def asked_by(
    subject: Subject,
    pods: tuple[PodFacts, ...],
    children: tuple[ObjectFacts, ...] = (),
    gpu_rules: GpuRules = DEFAULT_RULES,
) -> Asked:
    """What the spec asks for, or a child's in its place; a bare pod is its own template, a reference has none."""
    if subject.obj is None:
        return Asked()
    if not subject.is_pod:
        through = subject.entry.asks_through
        child = None if through is None else through(subject.obj, children)
        if child is not None:
            return ask(subject.entry_of(child.meta), child, gpu_rules)
        return ask(subject.entry, subject.obj, gpu_rules)
    pod = pods[0]
    return Asked(
        request=pod.request,
        requested_pods=RequestedPods(number=1 if len(pods) == 1 else None),
        images=images_of(pods),
        command=pod.command,
        arguments=pod.arguments,
        priority_class_name=pod.priority_class_name,
    )


def images_of(pods: tuple[PodFacts, ...]) -> tuple[str, ...]:
    """The images of the application containers, each once, in the order of containers."""
    return tuple(
        dict.fromkeys(
            container.image for pod in pods for container in pod.containers if not container.is_init and container.image
        )
    )


def judge_pods(
    view: WorkloadView,
    subject: Subject,
    asked: Asked,
    *,
    now: datetime,
    remembered_pods: Mapping[str, RememberedPod],
    settings: DomainSettings,
) -> tuple[JudgedPod, ...]:
    """Each pod judged, in an order that does not depend on how they came: by role, name and uid."""
    ranks = role_ranks(subject.entry, asked.roles)
    judged: list[JudgedPod] = []
    for pod in view.pods:
        node = view.nodes.get(pod.node_name) if pod.node_name is not None else None
        role = _role_of(pod, subject.entry, asked)
        judged.append(
            judge(
                pod,
                now=now,
                remembered=remembered_pods.get(pod.meta.uid),
                grace_seconds=settings.fatal_grace_seconds,
                node_is_ready=node is None or node.ready,
                role=role,
                role_rank=ranks.get(role or "", len(ranks)),
            )
        )
    judged.sort(key=lambda pod: (pod.role_rank, pod.facts.meta.name, pod.facts.meta.uid))
    return tuple(judged)


def _role_of(pod: PodFacts, entry: KindEntry, asked: Asked) -> str | None:
    if entry.role_of is not None:
        return entry.role_of(pod, asked.roles)
    for label in entry.role_labels:
        role = pod.meta.labels.get(label)
        if role:
            return role.lower()
    return None


def signals_of(view: WorkloadView, subject: Subject, pods: tuple[JudgedPod, ...]) -> Signals:
    """What the entry says of the object; of an owner known by reference only its pods can speak."""
    if subject.obj is not None:
        return subject.entry.signals(subject.obj, view.children, pods)
    failed = completed = None
    if pods and all(pod.is_terminal for pod in pods):
        if any(pod.state is PodState.FAILED for pod in pods):
            failed = Verdict(message="all its pods have ended", holds=False)
        elif not subject.entry.recovers and all(pod.state is PodState.SUCCEEDED for pod in pods):
            completed = Verdict(message="all its pods have succeeded", holds=False)
    return Signals(
        source=PhaseSource.PODS,
        failed=failed,
        completed=completed,
        success_satisfies=not subject.entry.recovers,
        unreadable=f"{subject.meta.kind or 'its owner'} {subject.meta.name} could not be read and no pod is known",
    )
