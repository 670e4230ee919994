"""Where the operator looks: in the whole cluster, or in named namespaces alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain.fields import text_at


@dataclass(frozen=True, slots=True)
class Reach:
    """The namespaces that are named; with none it is the whole cluster."""

    namespaces: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole cluster."""
        return not self.namespaces

    def covers(self, namespace: str | None) -> bool:
        """Whether what lies in a namespace is seen."""
        return self.is_whole or namespace in self.namespaces

    def parts(self, *, namespaced: bool) -> tuple[str | None, ...]:
        """Where a kind is listed and watched: in each of these namespaces; ``None`` is everywhere at once."""
        return self.namespaces if namespaced and self.namespaces else (None,)

    def part_of(self, obj: Mapping[str, Any]) -> str | None:
        """By which of the parts an object was seen."""
        return None if self.is_whole else text_at(obj, "metadata.namespace")


EVERYWHERE = Reach()
"""The whole cluster."""
