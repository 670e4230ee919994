"""What a real API server says of an object, without keeping it: strictly, an unknown field is an error."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from kubernetes import client

_PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
}
_CLUSTER_WIDE = {"APIService", "ClusterRole", "ClusterRoleBinding"}


def path_of(obj: Mapping[str, Any]) -> str:
    """The path of the list that an object belongs to."""
    group = "api" if "/" not in obj["apiVersion"] else "apis"
    plural = _PLURALS.get(obj["kind"], f"{obj['kind'].lower()}s")
    place = "" if obj["kind"] in _CLUSTER_WIDE else f"namespaces/{obj['metadata']['namespace']}/"
    return f"/{group}/{obj['apiVersion']}/{place}{plural}"


def refusal(api: client.ApiClient, obj: Mapping[str, Any]) -> str:
    """What the API server has against creating it; empty where it would."""
    url = f"{api.configuration.host}{path_of(obj)}?dryRun=All&fieldValidation=Strict"
    answer = api.rest_client.request("POST", url, headers={"Content-Type": "application/json"}, body=dict(obj))
    if answer.status == HTTPStatus.CREATED:
        return ""
    return f"{answer.status} {json.loads(answer.read()).get('message')}"
