"""Where each kind is served, and which owner kinds can be read at all."""

from dataclasses import dataclass
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

    @property
    def path(self) -> str:
        """The path of the list over all namespaces."""
        return f"{self.prefix}/{self.plural}"

    def object_path(self, namespace: str | None, name: str) -> str:
        """The path of one object."""
        place = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        # Nobody checks the name in an owner reference: it must not lead to another path.
        return f"{self.prefix}{place}/{self.plural}/{quote(name, safe='')}"


async def served_kinds(
    session: aiohttp.ClientSession, server: str, groups: frozenset[str]
) -> dict[KindKey, ServedKind]:
    """Every kind of these groups that the cluster serves, in the version it prefers.

    Raises:
        ClusterError: the API server gave no answer.
    """
    found: dict[KindKey, ServedKind] = {}
    prefixes: list[tuple[str, str]] = [("", "/api/v1")] if "" in groups else []
    for group in (await get_json(session, server, "/apis")).get("groups") or []:
        version = (group.get("preferredVersion") or {}).get("groupVersion")
        if group.get("name") in groups and version:
            prefixes.append((group["name"], f"/apis/{version}"))
    for group_name, prefix in prefixes:
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
            found[key] = ServedKind(key=key, plural=name, prefix=prefix, namespaced=resource.get("namespaced") is True)
    return found
