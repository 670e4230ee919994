"""The first tables.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "clusters",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True, comment="the oldest of its watches"),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("clusters_pkey")),
    )
    op.create_table(
        "deleted_pods",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False),
        sa.Column("workload_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("role", sa.Text(collation="C"), nullable=True),
        sa.Column("node_name", sa.Text(collation="C"), nullable=True),
        sa.Column("node_pool", sa.Text(collation="C"), nullable=True),
        sa.Column("k8s_phase", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("message", sa.Text(collation="C"), nullable=True),
        sa.Column("requested_gpu_micros", sa.BigInteger(), nullable=False),
        sa.Column("requested_gpu_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("requested_cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("requested_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("allocated_gpu_micros", sa.BigInteger(), nullable=False),
        sa.Column("allocated_gpu_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("allocated_cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("allocated_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fatal_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority_class_name", sa.Text(collation="C"), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("resource_version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deletion_seen", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "uid", "deleted_at", name=op.f("deleted_pods_pkey")),
        postgresql_partition_by="RANGE (deleted_at)",
    )
    op.create_index("deleted_pods_workload_uid_idx", "deleted_pods", ["cluster_id", "workload_uid"], unique=False)
    op.create_table(
        "deleted_workloads",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False),
        sa.Column("api_group", sa.Text(collation="C"), nullable=False),
        sa.Column("api_version", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("category", sa.Text(collation="C"), nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_name", sa.Text(collation="C"), nullable=False),
        sa.Column("department_id", sa.Text(collation="C"), nullable=False),
        sa.Column("department_name", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("submitted_by", sa.Text(collation="C"), nullable=True),
        sa.Column("priority_class_name", sa.Text(collation="C"), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("preemptible", sa.Boolean(), nullable=True),
        sa.Column("distributed_framework", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phase", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_order", sa.SmallInteger(), nullable=False, comment="the phase's place in a life, for sorting"),
        sa.Column("phase_message", sa.Text(collation="C"), nullable=True),
        sa.Column("phase_reason", sa.Text(collation="C"), nullable=True),
        sa.Column("phase_rule", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_source", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "last_phase",
            sa.Text(collation="C"),
            nullable=True,
            comment="the last phase that was not Deleting: what a deleted record shows",
        ),
        sa.Column("last_phase_message", sa.Text(collation="C"), nullable=True),
        sa.Column("k8s_phase", sa.Text(collation="C"), nullable=False),
        sa.Column("k8s_phase_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pending_time", sa.Interval(), nullable=False, comment="in Pending, the present stay excluded"),
        sa.Column("running_time", sa.Interval(), nullable=False, comment="in Running, the present stay excluded"),
        sa.Column("running_since", sa.DateTime(timezone=True), nullable=True, comment="the latch: when it first ran"),
        sa.Column("running_pods", sa.Integer(), nullable=False),
        sa.Column("ready_pods", sa.Integer(), nullable=False),
        sa.Column("allocated_gpu_micros", sa.BigInteger(), nullable=False),
        sa.Column(
            "node_pools",
            sa.ARRAY(sa.Text(collation="C")),
            nullable=False,
            comment="current; the first is what sorting reads",
        ),
        sa.Column("images", sa.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="for display alone: never filtered, never sorted",
        ),
        sa.Column("observed_version", sa.BigInteger(), nullable=False, comment="an older observation loses to it"),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "deletion_seen", sa.Text(collation="C"), nullable=False, comment="exact: as an event; late: by a sweep"
        ),
        sa.PrimaryKeyConstraint("cluster_id", "uid", "deleted_at", name=op.f("deleted_workloads_pkey")),
        postgresql_partition_by="RANGE (deleted_at)",
    )
    op.create_index("deleted_workloads_created_at_uid_idx", "deleted_workloads", ["created_at", "uid"], unique=False)
    op.create_index("deleted_workloads_deleted_at_uid_idx", "deleted_workloads", ["deleted_at", "uid"], unique=False)
    op.create_index(
        "deleted_workloads_namespace_created_at_uid_idx",
        "deleted_workloads",
        ["namespace", "created_at", "uid"],
        unique=False,
    )
    op.create_index("deleted_workloads_uid_idx", "deleted_workloads", ["uid"], unique=False)
    op.create_table(
        "departments",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("department_id", sa.Text(collation="C"), nullable=False),
        sa.Column("department_name", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "department_id", name=op.f("departments_pkey")),
    )
    op.create_table(
        "node_pools",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("nodes", sa.Integer(), nullable=False),
        sa.Column("gpu_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "name", name=op.f("node_pools_pkey")),
    )
    op.create_table(
        "phase_changes",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False, comment="of the workload"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phase", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_message", sa.Text(collation="C"), nullable=True),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("phase_changes_cluster_id_uid_at_idx", "phase_changes", ["cluster_id", "uid", "at"], unique=False)
    op.create_table(
        "pods",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False),
        sa.Column("workload_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("role", sa.Text(collation="C"), nullable=True),
        sa.Column("node_name", sa.Text(collation="C"), nullable=True),
        sa.Column("node_pool", sa.Text(collation="C"), nullable=True),
        sa.Column("k8s_phase", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("message", sa.Text(collation="C"), nullable=True),
        sa.Column("requested_gpu_micros", sa.BigInteger(), nullable=False),
        sa.Column("requested_gpu_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("requested_cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("requested_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("allocated_gpu_micros", sa.BigInteger(), nullable=False),
        sa.Column("allocated_gpu_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("allocated_cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("allocated_memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fatal_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority_class_name", sa.Text(collation="C"), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("resource_version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "uid", name=op.f("pods_pkey")),
    )
    op.create_index("pods_workload_uid_idx", "pods", ["cluster_id", "workload_uid"], unique=False)
    op.create_table(
        "projects",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_name", sa.Text(collation="C"), nullable=False),
        sa.Column("department_id", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "namespace", name=op.f("projects_pkey")),
    )
    op.create_table(
        "tombstones",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "uid", name=op.f("tombstones_pkey")),
        comment="deletions that found no row: a slower writer must not bring the object back",
    )
    op.create_table(
        "workloads",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False),
        sa.Column("api_group", sa.Text(collation="C"), nullable=False),
        sa.Column("api_version", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("category", sa.Text(collation="C"), nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_name", sa.Text(collation="C"), nullable=False),
        sa.Column("department_id", sa.Text(collation="C"), nullable=False),
        sa.Column("department_name", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("submitted_by", sa.Text(collation="C"), nullable=True),
        sa.Column("priority_class_name", sa.Text(collation="C"), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("preemptible", sa.Boolean(), nullable=True),
        sa.Column("distributed_framework", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phase", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_order", sa.SmallInteger(), nullable=False, comment="the phase's place in a life, for sorting"),
        sa.Column("phase_message", sa.Text(collation="C"), nullable=True),
        sa.Column("phase_reason", sa.Text(collation="C"), nullable=True),
        sa.Column("phase_rule", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_source", sa.Text(collation="C"), nullable=False),
        sa.Column("phase_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "last_phase",
            sa.Text(collation="C"),
            nullable=True,
            comment="the last phase that was not Deleting: what a deleted record shows",
        ),
        sa.Column("last_phase_message", sa.Text(collation="C"), nullable=True),
        sa.Column("k8s_phase", sa.Text(collation="C"), nullable=False),
        sa.Column("k8s_phase_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pending_time", sa.Interval(), nullable=False, comment="in Pending, the present stay excluded"),
        sa.Column("running_time", sa.Interval(), nullable=False, comment="in Running, the present stay excluded"),
        sa.Column("running_since", sa.DateTime(timezone=True), nullable=True, comment="the latch: when it first ran"),
        sa.Column("running_pods", sa.Integer(), nullable=False),
        sa.Column("ready_pods", sa.Integer(), nullable=False),
        sa.Column("allocated_gpu_micros", sa.BigInteger(), nullable=False),
        sa.Column(
            "node_pools",
            sa.ARRAY(sa.Text(collation="C")),
            nullable=False,
            comment="current; the first is what sorting reads",
        ),
        sa.Column("images", sa.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="for display alone: never filtered, never sorted",
        ),
        sa.Column("observed_version", sa.BigInteger(), nullable=False, comment="an older observation loses to it"),
        sa.PrimaryKeyConstraint("cluster_id", "uid", name=op.f("workloads_pkey")),
    )
    op.create_index("workloads_created_at_uid_idx", "workloads", ["created_at", "uid"], unique=False)
    op.create_index("workloads_name_uid_idx", "workloads", ["name", "uid"], unique=False)
    op.create_index(
        "workloads_namespace_created_at_uid_idx", "workloads", ["namespace", "created_at", "uid"], unique=False
    )
    op.create_index("workloads_phase_order_uid_idx", "workloads", ["phase_order", "uid"], unique=False)
    op.create_index("workloads_uid_idx", "workloads", ["uid"], unique=False)
    # Nothing is ever refused for want of a month's partition: the operator makes those ahead of time.
    for table in ("deleted_workloads", "deleted_pods", "phase_changes"):
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
