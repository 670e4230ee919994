"""The pods of a release of the chart, an operator and an API, as processes that come and go beside those of another."""

from dataclasses import dataclass
from pathlib import Path

from kubernetes import client
from support.past_releases import PastRelease
from support.pod_processes import PodProcesses
from support.rows import eventually
from support.running_release import status_of

from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import Program, free_ports


@dataclass(frozen=True, slots=True)
class Deployments:
    """Those of a release, whose objects are called after ``name``; with a ``dsn`` it is there that the database is."""

    cluster: LocalCluster
    api: client.ApiClient
    namespace: str
    name: str
    dsn: str | None

    def pod(
        self, component: str, folder: Path, port: int, *, kubectl_port: int | None, release: PastRelease | None = None
    ) -> PodProcesses:
        """A pod of one as it is now, which serves at this port, and kubectl, if it does, at the other."""
        # A pod has an address of its own; here all share one, and differ by their ports.
        own = {f"ROLLCALL_{component.upper()}__HOST": "127.0.0.1", f"ROLLCALL_{component.upper()}__PORT": str(port)}
        if component == "api" and kubectl_port is not None:
            own |= {
                "ROLLCALL_API__AGGREGATED__HOST": "127.0.0.1",
                "ROLLCALL_API__AGGREGATED__PORT": str(kubectl_port),
            }
        if self.dsn is not None:
            own["ROLLCALL_DATABASE__DSN"] = self.dsn
        account = f"{self.name}-{component}"
        kubeconfig = self.cluster.kubeconfig_of(self.namespace, account)
        return PodProcesses(self.api, account, self.namespace, folder, kubeconfig, instead=own, release=release)


class Pods:
    """One pod of each Deployment of a release, as the cluster holds it when this is made.

    ``name`` is what the release's objects are called after. Of a past ``release`` it is the code that runs. Where the
    release serves kubectl, it does so at ``kubectl_port``.
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
        release: PastRelease | None = None,
        kubectl_port: int | None = None,
    ) -> None:
        folder.mkdir()
        api_port, operator_port = free_ports(2)
        deployments = Deployments(cluster, api, namespace, name, dsn)
        self.address = f"http://127.0.0.1:{api_port}"
        self._operator = f"http://127.0.0.1:{operator_port}"
        self._migrations: list[Program] = []
        self._serving: dict[str, Program] = {}
        for command, port in (("operator", operator_port), ("api", api_port)):
            pod = deployments.pod(command, folder, port, kubectl_port=kubectl_port, release=release)
            self._migrations.append(pod.initial("migrate"))
            self._serving[command] = pod.container(command)

    def migrate(self) -> list[str]:
        """What the init containers say, one after the other."""
        for program in self._migrations:
            program.start()
            eventually(lambda program=program: program.is_running, lambda running: not running)
        return [program.last_lines(1) for program in self._migrations]

    def start(self) -> None:
        """Serve, and wait until both are ready."""
        for program in self._serving.values():
            program.start()
        for address in (self.address, self._operator):
            eventually(lambda address=address: status_of(f"{address}/readyz"), lambda status: status == 200)

    def stop_operator(self) -> None:
        """End the operator alone."""
        self._serving["operator"].stop()

    def stop(self) -> None:
        """End, as a Deployment ends the pods of before."""
        for program in (*self._migrations, *self._serving.values()):
            program.stop()
