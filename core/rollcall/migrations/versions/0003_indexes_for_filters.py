"""Indexes for the filters that pages and counts are asked for most.

A filter by one type, project or submitter reads its rows in the order of the default page, and a prefix of the name is
found regardless of case. Among the live rows a phase is found by the index that sorts by it; the deleted ones are too
many for that, so theirs has the order of the default page in it. Deleted workloads are looked for by name as well.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; the operator waits meanwhile, a million deleted rows take some seconds an index."""
    for table in ("workloads", "deleted_workloads"):
        for word in ("type", "project_id", "project_name", "submitted_by"):
            op.create_index(f"{table}_{word}_created_at_uid_idx", table, [word, "created_at", "uid"], unique=False)
        op.create_index(f"{table}_lower_name_uid_idx", table, [sa.text("lower(name)"), "uid"], unique=False)
    op.create_index("deleted_workloads_name_uid_idx", "deleted_workloads", ["name", "uid"], unique=False)
    op.create_index(
        "deleted_workloads_phase_order_created_at_uid_idx",
        "deleted_workloads",
        ["phase_order", "created_at", "uid"],
        unique=False,
    )
