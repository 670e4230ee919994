"""The simulated API server speaks enough Kubernetes for kopf and for the `kubernetes` package, and fails on demand."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import kopf
import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

from rollcall.cluster_access import get_json, list_metadata
from rollcall_demo.apiserver import CONTEXT, GIT_VERSION, SimulatedApiServer
from rollcall_demo.objects import ConflictError, ExpiredError, Objects
from rollcall_demo.resources import JOB, NAMESPACE, POD, find_target

pytestmark = pytest.mark.anyio

DEADLINE = 20


def a_pod(name: str, namespace: str = "lab") -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
        "status": {"phase": "Pending"},
    }


@pytest.fixture
async def server() -> AsyncIterator[SimulatedApiServer]:
    server = SimulatedApiServer(Objects(), bookmark_seconds=0.2)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def kubeconfig(server: SimulatedApiServer, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    server.write_kubeconfig(path)
    return path


@pytest.fixture
def core(kubeconfig: Path) -> client.CoreV1Api:
    return client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))


def the_token(answer) -> str | None:
    # The generated client avoids the keyword by an underscore.
    return getattr(answer.metadata, "_continue")  # noqa: B009 - same


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is waited for is another program's doing
            await asyncio.sleep(0.02)


class Test_objects:  # noqa: N801 - the sentence reads on
    """The store behind the server."""

    async def test_one_integer_grows_with_every_change_of_any_kind(self):
        objects = Objects(first_version=10)
        pod = objects.create(POD, a_pod("a"))
        job = objects.create(JOB, {"metadata": {"name": "j", "namespace": "lab"}, "spec": {}})
        objects.delete(POD, "lab", "a")
        assert [pod["metadata"]["resourceVersion"], job["metadata"]["resourceVersion"], objects.version] == [
            "11",
            "12",
            13,
        ]
        assert [change.type for change in objects.changes_since(POD, 10)] == ["ADDED", "DELETED"]
        assert objects.changes_since(POD, 10)[1].object["metadata"]["resourceVersion"] == "13"

    async def test_what_was_handed_out_never_changes(self):
        objects = Objects()
        pod = a_pod("a")
        stored = objects.create(POD, pod)
        pod["status"]["phase"] = "Running"
        objects.update(POD, pod)
        assert stored["status"]["phase"] == "Pending"
        assert objects.get(POD, "lab", "a")["status"]["phase"] == "Running"

    async def test_generation_follows_the_spec_alone(self):
        objects = Objects()
        pod = a_pod("a")
        assert objects.create(POD, pod)["metadata"]["generation"] == 1
        pod["status"]["phase"] = "Running"
        assert objects.update(POD, pod)["metadata"]["generation"] == 1
        pod["spec"]["nodeName"] = "n"
        assert objects.update(POD, pod)["metadata"]["generation"] == 2

    async def test_history_is_bounded(self):
        objects = Objects(history=2)
        for name in "abc":
            objects.create(POD, a_pod(name))
        with pytest.raises(ExpiredError):
            objects.changes_since(POD, 1)
        assert len(objects.changes_since(POD, 2)) == 2

    async def test_a_writer_that_read_something_older_is_refused(self):
        objects = Objects()
        first = objects.create(POD, a_pod("a"))
        objects.update(POD, a_pod("a"))
        with pytest.raises(ConflictError):
            objects.update(POD, a_pod("a"), version=first["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/v1/pods", (POD, None, None)),
        ("/api/v1/namespaces/lab/pods", (POD, "lab", None)),
        ("/api/v1/namespaces/lab/pods/a", (POD, "lab", "a")),
        ("/api/v1/namespaces/lab", (NAMESPACE, None, "lab")),
        ("/apis/batch/v1/jobs", (JOB, None, None)),
        ("/apis/batch/v2/jobs", None),
        ("/api/v1/namespaces/lab/pods/a/log", None),
        ("/api/v1/namespaces/lab/nodes", None),
        ("/version", None),
    ],
)
async def test_paths(path: str, wanted: tuple | None):
    target = find_target(path)
    assert (target and (target.resource, target.namespace, target.name)) == wanted


class Test_clients:  # noqa: N801
    """The `kubernetes` package and our own reader."""

    async def test_it_says_that_it_is_simulated(self, kubeconfig: Path):
        api = client.VersionApi(config.new_client_from_config(str(kubeconfig)))
        version = await asyncio.to_thread(api.get_code)
        assert version.git_version == GIT_VERSION
        assert "simulated" in version.git_version

    async def test_pages_show_one_moment(self, server: SimulatedApiServer, core: client.CoreV1Api):
        for number in range(5):
            server.objects.create(POD, a_pod(f"p{number}"))
        first = await asyncio.to_thread(core.list_pod_for_all_namespaces, limit=3)
        server.objects.delete(POD, "lab", "p4")
        second = await asyncio.to_thread(core.list_pod_for_all_namespaces, limit=3, _continue=the_token(first))
        assert [pod.metadata.name for pod in first.items + second.items] == ["p0", "p1", "p2", "p3", "p4"]
        assert first.metadata.resource_version == second.metadata.resource_version
        assert the_token(second) is None

    async def test_a_page_after_the_history_expired_is_410(self, server: SimulatedApiServer, core: client.CoreV1Api):
        for number in range(3):
            server.objects.create(POD, a_pod(f"p{number}"))
        first = await asyncio.to_thread(core.list_pod_for_all_namespaces, limit=1)
        server.faults.expire_history()
        with pytest.raises(ApiException) as refused:
            await asyncio.to_thread(core.list_pod_for_all_namespaces, limit=1, _continue=the_token(first))
        assert refused.value.status == 410

    async def test_a_watch_resumes_ends_in_time_and_keeps_to_its_namespace(
        self, server: SimulatedApiServer, core: client.CoreV1Api
    ):
        version = server.objects.create(POD, a_pod("a"))["metadata"]["resourceVersion"]
        server.objects.create(POD, a_pod("b"))
        server.objects.create(POD, a_pod("elsewhere", namespace="other"))
        server.objects.delete(POD, "lab", "a")

        def watched() -> list[tuple[str, str]]:
            stream = watch.Watch().stream(core.list_namespaced_pod, "lab", resource_version=version, timeout_seconds=1)
            return [(event["type"], event["object"].metadata.name) for event in stream]

        assert await asyncio.to_thread(watched) == [("ADDED", "b"), ("DELETED", "a")]

    async def test_metadata_alone_and_discovery_as_the_operator_reads_them(self, server: SimulatedApiServer):
        server.objects.create(POD, a_pod("a"))
        async with aiohttp.ClientSession() as session:
            pages = [page async for page in list_metadata(session, server.url, "/api/v1/pods")]
            resources = await get_json(session, server.url, "/apis/kubeflow.org/v1")
            groups = await get_json(session, server.url, "/apis")
        ((items, version),) = pages
        assert items[0].keys() == {"kind", "apiVersion", "metadata"}
        assert items[0]["kind"] == "PartialObjectMetadata"
        assert version == server.objects.version
        assert [resource["kind"] for resource in resources["resources"]] == ["PyTorchJob"]
        assert "batch" in [group["name"] for group in groups["groups"]]

    async def test_the_kubeconfig_has_one_context(self, server: SimulatedApiServer, kubeconfig: Path):
        contexts, current = config.list_kube_config_contexts(str(kubeconfig))
        assert [context["name"] for context in contexts] == [CONTEXT] == [current["name"]]
        assert config.new_client_from_config(str(kubeconfig), context=CONTEXT).configuration.host == server.url

    async def test_only_leases_are_written(self, server: SimulatedApiServer, kubeconfig: Path, core: client.CoreV1Api):
        leases = client.CoordinationV1Api(config.new_client_from_config(str(kubeconfig)))
        body = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=client.V1LeaseSpec(holder_identity="me"))
        made = await asyncio.to_thread(leases.create_namespaced_lease, "lab", body)
        made.spec.holder_identity = "you"
        await asyncio.to_thread(leases.replace_namespaced_lease, "l", "lab", made)
        with pytest.raises(ApiException) as stale:
            await asyncio.to_thread(leases.replace_namespaced_lease, "l", "lab", made)
        with pytest.raises(ApiException) as refused:
            await asyncio.to_thread(core.create_namespace, client.V1Namespace(metadata={"name": "new"}))
        assert (stale.value.status, refused.value.status) == (409, 405)
        assert server.objects.all(NAMESPACE) == []

    async def test_a_list_by_a_label(self, server: SimulatedApiServer):
        server.objects.create(POD, {**a_pod("one"), "metadata": {**a_pod("one")["metadata"], "labels": {"a": "b"}}})
        server.objects.create(POD, a_pod("two"))
        async with aiohttp.ClientSession() as session:
            found = await get_json(session, server.url, "/api/v1/pods", params={"labelSelector": "a=b"})
        assert [item["metadata"]["name"] for item in found["items"]] == ["one"]

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("?labelSelector=a+in+(b)", 400),
            ("?watch=1&labelSelector=a%3Db", 400),
            ("?fieldSelector=a%3Db", 400),
            ("?watch=1&sendInitialEvents=true", 422),
            ("?watch=1&resourceVersion=x", 400),
        ],
    )
    async def test_what_it_does_not_speak_it_refuses(self, server: SimulatedApiServer, query: str, status: int):
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v1/pods{query}") as response:
            assert response.status == status
            assert (await response.json())["kind"] == "Status"


Seen = list[tuple[str | None, str]]


@pytest.fixture
async def kopf_sees(server: SimulatedApiServer) -> AsyncIterator[Callable[[], Awaitable[Seen]]]:
    """Kopf's watch of pods, as the events that its handler was given."""
    seen: Seen = []
    registry = kopf.OperatorRegistry()

    async def observe(event: dict, **_: object) -> None:
        seen.append((event["type"], event["object"]["metadata"]["name"]))

    async def login(**_: object) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=server.url)

    kopf.on.login(registry=registry)(login)
    kopf.on.event("", "pods", registry=registry)(observe)
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.watching.chunk_size = 2
    settings.watching.server_timeout = 5
    settings.networking.error_backoffs = (0.1,) * 50
    # In a loop of its own: at its end kopf cancels whatever tasks it finds in its loop, those of the test as well.
    stop, ready = threading.Event(), threading.Event()
    operator = kopf.operator(
        registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop, ready_flag=ready
    )
    thread = threading.Thread(target=asyncio.run, args=(operator,))

    async def begin() -> Seen:
        thread.start()
        await until(ready.is_set)
        return seen

    yield begin
    stop.set()
    await asyncio.to_thread(thread.join, DEADLINE)
    assert not thread.is_alive()


