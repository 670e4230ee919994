"""The tables. Everything that can be filtered or sorted by is a typed column; ``details`` is for display alone.

Live and deleted are apart: `workloads` and `pods` hold what is there now, so that no live query pays for history;
`deleted_workloads`, `deleted_pods` and `phase_changes` are partitioned by month and `events`, which are kept for days,
by day, so that retention drops partitions.
Text compares by code point (``COLLATE "C"``), so that a page's order does not depend on the server's locale.
``cluster_id`` leads every key: many clusters share one database, and it is what the tables would be distributed by.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Interval,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s_idx"},
)

_WORD = Text(collation="C")
_INSTANT = DateTime(timezone=True)


def _workload_columns() -> list[Column[Any]]:
    """The columns that a workload has, live or deleted."""
    return [
        Column("cluster_id", _WORD, nullable=False),
        Column("uid", _WORD, nullable=False),
        Column("api_group", _WORD, nullable=False),
        Column("api_version", _WORD, nullable=False),
        Column("kind", _WORD, nullable=False),
        Column("type", _WORD, nullable=False),
        Column("category", _WORD, nullable=False),
        Column("namespace", _WORD, nullable=False),
        Column("name", _WORD, nullable=False),
        Column("project_id", _WORD, nullable=False),
        Column("project_name", _WORD, nullable=False),
        Column("department_id", _WORD, nullable=False),
        Column("department_name", _WORD, nullable=False),
        Column("source", _WORD, nullable=False),
        Column("submitted_by", _WORD),
        Column("priority_class_name", _WORD, nullable=False),
        Column("priority", Integer),
        Column("preemptible", Boolean),
        Column("distributed_framework", _WORD),
        Column("created_at", _INSTANT, nullable=False),
        Column("completed_at", _INSTANT),
        Column("updated_at", _INSTANT, nullable=False),
        Column("phase", _WORD, nullable=False),
        Column("phase_order", SmallInteger, nullable=False, comment="the phase's place in a life, for sorting"),
        Column("phase_message", _WORD),
        Column("phase_reason", _WORD),
        Column("phase_rule", _WORD, nullable=False),
        Column("phase_source", _WORD, nullable=False),
        Column("phase_updated_at", _INSTANT, nullable=False),
        Column("last_phase", _WORD, comment="the last phase that was not Deleting: what a deleted record shows"),
        Column("last_phase_message", _WORD),
        Column("last_version", BigInteger, comment="of the observation that last_phase is from"),
        Column("k8s_phase", _WORD, nullable=False),
        Column("k8s_phase_updated_at", _INSTANT, nullable=False),
        Column("pending_time", Interval, nullable=False, comment="in Pending, the present stay excluded"),
        Column("running_time", Interval, nullable=False, comment="in Running, the present stay excluded"),
        Column("running_since", _INSTANT, comment="the latch: when it first ran"),
        Column("running_pods", Integer, nullable=False),
        Column("ready_pods", Integer, nullable=False),
        Column("allocated_gpu_micros", BigInteger, nullable=False),
        Column("node_pools", ARRAY(_WORD), nullable=False, comment="current; the first is what sorting reads"),
        Column("images", ARRAY(_WORD), nullable=False),
        Column("details", JSONB, nullable=False, comment="for display alone: never filtered, never sorted"),
        Column("observed_version", BigInteger, nullable=False, comment="an older observation loses to it"),
        Column(
            "changed_version",
            BigInteger,
            nullable=False,
            server_default="1",
            comment="of cluster_versions, when it last changed",
        ),
    ]


def _indexes_for_filters(table: str) -> list[Index]:
    """For the filters that a page or a count is asked for most: by one value, in the order of the default page.

    What starts with something is found regardless of case, so in an index of its own.
    """
    words = ("type", "project_id", "project_name", "submitted_by")
    return [
        *(Index(f"{table}_{word}_created_at_uid_idx", word, "created_at", "uid") for word in words),
        Index(f"{table}_lower_name_uid_idx", func.lower(column("name", _WORD)), "uid"),
    ]


_ALWAYS_THERE = {
    "cluster_id": "cluster_id",
    "department_id": "department_id",
    "department_name": "department_name",
    "category": "category",
    "priority_class_name": "priority_class_name",
    "phase_updated_at": "phase_updated_at",
    "pending_seconds": "(floor(EXTRACT(epoch FROM pending_time))::bigint)",
    "running_seconds": "(floor(EXTRACT(epoch FROM running_time))::bigint)",
}
_SOMETIMES_THERE = {
    "priority": "priority",
    "completed_at": "completed_at",
    "distributed_framework": "distributed_framework",
    "node_pool": "(node_pools[1])",
}


def _indexes_for_sorting() -> list[Index]:
    """For every sort of the deleted that no index above serves: by a value, then as the default page.

    To sort a million of them takes a second; the live are few enough. Where a value may be missing the directions
    differ by more than being read backwards, since what has none comes last in both.
    """
    last = ("created_at DESC", "uid DESC")
    # Forwards filters have made that by submitter.
    backwards = {**_SOMETIMES_THERE, "submitted_by": "submitted_by"}
    return [
        *(
            Index(f"deleted_workloads_{name}_created_at_uid_idx", text(value), "created_at", "uid")
            for name, value in {**_ALWAYS_THERE, **_SOMETIMES_THERE}.items()
        ),
        *(
            Index(f"deleted_workloads_{name}_last_idx", *map(text, (f"{value} DESC NULLS LAST", *last)))
            for name, value in backwards.items()
        ),
    ]


workloads = Table(
    "workloads",
    metadata,
    *_workload_columns(),
    PrimaryKeyConstraint("cluster_id", "uid"),
    # With what a page joins by, so that a deep page passes over the index alone.
    Index("workloads_created_at_uid_idx", "created_at", "uid", postgresql_include=["cluster_id"]),
    Index("workloads_namespace_created_at_uid_idx", "namespace", "created_at", "uid"),
    Index("workloads_name_created_at_uid_idx", "name", "created_at", "uid"),
    Index("workloads_cluster_id_created_at_uid_idx", "cluster_id", "created_at", "uid"),
    Index("workloads_phase_order_created_at_uid_idx", "phase_order", "created_at", "uid"),
    Index("workloads_uid_idx", "uid"),
    *_indexes_for_filters("workloads"),
)

deleted_workloads = Table(
    "deleted_workloads",
    metadata,
    *_workload_columns(),
    Column("deleted_at", _INSTANT, nullable=False),
    Column("deletion_seen", _WORD, nullable=False, comment="exact: as an event; late: by a sweep"),
    Column("gone_version", BigInteger, nullable=False, comment="of the deletion"),
    Column("open_phase", _WORD, nullable=False, comment="the phase it was closed in, Deleting included"),
    PrimaryKeyConstraint("cluster_id", "uid", "deleted_at"),
    Index("deleted_workloads_created_at_uid_idx", "created_at", "uid", postgresql_include=["cluster_id", "deleted_at"]),
    Index(
        "deleted_workloads_deleted_at_created_at_uid_idx",
        "deleted_at",
        "created_at",
        "uid",
        postgresql_include=["cluster_id"],
    ),
    Index("deleted_workloads_namespace_created_at_uid_idx", "namespace", "created_at", "uid"),
    Index("deleted_workloads_name_created_at_uid_idx", "name", "created_at", "uid"),
    Index("deleted_workloads_phase_order_created_at_uid_idx", "phase_order", "created_at", "uid"),
    Index("deleted_workloads_uid_idx", "uid"),
    *_indexes_for_filters("deleted_workloads"),
    *_indexes_for_sorting(),
    postgresql_partition_by="RANGE (deleted_at)",
)


def _pod_columns(*, gone: bool) -> list[Column[Any]]:
    """The columns that a pod has, there or gone; one that is gone has ended."""
    return [
        Column("cluster_id", _WORD, nullable=False),
        Column("uid", _WORD, nullable=False),
        Column("workload_uid", _WORD, nullable=False),
        Column("namespace", _WORD, nullable=False),
        Column("name", _WORD, nullable=False),
        Column("role", _WORD),
        Column("node_name", _WORD),
        Column("node_pool", _WORD),
        Column("k8s_phase", _WORD, nullable=False),
        Column("state", _WORD, nullable=False),
        Column("message", _WORD),
        Column("requested_gpu_micros", BigInteger, nullable=False),
        Column("requested_gpu_memory_bytes", BigInteger, nullable=False),
        Column("requested_cpu_millis", BigInteger, nullable=False),
        Column("requested_memory_bytes", BigInteger, nullable=False),
        Column("allocated_gpu_micros", BigInteger, nullable=False),
        Column("allocated_gpu_memory_bytes", BigInteger, nullable=False),
        Column("allocated_cpu_millis", BigInteger, nullable=False),
        Column("allocated_memory_bytes", BigInteger, nullable=False),
        Column("created_at", _INSTANT, nullable=False),
        Column("bound_at", _INSTANT),
        Column("ready_at", _INSTANT),
        Column("ended_at", _INSTANT, nullable=not gone),
        Column("fatal_since", _INSTANT),
        Column("priority_class_name", _WORD),
        Column("details", JSONB, nullable=False),
        Column("resource_version", BigInteger, nullable=False),
        Column("updated_at", _INSTANT, nullable=False),
        Column("k8s_phase_updated_at", _INSTANT, comment="none in rows of a release that did not write it"),
    ]


def _indexes_of_pods(table: str) -> list[Index]:
    """For the pages: by what they are sorted by, and by one value of a filter in the order of the default page."""
    words = ("cluster_id", "namespace", "workload_uid", "node_name", "node_pool")
    return [
        Index(f"{table}_created_at_uid_idx", "created_at", "uid"),
        Index(f"{table}_ended_at_uid_idx", "ended_at", "uid"),
        Index(f"{table}_uid_idx", "uid"),
        *(Index(f"{table}_{word}_created_at_uid_idx", word, "created_at", "uid") for word in words),
    ]


pods = Table(
    "pods",
    metadata,
    *_pod_columns(gone=False),
    PrimaryKeyConstraint("cluster_id", "uid"),
    Index("pods_workload_uid_idx", "cluster_id", "workload_uid"),
    *_indexes_of_pods("pods"),
)

deleted_pods = Table(
    "deleted_pods",
    metadata,
    *_pod_columns(gone=True),
    Column("deleted_at", _INSTANT, nullable=False),
    Column("deletion_seen", _WORD, nullable=False),
    Column("gone_version", BigInteger, nullable=False, comment="of the deletion"),
    PrimaryKeyConstraint("cluster_id", "uid", "deleted_at"),
    Index("deleted_pods_workload_uid_idx", "cluster_id", "workload_uid"),
    Index("deleted_pods_deleted_at_uid_idx", "deleted_at", "uid"),
    *_indexes_of_pods("deleted_pods"),
    postgresql_partition_by="RANGE (deleted_at)",
)

phase_changes = Table(
    "phase_changes",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("uid", _WORD, nullable=False, comment="of the workload"),
    Column("at", _INSTANT, nullable=False),
    Column("phase", _WORD, nullable=False),
    Column("phase_message", _WORD),
    Index("phase_changes_cluster_id_uid_at_idx", "cluster_id", "uid", "at"),
    postgresql_partition_by="RANGE (at)",
)

events = Table(
    "events",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("uid", _WORD, nullable=False),
    Column("workload_uid", _WORD, nullable=False),
    Column("created_at", _INSTANT, nullable=False, comment="of the Event object; it never changes"),
    Column("at", _INSTANT, nullable=False, comment="when it happened last"),
    Column("count", Integer, nullable=False),
    Column("type", _WORD, nullable=False),
    Column("reason", _WORD),
    Column("message", _WORD, nullable=False),
    Column("source", _WORD),
    Column("involved_uid", _WORD, nullable=False),
    Column("involved_kind", _WORD, nullable=False),
    Column("involved_namespace", _WORD, nullable=False),
    Column("involved_name", _WORD, nullable=False),
    PrimaryKeyConstraint("cluster_id", "uid", "created_at"),
    Index("events_workload_uid_at_uid_idx", "cluster_id", "workload_uid", "at", "uid"),
    postgresql_partition_by="RANGE (created_at)",
    comment="Kubernetes events of workloads' objects",
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("uid", _WORD, nullable=False),
    Column("at", _INSTANT, nullable=False),
    Column("seen", _WORD, nullable=False),
    Column("gone_version", BigInteger, nullable=False),
    PrimaryKeyConstraint("cluster_id", "uid"),
    comment="deletions that found no row: a slower writer must not bring the object back",
)

served_schemas = Table(
    "served_schemas",
    metadata,
    Column("revision", Text, nullable=False),
    PrimaryKeyConstraint("revision"),
    comment="the heads of the releases that run on this schema",
)

clusters = Table(
    "clusters",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("name", _WORD, nullable=False),
    Column("observed_at", _INSTANT, comment="the oldest of its watches"),
    Column("updated_at", _INSTANT, nullable=False, server_default=text("now()")),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()")),
    Column("kubernetes_version", _WORD),
    PrimaryKeyConstraint("cluster_id"),
)

projects = Table(
    "projects",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("namespace", _WORD, nullable=False),
    Column("project_id", _WORD, nullable=False),
    Column("project_name", _WORD, nullable=False),
    Column("department_id", _WORD, nullable=False),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()"), comment="of the namespace"),
    Column("updated_at", _INSTANT, nullable=False, server_default=text("now()")),
    Column("gone_at", _INSTANT, comment="the namespace is no project's any more; its history is"),
    PrimaryKeyConstraint("cluster_id", "namespace"),
)

departments = Table(
    "departments",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("department_id", _WORD, nullable=False),
    Column("department_name", _WORD, nullable=False),
    PrimaryKeyConstraint("cluster_id", "department_id"),
)

node_pools = Table(
    "node_pools",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("name", _WORD, nullable=False),
    Column("nodes", Integer, nullable=False),
    Column("gpu_micros", BigInteger, nullable=False),
    Column("label", _WORD, comment="which put its first node there; none where none has one"),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()"), comment="of its first node"),
    Column("updated_at", _INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("cluster_id", "name"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("uid", _WORD, nullable=False),
    Column("name", _WORD, nullable=False),
    Column("node_pool", _WORD, nullable=False),
    Column("status", _WORD, nullable=False),
    Column("gpu_type", _WORD),
    Column("gpu_count", BigInteger, nullable=False, comment="devices"),
    Column("gpu_micros", BigInteger, nullable=False, comment="what pods can have of them"),
    Column("gpu_memory_bytes", BigInteger, nullable=False, comment="of all devices; 0 where no label tells"),
    Column("cpu_millis", BigInteger, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False, server_default=text("now()")),
    Column("details", JSONB, nullable=False, comment="for display alone: conditions and taints"),
    Column("resource_version", BigInteger, nullable=False, comment="an older observation loses to it"),
    PrimaryKeyConstraint("cluster_id", "uid"),
)

cluster_versions = Table(
    "cluster_versions",
    metadata,
    Column("cluster_id", _WORD, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("cluster_id"),
    comment="counts the changes of a cluster's workloads, in the order in which they were committed",
)

MONTHLY = (deleted_workloads, deleted_pods, phase_changes)
"""The tables that history fills and retention empties, a partition a month."""

PARTITIONED = (*MONTHLY, events)
"""All tables with partitions; of `events` there is one a day."""
