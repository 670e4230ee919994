"""The simulated API server in a thread of its own, and what tests put into it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

from aiohttp import web
from support.operator_process import OperatorProcess

from rollcall_demo.apiserver import SimulatedApiServer
from rollcall_demo.objects import Objects
from rollcall_demo.resources import JOB, NAMESPACE, NODE, POD, Resource

Answer = TypeVar("Answer")
Object = dict[str, Any]

CREATED = "2026-01-01T00:00:00Z"
PROJECT = "lab"
"""The project's namespace that is there from the start."""

RUNNING: Object = {"startTime": CREATED, "active": 1, "ready": 1}
COMPLETED: Object = {
    "startTime": CREATED,
    "completionTime": "2026-01-01T01:00:00Z",
    "succeeded": 1,
    "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T01:00:00Z"}],
}


class SimulatedCluster:
    """The simulated API server, to be used from any thread."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.requests: list[tuple[str, str]] = []
        """Method and path of every request so far."""
        self._watched: dict[str, tuple[int, float]] = {}
        """Of the last watch of each path: between which faults it was opened, and until when it stays open."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.server = SimulatedApiServer(Objects(), bookmark_seconds=0.5)
        self.server.on_request = self._note
        self.wait(self.server.start())
        self.server.write_kubeconfig(self.kubeconfig)
        for namespace, labels in (("kube-system", {}), (PROJECT, {"kai/project": PROJECT})):
            self.create(NAMESPACE, namespace, namespace=None, labels=labels)
        self.create(NODE, "gpu-1", namespace=None, status={"conditions": [{"type": "Ready", "status": "True"}]})
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """What the server's own thread makes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def do(self, work: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """Call something in the server's own thread."""

        async def called() -> Answer:
            return work(*arguments, **named)

        return self.wait(called())

    def is_watched(self, path: str) -> bool:
        """Whether a watch is open that a fault of this instant hits; asked in the server's own thread.

        One that ends just then, because its time is up, goes on behind the fault as if there were none.
        """
        generation, until = self._watched.get(path, (-1, 0.0))
        return generation == self.server.faults.generation and self._loop.time() < until - 1

    def _note(self, request: web.Request) -> None:
        self.requests.append((request.method, request.path))
        if "watch" in request.query:
            until = self._loop.time() + float(request.query.get("timeoutSeconds", "inf"))
            self._watched[request.path] = (self.server.faults.generation, until)

    def restart(self) -> None:
        """Stop the server and start another on the same port, with the same objects."""
        objects, port = self.server.objects, int(self.server.url.rpartition(":")[2])
        self.wait(self.server.stop())
        self.server = SimulatedApiServer(objects, bookmark_seconds=0.5)
        self.wait(self.server.start(port))

    def create(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = PROJECT,
        labels: Any = None,
        owner: Object | None = None,
        **body: Any,
    ) -> str:
        """Create an object; its uid. ``owner`` is a reference to its controller."""
        uid = str(uuid4())
        metadata: Object = {"name": name, "uid": uid, "creationTimestamp": CREATED, "labels": labels or {}}
        if owner is not None:
            metadata["ownerReferences"] = [owner]
        if namespace is not None:
            metadata["namespace"] = namespace
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **body}
        self.do(self.server.objects.create, resource, obj)
        return uid

    def update(self, resource: Resource, name: str, *, namespace: str = PROJECT, **body: Any) -> None:
        """Replace parts of an object."""

        def update() -> None:
            objects = self.server.objects
            obj = objects.get(resource, namespace, name)
            assert obj is not None
            objects.update(resource, {**obj, **body})

        self.do(update)

    def delete(self, resource: Resource, name: str, *, namespace: str = PROJECT) -> None:
        """Delete an object."""
        self.do(self.server.objects.delete, resource, namespace, name)

    def a_job(self, name: str, status: Object | None = None, *, gpus: int = 1) -> str:
        """A Job that runs, or whatever its status says; its uid."""
        template = {"spec": {"containers": [a_container(gpus)]}}
        spec = {"template": template, "parallelism": 1, "completions": 1, "backoffLimit": 0}
        return self.create(JOB, name, spec=spec, status=RUNNING if status is None else status)

    def a_pod(self, name: str, phase: str = "Running", *, owner: Object | None = None) -> str:
        """A pod on a node; its uid."""
        return self.create(POD, name, owner=owner, **a_pod_body(phase))


def owned_by(resource: Resource, name: str, uid: str) -> Object:
    """A reference to a controller."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, "name": name, "uid": uid, "controller": True}


def a_container(gpus: int = 1) -> Object:
    """The only container of everything."""
    return {"name": "main", "image": "trainer:1", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}


def a_pod_body(phase: str = "Running") -> Object:
    """Spec and status of a pod that was bound and is in this phase."""
    ready = {"type": "Ready", "status": "True" if phase == "Running" else "False", "lastTransitionTime": CREATED}
    state = {"running": {"startedAt": CREATED}} if phase == "Running" else {}
    if phase == "Succeeded":
        state = {"terminated": {"exitCode": 0, "startedAt": CREATED, "finishedAt": CREATED}}
    container = {"name": "main", "image": "trainer:1", "ready": phase == "Running", "restartCount": 0, "state": state}
    return {
        "spec": {"nodeName": "gpu-1", "restartPolicy": "Never", "containers": [a_container()]},
        "status": {
            "phase": phase,
            "startTime": CREATED,
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": CREATED}, ready],
            "containerStatuses": [container],
        },
    }


def exit_code_of(operator: OperatorProcess, *, seconds: float = 60) -> int:
    """The code with which an operator ends by itself."""
    process = operator.program._process  # noqa: SLF001 - a program tells only whether it runs
    assert process is not None
    return process.wait(seconds)


def sentence_of(operator: OperatorProcess) -> str:
    """The one line that an operator ends with; all others are its log."""
    said = [line for line in operator.log().splitlines() if not line.startswith("{")]
    assert len(said) == 1, operator.log()
    assert said[0].startswith("rollcall: "), said
    return said[0].removeprefix("rollcall: ")
