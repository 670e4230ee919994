"""Quantities: exactly what Kubernetes means, and nothing slow or raised for what it would not take."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.quantities import MOST, base_units, bytes_quantity, parse_quantity

GOOD = [
    ("0", 0),
    ("1", 1),
    ("+1", 1),
    ("-1", -1),
    (".5", Fraction(1, 2)),
    ("5.", 5),
    ("1.5", Fraction(3, 2)),
    ("100m", Fraction(1, 10)),
    ("1u", Fraction(1, 10**6)),
    ("1n", Fraction(1, 10**9)),
    ("1k", 1000),
    ("1M", 10**6),
    ("1E", 10**18),
    ("1e3", 1000),
    ("1E3", 1000),
    ("1e-3", Fraction(1, 1000)),
    ("1.5Gi", 3 * 2**29),
    ("1Ki", 1024),
    ("0.1Ei", Fraction(2**60, 10)),
]
BAD = [
    "",
    " ",
    ".",
    "-",
    "m",
    "Gi",
    "two",
    "1 Gi",
    "1gi",
    "1K",
    "1mm",
    "0x10",
    "1_000",
    "1,5",
    "1e",
    "1e999",
    "1e3Ki",
    "--1",
    "NaN",
    "inf",
    "\uff11",
    "9" * 200,
]


@pytest.mark.parametrize(("text", "value"), GOOD)
def test_what_is_a_quantity(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", BAD)
def test_what_is_none(text):
    assert parse_quantity(text) is None


@pytest.mark.parametrize(
    ("value", "scale", "units"),
    [
        ("100m", 1000, 100),
        ("0.1", 1000, 100),
        (2, 1000, 2000),
        (0.5, 1000, 500),
        ("0.0001", 1000, 1),
        ("1.0000001", 1, 2),
        ("128Mi", 1, 2**27),
        ("1500m", 1, 2),
        ("0", 1, 0),
        (1e-7, 1, 1),
    ],
)
def test_base_units_round_up_as_kubernetes_does(value, scale, units):
    assert base_units(value, scale=scale) == units


@pytest.mark.parametrize(
    "value", [None, True, [], {}, "-1", -1, -0.5, float("nan"), float("inf"), 1e300, str(MOST + 1), "10Ei"]
)
def test_what_no_column_could_hold_is_none(value):
    assert base_units(value) is None


def test_a_number_too_large_to_be_written_down_is_none():
    assert base_units(10**5000) is None


def test_the_largest_that_a_column_holds_is_kept():
    assert base_units(MOST) == base_units(str(MOST)) == MOST
    assert base_units(str(MOST), scale=1000) is None


@given(st.integers(0, MOST))
def test_bytes_as_a_quantity_lose_nothing(amount):
    assert base_units(bytes_quantity(amount)) == amount


@given(st.integers(0, 2**40), st.sampled_from(["m", "", "k", "Ki", "M", "Mi", "G", "Gi"]))
def test_suffixes_multiply(number, suffix):
    one = parse_quantity(f"1{suffix}")
    assert one is not None
    assert parse_quantity(f"{number}{suffix}") == number * one


@given(st.text(max_size=200))
def test_any_text_is_answered(text):
    value = parse_quantity(text)
    assert value is None or isinstance(value, Fraction)
