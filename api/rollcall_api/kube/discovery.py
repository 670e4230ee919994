"""What is served here, as API servers say it: by group, by version, and in one document."""

from typing import Any

from rollcall_api.kube.objects import KIND
from rollcall_api.kube.statuses import GROUP, RESOURCE, VERSION

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERBS = ["get", "list", "watch"]
SHORT_NAMES = ["rwl"]

_VERSION_OF_GROUP = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
_GROUP = {"name": GROUP, "versions": [_VERSION_OF_GROUP], "preferredVersion": _VERSION_OF_GROUP}


def wants_aggregated(accept: str) -> bool:
    """Whether the first form that is accepted is the one document."""
    first = {part.strip() for part in accept.partition(",")[0].split(";")}
    return {"application/json", "g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= first


def group_list() -> dict[str, Any]:
    """``/apis``."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]}


def group() -> dict[str, Any]:
    """``/apis/rollcall.dev``."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_GROUP}


def resource_list() -> dict[str, Any]:
    """``/apis/rollcall.dev/v1``."""
    resource = {
        "name": RESOURCE,
        "singularName": "workload",
        "namespaced": True,
        "kind": KIND,
        "verbs": VERBS,
        "shortNames": SHORT_NAMES,
    }
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": [resource],
    }


def aggregated() -> dict[str, Any]:
    """``/apis``, all in one."""
    resource = {
        "resource": RESOURCE,
        "responseKind": {"group": GROUP, "version": VERSION, "kind": KIND},
        "scope": "Namespaced",
        "singularResource": "workload",
        "verbs": VERBS,
        "shortNames": SHORT_NAMES,
    }
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": GROUP, "creationTimestamp": None},
                "versions": [{"version": VERSION, "resources": [resource], "freshness": "Current"}],
            }
        ],
    }
