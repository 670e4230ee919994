"""Reading objects from files: YAML or JSON, one object, several documents, or a ``List``."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: slower, not wrong
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

STANDARD_INPUT = "-"


class _PlainLoader(_Loader):
    """The safe loader, with instants left as the strings that JSON has."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The objects that could be read, in their order, and a sentence for each source that could not."""

    objects: tuple[dict[str, Any], ...]
    faults: tuple[str, ...]


def read_documents(sources: Sequence[str]) -> Documents:
    """Read every source; ``-`` is standard input. A source that cannot be read is a fault, never an exception."""
    objects: list[dict[str, Any]] = []
    faults: list[str] = []
    for source in sources:
        name = "standard input" if source == STANDARD_INPUT else source
        try:
            text = _text(source)
            found = [item for document in _parse(text) for item in _flatten(document)]
        except OSError as error:
            faults.append(f"{name}: {error.strerror or error}.")
            continue
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            faults.append(f"{name} is neither YAML nor JSON: {' '.join(str(error).split())[:200]}.")
            continue
        if not found:
            faults.append(f"{name} holds no Kubernetes object.")
        objects.extend(found)
    return Documents(objects=tuple(_identified(item) for item in objects), faults=tuple(faults))


def _text(source: str) -> str:
    raw = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
    return raw.decode("utf-8", errors="replace")


def _parse(text: str) -> list[Any]:
    if text.lstrip().startswith(("{", "[")):
        try:
            return [json.loads(text)]
        except ValueError:
            pass  # YAML may start so too
    return list(yaml.load_all(text, Loader=_PlainLoader))


def _flatten(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, list):
        for item in document:
            yield from _flatten(item)
    elif isinstance(document, dict):
        items = document.get("items")
        if isinstance(items, list) and (str(document.get("kind", "")).endswith("List") or "metadata" not in document):
            for item in items:
                yield from _flatten(item)
        elif isinstance(document.get("kind"), str):
            yield document


def _identified(item: dict[str, Any]) -> dict[str, Any]:
    """Give a manifest that never met an API server the uid that names it: a stable one, from kind and name."""
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if isinstance(metadata.get("uid"), str) and metadata["uid"]:
        return item
    address = "/".join(
        str(part) for part in (item.get("apiVersion"), item["kind"], metadata.get("namespace"), metadata.get("name"))
    )
    return {**item, "metadata": {**metadata, "uid": str(uuid5(NAMESPACE_URL, f"rollcall:{address}"))}}
