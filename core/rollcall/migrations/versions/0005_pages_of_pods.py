"""What pages of pods need: since when a pod is in its phase, and an index for each of the hot pages.

A pod that is gone has ended, which the deleted rows now say themselves: only then is the order by the end the index's
in both directions. The release before this one writes rows that fit.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; the operator waits meanwhile, a million deleted rows take some seconds an index."""
    for table in ("pods", "deleted_pods"):
        op.add_column(
            table,
            sa.Column(
                "k8s_phase_updated_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="none in rows of a release that did not write it",
            ),
        )
    op.execute("UPDATE deleted_pods SET ended_at = deleted_at WHERE ended_at IS NULL")
    op.alter_column("deleted_pods", "ended_at", nullable=False)
    for table in ("pods", "deleted_pods"):
        for key in ("created_at", "ended_at"):
            op.create_index(f"{table}_{key}_uid_idx", table, [key, "uid"], unique=False)
        op.create_index(f"{table}_uid_idx", table, ["uid"], unique=False)
        for word in ("namespace", "workload_uid", "node_name", "node_pool"):
            op.create_index(f"{table}_{word}_created_at_uid_idx", table, [word, "created_at", "uid"], unique=False)
    op.create_index("deleted_pods_deleted_at_uid_idx", "deleted_pods", ["deleted_at", "uid"], unique=False)
