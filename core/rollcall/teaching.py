"""Kinds taught by an admin: from ConfigMaps, Karta objects and files to a catalogue.

One door for the operator and for `rollcall explain`: what either of them refuses, the other refuses in the same words.
A description that is not understood teaches nothing and is told; the others are not touched by it.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.kinds.descriptions import Lesson, Refusal
from rollcall.domain.kinds.karta import is_karta, read_karta
from rollcall.domain.kinds.taught import read_lesson

LABEL, LABEL_VALUE = "rollcall.dev/kinds", "true"
"""The label of the ConfigMaps that teach."""

MOST_TEXT = 512 * 1024
"""Longest text that is read, in characters."""

MOST_KINDS = 500
"""More descriptions than this are not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What was taught, and what was not understood."""

    catalogue: Catalogue
    lessons: tuple[Lesson, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    passed_over: tuple[str, ...] = ()
    """Kartas of kinds that are built in or taught otherwise: those entries know more."""

    @property
    def fingerprint(self) -> str:
        """The same for two readings that teach the same, wherever it stands."""
        return json.dumps(sorted(lesson.body for lesson in self.lessons))


def nothing_taught() -> Teaching:
    """The built-in kinds alone."""
    return Teaching(catalogue=built_in())


def learn(objects: Iterable[Any]) -> Teaching:
    """What ConfigMaps, Kartas and plain descriptions teach. Never raises.

    A kind that is built in is not taught anew. Of two descriptions of one kind the first counts, and any before a
    Karta: whoever writes a ConfigMap for Rollcall means Rollcall.
    """
    return _join(found for body in objects for found in _read("a description", body))


def learn_from_files(names: Sequence[str]) -> Teaching:
    """What files teach: manifests of ConfigMaps and Kartas, lists of them, or plain descriptions."""
    return _join(found for name in names for found in _read_file(name))


def _join(answers: Iterable[Lesson | Refusal]) -> Teaching:
    read = list(itertools.islice(answers, MOST_KINDS))
    read.sort(key=lambda one: isinstance(one, Lesson) and one.of_karta)
    lessons: dict[KindKey, Lesson] = {}
    refusals: list[Refusal] = []
    passed_over: list[str] = []
    for found in read:
        if isinstance(found, Refusal):
            refusals.append(found)
            continue
        key = found.entry.key
        known = lessons.get(key)
        if known is None and built_in().entry_for(key) is None:
            lessons[key] = found
        elif found.of_karta:
            passed_over.append(found.source)
        else:
            already = "built in" if known is None else f"taught by {known.source} already"
            refusals.append(Refusal(source=found.source, why=f"{key.kind} of group {key.group} is {already}."))
    return Teaching(
        catalogue=built_in().with_entries(lesson.entry for lesson in lessons.values()),
        lessons=tuple(lessons.values()),
        refusals=tuple(refusals),
        passed_over=tuple(passed_over),
    )


def _read_file(name: str) -> Iterator[Lesson | Refusal]:
    try:
        text = Path(name).read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        yield Refusal(source=name, why=f"{error.strerror or error}.")
    else:
        yield from _read_text(text, name)


def _read(source: str, body: Any) -> Iterator[Lesson | Refusal]:
    if isinstance(body, list):
        for number, item in enumerate(body):
            yield from _read(f"{source}, element {number}", item)
    elif not isinstance(body, Mapping):
        yield Refusal(source=source, why="It is neither a description of a kind nor an object that holds some.")
    elif is_karta(body):
        yield read_karta(body, f"{body['kind']} {_name(body)}")
    elif body.get("kind") == "ConfigMap" and body.get("apiVersion") == "v1":
        yield from _read_config_map(body)
    elif set(body) == {"kinds"}:
        yield from _read(source, body["kinds"])
    elif isinstance(body.get("items"), list) and str(body.get("kind", "")).endswith("List"):
        for item in body["items"]:
            yield from _read(source, item)
    else:
        yield read_lesson(body, source)


def _read_config_map(body: Mapping[str, Any]) -> Iterator[Lesson | Refusal]:
    source = f"ConfigMap {_name(body)}"
    metadata = body.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    if not isinstance(labels, Mapping) or labels.get(LABEL) != LABEL_VALUE:
        yield Refusal(source=source, why=f'It has no label {LABEL}: "{LABEL_VALUE}".')
        return
    data = body.get("data")
    for key, text in sorted(data.items(), key=lambda item: str(item[0])) if isinstance(data, Mapping) else ():
        where = f"{source}, key {key}"
        if not isinstance(text, str):
            yield Refusal(source=where, why="It is no text.")
            continue
        yield from _read_text(text, where)


def _name(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        return "without a name"
    place = [str(metadata[field])[:253] for field in ("namespace", "name") if metadata.get(field)]
    return "/".join(place) or "without a name"


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases: a short text could stand for an endless one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias, compose anything else."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def _read_text(text: str, source: str) -> Iterator[Lesson | Refusal]:
    """Every document of a text, YAML or JSON."""
    if len(text) > MOST_TEXT:
        yield Refusal(source=source, why=f"It is longer than {MOST_TEXT} characters.")
        return
    try:
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        yield Refusal(source=source, why=f"It is neither YAML nor JSON: {said}.")
        return
    if not documents:
        yield Refusal(source=source, why="It is empty.")
    for document in documents:
        yield from _read(source, document)
