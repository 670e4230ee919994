"""What the contract reads more leniently than a schema can say: whether a query that breaks the schema is a good one.

Written from the contract's words and the document alone, so that it shares no mistake with the API's own reading.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support.surface import Operation

_LIKE_A_TERM = re.compile(r"[A-Za-z0-9_]+(==|!=|<=|>=|=@|!@|=\^|=\$).*", re.DOTALL)
_ANY_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+([zZ]|[+\- ][0-9]{2}:?[0-9]{2})?)?")
_ENUM_PREFIX = re.compile(r"^[A-Za-z]+\.")
"""How Python writes a member of an enum, which a client sends that was given a bare one."""


def is_good(operation: Operation, url: str) -> bool:
    """Whether every parameter of the document is readable; what the document does not name is ignored."""
    known = {found["name"]: found for found in operation.parameters("query")}
    sent: dict[str, list[str]] = {name: [] for name in known}
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name in known:
            sent[name].append(value)
    missing = [name for name, found in known.items() if found.get("required") and not any(sent[name])]
    return not missing and all(_is_readable(known[name], values) for name, values in sent.items() if values)


def _is_readable(parameter: Mapping[str, Any], values: list[str]) -> bool:
    schema = parameter["schema"]
    if schema["type"] == "array":
        # Every occurrence, split at commas; an empty item is none.
        items = [item for value in values for item in value.split(",") if item]
        if "pattern" in schema["items"]:
            return _are_terms(items, schema)
        return len(items) <= schema.get("maxItems", len(items)) and all(_is_one_of(schema["items"], i) for i in items)
    return len(set(values)) == 1 and _is_value(schema, values[0])


def _are_terms(items: list[str], schema: Mapping[str, Any]) -> bool:
    """A fragment that is no term belongs to the value before it, comma and all."""
    glued: list[str] = []
    for item in items:
        if glued and not _LIKE_A_TERM.fullmatch(item):
            glued[-1] += f",{item}"
        else:
            glued.append(item)
    return len(glued) <= schema["maxItems"] and all(
        # Line ends are text like any other.
        re.fullmatch(schema["items"]["pattern"], term, re.DOTALL)
        for term in glued
    )


def _is_value(schema: Mapping[str, Any], value: str) -> bool:
    match schema["type"]:
        case "boolean":
            return value in {"true", "false", "True", "False"}
        case "integer":
            in_digits = re.fullmatch("[0-9]{1,10}", value) is not None
            return in_digits and schema["minimum"] <= int(value) <= schema["maximum"]
        case _ if schema.get("format") == "date-time":
            return _ANY_INSTANT.fullmatch(value) is not None
        case _:
            # An id that nothing has, well-formed or not, is that of nothing.
            return _is_one_of(schema, value)


def _is_one_of(schema: Mapping[str, Any], value: str) -> bool:
    return "enum" not in schema or _ENUM_PREFIX.sub("", value) in schema["enum"]
