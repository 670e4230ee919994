"""A cluster by kind, where a container engine answers: the same simulated nodes, kwok running inside."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes import client, config

from rollcall.errors import ClusterError
from rollcall_cluster.applying import apply_objects, read_documents
from rollcall_cluster.binaries import MODULE

_FILES = Path(__file__).resolve().parents[1] / "kind"


_ENGINES = ("docker", "podman", "nerdctl")
_ENGINE_SECONDS = 10


def kind_can_run() -> bool:
    """Whether kind is there and a container engine answers."""
    if shutil.which("kind") is None:
        return False
    return any(_answers(engine) for engine in _ENGINES if shutil.which(engine))


def _answers(engine: str) -> bool:
    try:
        done = subprocess.run([engine, "info"], capture_output=True, check=False, timeout=_ENGINE_SECONDS)  # noqa: S603 - one of three names
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class KindCluster:
    """A kind cluster while the ``with`` block runs; it is deleted after."""

    name = "rollcall"
    description = "a kind cluster"
    """What it is, in the words of a title."""

    def __init__(self) -> None:
        self.folder = Path()
        self.kubeconfig = Path()

    def __enter__(self) -> Self:
        """Create it.

        Raises:
            ClusterError: kind is missing or could not; a sentence.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="rollcall-kind-"))
        self.kubeconfig = self.folder / "kubeconfig"
        try:
            self._kind(
                "create", "cluster", "--config", str(_FILES / "cluster.yaml"), "--kubeconfig", str(self.kubeconfig)
            )
            with self.api_client() as api:
                apply_objects(api, [_stages(), *read_documents([_FILES / "kwok.yaml"])])
                _cordon_real_nodes(api)
        except BaseException:
            self._delete()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete it."""
        self._delete()

    def api_client(self) -> client.ApiClient:
        """A client with every right."""
        api: client.ApiClient = config.new_client_from_config(str(self.kubeconfig))  # type: ignore[no-untyped-call]
        return api

    def _delete(self) -> None:
        self._kind("delete", "cluster", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kind(self, *words: str) -> None:
        program = shutil.which("kind")
        if program is None:
            raise ClusterError("kind is not on the PATH: https://kind.sigs.k8s.io says how to get it.")
        done = subprocess.run([program, *words], check=False)  # noqa: S603 - found on the PATH, as asked for
        if done.returncode != 0:
            raise ClusterError(f"`kind {words[0]} cluster` failed; does a container engine run?")


def _stages() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "rollcall-stages", "namespace": "kube-system"},
        "data": {"stages.yaml": (MODULE / "stages.yaml").read_text(encoding="utf-8")},
    }


def _cordon_real_nodes(api: client.ApiClient) -> None:
    # The samples' images do not exist: only simulated kubelets can run them.
    core: Any = client.CoreV1Api(api)
    for node in core.list_node().items:
        core.patch_node(node.metadata.name, {"spec": {"unschedulable": True}})
