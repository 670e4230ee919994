"""Projects and departments: whom the work in a namespace is for."""

from collections.abc import Iterable, Mapping, Sequence

from rollcall.domain.facts import DomainSettings, Meta, NamespaceFacts, PodFacts

DEFAULT_DEPARTMENT = "default"
PROJECT_LABEL = "project"
"""The label by which KAI's and Run:ai's own objects name their project."""


def project_label_of(labels: Mapping[str, str], project_labels: Sequence[str]) -> str | None:
    """The project that a namespace's labels name, ``None`` where it is no project's."""
    for label in project_labels:
        if labels.get(label):
            return labels[label]
    return None


def project_of(namespace: NamespaceFacts | None, meta: Meta, pods: Iterable[PodFacts], settings: DomainSettings) -> str:
    """The project of a workload: the namespace's label, which users cannot set at will, before any of the object's.

    Without one: the ``project`` label of the object or of a pod, then the namespace's name with a known prefix
    taken off, then that name itself.
    """
    if namespace is not None and namespace.project:
        return namespace.project
    for one in (meta, *(pod.meta for pod in pods)):
        if one.labels.get(PROJECT_LABEL):
            return one.labels[PROJECT_LABEL]
    name = meta.namespace or ""
    for prefix in settings.namespace_prefixes:
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    return name or DEFAULT_DEPARTMENT


def department_of(namespace: NamespaceFacts | None, settings: DomainSettings) -> str:
    """The department of a namespace by its label, else ``default``."""
    if namespace is None:
        return DEFAULT_DEPARTMENT
    return namespace.meta.labels.get(settings.department_label) or DEFAULT_DEPARTMENT
