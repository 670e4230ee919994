"""Total readers: a plain Kubernetes object in, facts out.

Whatever stands in the object, a reader raises nothing: an absent or absurd field is absent, and what is odd is a
sentence in ``problems``. Only an object without a uid yields ``None``: nothing can be kept of it. Text is made safe
for PostgreSQL and UTF-8 here, once.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rollcall.domain import environment, gpus
from rollcall.domain.claims import claims_of
from rollcall.domain.constraints import constraints_of
from rollcall.domain.datasources import datasources_of
from rollcall.domain.facts import (
    ContainerFacts,
    DomainSettings,
    Meta,
    NamespaceFacts,
    ObjectFacts,
    OwnerReference,
    PodFacts,
)
from rollcall.domain.fields import EMPTY, elements_at, instant, mapping_at, whole_at
from rollcall.domain.node_pools import POOLS_ANNOTATION, requested_node_pools
from rollcall.domain.ownership import MIRROR_ANNOTATION, split_api_version
from rollcall.domain.projects import project_label_of
from rollcall.domain.records import Condition
from rollcall.domain.requests import odd_quantities, read_pod_request
from rollcall.domain.submission import SUBMITTER_ANNOTATIONS
from rollcall.domain.topology import TOPOLOGY_ANNOTATIONS

KEPT_ANNOTATIONS = frozenset(
    {
        POOLS_ANNOTATION,
        MIRROR_ANNOTATION,
        *gpus.KEPT_ANNOTATIONS,
        *SUBMITTER_ANNOTATIONS,
        *TOPOLOGY_ANNOTATIONS,
        "kai.scheduler/batch-min-member",
        "kueue.x-k8s.io/job-min-parallelism",
        "kueue.x-k8s.io/queue-name",
        "kueue.x-k8s.io/pod-group-total-count",
        "pod-group-name",
        "scheduling.k8s.io/group-name",
        "scheduling.volcano.sh/group-name",
        "kubeflow-resource-stopped",
        "serving.kserve.io/stop",
    }
)
"""The annotations that a rule reads; the others (the last applied configuration among them) are not kept."""

MOST_TEXT = 1024
"""Longest text kept of a field, in characters."""

MOST_CONDITIONS = 1000
"""How many conditions are looked at, the last ones; far more than any honest controller writes."""

_MANY_CONDITIONS = 100

MOST_CONTAINERS = 200
MOST_LABELS = 200
MOST_OWNERS = 50
_MOST_DEPTH = 60
_DEFAULT_SETTINGS = DomainSettings()


def clean_text(value: Any, *, most: int = MOST_TEXT) -> str | None:
    """A string that PostgreSQL and UTF-8 can hold, cut to ``most`` characters; ``None`` for anything else."""
    if not isinstance(value, str):
        return None
    text: str = value if len(value) <= most else value[: most - 1] + "…"
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def read_instant(value: Any) -> datetime | None:
    """An RFC 3339 instant, naive ones in UTC."""
    return instant(value)


def read_meta(obj: Mapping[str, Any]) -> Meta | None:
    """The metadata of any object; ``None`` without a uid."""
    metadata = mapping_at(obj, "metadata")
    uid = clean_text(metadata.get("uid"))
    if not uid:
        return None
    problems: list[str] = []
    group, version = split_api_version(clean_text(obj.get("apiVersion")) or "")
    name = clean_text(metadata.get("name"))
    if not name:
        problems.append("it has no name")
    created_at = read_instant(metadata.get("creationTimestamp"))
    if created_at is None and metadata.get("creationTimestamp") is not None:
        problems.append("its creationTimestamp is no instant")
    deletion = metadata.get("deletionTimestamp")
    finalizers = metadata.get("finalizers")
    return Meta(
        uid=uid,
        api_group=group,
        api_version=f"{group}/{version}" if group else version,
        kind=clean_text(obj.get("kind")) or "Unknown",
        namespace=clean_text(metadata.get("namespace")),
        name=name or "",
        resource_version=_version(metadata.get("resourceVersion")),
        generation=whole_at(metadata, "generation"),
        created_at=created_at,
        # Deletion asked for at an unreadable instant is still asked for.
        deletion_at=None if deletion is None else read_instant(deletion) or created_at or _LONG_AGO,
        finalizers=tuple(text for item in finalizers if (text := clean_text(item)))[:MOST_LABELS]
        if isinstance(finalizers, list | tuple)
        else (),
        owners=_owners(metadata),
        labels=_texts(metadata.get("labels")),
        annotations=_texts(metadata.get("annotations"), kept=True),
        problems=tuple(problems),
    )


def read_identity(obj: Mapping[str, Any]) -> Meta | None:
    """The metadata that tells an object from others, of kinds that are no workloads and many; ``None`` without name."""
    meta = read_meta(obj)
    if meta is None or not meta.name:
        return None
    return replace(meta, labels={}, annotations={}, owners=(), finalizers=())


def read_object(obj: Mapping[str, Any], settings: DomainSettings | None = None) -> ObjectFacts | None:
    """An object of a job kind, with spec and status as plain JSON; environment values only as the setting says."""
    meta = read_meta(obj)
    if meta is None:
        return None
    status = mapping_at(obj, "status")
    conditions = status.get("conditions")
    if isinstance(conditions, list) and len(conditions) > _MANY_CONDITIONS:
        status = {**status, "conditions": conditions[-MOST_CONDITIONS:]}
        meta = replace(meta, problems=(*meta.problems, f"it has {len(conditions)} conditions"))
    keep_values = (settings or _DEFAULT_SETTINGS).environment_values
    spec = _plain(mapping_at(obj, "spec"), keep_values=keep_values)
    return ObjectFacts(meta=meta, spec=spec, status=_plain(status, keep_values=False))


def read_pod(obj: Mapping[str, Any], settings: DomainSettings | None = None) -> PodFacts | None:
    """A pod, reduced to what a record needs."""
    meta = read_meta(obj)
    if meta is None:
        return None
    settings = settings or _DEFAULT_SETTINGS
    asked = read_pod_request(obj, settings.gpu_rules)
    odd = odd_quantities(obj)
    if odd:
        meta = replace(meta, problems=(*meta.problems, *(clean_text(problem) or "" for problem in odd)))
    spec, status = mapping_at(obj, "spec"), mapping_at(obj, "status")
    first = next(iter(elements_at(spec, "containers")), EMPTY)
    return PodFacts(
        meta=meta,
        node_name=clean_text(spec.get("nodeName")) or None,
        nominated_node_name=clean_text(status.get("nominatedNodeName")) or None,
        scheduling_gates=tuple(
            clean_text(gate.get("name")) or "unnamed" for gate in elements_at(spec, "schedulingGates")[:MOST_LABELS]
        ),
        restart_policy=clean_text(spec.get("restartPolicy")) or "Always",
        priority_class_name=clean_text(spec.get("priorityClassName")) or None,
        priority=_integer(spec.get("priority")),
        preemption_policy=clean_text(spec.get("preemptionPolicy")),
        scheduler_name=clean_text(spec.get("schedulerName")),
        k8s_phase=clean_text(status.get("phase")) or "Unknown",
        reason=clean_text(status.get("reason")),
        message=clean_text(status.get("message")),
        started_at=read_instant(status.get("startTime")),
        conditions=read_conditions(status),
        containers=_containers(spec, status),
        request=asked.request,
        requested_node_pools=tuple(
            clean_text(pool) or "" for pool in requested_node_pools(obj, settings.node_pool_labels)
        ),
        command=_joined(first.get("command")),
        arguments=_joined(first.get("args")),
        shareable_micros=asked.shareable_micros,
        claims=claims_of(spec, status),
        datasources=datasources_of(spec),
        environment=environment.literal_variables(first, clean_text) if settings.environment_values else (),
        ip=clean_text(status.get("podIP")) or None,
        constraints=constraints_of(spec, clean_text),
    )


def read_namespace(obj: Mapping[str, Any], settings: DomainSettings) -> NamespaceFacts | None:
    """A namespace and the project that its labels name."""
    meta = read_meta(obj)
    if meta is None:
        return None
    return NamespaceFacts(meta=meta, project=project_label_of(meta.labels, settings.project_labels))


def read_conditions(status: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The well-formed conditions of a status, at most :data:`MOST_CONDITIONS`."""
    return tuple(
        Condition(
            type=clean_text(condition.get("type")) or "Unknown",
            status=clean_text(condition.get("status")) or "Unknown",
            reason=clean_text(condition.get("reason")) or None,
            message=clean_text(condition.get("message")) or None,
            last_transition_at=read_instant(condition.get("lastTransitionTime")),
        )
        for condition in elements_at(status, "conditions")[-MOST_CONDITIONS:]
    )


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def _version(value: Any) -> int:
    """A resourceVersion as the integer that it is since Kubernetes 1.35; 0 for anything else."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18  # noqa: PLR2004 - int64
    return int(value) if digits else 0


def _integer(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
    return value if fits else None


def _texts(value: Any, *, kept: bool = False) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    texts: dict[str, str] = {}
    for name, text in value.items():
        if kept and not (name in KEPT_ANNOTATIONS or gpus.is_mig(str(name))):
            continue
        key, content = clean_text(name), clean_text(text)
        if key and content is not None and len(texts) < MOST_LABELS:
            texts[key] = content
    return texts


def _owners(metadata: Mapping[str, Any]) -> tuple[OwnerReference, ...]:
    owners: list[OwnerReference] = []
    for owner in elements_at(metadata, "ownerReferences")[:MOST_OWNERS]:
        uid, kind, name = clean_text(owner.get("uid")), clean_text(owner.get("kind")), clean_text(owner.get("name"))
        if uid and kind and name:
            owners.append(
                OwnerReference(
                    api_version=clean_text(owner.get("apiVersion")) or "",
                    kind=kind,
                    name=name,
                    uid=uid,
                    controller=owner.get("controller") is True,
                )
            )
    return tuple(owners)


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[ContainerFacts, ...]:
    statuses = {
        (is_init, found.get("name")): found
        for path, is_init in (("initContainerStatuses", True), ("containerStatuses", False))
        for found in elements_at(status, path)
        if isinstance(found.get("name"), str)
    }
    return tuple(
        _container(container, statuses.get((is_init, container.get("name")), EMPTY), is_init=is_init)
        for path, is_init in (("initContainers", True), ("containers", False))
        for container in elements_at(spec, path)[:MOST_CONTAINERS]
        if container.get("name") is None or isinstance(container.get("name"), str)
    )


def _container(container: Mapping[str, Any], status: Mapping[str, Any], *, is_init: bool) -> ContainerFacts:
    state = mapping_at(status, "state")
    word = next((word for word in ("terminated", "running", "waiting") if isinstance(state.get(word), Mapping)), None)
    detail = mapping_at(state, word) if word else EMPTY
    last = mapping_at(status, "lastState.terminated")
    return ContainerFacts(
        name=clean_text(container.get("name")) or "",
        image=clean_text(container.get("image")) or clean_text(status.get("image")) or "",
        is_init=is_init,
        is_sidecar=is_init and container.get("restartPolicy") == "Always",
        state=word,
        reason=clean_text(detail.get("reason")),
        message=clean_text(detail.get("message")),
        exit_code=_integer(detail.get("exitCode")),
        ready=status.get("ready") is True,
        restart_count=whole_at(status, "restartCount") or 0,
        started_at=read_instant(detail.get("startedAt")),
        finished_at=read_instant(detail.get("finishedAt")),
        last_reason=clean_text(last.get("reason")),
        last_exit_code=_integer(last.get("exitCode")),
    )


def _joined(words: Any) -> str | None:
    if not isinstance(words, list | tuple):
        return None
    return clean_text(" ".join(word for word in words if isinstance(word, str))) or None


def _plain(value: Any, depth: int = 0, *, keep_values: bool) -> Any:
    """A copy without environment values and last-applied bodies, its text made safe, cut where absurdly deep."""
    if depth > _MOST_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {
            clean_text(key) or "": environment.reduced(inner, clean_text, keep_values=keep_values)
            if key in environment.VARIABLES and not isinstance(inner, str)
            else _plain(inner, depth + 1, keep_values=keep_values)
            for key, inner in value.items()
            if isinstance(key, str) and key not in environment.DROPPED
        }
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1, keep_values=keep_values) for item in value]
    return clean_text(value, most=16 * MOST_TEXT) if isinstance(value, str) else value
