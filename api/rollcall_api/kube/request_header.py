"""Who the cluster's API server says is asking: headers of a request whose client certificate proves the API server.

Which authority, which names and which headers those are stands in a ConfigMap of the cluster's own
(https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/#authentication-flow). Rotated
authorities are taken over without a restart.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from rollcall.errors import ClusterError
from rollcall_api.rights import Caller

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaderConfig:
    """Whose word is taken, and in which headers it stands."""

    authority: str
    """Certificates in PEM."""
    allowed_names: frozenset[str]
    """Common names of the client; empty allows every one that the authority has signed."""
    username_headers: tuple[str, ...]
    uid_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    def caller(self, peer: Mapping[str, Any] | None, headers: "CIMultiDictProxy[str]") -> Caller | None:
        """Who is asking, where ``peer``, a certificate that the authority signed, may say so."""
        if not peer or (self.allowed_names and not self.allowed_names.intersection(_common_names(peer))):
            return None
        username = _first(headers, self.username_headers)
        if not username:
            return None
        groups = [group for name in self.group_headers for group in headers.getall(name, ())]
        if AUTHENTICATED not in groups and username != "system:anonymous":
            groups.append(AUTHENTICATED)
        return Caller(
            username=username,
            uid=_first(headers, self.uid_headers),
            groups=tuple(groups),
            extra=tuple(self._extra(headers).items()),
        )

    def _extra(self, headers: "CIMultiDictProxy[str]") -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name in dict.fromkeys(key.lower() for key in headers):
            for prefix in self.extra_prefixes:
                if name.startswith(prefix.lower()) and len(name) > len(prefix):
                    key = unquote(name[len(prefix) :])
                    found[key] = (*found.get(key, ()), *headers.getall(name))
        return found


def read_config(config_map: Mapping[str, Any]) -> RequestHeaderConfig:
    """What the ConfigMap says.

    Raises:
        ClusterError: it lacks something, or cannot be read; a sentence.
    """
    data = config_map.get("data") or {}
    authority = data.get("requestheader-client-ca-file") or ""
    try:
        ssl.create_default_context(cadata=authority)
        usernames = _names(data, "requestheader-username-headers")
        if not authority or not usernames:
            raise ValueError
        return RequestHeaderConfig(
            authority=authority,
            allowed_names=frozenset(_names(data, "requestheader-allowed-names")),
            username_headers=usernames,
            uid_headers=_names(data, "requestheader-uid-headers"),
            group_headers=_names(data, "requestheader-group-headers"),
            extra_prefixes=_names(data, "requestheader-extra-headers-prefix"),
        )
    except (ValueError, ssl.SSLError):
        raise ClusterError(
            "The ConfigMap kube-system/extension-apiserver-authentication names no authority for request headers: "
            "the cluster's API server runs without the aggregation layer."
        ) from None


def _names(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = json.loads(data.get(key) or "[]")
    if not isinstance(found, list):
        raise ValueError(key)  # noqa: TRY004 - what it is read by catches both faults alike
    return tuple(str(name) for name in found)


def _first(headers: "CIMultiDictProxy[str]", names: Sequence[str]) -> str:
    return next((value for name in names if (value := headers.get(name, ""))), "")


def _common_names(peer: Mapping[str, Any]) -> set[str]:
    return {value for part in peer.get("subject", ()) for key, value in part if key == "commonName"}
