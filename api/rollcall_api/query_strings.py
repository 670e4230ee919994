"""Query strings, read strictly: what is not understood is refused by name, what is not known is ignored.

The reading is ours and not the framework's, because the contract's is neither lenient nor standard: clients send
``True`` for a boolean, and a number such as ``1_0`` is none.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from rollcall_api.refusals import RefusalError, bad_parameter

MOST_QUERY_BYTES = 32 * 1024
MOST_PARAMETERS = 1_000

_SHOWN = 64
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}

_Value = TypeVar("_Value")
_Word = TypeVar("_Word", bound=StrEnum)


def read_query(raw: bytes, known: set[str] | frozenset[str]) -> dict[str, list[str]]:
    """The values of the known parameters, in order, decoded as form data.

    Raises:
        RefusalError: 400, naming the parameter.
    """
    if len(raw) > MOST_QUERY_BYTES:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"The query string is longer than {MOST_QUERY_BYTES} bytes.")
    if raw.count(b"&") >= MOST_PARAMETERS:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"There are more than {MOST_PARAMETERS} parameters.")
    given: dict[str, list[str]] = {}
    for pair in raw.split(b"&"):
        key, _, value = pair.partition(b"=")
        name = _decoded(key)
        if name is None or name not in known:
            continue
        text = _decoded(value)
        if text is None:
            raise bad_parameter(name, "is not percent-encoded UTF-8")
        if "\x00" in text:
            raise bad_parameter(name, "holds a NUL")
        given.setdefault(name, []).append(text)
    return given


def _decoded(raw: bytes) -> str | None:
    if _BROKEN_ESCAPE.search(raw):
        return None
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        return None


def one(given: Mapping[str, list[str]], name: str, read: Callable[[str, str], _Value], *, default: _Value) -> _Value:
    """The one value of a parameter; the same value said again is no contradiction."""
    values = given.get(name)
    if values is None:
        return default
    if len(set(values)) > 1:
        raise bad_parameter(name, "is given more than once")
    return read(name, values[0])


def items(given: Mapping[str, list[str]], name: str) -> list[str]:
    """The items of an array: every occurrence of the key, split at commas; an empty item is none."""
    return [item for value in given.get(name, ()) for item in value.split(",") if item]


def boolean(name: str, text: str) -> bool:
    """A boolean, as clients spell it."""
    if text not in _BOOLEANS:
        raise bad_parameter(name, f"must be true or false, not {shown(text)}")
    return _BOOLEANS[text]


def whole_number(least: int, most: int) -> Callable[[str, str], int]:
    """A reader of whole numbers in plain digits, within bounds."""

    def read(name: str, text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise bad_parameter(name, f"must be a whole number from {least} to {most}, not {shown(text)}")
        return int(text)

    return read


def word(words: type[_Word]) -> Callable[[str, str], _Word]:
    """A reader of one of these words."""

    def read(name: str, text: str) -> _Word:
        try:
            return words(text)
        except ValueError:
            raise bad_parameter(name, f"must be one of {', '.join(words)}, not {shown(text)}") from None

    return read


def shown(text: str) -> str:
    """What was given, short enough for a sentence."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def described(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    """A query parameter for the OpenAPI document."""
    return {"name": name, "in": "query", "required": False, "schema": dict(schema), "description": description}


def in_path(name: str, description: str, **schema: Any) -> dict[str, Any]:
    """A part of the path for the OpenAPI document."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", **schema},
        "description": description,
    }
