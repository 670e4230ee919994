"""The OpenAPI documents, version 2 and 3, that kubectl explains from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall_api.kube.models import WorkloadSpec, WorkloadStatus
from rollcall_api.kube.objects import KIND
from rollcall_api.kube.statuses import GROUP, RESOURCE, VERSION

PREFIX = "dev.rollcall.v1."
PATH = f"apis/{GROUP}/{VERSION}"

_GVK = {"group": GROUP, "version": VERSION, "kind": KIND}
_KEPT = ("type", "format", "enum", "pattern", "minimum", "maximum", "required")
_TEXT = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents and what tells one edition from another."""

    v2: bytes
    v3: bytes
    v3_index: bytes
    etag: str


def documents() -> Documents:
    """All of them, written out."""
    v2 = _written(_document_v2())
    v3 = _written(_document_v3())
    digest = hashlib.sha256(v3).hexdigest()[:32].upper()
    index = {"paths": {PATH: {"serverRelativeURL": f"/openapi/v3/{PATH}?hash={digest}"}}}
    return Documents(v2, v3, _written(index), digest)


def _document_v2() -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": {"title": "Rollcall", "version": VERSION},
        "paths": _paths("#/definitions/", is_v3=False),
        "definitions": _schemas("#/definitions/"),
    }


def _document_v3() -> dict[str, Any]:
    where = "#/components/schemas/"
    return {
        "openapi": "3.0.0",
        "info": {"title": "Rollcall", "version": VERSION},
        "paths": _paths(where, is_v3=True),
        "components": {"schemas": _schemas(where)},
    }


def _paths(where: str, *, is_v3: bool) -> dict[str, Any]:
    namespaced = f"/{PATH}/namespaces/{{namespace}}/{RESOURCE}"
    return {
        f"/{PATH}/{RESOURCE}": {
            "get": _operation("listRollcallV1WorkloadForAllNamespaces", "list", f"{KIND}List", where, is_v3=is_v3)
        },
        namespaced: {
            "get": _operation("listRollcallV1NamespacedWorkload", "list", f"{KIND}List", where, is_v3=is_v3),
            "parameters": [_path_parameter("namespace", is_v3=is_v3)],
        },
        f"{namespaced}/{{name}}": {
            "get": _operation("readRollcallV1NamespacedWorkload", "get", KIND, where, is_v3=is_v3),
            "parameters": [_path_parameter(name, is_v3=is_v3) for name in ("name", "namespace")],
        },
    }


def _operation(name: str, action: str, kind: str, where: str, *, is_v3: bool) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"{where}{PREFIX}{kind}"}}
    answer = {"description": "OK", **({"content": {"application/json": schema}} if is_v3 else schema)}
    return {
        "operationId": name,
        "tags": ["rollcall_v1"],
        "responses": {"200": answer},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _GVK,
        **({} if is_v3 else {"produces": ["application/json"]}),
    }


def _path_parameter(name: str, *, is_v3: bool) -> dict[str, Any]:
    kind = {"schema": _TEXT} if is_v3 else _TEXT
    return {"name": name, "in": "path", "required": True, **kind}


def _schemas(where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in (WorkloadSpec, WorkloadStatus):
        schema = model.model_json_schema()
        words = {name: inner for name, inner in schema["$defs"].items() if "enum" in inner}
        for name, inner in {**schema.pop("$defs"), model.__name__: schema}.items():
            if name not in words:
                found[PREFIX + name] = _converted(inner, where, words)
    found[f"{PREFIX}ObjectMeta"] = _object_meta()
    found[f"{PREFIX}{KIND}"] = {
        **_object("A workload: what a user submitted, and what has become of it. Read-only."),
        "properties": {
            **_TYPE_META,
            "metadata": _reference(where, "ObjectMeta", "Standard object's metadata, as far as it is known."),
            "spec": _reference(where, "WorkloadSpec", "What was submitted, by whom, and what it asks for."),
            "status": _reference(where, "WorkloadStatus", "What has become of it."),
        },
        "x-kubernetes-group-version-kind": [_GVK],
    }
    found[f"{PREFIX}{KIND}List"] = {
        **_object("Workloads."),
        "required": ["items"],
        "properties": {
            **_TYPE_META,
            "metadata": {
                **_object("Where the list ends and what it is as of."),
                "properties": {"resourceVersion": _TEXT, "continue": _TEXT},
            },
            "items": {"type": "array", "items": {"$ref": f"{where}{PREFIX}{KIND}"}},
        },
        "x-kubernetes-group-version-kind": [{**_GVK, "kind": f"{KIND}List"}],
    }
    return found


_TYPE_META = {
    "apiVersion": {**_TEXT, "description": "The version of the schema: rollcall.dev/v1."},
    "kind": {**_TEXT, "description": "The kind of the object: Workload."},
}


def _object_meta() -> dict[str, Any]:
    sentences = {
        "name": "The workload's own name, its kind and its group: train.job.batch.",
        "namespace": "The namespace of the workload.",
        "uid": "The uid of the object that was submitted.",
        "resourceVersion": "Changes whenever anything told here does.",
    }
    return {
        **_object("Metadata of a Workload."),
        "properties": {
            **{name: {**_TEXT, "description": sentence} for name, sentence in sentences.items()},
            "creationTimestamp": {
                **_TEXT,
                "format": "date-time",
                "description": "When the workload was submitted.",
            },
            "labels": {
                **_object("What can be selected by with -l."),
                "additionalProperties": _TEXT,
            },
        },
    }


def _object(description: str) -> dict[str, Any]:
    return {"type": "object", "description": description}


def _reference(where: str, name: str, description: str) -> dict[str, Any]:
    return {"description": description, "allOf": [{"$ref": f"{where}{PREFIX}{name}"}]}


def _converted(schema: Mapping[str, Any], where: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema as Kubernetes takes it: no unions with null, no titles, no examples; ``words`` where they stand."""
    described = {"description": schema["description"]} if "description" in schema else {}
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name in words:
            return _converted({**words[name], **described}, where, words)
        reference = {"$ref": f"{where}{PREFIX}{name}"}
        return {**described, "allOf": [reference]} if described else reference
    for union in ("anyOf", "allOf"):
        if union in schema:
            real = [one for one in schema[union] if one.get("type") != "null"]
            return {**_converted({**real[0], **described}, where, words)}
    found = {**described, **{key: schema[key] for key in _KEPT if key in schema}}
    if "properties" in schema:
        found["properties"] = {name: _converted(inner, where, words) for name, inner in schema["properties"].items()}
    if "items" in schema:
        found["items"] = _converted(schema["items"], where, words)
    if isinstance(schema.get("additionalProperties"), Mapping):
        found["additionalProperties"] = _converted(schema["additionalProperties"], where, words)
    return found


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
