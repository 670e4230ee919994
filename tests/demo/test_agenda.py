"""The agenda of the simulated cluster: what is due happens in its order, once, and of each key there is one."""

from collections.abc import Iterator

import pytest

from rollcall_demo.agenda import Agenda


@pytest.fixture
def agenda() -> Agenda:
    return Agenda()


def note(agenda: Agenda, told: list, word: str):
    return lambda: told.append((agenda.seconds, word))


def test_calls_happen_in_the_order_of_their_time_and_at_their_time(agenda: Agenda):
    told: list = []
    for word, after in (("third", 3.0), ("first", 1.0), ("second", 2.0)):
        agenda.call(word, after, note(agenda, told, word))
    agenda.play_until(2.5)
    assert told == [(1.0, "first"), (2.0, "second")]
    assert agenda.seconds == 2.5
    agenda.play_until(10)
    assert told[2:] == [(3.0, "third")]


def test_of_the_same_time_the_one_that_was_put_in_first_comes_first(agenda: Agenda):
    told: list = []
    for word in "cab":
        agenda.call(word, 1.0, note(agenda, told, word))
    agenda.play_until(1)
    assert [word for _, word in told] == ["c", "a", "b"]


def test_an_act_goes_on_after_the_seconds_it_yields_until_it_ends(agenda: Agenda):
    told: list = []

    def act() -> Iterator[float]:
        for seconds in (1.0, 2.0, 4.0):
            told.append(agenda.seconds)
            yield seconds
        told.append("end")

    agenda.begin("act", act(), after=0.5)
    agenda.play_until(100)
    assert told == [0.5, 1.5, 3.5, "end"]
    assert len(agenda) == 0


def test_of_two_calls_of_a_key_the_earlier_stands(agenda: Agenda):
    told: list = []
    agenda.call("key", 5.0, note(agenda, told, "late"))
    agenda.call("key", 1.0, note(agenda, told, "early"))
    agenda.call("key", 3.0, note(agenda, told, "between"))
    agenda.play_until(10)
    assert told == [(1.0, "early")]


def test_a_call_may_put_its_own_key_in_again(agenda: Agenda):
    told: list = []

    def again() -> None:
        told.append(agenda.seconds)
        agenda.call("key", 2.0, again)

    agenda.call("key", 1.0, again)
    agenda.play_until(6)
    assert told == [1.0, 3.0, 5.0]


def test_an_act_is_broken_off_by_another_of_its_key_and_by_its_end(agenda: Agenda):
    told: list = []

    def act(word: str) -> Iterator[float]:
        while True:
            told.append((agenda.seconds, word))
            yield 1.0

    agenda.begin("key", act("old"))
    agenda.play_until(1)
    agenda.begin("key", act("new"), after=0.5)
    agenda.play_until(2)
    agenda.end("key")
    agenda.end("key")
    agenda.play_until(10)
    assert told == [(0, "old"), (1, "old"), (1.5, "new")]
    assert len(agenda) == 0


def test_an_act_that_begins_another_of_its_own_key_gives_way_to_it(agenda: Agenda):
    told: list = []

    def second() -> Iterator[float]:
        told.append("second")
        yield from ()

    def first() -> Iterator[float]:
        told.append("first")
        agenda.begin("key", second(), after=1.0)
        yield 0.1
        told.append("never")

    agenda.begin("key", first())
    agenda.play_until(10)
    assert told == ["first", "second"]
