"""Pods that outlive their workload's object for a while: what was last known of it stays."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.operator_in_hand import Life, key_of, with_one_workload
from support.rows import Row, Rows
from support.simulated_cluster import a_container, a_pod_body, owned_by

from rollcall.domain.placing import Missing
from rollcall.settings import DatabaseSettings
from rollcall_demo.resources import DEPLOYMENT, REPLICASET
from rollcall_operator.cluster_state import POD
from rollcall_operator.surroundings import NAMESPACE

pytestmark = pytest.mark.anyio

SPEC = {"replicas": 1, "template": {"spec": {"containers": [a_container()]}}}
STATUS = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


class Chat:
    """A Deployment that serves, as the API server deletes it: in the background, the owner first."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.top = life.see(key_of(DEPLOYMENT), "chat", api_version="apps/v1", spec=SPEC, status=STATUS)
        owner = owned_by(DEPLOYMENT, "chat", "chat")
        self.middle = life.see(
            key_of(REPLICASET), "chat-rs", api_version="apps/v1", owner=owner, spec=SPEC, status=STATUS
        )
        self.pod = self.see_pod()

    def see_pod(self, **body: Any) -> dict[str, Any]:
        """An event of its pod."""
        owner = owned_by(REPLICASET, "chat-rs", "chat-rs")
        return self.life.see(POD, "chat-0", owner=owner, **(body or a_pod_body()))

    def see_pod_end(self) -> None:
        """The pod is asked to go and is not ready any more."""
        body = a_pod_body()
        body["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        self.see_pod(**body)


def closed(database: DatabaseSettings) -> Row:
    """What is kept of the Deployment."""
    rows = Rows(database)
    assert rows.live("lab", "chat") == {}
    (row,) = rows.deleted("lab", "chat")
    return row


@pytest.mark.parametrize("flushed", [True, False], ids=["closed before", "closed with them"])
async def test_its_last_phase_stays(engine: AsyncEngine, database: DatabaseSettings, *, flushed: bool) -> None:
    life = with_one_workload(engine)
    await life.flush()
    before = life.held()
    chat = Chat(life)
    await life.flush()
    assert Rows(database).live("lab", "chat")["phase"] == "Running"
    life.gone(key_of(DEPLOYMENT), chat.top)
    if flushed:
        await life.flush()
        assert closed(database)["phase"] == "Running"
    life.gone(key_of(REPLICASET), chat.middle)
    chat.see_pod_end()
    await life.flush()
    row = closed(database)
    assert (row["phase"], row["phase_message"], row["deletion_seen"]) == ("Running", None, "exact")
    held = Rows(database).query("SELECT workload_uid FROM pods WHERE uid = 'chat-0'")
    assert held == [{"workload_uid": "chat"}], "the pod is there, and holds what it holds"
    life.gone(POD, chat.pod)
    await life.flush()
    assert closed(database) == row
    assert Rows(database).query("SELECT * FROM pods WHERE uid = 'chat-0'") == []
    life.state.forget_owners()
    assert life.held() == before


async def test_an_operator_that_starts_meanwhile_does_not_unlearn_it(
    engine: AsyncEngine, database: DatabaseSettings
) -> None:
    life = with_one_workload(engine)
    chat = Chat(life)
    await life.flush()
    life.gone(key_of(DEPLOYMENT), chat.top)
    await life.flush()
    row = closed(database)
    new = Life(engine)
    new.version = life.version
    new.see(NAMESPACE, "lab", labels={"kai/project": "lab"})
    owner = owned_by(DEPLOYMENT, "chat", "chat")
    new.see(key_of(REPLICASET), "chat-rs", api_version="apps/v1", owner=owner, spec=SPEC, status=STATUS)
    new.state.belonging.learn("chat", Missing.GONE)
    pod = new.see(POD, "chat-0", owner=owned_by(REPLICASET, "chat-rs", "chat-rs"), **a_pod_body())
    await new.flush()
    assert closed(database)["phase"] == row["phase"]
    new.gone(POD, pod)
    await new.flush()
    assert closed(database)["phase"] == row["phase"]
