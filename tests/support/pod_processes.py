"""Containers of a Deployment as processes: the words that the API server holds, run on this machine.

What a kubelet would do is done here: variables are read out of ConfigMaps and Secrets, volumes written to folders. Two
things differ from a node: a mount is a folder of the test's, so that the paths in variables are put below it, and the
ServiceAccount's token comes in a kubeconfig, because its usual folder is this machine's. Where the chart names an
address of the cluster's network, a test says what stands there instead.
"""

import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernetes import client
from support.past_releases import PastRelease

from rollcall_demo.programs import Program

TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


class PodProcesses:
    """The containers of one Deployment's pod, made processes in a folder.

    ``instead`` has values of variables that the pod must have, by name. Of a past ``release`` it is the code that runs.
    """

    def __init__(
        self,
        api: client.ApiClient,
        deployment: str,
        namespace: str,
        folder: Path,
        kubeconfig: Path,
        *,
        instead: Mapping[str, str] | None = None,
        release: PastRelease | None = None,
    ) -> None:
        self._release = release
        self._instead = dict(instead or {})
        self._core: Any = client.CoreV1Api(api)
        self._namespace = namespace
        self._folder = folder / deployment
        self._folder.mkdir(exist_ok=True)
        self._kubeconfig = kubeconfig
        apps: Any = client.AppsV1Api(api)
        found = apps.read_namespaced_deployment(deployment, namespace)
        self._pod: dict[str, Any] = api.sanitize_for_serialization(found.spec.template.spec)

    @property
    def service_account(self) -> str:
        """The name of the pod's ServiceAccount."""
        return str(self._pod["serviceAccountName"])

    def initial(self, name: str) -> Program:
        """A container that comes first."""
        return self._program(next(one for one in self._pod["initContainers"] if one["name"] == name))

    def container(self, name: str) -> Program:
        """A container that serves."""
        return self._program(next(one for one in self._pod["containers"] if one["name"] == name))

    def remount(self) -> None:
        """Bring the volumes up to date, as a kubelet does a while after a Secret has changed."""
        for container in self._pod["containers"]:
            self._mounts(container)

    def _program(self, container: Mapping[str, Any]) -> Program:
        (command,) = container["command"]
        programs = Path(sys.executable).parent if self._release is None else self._release.programs
        given = self._environment(container, self._mounts(container))
        environment = {"PATH": os.environ["PATH"], **{name: self._instead.get(name, given[name]) for name in given}}
        if self._release is not None:
            environment |= self._release.environment
        if any(mount["mountPath"] == TOKEN_FOLDER for mount in container["volumeMounts"]):
            environment["KUBECONFIG"] = str(self._kubeconfig)
        return Program(container["name"], [str(programs / command), *container["args"]], self._folder, environment)

    def _environment(self, container: Mapping[str, Any], mounts: Mapping[str, Path]) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self._core.read_namespaced_config_map(source["configMapRef"]["name"], self._namespace).data
        for variable in container.get("env", ()):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference is not None:
                found[variable["name"]] = self._secret(reference["name"])[reference["key"]].decode()
            else:
                found[variable["name"]] = variable["value"]
        for place, folder in mounts.items():
            found = {
                name: f"{folder}{value.removeprefix(place)}" if value.startswith(f"{place}/") else value
                for name, value in found.items()
            }
        return found

    def _mounts(self, container: Mapping[str, Any]) -> dict[str, Path]:
        volumes = {volume["name"]: volume for volume in self._pod["volumes"]}
        found: dict[str, Path] = {}
        for mount in container["volumeMounts"]:
            files = self._files(volumes[mount["name"]])
            if files and mount["mountPath"] != TOKEN_FOLDER:
                folder = self._folder / mount["name"]
                for path, content in files.items():
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(content)
                found[mount["mountPath"]] = folder
        return found

    def _files(self, volume: Mapping[str, Any]) -> dict[str, bytes]:
        """What a volume of Secrets and ConfigMaps holds, by path; nothing for others."""
        if "secret" in volume:
            return self._secret(volume["secret"]["secretName"])
        found: dict[str, bytes] = {}
        for source in volume.get("projected", {}).get("sources", ()):
            if "secret" in source:
                held = self._secret(source["secret"]["name"])
                found |= {item["path"]: held[item["key"]] for item in source["secret"]["items"]}
            elif "configMap" in source:
                texts = self._core.read_namespaced_config_map(source["configMap"]["name"], self._namespace).data
                found |= {key: text.encode() for key, text in texts.items()}
        return found

    def _secret(self, name: str) -> dict[str, bytes]:
        held = self._core.read_namespaced_secret(name, self._namespace).data
        return {key: base64.b64decode(value) for key, value in held.items()}
