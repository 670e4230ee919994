"""Alembic's environment: it runs on the connection that `rollcall.store.schema.migrate` hands over."""

from typing import Any

from alembic import context

from rollcall.store.tables import PARTITIONED, metadata

VERSION_TABLE = "rollcall_schema"


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out the partitions: they come and go with the months."""
    if kind != "table" or name is None:
        return True
    return not any(name.startswith(f"{table.name}_") for table in PARTITIONED)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=include_name,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
