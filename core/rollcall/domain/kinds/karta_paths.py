"""Expressions of a Karta: read with a note where one is not understood, and the documents they look at."""

import json
from collections.abc import Mapping
from typing import Any

from rollcall.domain.expressions import Expression, ExpressionError, compiled
from rollcall.domain.facts import Meta, ObjectFacts, PodFacts
from rollcall.domain.fields import at


class Paths:
    """Reads expressions; notes those that are not understood."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """What was left out, as sentences."""

    def read(self, root: Mapping[str, Any], field: str, of: str) -> Expression | None:
        """The expression in a field, ``None`` where there is none or it is not understood."""
        text = at(root, field)
        if text is None:
            return None
        if not isinstance(text, str):
            self.notes.append(f"{field} of {of} is no text")
            return None
        try:
            return compiled(text)
        except ExpressionError as error:
            self.notes.append(f"{field} of {of} is left out: {error}")
            return None


def document_of(obj: ObjectFacts) -> dict[str, Any]:
    """An object as expressions see it; made once, for many ask."""
    known: dict[str, Any] | None = obj.worked_out.get(_DOCUMENT)
    if known is None:
        known = obj.worked_out[_DOCUMENT] = {
            "apiVersion": obj.meta.api_version,
            "kind": obj.meta.kind,
            "metadata": _metadata(obj.meta),
            "spec": obj.spec,
            "status": obj.status,
        }
    return known


_DOCUMENT = "document of expressions"


def pod_document(pod: PodFacts) -> dict[str, Any]:
    """A pod as expressions see it: what it is called and labelled."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(pod.meta)}


def _metadata(meta: Meta) -> dict[str, Any]:
    return {
        "name": meta.name,
        "namespace": meta.namespace,
        "generation": meta.generation,
        "labels": dict(meta.labels),
        "annotations": dict(meta.annotations),
    }


def json_value(text: Any) -> tuple[bool, Any]:
    """(whether it is JSON, the value) of a text that holds JSON."""
    if not isinstance(text, str):
        return False, None
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None
