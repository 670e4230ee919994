"""What is exposed of some pods to the outside of their cluster: all that records need of Services and Ingresses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain.attachments import Connection

USUAL_PORTS = {80: "http", 443: "https"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one Service gives to the pods it selects."""

    selector: tuple[tuple[str, str], ...]
    connections: tuple[Connection, ...] = ()
    node_ports: tuple[tuple[Connection, int, str | None], ...] = ()
    """(connection without its URL, port on every node, scheme): the node is that of a pod."""

    def selects(self, labels: Mapping[str, Any]) -> bool:
        """Whether it leads to a pod with these labels."""
        return all(labels.get(key) == value for key, value in self.selector)


def url_of(address: str, port: int, scheme: str | None) -> str:
    """An address with its port, as far as it is not the scheme's own; without a scheme it is no URL."""
    place = f"[{address}]" if ":" in address and not address.startswith("[") else address
    if scheme is None:
        return f"{place}:{port}"
    usual = USUAL_PORTS.get(port) == scheme
    return f"{scheme}://{place}" if usual else f"{scheme}://{place}:{port}"
