"""The filters' grammar: which text is which terms, and which is refused, by name."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollcall.store.fields import Field, FieldKind
from rollcall.store.filters import COMPARING, Operator, Span, Term
from rollcall_api.filters import MOST_TERMS, MOST_WORDS, filter_by, read_filters, read_search, written
from rollcall_api.query_strings import items
from rollcall_api.refusals import RefusalError


def read(*values: str) -> list[str]:
    """The terms of all the occurrences of the key, as text."""
    return [written(term) for term in read_filters(items({"filterBy": list(values)}, "filterBy"))]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        pytest.param([""], [], id="nothing"),
        pytest.param([",,"], [], id="no-items"),
        pytest.param(["phase==Running"], ["phase==Running"], id="one"),
        pytest.param(["name!=a,allocatedGPU>=2"], ["name!=a", "allocatedGPU>=2"], id="two"),
        pytest.param(["name!=a", "allocatedGPU>=2"], ["name!=a", "allocatedGPU>=2"], id="two-keys"),
        pytest.param([",name==a,,phase==b,"], ["name==a", "phase==b"], id="empty-items"),
        pytest.param(["name==a,name==b"], ["name==a", "name==b"], id="twice"),
        pytest.param(["name==a!=b"], ["name==a!=b"], id="the-first-operator"),
        pytest.param(["name===a"], ["name===a"], id="an-operators-end-in-the-value"),
        pytest.param(["name==,a"], None, id="empty-before-a-comma"),
        pytest.param(["priorityClassName=^p,priority==1"], ["priorityClassName=^p", "priority==1"], id="longest-name"),
        pytest.param(["phaseUpdatedAt>=2026-01-01"], ["phaseUpdatedAt>=2026-01-01"], id="longest-name-too"),
        pytest.param(["phase=$ing"], ["phase=$ing"], id="text-operators-on-the-phase"),
        pytest.param(["name==a,b,phase==Running"], ["name==a,b", "phase==Running"], id="a-comma-in-a-value"),
        pytest.param(["name==a", "b", "phase==c"], ["name==a,b", "phase==c"], id="a-comma-that-cut-the-key"),
        pytest.param(["name==a,b-c==d"], ["name==a,b-c==d"], id="no-word-before-the-operator"),
        pytest.param(["name==a,priority>3"], ["name==a,priority>3"], id="no-operator"),
        pytest.param(["name==a, type==b"], ["name==a, type==b"], id="a-blank-before-the-field"),
        pytest.param(["name==a\nb"], ["name==a\nb"], id="a-line-break"),
        pytest.param(["name== "], ["name== "], id="a-blank"),
        pytest.param(["priority==007"], ["priority==7"], id="zeros-before"),
        pytest.param(["allocatedGPU<=0.50"], ["allocatedGPU<=0.50"], id="a-fraction"),
        pytest.param(["idleGpus!=-1"], ["idleGpus!=-1"], id="less-than-nothing"),
    ],
)
def test_text_becomes_terms(values: list[str], wanted: list[str] | None) -> None:
    if wanted is None:
        with pytest.raises(RefusalError):
            read(*values)
    else:
        assert read(*values) == wanted


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense==1", "'nonsense'"),
        ("id==1", "'id'"),
        ("namespace==a", "'namespace'"),
        ("Name==a", "'Name'"),
        ("names==a", "'names'"),
        ("name=a", "'name=a'"),
        ("name>a", "'name>a'"),
        ("name", "'name'"),
        ("==a", "'==a'"),
        ("name ==a", "'name ==a'"),
        (" name==a", "' name==a'"),
        ("b,name==a", "'b'"),
        ("name==", "'name=='"),
        ("name==a,phase==", "'phase=='"),
        ("name==a,b==c", "'b'"),
        ("name==a,ns==", "'ns'"),
        ("priority=@1", "'priority=@1'"),
        ("allocatedGPU=^1", "'allocatedGPU=^1'"),
        ("createdAt=$Z", "'createdAt=$Z'"),
        ("completedAt!@1", "'completedAt!@1'"),
        ("priority==high", "'priority==high'"),
        ("priority==1,5", "'priority==1,5'"),
        ("priority==1e3", "1e3"),
        ("priority==0x1", "0x1"),
        ("priority==+1", "+1"),
        ("priority==1_0", "1_0"),
        ("priority==\u0661", "\u0661"),
        ("priority==NaN", "NaN"),
        ("priority==Infinity", "Infinity"),
        ("priority== 1", "'priority== 1'"),
        ("priority==1" + "0" * 30, "priority"),
        ("allocatedGPU==.5", ".5"),
        ("allocatedGPU==1.", "1."),
        ("createdAt==yesterday", "yesterday"),
        ("createdAt==2026", "2026"),
        ("createdAt==2026-01", "2026-01"),
        ("createdAt==2026-02-30", "2026-02-30"),
        ("createdAt==20260101", "20260101"),
        ("createdAt==2026-W01-1", "W01"),
        ("createdAt==2026-01-01T", "2026-01-01T"),
        ("createdAt==2026-01-01T10", "T10"),
        ("createdAt==2026-01-01T24:00", "24:00"),
        ("createdAt==2026-01-01T10:00:60", "60"),
        ("createdAt==2026-01-01T10:00+25:00", "+25:00"),
        ("createdAt==2026-01-01Z", "2026-01-01Z"),
        ("createdAt==0001-01-01T00:00+01:00", "0001"),
        ("createdAt==9999-12-31", "9999"),
        ("createdAt==1767225600", "1767225600"),
    ],
)
def test_what_is_no_term_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(RefusalError) as refused:
        read(text)
    assert refused.value.status == 400
    assert refused.value.message.startswith("filterBy has the term ")
    assert named in refused.value.message


@pytest.mark.parametrize(
    ("text", "start", "precision"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00", timedelta(days=1)),
        ("2026-01-31T12:30", "2026-01-31T12:30:00+00:00", timedelta(minutes=1)),
        ("2026-01-31T12:30Z", "2026-01-31T12:30:00+00:00", timedelta(minutes=1)),
        ("2026-01-31T12:30:15", "2026-01-31T12:30:15+00:00", timedelta(seconds=1)),
        ("2026-01-31 12:30:15Z", "2026-01-31T12:30:15+00:00", timedelta(seconds=1)),
        ("2026-01-31t12:30:15z", "2026-01-31T12:30:15+00:00", timedelta(seconds=1)),
        ("2026-01-31T12:30:15.5Z", "2026-01-31T12:30:15.500000+00:00", timedelta(milliseconds=100)),
        ("2026-01-31T12:30:15.250Z", "2026-01-31T12:30:15.250000+00:00", timedelta(milliseconds=1)),
        ("2026-01-31T12:30:15.123456Z", "2026-01-31T12:30:15.123456+00:00", timedelta(microseconds=1)),
        ("2026-01-31T12:30:15.123456789Z", "2026-01-31T12:30:15.123456+00:00", timedelta(microseconds=1)),
        ("2026-01-31T01:30:00+02:00", "2026-01-30T23:30:00+00:00", timedelta(seconds=1)),
        ("2026-01-31T01:30:00 02:00", "2026-01-30T23:30:00+00:00", timedelta(seconds=1)),
        ("2026-01-31T01:30:00-0230", "2026-01-31T04:00:00+00:00", timedelta(seconds=1)),
    ],
)
def test_an_instant_is_as_long_as_it_is_precise(text: str, start: str, precision: timedelta) -> None:
    (term,) = read_filters([f"createdAt=={text}"])
    begin = datetime.fromisoformat(start)
    assert term.value == Span(start=begin, end=begin + precision)
    assert term.value.start.tzinfo is UTC


def test_terms_are_counted_and_fragments_are_not() -> None:
    fits = ["name==a,b,c"] * MOST_TERMS
    assert len(read_filters(items({"filterBy": fits}, "filterBy"))) == MOST_TERMS == 50
    with pytest.raises(RefusalError, match="filterBy has more than 50 terms"):
        read(*fits, "name==a")


def test_searched_words_come_once_and_are_counted() -> None:
    assert read_search(["test  project", " project\t", ""]) == ("test", "project")
    assert read_search(()) == ()
    many = " ".join(str(number) for number in range(MOST_WORDS))
    assert len(read_search([many, many])) == MOST_WORDS
    with pytest.raises(RefusalError, match="search has more than"):
        read_search([many, "another"])


FIELDS = st.sampled_from([field.value for field in Field]) | st.sampled_from(["id", "Name", "", "a b"])
OPERATORS = st.sampled_from([operator.value for operator in Operator]) | st.sampled_from(["", "=", ">", "=="])
VALUES = st.text(max_size=20) | st.sampled_from(["1", "2026-01-01", "2026-01-01T00:00:00Z", "a,b", "==", ","])
NEARLY = st.lists(st.builds("{}{}{}".format, FIELDS, OPERATORS, VALUES), max_size=5).map(",".join)


@given(st.lists(st.text() | NEARLY, max_size=4))
@example(["," * 30_000])
@example(["name==" + "a," * 15_000])
@example(["name==a" * 4_000])
@example(["A" * 30_000])
@example(["createdAt==" + "0" * 30_000])
def test_every_text_is_terms_or_a_refusal(values: list[str]) -> None:
    found = outcome(values)
    if isinstance(found, RefusalError):
        assert found.status == 400
        assert found.message.startswith("filterBy ")
        assert len(found.message) < 500
    else:
        assert len(found) <= MOST_TERMS
        assert read_filters(written(term) for term in found) == found


def outcome(values: list[str]) -> tuple[Term, ...] | RefusalError:
    try:
        return read_filters(items({"filterBy": values}, "filterBy"))
    except RefusalError as refusal:
        return refusal


@given(st.lists(st.text(), max_size=3))
def test_every_search_is_words_or_a_refusal(values: list[str]) -> None:
    try:
        words = read_search(values)
    except RefusalError:
        assert len({word for value in values for word in value.split()}) > MOST_WORDS
    else:
        assert all(word and not any(character.isspace() for character in word) for word in words)


def _span(at: datetime, precision: timedelta) -> Span:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    start = day + (at - day) // precision * precision
    return Span(start=start, end=start + precision)


PRECISIONS = [timedelta(days=1), timedelta(minutes=1), *(timedelta(microseconds=10**digits) for digits in range(7))]
SPANS = st.builds(
    _span,
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001 - as hypothesis asks
    st.sampled_from(PRECISIONS),
)
NUMBERS = st.decimals(-(10**9), 10**9, places=9)
TEXTS = st.lists(st.text(st.characters(exclude_characters="=!<>,"), min_size=1), min_size=1).map(",".join)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    field = draw(st.sampled_from(Field))
    if field.kind is FieldKind.TEXT:
        return Term(field=field, operator=draw(st.sampled_from(Operator)), value=draw(TEXTS))
    value: Decimal | Span = draw(NUMBERS if field.kind is FieldKind.NUMBER else SPANS)
    return Term(field=field, operator=draw(st.sampled_from(COMPARING)), value=value)


@given(st.lists(terms(), max_size=6))
def test_what_is_written_reads_as_the_same_terms(given_terms: list[Term]) -> None:
    text = ",".join(written(term) for term in given_terms)
    assert list(read_filters(items({"filterBy": [text]}, "filterBy"))) == given_terms


@given(terms())
def test_the_documented_pattern_takes_every_term(term: Term) -> None:
    pattern = filter_by(Field)["schema"]["items"]["pattern"]
    assert re.search(pattern, written(term), re.DOTALL)


@pytest.mark.parametrize(
    "text",
    ["id==1", "name", "name==", "priority=@1", "priority==x", "createdAt==x", "createdAt=^2026-01-01", "x,name==a"],
)
def test_the_documented_pattern_takes_nothing_that_is_refused(text: str) -> None:
    assert not re.search(filter_by(Field)["schema"]["items"]["pattern"], text)
    with pytest.raises(RefusalError):
        read(text)
