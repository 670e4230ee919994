"""The rows of a database, read by one thread for many that wait for them."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from support.rows import Row, Rows

from rollcall.settings import DatabaseSettings

EVERY_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was there at one instant."""

    live: dict[str, list[Row]] = field(default_factory=dict)
    """By namespace."""
    deleted: dict[str, list[Row]] = field(default_factory=dict)
    """By namespace, the oldest deletion first."""
    history: dict[str, list[str]] = field(default_factory=dict)
    """The phases of a workload, by uid."""


class Snapshots:
    """The newest snapshot, and patience with it, while the ``with`` block runs."""

    def __init__(self, database: DatabaseSettings) -> None:
        self._rows = Rows(database)
        self._newest = Snapshot()
        self._told = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="snapshots", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def until(
        self, wanted: Callable[[Snapshot], bool], describe: Callable[[Snapshot], object], *, seconds: float
    ) -> None:
        """Wait until a snapshot is as wanted; fails with a description of the last one."""
        with self._told:
            if not self._told.wait_for(lambda: wanted(self._newest), timeout=seconds):
                raise AssertionError(f"after {seconds:g} s still: {describe(self._newest)}")

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot."""
        with self._told:
            return self._newest

    def _read(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            found = Snapshot(
                live=_by_namespace(self._rows.query("SELECT * FROM workloads")),
                deleted=_by_namespace(self._rows.query("SELECT * FROM deleted_workloads ORDER BY deleted_at")),
                history=_histories(self._rows.query("SELECT uid, phase FROM phase_changes ORDER BY at")),
            )
            with self._told:
                self._newest = found
                self._told.notify_all()


def _by_namespace(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["namespace"]].append(row)
    return dict(found)


def _histories(rows: list[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row["uid"]].append(row["phase"])
    return dict(found)
