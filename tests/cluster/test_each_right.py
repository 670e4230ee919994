"""Every right of the operator, taken away alone: what is missing then is told, or shown wrong.

The parts that use a right are run in this process, each as a user who has all rights of the manifest but one, on the
real API server. A right that a later rule brings is asked about by itself. What needs a whole operator has one.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from kubernetes import client
from structlog.testing import capture_logs
from support.kind_definitions import definitions, definitions_beside, plurals
from support.lacking_rights import Lacking, Right, rights_in

from rollcall.cluster_access import ApiStatusError, post_json
from rollcall.domain.facts import DomainSettings, KindKey
from rollcall.errors import ClusterError
from rollcall_cluster.applying import SAMPLES, apply_objects
from rollcall_cluster.control_plane import LocalCluster
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.discovery import served_kinds
from rollcall_operator.event_watch import EventWatch
from rollcall_operator.measures import Measures
from rollcall_operator.owners import PATIENCE, OwnerReader
from rollcall_operator.places import read_identity
from rollcall_operator.sweep import Standing, Sweeper
from rollcall_operator.teaching import Teacher
from rollcall_operator.watched import watched_kinds
from rollcall_operator.watches import DEFINITION

pytestmark = pytest.mark.anyio

MANIFEST = SAMPLES.parent / "manifests" / "operator-rights.yaml"
LEASES = "coordination.k8s.io"
RIGHTS = [right for right in rights_in(MANIFEST) if right.group != LEASES]
OF_THE_LEASE = [right for right in rights_in(MANIFEST) if right.group == LEASES]

NAMES = "rights-owners"
"""The namespace of what owns something."""

WRAPPER = KindKey(group="workload.codeflare.dev", kind="AppWrapper")
KINDS = {(key.group, plural): key for key, plural in plurals().items()}
WATCHED = {(kind.key.group, kind.plural): kind for kind in watched_kinds()}

TOP = KindKey(group="", kind="top")
Owners = dict[KindKey, dict[str, Any]]

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
    extensions: Any = client.ApiextensionsV1Api(api)
    for definition in beside:
        extensions.delete_custom_resource_definition(definition["metadata"]["name"])
    client.CoreV1Api(api).delete_namespace(NAMES)


@pytest.fixture(scope="module")
def lacking(cluster: LocalCluster, served: None) -> Iterator[Lacking]:  # noqa: ARG001 - the API server is to know them
    """Somebody for each right."""
    lacking = Lacking(cluster, "operator", RIGHTS)
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
    found = []
    for lacks in (None, right):
        async with lacking.session(lacks) as session:
            found.append(await missing(right, session, lacking.server, owners, api))
    assert found == ["nothing", what_is_told_without(right)]


def is_of_owners(right: Right) -> bool:
    """Whether it is for looking up owners."""
    return right.verb == "get" and (right.group, right.resource) != ("", "namespaces")


def what_is_told_without(right: Right) -> str:
    """What the operator says of it, or what is wrong."""
    plural = right.resource
    match right.verb, plural:
        case "list", "kartas" | "resourceinterfaces":
            return "kinds_forbidden Kartas"
        case "list", "configmaps":
            return "kinds_forbidden ConfigMaps"
        case "get", "namespaces":
            return "The Kubernetes API answered 403 for /api/v1/namespaces/kube-system."
        case "list", "events":
            return "events_forbidden The Kubernetes API answered 403 for /api/v1/events."
        case "watch", "events":
            return "events_forbidden The Kubernetes API answered 403 for a watch of /api/v1/events."
        case "get", _:
            kind = KINDS[right.group, plural].kind
            return f"owner_kind_forbidden {kind}; the workload is {kind} owner"
        case _:
            return f"kind_forbidden {right.verb} {plural}"


async def missing(
    right: Right, session: aiohttp.ClientSession, server: str, owners: Owners, api: client.ApiClient
) -> str:
    """What is missing to the part of the operator that needs the right."""
    with capture_logs() as logged:
        match right.verb, right.resource:
            case "list", "kartas" | "resourceinterfaces" | "configmaps":
                teacher = Teacher(session, server, namespace="rollcall", interval_seconds=60, measures=Measures())
                told = {f"kinds_forbidden {what}" for what in (await teacher.begin()).refused}
                assert told == {f"{line['event']} {line['what']}" for line in logged}
                return next(iter(told), "nothing")
            case "get", "namespaces":
                return await missing_of_identity(session, server)
            case "get", _:
                owner = owners[KINDS[right.group, right.resource]]
                return await missing_of_owners(owner, owners[TOP], session, server, logged)
            case _, "events":
                return await missing_of_events(session, server, logged, api)
            case _:
                return await missing_of_kind(right, session, server, logged)


async def missing_of_kind(right: Right, session: aiohttp.ClientSession, server: str, logged: list[Any]) -> str:
    """How one kind stands."""
    state = ClusterState(DomainSettings(), all_namespaces=True)
    if (right.group, right.resource) == (DEFINITION.key.group, DEFINITION.plural):
        sweeper = Sweeper(state, session, server, (), clock=now)
        standing = (await sweeper.standings())[DEFINITION.key].standing
    else:
        kind = WATCHED[right.group, right.resource]
        standing = (await Sweeper(state, session, server, [kind], clock=now).list_all()).standings[kind.key]
    if standing is Standing.LISTED:
        assert logged == []
        return "nothing"
    assert standing is Standing.FORBIDDEN
    (line,) = logged
    return f"{line['event']} {line['right']}"


async def missing_of_identity(session: aiohttp.ClientSession, server: str) -> str:
    """Whether the cluster says who it is."""
    try:
        await read_identity(session, server, id=None, name="")
    except ClusterError as error:
        return str(error)
    return "nothing"


async def missing_of_events(
    session: aiohttp.ClientSession, server: str, logged: list[Any], api: client.ApiClient
) -> str:
    """Whether a Kubernetes event that happens after the list is seen."""
    beginning = f"right-{secrets.token_hex(4)}"
    watch = EventWatch(session, server, refused_seconds=60)
    is_listed = asyncio.Event()
    seen: set[str] = set()

    def watching(is_watching: int) -> None:
        if is_watching:
            is_listed.set()

    task = asyncio.create_task(watch.run(lambda obj: seen.add(obj["metadata"]["name"]), watching=watching))
    number = 0
    try:
        async with asyncio.timeout(60):
            while not logged and not any(name.startswith(beginning) for name in seen):
                if is_listed.is_set():
                    await asyncio.to_thread(happen, api, f"{beginning}-{(number := number + 1)}")
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return f"{logged[0]['event']} {logged[0]['error']}" if logged else "nothing"


def happen(api: client.ApiClient, name: str) -> None:
    about = {"kind": "Namespace", "name": NAMES, "namespace": NAMES}
    body = {"metadata": {"name": name}, "involvedObject": about, "reason": "Tested", "type": "Normal"}
    client.CoreV1Api(api).create_namespaced_event(NAMES, body)


async def missing_of_owners(
    owner: dict[str, Any], top: dict[str, Any], session: aiohttp.ClientSession, server: str, logged: list[Any]
) -> str:
    """What workload a pod is of, whose owner, owned itself, no watch has brought yet."""
    at = now()
    state = ClusterState(DomainSettings(), all_namespaces=True)
    state.seen = None
    state.observe(WRAPPER, EventType.SEEN, top, at=at)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "pod",
            "namespace": NAMES,
            "uid": "pod-of-nobody-else",
            "resourceVersion": "1",
            "ownerReferences": [reference_to(owner)],
        },
        "spec": SPECS["Pod"],
    }
    state.observe(POD, EventType.SEEN, pod, at=at)
    clock = [at]
    reader = OwnerReader(state, session, server, watched=lambda _: True, clock=lambda: clock[0])
    assert await reader.read_missing() == 0, "its watch has time to bring it"
    clock[0] += PATIENCE
    assert await reader.read_missing() == 1
    found = state.belonging.top_of("pod-of-nobody-else")
    assert found is not None
    if found.uid == top["metadata"]["uid"]:
        assert logged == []
        return "nothing"
    assert found.uid == owner["metadata"]["uid"]
    (line,) = logged
    return f"{line['event']} {line['kind']}; the workload is {found.kind} {found.name}"


def reference_to(owner: dict[str, Any]) -> dict[str, Any]:
    metadata = owner["metadata"]
    named = {"name": metadata["name"], "uid": metadata["uid"], "controller": True}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **named}


def now() -> datetime:
    return datetime.now(UTC)
