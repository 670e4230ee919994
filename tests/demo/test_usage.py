"""What simulated pods are said to use: plausible, the same each time, and only while they run on simulated nodes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from kubernetes import client

from rollcall.cluster_access import Access
from rollcall_demo import measuring
from rollcall_demo.exporter import Exporter, Measurements
from rollcall_demo.objects import Objects
from rollcall_demo.player import Player
from rollcall_demo.resources import NODE, POD
from rollcall_demo.usage import Container, Devices, cpu_seconds, gpu_amounts, memory_bytes, running_containers

BEGINS_AT = datetime(2026, 3, 1, 12, 0, 17, tzinfo=UTC)


def a_node(name: str = "gpu-1", **metadata: Any) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.memory": "1000", "nvidia.com/gpu.product": "model", "rollcall.dev/simulated": "true"}
    return {"metadata": {"name": name, "labels": labels, **metadata}}


def a_pod(name: str = "a", gpus: int = 1, *, node: str | None = "gpu-1", state: Any = None, phase: str = "Running"):
    state = {"running": {"startedAt": BEGINS_AT.isoformat()}} if state is None else state
    resources = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": str(gpus)}}
    return {
        "metadata": {"name": name, "namespace": "vision", "uid": f"uid-{name}"},
        "spec": {"nodeName": node, "containers": [{"name": "main", "resources": resources}]},
        "status": {"phase": phase, "containerStatuses": [{"name": "main", "state": state}]},
    }


def indexes(containers: list[Container]) -> dict[str, tuple[int, ...]]:
    return {one.pod: tuple(device.index for device in one.devices) for one in containers}


def test_a_container_has_its_gpus_for_as_long_as_its_pod_is_there() -> None:
    devices = Devices()
    seen = lambda *pods: indexes(list(running_containers(pods, [a_node()], devices)))  # noqa: E731
    a, b, c = a_pod("a", 2), a_pod("b", 1), a_pod("c", 3)
    assert seen(a, b) == {"a": (0, 1), "b": (2,)}
    assert seen(b, c) == {"b": (2,), "c": (0, 1, 3)}
    over = a_pod("b", 1, phase="Succeeded", state={"terminated": {}})
    assert seen(a_pod("d", 1), over, c) == {"d": (2,), "c": (0, 1, 3)}


@pytest.mark.parametrize(
    ("pod", "node"),
    [
        (a_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}), a_node()),
        (a_pod(state={"terminated": {"exitCode": 0}}, phase="Succeeded"), a_node()),
        (a_pod(state={}), a_node()),
        (a_pod(node=None), a_node()),
        (a_pod(), a_node("another")),
        (a_pod(), a_node(labels={})),
        (a_pod(), a_node(labels=None)),
    ],
)
def test_nothing_is_made_up_of_what_does_not_run_or_is_real(pod: dict[str, Any], node: dict[str, Any]) -> None:
    assert list(running_containers([pod], [node], Devices())) == []


def test_kwok_s_nodes_are_simulated_too() -> None:
    node = a_node(labels={}, annotations={"kwok.x-k8s.io/node": "fake"})
    assert len(list(running_containers([a_pod()], [node], Devices()))) == 1


def test_amounts_are_within_what_there_is_and_sums_never_fall() -> None:
    pods = [a_pod(f"pod-{number}", 1 + number % 3) for number in range(30)]
    containers = list(running_containers(pods, [a_node()], Devices()))
    busy = set()
    for container in containers:
        last = 0.0
        for seconds in range(-2, 600, 3):
            now = BEGINS_AT + timedelta(seconds=seconds)
            core_seconds = cpu_seconds(container, now)
            assert 0 <= core_seconds - last <= 2 * 3
            last = core_seconds
            assert 0 < memory_bytes(container, now) <= 2**30
            for device in container.devices:
                amounts = gpu_amounts(container, device, now)
                assert amounts == gpu_amounts(container, device, now)
                assert 0 <= amounts["DCGM_FI_DEV_GPU_UTIL"] <= 100
                assert amounts["DCGM_FI_DEV_FB_USED"] + amounts["DCGM_FI_DEV_FB_FREE"] == pytest.approx(1000, abs=1)
                shares = [value for name, value in amounts.items() if name.endswith(("ACTIVE", "OCCUPANCY"))]
                assert len(shares) == 8
                assert 0 <= min(shares) <= max(shares) <= 1
                busy.add(amounts["DCGM_FI_DEV_GPU_UTIL"])
                if len(container.devices) == 1:
                    assert amounts["DCGM_FI_PROF_NVLINK_TX_BYTES"] == 0
    assert len(busy) > 20, "with ups and downs"


def test_the_series_say_that_they_are_simulated_and_are_those_of_the_running_pods() -> None:
    objects = Objects()
    player = Player(objects, seed=1, begins_at=BEGINS_AT)
    now = BEGINS_AT + timedelta(seconds=90)
    at = BEGINS_AT
    while at < now:
        at += timedelta(seconds=1)
        player.catch_up(at)
    containers = list(running_containers(objects.all(POD), objects.all(NODE), Devices()))
    families = {one.name: one for one in Measurements(containers, now).collect()}
    assert all(one.documentation.startswith("Simulated") for one in families.values())
    assert families["rollcall_demo_simulated"].samples[0].value == 1
    running = {
        pod["metadata"]["name"]
        for pod in objects.all(POD)
        if any("running" in one["state"] for one in pod["status"].get("containerStatuses", ()))
    }
    assert len(running) > 20
    memory = families["container_memory_working_set_bytes"].samples
    assert {sample.labels["pod"] for sample in memory} == running
    used = [(sample.labels["Hostname"], sample.labels["gpu"]) for sample in families["DCGM_FI_DEV_GPU_UTIL"].samples]
    assert len(used) == len(set(used)) > 10, "no GPU is two pods'"
    assert {int(gpu) for _, gpu in used} <= set(range(8))


@pytest.mark.anyio
async def test_where_the_cluster_cannot_be_read_the_scrape_fails() -> None:
    configuration = client.Configuration()
    configuration.host = "http://127.0.0.1:1"
    app = web.Application()
    app.router.add_get("/metrics", Exporter(Access(configuration)).answer)
    async with TestClient(TestServer(app)) as asking:
        answer = await asking.get("/metrics")
        assert answer.status == 503
        assert "gave no answer" in await answer.text()


class Test_the_prometheus_that_is_run:  # noqa: N801 - the sentence reads on
    """Which one, where there may be several."""

    @pytest.fixture(autouse=True)
    def on_the_path(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        program = tmp_path / "prometheus"
        program.touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv(measuring.URL_SETTING, raising=False)
        return program

    def test_is_the_one_on_the_path(self, on_the_path: Path) -> None:
        assert measuring.chosen_prometheus(None, is_simulated=True) == on_the_path

    def test_is_none_where_there_is_none(self, on_the_path: Path) -> None:
        on_the_path.unlink()
        assert measuring.chosen_prometheus(None, is_simulated=True) is None

    def test_is_the_given_one_first(self) -> None:
        assert measuring.chosen_prometheus(Path("/given"), is_simulated=True) == Path("/given")
        assert measuring.chosen_prometheus(Path("/given"), is_simulated=False) == Path("/given")

    def test_is_none_for_a_cluster_that_may_be_real(self) -> None:
        assert measuring.chosen_prometheus(None, is_simulated=False) is None

    def test_is_the_users_own_where_they_name_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(measuring.URL_SETTING, "http://prometheus.example")
        assert measuring.chosen_prometheus(Path("/given"), is_simulated=True) is None
