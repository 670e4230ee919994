"""What the contract reads more leniently than a schema can say: whether a query that breaks the schema is a good one.

Written from the contract's words and the document alone, so that it shares no mistake with the API's own reading.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from support.surface import Operation

_LIKE_A_TERM = re.compile(r"[A-Za-z0-9_]+(==|!=|<=|>=|=@|!@|=\^|=\$).*", re.DOTALL)
_ANY_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+([zZ]|[+\- ][0-9]{2}:?[0-9]{2})?)?")
_MOST_WORDS = 20
_ENUM_PREFIX = re.compile(r"^[A-Za-z]+\.")
"""How Python writes a member of an enum, which a client sends that was given a bare one."""


def is_good(operation: Operation, url: str) -> bool:
    """Whether every parameter of the document is readable; what the document does not name is ignored."""
    known = {found["name"]: found for found in operation.parameters("query")}
    sent: dict[str, list[str]] = {name: [] for name in known}
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if (key := _text(name)) in known:
            text = _text(value)
            if text is None or "\0" in text:
                return False
            sent[key].append(text)
    missing = [
        name
        for name, found in known.items()
        if found.get("required") and not any(value.strip(",") for value in sent[name])
    ]
    if missing or not all(_is_readable(known[name], values) for name, values in sent.items() if values):
        return False
    if "start" in sent and not _instant(sent["start"][0]) < _instant(sent["end"][0]):
        return False
    return len({word for text in sent.get("search", ()) for word in text.split()}) <= _MOST_WORDS


def _text(encoded: str) -> str | None:
    """What percent-encoded UTF-8 says, a plus being a blank."""
    if re.search("%(?![0-9A-Fa-f]{2})", encoded):
        return None
    try:
        return unquote_to_bytes(encoded.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return None


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
            return _is_instant(value)
        case _:
            # An id that nothing has, well-formed or not, is that of nothing.
            return _is_one_of(schema, value)


def _is_one_of(schema: Mapping[str, Any], value: str) -> bool:
    return "enum" not in schema or _ENUM_PREFIX.sub("", value) in schema["enum"]


def _is_instant(text: str) -> bool:
    try:
        return _ANY_INSTANT.fullmatch(text) is not None and bool(_instant(text))
    except ValueError:
        return False


def _instant(text: str) -> datetime:
    """A plus that was not percent-encoded has become a blank; without a zone it is in UTC."""
    date, time = text[:10], text[11:].replace(" ", "+").upper()
    found = datetime.fromisoformat(f"{date}T{time}" if time else date)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
