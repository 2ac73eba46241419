"""The tables of how many events came, and of what lists of recommendations led to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "event_hours",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("num_events", sa.BigInteger, nullable=False),
        sa.Column("num_named", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "list_events",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("num_events", sa.BigInteger, nullable=False),
    )
