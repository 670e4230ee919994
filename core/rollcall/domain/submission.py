"""Who submitted a workload, as far as its metadata tells.

Only what launchers write about the user they act for is believed; labels that name a tool
(``app.kubernetes.io/created-by``) do not name anybody.
"""

from collections.abc import Iterable, Mapping

from rollcall.domain.facts import Meta, PodFacts

SUBMITTER_ANNOTATIONS = (
    "user",
    "notebooks.kubeflow.org/creator",
    "opendatahub.io/username",
    "hub.jupyter.org/username",
    "com.coder.user.email",
    "pipeline.openshift.io/started-by",
    "metaflow/owner",
)
"""Annotations that name the submitter, the first present wins.

GPU schedulers write ``user``; the others are of Kubeflow's and Open Data Hub's notebooks, JupyterHub, Coder, OpenShift
Pipelines and Metaflow.
"""

SUBMITTER_LABELS = (
    "user",
    "workflows.argoproj.io/creator-email",
    "workflows.argoproj.io/creator-preferred-username",
    "workflows.argoproj.io/creator",
    "skypilot-user",
    "com.coder.user.username",
    "hub.jupyter.org/username",
    "pipeline.openshift.io/started-by",
    "controller.devfile.io/creator",
)
"""Labels that do, asked after the annotations: a label cannot hold every name. The last is the uid of a user."""

_KEYS = frozenset((*SUBMITTER_ANNOTATIONS, *SUBMITTER_LABELS))
_WRITES_AT = "workflows.argoproj.io/creator-email"
"""A label cannot hold an ``@``: Argo writes ``.at.`` for it."""


def submitter_of(meta: Meta, said: Iterable[str], pods: Iterable[PodFacts]) -> str | None:
    """The submitter by the top owner's metadata, by what its spec has ``said``, then by a pod's metadata."""
    of_pods = filter(None, (_of_metadata(pod.meta) for pod in pods))
    return _of_metadata(meta) or next(iter(said), None) or next(of_pods, None)


def _of_metadata(meta: Meta) -> str | None:
    return _named_by(meta.annotations, SUBMITTER_ANNOTATIONS) or _named_by(meta.labels, SUBMITTER_LABELS)


def _named_by(texts: Mapping[str, str], keys: Iterable[str]) -> str | None:
    if not texts or _KEYS.isdisjoint(texts):  # so for nearly all of the many pods
        return None
    for key in keys:
        value = texts.get(key, "").strip()
        if value:
            return value.replace(".at.", "@", 1) if key == _WRITES_AT else value
    return None
