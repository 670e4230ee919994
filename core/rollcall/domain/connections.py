"""How a workload is reached: the addresses that its object says, and what Services and Ingresses expose of its pods.

``urls`` are all URLs; ``connections`` are the ways in from outside of the cluster.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rollcall.domain.attachments import Connection, ConnectionType
from rollcall.domain.datasources import without_password
from rollcall.domain.exposure import Exposure, url_of
from rollcall.domain.facts import NodeFacts, ObjectFacts, PodFacts
from rollcall.domain.kinds.entry import KindEntry

MOST_CONNECTIONS = 50
MOST_URL = 1000
"""A longer one is left out: cut, it would lead elsewhere."""

_SCHEMES = ("http", "https", "grpc", "grpcs")
_ENDED = ("Succeeded", "Failed")
_INSIDE = (".svc", ".local", ".internal")


def connections_of(
    name: str,
    said: Iterable[str],
    exposures: Iterable[Exposure],
    pods: tuple[PodFacts, ...],
    nodes: Mapping[str, NodeFacts],
) -> tuple[tuple[str, ...], tuple[Connection, ...]]:
    """(URLs, ways in from outside) of the workload of that name; ``said`` are the addresses its object says."""
    urls: dict[str, None] = {}
    ways: dict[Connection, None] = {}
    for text in said:
        url = _url(text)
        if url is not None:
            urls[url] = None
            if not _is_inside(url):
                ways[Connection(name=name, type=ConnectionType.EXTERNAL_URL, url=url)] = None
    for way in _exposed(exposures, pods, nodes):
        ways[way] = None
        if way.url is not None and "://" in way.url:
            urls[way.url] = None
    return tuple(urls)[:MOST_CONNECTIONS], tuple(ways)[:MOST_CONNECTIONS]


def urls_said(entry: KindEntry, obj: ObjectFacts | None) -> tuple[str, ...]:
    """The addresses that an object says by its kind's paths and hook."""
    if obj is None:
        return ()
    found = entry.texts_of(obj, entry.url_paths)
    return found if entry.find_urls is None else (*found, *entry.find_urls(obj))


def _exposed(
    exposures: Iterable[Exposure], pods: Iterable[PodFacts], nodes: Mapping[str, NodeFacts]
) -> Iterator[Connection]:
    """By the pods that live: to a Service whose pods have ended, nobody answers."""
    living = [pod for pod in pods if pod.k8s_phase not in _ENDED]
    for exposure in exposures:
        selected = [pod for pod in living if exposure.selects(pod.meta.labels)]
        if not selected:
            continue
        yield from exposure.connections
        if exposure.node_ports:
            address = _address(selected, nodes)
            for way, port, scheme in exposure.node_ports:
                yield way if address is None else replace(way, url=url_of(address, port, scheme))


def _address(pods: Iterable[PodFacts], nodes: Mapping[str, NodeFacts]) -> str | None:
    """Of a node that has one of the pods: such a node answers whatever the Service's traffic policy is."""
    known = (nodes.get(pod.node_name or "") for pod in pods)
    return next((node.address for node in known if node is not None and node.address is not None), None)


def _url(text: str) -> str | None:
    """A URL without its password; an address without a scheme is one of HTTP, as dashboards write theirs."""
    scheme, separator, rest = text.partition("://")
    url = without_password(text) if separator else f"http://{text}"
    if separator and (scheme.lower() not in _SCHEMES or not rest):
        return None
    return None if len(url) > MOST_URL or not url.isprintable() or " " in url else url


def _is_inside(url: str) -> bool:
    """Whether only the cluster's own DNS knows the host, or it has no domain.

    An address of numbers counts as inside: it may be a Service's own, and for one from outside the Service tells.
    """
    host = url.partition("://")[2].partition("/")[0]
    if host.startswith("["):
        return True
    host = host.partition(":")[0].rstrip(".")
    return "." not in host or host.endswith(_INSIDE) or host.replace(".", "").isdigit()
