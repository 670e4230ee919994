"""What a closed record needs to take in an observation that comes after its deletion.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OF_THE_PHASE = "of the observation that last_phase is from"
OF_THE_DELETION = "of the deletion"


def upgrade() -> None:
    """Add the columns; what is closed already keeps the version that guarded it."""
    for table in ("workloads", "deleted_workloads"):
        op.add_column(table, sa.Column("last_version", sa.BigInteger(), nullable=True, comment=OF_THE_PHASE))
    op.add_column(
        "deleted_workloads",
        sa.Column(
            "open_phase",
            sa.Text(collation="C"),
            nullable=True,
            comment="the phase it was closed in, Deleting included",
        ),
    )
    for table in ("deleted_workloads", "deleted_pods"):
        op.add_column(table, sa.Column("gone_version", sa.BigInteger(), nullable=True, comment=OF_THE_DELETION))
    op.add_column("tombstones", sa.Column("seen", sa.Text(collation="C"), server_default="exact", nullable=False))
    op.add_column("tombstones", sa.Column("gone_version", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE workloads SET last_version = observed_version WHERE phase <> 'Deleting'")
    op.execute("UPDATE deleted_workloads SET open_phase = phase, gone_version = observed_version")
    op.execute("UPDATE deleted_pods SET gone_version = resource_version")
    op.alter_column("deleted_workloads", "open_phase", nullable=False)
    op.alter_column("deleted_workloads", "gone_version", nullable=False)
    op.alter_column("deleted_pods", "gone_version", nullable=False)
    op.alter_column("tombstones", "seen", server_default=None)
    op.alter_column("tombstones", "gone_version", server_default=None)
