"""Node pools: which pool a node is in, and which pools a pod or a template asks for."""

from collections.abc import Mapping, Sequence
from typing import Any

from rollcall.domain.fields import elements_at, mapping_at, text_at

DEFAULT_POOL = "default"
"""The pool of a node that no label puts into another."""

POOLS_ANNOTATION = "kai.scheduler/node-pools"
_NOT_YET_ASSIGNED = "kai-unexisting-node-pool"
_MOST_POOLS = 100


def pool_of_node(labels: Mapping[str, str], pool_labels: Sequence[str]) -> str:
    """The value of the first of the pool labels that the node carries, else ``default``."""
    label = pool_label_of(labels, pool_labels)
    return DEFAULT_POOL if label is None else labels[label]


def pool_label_of(labels: Mapping[str, str], pool_labels: Sequence[str]) -> str | None:
    """The first of the pool labels that the node carries."""
    return next((label for label in pool_labels if labels.get(label)), None)


def requested_node_pools(template: Mapping[str, Any], pool_labels: Sequence[str]) -> tuple[str, ...]:
    """The pools that a pod or a PodTemplateSpec asks for, in its order; empty where it leaves the choice.

    The first that says anything wins: the annotation of ordered pools, required node affinity on a pool label
    (``DoesNotExist`` is the default pool), the node selector, the pool label on the pod itself.
    """
    annotation = mapping_at(template, "metadata.annotations").get(POOLS_ANNOTATION)
    found: list[str] = annotation.split() if isinstance(annotation, str) else []
    spec = mapping_at(template, "spec")
    if not found:
        found = _by_affinity(spec, pool_labels)
    for place in ("spec.nodeSelector", "metadata.labels"):
        labels = mapping_at(template, place)
        if not found:
            found = [labels[label] for label in pool_labels if isinstance(labels.get(label), str)][:1]
    distinct = dict.fromkeys(pool for pool in found if pool and pool != _NOT_YET_ASSIGNED)
    return tuple(distinct)[:_MOST_POOLS]


def _by_affinity(spec: Mapping[str, Any], pool_labels: Sequence[str]) -> list[str]:
    required = mapping_at(spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution")
    pools: list[str] = []
    for term in elements_at(required, "nodeSelectorTerms"):
        for expression in elements_at(term, "matchExpressions"):
            if text_at(expression, "key") not in pool_labels:
                continue
            match expression.get("operator"):
                case "In":
                    values = expression.get("values")
                    if isinstance(values, list | tuple):
                        pools.extend(value for value in values if isinstance(value, str))
                case "DoesNotExist":
                    pools.append(DEFAULT_POOL)
    return pools
