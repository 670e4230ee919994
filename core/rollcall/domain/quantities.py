"""Kubernetes quantities, exactly: text to whole base units and back.

Source of the grammar: the ``Quantity`` type of ``k8s.io/apimachinery/pkg/api/resource``. Amounts that are not a whole
number of base units round up, as Kubernetes rounds them.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

_QUANTITY = re.compile(r"([+-]?)(\d{0,40}(?:\.\d{0,40})?)(?:([eE])([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_FACTORS = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
MOST = 2**63 - 1
"""The largest amount of base units that is kept, also the largest that the store's columns hold."""

_MOST_EXPONENT = 30


@lru_cache(maxsize=8192)
def parse_quantity(text: str) -> Fraction | None:
    """The exact value, ``None`` where ``text`` is no quantity or absurdly large. Never slow, whatever the text."""
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= 100 else None  # noqa: PLR2004 - no honest one is longer
    if match is None:
        return None
    sign, digits, exponential, exponent, suffix = match.groups()
    if digits in {"", "."}:
        return None
    value = Fraction(digits if not digits.endswith(".") else digits + "0")
    if exponential:
        if abs(int(exponent)) > _MOST_EXPONENT:
            return None
        value *= Fraction(10) ** int(exponent)
    else:
        value *= _FACTORS[suffix or ""]
    return -value if sign == "-" else value


def base_units(value: Any, *, scale: int = 1) -> int | None:
    """A quantity in whole ``1/scale`` units, rounded up: ``scale=1000`` gives milli-units.

    Accepts the strings and numbers that JSON has. ``None`` where it does not parse, is negative or exceeds
    :data:`MOST`.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and abs(value) > MOST:
        return None
    return _units(value if isinstance(value, str) else repr(value), scale)


@lru_cache(maxsize=8192)
def _units(text: str, scale: int) -> int | None:
    parsed = parse_quantity(text)
    if parsed is None or parsed < 0:
        return None
    scaled = parsed * scale
    units = -(-scaled.numerator // scaled.denominator)
    return units if units <= MOST else None


def bytes_quantity(amount: int) -> str:
    """Bytes as a quantity, with the largest binary suffix that loses nothing: ``2Gi``, ``1536Mi``, ``1000``."""
    for suffix, factor in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if amount and amount % factor == 0:
            return f"{amount // factor}{suffix}"
    return str(amount)
