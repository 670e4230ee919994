"""Every right of the operator, taken away alone: what is missing then is told, or shown wrong.

The parts that use a right are run in this process, each as a user who has all rights of the manifest but one, on the
real API server: cluster-wide, and with Roles in a named namespace. A right that a later rule brings is asked about by
itself. What needs a whole operator is in `test_without_a_right.py`.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client
from support.cluster_objects import remove_definition, remove_namespace
from support.kind_definitions import definitions, definitions_beside
from support.lacking_rights import Lacking, Right, rights_in
from support.missed_rights import KINDS, NAMES, TOP, WRAPPER, Owners, missed, reference_to

from rollcall.cluster_access import ApiStatusError, post_json
from rollcall.domain.facts import KindKey
from rollcall_cluster.applying import SAMPLES, apply_objects
from rollcall_cluster.control_plane import LocalCluster
from rollcall_operator.discovery import served_kinds

pytestmark = pytest.mark.anyio

MANIFESTS = SAMPLES.parent / "manifests"
LEASES = "coordination.k8s.io"
RIGHTS = [right for right in rights_in(MANIFESTS / "operator-rights.yaml") if right.group != LEASES]

NAMED_RIGHTS = [replace(right, namespace=NAMES) for right in rights_in(MANIFESTS / "operator-namespace-rights.yaml")]

_CONTAINERS = [{"name": "main", "image": "registry.example/pause:1"}]
_LABELS = {"app": "owner"}
_SERVING = {
    "replicas": 0,
    "selector": {"matchLabels": _LABELS},
    "template": {"metadata": {"labels": _LABELS}, "spec": {"containers": _CONTAINERS}},
}
_TASK = {"suspend": True, "template": {"spec": {"containers": _CONTAINERS, "restartPolicy": "Never"}}}
SPECS: dict[str, dict[str, Any]] = {
    "Pod": {"containers": _CONTAINERS},
    "Deployment": _SERVING,
    "ReplicaSet": _SERVING,
    "StatefulSet": {**_SERVING, "serviceName": "none"},
    "CronJob": {"suspend": True, "schedule": "0 0 1 1 *", "jobTemplate": {"spec": _TASK}},
}
"""The specs of kinds that do not take any."""


def spec_of(key: KindKey) -> dict[str, Any]:
    return _TASK if key == KindKey(group="batch", kind="Job") else SPECS.get(key.kind, {})


@pytest.fixture(scope="module")
def served(api: client.ApiClient, apply: Callable[..., None]) -> Iterator[None]:
    """Every kind that the operator may read is served; those beside workloads only here."""
    beside = definitions_beside()
    apply_objects(api, [*definitions(), *beside])
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMES}})
    yield
    # Another test may install one of them, or ask what is served, right after.
    for definition in beside:
        remove_definition(api, definition)
    remove_namespace(api, NAMES)


@pytest.fixture(scope="module")
def lacking(cluster: LocalCluster, served: None) -> Iterator[Lacking]:  # noqa: ARG001 - the API server is to know them
    """Somebody for each right."""
    lacking = Lacking(cluster, "operator", RIGHTS)
    asyncio.run(lacking.arrange())
    yield lacking
    asyncio.run(lacking.disband())


@pytest.fixture(scope="module")
def lacking_there(cluster: LocalCluster, served: None) -> Iterator[Lacking]:  # noqa: ARG001 - the namespace is to be there
    """Somebody for each right in the named namespace."""
    lacking = Lacking(cluster, "named", NAMED_RIGHTS)
    asyncio.run(lacking.arrange())
    yield lacking
    asyncio.run(lacking.disband())


@pytest.fixture(scope="module")
def owners(lacking: Lacking) -> Owners:
    """One object of each kind that may be looked up, and above them all one more, which is under no key of theirs."""
    keys = [KINDS[right.group, right.resource] for right in RIGHTS if is_of_owners(right)]
    return asyncio.run(make_owners(lacking, keys))


async def make_owners(lacking: Lacking, keys: list[KindKey]) -> Owners:
    groups = frozenset(key.group for key in keys)
    async with lacking.admin() as session, asyncio.timeout(120):
        served = await served_kinds(session, lacking.server, groups)
        while not served.keys() >= {*keys}:
            await asyncio.sleep(0.1)
            served = await served_kinds(session, lacking.server, groups)

        async def make(key: KindKey, name: str, above: dict[str, Any] | None) -> dict[str, Any]:
            prefix, plural = served[key].prefix, served[key].plural
            api_version = prefix.removeprefix("/apis/").removeprefix("/api/")
            references = {} if above is None else {"ownerReferences": [reference_to(above)]}
            metadata = {"name": name, "namespace": NAMES, **references}
            body = {"apiVersion": api_version, "kind": key.kind, "metadata": metadata, "spec": spec_of(key)}
            while True:
                try:
                    return await post_json(session, lacking.server, f"{prefix}/namespaces/{NAMES}/{plural}", body)
                except ApiStatusError as error:
                    # A definition is served a little later, and a pod's ServiceAccount is there a little later.
                    if error.status not in {403, 404}:
                        raise
                    await asyncio.sleep(0.1)

        top = await make(WRAPPER, "top", None)
        return {TOP: top} | {key: await make(key, "owner", top) for key in keys}


@pytest.mark.parametrize("right", RIGHTS, ids=str)
async def test_without_it_something_is_missing(
    right: Right, lacking: Lacking, owners: Owners, api: client.ApiClient
) -> None:
    assert await missing_with_and_without(right, lacking, owners, api) == ["nothing", what_is_told_without(right)]


@pytest.mark.parametrize("right", NAMED_RIGHTS, ids=str)
async def test_without_it_something_is_missing_in_a_named_namespace(
    right: Right, lacking_there: Lacking, owners: Owners, api: client.ApiClient
) -> None:
    assert await missing_with_and_without(right, lacking_there, owners, api) == ["nothing", what_is_told_without(right)]


async def missing_with_and_without(right: Right, lacking: Lacking, owners: Owners, api: client.ApiClient) -> list[str]:
    found = []
    for lacks in (None, right):
        async with lacking.session(lacks) as session:
            found.append(await missed(right, session, lacking.server, owners, api))
    return found


def is_of_owners(right: Right) -> bool:
    """Whether it is for looking up owners."""
    return right.verb == "get" and (right.group, right.resource) != ("", "namespaces")


def what_is_told_without(right: Right) -> str:
    """What the operator says of it, or what is wrong."""
    plural = right.resource
    events = "/api/v1/events" if right.namespace is None else f"/api/v1/namespaces/{right.namespace}/events"
    match right.verb, plural:
        case "list", "kartas" | "resourceinterfaces":
            return "kinds_forbidden Kartas"
        case "list", "configmaps":
            return "kinds_forbidden ConfigMaps"
        case "get", "namespaces" if right.namespace is not None:
            return f"namespace_not_readable {right.namespace}"
        case "get", "namespaces":
            return "The Kubernetes API answered 403 for /api/v1/namespaces/kube-system."
        case "list", "events":
            return f"events_forbidden The Kubernetes API answered 403 for {events}."
        case "watch", "events":
            return f"events_forbidden The Kubernetes API answered 403 for a watch of {events}."
        case "get", _:
            kind = KINDS[right.group, plural].kind
            return f"owner_kind_forbidden {kind}; the workload is {kind} owner"
        case _:
            return f"kind_forbidden {right.verb} {plural}"
