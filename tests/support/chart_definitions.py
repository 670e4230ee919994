"""The custom resource definitions that the chart's objects are of.

Those of the Gateway API and of the Prometheus operator are upstream's own, out of their Go modules. CloudNativePG has
none: its Cluster is defined here by hand, as small as can be, with just the fields that the chart sets.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from rollcall_cluster.binaries import find_go

MODULE = Path(__file__).resolve().parents[1] / "chart" / "crds"
"""The Go module that pins the versions."""

_FILES = {
    "sigs.k8s.io/gateway-api": ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
    "github.com/prometheus-operator/prometheus-operator": tuple(
        f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml"
        for plural in ("servicemonitors", "podmonitors", "prometheusrules")
    ),
}

_TEXT = {"type": "string"}
_RESOURCES = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_CLUSTER_SPEC = {
    "instances": {"type": "integer", "minimum": 1},
    "imageName": _TEXT,
    "bootstrap": {
        "type": "object",
        "properties": {
            "initdb": {"type": "object", "properties": {"database": _TEXT, "owner": _TEXT, "encoding": _TEXT}}
        },
    },
    "postgresql": {
        "type": "object",
        "properties": {"parameters": {"type": "object", "additionalProperties": _TEXT}},
    },
    "storage": {"type": "object", "properties": {"size": _TEXT, "storageClass": _TEXT}},
    "resources": _RESOURCES,
    "monitoring": {"type": "object", "properties": {"enablePodMonitor": {"type": "boolean"}}},
}

_SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": _CLUSTER_SPEC}}}

CLOUDNATIVEPG: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "clusters.postgresql.cnpg.io", "annotations": {"note": "ours: minimal, for tests"}},
    "spec": {
        "group": "postgresql.cnpg.io",
        "scope": "Namespaced",
        "names": {"kind": "Cluster", "plural": "clusters", "singular": "cluster"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}}],
    },
}


def definitions() -> list[dict[str, Any]]:
    """Every definition; upstream's modules are fetched where they are not in Go's cache."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    command = [find_go(print, (1, 26)), "mod", "download", "-json", *_FILES]
    done = subprocess.run(command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    decoder, rest, found = json.JSONDecoder(), done.stdout.strip(), [CLOUDNATIVEPG]
    while rest:
        module, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        found += [yaml.safe_load(Path(module["Dir"], name).read_text()) for name in _FILES[module["Path"]]]
    return found
