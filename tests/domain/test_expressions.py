"""The part of jq that definitions of kinds are written in: values, refusals, and that nothing ever raises."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.domain.expressions import ExpressionError, compiled, worded

JOB = {
    "metadata": {"labels": {"training.kubeflow.org/replica-type": "worker"}},
    "spec": {
        "suspend": True,
        "parallelism": 4,
        "groups": [{"name": "a", "replicas": 2}, {"name": "b", "replicas": 3}],
        "services": {"front": {"replicas": 1}, "back": {"replicas": 2}},
    },
    "status": {
        "active": 2,
        "state": "ready",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False"}],
    },
}

VALUES = [
    (".", [JOB]),
    (".spec.parallelism", [4]),
    (".spec.absent.deeper", [None]),
    (".spec.parallelism // 1", [4]),
    (".spec.absent // 1", [1]),
    (".spec.absent // .spec.gone // 7", [7]),
    ("(.status.active // 0) > 0 and (.status.ready // 0) == 0", [True]),
    (".spec.parallelism > 1 and (.status.ready // 0) < .spec.parallelism and ((.status.succeeded // 0) > 0)", [False]),
    ('.spec.suspend == true and (.status.state == "suspended" or (.status.state | not))', [False]),
    ('(.spec.suspend != true) and (.status.state != "ready")', [False]),
    (".spec.groups[].replicas", [2, 3]),
    (".spec.groups[0].name", ["a"]),
    (".spec.groups[-1].name", ["b"]),
    (".spec.groups[9].name", [None]),
    (".spec.groups | length", [2]),
    ("[.spec.groups[].replicas] | add", [5]),
    ("[.spec.groups[] | .replicas * 2] | max", [6]),
    (".spec.services | to_entries[] | .key", ["front", "back"]),
    (".spec.services[].replicas", [1, 2]),
    ('.metadata.labels["training.kubeflow.org/replica-type"]', ["worker"]),
    ('.metadata.labels."training.kubeflow.org/replica-type"', ["worker"]),
    ('.spec.groups[] | select(.name == "b") | .replicas', [3]),
    ('[(.status.conditions // [])[] | select(.type == "Ready" and .status == "True")] | length', [1]),
    ('any(.status.conditions[]; .type == "Ready")', [True]),
    ('all(.status.conditions[]; .type == "Ready")', [False]),
    ("any(1; 2; 3)", ExpressionError),
    ("(.spec.gone // {} | to_entries | map(.value.active // 0) | add // 0) > 0", [False]),
    (".status.state | ascii_upcase | ascii_downcase", ["ready"]),
    ('.spec.services | ((.[]? | select(type == "object" and .replicas > 1)))', [{"replicas": 2}]),
    (".spec.groups[] | (.replicas // 1) * (.nodes.count // 2)", [4, 6]),
    ('.status.conditions | any(.type == "Ready")', [True]),
    ('.status.conditions | all(.status == "True")', [False]),
    (".status.conditions | map(.type) | first", ["Ready"]),
    ("if .spec.suspend then 0 else 1 end", [0]),
    ("if .spec.absent then 0 elif .spec.suspend then 5 else 1 end", [5]),
    ("if .spec.absent then 0 end", [JOB]),
    ("1", [1]),
    ("1, 2", [1, 2]),
    ("-1 + 3", [2]),
    ("7 / 2", [3.5]),
    ("6 / 2", [3]),
    ("2 + 3 * 4", [14]),
    ("null + 2", [2]),
    ("null < false and false < true and true < 0", [True]),
    ("true == 1", [False]),
    ('"a" + "b" == "ab"', [True]),
    ('.status.state | startswith("re")', [True]),
    (".status.state | type", ["string"]),
    ("spec.parallelism", [4]),
    (".spec.parallelism | tostring", ["4"]),
    ('"12" | tonumber', [12]),
    ('.status | has("state")', [True]),
    (".spec.groups?", [JOB["spec"]["groups"]]),
    (".status.state[]?", []),
    ("empty", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), VALUES, ids=[text for text, _ in VALUES])
def test_values(text, wanted):
    if wanted is ExpressionError:
        with pytest.raises(ExpressionError):
            compiled(text)
    else:
        assert list(compiled(text).values(JOB)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        ".status.state.deeper",
        ".spec.groups.name",
        ".spec[]",
        ".spec.parallelism[]",
        ".status.state - 1",
        "1 / 0",
        ".spec.suspend | length",
        ".status.state | tonumber",
        "9000000000000000000 * 9000000000000000000",
        "[.spec.groups[].name] - 1",
    ],
)  # fmt: skip
def test_where_jq_fails_nothing_comes_out(text):
    found = compiled(text).values(JOB)
    assert compiled(text).first({}) is None or found == tuple(found)
    if text != ".spec[]":
        assert found == ()


@pytest.mark.parametrize(
    "text",
    ["", "   ", "..", ".a.", ".a[", "(.a", ".a | ", "$x", ". as $x | $x", "{a: 1}", "reduce .a as $x (0; 1)",
     'test("a")', "foo", ".a ==", "] ", ".a b", "if .a then 1", '"\\(1)"', "@base64", "def f: 1; f", "(" * 100,
     "-" * 1999 + "1", "." + "a" * 2000],
)  # fmt: skip
def test_what_is_not_read_is_refused_in_a_sentence(text):
    with pytest.raises(ExpressionError, match=r"expression"):
        compiled(text)


def test_an_evaluation_is_bounded():
    doubling = " | ".join(["[., .]"] * 30) + " | [.[]] | length"
    growing = ".spec.text" + " | . + ." * 30
    crossing = "[.spec.many[] | .] as"
    started = time.monotonic()
    compiled(doubling).values({})
    assert compiled(growing).values({"spec": {"text": "x" * 100}}) == ()
    many = {"many": list(range(1000))}
    assert len(compiled("[.many[]] | [.[]] | length").values(many)) == 1
    assert compiled("[.many[] + (.many | .[]) + 1] | length").values(many) == ()
    assert compiled("(.many[] > .many[]) | not").values(many)[:1] in ((), (True,))
    with pytest.raises(ExpressionError):
        compiled(crossing)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "<", "=="])
@pytest.mark.parametrize("odd", [10**400, float("nan"), float("inf"), -(10**400)])
def test_absurd_numbers(sign, odd):
    for text in (f".a {sign} 1.5", f"1.5 {sign} .a", f".a {sign} .a", ".b[.a]"):
        compiled(text).values({"a": odd, "b": [1]})


def test_values_are_compared_with_texts_as_json():
    assert [worded(value) for value in (True, None, 3, "x", [1])] == ["true", "null", "3", "x", "[1]"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [".", ".a", ".b", ".c", "[]", "[0]", "(", ")", "[", "]", "|", ",", "//", "==", "<", ">=", "+", "-", "*", "/", "and",
     "or", "not", "length", "select(", "map(", "any", "all(", "add", "if", "then", "else", "end", "1", '"x"', "null",
     "true", "?", "keys", "to_entries", "min", "first", "has(", "tostring", "type", "\x00", "é"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=15), JSON)
def test_any_text_is_read_or_refused_and_nothing_raises(pieces, document):
    try:
        expression = compiled(" ".join(pieces))
    except ExpressionError:
        return
    assert expression.values(document) == expression.values(document) or "nan" in repr(expression.values(document))


@settings(max_examples=200)
@given(st.sampled_from([text for text, wanted in VALUES if wanted is not ExpressionError]), JSON)
def test_known_expressions_over_any_document(text, document):
    compiled(text).values({"spec": document, "status": document, "metadata": document})
    compiled(text).first(document)
