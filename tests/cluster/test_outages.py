"""Nothing is lost: the operator killed, the database away, the API server restarted, objects gone meanwhile."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from kubernetes import client
from pydantic import SecretStr
from support import audit_log
from support.cluster_objects import a_job, a_pod, end_job
from support.kubeconfig_access import access_by
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

from rollcall.cluster_access import Access, ApiStatusError, get_json
from rollcall.errors import ClusterError
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate
from rollcall_cluster.control_plane import LocalCluster

Apply = Callable[..., None]
OperatorOf = Callable[..., OperatorProcess]


def test_a_killed_operator_goes_on_where_it_was(
    operator_of: OperatorOf, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    operator = operator_of()
    with operator:
        apply(a_job(project, "before", run_seconds=1), a_job(project, "across"), a_pod(project, "stays"))
        rows.until(project, "before", phase="Completed")
        across = rows.until(project, "across", phase="Running")
        rows.until(project, "stays", phase="Running")
        operator.kill()
        stays = rows.live(project, "stays")
        history = rows.history(stays["uid"])
        apply(a_job(project, "meanwhile", run_seconds=1))
    with operator:
        rows.until(project, "meanwhile", phase="Completed")
        end_job(api, project, "across")
        done = rows.until(project, "across", phase="Completed")
        assert done["uid"] == across["uid"]
        assert done["running_since"] == across["running_since"]
        again = rows.live(project, "stays")
        assert rows.history(stays["uid"]) == history
        assert again["phase_updated_at"] == stays["phase_updated_at"]
        assert again["updated_at"] == stays["updated_at"], "nothing had changed, so nothing is written"


def test_what_went_while_it_was_down_is_closed_late(
    operator_of: OperatorOf, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    core: Any = client.CoreV1Api(api)
    batch: Any = client.BatchV1Api(api)
    operator = operator_of()
    with operator:
        apply(a_pod(project, "runs"), a_job(project, "ended", run_seconds=1), a_pod(project, "again"))
        rows.until(project, "runs", phase="Running")
        rows.until(project, "ended", phase="Completed")
        old = rows.until(project, "again", phase="Running")
        operator.kill()
    core.delete_namespaced_pod("runs", project)
    core.delete_namespaced_pod("again", project)
    batch.delete_namespaced_job("ended", project, propagation_policy="Background")
    eventually(lambda: len(core.list_namespaced_pod(project).items), lambda number: number == 0)
    apply(a_pod(project, "again"))
    with operator:
        runs = rows.until_deleted(project, "runs")
        assert (runs["phase"], runs["deletion_seen"]) == ("Running", "late")
        ended = rows.until_deleted(project, "ended")
        assert (ended["phase"], ended["deletion_seen"]) == ("Completed", "late")
        new = rows.until(project, "again", phase="Running")
        assert new["uid"] != old["uid"]
        (gone,) = rows.deleted(project, "again")
        assert gone["uid"] == old["uid"]
        late = 'rollcall_deletions_total{seen="late"}'
        # Counted once they are committed.
        eventually(lambda: operator.metric(late, absent=0), lambda number: number >= 3)


def test_a_name_that_comes_back_is_another_workload(
    operator_of: OperatorOf, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    core: Any = client.CoreV1Api(api)
    with operator_of():
        uids = []
        for _ in range(3):
            apply(a_pod(project, "phoenix"))
            uids.append(rows.until(project, "phoenix", phase="Running")["uid"])
            core.delete_namespaced_pod("phoenix", project)
            eventually(lambda: rows.live(project, "phoenix"), lambda row: not row)
        assert [row["uid"] for row in rows.deleted(project, "phoenix")] == uids
        assert {row["deletion_seen"] for row in rows.deleted(project, "phoenix")} == {"exact"}


def test_an_api_server_that_restarts_is_watched_again(
    cluster: LocalCluster, operator_of: OperatorOf, project: str, apply: Apply, rows: Rows
) -> None:
    with operator_of() as operator:
        apply(a_pod(project, "before"))
        row = rows.until(project, "before", phase="Running")
        cluster.stop_api_server()
        assert rows.live(project, "before") == row
        cluster.start_api_server()
        apply(a_job(project, "after", run_seconds=1))
        rows.until(project, "after", phase="Completed")
        assert rows.live(project, "before")["uid"] == row["uid"]
        assert rows.deleted(project, "before") == []
        assert operator.readiness() == "ok"


def test_an_api_server_that_has_just_started_refuses_nothing_for_good(cluster: LocalCluster) -> None:
    access = access_by(cluster.kubeconfig_of("rollcall", "rollcall-operator"))
    asked_before = len(audit_log.lines_of(cluster.audit_log))
    until = time.monotonic() + 180
    asked, ended = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as beside:
        refusals = beside.submit(lambda: asyncio.run(refusals_of_pods(access, asked, ended)))
        try:
            assert asked.wait(30)
            while not was_refused_pods(audit_log.lines_of(cluster.audit_log)[asked_before:]):
                assert time.monotonic() < until, "it never refused anything"
                cluster.stop_api_server()
                cluster.start_api_server()
        finally:
            ended.set()
    assert refusals.result() == [], "it did refuse, and each time it was asked whether it knew better by now"


async def refusals_of_pods(access: Access, asked: threading.Event, ended: threading.Event) -> list[str]:
    """Ask for pods all the time, and say what was refused for good."""
    refusals: list[str] = []

    async def ask_on(session: aiohttp.ClientSession) -> None:
        while not ended.is_set():
            try:
                await get_json(session, access.server, "/api/v1/pods", params={"limit": "1"})
                asked.set()
            except ApiStatusError as error:
                if error.is_refusal:
                    refusals.append(str(error))
            except ClusterError:
                pass  # it is away
            await asyncio.sleep(0.01)

    async with access.session() as session:
        await asyncio.gather(*(ask_on(session) for _ in range(4)))
    return refusals


def was_refused_pods(lines: list[str]) -> bool:
    """Whether the operator's account was refused pods."""
    asked = audit_log.requests(lines)
    return any((one.username, one.resource, one.status) == (audit_log.OPERATOR, "pods", 403) for one in asked)


