"""Who keeps the machine busy: CPU seconds of each program, so that a bottleneck is named and not guessed."""

import os
import time
from pathlib import Path

import psutil
from bench.figures import Figure
from bench.workshop import Workshop

from rollcall_cluster.binaries import PROGRAMS


class Busy:
    """CPU seconds since the last look, by program."""

    def __init__(self, workshop: Workshop, operator: int | None) -> None:
        self._workshop = workshop
        self._operator = operator
        self._before = self._seconds()
        self._machine_before = _machine()
        self._at = time.perf_counter()

    def cores(self) -> dict[str, float]:
        """Cores kept busy by each program since the start, the busiest first."""
        elapsed = time.perf_counter() - self._at
        found = {name: (spent - self._before.get(name, 0.0)) / elapsed for name, spent in self._seconds().items()}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def figures(self) -> list[Figure]:
        """The same as figures, and what others on the machine took: much of that, and the run says little."""
        elapsed = time.perf_counter() - self._at
        cores = self.cores()
        ours = sum(cores.values())
        found = [Figure(name, "cores", busy, "") for name, busy in cores.items()]
        others = max(0.0, (_machine() - self._machine_before) / elapsed - ours)
        return [
            *found,
            Figure(f"all of these, of {os.cpu_count()}", "cores", ours, ""),
            Figure("everything else on the machine", "cores", others, ""),
        ]

    def _seconds(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for process in psutil.Process().children(recursive=True):
            name = self._name(process)
            if name is not None:
                spent[name] = spent.get(name, 0.0) + _cpu(process)
        spent["PostgreSQL"] = sum(_cpu(process) for process in self._workshop.postgres_processes())
        spent["this benchmark"] = _cpu(psutil.Process())
        return spent

    def _name(self, process: psutil.Process) -> str | None:
        if process.pid == self._operator:
            return "operator"
        try:
            words = [Path(word).name for word in process.cmdline()[:2]]
        except psutil.Error:
            return None
        return next((word for word in words if word in PROGRAMS), None)


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _machine() -> float:
    """CPU seconds that all of the machine has spent on anything."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))
