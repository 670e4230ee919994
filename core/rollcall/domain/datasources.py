"""The data that containers see as files: volumes of a pod or template, clones of git repositories, models of a spec.

Only names are read. What every pod is given (the token of its ServiceAccount, the cluster's certificates) is no
datasource, nor is scratch space. Passwords in addresses are taken out.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from rollcall.domain.attachments import Datasource, DatasourceType
from rollcall.domain.fields import elements_at, mapping_at, text_at

MOST_DATASOURCES = 100
"""Of one pod or template."""

MOST_NAME = 1024

_GIVEN = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"})
"""ConfigMaps that admission and the cluster mount into every pod."""

_GIT_SYNC = "git-sync"
_BUCKETS = ("bucketName", "bucket")


def datasources_of(spec: Mapping[str, Any]) -> tuple[Datasource, ...]:
    """The datasources of a PodSpec, each once, in the order of its volumes and then of its containers."""
    volumes, containers = spec.get("volumes"), spec.get("containers")
    if not isinstance(volumes, list | tuple) and not isinstance(containers, list | tuple):
        return ()
    found: dict[Datasource, None] = {}
    for one in (*_of_volumes(spec), *_of_containers(spec)):
        if len(found) < MOST_DATASOURCES:
            found[one] = None
    return tuple(found)


def datasource_at(uri: Any) -> Datasource | None:
    """The datasource behind a storage URI (``s3://bucket/model``, ``pvc://claim/path``), where it has a type."""
    if not isinstance(uri, str):
        return None
    scheme, separator, rest = uri.partition("://")
    name = rest.partition("/")[0].rpartition("@")[2]
    if not separator or not name:
        return None
    match scheme:
        case "s3":
            return _made(DatasourceType.S3, name)
        case "pvc":
            return _made(DatasourceType.PVC, name)
        case _:
            return None


def _of_volumes(spec: Mapping[str, Any]) -> Iterator[Datasource]:
    for volume in elements_at(spec, "volumes"):
        yield from _of_source(volume)
        if "projected" in volume:
            for source in elements_at(volume, "projected.sources"):
                yield from _of_source(source)


def _of_source(source: Mapping[str, Any]) -> Iterator[Datasource]:
    """What a volume, or one source of a projected volume, mounts: one of its keys says it."""
    for key, inner in source.items():
        read = _READERS.get(key)
        found = read(inner) if read is not None and isinstance(inner, Mapping) else None
        if found is not None:
            yield found


def _claim(inner: Mapping[str, Any]) -> Datasource | None:
    return _named(DatasourceType.PVC, text_at(inner, "claimName"))


def _config_map(inner: Mapping[str, Any]) -> Datasource | None:
    name = text_at(inner, "name")
    return None if name in _GIVEN else _named(DatasourceType.CONFIG_MAP, name)


def _secret(inner: Mapping[str, Any]) -> Datasource | None:
    # A projected secret is named like other objects are.
    return _named(DatasourceType.SECRET, text_at(inner, "secretName") or text_at(inner, "name"))


def _host_path(inner: Mapping[str, Any]) -> Datasource | None:
    return _named(DatasourceType.HOST_PATH, text_at(inner, "path"))


def _nfs(inner: Mapping[str, Any]) -> Datasource | None:
    server, exported = text_at(inner, "server"), text_at(inner, "path")
    return _named(DatasourceType.NFS, f"{server}:{exported}" if server and exported else None)


def _git_volume(inner: Mapping[str, Any]) -> Datasource | None:
    repository = text_at(inner, "repository")
    return None if repository is None else _made(DatasourceType.GIT, without_password(repository))


def _of_driver(inner: Mapping[str, Any]) -> Datasource | None:
    """A bucket mounted by a driver for S3; other drivers have no type in the contract."""
    driver = text_at(inner, "driver")
    if driver is None or "s3" not in driver.lower():
        return None
    attributes = mapping_at(inner, "volumeAttributes")
    return _named(DatasourceType.S3, next((name for key in _BUCKETS if (name := text_at(attributes, key))), None))


_READERS: Mapping[Any, Callable[[Mapping[str, Any]], Datasource | None]] = {
    "persistentVolumeClaim": _claim,
    "configMap": _config_map,
    "secret": _secret,
    "hostPath": _host_path,
    "nfs": _nfs,
    "gitRepo": _git_volume,
    "csi": _of_driver,
}
"""By the key of a volume."""


def _of_containers(spec: Mapping[str, Any]) -> Iterator[Datasource]:
    """What git-sync clones, as far as its arguments say; its environment is not read."""
    for container in (*elements_at(spec, "initContainers"), *elements_at(spec, "containers")):
        image = container.get("image")
        if not isinstance(image, str) or _GIT_SYNC not in image:
            continue
        repository = _repository(container.get("args")) or _repository(container.get("command"))
        if repository is not None:
            yield _made(DatasourceType.GIT, without_password(repository))


def _repository(words: Any) -> str | None:
    if not isinstance(words, list | tuple):
        return None
    texts = [word for word in words if isinstance(word, str)]
    for place, word in enumerate(texts):
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name == "repo":
            if equals:
                return value or None
            return texts[place + 1] if place + 1 < len(texts) else None
    return None


def without_password(address: str) -> str:
    """An address without the user and the password that a URL may hold; ``git@host:path`` has no password."""
    if "://" not in address:
        return address
    scheme, _, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def _named(kind: DatasourceType, name: str | None) -> Datasource | None:
    return None if name is None else _made(kind, name)


@lru_cache(maxsize=10_000)
def _made(kind: DatasourceType, name: str) -> Datasource:
    """The same one for every pod that mounts it: a cluster's worth of pods is held in memory."""
    text = name[:MOST_NAME].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return Datasource(type=kind, name=text)