def test_a_database_that_is_away_for_a_minute_misses_nothing(
    cluster: LocalCluster,
    own_postgres: EmbeddedPostgres,
    project: str,
    apply: Apply,
    api: client.ApiClient,
    tmp_path: Path,
) -> None:
    database = DatabaseSettings(dsn=SecretStr(own_postgres.dsn()))
    migrate(database)
    rows = Rows(database)
    core: Any = client.CoreV1Api(api)
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-operator")
    with OperatorProcess(tmp_path, kubeconfig, database) as operator:
        apply(a_pod(project, "before"), a_pod(project, "goes"), a_job(project, "ends"))
        before = rows.until(project, "before", phase="Running")
        rows.until(project, "goes", phase="Running")
        rows.until(project, "ends", phase="Running")
        own_postgres.stop()
        away_since = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            rows.live(project, "before")
        apply(a_job(project, "meanwhile", run_seconds=2))
        end_job(api, project, "ends")
        core.delete_namespaced_pod("goes", project)
        eventually(operator.readiness, lambda answer: "database" in answer)
        time.sleep(max(0, 60 - (time.monotonic() - away_since)))
        assert operator.program.is_running
        own_postgres.start()
        # Back-off reaches half a minute.
        rows.until(project, "meanwhile", phase="Completed", seconds=90)
        rows.until(project, "ends", phase="Completed")
        gone = rows.until_deleted(project, "goes")
        assert (gone["phase"], gone["deletion_seen"]) == ("Running", "exact")
        assert rows.live(project, "before")["uid"] == before["uid"]
        eventually(operator.readiness, lambda answer: answer == "ok")


def test_the_view_is_built_anew_from_nothing(operator_of: OperatorOf, project: str, apply: Apply, rows: Rows) -> None:
    operator = operator_of()
    with operator:
        apply(a_pod(project, "runs"), a_job(project, "ended", run_seconds=1))
        rows.until(project, "runs", phase="Running")
        rows.until(project, "ended", phase="Completed")
    before = {name: rows.live(project, name) for name in ("runs", "ended")}
    with psycopg.connect(rows.dsn) as connection:
        connection.execute("TRUNCATE workloads, pods")
    with operator:
        for name, row in before.items():
            found = rows.until(project, name, phase=row["phase"])
            same = ("uid", "kind", "created_at", "completed_at", "allocated_gpu_micros", "node_pools", "k8s_phase")
            assert {key: found[key] for key in same} == {key: row[key] for key in same}
