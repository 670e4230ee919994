"""Kinds that an admin teaches while the operator lives: what counts, what is told, and the restart between."""

from collections.abc import Callable

import aiohttp
import pytest
import yaml
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import SimulatedCluster, a_container, exit_code_of, owned_by, sentence_of

from rollcall.domain.facts import KindKey
from rollcall.errors import ClusterError
from rollcall_demo.resources import CONFIG_MAP, KARTA, UNKNOWN_KIND
from rollcall_operator import teaching
from rollcall_operator.measures import Measures
from rollcall_operator.teaching import Lessons, Teacher
from rollcall_operator.watched import watched_kinds

OperatorOf = Callable[..., OperatorProcess]

KEY = KindKey(group=UNKNOWN_KIND.group, kind=UNKNOWN_KIND.kind)
LABELS = {"rollcall.dev/kinds": "true"}
DESCRIPTION = {
    "group": KEY.group,
    "kind": KEY.kind,
    "category": "Train",
    "roles": [{"template": "spec.template", "replicas": "spec.workers"}],
    "status": {"word": "status.jobState", "ready": ["On"], "completed": ["Done"]},
}


def teach(cluster: SimulatedCluster, name: str = "kinds", *, labels=None, **data: object) -> None:
    texts = {key: value if isinstance(value, str) else yaml.safe_dump(value) for key, value in data.items()}
    cluster.create(CONFIG_MAP, name, namespace="rollcall", labels=LABELS if labels is None else labels, data=texts)


def a_karta(cluster: SimulatedCluster) -> None:
    root = {
        "name": "run",
        "kind": {"group": KEY.group, "version": "v1", "kind": KEY.kind},
        "statusDefinition": {
            "phaseDefinition": {"path": ".status.jobState"},
            "statusMappings": {"running": [{"byPhase": "On"}], "completed": [{"byPhase": "Done"}]},
        },
        "specDefinition": {"podTemplateSpecPath": ".spec.template"},
        "scaleDefinition": {"replicasPath": ".spec.workers"},
    }
    cluster.create(KARTA, "run", namespace=None, spec={"structureDefinition": {"rootComponent": root}})


def a_run(cluster: SimulatedCluster, name: str, word: str) -> str:
    spec = {"workers": 1, "template": {"spec": {"containers": [a_container()]}}}
    return cluster.create(UNKNOWN_KIND, name, spec=spec, status={"jobState": word})


def test_a_kind_is_taught_while_the_operator_lives(
    cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows
) -> None:
    teach(cluster, "odd", a={"group": "x.example.com", "kind": "Odd", "catgory": "Train"})
    teach(cluster, "unlabelled", labels={"other": "true"}, a=DESCRIPTION)
    uid = a_run(cluster, "alone", "On")
    cluster.a_pod("worker", owner=owned_by(UNKNOWN_KIND, "with-a-pod", a_run(cluster, "with-a-pod", "Done")))
    operator = operator_of().start()
    rows.until("lab", "with-a-pod", type=KEY.kind, phase="Running")  # by its pods alone
    assert (operator.metric("rollcall_kinds_taught"), operator.metric("rollcall_kinds_refused")) == (0, 1)
    assert "'catgory'" in operator.log()
    teach(cluster, a=DESCRIPTION)
    assert exit_code_of(operator) == 1
    assert sentence_of(operator) == (
        "What is taught of ExperimentRun of group lab.example.com has changed;"
        " the operator must be started again to go by it."
    )
    again = operator_of(name="again").start()
    assert rows.until("lab", "alone", phase="Running")["uid"] == uid
    assert rows.until("lab", "with-a-pod", phase="Completed")["type"] == KEY.kind
    assert again.metric("rollcall_kinds_taught") == 1


def test_a_karta_teaches_too(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    a_karta(cluster)
    a_run(cluster, "alone", "On")
    operator = operator_of().start()
    assert rows.until("lab", "alone", phase="Running")["category"] == "Train"
    # Under another name it teaches the same: nothing changes.
    teach(cluster, "odd", a="just words")
    eventually(lambda: operator.metric("rollcall_kinds_refused"), lambda number: number == 1)
    eventually(operator.readiness, lambda answer: answer == "ok")


def a_teacher(cluster: SimulatedCluster, session: aiohttp.ClientSession) -> Teacher:
    return Teacher(session, cluster.server.url, namespace="rollcall", interval_seconds=0.05, measures=Measures())


@pytest.mark.anyio
async def test_what_is_watched_of_what_is_taught(cluster: SimulatedCluster) -> None:
    teach(cluster, a=DESCRIPTION, b={"group": "gone.example.com", "kind": "Gone"})
    async with aiohttp.ClientSession() as session:
        lessons = await a_teacher(cluster, session).begin()
    watched = {kind.key: kind.plural for kind in watched_kinds(lessons.teaching.catalogue, lessons.plurals)}
    assert watched[KEY] == "experimentruns", "by the cluster's own word"
    assert KindKey(group="gone.example.com", kind="Gone") not in watched, "nobody knows its plural yet"
    assert len(watched) == len(watched_kinds()) + 1


@pytest.mark.anyio
async def test_what_gives_no_answer_changes_nothing(cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "SETTLE_SECONDS", 0.05)
    teach(cluster, a=DESCRIPTION)
    async with aiohttp.ClientSession() as session:
        teacher = a_teacher(cluster, session)
        lessons = await teacher.begin()
        assert [lesson.entry.key for lesson in lessons.teaching.lessons] == [KEY]
        for status in (503, 403, 404):
            cluster.do(cluster.server.faults.answer, status)
            with pytest.raises((TimeoutError, ClusterError)):
                async with teaching.asyncio.timeout(0.5):
                    await teacher.until_changed()
            cluster.do(cluster.server.faults.heal)
        cluster.delete(CONFIG_MAP, "kinds", namespace="rollcall")
        async with teaching.asyncio.timeout(60):
            assert (await teacher.until_changed()).startswith("What is taught of ExperimentRun")


@pytest.mark.anyio
async def test_a_start_without_an_answer_is_no_start_without_kinds(cluster: SimulatedCluster) -> None:
    async with aiohttp.ClientSession() as session:
        cluster.do(cluster.server.faults.answer, 503)
        with pytest.raises(ClusterError):
            await a_teacher(cluster, session).begin()


@pytest.mark.anyio
async def test_a_kind_that_is_served_later_is_watched_by_a_new_start(
    cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "SETTLE_SECONDS", 0.05)
    cluster.do(cluster.server.faults.serve_without, UNKNOWN_KIND)
    teach(cluster, a=DESCRIPTION)
    async with aiohttp.ClientSession() as session:
        teacher = a_teacher(cluster, session)
        lessons: Lessons = await teacher.begin()
        assert lessons.plural_of(KEY) == ""
        cluster.do(cluster.server.faults.serve_without)
        async with teaching.asyncio.timeout(60):
            assert (await teacher.until_changed()).startswith("How ExperimentRun of group lab.example.com is served")
        await teacher.begin()
        cluster.do(cluster.server.faults.serve_without, UNKNOWN_KIND)
        with pytest.raises(TimeoutError):
            async with teaching.asyncio.timeout(0.5):
                await teacher.until_changed()
