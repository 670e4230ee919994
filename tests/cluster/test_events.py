"""What the real scheduler says of a pod comes out of the API's own endpoint."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from support.api_process import ApiProcess
from support.cluster_objects import a_job
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

from rollcall.settings import DatabaseSettings

OperatorOf = Callable[..., OperatorProcess]


def test_why_a_job_is_not_scheduled(
    project: str,
    apply: Callable[..., None],
    operator_of: OperatorOf,
    rows: Rows,
    database: DatabaseSettings,
    tmp_path: Path,
) -> None:
    with operator_of(), ApiProcess(tmp_path, database) as api:
        apply(a_job(project, "too-big", gpus=64))
        uid = rows.until(project, "too-big", phase="Pending")["uid"]

        def asked(end: str) -> dict[str, Any]:
            answer = httpx.get(f"{api.address}/api/v1/workloads/{uid}/{end}")
            assert answer.status_code == 200, answer.text
            body: dict[str, Any] = answer.json()
            return body

        def reasons() -> dict[str, dict[str, Any]]:
            return {event["reason"]: event for event in asked("events")["events"]}

        found = eventually(reasons, lambda events: {"FailedScheduling", "SuccessfulCreate"} <= events.keys())
        failed = found["FailedScheduling"]
        assert (failed["type"], failed["source"]) == ("Warning", "default-scheduler")
        assert "nodes are available" in failed["message"]
        assert failed["involvedObject"]["kind"] == "Pod"
        assert failed["involvedObject"]["namespace"] == project
        created = found["SuccessfulCreate"]
        assert created["involvedObject"] == {"uid": uid, "kind": "Job", "name": "too-big", "namespace": project}
        history = asked("history")["records"]
        assert {one["meta"]["type"] for one in history} == {"Event", "PhaseUpdate"}
        instants = [datetime.fromisoformat(one["meta"]["creationTimestamp"]) for one in history]
        assert instants == sorted(instants, reverse=True)
