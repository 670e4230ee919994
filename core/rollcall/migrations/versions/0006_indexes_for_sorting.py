"""Indexes for every sort of the deleted, and deep pages that pass over an index alone.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ALWAYS_THERE = {
    "cluster_id": "cluster_id",
    "department_id": "department_id",
    "department_name": "department_name",
    "category": "category",
    "priority_class_name": "priority_class_name",
    "phase_updated_at": "phase_updated_at",
    "pending_seconds": "(floor(EXTRACT(epoch FROM pending_time))::bigint)",
    "running_seconds": "(floor(EXTRACT(epoch FROM running_time))::bigint)",
}
SOMETIMES_THERE = {
    "priority": "priority",
    "completed_at": "completed_at",
    "distributed_framework": "distributed_framework",
    "node_pool": "(node_pools[1])",
    "submitted_by": "submitted_by",
}


def upgrade() -> None:
    """Make them; the operator waits meanwhile, a million deleted rows take some seconds an index."""
    op.drop_index("workloads_created_at_uid_idx", table_name="workloads")
    op.create_index(
        "workloads_created_at_uid_idx", "workloads", ["created_at", "uid"], postgresql_include=["cluster_id"]
    )
    op.drop_index("workloads_phase_order_uid_idx", table_name="workloads")
    op.create_index("workloads_phase_order_created_at_uid_idx", "workloads", ["phase_order", "created_at", "uid"])
    for table in ("workloads", "deleted_workloads"):
        op.drop_index(f"{table}_name_uid_idx", table_name=table)
        op.create_index(f"{table}_name_created_at_uid_idx", table, ["name", "created_at", "uid"])
    for table in ("workloads", "pods", "deleted_pods"):
        op.create_index(f"{table}_cluster_id_created_at_uid_idx", table, ["cluster_id", "created_at", "uid"])
    deleted = "deleted_workloads"
    op.drop_index("deleted_workloads_created_at_uid_idx", table_name=deleted)
    op.create_index(
        "deleted_workloads_created_at_uid_idx",
        deleted,
        ["created_at", "uid"],
        postgresql_include=["cluster_id", "deleted_at"],
    )
    op.drop_index("deleted_workloads_deleted_at_uid_idx", table_name=deleted)
    op.create_index(
        "deleted_workloads_deleted_at_created_at_uid_idx",
        deleted,
        ["deleted_at", "created_at", "uid"],
        postgresql_include=["cluster_id"],
    )
    for name, value in {**ALWAYS_THERE, **SOMETIMES_THERE}.items():
        if name != "submitted_by":
            op.create_index(f"{deleted}_{name}_created_at_uid_idx", deleted, [sa.text(value), "created_at", "uid"])
    for name, value in SOMETIMES_THERE.items():
        order = (f"{value} DESC NULLS LAST", "created_at DESC", "uid DESC")
        op.create_index(f"{deleted}_{name}_last_idx", deleted, list(map(sa.text, order)))
