"""The pods of a release as its Deployments roll them: where the words of a pod have changed, a new one takes over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kubernetes import client
from support.pod_processes import PodProcesses
from support.release_pods import Deployments
from support.rows import eventually
from support.running_release import status_of

from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import Program, free_ports

COMPONENTS = ("operator", "api")


@dataclass(frozen=True, slots=True)
class Running:
    """One pod of a Deployment."""

    template: dict[str, Any]
    pod: PodProcesses
    program: Program
    address: str
    kubectl_port: int


class RolledRelease:
    """One pod of each Deployment of a release, while the ``with`` block runs.

    ``name`` is what the release's objects are called after; with a ``dsn`` it is there that the database is.
    """

    def __init__(
        self,
        cluster: LocalCluster,
        api: client.ApiClient,
        namespace: str,
        name: str,
        folder: Path,
        *,
        dsn: str | None = None,
    ) -> None:
        self._deployments = Deployments(cluster, api, namespace, name, dsn)
        self._api = api
        self._apps: Any = client.AppsV1Api(api)
        self._namespace = namespace
        self._name = name
        self._folder = folder
        self._started: list[Program] = []
        self._next: dict[str, Running] = {}
        self.running: dict[str, Running] = {}
        """By component; new ones beside old ones are not in it before these end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._started:
            program.stop()

    @property
    def accounts(self) -> dict[str, str]:
        """The Kubernetes user of each component's pods."""
        return {name: f"system:serviceaccount:{self._namespace}:{self._name}-{name}" for name in COMPONENTS}

    def migrate(self) -> None:
        """What comes first in every pod, in one of them."""
        program = self._new("operator", self._template("operator")).pod.initial("migrate")
        self._started.append(program)
        program.start()
        eventually(lambda: program.is_running, lambda running: not running)
        assert "The schema is at" in program.last_lines(1)

    def begin_roll(self) -> list[str]:
        """Start a pod beside each one whose Deployment has other words by now, and wait until it is ready.

        Returns their components.
        """
        for name in COMPONENTS:
            template = self._template(name)
            if name not in self.running or self.running[name].template != template:
                self._next[name] = self._new(name, template)
        for one in self._next.values():
            self._started.append(one.program)
            one.program.start()
        for one in self._next.values():
            eventually(lambda one=one: status_of(f"{one.address}/readyz"), lambda status: status == 200)
        return sorted(self._next)

    def end_roll(self) -> None:
        """End the pods that have been replaced."""
        for name, one in self._next.items():
            if name in self.running:
                self.running[name].program.stop()
            self.running[name] = one
        self._next = {}

    @property
    def next_api(self) -> Running:
        """The API's pod that requests go to from now on."""
        return self._next.get("api") or self.running["api"]

    def _template(self, component: str) -> dict[str, Any]:
        found = self._apps.read_namespaced_deployment(f"{self._name}-{component}", self._namespace)
        template: dict[str, Any] = self._api.sanitize_for_serialization(found.spec.template)
        return template

    def _new(self, component: str, template: dict[str, Any]) -> Running:
        folder = self._folder / f"pod-{len(list(self._folder.glob('pod-*')))}"
        folder.mkdir()
        port, kubectl_port = free_ports(2)
        pod = self._deployments.pod(component, folder, port, kubectl_port=kubectl_port)
        return Running(template, pod, pod.container(component), f"http://127.0.0.1:{port}", kubectl_port)
