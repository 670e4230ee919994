"""Everything that the API serves, as its document says, and how to ask for each: what tests of the whole are over.

A new endpoint is in these tests as soon as it is in the document; what they cannot know of it they ask for.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.json"
"""As it is committed; tests/contract/test_openapi.py holds it against what is served."""

QUERY_VALUES = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
"""A good value of each required query parameter whose schema does not offer one."""

SECRET = "the-secret-of-an-application"
"""Sent in bodies; in no log afterwards."""

BODIES = {
    "create_token": (
        b'{"grantType": "app_token", "AppId": "a", "AppSecret": "%s"}' % SECRET.encode(),
        "application/json",
    ),
    "create_oauth2_token": (
        b"grant_type=client_credentials&client_id=a&client_secret=%s" % SECRET.encode(),
        "application/x-www-form-urlencoded",
    ),
}
"""A good body, and its media type, of each operation that takes one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    path: str
    method: str
    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its name in the document."""
        return str(self.document["operationId"])

    @property
    def is_scoped(self) -> bool:
        """Whether it asks who is calling."""
        return "security" in self.document

    def parameters(self, place: str) -> list[Mapping[str, Any]]:
        """Those of the path or of the query."""
        return [found for found in self.document.get("parameters", ()) if found["in"] == place]

    def names(self, place: str) -> list[str]:
        """The names of those."""
        return [found["name"] for found in self.parameters(place)]

    def target(self, ids: Mapping[str, str], **query: str) -> str:
        """A path with these ids, and a query with all that is required and what is given."""
        path = self.path
        for name in self.names("path"):
            assert name in ids, f"{self}: no value is known for {{{name}}}; give the filled view one in WorldIds."
            path = path.replace(f"{{{name}}}", quote(ids[name], safe=""))
        required = {
            found["name"]: self._value_of(found)
            for found in self.parameters("query")
            if found.get("required") and found["name"] not in query
        }
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**required, **query}.items())
        return f"{path}?{pairs}" if pairs else path

    def body(self) -> tuple[bytes, str]:
        """A good body and its media type, empty where it takes none."""
        if "requestBody" not in self.document:
            return b"", ""
        assert self.id in BODIES, f"{self}: no body is known; add one to BODIES of tests/support/surface.py."
        return BODIES[self.id]

    def _value_of(self, parameter: Mapping[str, Any]) -> str:
        schema = parameter["schema"]
        offered = schema.get("items", schema).get("enum")
        if offered:
            return str(offered[0])
        name = parameter["name"]
        assert name in QUERY_VALUES, (
            f"{self}: no value is known for the required parameter {name}; "
            "add one to QUERY_VALUES of tests/support/surface.py."
        )
        return QUERY_VALUES[name]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _operations() -> Iterator[Operation]:
    for path, methods in sorted(json.loads(DOCUMENT.read_text())["paths"].items()):
        for method, document in sorted(methods.items()):
            yield Operation(path, method.upper(), document)


OPERATIONS = tuple(_operations())
"""All of them, in the order of their paths."""
