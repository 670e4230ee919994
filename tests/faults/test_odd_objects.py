"""Whatever JSON stands in an object: the door takes it, the flusher writes it, and the workload beside it as well."""

import asyncio
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.domain.facts import DomainSettings, KindKey
from rollcall.domain.placing import Missing
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.discovery import ServedKind
from rollcall_operator.flusher import Flusher
from rollcall_operator.measures import Measures
from rollcall_operator.places import ClusterIdentity, Places
from rollcall_operator.surroundings import NAMESPACE, NODE, PRIORITY_CLASS
from rollcall_operator.watched import watched_kinds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = KindKey(group="batch", kind="Job")
CLUSTER = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

WORDS = [
    "metadata",
    "spec",
    "status",
    "uid",
    "name",
    "namespace",
    "labels",
    "annotations",
    "template",
    "containers",
    "initContainers",
    "resources",
    "limits",
    "requests",
    "nvidia.com/gpu",
    "cpu",
    "memory",
    "nodeName",
    "phase",
    "conditions",
    "type",
    "reason",
    "message",
    "containerStatuses",
    "state",
    "waiting",
    "running",
    "terminated",
    "exitCode",
    "startedAt",
    "replicas",
    "parallelism",
    "completions",
    "active",
    "ready",
    "succeeded",
    "failed",
    "startTime",
    "completionTime",
    "allocatable",
    "capacity",
    "kai/project",
    "runai/queue",
    "kai.scheduler/node-pool",
    "value",
    "pytorchReplicaSpecs",
    "Worker",
    "priorityClassName",
    "priority",
    "restartCount",
    "image",
    "command",
    "args",
    "lastTransitionTime",
    "observedGeneration",
]
TEXT = st.sampled_from(
    ["", "1", "1e99", "-1", "9" * 25, "True", "Running", "\x00", "\ud800", "../..", "2026-01-01T00:00:00Z", "x" * 3000]
) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | TEXT, inner, max_size=4),
    max_leaves=20,
)
UIDS = st.sampled_from(["a", "b", "c", "d", "good", "\x00", "\ud800", "u" * 500, "", None, 7, ["a"]])
OWNERS = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["batch/v1", "apps/v1", "v1", "x.io/v1"]) | JSON,
        "kind": st.sampled_from(["Job", "ReplicaSet", "Node", "Pod", "Thing"]) | JSON,
        "name": TEXT | JSON,
        "uid": UIDS,
        "controller": st.booleans() | JSON,
    }
)
METADATA = st.fixed_dictionaries(
    {"uid": UIDS},
    optional={
        "name": TEXT | JSON,
        "namespace": st.sampled_from(["lab", "elsewhere"]) | JSON,
        "resourceVersion": st.sampled_from(["1", "5", "900", "9" * 30, "x", "-1"]) | JSON,
        "labels": JSON,
        "annotations": JSON,
        "creationTimestamp": TEXT | JSON,
        "deletionTimestamp": TEXT | JSON,
        "ownerReferences": st.lists(OWNERS, max_size=3) | JSON,
        "generation": JSON,
    },
)
OBJECTS = st.fixed_dictionaries(
    {"metadata": METADATA | JSON},
    optional={
        "apiVersion": st.sampled_from(["batch/v1", "apps/v1", "v1"]) | JSON,
        "kind": st.sampled_from(["Job", "Pod", "Node", "Deployment"]) | JSON,
        "spec": JSON,
        "status": JSON,
        "value": JSON,
    },
) | st.dictionaries(TEXT, JSON, max_size=2)
KINDS = st.sampled_from([*(kind.key for kind in watched_kinds()), POD, POD, NODE, NAMESPACE, PRIORITY_CLASS, JOB])
SIGHTS = st.lists(st.tuples(KINDS, st.sampled_from(EventType), OBJECTS), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """A loop that lives as long as the engine: hypothesis calls from outside of any."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def engine(loop: asyncio.Runner, shared_database: DatabaseSettings) -> Iterator[AsyncEngine]:
    """An engine for every example."""
    engine = create_engine(shared_database, application_name="test")
    yield engine
    loop.run(engine.dispose())


def named(name: str, **labels: str) -> dict[str, Any]:
    """An object as it should be."""
    metadata = {"uid": name, "name": name, "namespace": "lab", "resourceVersion": "10", "labels": labels}
    return {"metadata": metadata, "spec": {}, "status": {"startTime": "2026-01-01T00:00:00Z", "active": 1, "ready": 1}}


@CLUSTER
@given(sights=SIGHTS, all_namespaces=st.booleans())
def test_any_object_is_taken_in_and_holds_up_no_other(
    loop: asyncio.Runner,
    engine: AsyncEngine,
    sights: list[tuple[KindKey, EventType, Any]],
    all_namespaces: bool,  # noqa: FBT001 - hypothesis passes by name
) -> None:
    # A cluster of its own for every example: rows of one are not another's.
    cluster_id = secrets.token_hex(8)
    state = ClusterState(DomainSettings(), all_namespaces=all_namespaces)
    measures = Measures()
    flusher = Flusher(
        state, engine, cluster_id, settings=DomainSettings(), batch_size=4, clock=lambda: NOW, measures=measures
    )
    places = Places(state.surroundings, engine, ClusterIdentity(id=cluster_id, name="test"), DomainSettings())

    async def live() -> set[str]:
        state.observe(
            NAMESPACE, EventType.SEEN, {**named("lab", **{"kai/project": "lab"}), "kind": "Namespace"}, at=NOW
        )
        for key, event, obj in sights:
            state.observe(key, event, obj, at=NOW)
            for owner in list(state.unresolved.values())[:1]:
                state.learn_owner(owner.uid, Missing.GONE)
        state.observe(JOB, EventType.SEEN, {**named("beside"), "apiVersion": "batch/v1", "kind": "Job"}, at=NOW)
        # The namespace may have been taken away or renamed by what was seen: it is the project's again.
        state.observe(
            NAMESPACE, EventType.SEEN, {**named("lab", **{"kai/project": "lab"}), "kind": "Namespace"}, at=NOW
        )
        while await flusher.flush():
            pass
        for uid in [*state.pods, *state.objects]:
            state.forget_unseen([uid], version=2**62, at=NOW) if uid != "beside" else None
        while await flusher.flush():
            pass
        await places.write(NOW)
        async with engine.connect() as connection:
            found = await connection.execute(
                text("SELECT uid FROM workloads WHERE cluster_id = :id AND phase = 'Running'"), {"id": cluster_id}
            )
            return set(found.scalars())

    assert "beside" in loop.run(live())
    assert measures.registry.get_sample_value("rollcall_writes_dropped_total") == 0, "the database takes all of it"
    assert (state.waiting, state.gone_pods) == (0, {})


@pytest.mark.parametrize("name", ["../../../api/v1/secrets", "a/b", "a?b=c", "a#b", "ü"])
def test_an_owner_s_name_stays_one_part_of_the_path(name: str) -> None:
    served = ServedKind(
        key=JOB, plural="jobs", prefix="/apis/batch/v1", namespaced=True, version="v1", is_preferred=True
    )
    path = served.object_path("lab", name)
    assert path.startswith("/apis/batch/v1/namespaces/lab/jobs/")
    assert path.count("/") == 7
    assert not {"?", "#"} & set(path)
