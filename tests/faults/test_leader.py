"""One operator writes: a Lease decides; a standby follows a leader that was killed, and one that ends in order."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes import client
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import COMPLETED, SimulatedCluster, exit_code_of

from rollcall.cluster_access import Access
from rollcall_demo.resources import CRD, JOB, LEASE, PYTORCHJOB
from rollcall_operator import leader
from rollcall_operator.leader import LEASE_SECONDS, RETRY_SECONDS, Leadership

OperatorOf = Callable[..., OperatorProcess]

STANDING_BY = "standing by for the Lease"


def leads(operator: OperatorProcess) -> bool:
    """Whether it writes."""
    return operator.metric("rollcall_is_leader") == 1


def test_a_standby_follows_a_killed_leader_and_nothing_flaps(
    cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows
) -> None:
    given = {"operator__leader_election": True, "operator__watch_limit_seconds": 6}
    first = operator_of(name="first", **given).start()
    second = operator_of(name="second", **given)
    second.begin()
    eventually(second.readiness, lambda answer: answer == STANDING_BY)
    assert (leads(first), leads(second)) == (True, False)
    stays, changes = cluster.a_job("stays"), cluster.a_job("changes")
    before = rows.until("lab", "stays", phase="Running")
    rows.until("lab", "changes", phase="Running")
    # A kind that goes is no fault of a standby's watch either.
    cluster.do(cluster.server.faults.serve_without, PYTORCHJOB)
    cluster.create(CRD, "pytorchjobs.kubeflow.org", namespace=None, spec={"group": "kubeflow.org"})
    assert second.metric("rollcall_workloads_written_total") == 0
    first.kill()
    killed_at = datetime.now(UTC)
    cluster.update(JOB, "changes", status=COMPLETED)
    cluster.a_job("goes")
    cluster.delete(JOB, "goes")
    after = rows.until("lab", "changes", phase="Completed")
    # By the Lease itself: what comes between the lead and the first row takes a busy machine as long as it takes.
    assert acquired_at(cluster) - killed_at < timedelta(seconds=LEASE_SECONDS + RETRY_SECONDS + 8)
    assert leads(second)
    eventually(second.readiness, lambda answer: answer == "ok")
    assert rows.history(stays) == ["Running"]
    assert rows.history(changes) == ["Running", "Completed"]
    now = rows.live("lab", "stays")
    assert now["observed_version"] >= before["observed_version"]
    assert (now["phase_updated_at"], now["running_since"]) == (before["phase_updated_at"], before["running_since"])
    assert after["observed_version"] > before["observed_version"]
    # In order: the Lease is given back, and nobody waits for it to run out.
    third = operator_of(name="third", **given)
    third.begin()
    eventually(third.readiness, lambda answer: answer == STANDING_BY)
    assert second.program.pid is not None
    os.kill(second.program.pid, signal.SIGTERM)
    assert exit_code_of(second) == 0
    ended_at = datetime.now(UTC)
    eventually(third.readiness, lambda answer: answer == "ok")
    assert acquired_at(cluster) - ended_at < timedelta(seconds=LEASE_SECONDS / 2)
    assert rows.history(stays) == ["Running"]


def acquired_at(cluster: SimulatedCluster) -> datetime:
    """When whoever holds the operators' Lease took it."""
    lease = cluster.do(cluster.server.objects.get, LEASE, "rollcall", "rollcall-operator")
    assert lease is not None
    return datetime.fromisoformat(lease["spec"]["acquireTime"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An election as short as the package allows, for who is to lose it: a busy machine alone may take the lead."""
    for name, seconds in (("LEASE_SECONDS", 4), ("RENEW_SECONDS", 2), ("RETRY_SECONDS", 1), ("REQUEST_SECONDS", 0.3)):
        monkeypatch.setattr(leader, name, seconds)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals twice as often as in earnest; who leads has as long for one as there."""
    monkeypatch.setattr(leader, "RETRY_SECONDS", 1)


def access_to(cluster: SimulatedCluster) -> Access:
    """How to reach the cluster."""
    configuration = client.Configuration()
    configuration.host = cluster.server.url
    return Access(configuration)


@pytest.mark.anyio
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", ["silence", "errors", "no server"])
async def test_a_leader_that_cannot_renew_says_so_within_the_lease(cluster: SimulatedCluster, fault: str) -> None:
    """An election that waits for ever, or whose thread has died, would leave two writers."""
    leadership = Leadership()
    leadership.campaign(access_to(cluster), namespace="rollcall", name="lease")
    async with asyncio.timeout(60):
        await leadership.leading.wait()
    if fault == "silence":
        cluster.do(cluster.server.faults.go_silent)
    elif fault == "errors":
        cluster.do(cluster.server.faults.answer, 500)
    else:
        cluster.wait(cluster.server.stop())
    async with asyncio.timeout(30):
        await leadership.lost.wait()


@pytest.mark.anyio
@pytest.mark.usefixtures("often")
async def test_a_leader_survives_an_api_server_that_restarts(cluster: SimulatedCluster) -> None:
    leadership = Leadership()
    leadership.campaign(access_to(cluster), namespace="rollcall", name="lease")
    async with asyncio.timeout(60):
        await leadership.leading.wait()
    renewed = renewal_of(cluster)
    cluster.restart()
    async with asyncio.timeout(60):
        while renewal_of(cluster) == renewed:  # noqa: ASYNC110 - another thread's doing
            await asyncio.sleep(0.05)
    assert not leadership.lost.is_set()
    await leadership.resign()
    lease = cluster.do(cluster.server.objects.get, LEASE, "rollcall", "lease")
    assert lease is not None
    assert not lease["spec"]["holderIdentity"]
    # It does not take it back.
    async with asyncio.timeout(60):
        await leadership.lost.wait()
    assert cluster.do(cluster.server.objects.get, LEASE, "rollcall", "lease") == lease


def renewal_of(cluster: SimulatedCluster) -> str:
    """When the Lease was renewed last."""
    lease = cluster.do(cluster.server.objects.get, LEASE, "rollcall", "lease")
    assert lease is not None
    return str(lease["spec"]["renewTime"])


@pytest.mark.anyio
@pytest.mark.usefixtures("often")
async def test_who_does_not_hold_the_lease_gives_nothing_back(cluster: SimulatedCluster) -> None:
    threads = threading.active_count()
    holder, standby = Leadership(), Leadership()
    holder.campaign(access_to(cluster), namespace="rollcall", name="lease")
    async with asyncio.timeout(60):
        await holder.leading.wait()
    standby.campaign(access_to(cluster), namespace="rollcall", name="lease")
    async with asyncio.timeout(60):
        while len([path for method, path in cluster.requests if method == "PUT"]) < 4:  # noqa: ASYNC110 - same
            await asyncio.sleep(0.05)
    await standby.resign()
    assert not standby.leading.is_set()
    lease = cluster.do(cluster.server.objects.get, LEASE, "rollcall", "lease")
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == holder.identity
    await holder.resign()
    assert threading.active_count() < threads + 20


def test_a_leader_has_given_up_before_its_lease_runs_out() -> None:
    latest = leader.RETRY_SECONDS + leader.RENEW_SECONDS + 2 * leader.REQUEST_SECONDS
    assert latest < leader.LEASE_SECONDS
