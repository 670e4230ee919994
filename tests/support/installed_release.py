"""What Helm made of a release, and what of it is in the cluster."""

import json
from typing import Any

import yaml
from support.chart_rights import rights_of_account
from support.helm import Helm
from support.kubectl import Kubectl
from support.lacking_rights import Right

Named = frozenset[tuple[str, str, str]]
"""Objects by kind, namespace and name."""

_OF_OTHERS = {"endpoints", "events"}
"""Kinds whose objects come of others without saying so."""


class InstalledRelease:
    """A release; ``kubectl`` has every right."""

    def __init__(self, helm: Helm, kubectl: Kubectl, release: str, namespace: str) -> None:
        self._helm = helm
        self._kubectl = kubectl
        self._release = release
        self._namespace = namespace
        kinds = kubectl("api-resources", "--verbs=list", "--output=name").split()
        self._kinds = ",".join(sorted(kind for kind in kinds if kind.partition(".")[0] not in _OF_OTHERS))

    def made(self) -> Named:
        """What the chart made of the release's values."""
        return frozenset(map(_named, self._manifest()))

    def there(self) -> Named:
        """What bears the release's label, anywhere in the cluster, and is owned by nothing else."""
        label = f"app.kubernetes.io/instance={self._release}"
        found = self._kubectl("get", self._kinds, "--all-namespaces", "--selector", label, "--output=json")
        return frozenset(_named(one) for one in json.loads(found)["items"] if "ownerReferences" not in one["metadata"])

    def rights_of(self, service_account: str) -> tuple[Right, ...]:
        """What is bound to one of its ServiceAccounts."""
        return rights_of_account(self._manifest(), service_account)

    def _manifest(self) -> list[dict[str, Any]]:
        text = self._helm.run("get", "manifest", self._release, "--namespace", self._namespace)
        return [one for one in yaml.safe_load_all(text) if one]


def _named(obj: dict[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