class Test_kopf:  # noqa: N801
    """kopf's list and watch, through every fault."""

    async def test_list_in_pages_then_watch(self, server: SimulatedApiServer, kopf_sees):
        for number in range(5):
            server.objects.create(POD, a_pod(f"p{number}"))
        seen = await kopf_sees()
        await until(lambda: len(seen) == 5)
        assert {kind for kind, _ in seen} == {None}
        server.objects.create(POD, a_pod("new"))
        server.objects.delete(POD, "lab", "p0")
        await until(lambda: ("ADDED", "new") in seen and ("DELETED", "p0") in seen)

    async def test_nothing_is_lost_when_watches_are_cut(self, server: SimulatedApiServer, kopf_sees):
        seen = await kopf_sees()
        server.objects.create(POD, a_pod("before"))
        await until(lambda: any(name == "before" for _, name in seen))
        server.faults.drop_watches()
        server.objects.create(POD, a_pod("after"))
        await until(lambda: ("ADDED", "after") in seen)

    async def test_a_watch_that_is_too_old_lists_again(self, server: SimulatedApiServer, kopf_sees):
        seen = await kopf_sees()
        server.objects.create(POD, a_pod("a"))
        await until(lambda: any(name == "a" for _, name in seen))
        server.faults.answer(500)
        server.faults.drop_watches()
        server.objects.create(POD, a_pod("b"))
        server.faults.expire_history()
        server.faults.heal()
        await until(lambda: (None, "a") in seen and (None, "b") in seen)

    async def test_errors_end_and_the_watch_goes_on(self, server: SimulatedApiServer, kopf_sees):
        seen = await kopf_sees()
        server.faults.answer(500)
        server.faults.drop_watches()
        server.objects.create(POD, a_pod("meanwhile"))
        await asyncio.sleep(0.5)  # long enough that it meets the fault
        assert ("ADDED", "meanwhile") not in seen
        server.faults.heal()
        await until(lambda: any(name == "meanwhile" for _, name in seen))

    async def test_silence_is_silence(self, server: SimulatedApiServer, kopf_sees):
        seen = await kopf_sees()
        server.objects.create(POD, a_pod("a"))
        await until(lambda: any(name == "a" for _, name in seen))
        server.faults.go_silent()
        server.objects.create(POD, a_pod("b"))
        await asyncio.sleep(0.5)  # nothing may come, however long one waits
        assert ("ADDED", "b") not in seen
        server.faults.heal()
        await until(lambda: ("ADDED", "b") in seen)


async def test_a_quiet_watch_is_told_where_it_stands(server: SimulatedApiServer):
    version = server.objects.version
    server.objects.create(JOB, {"metadata": {"name": "j", "namespace": "lab"}, "spec": {}})
    parameters = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": str(version),
        "timeoutSeconds": "2",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/v1/pods", params=parameters) as response,
    ):
        lines = [line async for line in response.content]
    assert all(b'"BOOKMARK"' in line and f'"{server.objects.version}"'.encode() in line for line in lines)
    assert len(lines) >= 2
