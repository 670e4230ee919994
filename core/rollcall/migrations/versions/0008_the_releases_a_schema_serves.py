"""The schema says which releases it serves, so that one migration does not end the release before it.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the list; `rollcall migrate` fills it."""
    op.create_table(
        "served_schemas",
        sa.Column("revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision"),
        comment="the heads of the releases that run on this schema",
    )
