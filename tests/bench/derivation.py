"""What the pure core costs: reading one pod, deriving one workload."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.figures import Figure, Outcome
from bench.served import RUNNING, Change, JobLife, Versions
from bench.workshop import Workshop
from support.observed import NOW, SETTINGS, node, obj, pod, template

from rollcall.domain.derivation import Derivation, derive
from rollcall.domain.facts import WorkloadView
from rollcall.domain.reading import read_pod
from rollcall.domain.records import Remembered, RememberedPod
from rollcall_operator.cluster_state import ClusterState

MICROS = 1e6

EVENTS_A_FLUSH = 100
"""What comes between two flushes, 200 ms apart, at 500 events a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    pods: tuple[int, ...] = (8, 64, 1000)
    repeats: int = 15
    loop_seconds: float = 0.1


def measure(_workshop: Workshop, sizes: Sizes) -> Outcome:
    """Time one pod's reading and one workload's derivation, alone on one core."""
    figures: list[Figure] = []
    served = json.dumps(JobLife(0, 1, Versions()).pod(0, RUNNING).obj)
    parsed = json.loads(served)
    figures += _timed(f"decode a pod of {len(served) / 1000:.1f} kB", lambda: json.loads(served), sizes)
    figures += _timed("read the same into facts", lambda: read_pod(parsed, SETTINGS), sizes)
    for number in sizes.pods:
        run, found = _derivation_of(number)
        if found.workload.running_pods != number or len(found.pods) != number:
            raise AssertionError(f"{found.workload.running_pods} of {number} pods run")
        timed = _timed(f"derive a workload of {number} pods", run, sizes)
        per_pod = Figure(timed[0].of, "of that a pod", timed[0].value / number, "µs")
        figures += [*timed, per_pod]
    figures += [_churned(number, sizes) for number in sizes.pods]
    return Outcome(
        benchmark="derivation",
        title="Derivation: the pure core, CPU time of one core",
        figures=tuple(figures),
        sizes={"pods": sizes.pods, "repeats": sizes.repeats},
        notes=("Each is the median and the least of several loops; what is remembered is as after a first look.",),
    )


def _churned(number: int, sizes: Sizes) -> Figure:
    """Microseconds of CPU an event of a workload whose pods change all the time, reading and derivations together."""
    life = JobLife(0, number, Versions())
    state = ClusterState(SETTINGS, all_namespaces=True)
    state.seen = None
    for place in range(number):
        _observe(state, life.pod(place, RUNNING))
    first = next(iter(life.changes()))
    _observe(state, first)
    changes = [life.pod(place % number, RUNNING) for place in range(EVENTS_A_FLUSH * sizes.repeats)]
    started = time.process_time()
    for flush in range(sizes.repeats):
        for change in changes[flush * EVENTS_A_FLUSH : (flush + 1) * EVENTS_A_FLUSH]:
            _observe(state, change)
        view = state.view(life.uid)
        if view is None or len(view.pods) != number:
            raise AssertionError(f"not all of {number} pods are known")
        derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS)
    each = (time.process_time() - started) / len(changes) * MICROS
    return Figure(f"an event of a workload of {number} pods, 500 a second", "median", each, "µs")


def _observe(state: ClusterState, change: Change) -> None:
    state.observe(change.key, change.event, change.obj, at=NOW)


def _derivation_of(number: int) -> tuple[Callable[[], Derivation], Derivation]:
    """A PyTorchJob whose pods all run, on eight nodes, seen for the second time."""
    replicas = {"Master": {"replicas": 1, "template": template()}}
    replicas["Worker"] = {"replicas": number - 1, "template": template()}
    running = {"type": "Running", "status": "True"}
    top = obj("PyTorchJob", {"pytorchReplicaSpecs": replicas}, {"conditions": [running]})
    nodes = {f"gpu-{place}": node(f"gpu-{place}", pool="a100") for place in range(8)}
    pods = tuple(
        pod(f"w-{place}", owner=top, role="worker" if place else "master", node=f"gpu-{place % 8}")
        for place in range(number)
    )
    view = WorkloadView(top=top, pods=pods, nodes=nodes)

    first = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS)
    memory = {
        found.uid: RememberedPod(bound_at=found.bound_at, ready_at=found.ready_at, node_pool=found.node_pool)
        for found in first.pods
    }
    again = partial(
        derive,
        view,
        now=NOW,
        remembered=Remembered.of(first.workload),
        remembered_pods=memory,
        settings=SETTINGS,
    )
    return again, again()


def _timed(of: str, run: Callable[[], object], sizes: Sizes) -> list[Figure]:
    """Microseconds of CPU a call, the median and the least of several loops: others on the machine do not count."""
    started = time.process_time()
    run()
    once = max(time.process_time() - started, 1e-7)
    number = max(1, int(sizes.loop_seconds / once))
    found = []
    for _ in range(sizes.repeats):
        started = time.process_time()
        for _ in range(number):
            run()
        found.append((time.process_time() - started) / number * MICROS)
    return [Figure(of, "median", statistics.median(found), "µs"), Figure(of, "least", min(found), "µs")]
