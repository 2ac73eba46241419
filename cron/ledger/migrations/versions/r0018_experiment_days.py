"""The tables of what the visitors of experiments did, by day, and how far that was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "experiment_progress",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("through_seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "experiment_visitors",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("visitor_key", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("arm", sa.Text, primary_key=True),
        sa.Column("first_us", sa.BigInteger),
        sa.Column("num_lists", sa.BigInteger, nullable=False),
        sa.Column("num_fallbacks", sa.BigInteger, nullable=False),
        sa.Column("num_shown", sa.BigInteger, nullable=False),
        sa.Column("num_rare", sa.BigInteger, nullable=False),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("revenue", sa.Float, nullable=False),
        sa.Column("before", sa.Float, nullable=False),
    )
    op.create_index("experiment_visitor_keys", "experiment_visitors", ["visitor_key"])
    op.create_table(
        "experiment_days",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("segments", sa.Text, nullable=False),
        sa.Column("shown", sa.LargeBinary, nullable=False),
    )
