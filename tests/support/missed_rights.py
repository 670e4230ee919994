"""What a part of the operator misses that lacks a right: each part runs in this process, on a real API server."""

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime
from typing import Any

import aiohttp
from kubernetes import client
from structlog.testing import capture_logs
from support.kind_definitions import plurals
from support.lacking_rights import Right

from rollcall.domain.facts import DomainSettings, KindKey
from rollcall.errors import ClusterError
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.event_watch import EventWatch
from rollcall_operator.life import WatchLife
from rollcall_operator.listing import Standing
from rollcall_operator.measures import Measures
from rollcall_operator.namespaces import Namespaces, UnreadError
from rollcall_operator.owners import PATIENCE, OwnerReader
from rollcall_operator.places import read_identity
from rollcall_operator.reach import EVERYWHERE, Reach
from rollcall_operator.sweep import Sweeper
from rollcall_operator.teaching import Teacher
from rollcall_operator.watched import watched_kinds
from rollcall_operator.watches import DEFINITION

NAMES = "rights-owners"
"""The namespace of what owns something; the one that is named."""

WRAPPER = KindKey(group="workload.codeflare.dev", kind="AppWrapper")
KINDS = {(key.group, plural): key for key, plural in plurals().items()}
WATCHED = {(kind.key.group, kind.plural): kind for kind in watched_kinds()}

TOP = KindKey(group="", kind="top")
Owners = dict[KindKey, dict[str, Any]]
"""One object of each kind, and under `TOP` the one that owns them all."""


async def missed(
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
            case "get", "namespaces" if right.namespace is not None:
                return await missing_of_namespace(right.namespace, session, server, logged)
            case "get", "namespaces":
                return await missing_of_identity(session, server)
            case "get", _:
                owner = owners[KINDS[right.group, right.resource]]
                return await missing_of_owners(owner, owners[TOP], session, server, logged)
            case _, "events":
                return await missing_of_events(right.namespace, session, server, logged, api)
            case _:
                return await missing_of_kind(right, session, server, logged)


async def missing_of_kind(right: Right, session: aiohttp.ClientSession, server: str, logged: list[Any]) -> str:
    """How one kind stands."""
    state = ClusterState(DomainSettings(), all_namespaces=True)
    key = (right.group, right.resource)
    kinds = [WATCHED[key]] if key in WATCHED else []
    reach = EVERYWHERE if right.namespace is None else Reach((right.namespace,))
    sweeper = Sweeper(state, session, server, kinds, clock=now, reach=reach)
    if key == (DEFINITION.key.group, DEFINITION.plural):
        standing = (await sweeper.standings())[DEFINITION.key].standing
    else:
        standing = (await sweeper.list_all()).standings[WATCHED[key].key]
    if standing is Standing.LISTED:
        assert logged == []
        return "nothing"
    assert standing is Standing.FORBIDDEN
    (line,) = logged
    return f"{line['event']} {line['right']}"


async def missing_of_namespace(name: str, session: aiohttp.ClientSession, server: str, logged: list[Any]) -> str:
    """Whether a named namespace may be read."""
    seen: set[str] = set()
    namespaces = Namespaces(
        session,
        server,
        (name,),
        door=lambda _key, _event, obj: seen.add(obj["metadata"]["name"]),
        unread=lambda _: None,
        life=WatchLife(now),
        clock=now,
    )
    try:
        await namespaces.begin()
    except UnreadError:
        (line,) = logged
        return f"{line['event']} {line['namespace']}"
    assert seen == {name}
    return "nothing"


async def missing_of_identity(session: aiohttp.ClientSession, server: str) -> str:
    """Whether the cluster says who it is."""
    try:
        await read_identity(session, server, id=None, name="")
    except ClusterError as error:
        return str(error)
    return "nothing"


async def missing_of_events(
    namespace: str | None, session: aiohttp.ClientSession, server: str, logged: list[Any], api: client.ApiClient
) -> str:
    """Whether a Kubernetes event that happens after the list is seen."""
    beginning = f"right-{secrets.token_hex(4)}"
    watch = EventWatch(session, server, refused_seconds=60, namespace=namespace)
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
        "spec": {"containers": [{"name": "main", "image": "registry.example/pause:1"}]},
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
