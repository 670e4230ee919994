"""The kinds that the simulated cluster serves, and how a request's path names them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as discovery describes it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    writable: bool = False

    @property
    def api_version(self) -> str:
        """``v1``, or ``GROUP/VERSION``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def described(self) -> dict[str, Any]:
        """The entry of an APIResourceList."""
        return {
            "name": self.plural,
            "singularName": self.kind.lower(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": ["get", "list", "watch", *(["create", "update"] if self.writable else [])],
        }


POD = Resource("", "v1", "pods", "Pod")
NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
EVENT = Resource("", "v1", "events", "Event")
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
REPLICASET = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFULSET = Resource("apps", "v1", "statefulsets", "StatefulSet")
JOB = Resource("batch", "v1", "jobs", "Job")
CRONJOB = Resource("batch", "v1", "cronjobs", "CronJob")
KUEUE_WORKLOAD = Resource("kueue.x-k8s.io", "v1beta1", "workloads", "Workload")
KAI_POD_GROUP = Resource("scheduling.run.ai", "v2alpha2", "podgroups", "PodGroup")
PYTORCHJOB = Resource("kubeflow.org", "v1", "pytorchjobs", "PyTorchJob")
CRD = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
PRIORITY_CLASS = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
KARTA = Resource("run.ai", "v1alpha1", "kartas", "Karta", namespaced=False)
UNKNOWN_KIND = Resource("lab.example.com", "v1", "experimentruns", "ExperimentRun")
"""A kind that no catalogue has; it can be taught."""
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease", writable=True)

SERVED = (
    POD,
    NODE,
    NAMESPACE,
    EVENT,
    DEPLOYMENT,
    REPLICASET,
    STATEFULSET,
    JOB,
    CRONJOB,
    KUEUE_WORKLOAD,
    KAI_POD_GROUP,
    PYTORCHJOB,
    CRD,
    PRIORITY_CLASS,
    CONFIG_MAP,
    KARTA,
    UNKNOWN_KIND,
    LEASE,
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a kind, and maybe a namespace and an object."""

    resource: Resource
    namespace: str | None
    name: str | None


def find_target(path: str) -> Target | None:
    """The kind and object that a path names, ``None`` where it names none that is served."""
    match path.strip("/").split("/"):
        case ["api", "v1", *rest]:
            return _find("", "v1", rest)
        case ["apis", group, version, *rest]:
            return _find(group, version, rest)
    return None


def _find(group: str, version: str, rest: list[str]) -> Target | None:
    namespace = None
    # /namespaces/NAME is the namespace itself, /namespaces/NAME/PLURAL what is in it.
    if len(rest) > 2 and rest[0] == "namespaces":  # noqa: PLR2004 - the shape of the path
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 2:  # noqa: PLR2004 - plural and name; no subresource is served
        return None
    for resource in SERVED:
        if (resource.group, resource.version, resource.plural) == (group, version, rest[0]):
            if namespace is not None and not resource.namespaced:
                return None
            return Target(resource, namespace, rest[1] if len(rest) > 1 else None)
    return None


def described_groups(served: Iterable[Resource]) -> list[dict[str, Any]]:
    """The groups of ``/apis``."""
    groups: dict[str, Resource] = {resource.group: resource for resource in served if resource.group}
    return [described_group(resource) for resource in groups.values()]


def described_group(resource: Resource) -> dict[str, Any]:
    """One group of ``/apis``: each has one version."""
    version = {"groupVersion": resource.api_version, "version": resource.version}
    return {"name": resource.group, "versions": [version], "preferredVersion": version}
