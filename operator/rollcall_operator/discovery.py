"""Where each kind is served, and which owner kinds can be read at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from rollcall.cluster_access import ApiStatusError, get_json
from rollcall.domain.facts import KindKey

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedKind:
    """A kind as the API serves it."""

    key: KindKey
    plural: str
    prefix: str
    """``/api/v1`` or ``/apis/GROUP/VERSION``."""
    namespaced: bool
    version: str
    is_preferred: bool
    """Whether its group prefers that version. A group has one such version for all of its kinds, and a kind may not be
    served in it: Katib's Experiment is v1beta1 beside the training operator's v1."""

    def list_path(self, namespace: str | None = None) -> str:
        """The path of the list in a namespace, or over all of them."""
        place = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{self.prefix}{place}/{self.plural}"

    def object_path(self, namespace: str | None, name: str) -> str:
        """The path of one object."""
        # Nobody checks the name in an owner reference: it must not lead to another path.
        return f"{self.list_path(namespace)}/{quote(name, safe='')}"


async def served_kinds(
    session: aiohttp.ClientSession, server: str, groups: frozenset[str]
) -> dict[KindKey, ServedKind]:
    """Every kind of these groups that the cluster serves, in the version its group prefers, else the next that has it.

    Raises:
        ClusterError: the API server gave no answer.
    """
    found: dict[KindKey, ServedKind] = {}
    places: list[tuple[str, str, str, bool]] = [("", "v1", "/api/v1", True)] if "" in groups else []
    for group in (await get_json(session, server, "/apis")).get("groups") or []:
        if group.get("name") in groups:
            places += _versions_of(group)
    for group_name, version, prefix, is_preferred in places:
        try:
            resources = (await get_json(session, server, prefix)).get("resources") or []
        except ApiStatusError as error:
            if error.status != _NOT_FOUND:
                raise
            continue
        for resource in resources:
            name, kind = str(resource.get("name", "")), resource.get("kind")
            if "/" in name or not kind or "list" not in (resource.get("verbs") or []):
                continue
            key = KindKey(group=group_name, kind=kind)
            served = ServedKind(
                key=key,
                plural=name,
                prefix=prefix,
                namespaced=resource.get("namespaced") is True,
                version=version,
                is_preferred=is_preferred,
            )
            found.setdefault(key, served)
    return found


def _versions_of(group: Mapping[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(group, version, prefix, whether preferred) of each version of a group, the preferred one first."""
    name = str(group["name"])
    preferred = str((group.get("preferredVersion") or {}).get("version") or "")
    others = (str(one.get("version") or "") for one in group.get("versions") or [])
    versions = dict.fromkeys(version for version in (preferred, *others) if version)
    return [(name, version, f"/apis/{name}/{version}", version == preferred) for version in versions]
