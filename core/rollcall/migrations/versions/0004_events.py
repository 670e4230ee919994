"""Kubernetes events of workloads' objects, by the day.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; what is there stays as it is."""
    word = sa.Text(collation="C")
    op.create_table(
        "events",
        sa.Column("cluster_id", word, nullable=False),
        sa.Column("uid", word, nullable=False),
        sa.Column("workload_uid", word, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="of the Event object; it never changes",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="when it happened last"),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("type", word, nullable=False),
        sa.Column("reason", word, nullable=True),
        sa.Column("message", word, nullable=False),
        sa.Column("source", word, nullable=True),
        sa.Column("involved_uid", word, nullable=False),
        sa.Column("involved_kind", word, nullable=False),
        sa.Column("involved_namespace", word, nullable=False),
        sa.Column("involved_name", word, nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "uid", "created_at", name=op.f("events_pkey")),
        comment="Kubernetes events of workloads' objects",
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "events_workload_uid_at_uid_idx", "events", ["cluster_id", "workload_uid", "at", "uid"], unique=False
    )
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
