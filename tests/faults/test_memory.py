"""Memory is bounded by what is live: when thousands have come and gone, nothing of them is left."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.operator_in_hand import Life, key_of, with_one_workload
from support.rows import Rows
from support.simulated_cluster import RUNNING, a_container, a_pod_body, owned_by

from rollcall.domain.facts import KindKey
from rollcall.domain.placing import Missing
from rollcall.settings import DatabaseSettings
from rollcall_demo.resources import DEPLOYMENT, JOB, REPLICASET
from rollcall_operator.cluster_state import POD
from rollcall_operator.listing import Listed, Lists, Standing
from rollcall_operator.surroundings import NAMESPACE
from rollcall_operator.sweep import Sweeper

pytestmark = pytest.mark.anyio

WORKLOADS = 2_000


@pytest.fixture
def life(engine: AsyncEngine) -> Life:
    return with_one_workload(engine)


async def test_two_thousand_come_and_go(life: Life, database: DatabaseSettings) -> None:
    await life.flush()
    before = life.held()
    seen: list[tuple[KindKey, dict[str, Any]]] = []
    template = {"spec": {"containers": [a_container()]}}
    for number in range(WORKLOADS):
        name = f"w-{number}"
        match number % 4:
            case 0:  # a bare pod, on a node that goes with it
                body = a_pod_body()
                body["spec"]["nodeName"] = f"node-{number}"
                seen.append((POD, life.see(POD, name, **body)))
            case 1:  # a Job and a pod that fails to start, so that time alone changes it
                job = life.see(key_of(JOB), name, api_version="batch/v1", status=RUNNING, spec={"template": template})
                waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": "no such Secret"}}
                body = a_pod_body("Pending")
                body["status"]["containerStatuses"][0]["state"] = waiting
                pod = life.see(POD, f"{name}-0", owner=owned_by(JOB, name, name), **body)
                seen += [(key_of(JOB), job), (POD, pod)]
            case 2:  # a chain
                top = life.see(key_of(DEPLOYMENT), name, api_version="apps/v1", spec={"template": template}, status={})
                middle = life.see(
                    key_of(REPLICASET),
                    f"{name}-rs",
                    api_version="apps/v1",
                    owner=owned_by(DEPLOYMENT, name, name),
                    spec={"template": template},
                    status={},
                )
                pod = life.see(POD, f"{name}-0", owner=owned_by(REPLICASET, f"{name}-rs", f"{name}-rs"), **a_pod_body())
                # Owners go first, as in a background deletion.
                seen += [(key_of(DEPLOYMENT), top), (key_of(REPLICASET), middle), (POD, pod)]
            case _:  # known by its pods' owner alone
                owner = {"apiVersion": "x.io/v1", "kind": "Thing", "name": name, "uid": name, "controller": True}
                pod = life.see(POD, f"{name}-0", owner=owner, **a_pod_body())
                life.state.learn_owner(name, Missing.FORBIDDEN)
                seen.append((POD, pod))
    await life.flush()
    counted = "SELECT (SELECT count(*) FROM workloads) AS live, (SELECT count(*) FROM deleted_workloads) AS gone"
    assert Rows(database).query(counted) == [{"live": WORKLOADS + 1, "gone": 0}]
    assert len(life.state.pods) == WORKLOADS + 1
    for key, obj in seen:
        life.gone(key, obj)
    await life.flush()
    assert Rows(database).query(counted) == [{"live": 1, "gone": WORKLOADS}]
    # The next sweep forgets the owners that were looked up; the graces that were waited for run out.
    life.state.forget_owners()
    life.now += timedelta(hours=1)
    await life.flush()
    assert life.held() == before


async def test_what_only_a_sweep_finds_leaves_nothing_either(life: Life, database: DatabaseSettings) -> None:
    await life.flush()
    before = life.held()
    for number in range(300):
        job = f"j-{number}"
        life.see(key_of(JOB), job, api_version="batch/v1", status=RUNNING)
        life.see(POD, f"{job}-0", owner=owned_by(JOB, job, job), **a_pod_body())
    await life.flush()
    sweeper = Sweeper(life.state, None, "", (), clock=lambda: life.now)  # type: ignore[arg-type] - it lists nothing
    lists = Lists(
        by_kind={
            key_of(JOB): Listed(standing=Standing.LISTED, uids=frozenset({"live"}), version=life.version),
            POD: Listed(standing=Standing.LISTED, uids=frozenset({"live-0"}), version=life.version),
        }
    )
    assert sweeper.compare(lists, {}, {}) == 600
    await life.flush()
    assert life.held() == before
    gone = Rows(database).query("SELECT DISTINCT phase, deletion_seen FROM deleted_workloads")
    assert gone == [{"phase": "Running", "deletion_seen": "late"}]


async def test_events_of_what_is_live_make_nothing_grow(life: Life) -> None:
    await life.flush()
    for _ in range(3):
        for turn in range(200):
            waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": f"try {turn}"}}
            body = a_pod_body("Pending")
            body["status"]["containerStatuses"][0]["state"] = waiting
            life.see(POD, "live-0", owner=owned_by(JOB, "live", "live"), **body)
            assert life.state.waiting == 1, "events wait under their workload's uid"
            if turn % 10 == 0:
                await life.flush()
        await life.flush()
    held = life.held()
    flusher = ("_revisits", "_revisit_at", "_written", "remembered")
    grows = [*(f"Flusher.{name}" for name in flusher), "ClusterState.objects", "ClusterState.pods"]
    assert {held[name] for name in grows} == {1}


async def test_what_comes_and_goes_outside_of_projects_leaves_no_trace(life: Life, database: DatabaseSettings) -> None:
    """Else every pod of every other namespace would be written, and kept as long as history is."""
    rows = Rows(database)
    life.state.may_be_stored = life.flusher.may_be_stored
    await life.flush()
    before = life.held()
    pod = life.see(POD, "was-shown", owner=owned_by(JOB, "live", "live"), **a_pod_body())
    await life.flush()
    # No project any more: what was written is closed all the same, what was not is none of ours.
    life.see(NAMESPACE, "lab")
    other = life.see(POD, "other", **a_pod_body())
    for obj in (pod, other):
        life.gone(POD, obj)
    await life.flush()
    assert [row["uid"] for row in rows.query("SELECT uid FROM deleted_pods")] == ["was-shown"]
    assert [row["uid"] for row in rows.query("SELECT uid FROM deleted_workloads")] == ["live"]
    assert rows.query("SELECT * FROM tombstones") == []
    life.see(NAMESPACE, "lab", labels={"kai/project": "lab"})
    await life.flush()
    assert life.held() == before
