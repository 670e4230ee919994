"""Kinds that appear after the start are watched by themselves; kinds that go are released, their rows closed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import SimulatedCluster, a_container

from rollcall.domain.facts import DomainSettings, KindKey
from rollcall.store.records import DeletionSeen, OpenWorkload
from rollcall_demo.resources import CRD, PYTORCHJOB
from rollcall_operator.cluster_state import ClusterState, EventType
from rollcall_operator.listing import Standing
from rollcall_operator.sweep import UNSERVED_FOR, Sweeper
from rollcall_operator.watched import watched_kinds

OperatorOf = Callable[..., OperatorProcess]

PYTORCHJOB_KEY = KindKey(group="kubeflow.org", kind="PyTorchJob")
AGE = 'rollcall_watch_age_seconds{group="kubeflow.org",kind="PyTorchJob"}'


def install(cluster: SimulatedCluster) -> None:
    """Serve PyTorchJobs, and say so as an API server does: by the CRD's own watch."""
    cluster.do(cluster.server.faults.serve_without)
    names = {"plural": "pytorchjobs", "kind": "PyTorchJob"}
    cluster.create(CRD, "pytorchjobs.kubeflow.org", namespace=None, spec={"group": "kubeflow.org", "names": names})


def uninstall(cluster: SimulatedCluster) -> None:
    """Stop serving them. Their objects go without a word: the watch has ended by then."""
    cluster.do(cluster.server.faults.serve_without, PYTORCHJOB)
    cluster.delete(CRD, "pytorchjobs.kubeflow.org", namespace="")


def a_pytorchjob(cluster: SimulatedCluster, name: str) -> str:
    """A PyTorchJob that runs; its uid."""
    worker = {"replicas": 1, "template": {"spec": {"containers": [a_container()]}}}
    running = {"type": "Running", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"conditions": [running], "replicaStatuses": {"Worker": {"active": 1}}}
    return cluster.create(PYTORCHJOB, name, spec={"pytorchReplicaSpecs": {"Worker": worker}}, status=status)


def test_a_kind_appears_goes_and_comes_back(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    cluster.do(cluster.server.faults.serve_without, PYTORCHJOB)
    operator = operator_of(operator__sweep_interval_seconds=1, operator__watch_limit_seconds=6).start()
    assert not has_age(operator)
    install(cluster)
    first = a_pytorchjob(cluster, "first")
    row = rows.until("lab", "first", type="PyTorchJob", phase="Running")
    assert row["uid"] == first
    eventually(lambda: has_age(operator), bool)
    uninstall(cluster)
    cluster.delete(PYTORCHJOB, "first")
    # Released: a watch that nobody can have must not end the process.
    eventually(lambda: has_age(operator), lambda there: not there)
    gone = rows.until_deleted("lab", "first")
    assert (gone["phase"], gone["deletion_seen"]) == ("Running", "late")
    eventually(operator.readiness, lambda answer: answer == "ok")
    install(cluster)
    second = a_pytorchjob(cluster, "second")
    assert rows.until("lab", "second", phase="Running")["uid"] == second
    assert rows.deleted("lab", "first")[0]["uid"] == first


def has_age(operator: OperatorProcess) -> bool:
    """Whether the watch of PyTorchJobs is expected to live."""
    try:
        operator.metric(AGE)
    except AssertionError:
        return False
    return True


@pytest.mark.anyio
async def test_a_kind_that_discovery_leaves_out_for_a_moment_is_not_gone(cluster: SimulatedCluster) -> None:
    """As an API server does that has just started: all rows of the kind would be closed for good."""
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    state = ClusterState(DomainSettings(), all_namespaces=True)
    name = "held"
    uid = a_pytorchjob(cluster, name)
    held = cluster.do(cluster.server.objects.get, PYTORCHJOB, "lab", name)
    assert held is not None
    state.observe(PYTORCHJOB_KEY, EventType.SEEN, held, at=clock[0])
    row = OpenWorkload(
        uid="row-alone", api_group="kubeflow.org", kind="PyTorchJob", namespace="lab", name="w", observed_version=1
    )
    async with aiohttp.ClientSession() as session:
        sweeper = Sweeper(state, session, cluster.server.url, watched_kinds(), clock=lambda: clock[0])
        cluster.do(cluster.server.faults.serve_without, PYTORCHJOB)

        async def swept() -> int:
            lists = await sweeper.list_all()
            assert lists.standings[PYTORCHJOB_KEY] is Standing.NOT_SERVED
            return sweeper.compare(lists, {row.uid: row}, {})

        assert await swept() == 0
        cluster.do(cluster.server.faults.serve_without)
        assert (await sweeper.standings())[PYTORCHJOB_KEY].standing is Standing.LISTED
        clock[0] += UNSERVED_FOR
        cluster.do(cluster.server.faults.serve_without, PYTORCHJOB)
        assert await swept() == 0, "it was there meanwhile"
        clock[0] += UNSERVED_FOR - timedelta(seconds=1)
        assert await swept() == 0
        clock[0] += timedelta(seconds=1)
        assert await swept() == 2
    assert {ended for ended, ending in state.ended.items() if ending.gone.seen is DeletionSeen.LATE} == {uid, row.uid}
    assert state.objects == {}


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["lists are refused", "discovery fails"])
async def test_what_cannot_be_listed_closes_nothing(cluster: SimulatedCluster, fault: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    state = ClusterState(DomainSettings(), all_namespaces=True)
    uid = cluster.a_job("held")
    row = OpenWorkload(uid=uid, api_group="batch", kind="Job", namespace="lab", name="held", observed_version=1)
    async with aiohttp.ClientSession() as session:
        sweeper = Sweeper(state, session, cluster.server.url, watched_kinds(), clock=lambda: now)
        lists = await sweeper.list_all()
        assert lists.standings[KindKey(group="batch", kind="Job")] is Standing.LISTED
        if fault == "lists are refused":
            cluster.server.on_request = lambda request: refuse_lists(cluster, request)
            failed = await sweeper.list_all()
            assert set(failed.standings.values()) <= {Standing.FAILED, Standing.NOT_SERVED}
            assert sweeper.compare(failed, {row.uid: row}, {"pod": row.uid}) == 0
        else:
            cluster.do(cluster.server.faults.answer, 503)
            with pytest.raises(Exception, match="503"):
                await sweeper.list_all()
    assert (state.ended, state.gone_pods) == ({}, {})


def refuse_lists(cluster: SimulatedCluster, request: aiohttp.web.BaseRequest) -> None:
    """Answer 500 from here on to whatever is no discovery."""
    depth = len(request.path.strip("/").split("/"))
    is_list = request.path.startswith("/api/v1/") or depth > 3
    cluster.server.faults.answer(500) if is_list else cluster.server.faults.heal()
