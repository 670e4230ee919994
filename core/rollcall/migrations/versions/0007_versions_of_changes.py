"""Changes of a cluster's workloads are counted, so that a reader knows what it has seen.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counter, and to each row the count of its last change; a writer that knows of neither may go on."""
    for table in ("workloads", "deleted_workloads"):
        op.add_column(
            table,
            sa.Column(
                "changed_version",
                sa.BigInteger(),
                server_default="1",
                nullable=False,
                comment="of cluster_versions, when it last changed",
            ),
        )
    op.create_table(
        "cluster_versions",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("cluster_versions_pkey")),
        comment="counts the changes of a cluster's workloads, in the order in which they were committed",
    )


def downgrade() -> None:
    """Forget the counts."""
    op.drop_table("cluster_versions")
    for table in ("deleted_workloads", "workloads"):
        op.drop_column(table, "changed_version")
