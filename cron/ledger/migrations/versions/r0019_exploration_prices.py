"""The table of what exploring costs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "exploration_prices",
        sa.Column("placement", sa.Text, primary_key=True),
        sa.Column("policy", sa.Text, primary_key=True),
        sa.Column("measured_at", sa.Text, nullable=False),
        sa.Column("price", sa.Text, nullable=False),
    )
