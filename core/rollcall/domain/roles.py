"""What an object's spec asks for: its roles with their pod templates, its pods, images, command and PriorityClass.

All of it follows from the object alone, so that a caller may keep it by (uid, generation).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain import environment, requests, totals
from rollcall.domain.attachments import Datasource
from rollcall.domain.datasources import datasources_of
from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import EMPTY, MOST_PODS, at, elements_at, is_absurd, mapping_at, text_at, whole_at
from rollcall.domain.gpus import DEFAULT_RULES, GpuRules
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role
from rollcall.domain.records import RequestedPods, ResourceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the spec of an object asks for as a whole."""

    roles: tuple[FoundRole, ...] = ()
    role_requests: tuple[ResourceRequest, ...] = ()
    """What one pod of each of ``roles`` asks for."""
    request: ResourceRequest | None = None
    """Over all roles and their replicas; ``None`` where no template or no number is known."""
    requested_pods: RequestedPods | None = None
    images: tuple[str, ...] = ()
    command: str | None = None
    arguments: str | None = None
    datasources: tuple[Datasource, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    """Of the first container, as far as the facts have values."""
    priority_class_name: str | None = None
    problems: tuple[str, ...] = ()
    """What of it could not be read, as sentences."""


def object_at(obj: ObjectFacts, path: str) -> Any:
    """The value at a dotted path that starts with ``spec`` or ``status``."""
    head, _, rest = path.partition(".")
    root = obj.spec if head == "spec" else obj.status if head == "status" else EMPTY
    return at(root, rest) if rest else root


def find_roles(entry: KindEntry, obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """The roles of the entry that the object has a template for, in the entry's order."""
    if entry.find_roles is not None:
        return entry.find_roles(obj)
    found: list[FoundRole] = []
    for role in entry.roles:
        if role.each is not None:
            found.extend(_each_role(role, obj))
            continue
        template = _template(object_at(obj, role.template), is_pod_spec=role.is_pod_spec)
        if template is not None:
            found.append(FoundRole(role.name, template, _replicas(role, obj)))
    return tuple(found)


def ask(entry: KindEntry, obj: ObjectFacts, gpu_rules: GpuRules = DEFAULT_RULES) -> Asked:
    """All that the spec asks for; worked out once per object, for its pods change far more often."""
    known: tuple[KindEntry, GpuRules, Asked] | None = obj.worked_out.get(_ASKED)
    if known is not None and known[0] is entry and known[1] is gpu_rules:
        return known[2]
    asked = _ask(entry, obj, gpu_rules)
    obj.worked_out[_ASKED] = (entry, gpu_rules, asked)
    return asked


_ASKED = "asked"


def _ask(entry: KindEntry, obj: ObjectFacts, gpu_rules: GpuRules) -> Asked:
    roles = find_roles(entry, obj)
    numbers = [role.replicas for role in roles]
    known = [number for number in numbers if number is not None]
    complete = bool(roles) and len(known) == len(numbers)
    number = min(sum(known), MOST_PODS) if complete else None
    if entry.requested_pods is not None:
        requested_pods: RequestedPods | None = entry.requested_pods(obj, number)
    else:
        requested_pods = None if number is None else RequestedPods(number=number)
    leading = _first_container(roles)
    role_requests = tuple(requests.effective_request(role.template, gpu_rules) for role in roles)
    return Asked(
        roles=roles,
        role_requests=role_requests,
        request=_request(roles, role_requests) if complete else None,
        requested_pods=requested_pods,
        images=_images(roles),
        command=_joined(leading, "command"),
        arguments=_joined(leading, "args"),
        datasources=_datasources(roles),
        environment=environment.literal_variables(leading, _text),
        priority_class_name=_priority_class_name(entry, obj, roles),
        problems=tuple(problem for role in roles for problem in requests.odd_quantities(role.template)),
    )


def _replicas(role: Role, obj: ObjectFacts) -> int | None:
    if role.count is not None:
        return role.count(obj)
    if role.replicas is None:
        return role.default_replicas
    head, _, rest = role.replicas.partition(".")
    return _number(obj.spec if head == "spec" else obj.status, rest, role.default_replicas)


def _number(root: Mapping[str, Any], path: str, default: int) -> int | None:
    if is_absurd(root, path):
        return None
    number = whole_at(root, path)
    return default if number is None else number


def _each_role(role: Role, obj: ObjectFacts) -> list[FoundRole]:
    group = object_at(obj, role.each or "")
    named: list[tuple[str, Mapping[str, Any]]] = []
    if isinstance(group, Mapping):
        named = [(name, element) for name, element in group.items() if isinstance(element, Mapping)]
    elif isinstance(group, list | tuple):
        elements = [element for element in group if isinstance(element, Mapping)]
        named = [(text_at(element, role.each_name) or role.name, element) for element in elements]
    found: list[FoundRole] = []
    for name, element in named:
        template = _template(at(element, role.template), is_pod_spec=role.is_pod_spec)
        if template is not None:
            number = _number(element, role.replicas, role.default_replicas) if role.replicas else role.default_replicas
            found.append(FoundRole(name, template, number))
    return found


def _template(value: Any, *, is_pod_spec: bool) -> Mapping[str, Any] | None:
    """A PodTemplateSpec with containers, or ``None``."""
    if not isinstance(value, Mapping):
        return None
    template = {"spec": value} if is_pod_spec else value
    return template if elements_at(template, "spec.containers") else None


def _request(roles: tuple[FoundRole, ...], role_requests: tuple[ResourceRequest, ...]) -> ResourceRequest:
    return totals.add_all(
        [totals.scale(one, role.replicas or 0) for role, one in zip(roles, role_requests, strict=True)]
    )


def _containers(roles: tuple[FoundRole, ...]) -> list[Mapping[str, Any]]:
    return [container for role in roles for container in elements_at(role.template, "spec.containers")]


def _first_container(roles: tuple[FoundRole, ...]) -> Mapping[str, Any]:
    containers = _containers(roles)
    return containers[0] if containers else EMPTY


def _images(roles: tuple[FoundRole, ...]) -> tuple[str, ...]:
    images = (text_at(container, "image") for container in _containers(roles))
    return tuple(dict.fromkeys(image for image in images if image))


def _datasources(roles: tuple[FoundRole, ...]) -> tuple[Datasource, ...]:
    mounted = (one for role in roles for one in datasources_of(mapping_at(role.template, "spec")))
    return tuple(dict.fromkeys(mounted))


def _text(value: Any) -> str | None:
    """Text as it is: that of facts was made safe when it was read."""
    return value if isinstance(value, str) else None


def _joined(container: Mapping[str, Any], key: str) -> str | None:
    words = container.get(key)
    if not isinstance(words, list | tuple):
        return None
    return " ".join(word for word in words if isinstance(word, str)) or None


def _priority_class_name(entry: KindEntry, obj: ObjectFacts, roles: tuple[FoundRole, ...]) -> str | None:
    """By the entry's labels, then its paths, else by the first role whose template names one."""
    for label in entry.priority_labels:
        if obj.meta.labels.get(label):
            return obj.meta.labels[label]
    for path in entry.priority_paths:
        name = object_at(obj, path)
        if isinstance(name, str) and name:
            return name
    return next((name for role in roles if (name := text_at(role.template, "spec.priorityClassName"))), None)


def role_ranks(entry: KindEntry, roles: tuple[FoundRole, ...]) -> Mapping[str, int]:
    """The place of each role in the order of messages."""
    ranks = {role.name: rank for rank, role in enumerate(roles)}
    for role in entry.roles:
        ranks.setdefault(role.name, len(ranks))
    return ranks
