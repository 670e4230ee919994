"""An object that stands whole in the spec of another: what it asks for, what it is, and by which entry."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import MOST_PODS, at, elements_at, mapping_at, text_at
from rollcall.domain.kinds import catalogue
from rollcall.domain.kinds.entry import FoundRole, KindEntry
from rollcall.domain.ownership import split_api_version
from rollcall.domain.roles import find_roles

_POD = KindKey(group="", kind="Pod")


def wrapped_object(outer: ObjectFacts, body: Any) -> ObjectFacts | None:
    """The object that ``body`` describes, with no status; ``None`` where it names no kind."""
    if not isinstance(body, Mapping):
        return None
    kind, api_version = text_at(body, "kind"), text_at(body, "apiVersion")
    if kind is None or api_version is None:
        return None
    labels = mapping_at(body, "metadata.labels")
    meta = replace(
        outer.meta,
        kind=kind,
        api_version=api_version,
        api_group=split_api_version(api_version)[0],
        labels={key: value for key, value in labels.items() if isinstance(key, str) and isinstance(value, str)},
        annotations={},
    )
    return ObjectFacts(meta=meta, spec=mapping_at(body, "spec"), status={})


def entry_of(inner: ObjectFacts | None) -> KindEntry | None:
    """The entry of a wrapped object, ``None`` where the catalogue does not know it."""
    return None if inner is None else catalogue.entry_for(inner.meta.key)


def roles_of(inner: ObjectFacts | None, *, times: int = 1) -> tuple[FoundRole, ...]:
    """The roles of a wrapped object, each asked for ``times`` over."""
    entry = entry_of(inner)
    if inner is None or entry is None:
        return ()
    if inner.meta.key == _POD:
        return (FoundRole("", {"spec": inner.spec}, times),) if elements_at(inner.spec, "containers") else ()
    return tuple(
        replace(role, replicas=None if role.replicas is None else min(role.replicas * times, MOST_PODS))
        for role in find_roles(entry, inner)
    )


def framework_of(inner: ObjectFacts | None) -> str | None:
    """The distributed framework of a wrapped object."""
    entry = entry_of(inner)
    return None if inner is None or entry is None else entry.framework_of(inner)


def template_at(body: Any, path: str) -> Mapping[str, Any] | None:
    """The PodTemplateSpec at a path such as ``template.spec.replicatedJobs[0].template``."""
    found = body
    for step in path.replace("[", ".[").split("."):
        if not step:
            continue
        if step.startswith("["):
            digits = step[1:].removesuffix("]")
            number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None
            inside = isinstance(found, list | tuple) and number is not None and number < len(found)
            found = found[number] if inside and number is not None else None
        else:
            found = at(found, step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) and elements_at(found, "spec.containers") else None


_MOST_DIGITS = 5
