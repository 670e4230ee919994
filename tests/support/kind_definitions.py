"""The CustomResourceDefinitions of the catalogue's kinds: our own, and as small as they can be.

A kind has its group, its names and its versions, a status that is written apart, and a schema that takes any spec and
any status. Nothing of an upstream project is in them: what they prove is what Rollcall does with an object, not what
its own operator would accept.
"""

from typing import Any

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import all_entries
from rollcall.domain.kinds.karta import KINDS as DESCRIPTIONS
from rollcall.domain.queues import KAI_POD_GROUP, KUEUE_WORKLOAD, QUEUE_KINDS, VOLCANO_POD_GROUP

_BUILT_IN = frozenset({"", "apps", "batch"})

_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

_VERSIONS_BETWEEN = {"grove.io": "v1alpha1", "kubeflow.org": "v1beta1", "nvidia.com": "v1beta1"}
"""Of kinds that stand between pods and a workload; v1 in any other group."""


def plurals() -> dict[KindKey, str]:
    """How each kind is called in a path: those of the catalogue and those between."""
    found = {entry.key: entry.plural for entry in all_entries()}
    return found | {between.key: between.plural for entry in all_entries() for between in entry.between}


def definitions() -> list[dict[str, Any]]:
    """A definition for every kind that Kubernetes does not have by itself."""
    found = {
        entry.key: _definition(entry.key, entry.plural, entry.versions)
        for entry in all_entries()
        if entry.key.group not in _BUILT_IN
    }
    for entry in all_entries():
        for between in entry.between:
            version = _VERSIONS_BETWEEN.get(between.key.group, "v1")
            found[between.key] = _definition(between.key, between.plural, (version,))
    return list(found.values())


def definitions_beside() -> list[dict[str, Any]]:
    """A definition for every further kind that the operator may read: queues' objects, and descriptions of kinds."""
    queues = {
        KUEUE_WORKLOAD: ("v1beta1",),
        KAI_POD_GROUP: ("v2alpha2",),
        VOLCANO_POD_GROUP: ("v1beta1",),
    }
    found = [_definition(key, QUEUE_KINDS[key], versions) for key, versions in queues.items()]
    for group, kind in DESCRIPTIONS:
        found.append(_definition(KindKey(group=group, kind=kind), f"{kind.lower()}s", ("v1alpha1",), scope="Cluster"))
    return found


def _definition(key: KindKey, plural: str, versions: tuple[str, ...], *, scope: str = "Namespaced") -> dict[str, Any]:
    # Kubernetes keeps names below k8s.io for itself; upstream has its approval.
    approval = {"api-approved.kubernetes.io": "unapproved, for tests"} if key.group.endswith(".k8s.io") else {}
    schema = {"type": "object", "properties": {"spec": _ANYTHING, "status": _ANYTHING}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{key.group}", "annotations": approval},
        "spec": {
            "group": key.group,
            "scope": scope,
            "names": {"kind": key.kind, "plural": plural, "singular": key.kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": place == 0,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
                for place, version in enumerate(versions)
            ],
        },
    }
