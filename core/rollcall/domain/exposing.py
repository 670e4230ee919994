"""Services and Ingresses, and what they expose to the outside of a cluster.

A Service counts where it has an address of its own outside (a load balancer, a port on every node) or where an Ingress
leads to it. Nothing is known of the protocol but what the port says (its ``appProtocol``, its name, the numbers 80 and
443): an address whose protocol is not known has no scheme.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.domain.attachments import Connection, ConnectionType, Tool
from rollcall.domain.exposure import USUAL_PORTS, Exposure, url_of
from rollcall.domain.facts import KindKey, Meta
from rollcall.domain.fields import at, elements_at, mapping_at, text_at, whole_at
from rollcall.domain.reading import read_identity

SERVICE = KindKey(group="", kind="Service")
INGRESS = KindKey(group="networking.k8s.io", kind="Ingress")
EXPOSING_KINDS = {SERVICE: "services", INGRESS: "ingresses"}
"""The kinds that say how pods are reached, with their plurals; without them the records lack that alone."""

_TOOLS: Mapping[str, Tool] = {
    "jupyter": Tool.JUPYTER,
    "jupyterlab": Tool.JUPYTER,
    "jupyter-notebook": Tool.JUPYTER,
    "notebook": Tool.JUPYTER,
    "vscode": Tool.VISUAL_STUDIO_CODE,
    "code-server": Tool.VISUAL_STUDIO_CODE,
    "tensorboard": Tool.TENSORBOARD,
    "rstudio": Tool.RSTUDIO,
    "mlflow": Tool.MLFLOW,
    "matlab": Tool.MATLAB,
}
"""By the name of the Service's port, a prefix that says the protocol aside."""

_SCHEMES = {"http": "http", "https": "https", "grpc": "grpc", "grpcs": "grpcs", "h2c": "http", "http2": "http"}
_HEADLESS = "None"
_MOST_PORTS = 50
_MOST_RULES = 200
_MOST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of a Service."""

    name: str
    number: int
    node_port: int | None
    target_port: int | None
    """``None`` where it is the name of a container's port."""
    scheme: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """A Service, reduced."""

    meta: Meta
    selector: tuple[tuple[str, str], ...]
    type: str
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...]
    """Of its load balancer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressRule:
    """One path of an Ingress."""

    url: str
    service: str
    port: str | int | None
    """The Service's port, by name or number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressFacts:
    """An Ingress, reduced."""

    meta: Meta
    rules: tuple[IngressRule, ...]


def read_service(obj: Mapping[str, Any]) -> ServiceFacts | None:
    """A Service that may lead from outside to pods; ``None`` for any other."""
    meta, spec = read_identity(obj), mapping_at(obj, "spec")
    labels = mapping_at(spec, "selector")
    service_type = text_at(spec, "type") or "ClusterIP"
    if meta is None or not labels or spec.get("clusterIP") == _HEADLESS or service_type == "ExternalName":
        return None
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in labels.items()):
        return None
    ports = tuple(port for item in elements_at(spec, "ports")[:_MOST_PORTS] if (port := _port(item)) is not None)
    return ServiceFacts(
        meta=meta,
        selector=tuple(sorted(labels.items())),
        type=service_type,
        ports=ports,
        addresses=_addresses(obj),
    )


def read_ingress(obj: Mapping[str, Any]) -> IngressFacts | None:
    """An Ingress of ``networking.k8s.io``: its paths, each with the URL that reaches it."""
    meta, spec = read_identity(obj), mapping_at(obj, "spec")
    if meta is None:
        return None
    secured = elements_at(spec, "tls")
    hosts = {host for one in secured for host in _texts(one.get("hosts"))}
    addresses = _addresses(obj)
    rules: list[IngressRule] = []
    for rule in elements_at(spec, "rules")[:_MOST_RULES]:
        host = text_at(rule, "host")
        scheme = "https" if secured and (host in hosts or not hosts) else "http"
        # A wildcard is no address; without a host every name that leads to the controller will do.
        named = () if host is not None and host.startswith("*") else (host,) if host is not None else addresses[:1]
        for path in elements_at(rule, "http.paths"):
            rules.extend(_rule(f"{scheme}://{one}", path.get("path"), mapping_at(path, "backend")) for one in named)
    default = mapping_at(spec, "defaultBackend")
    if default and addresses:
        rules.append(_rule(f"{'https' if secured else 'http'}://{addresses[0]}", None, default))
    found = tuple(rule for rule in rules if rule.service)[:_MOST_RULES]
    return IngressFacts(meta=meta, rules=found)


