"""The command: which benchmarks, how large, and what is shown of them."""

import argparse
import asyncio
import inspect
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from bench import churn, cold, derivation, lists, pages, pipe
from bench.figures import Outcome, shown
from bench.workshop import Workshop
from rich.console import Console
from rich.table import Table

Column = tuple[str, str]
"""A property and its unit."""
Rows = dict[str, dict[Column, str]]

WIDTH = 140
"""Of the tables where the output is no terminal."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of them: what runs it, and the sizes that the words of the command line ask for."""

    measure: Callable[[Workshop, Any], Any]
    sizes: Callable[[argparse.Namespace], Any]


BENCHMARKS: Mapping[str, Benchmark] = {
    "derivation": Benchmark(
        derivation.measure, lambda words: derivation.Sizes(pods=tuple(words.derive_pods), repeats=words.derive_repeats)
    ),
    "pipe": Benchmark(
        pipe.measure,
        lambda words: pipe.Sizes(
            workloads=words.pipe_workloads,
            pods_each=words.pipe_pods_each,
            rates=tuple(words.pipe_rates),
            seconds=words.pipe_seconds,
        ),
    ),
    "pages": Benchmark(
        pages.measure,
        lambda words: pages.Sizes(
            live=words.live, pods_each=words.live_pods_each, deleted=words.deleted, requests=words.requests
        ),
    ),
    "lists": Benchmark(lists.measure, lambda words: lists.Sizes(live=words.live, chunk=words.chunk, lists=words.lists)),
    "churn": Benchmark(
        churn.measure,
        lambda words: churn.Sizes(pods=words.churn_pods, at_once=words.churn_at_once),
    ),
    "cold": Benchmark(
        cold.measure,
        lambda words: cold.Sizes(pods=words.cold_pods, workloads=words.cold_workloads, runs=words.cold_runs),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 0 where all came to figures."""
    words = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    progress = Console(stderr=True)
    machine = machine_of()
    command = "make bench" + (f" ARGS={shlex.quote(shlex.join(given))}" if (given := _given(arguments)) else "")
    console.print(command, " · ".join(f"{name} {value}" for name, value in machine.items()), sep="\n", highlight=False)
    outcomes: list[Outcome] = []
    with Workshop(progress) as workshop:
        for name in words.only or BENCHMARKS:
            benchmark = BENCHMARKS[name]
            outcome = benchmark.measure(workshop, benchmark.sizes(words))
            if inspect.isawaitable(outcome):
                outcome = asyncio.run(_awaited(outcome))
            outcomes.append(outcome)
            _show(console, outcome)
    if words.json is not None:
        found = {
            "command": command,
            "machine": machine,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "outcomes": [asdict(outcome) for outcome in outcomes],
        }
        words.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


async def _awaited(outcome: Any) -> Outcome:
    found: Outcome = await outcome
    return found


def machine_of() -> dict[str, str]:
    """What decides how fast this machine is, and how busy it was at the start."""
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def _given(arguments: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if arguments is None else arguments)


def _show(console: Console, outcome: Outcome) -> None:
    """A row for each thing measured, a column for each property; what shares no properties stands in two tables."""
    console.print(f"\n[bold]{outcome.title}[/bold]", highlight=False)
    for rows in _tables(outcome):
        columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
        table = Table()
        table.add_column("")
        for name, unit in columns:
            table.add_column(f"{name}\n{unit}", justify="right")
        for of, cells in rows.items():
            table.add_row(of, *(cells.get(column, "") for column in columns))
        console.print(table)
    parts = [f"{name} {version}" for name, version in outcome.stands_on.items()]
    sizes = [f"{name} {size}" for name, size in outcome.sizes.items()]
    for line in (" · ".join([*sizes, *parts]), *outcome.notes):
        console.print(line, markup=False, highlight=False)


def _tables(outcome: Outcome) -> list[Rows]:
    rows: Rows = {}
    for figure in outcome.figures:
        rows.setdefault(figure.of, {})[figure.name, figure.unit] = shown(figure.value)
    tables: list[Rows] = []
    widest: set[Column] = set()
    for of, cells in rows.items():
        if not (cells.keys() <= widest or widest <= cells.keys()) or not tables:
            tables.append({})
            widest = set()
        tables[-1][of] = cells
        widest |= cells.keys()
    return tables


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=…", formatter_class=argparse.ArgumentDefaultsHelpFormatter, description=__doc__
    )
    add = parser.add_argument
    add("--only", action="append", choices=tuple(BENCHMARKS), help="this one alone; may be given again")
    add("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    add("--derive-pods", type=int, nargs="+", default=[8, 64, 1000], metavar="N", help="pods of the workload")
    add("--derive-repeats", type=int, default=15, metavar="N", help="loops of which the median is taken")
    add("--pipe-workloads", type=int, default=1000, metavar="N", help="Jobs that live through the pipe")
    add("--pipe-pods-each", type=int, default=4, metavar="N", help="pods of each")
    add("--pipe-rates", type=int, nargs="*", default=[500, 1000], metavar="N", help="events a second")
    add("--pipe-seconds", type=float, default=15.0, metavar="S", help="at each rate")
    add("--live", type=int, default=20_000, metavar="N", help="live workloads behind the pages")
    add("--live-pods-each", type=int, default=5, metavar="N", help="pods of each of them")
    add("--deleted", type=int, default=0, metavar="N", help="deleted ones; a million takes minutes to write")
    add("--requests", type=int, default=200, metavar="N", help="for each page")
    add("--chunk", type=int, default=500, metavar="N", help="workloads in one request of kubectl")
    add("--lists", type=int, default=5, metavar="N", help="times that kubectl lists everything")
    add("--churn-pods", type=int, default=1000, metavar="N", help="pods created, run and deleted on the real cluster")
    add("--churn-at-once", type=int, default=200, metavar="N", help="of these alive at once")
    add("--cold-pods", type=int, default=5000, metavar="N", help="pods there before the operator")
    add("--cold-workloads", type=int, default=1000, metavar="N", help="PyTorchJobs that these belong to")
    add("--cold-runs", type=int, default=3, metavar="N", help="starts of the operator, each on an empty database")
    return parser
