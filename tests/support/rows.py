"""What a test sees of the database: rows as they are, and patience."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from rollcall.settings import DatabaseSettings

DEADLINE_SECONDS = 60

Found = TypeVar("Found")
Row = dict[str, Any]


def eventually(
    ask: Callable[[], Found], wanted: Callable[[Found], bool], *, seconds: float = DEADLINE_SECONDS
) -> Found:
    """What is asked for, as soon as it is as wanted; fails with the last answer otherwise."""
    until = time.monotonic() + seconds
    while True:
        found = ask()
        if wanted(found):
            return found
        if time.monotonic() > until:
            raise AssertionError(f"after {seconds} s still: {found}")
        time.sleep(0.05)


class Rows:
    """The rows of one database."""

    def __init__(self, database: DatabaseSettings) -> None:
        self.dsn = database.dsn.get_secret_value()

    def query(self, statement: str, **values: Any) -> list[Row]:
        """Rows as dictionaries; ``%(name)s`` in the statement takes a value."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def live(self, namespace: str, name: str) -> Row:
        """The live row of a name; empty where there is none."""
        found = self.query(
            "SELECT * FROM workloads WHERE namespace = %(namespace)s AND name = %(name)s",
            namespace=namespace,
            name=name,
        )
        assert len(found) <= 1, found
        return found[0] if found else {}

    def deleted(self, namespace: str, name: str) -> list[Row]:
        """The deleted rows of a name, the oldest deletion first."""
        return self.query(
            "SELECT * FROM deleted_workloads WHERE namespace = %(namespace)s AND name = %(name)s ORDER BY deleted_at",
            namespace=namespace,
            name=name,
        )

    def history(self, uid: str) -> list[str]:
        """The phases that a workload has had, in order."""
        found = self.query("SELECT phase FROM phase_changes WHERE uid = %(uid)s ORDER BY at", uid=uid)
        return [row["phase"] for row in found]

    def until(self, namespace: str, name: str, *, seconds: float = DEADLINE_SECONDS, **columns: Any) -> Row:
        """The live row once these columns have these values."""

        def as_wanted(row: Row) -> bool:
            return bool(row) and all(row[column] == value for column, value in columns.items())

        return eventually(lambda: self.live(namespace, name), as_wanted, seconds=seconds)

    def until_deleted(self, namespace: str, name: str, *, seconds: float = DEADLINE_SECONDS) -> Row:
        """The deleted row once the workload is recorded as gone."""
        found = eventually(
            lambda: (self.live(namespace, name), self.deleted(namespace, name)),
            lambda both: not both[0] and len(both[1]) == 1,
            seconds=seconds,
        )
        return found[1][0]
