"""Plays the operators of a life: makes objects with their owners, writes statuses, ends and deletes."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from support.kind_definitions import plurals
from support.kind_lives.life import NOW, TOP, Json, Life, Made, Step

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import entry_for

PATIENCE_SECONDS = 60
_MERGE = "application/merge-patch+json"
_PLURALS = plurals()


class Player:
    """Plays one life in one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str, life: Life) -> None:
        self._api = api
        self._namespace = namespace
        entry = entry_for(life.key)
        version = life.version or (entry.versions[0] if entry is not None else "v1")
        self._api_version = f"{life.key.group}/{version}"
        self._life = life
        self._versions = {"Pod": "v1"}
        """By kind, as it is used in this life."""

    def create(self) -> str:
        """Create the workload; returns its uid."""
        body = {"metadata": dict(self._life.metadata) | {"name": self._life.name}, "spec": dict(self._life.spec)}
        return self._create({"apiVersion": self._api_version, "kind": self._life.key.kind, **body})

    def delete(self) -> None:
        """Delete it as kubectl does: dependents in the background."""
        self._delete(self._path(self._api_version, self._life.key.kind, self._life.name))

    def play(self, step: Step) -> None:
        """Do what a step says, in the order in which an operator would."""
        top = self._path(self._api_version, self._life.key.kind, self._life.name)
        if step.patch is not None:
            self._call("PATCH", top, step.patch, content_type=_MERGE)
        for made in step.makes:
            self._make(made)
        for pod, phase in step.ends.items():
            self._end(pod, phase)
        for reference, status in step.statuses.items():
            self._write_status(self._path_of(reference), status)
        if step.status is not None:
            self._write_status(top, step.status)
        for reference in step.removes:
            self._delete(self._path_of(reference))

    def _make(self, made: Made) -> None:
        manifest = dict(made.manifest)
        self._versions[manifest["kind"]] = manifest["apiVersion"]
        manifest["metadata"] = dict(manifest["metadata"]) | {"ownerReferences": [self._owner(made)]}
        self._create(manifest)

    def _owner(self, made: Made) -> dict[str, Any]:
        if made.owner == TOP:
            api_version, kind, name = self._api_version, self._life.key.kind, self._life.name
        else:
            kind, _, name = made.owner.partition("/")
            api_version = self._versions[kind]
        # An owner may be made by a controller just now: the pod of a StatefulSet.
        found = self._once_there(self._path(api_version, kind, name))
        uid = found["metadata"]["uid"]
        return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": made.controls}

    def _end(self, beginning: str, phase: str) -> None:
        """End the pods of a name as a kubelet does: their containers are terminated."""
        pods = self._call("GET", f"/api/v1/namespaces/{self._namespace}/pods")["items"]
        found = [pod for pod in pods if pod["metadata"]["name"].startswith(beginning)]
        assert found, f"no pod {beginning}* in {self._namespace}"
        exit_code = 0 if phase == "Succeeded" else 1
        for pod in found:
            over = {"exitCode": exit_code, "reason": "Completed" if exit_code == 0 else "Error", "finishedAt": NOW}
            statuses = [
                {**one, "ready": False, "started": False, "state": {"terminated": over}}
                for one in pod["status"]["containerStatuses"]
            ]
            reason = "PodCompleted" if exit_code == 0 else "PodFailed"
            conditions = [
                {**one, "status": "False", "reason": reason} if one["type"] in ("Ready", "ContainersReady") else one
                for one in pod["status"]["conditions"]
            ]
            status = {"phase": phase, "conditions": conditions, "containerStatuses": statuses}
            path = f"/api/v1/namespaces/{self._namespace}/pods/{pod['metadata']['name']}/status"
            self._call("PATCH", path, _dated({"status": status}), content_type=_MERGE)

    def _write_status(self, path: str, status: Json) -> None:
        """Write a status whole, as a controller does, and not the fields that changed."""
        found = self._call("GET", path)
        self._call("PUT", f"{path}/status", {**found, "status": _dated(status)})

    def _create(self, manifest: Json) -> str:
        metadata = manifest["metadata"]
        path = self._path(manifest["apiVersion"], manifest["kind"], "")
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                made = self._call("POST", path, manifest)
            except ApiException as error:
                # A pod of a new namespace waits for its ServiceAccount; what had the name may be on its way out.
                if error.status not in {403, 409} or time.monotonic() > until:
                    raise AssertionError(f"{manifest['kind']} {metadata['name']}: {error.body}") from error
                time.sleep(0.2)
            else:
                uid: str = made["metadata"]["uid"]
                return uid

    def _delete(self, path: str) -> None:
        self._call("DELETE", path, {"propagationPolicy": "Background"})

    def _once_there(self, path: str) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._call("GET", path)
            except ApiException as error:
                if error.status != 404 or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _path_of(self, reference: str) -> str:
        kind, _, name = reference.partition("/")
        return self._path(self._versions[kind], kind, name)

    def _path(self, api_version: str, kind: str, name: str) -> str:
        group = api_version.rpartition("/")[0]
        prefix = f"/apis/{api_version}" if group else f"/api/{api_version}"
        path = f"{prefix}/namespaces/{self._namespace}/{_PLURALS[KindKey(group=group, kind=kind)]}"
        return f"{path}/{name}" if name else path

    def _call(self, method: str, path: str, body: Json | None = None, *, content_type: str = "application/json") -> Any:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        asked = self._api.param_serialize(method, path, header_params=headers, body=body, auth_settings=["BearerToken"])
        answer = self._api.call_api(*asked)
        text = (answer.read() or b"").decode()
        if not 200 <= answer.status < 300:
            raise ApiException.from_response(http_resp=answer, body=text, data=None)
        return json.loads(text)


def _dated(value: Any) -> Any:
    """The value with the present for every :data:`NOW`."""
    if value == NOW:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Mapping):
        return {key: _dated(one) for key, one in value.items()}
    return [_dated(one) for one in value] if isinstance(value, list) else value
