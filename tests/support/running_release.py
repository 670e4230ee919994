"""A release of the chart whose words run: the migration, then both processes, as `support.pod_processes` makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from kubernetes import client
from support.pod_processes import PodProcesses
from support.rows import eventually

from rollcall_cluster.control_plane import LocalCluster


@contextmanager
def running_release(
    cluster: LocalCluster, api: client.ApiClient, release: str, folder: Path, address: str
) -> Iterator[dict[str, str]]:
    """Run a release that has its own name as its namespace, until the block ends.

    Gives the Kubernetes user of each process, by the process's name.

    Args:
        cluster: where it is installed.
        api: reads what the API server holds of it.
        release: its name.
        folder: for logs and mounts.
        address: of its API; what the block does comes after ``/readyz`` there.
    """
    started = []
    try:
        pods = {}
        for name in ("operator", "api"):
            account = f"{release}-rollcall-{name}"
            pods[name] = PodProcesses(api, account, release, folder, cluster.kubeconfig_of(release, account))
            assert pods[name].service_account == account
            migrate = pods[name].initial("migrate")
            started.append(migrate)
            migrate.start()
            eventually(lambda migrate=migrate: migrate.is_running, lambda running: not running)
            assert "The schema is at" in migrate.log.read_text()
        for name in ("operator", "api"):
            program = pods[name].container(name)
            started.append(program)
            program.start()
        eventually(lambda: status_of(f"{address}/readyz"), lambda status: status == 200)
        yield {name: f"system:serviceaccount:{release}:{pod.service_account}" for name, pod in pods.items()}
    finally:
        for program in reversed(started):
            program.stop()


def status_of(address: str) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        return httpx.get(address, trust_env=False).status_code
    except httpx.TransportError:
        return 0
