"""Who gets CSV: whoever asks for it by name and does not rather want JSON."""

import pytest
from fastapi import Request

from rollcall_api.csv_answers import csv_response, wants_csv


def asking(*accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", value.encode()) for value in accept]})


@pytest.mark.parametrize(
    "accept",
    [
        ("text/csv",),
        ("TEXT/CSV; charset=utf-8",),
        ("text/*",),
        ("text/csv, */*",),
        ("text/csv, application/json;q=0.9",),
        ("application/json;q=0.5", "text/csv ; q=0.6"),
        ("application/json;q=0, */*;q=0.1",),
        ("text/csv;q=0.001",),
    ],
)
def test_csv_is_for_those_who_ask_for_it(accept: tuple[str, ...]) -> None:
    assert wants_csv(asking(*accept))


@pytest.mark.parametrize(
    "accept",
    [
        (),
        ("",),
        ("*/*",),
        ("application/json",),
        ("application/json, text/csv",),
        ("application/json, text/plain, */*",),
        ("text/html",),
        ("text/csv;q=0",),
        ("text/csv;q=0, */*;q=0",),
        ("text/csv;q=0, text/*",),
        ("text/csv;q=nan",),
        ("text/csv;q=1e3",),
        ("text/csv;q=",),
        ("text/csvx",),
        (";,;,q=1" * 1000,),
        ("text/csv;q=0.4, application/json;q=0.5",),
    ],
)
def test_everybody_else_gets_json(accept: tuple[str, ...]) -> None:
    assert not wants_csv(asking(*accept))


def test_a_table_is_quoted_where_it_must_be() -> None:
    answer = csv_response(["name", "value"], [('a,"b"', "1"), ("é\nf", "")], {"X-Kept": "yes"})
    assert answer.body == 'name,value\r\n"a,""b""",1\r\n"é\nf",\r\n'.encode()
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert (answer.headers["x-kept"], answer.headers["vary"]) == ("yes", "Accept")
