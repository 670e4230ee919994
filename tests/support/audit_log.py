"""What the processes of Rollcall asked an API server for, by its audit log, against what they were granted.

The accounts of the documented rights are held to them; an account that a test made for itself is held to being one.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from support.lacking_rights import Right

AGENT = "rollcall"
"""How its processes call themselves; only what they ask of Leases goes by another name."""

ACCOUNT = "system:serviceaccount:"
OPERATOR = f"{ACCOUNT}rollcall:rollcall-operator"
API = f"{ACCOUNT}rollcall:rollcall-api"
"""The accounts of the documented rights."""

_REFUSED = 403
_NOBODY = 401
"""A token that nobody has, or that an API server which has just started does not know yet."""

_OF_EVERYBODY = {"selfsubjectaccessreviews", "selfsubjectreviews"}
"""With the caller's own token, where the API has callers ask for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    username: str
    is_impersonated: bool
    agent: str
    verb: str
    group: str
    resource: str
    """With its subresource; empty where it is discovery or the like."""
    name: str
    namespace: str
    status: int
    uri: str

    def is_granted_by(self, right: Right) -> bool:
        """Whether the right is for this request."""
        return (
            (right.verb, right.group, right.resource) == (self.verb, self.group, self.resource)
            and right.namespace in (None, self.namespace)
            and right.name in ("", self.name)
        )


def requests(lines: Iterable[str]) -> Iterator[Asked]:
    """The requests that a log tells of."""
    for line in lines:
        entry: Mapping[str, Any] = json.loads(line)
        about = entry.get("objectRef", {})
        yield Asked(
            username=(entry.get("impersonatedUser") or entry["user"]).get("username", ""),
            is_impersonated="impersonatedUser" in entry,
            agent=entry.get("userAgent", ""),
            verb=entry["verb"],
            group=about.get("apiGroup", ""),
            resource="/".join(filter(None, (about.get("resource"), about.get("subresource")))),
            name=about.get("name", ""),
            namespace=about.get("namespace", ""),
            status=entry.get("responseStatus", {}).get("code", 0),
            uri=entry["requestURI"],
        )


def lines_of(log: Path) -> list[str]:
    """The lines of a log in a file, without one that is being written just now."""
    whole, _, _ = log.read_bytes().rpartition(b"\n")
    return whole.decode().splitlines()


def requests_since(log: Path, since: datetime) -> Iterator[Asked]:
    """The requests that a log in a file tells of and that came no earlier."""
    lines = lines_of(log)
    return requests(
        line for line in lines if datetime.fromisoformat(json.loads(line)["requestReceivedTimestamp"]) >= since
    )


def faults(asked: Iterable[Asked], granted: Mapping[str, Collection[Right]]) -> list[str]:
    """What should not have been asked, as sentences, each once.

    Args:
        asked: the requests in their order.
        granted: by the account's username what it may.
    """
    found: dict[str, None] = {}
    let_in: set[tuple[str, Right]] = set()
    for one in asked:
        if one.resource in _OF_EVERYBODY or one.status == _NOBODY:
            continue
        if one.agent == AGENT and not (one.is_impersonated or one.username.startswith(ACCOUNT)):
            found[f"A process ran as {one.username}."] = None
        if one.username not in granted or not one.resource:
            continue
        used = {(one.username, right) for right in granted[one.username] if one.is_granted_by(right)}
        if not used:
            found[f"{one.username} has no right to {one.verb} {one.resource}: {one.uri}"] = None
        elif one.status != _REFUSED:
            let_in |= used
        elif not used & let_in:
            # What was let in before is refused by an API server alone that has just started and knows no rights yet.
            found[f"{one.username} was refused {one.verb} {one.resource}: {one.uri}"] = None
    return list(found)


def faults_in(log: Path, granted: Mapping[str, Collection[Right]]) -> list[str]:
    """The same of a log in a file."""
    return faults(requests(lines_of(log)), granted)
