"""Karta objects: NVIDIA's descriptions of workload kinds, read into entries of the catalogue.

Read are ``run.ai/v1alpha1 Karta`` and the older ``optimization.nvidia.com/v1alpha1 ResourceInterface``, which have one
shape (https://github.com/run-ai/karta), as far as a record needs it:

- the root component's kind and its ``statusDefinition``;
- of every component the pod template (whole, a PodSpec, or those fragments that ask for something: containers, image,
  resources, claims, node affinity, PriorityClass), its number of pods, and how a pod tells its component;
- the root's ``suspendDefinition``.

Not read: ``optimizationInstructions``, ``additionalChildKinds``, owners of components (controller references tell
them), status definitions of children. Expressions are jq; where `rollcall.domain.expressions` does not read one, the
matcher or the path is left out, with a note. Of metadata they see name, namespace, labels, and the annotations that
Rollcall keeps.

Karta says neither what a kind is for nor whether it recovers. A description without ``completed`` is taken for a
service (Deploy), any other for a batch kind (Train). Its statuses are signals here, not phases: ``initializing`` vetoes
Running unless ``running`` holds as well (early conditions stay), ``degraded`` is Degraded while something serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rollcall.domain.expressions import Expression
from rollcall.domain.facts import ObjectFacts, PodFacts
from rollcall.domain.fields import EMPTY, MOST_PODS, at, elements_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds import generic
from rollcall.domain.kinds.descriptions import MOST_ITEMS, Lesson, Refusal, RefusedError, body_of, teachable
from rollcall.domain.kinds.entry import FoundRole, KindEntry, PodRoleHook, Role
from rollcall.domain.kinds.karta_paths import Paths, document_of, pod_document
from rollcall.domain.kinds.karta_status import read_stop, read_telling
from rollcall.domain.kinds.told import Word, by_convention, with_signals
from rollcall.domain.records import Category, RequestedPods

KINDS = (("run.ai", "Karta"), ("optimization.nvidia.com", "ResourceInterface"))
"""(group, kind) of the descriptions that are read."""

_FRAGMENTS = ("resourcesPath", "containersPath", "containerPath", "imagePath")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Component:
    """One node of a description's tree, as far as its pods go."""

    name: str
    template: Expression | None
    pod_spec: Expression | None
    fragments: Mapping[str, Expression]
    replicas: Expression | None
    least: Expression | None
    most: Expression | None
    instances: Expression | None
    key: Expression | None
    value: str | None
    instance_of_pod: Expression | None


def read_karta(body: Mapping[str, Any], source: str) -> Lesson | Refusal:
    """Read one Karta or ResourceInterface. Never raises."""
    try:
        paths = Paths()
        spec = mapping_at(body, "spec")
        entry = _entry(mapping_at(spec, "structureDefinition"), paths)
        notes = tuple(dict.fromkeys(f"{note}." for note in paths.notes))[:MOST_ITEMS]
        return Lesson(source=source, entry=entry, body=body_of(spec), notes=notes, of_karta=True)
    except (RefusedError, RecursionError, ValueError, TypeError) as error:
        return Refusal(source=source, why=f"{error or type(error).__name__}.")


def _entry(structure: Mapping[str, Any], paths: Paths) -> KindEntry:
    root = mapping_at(structure, "rootComponent")
    group, kind, version = (text_at(root, f"kind.{field}") for field in ("group", "kind", "version"))
    if group is None or kind is None:
        raise RefusedError("its rootComponent names no kind")
    key = teachable(group, kind)
    bodies = (root, *elements_at(structure, "childComponents"))[:MOST_ITEMS]
    components = tuple(one for body in bodies if (one := _component(body, paths)) is not None)
    telling = read_telling(mapping_at(root, "statusDefinition"), read_stop(root, paths), paths)
    telling = replace(telling, required=lambda obj: _required(components, obj))
    batch = Word.COMPLETED in telling.rules
    entry = KindEntry(
        key=key,
        versions=() if version is None else (version,),
        plural="",
        category=Category.TRAIN if batch else Category.DEPLOY,
        signals=generic.signals,
        roles=tuple(Role(name=component.name, template="") for component in components),
        find_roles=lambda obj: _find_roles(components, obj),
        role_of=_role_of(components),
        requested_pods=lambda obj, number: _requested_pods(components, obj, number),
        completed_at="status.completionTime",
        default_priority_class="train" if batch else "inference",
        recovers=not batch,
    )
    return with_signals(entry, telling) if telling.rules else by_convention(entry, telling)


def _component(body: Mapping[str, Any], paths: Paths) -> _Component | None:
    """A component that has pods of its own; ``None`` for one that only groups others."""
    name = text_at(body, "name") or "component"
    of = f"component {name[:80]}"
    spec = mapping_at(body, "specDefinition")
    fragments = mapping_at(spec, "fragmentedPodSpecDefinition")
    wanted = (*_FRAGMENTS, "resourceClaimsPath", "nodeAffinityPath", "priorityClassNamePath")
    read = {field: found for field in wanted if (found := paths.read(fragments, field, of)) is not None}
    template = paths.read(spec, "podTemplateSpecPath", of)
    pod_spec = paths.read(spec, "podSpecPath", of)
    if template is None and pod_spec is None and not read.keys() & set(_FRAGMENTS):
        return None
    selector, scale = mapping_at(body, "podSelector"), mapping_at(body, "scaleDefinition")
    # Early ResourceInterfaces had the key and its value in the selector itself.
    by_type = mapping_at(selector, "componentTypeSelector") or selector
    return _Component(
        name=name.lower(),
        template=template,
        pod_spec=pod_spec,
        fragments=read,
        replicas=paths.read(scale, "replicasPath", of),
        least=paths.read(scale, "minReplicasPath", of),
        most=paths.read(scale, "maxReplicasPath", of),
        instances=paths.read(body, "instanceIdPath", of),
        key=paths.read(by_type, "keyPath", of),
        value=text_at(by_type, "value"),
        instance_of_pod=paths.read(selector, "componentInstanceSelector.idPath", of),
    )


