"""Reaching an API server as who a kubeconfig says, for requests of a test's own."""

from pathlib import Path

from kubernetes import client, config

from rollcall.cluster_access import Access


def access_by(kubeconfig: Path) -> Access:
    """The API server of a kubeconfig; where this process runs does not count."""
    configuration = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    return Access(configuration)