def exposure_of(service: ServiceFacts, ingresses: Iterable[IngressFacts]) -> Exposure | None:
    """What a Service exposes, by itself and by the Ingresses of its namespace; ``None``: nothing from outside."""
    name = service.meta.name
    ways = [(one, rule) for one in sorted(ingresses, key=_name_of) for rule in one.rules if rule.service == name]
    connections = [_by_ingress(*way, service) for way in ways] + _by_load_balancer(service)
    # A load balancer has ports on the nodes too; they are its own way in.
    node_ports = _by_node_port(service) if service.type == "NodePort" else []
    if not connections and not node_ports:
        return None
    return Exposure(selector=service.selector, connections=tuple(connections), node_ports=tuple(node_ports))


def _name_of(ingress: IngressFacts) -> str:
    return ingress.meta.name


def _by_ingress(ingress: IngressFacts, rule: IngressRule, service: ServiceFacts) -> Connection:
    port = next((port for port in service.ports if rule.port in (port.name, port.number)), None)
    return Connection(
        name=ingress.meta.name,
        type=ConnectionType.EXTERNAL_URL,
        tool=Tool.CUSTOM if port is None else _tool(port),
        url=rule.url,
        container_port=None if port is None else port.target_port,
    )


def _by_load_balancer(service: ServiceFacts) -> list[Connection]:
    if service.type != "LoadBalancer":
        return []
    return [
        Connection(
            name=_named(service, port),
            type=ConnectionType.LOAD_BALANCER,
            tool=_tool(port),
            url=url_of(address, port.number, port.scheme),
            container_port=port.target_port,
        )
        for address in service.addresses[:1]
        for port in service.ports
    ]


def _by_node_port(service: ServiceFacts) -> list[tuple[Connection, int, str | None]]:
    return [
        (
            Connection(
                name=_named(service, port),
                type=ConnectionType.NODE_PORT,
                tool=_tool(port),
                container_port=port.target_port,
            ),
            port.node_port,
            port.scheme,
        )
        for port in service.ports
        if port.node_port is not None
    ]


def _named(service: ServiceFacts, port: ServicePort) -> str:
    return f"{service.meta.name}/{port.name}" if port.name else service.meta.name


def _tool(port: ServicePort) -> Tool:
    name = port.name.lower()
    prefix, _, rest = name.partition("-")
    return _TOOLS.get(name) or _TOOLS.get(rest if prefix in _SCHEMES else "", Tool.CUSTOM)


def _port(item: Mapping[str, Any]) -> ServicePort | None:
    number = whole_at(item, "port")
    if not number or number > _MOST_PORT or (text_at(item, "protocol") or "TCP") != "TCP":
        return None
    target = at(item, "targetPort")
    return ServicePort(
        name=text_at(item, "name") or "",
        number=number,
        node_port=whole_at(item, "nodePort") or None,
        # Without a target the container's port is the same.
        target_port=number if target is None else whole_at(item, "targetPort") or None,
        scheme=_scheme(item, number),
    )


def _scheme(item: Mapping[str, Any], number: int) -> str | None:
    said = (text_at(item, "appProtocol") or "").lower().rpartition("/")[2]
    name = (text_at(item, "name") or "").lower().partition("-")[0]
    return _SCHEMES.get(said) or _SCHEMES.get(name) or USUAL_PORTS.get(number)


def _rule(base: str, path: Any, backend: Mapping[str, Any]) -> IngressRule:
    port = mapping_at(backend, "service.port")
    return IngressRule(
        url=base + _plain_path(path),
        service=text_at(backend, "service.name") or "",
        port=text_at(port, "name") or whole_at(port, "number"),
    )


def _plain_path(path: Any) -> str:
    """The path as far as it is one: controllers take regular expressions too (``/model(/|$)(.*)``)."""
    if not isinstance(path, str) or not path.startswith("/"):
        return ""
    plain = path
    for mark in "(*[\\?^$+|":
        plain = plain.partition(mark)[0]
    return plain if plain != "/" else ""


def _addresses(obj: Mapping[str, Any]) -> tuple[str, ...]:
    given = elements_at(obj, "status.loadBalancer.ingress")
    return tuple(address for one in given if (address := text_at(one, "hostname") or text_at(one, "ip")))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list | tuple) else ()