# Roles


def _find_roles(components: tuple[_Component, ...], obj: ObjectFacts) -> tuple[FoundRole, ...]:
    document = document_of(obj)
    return tuple(role for component in components for role in _roles_of(component, document))[:MOST_ITEMS]


def _roles_of(component: _Component, document: Mapping[str, Any]) -> list[FoundRole]:
    if component.template is not None:
        templates: list[Any] = list(component.template.values(document))
    elif component.pod_spec is not None:
        templates = [{"spec": spec} for spec in component.pod_spec.values(document)]
    else:
        templates = _assembled(component.fragments, document)
    names = () if component.instances is None else component.instances.values(document)
    counts = (1,) * len(templates) if component.replicas is None else component.replicas.values(document)
    found: list[FoundRole] = []
    for number, template in enumerate(templates):
        if not isinstance(template, dict) or not elements_at(template, "spec.containers"):
            continue
        named = names[number] if len(names) == len(templates) else None
        # One count for several templates tells nothing of each.
        count = counts[number] if len(counts) == len(templates) else None
        name = named.lower() if isinstance(named, str) and named else component.name
        found.append(FoundRole(name, template, whole_at({"count": count}, "count")))
    return found


def _assembled(fragments: Mapping[str, Expression], document: Mapping[str, Any]) -> list[Any]:
    """Templates made of fragments: one for each container, image or set of resources that stands there."""
    values = {field: path.values(document) for field, path in fragments.items()}
    several = values.get("containersPath", ())
    if several:
        # Either lists of containers, or the containers one by one.
        lists = [found for found in several if isinstance(found, list)]
        return [_template(containers, values, number) for number, containers in enumerate(lists or [list(several)])]
    most = max((len(values.get(field, ())) for field in _FRAGMENTS), default=0)
    templates: list[Any] = []
    for number in range(min(most, MOST_ITEMS)):
        container = dict(_nth(values, "containerPath", number) or EMPTY)
        resources, image = _nth(values, "resourcesPath", number), _nth(values, "imagePath", number)
        if isinstance(resources, dict):
            container["resources"] = resources
        if isinstance(image, str):
            container["image"] = image
        if container:
            templates.append(_template([{"name": "main", **container}], values, number))
    return templates


def _template(containers: list[Any], values: Mapping[str, tuple[Any, ...]], number: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": containers}
    claims = _nth(values, "resourceClaimsPath", number)
    if isinstance(claims, list):
        spec["resourceClaims"] = claims
    affinity, class_name = _nth(values, "nodeAffinityPath", number), _nth(values, "priorityClassNamePath", number)
    if isinstance(affinity, dict):
        spec["affinity"] = {"nodeAffinity": affinity}
    if isinstance(class_name, str):
        spec["priorityClassName"] = class_name
    return {"spec": spec}


def _nth(values: Mapping[str, tuple[Any, ...]], field: str, number: int) -> Any:
    """A fragment of one template; a single one is that of all."""
    found = values.get(field, ())
    value = found[number] if number < len(found) else found[0] if len(found) == 1 else None
    return value if not isinstance(value, dict) or all(isinstance(key, str) for key in value) else None


def _role_of(components: tuple[_Component, ...]) -> PodRoleHook:
    def role_of(pod: PodFacts, _roles: tuple[FoundRole, ...]) -> str | None:
        document = pod_document(pod)
        for component in components:
            instance = None if component.instance_of_pod is None else component.instance_of_pod.first(document)
            # Where nothing tells the component, its instance does.
            found = instance if component.key is None else component.key.first(document)
            if found is None or (component.value is not None and found != component.value):
                continue
            return instance.lower() if isinstance(instance, str) and instance else component.name
        return None

    return role_of


def _requested_pods(components: tuple[_Component, ...], obj: ObjectFacts, number: int | None) -> RequestedPods:
    document = document_of(obj)
    return RequestedPods(
        number=number,
        min=_bound([component.least for component in components], document),
        max=_bound([component.most for component in components], document),
    )


def _required(components: tuple[_Component, ...], obj: ObjectFacts) -> int | None:
    """All pods, of elastic components the least; ``None`` where a number is not known."""
    document = document_of(obj)
    total, any_role = 0, False
    for component in components:
        roles = _roles_of(component, document)
        least = None if not roles or component.least is None else _bound([component.least], document)
        wanted = [role.replicas for role in roles] if least is None else [least]
        known = [number for number in wanted if number is not None]
        if len(known) < len(wanted):
            return None
        total += sum(known)
        any_role = any_role or bool(roles)
    return min(total, MOST_PODS) if any_role else None


def _bound(paths: list[Expression | None], document: Mapping[str, Any]) -> int | None:
    """The bounds that components have, summed; ``None`` where none has one."""
    values = [value for path in paths if path is not None for value in path.values(document)]
    counts = [count for value in values if (count := whole_at({"count": value}, "count")) is not None]
    return min(sum(counts), MOST_PODS) if counts else None


def is_karta(body: Mapping[str, Any]) -> bool:
    """Whether an object is a description of this sort."""
    api_version = at(body, "apiVersion")
    group = api_version.rpartition("/")[0] if isinstance(api_version, str) else ""
    return (group, at(body, "kind")) in KINDS
