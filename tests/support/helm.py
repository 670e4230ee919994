"""The real Helm on the chart: rendering it, and installing it into a cluster."""

import copy
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "rollcall"
API_VERSIONS = ("postgresql.cnpg.io/v1", "gateway.networking.k8s.io/v1", "monitoring.coreos.com/v1")
"""What a cluster serves that has every operator the chart knows of."""

Objects = list[dict[str, Any]]


class HelmError(Exception):
    """Helm refused; what it said on standard error."""


class Helm:
    """One Helm binary with folders of its own; with a kubeconfig it reaches that cluster."""

    def __init__(self, binary: Path, folder: Path, kubeconfig: Path | None = None) -> None:
        self._binary = binary
        self._folder = folder
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBECONFIG"))},
            **{f"HELM_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")},
            "KUBECONFIG": str(kubeconfig or os.devnull),
        }

    def run(self, *words: str, values: Mapping[str, Any] | None = None) -> str:
        """What a command says.

        Raises:
            HelmError: it refused.
        """
        given = ["--values", "-"] if values is not None else []
        done = subprocess.run(
            [str(self._binary), *words, *given],
            cwd=self._folder,
            env=self._environment,
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr)
        return done.stdout

    def render(
        self,
        values: Mapping[str, Any],
        *,
        release: str = "rollcall",
        namespace: str = "rollcall",
        api_versions: Sequence[str] = API_VERSIONS,
    ) -> Objects:
        """Every object, without asking a cluster."""
        served = [word for version in api_versions for word in ("--api-versions", version)]
        text = self.run("template", release, str(CHART), "--namespace", namespace, *served, values=values)
        return [found for found in yaml.safe_load_all(text) if found]


def pod_templates(objects: Objects) -> dict[str, dict[str, Any]]:
    """The pod template of each Deployment and StatefulSet, by name; with the volumes that a controller adds."""
    found: dict[str, dict[str, Any]] = {}
    for one in objects:
        if one["kind"] in {"Deployment", "StatefulSet"}:
            template = copy.deepcopy(one["spec"]["template"])
            claims = [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])]
            template["spec"]["volumes"] += [
                {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{one['metadata']['name']}-0"}}
                for name in claims
            ]
            found[one["metadata"]["name"]] = template
    return found


def containers(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All containers of a pod template, those that come first included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """The one object of a kind and name."""
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found
