"""Every operation of the document, asked with data that it allows and data that it forbids, by schemathesis.

All of its checks are on. Where an answer is right and a check disagrees, ALLOWED says which and why.
"""

import re
from dataclasses import dataclass
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure, FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData
from support.api_process import ApiProcess
from support.filled_view import PROJECTS, TOKEN
from support.lenient_reading import is_good
from support.surface import DOCUMENT, OPERATIONS

# Ordered as the document is: else the order of the tests follows from what depends on what.
ORDER = {"operation-ordering": "none"}
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"deterministic": True, "unique-inputs": True, "with-security-parameters": False},
        "phases": {"coverage": ORDER, "fuzzing": ORDER},
    }
)
SCHEMA = schemathesis.openapi.from_path(DOCUMENT, config=CONFIG)


@SCHEMA.hook
def map_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let every other well-formed id be that of something that is there: else nothing but a 404 is ever looked at."""
    known = PROJECTS[0].ids()
    return path_parameters and {
        name: known[name] if name in known and re.fullmatch("[0-9a-f-]{35}[02468ace]", str(value)) else value
        for name, value in path_parameters.items()
    }


@dataclass(frozen=True, slots=True)
class Allowed:
    """An answer that is right although a check says that it is not."""

    failure: type[Failure]
    status: int
    words: str
    because: str


ALLOWED = (
    Allowed(
        RejectedPositiveData, 400, "holds a NUL", "no text of the store has one; a pattern for each would hide the rest"
    ),
    Allowed(RejectedPositiveData, 400, "its value is not a date or an instant", "a pattern knows no calendar"),
    Allowed(RejectedPositiveData, 400, "start must be before end", "no schema can compare two parameters"),
    Allowed(RejectedPositiveData, 400, "at most 1 with PENDING_TIME", "the most groups follow from another parameter"),
)


def is_allowed(failure: Failure, case: schemathesis.Case, response: schemathesis.Response) -> bool:
    if isinstance(failure, AcceptedNegativeData) and case.operation.method == "get":
        # What breaks the schema may be good by the contract: an empty list, a comma in a value, `True`.
        (operation,) = (found for found in OPERATIONS if found.id == case.operation.definition.raw["operationId"])
        return is_good(operation, response.request.url or "")
    return any(
        isinstance(failure, found.failure) and response.status_code == found.status and found.words in response.text
        for found in ALLOWED
    )


@SCHEMA.parametrize()
@settings(max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_it_keeps_what_its_document_promises(api: ApiProcess, asking_api: ApiProcess, case: schemathesis.Case) -> None:
    # Who is asking is told by a token; a token is asked for where everybody gets one.
    scoped = "security" in case.operation.definition.raw
    headers = {"Authorization": f"Bearer {TOKEN}"} if scoped else {}
    base_url = asking_api.address if scoped else api.address
    response = case.call(base_url=base_url, headers=headers)
    try:
        case.validate_response(response, headers=headers, transport_kwargs={"base_url": base_url, "headers": headers})
    except FailureGroup as group:
        left = [failure for failure in group.exceptions if not is_allowed(failure, case, response)]
        if left:
            raise FailureGroup(left, group.message) from None
