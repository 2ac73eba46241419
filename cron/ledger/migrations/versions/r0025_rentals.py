"""Machines that are rented around trainings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "rentals",
        sa.Column("rental_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("machines", sa.Text, nullable=False),
        sa.Column("num_asked", sa.Integer, nullable=False),
        sa.Column("num_joined", sa.Integer, nullable=False, server_default="0"),
        sa.Column("price", sa.Float, nullable=False, server_default="0"),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("joined_at", sa.Text),
        sa.Column("stopped_at", sa.Text),
    )
