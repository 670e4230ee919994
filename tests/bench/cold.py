"""A cold start: from the process's start to readiness and to the last row, and the memory that it takes."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from bench.cluster_requests import Json, Requests, all_at_once
from bench.figures import Figure, Outcome, quantile
from bench.workshop import NODES, Workshop
from support.cluster_objects import a_pod
from support.operator_process import OperatorProcess

from rollcall.settings import DatabaseSettings
from rollcall_cluster.binaries import kubernetes_version

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 900
KUBEFLOW = "kubeflow.org/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is there before the operator is."""

    pods: int = 5000
    workloads: int = 1000
    runs: int = 3


@dataclass(frozen=True, slots=True)
class Start:
    """What one start came to."""

    ready_seconds: float
    rows_seconds: float
    cpu_seconds: float
    peak_bytes: int


async def measure(workshop: Workshop, sizes: Sizes) -> Outcome:
    """Fill a cluster once, then start operators on it: each on an empty database, then once more on the full one."""
    kubeconfig = workshop.cluster.kubeconfig_of("rollcall", "rollcall-operator")
    await _fill(workshop, workshop.project(), sizes)
    cold, warm = [], []
    for number in range(sizes.runs):
        database = workshop.database()
        folder = workshop.folder / f"cold-{number}"
        folder.mkdir()
        for word, starts in (("cold", cold), ("warm", warm)):
            start = _start(OperatorProcess(folder, kubeconfig, database, name=word), database, sizes)
            starts.append(start)
            workshop.say(
                f"cold: {word} start {number + 1}: ready after {start.ready_seconds:.1f} s,"
                f" all rows after {start.rows_seconds:.1f} s"
            )
    return Outcome(
        benchmark="cold",
        title="Cold start on a real control plane",
        figures=tuple(_figures("empty database", cold) + _figures("full database", warm)),
        sizes={"pods": sizes.pods, "workloads": sizes.workloads, "runs": sizes.runs},
        notes=(
            "From the process's start; the median of the runs. Ready is `/readyz`: it comes before the first batch.",
            "Memory is the most that was resident.",
        ),
        stands_on={"PostgreSQL": workshop.postgres_version(), "Kubernetes": kubernetes_version()},
    )


def _figures(of: str, starts: list[Start]) -> list[Figure]:
    def median(name: str) -> float:
        return quantile([getattr(start, name) for start in starts], 0.5)

    return [
        Figure(of, "ready", median("ready_seconds"), "s"),
        Figure(of, "last row", median("rows_seconds"), "s"),
        Figure(of, "last row, longest", max(start.rows_seconds for start in starts), "s"),
        Figure(of, "CPU", median("cpu_seconds"), "s"),
        Figure(of, "peak memory", median("peak_bytes") / 2**20, "MiB"),
    ]


def _start(operator: OperatorProcess, database: DatabaseSettings, sizes: Sizes) -> Start:
    started = time.perf_counter()
    ready_at = None
    try:
        operator.begin()
        with psycopg.connect(database.dsn.get_secret_value(), autocommit=True) as connection:
            while True:
                if ready_at is None and operator.readiness() == "ok":
                    ready_at = time.perf_counter()
                counts = connection.execute("SELECT (SELECT count(*) FROM workloads), (SELECT count(*) FROM pods)")
                at = time.perf_counter()
                if ready_at is not None and counts.fetchone() == (sizes.workloads, sizes.pods):
                    break
                if at - started > PATIENCE_SECONDS or not operator.program.is_running:
                    raise AssertionError(f"not all rows after {at - started:.0f} s:\n{operator.program.last_lines()}")
                time.sleep(LOOK_SECONDS)
        process = psutil.Process(operator.program.pid)
        times = process.cpu_times()
        return Start(ready_at - started, at - started, times.user + times.system, _peak_bytes(process))
    finally:
        operator.program.stop()


def _peak_bytes(process: psutil.Process) -> int:
    """The most that was ever resident; where the system does not tell, what is now."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return int(process.memory_info().rss)


async def _fill(workshop: Workshop, project: str, sizes: Sizes) -> None:
    """PyTorchJobs without their controller, and the pods it would make, bound as a scheduler would; kwok runs them."""
    access = workshop.access()
    jobs: dict[int, Json] = {}
    made = 0
    said = time.monotonic()

    async with access.session() as session:
        requests = Requests(session, access.server)
        pods_path = f"/api/v1/namespaces/{project}/pods"

        async def create_job(number: int) -> None:
            path = f"/apis/{KUBEFLOW}/namespaces/{project}/pytorchjobs"
            jobs[number] = await requests.create(path, _job(project, number))

        async def create_pod(number: int) -> None:
            nonlocal made, said
            await requests.create(pods_path, _pod(project, number, jobs[number % sizes.workloads]))
            made += 1
            if time.monotonic() - said > 10:
                said = time.monotonic()
                workshop.say(f"cold: {made} of {sizes.pods} pods created")

        workshop.say(f"cold: creating {sizes.workloads} PyTorchJobs")
        await all_at_once(range(sizes.workloads), create_job)
        await all_at_once(range(sizes.pods), create_pod)
        workshop.say("cold: waiting until all pods run")
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Another process is waited for: it sets no event here.
            while (await requests.read(pods_path, fieldSelector="status.phase!=Running", limit="1"))["items"]:  # noqa: ASYNC110
                await asyncio.sleep(1)
        # Their last changes are no part of a start.
        await asyncio.sleep(2)


def _job(project: str, number: int) -> Json:
    template = {"spec": {"containers": [{"name": "pytorch", "image": "registry.example/train:1"}]}}
    return {
        "apiVersion": KUBEFLOW,
        "kind": "PyTorchJob",
        "metadata": {"name": f"train-{number}", "namespace": project},
        "spec": {"pytorchReplicaSpecs": {"Worker": {"replicas": 5, "template": template}}},
    }


def _pod(project: str, number: int, job: Json) -> Json:
    name = f"train-{number % 1_000_000}"
    pod = a_pod(project, f"{name}-worker-{number}")
    owner = {key: job[key] for key in ("apiVersion", "kind")} | {
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
    }
    labels = {
        "training.kubeflow.org/job-name": job["metadata"]["name"],
        "training.kubeflow.org/replica-type": "worker",
        "training.kubeflow.org/replica-index": str(number),
    }
    pod["metadata"] |= {"labels": labels, "ownerReferences": [owner]}
    pod["spec"]["nodeName"] = f"node-{number % NODES:02}"
    return pod
