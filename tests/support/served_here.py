"""The Service behind the aggregated API, made to name this machine.

No pod's address leads anywhere here, and a Service may have no address of loopback: so it names `localhost`.
"""

from typing import Any

from kubernetes import client


class ServedHere:
    """A Service that an APIService names: as it was installed, or leading to a port of this machine."""

    def __init__(self, api: client.ApiClient, namespace: str, service: str) -> None:
        self._core: Any = client.CoreV1Api(api)
        self._registered: Any = client.ApiregistrationV1Api(api)
        self._api = api
        self._namespace = namespace
        self._service = service
        self._installed: dict[str, Any] | None = None

    def begin(self, port: int) -> None:
        """Lead to that port."""
        found = self._core.read_namespaced_service(self._service, self._namespace)
        self._installed = self._api.sanitize_for_serialization(found)
        spec = {"type": "ExternalName", "externalName": "localhost"}
        self._put({"metadata": {"name": self._service}, "spec": spec})
        self._point(port)

    def end(self) -> None:
        """Be again what was installed, so that Helm finds it so."""
        if self._installed is not None:
            kept, metadata = self._installed, self._installed["metadata"]
            described = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
            spec = {key: value for key, value in kept["spec"].items() if key not in {"clusterIP", "clusterIPs"}}
            self._put({"metadata": described, "spec": spec})
            self._point(443)
            self._installed = None

    def _put(self, service: dict[str, Any]) -> None:
        self._core.delete_namespaced_service(self._service, self._namespace)
        self._core.create_namespaced_service(self._namespace, service)

    def _point(self, port: int) -> None:
        self._registered.patch_api_service("v1.rollcall.dev", {"spec": {"service": {"port": port}}})
