"""What listing kinds came to: of one namespace, of several together, of all kinds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rollcall.domain.facts import KindKey


class Standing(StrEnum):
    """How a kind stands with this operator."""

    LISTED = "listed"
    """It may be watched as well."""
    FORBIDDEN = "forbidden"
    """It may not be listed, or not watched: a view that is as old as its last list would be no view."""
    NOT_SERVED = "not_served"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What listing one kind came to; of several namespaces, all of it together."""

    standing: Standing
    """Listed where it was in one namespace at least, and failed in none."""
    uids: frozenset[str] = frozenset()
    version: int = 0
    """Of the oldest of the lists."""
    refused: frozenset[str] = frozenset()
    """The namespaces in which it may not be listed: nothing follows for what is in them."""

    def standing_in(self, namespace: str | None) -> Standing:
        """How the kind stands in one namespace."""
        return Standing.FORBIDDEN if namespace in self.refused else self.standing


def merged(parts: Mapping[str | None, Listed]) -> Listed:
    """One list of the lists of a kind by namespace: complete, or not used."""
    refused = frozenset(name for name, part in parts.items() if name and part.standing is Standing.FORBIDDEN)
    standings = {part.standing for part in parts.values()}
    if Standing.FAILED in standings:
        return Listed(standing=Standing.FAILED, refused=refused)
    listed = [part for part in parts.values() if part.standing is Standing.LISTED]
    if not listed:
        return Listed(standing=Standing.FORBIDDEN, refused=refused)
    return Listed(
        standing=Standing.LISTED,
        uids=frozenset[str]().union(*(part.uids for part in listed)),
        # What is newer than one of the lists may have come after it, in its namespace.
        version=min(part.version for part in listed),
        refused=refused,
    )


@dataclass(slots=True)
class Lists:
    """What listing every kind came to."""

    by_kind: dict[KindKey, Listed] = field(default_factory=dict)

    @property
    def standings(self) -> dict[KindKey, Standing]:
        """How each kind stands."""
        return {key: listed.standing for key, listed in self.by_kind.items()}

    @property
    def uids(self) -> frozenset[str]:
        """All that was listed."""
        return frozenset[str]().union(*(listed.uids for listed in self.by_kind.values()))
