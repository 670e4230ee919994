"""A control plane as five processes on free loopback ports, in one private folder; stopped whatever happens.

RBAC is on, ServiceAccount tokens are real, every certificate is its own. kwok plays the kubelets
(``deploy/local-cluster/stages.yaml``).
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from rollcall.errors import ClusterError
from rollcall_cluster.binaries import MODULE, Binaries, kubernetes_version
from rollcall_cluster.certificates import Authority, make_key_pair
from rollcall_demo.programs import Program, free_ports

START_SECONDS = 120
"""How long the control plane may take to be ready: a few seconds on an idle machine."""

NODE_GRACE_SECONDS = 3600
"""How long a node may be silent. Under thousands of pods kwok's heartbeats lag, and a node that was lost for a moment
leaves its pods not ready for good; a test that loses a node sets less."""

_ISSUER = "https://kubernetes.default.svc"
_SERVICE_RANGE = "10.96.0.0/16"
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class LocalCluster:
    """A cluster while the ``with`` block runs."""

    def __init__(
        self,
        binaries: Binaries,
        *,
        folder: Path | None = None,
        audit: bool = False,
        node_grace_seconds: int = NODE_GRACE_SECONDS,
    ) -> None:
        self._binaries = binaries
        self._given_folder = folder
        self._audit = audit
        self._node_grace_seconds = node_grace_seconds
        self._programs: dict[str, Program] = {}
        self._authority: Authority | None = None
        self.folder = Path()
        self.server = ""
        self.kubeconfig = Path()
        self.audit_log = Path()

    def __enter__(self) -> Self:
        """Start everything; nothing is left running where that fails.

        Raises:
            ClusterError: a program ended or did not become ready; the sentence holds the end of its log.
        """
        self.folder = self._given_folder or Path(tempfile.mkdtemp(prefix="rollcall-cluster-"))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = self.folder.resolve()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything and forget the data."""
        self._stop()

    @property
    def description(self) -> str:
        """What it is, in the words of a title."""
        return f"a local Kubernetes {kubernetes_version()}"

    def api_client(self) -> client.ApiClient:
        """A client with every right."""
        api: client.ApiClient = config.new_client_from_config(str(self.kubeconfig))  # type: ignore[no-untyped-call]
        return api

    def stop_api_server(self) -> None:
        """Stop kube-apiserver as an upgrade does."""
        self._programs["kube-apiserver"].stop()

    def start_api_server(self) -> None:
        """Start it again on the same port and wait until it is ready."""
        self._programs["kube-apiserver"].start()
        self._wait("kube-apiserver", self._is_ready)

    def stop_program(self, name: str) -> None:
        """Stop one of the others, such as kwok: every kubelet goes silent."""
        self._programs[name].stop()

    def write_kubeconfig(self, name: str, user: dict[str, str]) -> Path:
        """A kubeconfig for a user of this cluster; its context is called as the file."""
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": self.server, "certificate-authority": str(self.folder / "ca.crt")}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "local", "user": name}}],
            "current-context": name,
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def serving_certificate(self, name: str, *names: str) -> tuple[Path, Path]:
        """A certificate for a server on loopback, signed as the cluster's own; the paths of certificate and key."""
        if self._authority is None:
            raise ClusterError("The cluster has no authority yet.")
        return self._authority.issue_server(name, *names)

    @property
    def authority_file(self) -> Path:
        """What the cluster's servers are trusted by, in PEM."""
        return self.folder / "ca.crt"

    def token_of(self, namespace: str, service_account: str) -> str:
        """A token of a ServiceAccount, as TokenRequest makes them."""
        with self.api_client() as api:
            core: Any = client.CoreV1Api(api)
            spec = {"expirationSeconds": 7200}
            made = core.create_namespaced_service_account_token(service_account, namespace, {"spec": spec})
        token: str = made.status.token
        return token

    def kubeconfig_of(self, namespace: str, service_account: str) -> Path:
        """A kubeconfig with the rights of a ServiceAccount."""
        token = self.token_of(namespace, service_account)
        return self.write_kubeconfig(f"{namespace}-{service_account}", {"token": token})

    def _start(self) -> None:
        etcd_port, peer_port, api_port = free_ports(3)
        self.server = f"https://127.0.0.1:{api_port}"
        self.audit_log = self.folder / "audit.log"
        self._start_etcd(etcd_port, peer_port)
        self._start_api_server(etcd_port, api_port)
        self._start_others()
        self._wait("kube-controller-manager", self._has_default_service_account)

    def _start_etcd(self, port: int, peer_port: int) -> None:
        client_url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client_url}",
            f"--advertise-client-urls={client_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            # The data die with the cluster: a crash of the machine need not be survived.
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def _start_api_server(self, etcd_port: int, port: int) -> None:
        folder = self.folder
        authority, front_proxy = Authority(folder, "ca"), Authority(folder, "front-proxy-ca")
        server_certificate, server_key = authority.issue_server("kube-apiserver")
        proxy_certificate, proxy_key = front_proxy.issue_client("front-proxy-client")
        token_public, token_private = make_key_pair(folder, "service-accounts")
        admin_certificate, admin_key = authority.issue_client("admin", group="system:masters")
        self.kubeconfig = self.write_kubeconfig(
            "admin", {"client-certificate": str(admin_certificate), "client-key": str(admin_key)}
        )
        self._authority = authority
        audit = []
        if self._audit:
            policy = folder / "audit-policy.yaml"
            policy.write_text(yaml.safe_dump(_AUDIT_POLICY), encoding="utf-8")
            # One file for as long as the cluster lives: it would begin another after 100 MB.
            audit = [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-maxsize=0"]
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={server_certificate}",
            f"--tls-private-key-file={server_key}",
            f"--client-ca-file={authority.certificate}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={token_public}",
            f"--service-account-signing-key-file={token_private}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-cluster-ip-range={_SERVICE_RANGE}",
            f"--requestheader-client-ca-file={front_proxy.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy_certificate}",
            f"--proxy-client-key-file={proxy_key}",
            "--endpoint-reconciler-type=none",  # it refuses a loopback address
            "--profiling=false",
            *audit,
        )
        self._wait("kube-apiserver", self._is_ready)

    def _start_others(self) -> None:
        quick = ("--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=2000", "--profiling=false")
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self._kubeconfig_for('system:kube-controller-manager')}",
            f"--service-account-private-key-file={self.folder / 'service-accounts.key'}",
            f"--root-ca-file={self.folder / 'ca.crt'}",
            f"--node-monitor-grace-period={self._node_grace_seconds}s",
            "--use-service-account-credentials=true",  # each controller has the rights that RBAC gives it
            "--secure-port=0",
            *quick,
        )
        self._run(
            "kube-scheduler",
            f"--kubeconfig={self._kubeconfig_for('system:kube-scheduler')}",
            "--secure-port=0",
            *quick,
        )
        self._run(
            "kwok",
            f"--kubeconfig={self._kubeconfig_for('kwok', group='system:masters')}",
            f"--config={MODULE / 'stages.yaml'}",
        )

    def _kubeconfig_for(self, user: str, *, group: str | None = None) -> Path:
        if self._authority is None:
            raise ClusterError("The cluster has no authority yet.")
        certificate, key = self._authority.issue_client(user, group=group)
        return self.write_kubeconfig(certificate.stem, {"client-certificate": str(certificate), "client-key": str(key)})

    def _run(self, name: str, *flags: str) -> None:
        program = Program(name, [*self._binaries.command(name), *flags], self.folder)
        self._programs[name] = program
        program.start()

    def _wait(self, waited_for: str, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not is_so():
            for program in self._programs.values():
                if not program.is_running:
                    raise ClusterError(f"{program.name} ended at its start:\n{program.last_lines()}")
            if time.monotonic() > until:
                lines = self._programs[waited_for].last_lines()
                raise ClusterError(f"{waited_for} was not ready after {START_SECONDS} s:\n{lines}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            with self.api_client() as api:
                answer = api.rest_client.request("GET", f"{self.server}/readyz", _request_timeout=2)
        except (ApiException, HTTPError, OSError):
            return False
        ready: bool = answer.status == HTTPStatus.OK
        return ready

    def _has_default_service_account(self) -> bool:
        # Without it no pod is admitted.
        try:
            with self.api_client() as api:
                client.CoreV1Api(api).read_namespaced_service_account("default", "default")
        except (ApiException, HTTPError, OSError):
            return False
        return True

    def _stop(self) -> None:
        # Clients first. There is nothing to end well: the data go with the folder.
        while self._programs:
            self._programs.popitem()[1].stop(kill=True)
        if "ROLLCALL_KEEP_CLUSTER_LOGS" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)
