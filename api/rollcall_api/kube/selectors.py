"""Label and field selectors: from the texts of a query to requirements. No SQL here.

A label that no object has is absent of each: it meets ``!=``, ``notin`` and ``!key``, and nothing else.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from rollcall.store.objects import Attribute, Requirement, is_label_value
from rollcall_api.kube.objects import LABELS
from rollcall_api.kube.statuses import StatusError, bad_request

FIELDS = {
    "metadata.name": Attribute.OBJECT_NAME,
    "metadata.namespace": Attribute.NAMESPACE,
    "spec.name": Attribute.NAME,
    "spec.type": Attribute.TYPE,
    "spec.category": Attribute.CATEGORY,
    "spec.source": Attribute.SOURCE,
    "spec.projectName": Attribute.PROJECT_NAME,
    "spec.departmentName": Attribute.DEPARTMENT_NAME,
    "spec.submittedBy": Attribute.SUBMITTED_BY,
    "spec.priorityClassName": Attribute.PRIORITY_CLASS_NAME,
    "status.phase": Attribute.PHASE,
}
"""The fields that can be selected by."""

MOST_REQUIREMENTS = 50
NOTHING = Requirement(Attribute.NAME, frozenset())
"""What no object meets."""

_KEY = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<lacked>{_KEY})|(?P<key>{_KEY})"
    rf"(?:\s*(?P<equal>==|=|!=)\s*(?P<value>[^,()\s]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*",
    re.ASCII,
)
_FIELD_TERM = re.compile(r"(?P<field>[^=!]+?)(?P<operator>==|=|!=)(?P<value>.*)", re.DOTALL)


def read_label_selector(text: str) -> tuple[Requirement, ...]:
    """The requirements of a label selector.

    Raises:
        StatusError: 400, naming what cannot be read.
    """
    found: list[Requirement] = []
    for term in _split_outside_brackets(text):
        read = _LABEL_TERM.fullmatch(term)
        if read is None:
            raise _unreadable(text, f'"{term.strip()}" is no requirement')
        found.extend(_label_requirement(read, text))
    return _bounded(found)


def _label_requirement(read: "re.Match[str]", text: str) -> list[Requirement]:
    if read["absent"]:
        attribute = LABELS.get(read["lacked"])
        # Each of ours is always there, but where there is no value to it, or none that a label may have.
        return [] if attribute is None else [Requirement(attribute, frozenset({""}), as_label=True)]
    attribute = LABELS.get(read["key"])
    negated = read["equal"] == "!=" or read["set"] == "notin"
    if read["equal"] is None and read["set"] is None:
        return [NOTHING if attribute is None else Requirement(attribute, frozenset({""}), negated=True, as_label=True)]
    values = [read["value"]] if read["equal"] else [value.strip() for value in read["values"].split(",")]
    wrong = next((value for value in values if not is_label_value(value)), None)
    if wrong is not None:
        raise _unreadable(text, f'"{wrong}" is no value of a label')
    if attribute is None:
        return [] if negated else [NOTHING]
    # An empty value is never a label's here, and so is nothing that could be equal to it.
    return [Requirement(attribute, frozenset(value for value in values if value), negated=negated)]


def read_field_selector(text: str) -> tuple[Requirement, ...]:
    """The requirements of a field selector.

    Raises:
        StatusError: 400, naming what cannot be read.
    """
    found: list[Requirement] = []
    for term in _split_escaped(text):
        read = _FIELD_TERM.fullmatch(term)
        if read is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        attribute = FIELDS.get(read["field"].strip())
        if attribute is None:
            raise bad_request(f"field label not supported: {read['field'].strip()}")
        value = frozenset({_unescaped(read["value"], text)})
        found.append(Requirement(attribute, value, negated=read["operator"] == "!="))
    return _bounded(found)


def _bounded(found: Sequence[Requirement]) -> tuple[Requirement, ...]:
    if len(found) > MOST_REQUIREMENTS:
        raise bad_request(f"a selector has more than {MOST_REQUIREMENTS} requirements")
    return tuple(found)


def _split_outside_brackets(text: str) -> list[str]:
    """The terms, in one walk along the text: whoever asks chooses how long it is."""
    if not text.strip():
        return []
    ends, is_inside = [], False
    for place, letter in enumerate(text):
        if letter in "()":
            is_inside = letter == "("
        elif letter == "," and not is_inside:
            ends.append(place)
    return [text[begin + 1 : end] for begin, end in pairwise([-1, *ends, len(text)])]


def _split_escaped(text: str) -> list[str]:
    """The terms; a comma after a backslash parts none, but for a backslash that is escaped itself."""
    parted = re.findall(r"((?:[^\\,]|\\.|\\\Z)*)(?:,|\Z)", text, re.DOTALL)
    return [term for term in parted if term]


def _unescaped(value: str, text: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*\\(?![\\,=])", value):
        raise bad_request(f"invalid field selector: '{text}': invalid escape sequence")
    return re.sub(r"\\([\\,=])", r"\1", value)


def _unreadable(text: str, why: str) -> StatusError:
    return bad_request(f"unable to parse requirement: '{text}': {why}")
