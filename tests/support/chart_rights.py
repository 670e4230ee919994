"""What the chart's roles and bindings come to for one ServiceAccount."""

from support.helm import Objects
from support.lacking_rights import AUTHENTICATION_READER, Right, rights_of

OF_OTHERS = {"extension-apiserver-authentication-reader": AUTHENTICATION_READER}
"""Roles of Kubernetes' own that the chart binds."""


def rights_of_account(objects: Objects, account: str) -> tuple[Right, ...]:
    """What is bound to a ServiceAccount; an aggregated role has the rules of its parts."""
    places = {
        (one["metadata"].get("namespace"), one["metadata"]["name"]): one
        for one in objects
        if one["kind"] in {"Role", "ClusterRole"}
    }
    found: list[Right] = []
    for binding in objects:
        if binding["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        if [one["name"] for one in binding["subjects"]] != [account]:
            continue
        name = binding["roleRef"]["name"]
        if name in OF_OTHERS:
            found += OF_OTHERS[name]
            continue
        role = places[binding["metadata"]["namespace"] if binding["roleRef"]["kind"] == "Role" else None, name]
        found += rights_of([role])
        for selector in role.get("aggregationRule", {}).get("clusterRoleSelectors", ()):
            wanted = selector["matchLabels"].items()
            found += rights_of(one for one in places.values() if wanted <= one["metadata"].get("labels", {}).items())
    return tuple(found)
