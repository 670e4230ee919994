"""The check of what the processes ask a cluster for finds what it is for."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.audit_log import OPERATOR, faults, lines_of, requests
from support.lacking_rights import Right

GRANTED = {
    OPERATOR: [
        Right(group="batch", resource="jobs", verb="list"),
        Right(
            group="coordination.k8s.io",
            resource="leases",
            verb="update",
            name="rollcall-operator",
            namespace="rollcall",
        ),
    ]
}
LIST_JOBS = {"verb": "list", "objectRef": {"apiGroup": "batch", "resource": "jobs"}}
A_LEASE = {"apiGroup": "coordination.k8s.io", "resource": "leases", "namespace": "rollcall"}
REFUSED = {"responseStatus": {"code": 403}}


def line(username: str = OPERATOR, **more: Any) -> str:
    whole = {"user": {"username": username}, "userAgent": "rollcall", "requestURI": "/a", "verb": "get"}
    return json.dumps({**whole, "responseStatus": {"code": 200}, **more})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([line(**LIST_JOBS), line()], [], id="what is granted, and discovery"),
        pytest.param([line("admin", **LIST_JOBS)], ["A process ran as admin."], id="an admin"),
        pytest.param([line("admin", userAgent="kubectl/v1", **LIST_JOBS)], [], id="an admin's own client"),
        pytest.param(
            [line("ada", verb="create", objectRef={"resource": "selfsubjectreviews"})], [], id="a caller's own token"
        ),
        pytest.param([line("", responseStatus={"code": 401})], [], id="a token that is nobody's"),
        pytest.param(
            [line("admin", impersonatedUser={"username": "somebody"}, **LIST_JOBS)], [], id="a user that a test plays"
        ),
        pytest.param(
            [line(**{**LIST_JOBS, "verb": "get"})],
            [f"{OPERATOR} has no right to get jobs: /a"],
            id="a verb beyond the rules",
        ),
        pytest.param(
            [line(verb="update", objectRef={**A_LEASE, "name": "another"})],
            [f"{OPERATOR} has no right to update leases: /a"],
            id="a name beyond the rules",
        ),
        pytest.param([line(verb="update", objectRef={**A_LEASE, "name": "rollcall-operator"})], [], id="the Lease"),
        pytest.param([line(**LIST_JOBS, **REFUSED)], [f"{OPERATOR} was refused list jobs: /a"], id="a refusal"),
        pytest.param([line(**LIST_JOBS), line(**LIST_JOBS, **REFUSED)], [], id="a refusal of what was let in before"),
    ],
)
def test_it_finds_what_should_not_have_been_asked(lines: list[str], said: list[str]) -> None:
    assert faults(requests(lines), GRANTED) == said


def test_a_line_that_is_being_written_is_read_another_time(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(f"{line()}\n{line()}\n{line(requestURI='/é')}".encode()[:-4])
    assert lines_of(log) == [line(), line()]
    log.write_bytes(b"")
    assert lines_of(log) == []
