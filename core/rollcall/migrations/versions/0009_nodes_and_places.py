"""Nodes, and what the lists of clusters, projects and node pools tell beyond names.

A release that does not know the new columns writes rows without them: each has a default or may be null.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what only the cluster knows comes with the operator's next start."""
    op.create_table(
        "nodes",
        sa.Column("cluster_id", sa.Text(collation="C"), nullable=False),
        sa.Column("uid", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("node_pool", sa.Text(collation="C"), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("gpu_type", sa.Text(collation="C"), nullable=True),
        sa.Column("gpu_count", sa.BigInteger(), nullable=False, comment="devices"),
        sa.Column("gpu_micros", sa.BigInteger(), nullable=False, comment="what pods can have of them"),
        sa.Column(
            "gpu_memory_bytes", sa.BigInteger(), nullable=False, comment="of all devices; 0 where no label tells"
        ),
        sa.Column("cpu_millis", sa.BigInteger(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("details", JSONB(), nullable=False, comment="for display alone: conditions and taints"),
        sa.Column("resource_version", sa.BigInteger(), nullable=False, comment="an older observation loses to it"),
        sa.PrimaryKeyConstraint("cluster_id", "uid", name=op.f("nodes_pkey")),
    )
    _add_instant("clusters", "created_at")
    op.add_column("clusters", sa.Column("kubernetes_version", sa.Text(collation="C"), nullable=True))
    _add_instant("projects", "created_at", "of the namespace")
    _add_instant("projects", "updated_at")
    op.add_column(
        "projects",
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the namespace is no project's any more; its history is",
        ),
    )
    op.add_column(
        "node_pools",
        sa.Column(
            "label",
            sa.Text(collation="C"),
            nullable=True,
            comment="which put its first node there; none where none has one",
        ),
    )
    _add_instant("node_pools", "created_at", "of its first node")
    _add_instant("node_pools", "updated_at")


def _add_instant(table: str, name: str, comment: str | None = None) -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column(table, sa.Column(name, instant, server_default=sa.text("now()"), nullable=False, comment=comment))
