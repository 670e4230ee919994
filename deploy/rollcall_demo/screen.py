"""What the demo shows: a table of workloads that changes as they live, or a line for each change."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]

COLOURS = {
    "Creating": "cyan",
    "Initializing": "cyan",
    "Resuming": "cyan",
    "Pending": "yellow",
    "Deleting": "magenta",
    "Running": "green",
    "Updating": "green",
    "Stopped": "bright_black",
    "Stopping": "bright_black",
    "Degraded": "dark_orange",
    "Failed": "red",
    "Completed": "blue",
    "Terminating": "magenta",
    "Unknown": "red",
}

_MOST_ROWS = 500
_FIXED_LINES = 12
_FEWEST_ROWS = 5


class View:
    """What the API last answered."""

    def __init__(self) -> None:
        self.workloads: list[Json] = []
        self.deleted = 0
        self.observed_at = ""
        self._shown: dict[str, tuple[str, str, str]] = {}

    async def refresh(self, session: aiohttp.ClientSession, api: str) -> None:
        """Ask the API once more; a failure leaves what was there."""
        address = f"{api}/api/v1/workloads"
        latest = {"limit": str(_MOST_ROWS), "sortBy": "phaseUpdatedAt", "sortOrder": "desc"}
        async with session.get(address, params=latest) as response:
            response.raise_for_status()
            self.observed_at = response.headers.get("X-Rollcall-Observed-At", "")
            self.workloads = (await response.json())["workloads"]
        async with session.get(f"{address}/count", params={"deleted": "true"}) as response:
            response.raise_for_status()
            self.deleted = (await response.json())["count"]

    def changes(self) -> Iterator[str]:
        """A line for each workload whose phase is another than at the last call."""
        now = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        before, self._shown = (
            self._shown,
            {one["id"]: (_name(one), one["type"], one["phase"]) for one in self.workloads},
        )
        for uid, (name, kind, phase) in before.items():
            if uid not in self._shown:
                yield f"{now}  {name:<36} {kind:<12} deleted, was {phase}"
        for workload in reversed(self.workloads):
            name, kind, phase = self._shown[workload["id"]]
            _, _, last = before.get(workload["id"], ("", "", ""))
            if last != phase:
                arrow = f"{last} → {phase}" if last else phase
                yield f"{now}  {name:<36} {kind:<12} {arrow}{_because(workload)}"


def _name(workload: Mapping[str, Any]) -> str:
    return f"{workload['namespace']}/{workload['name']}"


def _because(workload: Mapping[str, Any]) -> str:
    message = workload.get("phaseMessage", "")
    return f"  ({message})" if message else ""


def draw(view: View, notes: Sequence[str], title: str, console: Console) -> RenderableType:
    """The table, as many rows as the terminal has room for, and the notes under it."""
    room = max(console.height - _FIXED_LINES - len(notes), _FEWEST_ROWS)
    shown = view.workloads[:room]
    table = Table(title=title, title_justify="left", expand=True, box=None, pad_edge=False, header_style="bold")
    columns = [column for column in _COLUMNS if console.width >= column.least_width]
    for column in columns:
        table.add_column(column.title, no_wrap=True, **column.options)
    for workload in shown:
        cells = _cells(workload)
        table.add_row(*(cells[column.title] for column in columns))
    rest = len(view.workloads) - len(shown)
    more = f"… and {rest} more" if rest > 0 else ""
    return Group(table, Text(more, style="dim"), _summary(view), Text(""), *[Text(note) for note in notes])


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    least_width: int = 0
    """The terminal's; in a narrower one the message needs the room."""


_COLUMNS = (
    _Column("PROJECT", {"max_width": 14}),
    _Column("NAME", {"max_width": 26}),
    _Column("TYPE", {"max_width": 12}),
    _Column("PHASE"),
    _Column("PODS", {"justify": "right"}),
    _Column("GPUS", {"justify": "right"}),
    _Column("POOLS", {"max_width": 14}, least_width=130),
    _Column("AGE", {"justify": "right"}, least_width=90),
    _Column("MESSAGE", {"ratio": 1, "overflow": "ellipsis"}),
)


def _cells(workload: Json) -> dict[str, str | Text]:
    phase = workload["phase"]
    wanted = workload.get("requestedPods", {}).get("number")
    pods = f"{workload['runningPods']}/{wanted}" if wanted is not None else str(workload["runningPods"])
    return {
        # As text: a bracket in a name is no markup.
        "PROJECT": Text(workload["projectName"]),
        "NAME": Text(workload["name"]),
        "TYPE": Text(workload["type"]),
        "PHASE": Text(phase, style=COLOURS.get(phase, "")),
        "PODS": pods,
        "GPUS": f"{_gpus(workload, 'allocatedResources')}/{_gpus(workload, 'workloadRequestedResources')}",
        "POOLS": Text(",".join(workload.get("currentNodePools", ()))),
        "AGE": _age(workload["createdAt"]),
        "MESSAGE": Text(workload.get("phaseMessage", ""), style="dim"),
    }


def _gpus(workload: Json, name: str) -> str:
    found = workload.get(name, {}).get("gpu")
    number = found.get("request") if isinstance(found, dict) else found
    return "-" if number is None else f"{number:g}"


def _age(created_at: str) -> str:
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds())
    if seconds < 120:  # noqa: PLR2004 - as kubectl
        return f"{max(seconds, 0)}s"
    minutes = seconds // 60
    return f"{minutes}m" if minutes < 120 else f"{minutes // 60}h"  # noqa: PLR2004 - same


def _summary(view: View) -> Text:
    text = Text()
    for phase, number in Counter(workload["phase"] for workload in view.workloads).most_common():
        text.append(f"{number} {phase}  ", style=COLOURS.get(phase, ""))
    held = sum(workload.get("allocatedResources", {}).get("gpu") or 0 for workload in view.workloads)
    text.append(f"{held:g} GPUs held  {view.deleted} deleted and kept", style="bold")
    return text


async def keep_fresh(view: View, api: str, stopped: asyncio.Event, *, seconds: float = 0.5) -> None:
    """Refresh the view until stopped."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while not stopped.is_set():
            # Whoever runs the processes sees whether they have ended.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await view.refresh(session, api)
            await asyncio.sleep(seconds)
