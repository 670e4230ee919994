"""Tokens of lists: what was written is read, and what was not written by us does no harm."""

import base64
import json
from typing import Any

import pytest

from rollcall.store.objects import Place
from rollcall_api.kube.continuation import LIFETIME_SECONDS, Continuation, read, written
from rollcall_api.kube.statuses import StatusError

NOW = 1_800_000_000
TOKEN = Continuation(Place("team-a", "train", "uid-1"), 7, NOW)


def encoded(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def read_now(token: str, namespace: str | None = None, *, later: float = 0) -> Continuation:
    return read(token, namespace, clock=lambda: NOW + later)


@pytest.mark.parametrize("namespace", ["team-a", None])
def test_a_token_is_read_as_it_was_written(namespace: str | None) -> None:
    assert read_now(written(TOKEN), namespace, later=LIFETIME_SECONDS) == TOKEN


def test_a_name_as_long_as_names_may_be() -> None:
    long = Continuation(Place("n" * 63, "x" * 253, "u" * 36), 2**62, NOW)
    assert read_now(written(long)) == long


@pytest.mark.parametrize("later", [LIFETIME_SECONDS + 1, -LIFETIME_SECONDS - 1])
def test_too_old_is_gone(later: float) -> None:
    with pytest.raises(StatusError) as refused:
        read_now(written(TOKEN), later=later)
    assert (refused.value.body["code"], refused.value.body["reason"]) == (410, "Expired")


def test_the_token_of_another_namespace_is_none() -> None:
    with pytest.raises(StatusError) as refused:
        read_now(written(TOKEN), "team-b")
    assert refused.value.body["code"] == 400


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "ä",
        " ",
        "A" * 5000,
        encoded({}),
        encoded([]),
        encoded(None),
        encoded([1, 7, NOW, "a", "b"]),
        encoded([1, 7, NOW, "a", "b", "c", "d"]),
        encoded([2, 7, NOW, "a", "b", "c"]),
        encoded([True, 7, NOW, "a", "b", "c"]),
        encoded([1, True, NOW, "a", "b", "c"]),
        encoded([1, 7, False, "a", "b", "c"]),
        encoded([1, 7.0, NOW, "a", "b", "c"]),
        encoded([1, "7", NOW, "a", "b", "c"]),
        encoded([1, -1, NOW, "a", "b", "c"]),
        encoded([1, 2**63, NOW, "a", "b", "c"]),
        encoded([1, 7, NOW, "a", None, "c"]),
        encoded([1, 7, NOW, "a", "b\x00", "c"]),
        encoded([1, 7, NOW, "a", "\ud800", "c"]),
        encoded([[[[[]]]]]),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
        written(TOKEN)[:-3],
        written(TOKEN) + "====",
    ],
)
def test_what_is_none_of_ours_is_refused(token: str) -> None:
    with pytest.raises(StatusError) as refused:
        read_now(token)
    assert (refused.value.body["code"], refused.value.body["message"]) == (400, "continue key is not valid")
